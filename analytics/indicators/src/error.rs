//! What can be wrong with a data file of this crate.

/// A data file (kinds, gates, scales, corrections) that cannot be used. The message names the file and the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {key}: {message}")]
pub struct DataError {
    /// File name, as given by the caller.
    pub file: String,
    /// Key inside the file; `toml` when the file is not TOML at all.
    pub key: String,
    /// What is wrong and what is expected.
    pub message: String,
}

impl DataError {
    pub(crate) fn new(file: &str, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), key: key.into(), message: message.into() }
    }

    pub(crate) fn toml(file: &str, error: &toml::de::Error) -> Self {
        Self::new(file, "toml", error.to_string().trim().replace('\n', " "))
    }
}
