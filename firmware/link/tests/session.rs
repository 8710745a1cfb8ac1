//! Commands over a bad line, both ends as they are in the field, time as an argument.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::pair::{Fault, Pair, TestBox};
use common::{one_of_each, one_of_each_command};
use proptest::prelude::*;
use tournee_link::*;

fn good_config(generation: u32) -> BoxConfig {
    BoxConfig { generation, ..BoxConfig::DEFAULT }
}

/// `clean` frames pass for five that suffer something.
fn any_fault(clean: u32) -> impl Strategy<Value = Fault> {
    prop_oneof![
        clean => Just(Fault::None),
        2 => Just(Fault::Lost),
        2 => any::<usize>().prop_map(Fault::Flip),
        1 => any::<usize>().prop_map(Fault::Cut),
    ]
}

/// Bad lines, on which most things get through, and terrible ones.
fn any_line() -> impl Strategy<Value = (u64, Vec<Fault>)> {
    // Answers that come after the host has asked again are met, too.
    let latency_us = prop_oneof![0_u64..5_000, 200_000_u64..900_000];
    let faults = prop_oneof![
        3 => proptest::collection::vec(any_fault(15), 1..60),
        1 => proptest::collection::vec(any_fault(4), 1..60),
    ];
    (latency_us, faults)
}

proptest! {
    /// A command is done once and its own outcome is reported, or it is given up after [`ATTEMPTS`].
    #[test]
    fn each_command_is_done_once_or_given_up((latency_us, faults) in any_line()) {
        let mut pair = Pair::new(latency_us, faults);
        let refused = |reason: NakReason| Outcome::Refused(Nak { id: 0, reason: reason as u8, detail: 0 });
        let mut outcomes = Vec::new();
        for generation in 1..=6 {
            let steps = [
                (Command::SetConfig(good_config(generation)), Outcome::Done(0)),
                (Command::SelfTest, Outcome::Done(0)),
                (Command::SetConfig(good_config(0)), refused(NakReason::Range)),
                (Command::FirmwareConfirm, Outcome::Done(0)),
                (Command::Hang, refused(NakReason::Unsupported)),
            ];
            for (command, expected) in steps {
                let before = pair.sent;
                let outcome = pair.command(command.clone());
                let sent = pair.sent - before;
                prop_assert!(sent <= ATTEMPTS && !pair.session.is_busy());
                match outcome {
                    Outcome::NoAnswer => prop_assert_eq!(sent, ATTEMPTS),
                    Outcome::Refused(nak) => prop_assert_eq!(Outcome::Refused(Nak { id: 0, ..nak }), expected),
                    outcome => prop_assert_eq!(outcome, expected),
                }
                outcomes.push((command, outcome));
            }
        }
        // What is still on its way when a command is given up may be done later.
        pair.settle();
        let times = |command: &Command| pair.service.done.iter().filter(|one| *one == command).count();
        for generation in 0..=6 {
            let command = Command::SetConfig(good_config(generation));
            let outcome = outcomes.iter().find(|(one, _)| *one == command).map(|(_, outcome)| *outcome);
            match outcome {
                Some(Outcome::Done(_)) => prop_assert_eq!(times(&command), 1),
                Some(Outcome::NoAnswer) if generation > 0 => prop_assert!(times(&command) <= 1),
                _ => prop_assert_eq!(times(&command), 0),
            }
        }
        for command in [Command::SelfTest, Command::FirmwareConfirm] {
            let of = |outcome| outcomes.iter().filter(|one| **one == (command.clone(), outcome)).count();
            let (done, silent) = (of(Outcome::Done(0)), of(Outcome::NoAnswer));
            prop_assert!((done..=done + silent).contains(&times(&command)), "{:?}", pair.service.done);
        }
        prop_assert_eq!(pair.service.done.iter().filter(|one| **one == Command::Hang).count(), 0);
    }

    /// The image arrives byte for byte, no part is written twice, or the host says that the box is silent.
    #[test]
    fn an_image_arrives_or_the_silence_is_named(
        (latency_us, faults) in any_line(),
        image in proptest::collection::vec(any::<u8>(), 1..3_000),
        forgets in prop_oneof![2 => Just(0_usize), 1 => 1_usize..500],
    ) {
        let mut pair = Pair::new(latency_us, faults);
        pair.service.forgets = forgets;
        let mut transfer = ImageTransfer::new(&image).unwrap();
        while let Some(command) = transfer.command() {
            match transfer.advance(pair.command(command)) {
                Ok(()) => prop_assert!(transfer.done() as usize <= image.len()),
                Err(error) => {
                    prop_assert_eq!(error, TransferError::NoAnswer);
                    return Ok(());
                }
            }
        }
        prop_assert_eq!(&pair.service.store, &image);
        prop_assert_eq!(pair.service.rewritten, 0, "stop and wait, and a repeated id is not done again");
        let ends = pair.service.done.iter().filter(|one| **one == Command::FirmwareEnd).count();
        prop_assert_eq!(ends, 1);
    }

    /// Half the round trip bounds the error, however uneven the line.
    #[test]
    fn an_exchange_is_right_within_half_its_round_trip(
        host_us in -4_000_000_000_000_000_i64..4_000_000_000_000_000,
        received_us in 0_u64..4_000_000_000_000_000,
        there_us in 0_i64..10_000_000,
        inside_us in 0_u64..1_000_000,
        back_us in 0_i64..10_000_000,
    ) {
        let true_offset_us = received_us as i64 - there_us - host_us;
        let sent_us = received_us + inside_us;
        let arrived_us = sent_us as i64 - true_offset_us + back_us;
        let exchange = Exchange::new(&TimeSync { id: 1, host_us, received_us, sent_us }, arrived_us).unwrap();
        prop_assert_eq!(exchange.round_trip_us, there_us + back_us);
        prop_assert!((exchange.offset_us - true_offset_us).abs() <= exchange.round_trip_us / 2 + 1);
    }

    #[test]
    fn any_stamps_are_survived(
        id in any::<u32>(),
        host_us in any::<i64>(),
        received_us in any::<u64>(),
        sent_us in any::<u64>(),
        arrived_us in any::<i64>(),
    ) {
        if let Some(exchange) = Exchange::new(&TimeSync { id, host_us, received_us, sent_us }, arrived_us) {
            prop_assert!(exchange.round_trip_us >= 0 && sent_us >= received_us);
        }
    }
}

