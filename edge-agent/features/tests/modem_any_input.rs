//! Whatever a modem or a network says, and whenever: nothing panics, nothing grows, nothing is flooded.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod modem_common;

use modem_common::{Bench, Modem, S};
use proptest::prelude::*;
use tournee_features::mobile::dialog::{Dialog, DialogConfig};
use tournee_features::mobile::parse::{Report, parse};
use tournee_features::mobile::probe::{Action, Host, Ledger, Now, Probe, ProbeConfig};
use tournee_features::mobile::{LineSplitter, MobileStage};
use tournee_features::{VehicleProfile, ids};
use tournee_payload::fields;

/// Lines near to what modems print.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => r#"\+QENG: ?"(servingcell|LTE|NR5G-NSA|NR5G-SA|GSM|WCDMA)"(, ?["0-9A-F. -]{0,8}){0,22}"#,
        2 => r#"\+C(|G|E|5G)REG: ?"?[0-9A-F ]{0,5}"?(, ?"?[0-9A-Fa-f ]{0,9}"?){0,8}"#,
        2 => r#"\+COPS: ?(\(?[0-9]{0,2},("[A-Za-z ,(]{0,9}",?){0,3}("[0-9]{0,7}")?(,[0-9])?\)?,?){0,5}"#,
        2 => r"\+(CSQ|CESQ): ?(-?[0-9]{1,4},?){0,10}",
        1 => r"\+CM[ES] ERROR: ?[a-zA-Z0-9 ]{0,12}",
        1 => "(OK|ERROR|RDY|ABORTED|POWERED DOWN|AT\\+CSQ|\\+CPIN: READY|\\+CPIN: SIM PIN)",
        1 => ".{0,60}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![line(), "\\PC{0,300}", line().prop_map(|line| line.repeat(40))]) {
        match parse(&text, &VehicleProfile::default().mobile) {
            Ok(Some(Report::Networks(networks))) => {
                prop_assert!(networks.len() <= 32);
                prop_assert!(networks.iter().flat_map(|one| &one.name).all(|name| name.chars().count() <= 64));
            }
            Ok(Some(Report::Operator(one))) => {
                prop_assert!(one.operator_mccmnc.is_none_or(|mccmnc| (0..1_000_000).contains(&mccmnc)));
            }
            Ok(Some(Report::Registration(one))) => {
                prop_assert!(one.area.is_none_or(|area| (0..1 << 24).contains(&area)));
                prop_assert!(one.cell_id.is_none_or(|cell| (0..1_i64 << 36).contains(&cell)));
            }
            _ => {}
        }
    }

    #[test]
    fn any_lines_make_rows_that_fit_and_at_most_one_a_second(
        lines in prop::collection::vec((0_i64..2_000_000, line()), 1..200)
    ) {
        let mut stage = MobileStage::new(VehicleProfile::default().mobile);
        let (mut now_us, mut rows, mut quiet) = (0, Vec::new(), 0);
        for (step_us, line) in &lines {
            now_us += step_us;
            rows.extend(stage.at(now_us));
            let before = stage.kept().count();
            rows.extend(stage.line(now_us, line));
            quiet += u64::from(stage.kept().count() == before);
            prop_assert!(stage.kept().last().count() <= 8);
        }
        rows.extend(stage.close());
        prop_assert_eq!(quiet + stage.unknown() + stage.unparseable(), lines.len() as u64);
        prop_assert!(rows.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 900_000));
        for (_, row) in rows {
            prop_assert_eq!(row.values.len(), fields(row.stream).len());
            prop_assert!(row.get(ids::mobile::REGISTERED).is_none_or(|value| value == 0 || value == 1));
        }
    }

    #[test]
    fn the_slices_of_a_line_do_not_matter(bytes in prop::collection::vec(any::<u8>(), 0..3000), size in 1_usize..50) {
        let (mut whole, mut sliced) = (LineSplitter::default(), LineSplitter::default());
        let (mut at_once, mut in_parts) = (Vec::new(), Vec::new());
        whole.feed(&bytes, |line| at_once.push(line.to_owned()));
        bytes.chunks(size).for_each(|slice| sliced.feed(slice, |line| in_parts.push(line.to_owned())));
        prop_assert_eq!(at_once, in_parts);
        prop_assert_eq!(whole.overlong(), sliced.overlong());
    }

    #[test]
    fn a_mad_modem_is_never_flooded(
        steps in prop::collection::vec(
            (
                prop_oneof![4 => -50_000_i64..50_000, 2 => 0_i64..5_000_000, 1 => any::<i64>()],
                prop_oneof![
                    3 => line().prop_map(|line| format!("\r\n{line}\r\n").into_bytes()),
                    2 => Just(b"\r\nOK\r\n".to_vec()),
                    1 => Just(b"\r\n+CPIN: READY\r\n\r\nOK\r\n".to_vec()),
                    1 => prop::collection::vec(any::<u8>(), 0..200),
                ],
            ),
            1..300,
        ),
        reopen in 0_usize..400,
    ) {
        let mut dialog = Dialog::new(DialogConfig::default(), VehicleProfile::default().mobile);
        let mut stage = MobileStage::new(VehicleProfile::default().mobile);
        let (mut clock_us, mut latest_us) = (0_i64, i64::MIN);
        let mut written: Vec<(i64, &'static [u8])> = Vec::new();
        for (at, (step_us, bytes)) in steps.into_iter().enumerate() {
            clock_us = clock_us.wrapping_add(step_us);
            latest_us = latest_us.max(clock_us.clamp(i64::MIN / 2, i64::MAX / 2));
            if at == reopen {
                dialog.reopened(clock_us);
            }
            let mut polls = 0;
            while let Some(command) = dialog.poll(clock_us) {
                written.push((latest_us, command));
                polls += 1;
                prop_assert!(polls <= 1, "one command at a time");
            }
            dialog.feed(&bytes, clock_us);
            while let Some(event) = dialog.event() {
                stage.event(latest_us, event);
            }
            prop_assert!(dialog.kept().last().count() <= 8);
        }
        let first: Vec<i64> = written.iter().filter(|one| one.1.starts_with(b"AT+QENG")).map(|one| one.0).collect();
        prop_assert!(first.windows(2).all(|pair| pair[1] - pair[0] >= S), "{first:?}");
        prop_assert_eq!(dialog.counters().commands, written.len() as u64);
    }

    #[test]
    fn after_any_disturbance_the_rows_come_back(
        disturbances in prop::collection::vec((0_u8..6, 1_i64..8_000_000, any::<u16>()), 0..12)
    ) {
        let mut bench = Bench::new(Modem::new());
        bench.run(3 * S);
        for (kind, for_us, how) in disturbances {
            let now_us = bench.now_us;
            match kind {
                0 => bench.modem.dead = true,
                1 => bench.modem.starts(None),
                2 => bench.modem.starts(Some(now_us + i64::from(how))),
                3 => bench.modem.latency_us = 1 + i64::from(how) * 80,
                4 => bench.modem.service = how % 2 == 0,
                _ => bench.dialog.feed(&how.to_be_bytes().repeat(300), now_us),
            }
            bench.run(now_us + for_us);
            bench.modem.dead = false;
        }
        bench.modem.latency_us = 15_000;
        bench.modem.service = true;
        // The longest pause is a minute; with it a command that nobody answered.
        let from_us = bench.now_us;
        bench.run(from_us + 90 * S);
        bench.check_rate();
        let late = bench.rows.iter().filter(|(at_us, _)| *at_us > from_us + 70 * S);
        let good = late.filter(|(_, row)| row.get(ids::mobile::RSRP) == Some(-960)).count();
        prop_assert!(good >= 15, "{} rows, {:?}", good, bench.dialog.counters());
    }

    #[test]
    fn the_probe_stands_anything_and_keeps_its_budget(
        steps in prop::collection::vec(
            (
                prop_oneof![6 => 0_i64..20_000_000, 1 => any::<i64>()],
                0_u8..7,
                prop::collection::vec(any::<u8>(), 0..600),
                prop_oneof![Just(20_600_i64), any::<i64>()],
                prop_oneof![0.0_f64..1e6, Just(f64::NAN), Just(f64::INFINITY)],
            ),
            1..200,
        ),
    ) {
        let mut config = ProbeConfig::new(Host::new("probe.example.org").unwrap());
        config.distance_m = 0.0;
        config.interval_us = 10 * S;
        config.bytes_per_day = 12_000;
        let mut probe = Probe::new(config, Ledger::default()).unwrap();
        let mut now_us = 0_i64;
        let (mut query, mut open) = (Vec::new(), false);
        for (step_us, kind, bytes, utc_day, travelled_m) in steps {
            now_us = now_us.wrapping_add(step_us);
            let now = Now { now_us, utc_day, travelled_m, registered: None, nonce: 7 };
            let mut actions = 0;
            while let Some(action) = probe.poll(&now) {
                actions += 1;
                prop_assert!(actions <= 4);
                if let Action::SendDns(datagram) = action {
// What a probe that has begun still receives may pass the budget; no other begins then.
                    let spent_bytes = probe.ledger().spent_bytes;
                    prop_assert!(open || spent_bytes <= 12_000, "{spent_bytes}");
                    open = true;
                    query = datagram;
                }
            }
            match kind {
                0 => probe.connected(now_us),
                1 => probe.failed(now_us),
                2 => probe.received(&bytes, now_us),
                3 => probe.received(b"HTTP/1.1 204 No Content\r\n\r\n", now_us),
                4 => probe.dns_received(&bytes, now_us),
                5 if query.len() > 8 => {
                    let mut reply = query.clone();
                    reply[2..4].copy_from_slice(&[0x81, 0x80]);
                    reply[7] = 3;
                    reply.extend(&bytes);
                    probe.dns_received(&reply, now_us);
                }
                6 if query.len() > 8 => {
                    let mut reply = query.clone();
                    reply[2..4].copy_from_slice(&[0x81, 0x80]);
                    reply[7] = 1;
                    reply.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
                    probe.dns_received(&reply, now_us);
                }
                _ => {}
            }
            while let Some(result) = probe.result() {
                open = false;
                prop_assert!(result.dns_us.is_none_or(|us| us >= 0) && result.response_us.is_none_or(|us| us >= 0));
                prop_assert!(result.outcome.is_err() || result.response_us.is_some());
            }
        }
    }
}
