//! FROZEN BYTES of `down/command` and of the longer `state`, payload schema version 1, each put together by hand from the
//! protobuf encoding rules. If a test here fails, revert your change rather than edit this file.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_payload::{
    Area, BoxId, Campaign, Command, CommandAnswer, CommandMessage, CommandVerdict, Order, OrderError, SamplingProfile,
    StateMessage, StateReport, Status, Stream,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn van() -> BoxId {
    BoxId::new("van-01").unwrap()
}

const COMMANDS_V1: &[&str] = &[
    "0801",             // schema version
    "120676616e2d3031", // van-01
    "1a06080712020801", // id 7: collection, on
    "1a0408082a00",     // id 8: diagnostics
    // id 9: campaign, one area (zigzag: -1 is 1, -2 is 3, 1 is 2, 2 is 4), air before all with 9
    "1a1408091a100a080801100318022004120408011009",
    // id 10: sampling, co2 off, a fix every 1000 ms
    "1a0c080a22080a03636f3218e807",
];

fn commands() -> CommandMessage {
    let area = Area { south_e7deg: -1, west_e7deg: -2, north_e7deg: 1, east_e7deg: 2 };
    let orders = [
        Order::Collection { on: true },
        Order::Diagnostics,
        Order::Campaign(Campaign { areas: vec![area], priorities: vec![(Stream::Air, 9)] }),
        Order::Sampling(SamplingProfile {
            off: vec!["co2".to_owned()],
            gnss_period_ms: Some(1_000),
            ..SamplingProfile::default()
        }),
    ];
    let commands = (7..).zip(orders).map(|(id, order)| Command { id, order: Ok(order) }).collect();
    CommandMessage { box_id: van(), commands }
}

#[test]
fn commands_v1_are_as_ever() {
    assert_eq!(hex(&commands().encode()), COMMANDS_V1.concat());
    assert_eq!(CommandMessage::decode(&bytes(&COMMANDS_V1.concat())), Ok(commands()));
}

#[test]
fn orders_of_tomorrow_and_contradictions_are_told_apart() {
    // id 3 with tag 6; id 4 with collection and diagnostics.
    let message = bytes("0801120676616e2d30311a04080332001a08080412020801 2a00".replace(' ', "").as_str());
    let read = CommandMessage::decode(&message).unwrap();
    assert_eq!(read.commands[0], Command { id: 3, order: Err(OrderError::Unknown) });
    assert_eq!(read.commands[1], Command { id: 4, order: Err(OrderError::Several) });
}

const REPORT_V1: &[&str] = &[
    "0801120676616e2d303118012005", // as `state` ever was
    "28",
    "80c8ceb40d",   // certificate until 1,800,000,000 s, zigzag
    "3001",         // collection off
    "3808",         // last command
    "420408071001", // 7: done
    "420708081002",
    "1a016e",   // 8: refused, n
    "4a027b7d", // {}
];

#[test]
fn report_v1_is_as_ever() {
    let answer = |id, verdict, detail: &str| CommandAnswer { id, verdict, detail: detail.to_owned() };
    let report = StateReport {
        state: StateMessage { box_id: van(), status: Status::Connected, epoch: 5 },
        certificate_until_s: Some(1_800_000_000),
        collection_off: true,
        last_command_id: 8,
        answers: vec![answer(7, CommandVerdict::Done, ""), answer(8, CommandVerdict::Refused, "n")],
        diagnostics: "{}".to_owned(),
    };
    assert_eq!(hex(&report.encode()), REPORT_V1.concat());
    assert_eq!(StateReport::decode(&report.encode()), Ok(report.clone()));
    assert_eq!(StateMessage::decode(&report.encode()), Ok(report.state), "an older reader skips the rest");
}

#[test]
fn a_box_that_says_no_more_than_that_it_is_there_is_read() {
    let state = StateMessage { box_id: van(), status: Status::Lost, epoch: 5 };
    let report = StateReport::decode(&bytes("0801120676616e2d303118032005")).unwrap();
    assert_eq!((report.state, report.certificate_until_s, report.last_command_id), (state, None, 0));
    assert!(!report.collection_off && report.answers.is_empty() && report.diagnostics.is_empty());
}
