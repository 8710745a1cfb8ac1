//! Is this message, is this row, to be believed?

use tournee_lake::Table;
use tournee_payload::{Decoded, Sample, Stream, Topic, TopicError, decode_counting, field};

use crate::quarantine::Refusal;

/// The table of a stream.
#[must_use]
pub const fn stream_table(stream: Stream) -> Table {
    match stream {
        Stream::Air => Table::Air,
        Stream::Road => Table::Road,
        Stream::RoadEvent => Table::RoadEvent,
        Stream::Mobile => Table::Mobile,
        Stream::Thermal => Table::Thermal,
        Stream::Track => Table::Track,
        Stream::Health => Table::Health,
        Stream::Gap => Table::Gap,
    }
}

/// Reads a message. The broker's access list lets a box write only under its own topics; here it is checked again, because
/// a broker may be configured wrongly.
///
/// # Errors
/// The refusal to put in quarantine, with the message's bytes.
pub fn message(topic: &str, payload: &[u8]) -> Result<Decoded, Box<Refusal>> {
    let (box_id, shard, stream) = match Topic::parse(topic) {
        Ok(Topic::Up { shard, box_id, stream }) => (box_id, shard, stream),
        Ok(_) => return Err(Refusal::message(topic, payload, "topic_grammar", "not an `up` topic")),
        Err(error) => return Err(Refusal::message(topic, payload, topic_reason(&error), &error.to_string())),
    };
    let refuse = |reason: &'static str, detail: &str| {
        let mut refusal = Refusal::message(topic, payload, reason, detail);
        refusal.box_id = Some(box_id.to_string());
        refusal.stream = Some(stream);
        refusal.shard = shard;
        refusal
    };
    let decoded = decode_counting(payload).map_err(|error| refuse(error.reason(), &error.to_string()))?;
    let batch = &decoded.batch;
    if batch.box_id != box_id {
        return Err(refuse("wrong_box", &format!("the payload is of box {}, the topic of {box_id}", batch.box_id)));
    }
    if batch.stream != stream {
        let (found, named) = (batch.stream.name(), stream.name());
        return Err(refuse("wrong_stream", &format!("the payload is of stream {found}, the topic of {named}")));
    }
    Ok(decoded)
}

const fn topic_reason(error: &TopicError) -> &'static str {
    match error {
        TopicError::Grammar => "topic_grammar",
        TopicError::Shard => "topic_shard",
        TopicError::BoxId(_) => "topic_box_id",
        TopicError::WrongShard { .. } => "topic_wrong_shard",
        TopicError::Stream => "topic_unknown_stream",
    }
}

/// Checks one row. Not-a-number cannot occur: every value is an optional integer.
///
/// # Errors
/// A short reason that never changes, and a line of detail.
pub fn row(sample: &Sample) -> Result<(), (&'static str, String)> {
    let width = tournee_payload::fields(sample.stream).len();
    if sample.values.len() != width {
        return Err(("wrong_width", format!("{} values for {width} fields", sample.values.len())));
    }
    if let Some((field, value)) = sample.out_of_range() {
        let detail = format!("{} = {value} outside {}..={} (×10^{})", field.name, field.min, field.max, field.scale);
        return Err(("out_of_range", detail));
    }
    if sample.get(field::LAT_DEG) == Some(0) && sample.get(field::LON_DEG) == Some(0) {
        return Err(("position_0_0", "position is exactly 0,0: a receiver without a fix".to_owned()));
    }
    if sample.stream == Stream::Gap && gap_range(sample).is_none() {
        return Err(("gap_range", "gap_stream, first_seq or last_seq missing, or first_seq > last_seq".to_owned()));
    }
    Ok(())
}

/// Own fields of the `gap` stream.
const GAP_STREAM: u16 = 16;
const GAP_FIRST_SEQ: u16 = 17;
const GAP_LAST_SEQ: u16 = 18;

/// The stream and the range that a gap record gives up.
pub(crate) fn gap_range(sample: &Sample) -> Option<(Stream, u64, u64)> {
    let stream = Stream::from_code(u32::try_from(sample.get(GAP_STREAM)?).ok()?)?;
    let first = u64::try_from(sample.get(GAP_FIRST_SEQ)?).ok()?;
    let last = u64::try_from(sample.get(GAP_LAST_SEQ)?).ok()?;
    (stream != Stream::Gap && first <= last).then_some((stream, first, last))
}

