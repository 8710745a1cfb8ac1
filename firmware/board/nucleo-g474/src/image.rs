//! Whether an image is one that this board can start.

use core::ops::Range;

/// Bytes of an image that [`is_startable`] looks at.
pub const HEAD_BYTES: usize = 8;

/// Whether the first two words of an image, initial stack and reset vector (Armv7-M, vector table), fit this board: the stack
/// within `ram` and aligned, the code within `active`, in Thumb state. An image of another board fails here instead of at its
/// trial.
#[must_use]
pub fn is_startable(head: [u8; HEAD_BYTES], ram: Range<u32>, active: Range<u32>) -> bool {
    let [s0, s1, s2, s3, r0, r1, r2, r3] = head;
    let (stack, reset) = (u32::from_le_bytes([s0, s1, s2, s3]), u32::from_le_bytes([r0, r1, r2, r3]));
    stack > ram.start && stack <= ram.end && stack.is_multiple_of(8) && active.contains(&reset) && reset % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAM: Range<u32> = 0x2000_0000..0x2002_0000;
    const ACTIVE: Range<u32> = 0x0800_6000..0x0802_6000;

    fn head(stack: u32, reset: u32) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head[..4].copy_from_slice(&stack.to_le_bytes());
        head[4..].copy_from_slice(&reset.to_le_bytes());
        head
    }

    #[test]
    fn an_image_of_this_board_starts() {
        assert!(is_startable(head(0x2000_8000, 0x0800_6201), RAM, ACTIVE));
        assert!(is_startable(head(0x2002_0000, 0x0802_5FFF), RAM, ACTIVE));
    }

    #[test]
    fn others_do_not() {
        for (stack, reset) in [
            // Of the emulated board; erased flash; empty; the boot loader itself; data bit instead of Thumb; odd stack.
            (0x2000_8000, 0x0000_01F1),
            (0xFFFF_FFFF, 0xFFFF_FFFF),
            (0, 0),
            (0x2000_8000, 0x0800_0201),
            (0x2000_8000, 0x0800_6200),
            (0x2000_8004, 0x0800_6201),
            (0x2002_0008, 0x0800_6201),
            (0x2000_0000, 0x0800_6201),
        ] {
            assert!(!is_startable(head(stack, reset), RAM, ACTIVE), "{stack:#x} {reset:#x}");
        }
    }
}
