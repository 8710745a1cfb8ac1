//! Topics and the small messages between agent and ingest: nothing panics, nothing is larger than the limits, and what was
//! read, written again, is read the same. The first byte chooses the kind, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tournee_fuzz::split_way;
use tournee_payload::{
    AckMessage, BoxId, Command, CommandMessage, MAX_ACKS, MAX_AREAS, MAX_COMMANDS, MAX_DETAIL_BYTES,
    MAX_DIAGNOSTICS_BYTES, MAX_OFF, Order, OrderError, SHARDS, StateMessage, StateReport, Topic, TopicError, shard,
};

/// Schema version 1 and the box van-01, in every message the first two fields: with them in front, the rest is read.
const HEAD: &[u8] = b"\x08\x01\x12\x06van-01";

fuzz_target!(|data: &[u8]| {
    let Some((framed, rest)) = split_way(data) else { return };
    let kind = data.first().map_or(0, |byte| byte >> 1) % 4;
    if kind == 0 {
        let text = String::from_utf8_lossy(rest);
        return if framed { topic_of_a_box(&text) } else { topic(&text) };
    }
    let bytes = if framed { [HEAD, rest].concat() } else { rest.to_vec() };
    match kind {
        1 => ack(&bytes),
        2 => state(&bytes),
        _ => command(&bytes),
    }
});

fn topic(text: &str) {
    let Ok(topic) = Topic::parse(text) else { return };
    assert_eq!(topic.to_string(), text, "a topic has one text");
    let (Topic::Up { shard: found, .. }
    | Topic::DownAck { shard: found, .. }
    | Topic::DownCommand { shard: found, .. }
    | Topic::State { shard: found, .. }) = topic;
    assert!(found == shard(topic.box_id()) && found < SHARDS);
    assert_eq!(BoxId::new(topic.box_id().as_str()).as_ref(), Ok(topic.box_id()));
}

/// `{box}/…` after the shard of that box, which nobody guesses.
fn topic_of_a_box(rest: &str) {
    let name = rest.split('/').next().unwrap_or_default();
    let Ok(box_id) = BoxId::new(name) else { return };
    let text = format!("tournee/v1/{:02}/{rest}", shard(&box_id));
    topic(&text);
    let result = Topic::parse(&text);
    assert!(!matches!(result, Err(TopicError::Shard | TopicError::WrongShard { .. } | TopicError::BoxId(_))), "{text}");
    assert!(result.is_err() || result.is_ok_and(|topic| *topic.box_id() == box_id));
}

fn ack(bytes: &[u8]) {
    let Ok(message) = AckMessage::decode(bytes) else { return };
    assert!(message.acks.len() <= MAX_ACKS);
    let again = message.encode();
    assert!(again.len() <= bytes.len(), "{} bytes for {} as received", again.len(), bytes.len());
    assert_eq!(AckMessage::decode(&again), Ok(message));
}

fn state(bytes: &[u8]) {
    let state = StateMessage::decode(bytes);
    let report = StateReport::decode(bytes);
    match (state, report) {
        (Ok(state), report) => {
            assert_eq!(StateMessage::decode(&state.encode()).as_ref(), Ok(&state));
            let Ok(report) = report else { return };
            assert_eq!(report.state, state, "both readers say the same");
            assert!(report.answers.len() <= MAX_COMMANDS && report.diagnostics.len() <= MAX_DIAGNOSTICS_BYTES);
            assert!(report.answers.iter().all(|answer| answer.detail.len() <= MAX_DETAIL_BYTES));
            let again = report.encode();
            assert_eq!(StateMessage::decode(&again), Ok(state), "an older reader skips the rest");
            assert_eq!(StateReport::decode(&again), Ok(report));
        }
        (Err(_), report) => assert!(report.is_err(), "{report:?} without a state"),
    }
}

fn command(bytes: &[u8]) {
    let Ok(message) = CommandMessage::decode(bytes) else { return };
    assert!(message.commands.len() <= MAX_COMMANDS);
    message.commands.iter().for_each(check_command);
    let again = message.encode();
    assert!(again.len() <= bytes.len(), "{} bytes for {} as received", again.len(), bytes.len());
    let mut expected = message;
    for command in &mut expected.commands {
        // An order that could not be read is written as none.
        if command.order.is_err() {
            command.order = Err(OrderError::Unknown);
        }
    }
    assert_eq!(CommandMessage::decode(&again), Ok(expected));
}

fn check_command(command: &Command) {
    assert!(command.id > 0 && i64::try_from(command.id).is_ok());
    match &command.order {
        Ok(Order::Campaign(campaign)) => {
            assert!(campaign.areas.len() <= MAX_AREAS && campaign.priorities.len() <= MAX_AREAS);
            for area in &campaign.areas {
                let (south, west) = (i64::from(area.south_e7deg), i64::from(area.west_e7deg));
                let (north, east) = (i64::from(area.north_e7deg), i64::from(area.east_e7deg));
                assert!(
                    south >= -900_000_000 && north <= 900_000_000 && west >= -1_800_000_000 && east <= 1_800_000_000
                );
                assert!(area.contains(south, west) && area.contains(north, east), "borders included");
                assert!(!area.contains(south - 1, west) && !area.contains(north, east + 1));
            }
        }
        Ok(Order::Sampling(profile)) => {
            assert!(profile.off.len() <= MAX_OFF && profile.off.iter().all(|name| name.len() <= MAX_OFF));
        }
        Ok(Order::Collection { .. } | Order::Diagnostics) | Err(_) => {}
    }
}
