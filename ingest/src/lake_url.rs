//! Where a lake lies: a folder, or a prefix of a bucket.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use object_store::path::Path as ObjectPath;

use crate::error::IngestError;

/// Where a lake lies. Written as a path, `file:///path` or `s3://bucket/prefix`. Secrets never stand in it: an object
/// store's come from the usual `AWS_*` environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeUrl(pub(crate) Place);

/// The kinds of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A prefix of a bucket.
    S3 { bucket: String, prefix: ObjectPath },
}

impl LakeUrl {
    /// The folder, when the lake is one of this machine.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.0 {
            Place::Folder(path) => Some(path),
            Place::S3 { .. } => None,
        }
    }
}

impl FromStr for LakeUrl {
    type Err = IngestError;

    /// # Errors
    /// [`IngestError::Location`] when the text is neither a path nor a URL of a known kind.
    fn from_str(text: &str) -> Result<Self, IngestError> {
        let bad = |reason: String| IngestError::Location { location: text.to_owned(), reason };
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "" => Err(bad("it is empty; give a path, file:///path or s3://bucket/prefix".to_owned())),
                path => Ok(Self(Place::Folder(PathBuf::from(path)))),
            };
        };
        match scheme {
            "file" => {
                let path = rest.strip_prefix("localhost").unwrap_or(rest);
                if !path.starts_with('/') {
                    return Err(bad("write the whole path after file://, for instance file:///srv/lake".to_owned()));
                }
                let path = ObjectPath::from_url_path(path).map_err(|error| bad(error.to_string()))?;
                Ok(Self(Place::Folder(Path::new("/").join(path.as_ref()))))
            }
            "s3" | "s3a" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
                if bucket.is_empty() || !bucket.bytes().all(allowed) {
                    return Err(bad("the name of the bucket must follow s3://, and nothing else; credentials and \
                                    endpoint come from the AWS_* environment"
                        .to_owned()));
                }
                let prefix = ObjectPath::parse(prefix.trim_end_matches('/')).map_err(|error| bad(error.to_string()))?;
                if prefix.as_ref().contains(['?', '#', '%']) {
                    return Err(bad("the prefix must not contain ?, # or %".to_owned()));
                }
                Ok(Self(Place::S3 { bucket: bucket.to_owned(), prefix }))
            }
            _ => Err(bad(format!("{scheme}:// is not supported; give a path, file:///path or s3://bucket/prefix"))),
        }
    }
}

impl fmt::Display for LakeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Folder(path) => path.display().fmt(f),
            Place::S3 { bucket, prefix } if prefix.as_ref().is_empty() => write!(f, "s3://{bucket}"),
            Place::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl From<PathBuf> for LakeUrl {
    fn from(path: PathBuf) -> Self {
        Self(Place::Folder(path))
    }
}

impl From<&PathBuf> for LakeUrl {
    fn from(path: &PathBuf) -> Self {
        Self(Place::Folder(path.clone()))
    }
}

impl From<&Path> for LakeUrl {
    fn from(path: &Path) -> Self {
        Self(Place::Folder(path.to_path_buf()))
    }
}

impl From<&Self> for LakeUrl {
    fn from(url: &Self) -> Self {
        url.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_users_write() {
        for (text, expected) in [
            ("data/live/lake", "data/live/lake"),
            ("/srv/lake", "/srv/lake"),
            ("file:///srv/my%20lake", "/srv/my lake"),
            ("file://localhost/srv/lake", "/srv/lake"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("s3a://bucket/a/b/", "s3://bucket/a/b"),
        ] {
            assert_eq!(text.parse::<LakeUrl>().unwrap().to_string(), expected);
        }
        assert_eq!("/srv/lake".parse::<LakeUrl>().unwrap().folder(), Some(Path::new("/srv/lake")));
        assert_eq!("s3://b/x".parse::<LakeUrl>().unwrap().folder(), None);
    }

    #[test]
    fn refuses_the_rest_with_advice() {
        for (text, word) in [
            ("", "empty"),
            ("file://srv/lake", "whole path"),
            ("s3://", "bucket"),
            ("s3://key:secret@bucket/lake", "AWS_"),
            ("s3://bucket/a//b", "empty"),
            ("s3://bucket/a?versionId=1", "prefix"),
            ("gs://bucket/lake", "not supported"),
        ] {
            let error = text.parse::<LakeUrl>().unwrap_err().to_string();
            assert!(error.contains(word) && error.lines().count() == 1, "{error}");
        }
    }
}
