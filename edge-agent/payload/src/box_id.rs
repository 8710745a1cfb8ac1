//! Who measured: the name of a box, and the shard that follows from it.

use std::fmt;
use std::str::FromStr;

/// Shards of the topic tree and of the ingest workers.
pub const SHARDS: u8 = 64;

/// The name of a box: 1 to 32 characters of `[a-z0-9-]`, starting with a letter. Equals the common name of its certificate.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoxId(String);

/// Why a text is no box id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoxIdError {
    /// Empty, or longer than 32 characters.
    #[error("a box id has 1 to 32 characters, this one has {0}")]
    Length(usize),
    /// Does not start with a letter.
    #[error("a box id starts with a letter a-z")]
    Start,
    /// Holds a character outside `[a-z0-9-]`.
    #[error("a box id holds only a-z, 0-9 and '-'; byte {0} is something else")]
    Character(usize),
}

impl BoxId {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// When `name` is not 1 to 32 characters of `[a-z0-9-]` that start with a letter.
    pub fn new(name: &str) -> Result<Self, BoxIdError> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > 32 {
            return Err(BoxIdError::Length(bytes.len()));
        }
        if !bytes.first().is_some_and(u8::is_ascii_lowercase) {
            return Err(BoxIdError::Start);
        }
        match bytes.iter().position(|b| !(b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')) {
            Some(at) => Err(BoxIdError::Character(at)),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BoxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BoxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoxId({})", self.0)
    }
}

impl AsRef<str> for BoxId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for BoxId {
    type Err = BoxIdError;

    fn from_str(name: &str) -> Result<Self, BoxIdError> {
        Self::new(name)
    }
}

impl TryFrom<String> for BoxId {
    type Error = BoxIdError;

    fn try_from(name: String) -> Result<Self, BoxIdError> {
        Self::new(&name)
    }
}

/// The shard of a box: FNV-1a (64 bits) of its name, modulo [`SHARDS`].
#[must_use]
pub fn shard(box_id: &BoxId) -> u8 {
    let hash = box_id
        .0
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash % u64::from(SHARDS)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(BoxId::new("v").is_ok());
        assert!(BoxId::new("van-01").is_ok());
        assert!(BoxId::new(&"v".repeat(32)).is_ok());
        assert_eq!(BoxId::new(""), Err(BoxIdError::Length(0)));
        assert_eq!(BoxId::new(&"v".repeat(33)), Err(BoxIdError::Length(33)));
        assert_eq!(BoxId::new("1v"), Err(BoxIdError::Start));
        assert_eq!(BoxId::new("-v"), Err(BoxIdError::Start));
        assert_eq!(BoxId::new("vA"), Err(BoxIdError::Character(1)));
        assert_eq!(BoxId::new("v/+"), Err(BoxIdError::Character(1)));
        assert_eq!(BoxId::new("vé"), Err(BoxIdError::Character(1)));
    }

    #[test]
    fn shards_are_frozen() {
        // FNV-1a 64 of "a" is 0xaf63dc4c8601ec8c (published test vector): 0x8c mod 64 = 12.
        assert_eq!(shard(&BoxId::new("a").unwrap()), 12);
        // FNV-1a 64 of "foobar" is 0x85944171f73967e8: 0xe8 mod 64 = 40.
        assert_eq!(shard(&BoxId::new("foobar").unwrap()), 40);
    }
}