/// May a gap record give up `first..=last` of a series whose known numbers end before `end`? A record of a few bytes could
/// otherwise account for everything that a box will ever send.
///
/// # Errors
/// As [`row`].
pub(crate) fn gap_fits(first: u64, last: u64, end: u64, most: u64) -> Result<(), (&'static str, String)> {
    if last.saturating_sub(first) >= most || last >= end.saturating_add(most) {
        let detail = format!("gives up {first} to {last}; known end before {end}, at most {most} more are believed");
        return Err(("gap_too_wide", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tournee_payload::{Batch, BoxId, encode, fields};

    use super::*;

    fn batch(name: &str, stream: Stream) -> Batch {
        let samples = vec![Sample::new(stream)];
        Batch { box_id: BoxId::new(name).unwrap(), stream, epoch: 7, first_seq: 0, samples }
    }

    #[test]
    fn reasons_of_messages() {
        let own = batch("a", Stream::Air);
        let bytes = encode(&own).unwrap();
        let mut corrupt = bytes.clone();
        *corrupt.last_mut().unwrap() ^= 1;
        let reason =
            |topic: &str, payload: &[u8]| message(topic, payload).map(|d| d.batch).map_err(|r| r.reason.into_owned());
        assert_eq!(reason("tournee/v1/12/a/up/air", &bytes), Ok(own));
        assert_eq!(reason("tournee/v1/12/a/up/road", &bytes), Err("wrong_stream".to_owned()));
        let other = tournee_payload::shard(&BoxId::new("b").unwrap());
        assert_eq!(reason(&format!("tournee/v1/{other:02}/b/up/air"), &bytes), Err("wrong_box".to_owned()));
        assert_eq!(reason("tournee/v1/13/a/up/air", &bytes), Err("topic_wrong_shard".to_owned()));
        assert_eq!(reason("tournee/v1/99/a/up/air", &bytes), Err("topic_shard".to_owned()));
        assert_eq!(reason("tournee/v1/12/A/up/air", &bytes), Err("topic_box_id".to_owned()));
        assert_eq!(reason("tournee/v1/12/a/up/smell", &bytes), Err("topic_unknown_stream".to_owned()));
        assert_eq!(reason("tournee/v1/12/a/down/ack", &bytes), Err("topic_grammar".to_owned()));
        assert_eq!(reason("elsewhere", &bytes), Err("topic_grammar".to_owned()));
        assert!(reason("tournee/v1/12/a/up/air", &corrupt).is_err());
        assert_eq!(reason("tournee/v1/12/a/up/air", b"\xff\xff\xff"), Err("payload_envelope".to_owned()));
    }

    #[test]
    fn gaps_are_bounded() {
        let fits = |first, last, end| gap_fits(first, last, end, 10).is_ok();
        assert!(fits(0, 9, 0) && fits(5, 5, 0) && fits(100, 109, 100) && fits(3, 12, 1_000));
        assert!(!fits(0, 10, 1_000) && !fits(10, 10, 0) && !fits(105, 110, 100));
        assert!(gap_fits(0, u64::MAX - 1, 0, u64::MAX).is_ok());
    }

    #[test]
    fn reasons_of_rows() {
        for stream in Stream::ALL {
            for (position, field) in fields(stream).iter().enumerate() {
                let mut sample = Sample::new(stream);
                if let Some(below) = field.min.checked_sub(1) {
                    sample.values[position] = Some(below);
                    assert_eq!(row(&sample).unwrap_err().0, "out_of_range", "{} {}", stream.name(), field.name);
                }
            }
        }
        let mut sample = Sample::new(Stream::Track);
        sample.set(field::LAT_DEG, Some(0));
        assert_eq!(row(&sample), Ok(()));
        sample.set(field::LON_DEG, Some(0));
        assert_eq!(row(&sample).unwrap_err().0, "position_0_0");
        sample.values.pop();
        assert_eq!(row(&sample).unwrap_err().0, "wrong_width");
        let mut gap = Sample::new(Stream::Gap);
        assert_eq!(row(&gap).unwrap_err().0, "gap_range");
        gap.set(GAP_STREAM, Some(2));
        gap.set(GAP_FIRST_SEQ, Some(5));
        gap.set(GAP_LAST_SEQ, Some(4));
        assert_eq!(row(&gap).unwrap_err().0, "gap_range");
        gap.set(GAP_LAST_SEQ, Some(5));
        assert_eq!(row(&gap), Ok(()));
        assert_eq!(gap_range(&gap), Some((Stream::Road, 5, 5)));
        let own = |id: u16| fields(Stream::Gap).iter().find(|field| field.id == id).map(|field| field.name);
        assert_eq!(own(GAP_STREAM), Some("gap_stream"));
        assert_eq!((own(GAP_FIRST_SEQ), own(GAP_LAST_SEQ)), (Some("first_seq"), Some("last_seq")));
    }
}
