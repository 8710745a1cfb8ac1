//! What the loops ask of a board.

use tournee_sampler::Vitals;

/// A board.
pub trait Board {
    /// Microseconds since boot, never going back.
    fn now_us(&self) -> u64;
    /// What the board knows of itself.
    fn vitals(&self) -> Vitals;
    /// Whether the driver's switch says that nothing may be collected.
    fn is_switched_off(&self) -> bool {
        false
    }
    /// Whether the board was made for tests: only such a board obeys [`tournee_link::Command::Hang`].
    fn is_for_tests(&self) -> bool {
        false
    }
    /// Starts anew.
    fn reboot(&self) -> !;
}