#[test]
fn a_clean_line_needs_every_command_once() {
    let mut pair = Pair::new(1_000, vec![Fault::None]);
    for (number, command) in one_of_each_command().into_iter().enumerate() {
        let outcome = pair.command(command.clone());
        match (&command, outcome) {
            (Command::TimeSync(_), Outcome::Time(_)) => {}
            (Command::FirmwareBegin(_), Outcome::Refused(nak)) => assert_eq!(nak.reason, NakReason::TooLarge as u8),
            (Command::FirmwareChunk(_), Outcome::Refused(nak)) => assert_eq!(nak.reason, NakReason::State as u8),
            (Command::FirmwareEnd, Outcome::Refused(nak)) => assert_eq!(nak.reason, NakReason::State as u8),
            (Command::Hang, Outcome::Refused(nak)) => assert_eq!(nak.reason, NakReason::Unsupported as u8),
            (_, Outcome::Done(0)) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(pair.sent as usize, number + 1);
    }
    assert_eq!(pair.dispatcher.bad(), 0);
}

#[test]
fn a_dead_line_is_given_up_after_all_attempts() {
    let mut pair = Pair::new(1_000, vec![Fault::Lost]);
    let before_us = pair.now_us;
    assert_eq!(pair.command(Command::GetConfig), Outcome::NoAnswer);
    assert_eq!((pair.sent, pair.now_us - before_us), (ATTEMPTS, u64::from(ATTEMPTS) * ANSWER_TIMEOUT_US));
    // The session is free for the next one.
    assert_eq!(pair.session.due_us(), None);
    assert!(pair.session.start(Command::GetConfig, pair.now_us).is_ok());
    assert_eq!(pair.session.start(Command::Reboot, pair.now_us), Err(Busy));
}

#[test]
fn four_stamps_of_a_clean_line_give_the_clocks_difference() {
    let mut pair = Pair::new(3_000, vec![Fault::None]);
    let Outcome::Time(answer) = pair.command(Command::TimeSync(0)) else { panic!("no time") };
    let exchange = Exchange::new(&answer, pair.now_us as i64).unwrap();
    assert_eq!(exchange, Exchange { offset_us: 77_000_000, round_trip_us: 6_000 });
    // By hand: there 200 µs, 50 µs in the box, back 200 µs; the box is 50 ms ahead.
    let answer = TimeSync { id: 1, host_us: 1_000, received_us: 51_200, sent_us: 51_250 };
    assert_eq!(Exchange::new(&answer, 1_450), Some(Exchange { offset_us: 50_000, round_trip_us: 400 }));
    // All of it on the way back: the estimate is off by half of it and not more.
    let answer = TimeSync { id: 1, host_us: 1_000, received_us: 51_000, sent_us: 51_000 };
    assert_eq!(Exchange::new(&answer, 1_400), Some(Exchange { offset_us: 49_800, round_trip_us: 400 }));
}

#[test]
fn stamps_that_cannot_be_true_give_nothing() {
    let answer = TimeSync { id: 1, host_us: 1_000, received_us: 51_200, sent_us: 51_250 };
    assert_eq!(Exchange::new(&answer, 1_049), None, "arrived before it was sent");
    assert!(Exchange::new(&answer, 1_050).is_some(), "in no time at all");
    assert_eq!(Exchange::new(&TimeSync { sent_us: 51_199, ..answer }, 1_450), None, "answered before it was asked");
    assert_eq!(Exchange::new(&TimeSync { received_us: u64::MAX, sent_us: u64::MAX, ..answer }, 1_450), None);
    assert_eq!(Exchange::new(&TimeSync { host_us: i64::MIN, ..answer }, i64::MAX), None);
}

fn handled(dispatcher: &mut Dispatcher, service: &mut TestBox, id: u32, command: Command) -> Vec<Message> {
    let event = CommandEvent::Frame { header: CommandHeader { proto: PROTO, id }, command };
    dispatcher.handle(&event, 5, service);
    std::mem::take(&mut service.out)
}

#[test]
fn a_repeated_command_is_answered_again_and_done_once() {
    let (mut dispatcher, mut service) = (Dispatcher::new(), TestBox::default());
    let ack = Message::Ack(Ack { id: 7, value: 0 });
    for _ in 0..3 {
        assert_eq!(handled(&mut dispatcher, &mut service, 7, Command::Reboot), std::slice::from_ref(&ack));
    }
    assert_eq!(service.done, [Command::Reboot]);
    // A refusal is repeated as well.
    let wrong = Command::SetConfig(BoxConfig { accel_block: 0, ..good_config(1) });
    let nak = Message::Nak(Nak { id: 8, reason: NakReason::Range as u8, detail: 2 });
    for _ in 0..2 {
        assert_eq!(handled(&mut dispatcher, &mut service, 8, wrong.clone()), std::slice::from_ref(&nak));
    }
    assert_eq!(service.config, BoxConfig::DEFAULT);
    // A time request in between has no part in it: each is answered with stamps of its own.
    for host_us in [1, 2] {
        let TimeSync { id, received_us, sent_us, .. } = TimeSync { id: 9, host_us, received_us: 5, sent_us: 5 };
        let expected = Message::TimeSync(TimeSync { id, host_us, received_us, sent_us });
        assert_eq!(handled(&mut dispatcher, &mut service, 9, Command::TimeSync(host_us)), [expected]);
    }
    assert_eq!(handled(&mut dispatcher, &mut service, 8, wrong), [nak]);
    // Another number is another command.
    handled(&mut dispatcher, &mut service, 10, Command::Reboot);
    assert_eq!(service.done, [Command::Reboot, Command::Reboot]);
}

#[test]
fn a_repeated_question_is_asked_again() {
    let (mut dispatcher, mut service) = (Dispatcher::new(), TestBox::default());
    for _ in 0..2 {
        let out = handled(&mut dispatcher, &mut service, 7, Command::HelloRequest);
        assert!(matches!(out[..], [Message::HelloV2(_), Message::Ack(Ack { id: 7, value: 0 })]), "{out:?}");
    }
    service.config = good_config(3);
    for _ in 0..2 {
        let out = handled(&mut dispatcher, &mut service, 8, Command::GetConfig);
        assert_eq!(out, [Message::Config(good_config(3)), Message::Ack(Ack { id: 8, value: 0 })]);
    }
}

#[test]
fn what_the_box_does_not_know_is_refused_by_name_and_noise_is_counted() {
    let (mut dispatcher, mut service) = (Dispatcher::new(), TestBox::default());
    let header = CommandHeader { proto: PROTO, id: 5 };
    dispatcher.handle(&CommandEvent::Unknown { header, variant: 200 }, 0, &mut service);
    assert_eq!(service.out, [Message::Nak(Nak { id: 5, reason: NakReason::Unknown as u8, detail: 200 })]);
    service.out.clear();
    dispatcher.handle(&CommandEvent::Bad(BadFrame::Crc), 0, &mut service);
    dispatcher.handle(&CommandEvent::NewerProto { proto: 9 }, 0, &mut service);
    assert_eq!((service.out.len(), dispatcher.bad()), (0, 3));
}

#[test]
fn an_answer_to_another_command_is_not_taken() {
    let mut session = Session::new(40);
    assert_eq!(session.receive(&Message::Ack(Ack { id: 40, value: 0 })), None, "nothing is under way");
    session.start(Command::Reboot, 0).unwrap();
    assert!(matches!(session.transmit(0), Ok(Some((CommandHeader { id: 40, proto: PROTO }, Command::Reboot)))));
    assert_eq!(session.transmit(ANSWER_TIMEOUT_US - 1), Ok(None));
    for message in one_of_each() {
        assert_eq!(session.receive(&message), None, "{message:?}");
    }
    assert_eq!(session.receive(&Message::Ack(Ack { id: 40, value: 9 })), Some(Outcome::Done(9)));
}

#[test]
fn an_image_is_refused_or_given_up_where_it_must() {
    assert_eq!(ImageTransfer::new(&[]).unwrap_err(), TransferError::Size);
    let image = vec![7; 500];
    let nak = |reason: NakReason, detail| Outcome::Refused(Nak { id: 1, reason: reason as u8, detail });
    let begun = || {
        let mut transfer = ImageTransfer::new(&image).unwrap();
        transfer.advance(Outcome::Done(0)).unwrap();
        transfer
    };
    for reason in [NakReason::TooLarge, NakReason::Checksum, NakReason::State, NakReason::Storage] {
        assert!(matches!(begun().advance(nak(reason, 0)), Err(TransferError::Refused(_))));
    }
    assert_eq!(begun().advance(Outcome::NoAnswer), Err(TransferError::NoAnswer));
    assert_eq!(begun().advance(Outcome::Done(501)), Err(TransferError::Nonsense));
    let time = TimeSync { id: 1, host_us: 0, received_us: 0, sent_us: 0 };
    assert_eq!(begun().advance(Outcome::Time(time)), Err(TransferError::Nonsense));
    // It goes on where the box says, forwards and back.
    let mut transfer = begun();
    transfer.advance(nak(NakReason::Offset, 192)).unwrap();
    assert!(matches!(transfer.command(), Some(Command::FirmwareChunk(FirmwareChunk { offset: 192, .. }))));
    transfer.advance(Outcome::Done(500)).unwrap();
    assert_eq!((transfer.command(), transfer.done()), (Some(Command::FirmwareEnd), 500));
    // At the end a part is missing: that is no success.
    transfer.advance(nak(NakReason::Offset, 384)).unwrap();
    let Some(Command::FirmwareChunk(chunk)) = transfer.command() else { panic!("no chunk") };
    assert_eq!((chunk.offset, chunk.data.len()), (384, 116));
    transfer.advance(Outcome::Done(500)).unwrap();
    transfer.advance(Outcome::Done(500)).unwrap();
    assert_eq!(transfer.command(), None);
    // A box that asks for the same part for ever is left.
    let mut transfer = begun();
    let tries = (0..1_000).take_while(|_| transfer.advance(Outcome::Done(0)).is_ok()).count();
    assert!(tries < 100, "{tries}");
}

#[test]
fn each_field_of_a_configuration_has_its_bounds() {
    type Set = fn(&mut BoxConfig, u16);
    // Name, least, greatest, how to set it; the place in the list is the index.
    let fields: [(&str, u16, u16, Set); 10] = [
        ("generation", 1, u16::MAX, |config, value| config.generation = value.into()),
        ("enabled", 0, 0x1ff, |config, value| config.enabled = value),
        ("accel_block", 1, 32, |config, value| config.accel_block = value as u8),
        ("gnss_period_ms", 100, 10_000, |config, value| config.gnss_period_ms = value),
        ("pm_part", 0, 2, |config, value| config.pm_part = value as u8),
        ("pm_period_ms", 1_000, 60_000, |config, value| config.pm_period_ms = value),
        ("climate_period_ms", 100, 60_000, |config, value| config.climate_period_ms = value),
        ("no2_period_ms", 100, 60_000, |config, value| config.no2_period_ms = value),
        ("thermal_period_ms", 250, 4_000, |config, value| config.thermal_period_ms = value),
        ("health_period_ms", 1_000, 60_000, |config, value| config.health_period_ms = value),
    ];
    assert_eq!(good_config(1).check(), Ok(()));
    assert_eq!(BoxConfig::DEFAULT.check().map_err(|error| error.field), Err("generation"), "nobody sets the default");
    for (index, (field, min, max, set)) in fields.into_iter().enumerate() {
        let checked = |value| {
            let mut config = good_config(1);
            set(&mut config, value);
            config.check()
        };
        assert_eq!((checked(min), checked(max)), (Ok(()), Ok(())), "{field}");
        let outside = [min.checked_sub(1), max.checked_add(1)];
        assert!(outside.iter().any(Option::is_some), "{field}");
        for value in outside.into_iter().flatten() {
            let error = checked(value).unwrap_err();
            assert_eq!((error.field, usize::from(error.index), error.value), (field, index, value.into()));
            assert!(value < min && error.min == u32::from(min) || value > max && error.max == u32::from(max));
        }
    }
}

#[test]
fn numbers_of_sensors_faults_and_reasons_are_their_own_and_come_back() {
    for (number, sensor) in SensorId::ALL.into_iter().enumerate() {
        assert_eq!((usize::from(sensor.number()), sensor.index()), (number, number));
        assert_eq!(SensorId::from_number(number as u8), Some(sensor));
        let config = BoxConfig { enabled: sensor.bit(), ..good_config(1) };
        assert_eq!(SensorId::ALL.into_iter().filter(|one| config.has(*one)).collect::<Vec<_>>(), [sensor]);
    }
    assert_eq!(SensorId::from_number(SENSOR_COUNT as u8), None);
    for code in 0..=u8::MAX {
        assert_eq!(
            tournee_link::Fault::from_code(code).map(|fault| fault.code()),
            (1..=9).contains(&code).then_some(code)
        );
        assert_eq!(NakReason::from_code(code).map(|reason| reason as u8), (1..=8).contains(&code).then_some(code));
    }
    let parts = [PmPart::Sps30, PmPart::Pmsx003, PmPart::Sds011];
    for part in parts {
        assert_eq!(BoxConfig { pm_part: part as u8, ..good_config(1) }.pm(), part);
    }
}
