//! The modem's line, the dialog with it and the service probe: nothing panics, nothing grows, a modem is asked at most once a
//! second and a probe keeps to its budget. The first byte chooses the part.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tournee_features::mobile::dialog::{Dialog, DialogConfig, Event};
use tournee_features::mobile::parse::{Report, parse};
use tournee_features::mobile::probe::{Action, Host, Ledger, Now, Probe, ProbeConfig};
use tournee_features::mobile::{LINE_BYTES_MAX, LineSplitter, MobileStage};
use tournee_features::{VehicleProfile, ids};
use tournee_fuzz::in_slices;

const SECOND_US: i64 = 1_000_000;

fuzz_target!(|data: &[u8]| {
    let Some((part, rest)) = data.split_first() else { return };
    match part % 3 {
        0 => lines(rest),
        1 => dialog(rest),
        _ => probe(rest),
    }
});

/// Lines as they come, cut anyhow; each takes a tenth of a second.
fn lines(data: &[u8]) {
    let profile = VehicleProfile::default().mobile;
    let (mut whole, mut sliced) = (LineSplitter::default(), LineSplitter::default());
    let (mut lines, mut in_parts) = (Vec::new(), Vec::new());
    whole.feed(data, |line| lines.push(line.to_owned()));
    in_slices(data, |slice| sliced.feed(slice, |line| in_parts.push(line.to_owned())));
    assert_eq!(lines, in_parts, "slices do not matter");
    let mut stage = MobileStage::new(profile.clone());
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        // What is no UTF-8 is replaced by three bytes.
        assert!(line.len() <= 3 * LINE_BYTES_MAX);
        if let Ok(Some(report)) = parse(line, &profile) {
            check_report(&report);
        }
        let now_us = at as i64 * SECOND_US / 10;
        rows.extend(stage.at(now_us));
        rows.extend(stage.line(now_us, line));
    }
    rows.extend(stage.close());
    assert!(stage.kept().last().count() <= 8 && stage.kept().last().all(|line| line.chars().count() <= 200));
    assert_eq!(stage.kept().count(), stage.unknown() + stage.unparseable());
    assert!(rows.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 900_000), "more than one row a second");
    for (_, row) in rows {
        assert!(row.get(ids::mobile::REGISTERED).is_none_or(|value| matches!(value, 0 | 1)));
        assert!(row.get(ids::mobile::RAT).is_none_or(|value| matches!(value, 0 | 2..=6)));
    }
}

fn check_report(report: &Report) {
    match report {
        Report::Networks(networks) => {
            assert!(networks.len() <= 32);
            assert!(networks.iter().flat_map(|one| &one.name).all(|name| name.chars().count() <= 64));
        }
        Report::Registration(one) => {
            assert!(one.area.is_none_or(|area| (0..1 << 24).contains(&area)));
            assert!(one.cell_id.is_none_or(|cell| (0..1_i64 << 36).contains(&cell)));
        }
        Report::Operator(one) => assert!(one.operator_mccmnc.is_none_or(|mccmnc| (0..1_000_000).contains(&mccmnc))),
        Report::Cesq(levels) => {
            let levels = levels.levels();
            assert!(levels.rsrp_dbm.is_none_or(|dbm| (-157.0..=-30.0).contains(&dbm)));
        }
        Report::Serving(..) | Report::Part(_) | Report::Csq(_) => {}
    }
}

/// Steps of a length byte, a time byte and so many bytes from the modem; a length from 250 on is a word that moves the
/// dialog on, because words are hard to find.
fn dialog(mut data: &[u8]) {
    const WORDS: [&[u8]; 6] = [
        b"\r\nOK\r\n",
        b"\r\nERROR\r\n",
        b"+CPIN: READY\r\n\r\nOK\r\n",
        b"\r\nRDY\r\n",
        b"+CME ERROR: 30\r\n",
        b"+CSQ: 17,99\r\n",
    ];
    let profile = VehicleProfile::default().mobile;
    let mut dialog = Dialog::new(DialogConfig::default(), profile.clone());
    let mut stage = MobileStage::new(profile);
    let (mut now_us, mut rounds, mut written) = (0_i64, Vec::new(), 0_u64);
    while let [len, time, rest @ ..] = data {
        let (bytes, rest) = match WORDS.get(usize::from(len.saturating_sub(250))) {
            Some(word) if *len >= 250 => (*word, rest),
            _ => rest.split_at(usize::from(*len).min(rest.len())),
        };
        data = rest;
        now_us += i64::from(*time).pow(2) * 500;
        if let Some(command) = dialog.poll(now_us) {
            assert!(command.starts_with(b"AT") && command.ends_with(b"\r"));
            written += 1;
            assert_eq!(dialog.poll(now_us), None, "one command at a time");
            rounds.extend(command.starts_with(b"AT+QENG").then_some(now_us));
        } else {
            assert!(dialog.wake_us() > now_us, "an owner that sleeps until then does not spin");
        }
        dialog.feed(bytes, now_us);
        while let Some(event) = dialog.event() {
            if let Event::Report(report) = &event {
                check_report(report);
            }
            stage.event(now_us, event);
        }
    }
    assert_eq!(dialog.counters().commands, written);
    assert_eq!(dialog.kept().count(), dialog.counters().unknown + dialog.counters().broken);
    assert!(rounds.windows(2).all(|pair| pair[1] - pair[0] >= SECOND_US), "{rounds:?}");
}

/// Steps of what happens, a time byte, a length and so many bytes from the network.
fn probe(mut data: &[u8]) {
    const BYTES_PER_DAY: u64 = 12_000;
    let host = Host::new("a.example").expect("a name");
    let config = ProbeConfig { interval_us: 10 * SECOND_US, bytes_per_day: BYTES_PER_DAY, ..ProbeConfig::new(host) };
    let mut probe = Probe::new(config, Ledger::default()).expect("in its bounds");
    let (mut now_us, mut travelled_m, mut open) = (0_i64, 0.0, false);
    while let [what, time, len, rest @ ..] = data {
        let (bytes, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        data = rest;
        now_us += i64::from(*time) * 100_000;
        travelled_m += f64::from(*time);
        let registered = [None, Some(true), Some(false)][usize::from(what >> 4) % 3];
        let now = Now { now_us, utc_day: 20_600, travelled_m, registered, nonce: 7 };
        let mut actions = 0;
        while let Some(action) = probe.poll(&now) {
            actions += 1;
            assert!(actions <= 4);
            if matches!(action, Action::SendDns(_)) {
                assert!(open || probe.ledger().spent_bytes <= BYTES_PER_DAY, "began without budget");
                open = true;
            }
        }
        assert!(probe.wake_us() > now_us, "an owner that sleeps until then does not spin");
        match what % 6 {
            0 => probe.connected(now_us),
            1 => probe.failed(now_us),
            2 => probe.received(bytes, now_us),
            3 => probe.dns_received(bytes, now_us),
            4 => {
                // The head of a right answer, so that what follows is read.
                let mut datagram = b"\x00\x07\x81\x80\x00\x01\x00\x01\0\0\0\0\x01a\x07example\0\0\x01\0\x01".to_vec();
                datagram.extend(bytes);
                probe.dns_received(&datagram, now_us);
            }
            _ => probe.received(&[b"HTTP/1.1 204 \r\n", bytes].concat(), now_us),
        }
        while let Some(result) = probe.result() {
            open = false;
            assert!([result.dns_us, result.connect_us, result.response_us].iter().flatten().all(|us| *us >= 0));
            assert!(result.outcome.is_err() || result.response_us.is_some());
        }
    }
}
