//! The dialog against a modem that answers by the standard, in virtual time: latency, slices, echo, lines by themselves,
//! errors, starts in the middle, silence.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod modem_common;

use modem_common::{Bench, Modem, S};
use tournee_features::mobile::dialog::{Dialog, DialogConfig, Event};
use tournee_features::{VehicleProfile, flags, ids};

#[test]
fn one_row_a_second() {
    let mut bench = Bench::new(Modem::new());
    bench.run(60 * S);
    bench.check_rate();
    assert!((58..=60).contains(&bench.rows.len()), "{}", bench.rows.len());
    for (_, row) in &bench.rows {
        assert_eq!((row.get(ids::mobile::RAT), row.get(ids::mobile::RSRP)), (Some(6), Some(-960)));
        assert_eq!((row.get(ids::mobile::SINR), row.get(ids::mobile::RSRQ)), (Some(180), Some(-100)));
        assert_eq!((row.get(ids::mobile::OPERATOR), row.get(ids::mobile::REGISTERED)), (Some(22_201), Some(1)));
        assert_eq!(row.get(ids::mobile::CELL_ID), Some(0x0328_261F));
    }
    let counters = bench.dialog.counters();
    assert_eq!((counters.timeouts, counters.empty, counters.stray, counters.restarts), (0, 0, 0, 0));
    assert_eq!((counters.broken, counters.unknown, counters.events_lost, bench.stage.thinned()), (0, 0, 0, 0));
    // The set-up's echo was off after its second command, and 5G registration was given up after three refusals.
    assert_eq!(bench.asked("ATE0").len(), 1);
    assert_eq!(bench.asked("AT+C5GREG?").len(), 3);
    assert_eq!(bench.asked("AT+COPS?").len(), 6);
    assert_eq!(bench.asked("AT+CSQ").len() as u64, counters.rounds);
}

#[test]
fn a_modem_of_another_maker_gives_rows_too() {
    let mut modem = Modem::new();
    modem.quectel = false;
    let mut bench = Bench::new(modem);
    bench.run(30 * S);
    bench.check_rate();
    assert_eq!(bench.asked("AT+QENG=\"servingcell\"").len(), 3);
    // Then the operator is asked for each second.
    assert!(bench.asked("AT+COPS?").len() >= 25);
    assert!(bench.rows.len() >= 28);
    for (_, row) in &bench.rows {
        assert_eq!((row.get(ids::mobile::RAT), row.get(ids::mobile::RSRP)), (Some(4), Some(-1005)));
        assert_eq!((row.get(ids::mobile::OPERATOR), row.get(ids::mobile::REGISTERED)), (Some(22_201), Some(1)));
        assert_eq!(row.get(ids::mobile::CELL_ID), Some(0x0328_261F));
    }
}

#[test]
fn no_service_is_a_sample_with_and_without_a_serving_cell() {
    for quectel in [true, false] {
        let mut modem = Modem::new();
        modem.quectel = quectel;
        let mut bench = Bench::new(modem);
        bench.run(10 * S);
        bench.modem.service = false;
        bench.run(20 * S);
        bench.modem.service = true;
        bench.run(30 * S);
        bench.check_rate();
        let none: Vec<i64> = bench
            .rows
            .iter()
            .filter(|(_, row)| row.get(ids::FLAGS) == Some(i64::from(flags::MOBILE_NO_SERVICE)))
            .map(|(at_us, row)| {
                let values = [ids::mobile::REGISTERED, ids::mobile::RAT, ids::mobile::RSRP, ids::mobile::OPERATOR];
                assert_eq!(values.map(|id| row.get(id)), [Some(0), Some(0), None, None]);
                *at_us
            })
            .collect();
        assert!((9..=11).contains(&none.len()), "{quectel}: {}", none.len());
        assert!(none.iter().all(|at_us| (9 * S..21 * S).contains(at_us)));
        assert!(bench.rows.len() >= 28, "{quectel}: {}", bench.rows.len());
        // A modem that says so in its cell line is not said to say it again.
        assert_eq!(bench.count(|event| *event == Event::NoService) > 0, !quectel);
        assert_eq!(bench.dialog.counters().timeouts, 0);
    }
}

