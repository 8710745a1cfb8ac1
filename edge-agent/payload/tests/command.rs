//! Commands and reports: round trips and hostile bytes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tournee_payload::{
    Area, BoxId, Campaign, Command, CommandAnswer, CommandError, CommandMessage, CommandVerdict, DecodeError,
    MAX_AREAS, MAX_COMMANDS, MAX_DETAIL_BYTES, MAX_DIAGNOSTICS_BYTES, MAX_WIRE_BYTES, Order, OrderError,
    SamplingProfile, StateMessage, StateReport, Status, Stream,
};

fn van() -> BoxId {
    BoxId::new("van-01").unwrap()
}

fn span(most: i32) -> impl Strategy<Value = (i32, i32)> {
    (-most..=most, -most..=most).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn area() -> impl Strategy<Value = Area> {
    (span(900_000_000), span(1_800_000_000)).prop_map(|((south_e7deg, north_e7deg), (west_e7deg, east_e7deg))| Area {
        south_e7deg,
        west_e7deg,
        north_e7deg,
        east_e7deg,
    })
}

fn order() -> impl Strategy<Value = Order> {
    let priority = (prop::sample::select(Stream::ALL.to_vec()), any::<u8>());
    let campaign = (prop::collection::vec(area(), 0..=MAX_AREAS), prop::collection::vec(priority, 0..10))
        .prop_map(|(areas, priorities)| Order::Campaign(Campaign { areas, priorities }));
    let period = || prop::option::of(any::<u32>());
    let sampling = (prop::collection::vec("[a-z0-9-]{0,32}", 0..8), [period(), period(), period()], period()).prop_map(
        |(off, [accel_block, gnss_period_ms, pm_period_ms], health_period_ms)| {
            Order::Sampling(SamplingProfile {
                off,
                accel_block,
                gnss_period_ms,
                pm_period_ms,
                climate_period_ms: gnss_period_ms,
                no2_period_ms: pm_period_ms,
                thermal_period_ms: health_period_ms,
                health_period_ms,
            })
        },
    );
    prop_oneof![any::<bool>().prop_map(|on| Order::Collection { on }), campaign, sampling, Just(Order::Diagnostics)]
}

proptest! {
    #[test]
    fn commands_read_back(orders in prop::collection::vec((1..u64::MAX >> 1, order()), 0..8)) {
        let commands = orders.into_iter().map(|(id, order)| Command { id, order: Ok(order) }).collect();
        let message = CommandMessage { box_id: van(), commands };
        prop_assert_eq!(CommandMessage::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn hostile_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = CommandMessage::decode(&bytes);
        let _ = StateReport::decode(&bytes);
    }

    /// One flipped byte anywhere: another message or an error, never a panic.
    #[test]
    fn damaged_messages_are_refused_or_read(order in order(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let message = CommandMessage { box_id: van(), commands: vec![Command { id: 1, order: Ok(order) }] };
        let mut bytes = message.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = CommandMessage::decode(&bytes);
    }

    #[test]
    fn reports_read_back(until in prop::option::of(any::<i64>()), off in any::<bool>(), last in any::<u64>(),
                         answers in prop::collection::vec((any::<u64>(), 0..3_u8, "[ -~]{0,60}"), 0..=MAX_COMMANDS),
                         diagnostics in "[ -~]{0,200}") {
        let answers = answers.into_iter().map(|(id, verdict, detail)| CommandAnswer {
            id,
            verdict: [CommandVerdict::Done, CommandVerdict::Refused, CommandVerdict::Unknown][usize::from(verdict)],
            detail,
        });
        let report = StateReport {
            state: StateMessage { box_id: van(), status: Status::Stopped, epoch: last },
            certificate_until_s: until,
            collection_off: off,
            last_command_id: last,
            answers: answers.collect(),
            diagnostics,
        };
        prop_assert_eq!(StateReport::decode(&report.encode()), Ok(report));
    }
}

fn told(order: Order) -> Result<Order, OrderError> {
    let message = CommandMessage { box_id: van(), commands: vec![Command { id: 1, order: Ok(order) }] };
    CommandMessage::decode(&message.encode()).unwrap().commands.remove(0).order
}

#[test]
fn what_is_too_much_or_off_the_globe_is_refused_by_itself() {
    let good = Area { south_e7deg: 0, west_e7deg: 0, north_e7deg: 1, east_e7deg: 1 };
    let campaign = |areas| Order::Campaign(Campaign { areas, priorities: Vec::new() });
    assert!(told(campaign(vec![good; MAX_AREAS])).is_ok());
    assert_eq!(told(campaign(vec![good; MAX_AREAS + 1])), Err(OrderError::TooMany));
    for bad in [
        Area { south_e7deg: 2, ..good },
        Area { west_e7deg: 2, ..good },
        Area { north_e7deg: 900_000_001, ..good },
        Area { east_e7deg: 1_800_000_001, ..good },
        Area { west_e7deg: i32::MIN, ..good },
    ] {
        assert_eq!(told(campaign(vec![good, bad])), Err(OrderError::Area), "{bad:?}");
    }
    let off = |off| Order::Sampling(SamplingProfile { off, ..SamplingProfile::default() });
    assert_eq!(told(off(vec!["x".repeat(33)])), Err(OrderError::TooMany));
    assert_eq!(told(off(vec![String::new(); 33])), Err(OrderError::TooMany));
}

#[test]
fn messages_out_of_bounds_are_refused() {
    let command = |id| Command { id, order: Ok(Order::Diagnostics) };
    let message = |commands| CommandMessage { box_id: van(), commands }.encode();
    let many = message((1..66).map(command).collect());
    assert_eq!(CommandMessage::decode(&many), Err(CommandError::TooMany(65)));
    assert_eq!(CommandMessage::decode(&message(vec![command(0)])), Err(CommandError::Id(0)));
    assert_eq!(CommandMessage::decode(&message(vec![command(1 << 63)])), Err(CommandError::Id(1 << 63)));
    let large = vec![0; MAX_WIRE_BYTES + 1];
    assert_eq!(CommandMessage::decode(&large), Err(DecodeError::TooLarge(large.len()).into()));
    let newer = DecodeError::NewerSchema { found: 2, supported: 1 };
    assert_eq!(CommandMessage::decode(&[8, 2]), Err(newer.into()));

    let report = |answers: usize, detail: usize, diagnostics: usize| StateReport {
        state: StateMessage { box_id: van(), status: Status::Connected, epoch: 1 },
        certificate_until_s: None,
        collection_off: false,
        last_command_id: 0,
        answers: vec![CommandAnswer { id: 1, verdict: CommandVerdict::Done, detail: "x".repeat(detail) }; answers],
        diagnostics: "x".repeat(diagnostics),
    };
    let read = |report: StateReport| StateReport::decode(&report.encode()).is_ok();
    assert!(read(report(MAX_COMMANDS, MAX_DETAIL_BYTES, MAX_DIAGNOSTICS_BYTES)));
    assert!(!read(report(MAX_COMMANDS + 1, 0, 0)));
    assert!(!read(report(1, MAX_DETAIL_BYTES + 1, 0)));
    assert!(!read(report(1, 0, MAX_DIAGNOSTICS_BYTES + 1)));
}

#[test]
fn an_area_holds_its_borders() {
    let area = Area { south_e7deg: -10, west_e7deg: 20, north_e7deg: 10, east_e7deg: 30 };
    for (lat, lon, inside) in [
        (-10, 20, true),
        (10, 30, true),
        (0, 25, true),
        (11, 25, false),
        (-11, 25, false),
        (0, 19, false),
        (0, 31, false),
    ] {
        assert_eq!(area.contains(lat, lon), inside, "{lat} {lon}");
    }
}
