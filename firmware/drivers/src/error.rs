//! What can go wrong with a part.

use core::fmt;

/// Why a driver has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The bus failed; whether nothing answered is for its `kind()` to say.
    Bus(E),
    /// What the part said does not fit its check sum.
    Checksum,
    /// Another part answers: the identity that was found.
    Identity(u32),
    /// The part is in the state that it has after power-on: it was reset and has to be set up again.
    Restarted,
    /// A value that the part cannot have.
    Range,
    /// The part reports a fault of its own; its status bits.
    Internal(u32),
}

impl<E> From<E> for Error<E> {
    fn from(error: E) -> Self {
        Self::Bus(error)
    }
}

impl<E: fmt::Debug> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(error) => write!(f, "bus: {error:?}"),
            Self::Checksum => f.write_str("wrong check sum"),
            Self::Identity(found) => write!(f, "another part answers: {found:#x}"),
            Self::Restarted => f.write_str("the part was reset"),
            Self::Range => f.write_str("a value that the part cannot have"),
            Self::Internal(bits) => write!(f, "the part reports a fault: {bits:#x}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for Error<E> {}
