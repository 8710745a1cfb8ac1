//! The line between box and host: now and then a byte is flipped or lost.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tournee_link::{Header, MAX_FRAME_BYTES, Message, encode};

/// How bad the line is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineNoise {
    /// Probability that one bit of a frame is flipped.
    pub flip_per_frame: f64,
    /// Probability that one byte of a frame is lost.
    pub drop_per_frame: f64,
}

impl LineNoise {
    /// A line without faults.
    pub const CLEAN: Self = Self { flip_per_frame: 0.0, drop_per_frame: 0.0 };
}

impl Default for LineNoise {
    /// A few dozen faults in the whole demo.
    fn default() -> Self {
        Self { flip_per_frame: 2e-5, drop_per_frame: 1e-5 }
    }
}

/// The sender's end of the line: frames messages, and damages some.
#[derive(Debug)]
pub(crate) struct Line {
    noise: LineNoise,
    rng: ChaCha8Rng,
    frames_sent: u64,
    frames_flipped: u64,
    frames_cut: u64,
    bytes_sent: u64,
}

impl Line {
    pub(crate) fn new(noise: LineNoise, seed: u64) -> Self {
        Self {
            noise,
            rng: ChaCha8Rng::seed_from_u64(seed),
            frames_sent: 0,
            frames_flipped: 0,
            frames_cut: 0,
            bytes_sent: 0,
        }
    }

    /// (frames sent, flipped, cut, bytes sent).
    pub(crate) fn counters(&self) -> (u64, u64, u64, u64) {
        (self.frames_sent, self.frames_flipped, self.frames_cut, self.bytes_sent)
    }

    /// A new boot: an empty frame ends whatever the last one left on the line.
    pub(crate) fn boot(&mut self, out: &mut Vec<u8>) {
        out.push(0);
        self.bytes_sent += 1;
    }

    pub(crate) fn send(&mut self, header: &Header, message: &Message, out: &mut Vec<u8>) {
        let mut frame = [0_u8; MAX_FRAME_BYTES];
        // MAX_FRAME_BYTES holds every frame; should it not, the sequence number shows the loss.
        let Ok(len) = encode(header, message, &mut frame) else { return };
        self.frames_sent += 1;
        let start = out.len();
        out.extend_from_slice(&frame[..len]);
        if !answers(message) {
            self.damage(start, len, out);
        }
        self.bytes_sent += (out.len() - start) as u64;
    }

    /// `at` is drawn as a share of the frame: its length depends on the number in its header.
    fn damage(&mut self, start: usize, len: usize, out: &mut Vec<u8>) {
        let draw: f64 = self.rng.random();
        if draw < self.noise.flip_per_frame {
            let at = self.place(len);
            out[start + at] ^= 1 << self.rng.random_range(0..8);
            self.frames_flipped += 1;
        } else if draw < self.noise.flip_per_frame + self.noise.drop_per_frame {
            let at = self.place(len);
            out.remove(start + at);
            self.frames_cut += 1;
        }
    }

    fn place(&mut self, len: usize) -> usize {
        let share: f64 = self.rng.random();
        ((share * len as f64) as usize).min(len - 1)
    }
}

/// What answers the host comes at moments of the host's choosing. It is not damaged, so that the same seed damages the
/// same frames whenever the host asks.
const fn answers(message: &Message) -> bool {
    matches!(
        message,
        Message::HelloV2(_)
            | Message::TimeSync(_)
            | Message::Ack(_)
            | Message::Nak(_)
            | Message::Config(_)
            | Message::SelfTest(_)
    )
}