#[test]
fn a_start_in_the_middle_is_noticed_by_its_line_or_by_its_echo() {
    for announced in [true, false] {
        let mut bench = Bench::new(Modem::new());
        // Between rounds; the modem is back at once and its settings are gone.
        bench.run(5 * S - S / 4);
        let now_us = bench.now_us;
        bench.modem.starts(announced.then_some(now_us + S / 10));
        bench.run(20 * S);
        bench.check_rate();
        assert_eq!(bench.dialog.counters().restarts, 1, "announced: {announced}");
        assert_eq!(bench.count(|event| *event == Event::Restarted), 1);
        assert_eq!(bench.asked("ATE0").len(), 2);
        assert!(!bench.modem.echo && bench.modem.numeric && bench.modem.mode == 2);
        assert!(bench.rows.len() >= if announced { 14 } else { 18 }, "{}", bench.rows.len());
    }
}

#[test]
fn a_start_in_the_middle_of_an_answer() {
    let mut bench = Bench::new(Modem::new());
    bench.run(5 * S);
    while bench.modem.out.is_empty() {
        bench.run(bench.now_us + 1000);
    }
    let now_us = bench.now_us;
    bench.modem.starts(Some(now_us + S / 2));
    bench.run(20 * S);
    bench.check_rate();
    let counters = bench.dialog.counters();
    assert_eq!((counters.restarts, counters.timeouts, counters.stray), (1, 0, 0));
    assert!(bench.rows.iter().any(|(at_us, _)| *at_us > 18 * S));
}

#[test]
fn a_modem_that_echoes_whatever_it_is_told_is_set_up_again_once() {
    let mut modem = Modem::new();
    modem.echo_always = true;
    let mut bench = Bench::new(modem);
    bench.run(60 * S);
    bench.check_rate();
    assert_eq!((bench.asked("ATE0").len(), bench.dialog.counters().restarts), (2, 1));
    assert!(bench.rows.len() >= 56);
}

#[test]
fn silence_is_counted_said_once_and_asked_again_ever_more_rarely() {
    let mut modem = Modem::new();
    modem.dead = true;
    let mut bench = Bench::new(modem);
    bench.run(600 * S);
    bench.check_rate();
    let asked = bench.asked("AT");
    assert_eq!(asked.len(), bench.modem.asked.len(), "nothing but the smallest command");
    assert_eq!(bench.count(|event| *event == Event::Silent), 1);
    // Three seconds for the answer, then 1, 2, 4 … 60 s.
    let gaps: Vec<i64> = asked.windows(2).map(|pair| (pair[1] - pair[0]) / S).collect();
    assert_eq!(gaps.get(..7), Some(&[4, 5, 7, 11, 19, 35, 63][..]));
    assert!(gaps.iter().skip(7).all(|gap| *gap == 63), "{gaps:?}");
    assert!(bench.dialog.is_silent() && bench.dialog.counters().timeouts as usize >= asked.len() - 1);
    assert!(bench.rows.is_empty(), "silence of a modem is no hole in the coverage");
    bench.modem.dead = false;
    bench.run(700 * S);
    assert!(!bench.dialog.is_silent() && bench.rows.len() >= 30);
    // Everything is forgotten: the next silence begins with short pauses.
    bench.modem.dead = true;
    let from = bench.modem.asked.len();
    bench.run(710 * S);
    assert!(bench.modem.asked.len() - from <= 4);
    assert_eq!(bench.count(|event| *event == Event::Silent), 2);
}

#[test]
fn answers_that_come_too_late_are_not_taken_for_others() {
    let mut bench = Bench::new(Modem::new());
    bench.run(5 * S);
    // Slower than the time-out: every answer belongs to a command before.
    bench.modem.latency_us = 4 * S;
    bench.run(40 * S);
    bench.modem.latency_us = 15_000;
    bench.run(120 * S);
    bench.check_rate();
    let counters = bench.dialog.counters();
    assert!(counters.timeouts > 0 && counters.stray > 0);
    assert_eq!(bench.count(|event| *event == Event::NoSim), 0);
    // Back in step, with right values only.
    assert!(bench.rows.iter().any(|(at_us, _)| *at_us > 118 * S));
    assert!(bench.rows.iter().all(|(_, row)| row.get(ids::mobile::RSRP) == Some(-960)));
}

