//! Sub-pages of the infrared arrays to whole pictures, and those to messages.

use tournee_link::{THERMAL_CHUNK_MAX, Thermal};

/// Pixels of a picture, 32 × 24, row by row from the top left.
pub(crate) const PIXELS: usize = 768;

/// One camera.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pictures {
    frame: u16,
    /// Which sub-pages are new since the last picture, a bit each.
    fresh: u8,
    /// When the older of them was read, in ticks.
    begun_us: u64,
}

impl Pictures {
    pub(crate) const fn new() -> Self {
        Self { frame: 0, fresh: 0, begun_us: 0 }
    }

    /// After a fault: half a picture is none.
    pub(crate) fn restart(&mut self) {
        self.fresh = 0;
    }

    /// A sub-page was read; gives the picture's parts and its tick when both are new.
    pub(crate) fn take(
        &mut self,
        now_us: u64,
        camera: u8,
        number: u8,
        ambient_cdegc: i16,
        picture: &[i16; PIXELS],
        mut on_part: impl FnMut(u64, Thermal),
    ) {
        if self.fresh == 0 {
            self.begun_us = now_us;
        }
        self.fresh |= 1 << (number & 1);
        if self.fresh != 0b11 {
            return;
        }
        self.fresh = 0;
        // The halves are half a picture's period apart: the picture belongs between them.
        let tick_us = self.begun_us.midpoint(now_us);
        let frame = self.frame;
        self.frame = frame.wrapping_add(1);
        for (chunk, pixels) in (0..).zip(picture.chunks(THERMAL_CHUNK_MAX)) {
            // A chunk fits by construction.
            let pixels_cdegc = heapless::Vec::from_slice(pixels).unwrap_or_default();
            on_part(tick_us, Thermal { camera, frame, chunk, ambient_cdegc, pixels_cdegc });
        }
    }
}
