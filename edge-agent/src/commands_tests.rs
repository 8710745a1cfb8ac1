use super::*;
use proptest::prelude::*;
use tournee_payload::{BoxId, Command};

fn told(memory: &Memory, orders: Vec<(u64, Result<Order, OrderError>)>) -> Option<Change> {
    let commands = orders.into_iter().map(|(id, order)| Command { id, order }).collect();
    memory.told(&CommandMessage { box_id: BoxId::new("van-01").unwrap(), commands }, &SamplingSettings::default())
}

fn area(south: i32, north: i32) -> Area {
    Area { south_e7deg: south, west_e7deg: 0, north_e7deg: north, east_e7deg: 10 }
}

#[test]
fn each_order_changes_what_it_names() {
    let campaign = Campaign { areas: vec![area(0, 5)], priorities: vec![(Stream::Thermal, 7)] };
    let profile =
        SamplingProfile { off: vec!["co2".to_owned()], thermal_period_ms: Some(2_000), ..SamplingProfile::default() };
    let change = told(
        &Memory::default(),
        vec![
            (5, Ok(Order::Collection { on: false })),
            (6, Ok(Order::Campaign(campaign.clone()))),
            (7, Ok(Order::Sampling(profile.clone()))),
            (9, Ok(Order::Diagnostics)),
        ],
    )
    .unwrap();
    let memory = change.memory;
    assert!(change.diagnostics && memory.collection_off);
    assert_eq!((memory.last_id, &memory.campaign, &memory.sampling), (9, &campaign, &profile));
    assert_eq!(memory.priorities(), BTreeMap::from([(Stream::Thermal, 7)]));
    assert!(memory.answers.iter().all(|answer| answer.verdict == CommandVerdict::Done));
    let configured = SamplingSettings::default();
    let (orders, why) = memory.line(&configured, BoxConfig::DEFAULT);
    assert_eq!(why, None);
    assert!(!orders.collect && orders.areas == campaign.areas);
    assert_eq!(orders.sampling.thermal_period_ms, 2_000);
    assert_eq!(orders.sampling.gnss_period_ms, configured.gnss_period_ms, "what is not named stays as configured");
    assert_eq!(
        orders.sampling.enabled,
        BoxConfig::DEFAULT.enabled
            & !tournee_link::SensorId::ALL.into_iter().find(|s| s.name() == "co2").unwrap().bit()
    );
    let on = told(
        &memory,
        vec![(10, Ok(Order::Collection { on: true })), (11, Ok(Order::Sampling(SamplingProfile::default())))],
    );
    let (orders, _) = on.unwrap().memory.line(&configured, BoxConfig::DEFAULT);
    assert!(orders.collect);
    assert_eq!(orders.sampling, configured.wanted().unwrap(), "back to the configuration");
}

#[test]
fn what_cannot_be_done_is_refused_by_itself_and_changes_nothing() {
    let bad = |profile| Ok(Order::Sampling(profile));
    let change = told(
        &Memory::default(),
        vec![
            (1, bad(SamplingProfile { gnss_period_ms: Some(99), ..SamplingProfile::default() })),
            (2, bad(SamplingProfile { off: vec!["nose".to_owned()], ..SamplingProfile::default() })),
            (3, bad(SamplingProfile { pm_period_ms: Some(70_000), ..SamplingProfile::default() })),
            (4, bad(SamplingProfile { accel_block: Some(257), ..SamplingProfile::default() })),
            (5, Err(OrderError::Unknown)),
            (6, Err(OrderError::Area)),
            (7, Ok(Order::Collection { on: false })),
        ],
    )
    .unwrap();
    let answers: Vec<_> = change.memory.answers.iter().map(|answer| (answer.id, answer.verdict)).collect();
    let [done, refused, unknown] = [CommandVerdict::Done, CommandVerdict::Refused, CommandVerdict::Unknown];
    assert_eq!(
        answers,
        [(1, refused), (2, refused), (3, refused), (4, refused), (5, unknown), (6, refused), (7, done)]
    );
    for (at, part) in
        [(0, "100 to 10000"), (1, "sampling.off"), (2, "sampling.pm_period_ms"), (3, "accel_block"), (5, "globe")]
    {
        assert!(change.memory.answers[at].detail.contains(part), "{:?}", change.memory.answers[at]);
    }
    assert_eq!(change.memory.sampling, SamplingProfile::default());
    assert!(change.memory.collection_off);
}

#[test]
fn a_profile_that_the_configuration_no_longer_allows_is_left_out_with_the_reason() {
    let memory = Memory {
        sampling: SamplingProfile { off: vec!["nose".to_owned()], ..SamplingProfile::default() },
        ..Memory::default()
    };
    let (orders, why) = memory.line(&SamplingSettings::default(), BoxConfig::DEFAULT);
    assert_eq!(orders.sampling, BoxConfig::DEFAULT);
    assert!(why.unwrap().contains("sampling.off"));
}

#[test]
fn details_and_answers_are_bounded() {
    assert_eq!(shortened("é".repeat(200)).len(), 256);
    assert_eq!(shortened(format!("x{}", "é".repeat(200))).len(), 255);
    let memory = (1..=100)
        .fold(Memory::default(), |memory, id| told(&memory, vec![(id, Ok(Order::Diagnostics))]).unwrap().memory);
    assert_eq!((memory.answers.len(), memory.answers[0].id), (MAX_COMMANDS, 37));
    let text = diagnostics(&AgentStatus::default(), "0.1.0");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["agent"], &value["pending"]), (&json!("0.1.0"), &json!(0)));
}

proptest! {
    /// Delivered again, in part, in any mixture: what holds is what the commands say in the order of their ids, once.
    #[test]
    fn commands_are_dealt_with_once_however_often_they_come(
        orders in prop::collection::vec(any::<bool>(), 1..20),
        deliveries in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..30),
    ) {
        let all: Vec<_> = (1..).zip(orders.iter().map(|on| Ok(Order::Collection { on: *on }))).collect();
        let mut memory = Memory::default();
        let mut changes = 0;
        for (from, to) in deliveries {
            let (from, to) = (from.index(all.len()), to.index(all.len()));
            let part = all[from.min(to)..=from.max(to)].to_vec();
            let last = part.last().unwrap().0;
            if let Some(change) = told(&memory, part) {
                prop_assert!(last > memory.last_id);
                changes += 1;
                memory = change.memory;
                prop_assert_eq!(memory.last_id, last);
                prop_assert_eq!(memory.collection_off, !orders[last as usize - 1]);
            } else {
                prop_assert!(last <= memory.last_id);
            }
            prop_assert!(memory.answers.iter().zip(memory.answers.iter().skip(1)).all(|(a, b)| a.id < b.id));
        }
        prop_assert!(changes <= orders.len());
    }
}