#[test]
fn an_answer_of_before_the_silence_does_not_count_for_the_next_command() {
    let mut dialog = Dialog::new(DialogConfig::default(), VehicleProfile::default().mobile);
    assert_eq!(dialog.poll(0), Some(&b"AT\r"[..]));
    assert_eq!(dialog.poll(3 * S), None);
    assert_eq!((dialog.counters().timeouts, dialog.wake_us()), (1, 4 * S));
    assert_eq!(dialog.poll(4 * S), Some(&b"AT\r"[..]));
    // That of the first, and then that of the second.
    dialog.feed_line("OK", 4 * S + 1);
    assert_eq!(dialog.poll(4 * S + 2), None);
    dialog.feed_line("OK", 4 * S + S / 10);
    assert_eq!((dialog.poll(4 * S + S / 5), dialog.counters().stray), (None, 1));
    assert_eq!(dialog.poll(dialog.wake_us()), Some(&b"ATE0\r"[..]));
}

#[test]
fn question_and_answer_out_of_step_are_found_out() {
    let mut bench = Bench::new(Modem::new());
    bench.run(5 * S);
    while bench.modem.out.is_empty() {
        bench.run(bench.now_us + 1000);
    }
    // One end too many: from here on every answer would be taken for that of the command after.
    bench.dialog.feed(b"\r\nOK\r\n", bench.now_us);
    bench.run(30 * S);
    bench.check_rate();
    let counters = bench.dialog.counters();
    assert_eq!((counters.empty, counters.timeouts, bench.asked("AT").len()), (3, 0, 2));
    assert!(bench.rows.len() >= 26, "{}", bench.rows.len());
    assert!(bench.rows.iter().all(|(_, row)| row.get(ids::mobile::RSRP) == Some(-960)));
}

#[test]
fn lines_that_nobody_asked_for_do_no_harm() {
    for line in ["+CEREG: 1,\"0BE3\",\"0328261F\",7", "RING", "+QIND: \"csq\",17,99", "+CMTI: \"SM\",1", "> "] {
        let mut modem = Modem::new();
        modem.chatter = Some(line);
        let mut bench = Bench::new(modem);
        bench.run(30 * S);
        bench.check_rate();
        let counters = bench.dialog.counters();
        assert_eq!((counters.timeouts, counters.empty, counters.stray), (0, 0, 0), "{line}");
        assert!((28..=30).contains(&bench.rows.len()), "{line}: {}", bench.rows.len());
        assert!(bench.rows.iter().all(|(_, row)| row.get(ids::mobile::RSRP) == Some(-960)));
        assert_eq!(counters.unknown > 0, !line.starts_with("+CEREG"), "{line}");
        assert_eq!(bench.dialog.kept().count(), counters.unknown + counters.broken);
    }
}

#[test]
fn without_a_sim_the_radio_is_not_asked() {
    let mut modem = Modem::new();
    modem.sim = false;
    let mut bench = Bench::new(modem);
    bench.run(300 * S);
    bench.check_rate();
    assert!(bench.rows.is_empty() && bench.asked("AT+CSQ").is_empty());
    assert_eq!(bench.count(|event| *event == Event::NoSim), 1);
    assert!(bench.dialog.counters().no_sim > 3);
    assert!(bench.modem.asked.len() < 60, "{}", bench.modem.asked.len());
    bench.modem.sim = true;
    bench.run(400 * S);
    assert!(bench.rows.len() > 30);
    // Pulled out on the road.
    bench.modem.sim = false;
    bench.modem.starts(Some(400 * S + 1));
    bench.run(450 * S);
    assert_eq!(bench.count(|event| *event == Event::NoSim), 2);
}

#[test]
fn a_port_that_is_opened_anew_starts_over() {
    let mut bench = Bench::new(Modem::new());
    bench.run(5 * S + S / 50);
    bench.modem.out.clear();
    bench.dialog.reopened(bench.now_us);
    bench.run(15 * S);
    bench.check_rate();
    assert_eq!((bench.asked("AT").len(), bench.dialog.counters().timeouts), (2, 0));
    assert!(bench.rows.len() >= 13);
}
