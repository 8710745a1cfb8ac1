//! Why the box started, from the chip's reset flags and from the word that the last boot left.

/// What a boot leaves for the next one before it resets on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Farewell {
    /// Somebody asked for a reboot.
    Asked = 1,
    /// A panic; the detail is the line.
    Panic = 2,
    /// A fault of the core; the detail is where.
    HardFault = 3,
    /// A peripheral could not be set up; the detail is which.
    SetUp = 4,
}

/// Three words of RAM that no start-up code touches. After power-up they are noise, which the seal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Note {
    kind: u32,
    detail: u32,
    seal: u32,
}

const SEAL: u32 = 0x7A5E_C0DE;

impl Note {
    /// No farewell.
    pub const NONE: Self = Self { kind: 0, detail: 0, seal: 0 };

    /// A sealed note.
    #[must_use]
    pub const fn new(farewell: Farewell, detail: u32) -> Self {
        let kind = farewell as u32;
        Self { kind, detail, seal: SEAL ^ kind.rotate_left(16) ^ detail }
    }

    /// What it says, if its seal holds.
    #[must_use]
    pub const fn farewell(self) -> Option<Farewell> {
        if self.seal != SEAL ^ self.kind.rotate_left(16) ^ self.detail {
            return None;
        }
        match self.kind {
            1 => Some(Farewell::Asked),
            2 => Some(Farewell::Panic),
            3 => Some(Farewell::HardFault),
            4 => Some(Farewell::SetUp),
            _ => None,
        }
    }
}

/// The flags of RCC_CSR that matter (reference manual RM0440, RCC_CSR).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetFlags {
    /// Brown-out or power-on, BORRSTF.
    pub power: bool,
    /// Either watchdog, IWDGRSTF or WWDGRSTF.
    pub watchdog: bool,
    /// By program, SFTRSTF.
    pub software: bool,
}

/// The number that the link's Hello carries: 0 unknown, 1 power, 2 watchdog, 3 asked, 4 fault.
///
/// The pin's flag is set by every reset, because the chip pulls its own pin; a reset by the button alone is "unknown". A
/// power-on also sets it whatever else is set, so power goes first: its RAM is noise and no note counts.
#[must_use]
pub const fn reset_cause(flags: ResetFlags, farewell: Option<Farewell>) -> u8 {
    if flags.power {
        return 1;
    }
    if flags.watchdog {
        return 2;
    }
    match farewell {
        Some(Farewell::Asked) if flags.software => 3,
        Some(Farewell::Panic | Farewell::HardFault | Farewell::SetUp) if flags.software => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOFTWARE: ResetFlags = ResetFlags { power: false, watchdog: false, software: true };

    #[test]
    fn a_note_comes_back_and_noise_does_not() {
        for farewell in [Farewell::Asked, Farewell::Panic, Farewell::HardFault, Farewell::SetUp] {
            for detail in [0, 1, 0xFFFF_FFFF] {
                let note = Note::new(farewell, detail);
                assert_eq!(note.farewell(), Some(farewell));
                for bit in 0..32 {
                    assert_eq!(Note { kind: note.kind ^ 1 << bit, ..note }.farewell(), None);
                    assert_eq!(Note { detail: note.detail ^ 1 << bit, ..note }.farewell(), None);
                    assert_eq!(Note { seal: note.seal ^ 1 << bit, ..note }.farewell(), None);
                }
            }
        }
        assert_eq!(Note::NONE.farewell(), None);
        assert_eq!(Note { kind: u32::MAX, detail: u32::MAX, seal: u32::MAX }.farewell(), None);
    }

    #[test]
    fn causes() {
        assert_eq!(reset_cause(SOFTWARE, Some(Farewell::Asked)), 3);
        assert_eq!(reset_cause(SOFTWARE, Some(Farewell::Panic)), 4);
        assert_eq!(reset_cause(SOFTWARE, Some(Farewell::SetUp)), 4);
        // A debugger resets by program and leaves no note; the button leaves no flag.
        assert_eq!(reset_cause(SOFTWARE, None), 0);
        assert_eq!(reset_cause(ResetFlags::default(), Some(Farewell::Asked)), 0);
        assert_eq!(reset_cause(ResetFlags { watchdog: true, ..SOFTWARE }, Some(Farewell::Asked)), 2);
        let power = ResetFlags { power: true, watchdog: true, software: true };
        assert_eq!(reset_cause(power, Some(Farewell::HardFault)), 1);
    }
}
