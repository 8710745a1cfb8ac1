//! The topic grammar: `tournee/v1/{shard:02}/{box}/…`.

use std::fmt;

use crate::box_id::{BoxId, BoxIdError, SHARDS, shard};
use crate::stream::Stream;

/// A topic. The shard is always the one that follows from the box id: [`Topic::parse`] refuses another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `…/up/{stream}`: batches, from the box.
    Up {
        /// Shard of the box.
        shard: u8,
        /// The box.
        box_id: BoxId,
        /// The stream.
        stream: Stream,
    },
    /// `…/down/ack`: watermarks, retained, to the box.
    DownAck {
        /// Shard of the box.
        shard: u8,
        /// The box.
        box_id: BoxId,
    },
    /// `…/down/command`: commands, retained, to the box.
    DownCommand {
        /// Shard of the box.
        shard: u8,
        /// The box.
        box_id: BoxId,
    },
    /// `…/state`: whether the box is connected, retained and last will, from the box.
    State {
        /// Shard of the box.
        shard: u8,
        /// The box.
        box_id: BoxId,
    },
}

/// Why a text is no topic of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Not `tournee/v1/{shard}/{box}/up/{stream}`, `…/down/ack`, `…/down/command` or `…/state`.
    #[error("not a topic of tournee/v1")]
    Grammar,
    /// The shard is not two digits below 64.
    #[error("the shard is not two digits below {SHARDS}")]
    Shard,
    /// The box id is none.
    #[error("{0}")]
    BoxId(#[from] BoxIdError),
    /// The box belongs to another shard.
    #[error("box {box_id} belongs to shard {expected:02}, not {found:02}")]
    WrongShard {
        /// The box.
        box_id: BoxId,
        /// Its shard.
        expected: u8,
        /// The shard in the topic.
        found: u8,
    },
    /// A stream that this version does not know.
    #[error("unknown stream in the topic")]
    Stream,
}

impl Topic {
    /// Where a box publishes batches of a stream.
    #[must_use]
    pub fn up(box_id: &BoxId, stream: Stream) -> Self {
        Self::Up { shard: shard(box_id), box_id: box_id.clone(), stream }
    }

    /// Where a box finds its watermarks.
    #[must_use]
    pub fn down_ack(box_id: &BoxId) -> Self {
        Self::DownAck { shard: shard(box_id), box_id: box_id.clone() }
    }

    /// Where a box finds its commands.
    #[must_use]
    pub fn down_command(box_id: &BoxId) -> Self {
        Self::DownCommand { shard: shard(box_id), box_id: box_id.clone() }
    }

    /// Where a box says that it is there.
    #[must_use]
    pub fn state(box_id: &BoxId) -> Self {
        Self::State { shard: shard(box_id), box_id: box_id.clone() }
    }

    /// What a worker subscribes to for every batch of a shard.
    #[must_use]
    pub fn up_filter(shard: u8) -> String {
        format!("tournee/v1/{shard:02}/+/up/+")
    }

    /// The box of the topic.
    #[must_use]
    pub const fn box_id(&self) -> &BoxId {
        match self {
            Self::Up { box_id, .. }
            | Self::DownAck { box_id, .. }
            | Self::DownCommand { box_id, .. }
            | Self::State { box_id, .. } => box_id,
        }
    }

    /// Reads a topic.
    ///
    /// # Errors
    /// When the text is outside the grammar, or the shard is not that of the box.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        let rest = text.strip_prefix("tournee/v1/").ok_or(TopicError::Grammar)?;
        let mut parts = rest.split('/');
        let (Some(digits), Some(name), Some(kind)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(TopicError::Grammar);
        };
        let leaf = parts.next();
        if parts.next().is_some() {
            return Err(TopicError::Grammar);
        }
        if digits.len() != 2 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(TopicError::Shard);
        }
        let found: u8 = digits.parse().map_err(|_| TopicError::Shard)?;
        if found >= SHARDS {
            return Err(TopicError::Shard);
        }
        let box_id = BoxId::new(name)?;
        let expected = shard(&box_id);
        if found != expected {
            return Err(TopicError::WrongShard { box_id, expected, found });
        }
        match (kind, leaf) {
            ("up", Some(stream)) => {
                let stream = Stream::from_name(stream).ok_or(TopicError::Stream)?;
                Ok(Self::Up { shard: found, box_id, stream })
            }
            ("down", Some("ack")) => Ok(Self::DownAck { shard: found, box_id }),
            ("down", Some("command")) => Ok(Self::DownCommand { shard: found, box_id }),
            ("state", None) => Ok(Self::State { shard: found, box_id }),
            _ => Err(TopicError::Grammar),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { shard, box_id, stream } => write!(f, "tournee/v1/{shard:02}/{box_id}/up/{}", stream.name()),
            Self::DownAck { shard, box_id } => write!(f, "tournee/v1/{shard:02}/{box_id}/down/ack"),
            Self::DownCommand { shard, box_id } => write!(f, "tournee/v1/{shard:02}/{box_id}/down/command"),
            Self::State { shard, box_id } => write!(f, "tournee/v1/{shard:02}/{box_id}/state"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_reads_back() {
        let box_id = BoxId::new("van-01").unwrap();
        let mut topics = vec![Topic::down_ack(&box_id), Topic::down_command(&box_id), Topic::state(&box_id)];
        topics.extend(Stream::ALL.map(|stream| Topic::up(&box_id, stream)));
        for topic in topics {
            assert_eq!(Topic::parse(&topic.to_string()), Ok(topic));
        }
    }

    #[test]
    fn frozen_text() {
        let box_id = BoxId::new("a").unwrap();
        assert_eq!(Topic::up(&box_id, Stream::RoadEvent).to_string(), "tournee/v1/12/a/up/road_event");
        assert_eq!(Topic::down_ack(&box_id).to_string(), "tournee/v1/12/a/down/ack");
        assert_eq!(Topic::up_filter(3), "tournee/v1/03/+/up/+");
    }

    #[test]
    fn refused() {
        for (text, error) in [
            ("", TopicError::Grammar),
            ("tournee/v2/12/a/state", TopicError::Grammar),
            ("tournee/v1/12/a", TopicError::Grammar),
            ("tournee/v1/12/a/up/air/x", TopicError::Grammar),
            ("tournee/v1/12/a/down/other", TopicError::Grammar),
            ("tournee/v1/12/a/state/x", TopicError::Grammar),
            ("tournee/v1/12/a/up/smell", TopicError::Stream),
            ("tournee/v1/64/a/state", TopicError::Shard),
            ("tournee/v1/+1/a/state", TopicError::Shard),
            ("tournee/v1/012/a/state", TopicError::Shard),
            ("tournee/v1/12/A/state", TopicError::BoxId(BoxIdError::Start)),
            ("tournee/v1/12//state", TopicError::BoxId(BoxIdError::Length(0))),
        ] {
            assert_eq!(Topic::parse(text), Err(error), "{text}");
        }
        assert!(matches!(
            Topic::parse("tournee/v1/13/a/state"),
            Err(TopicError::WrongShard { expected: 12, found: 13, .. })
        ));
    }
}
