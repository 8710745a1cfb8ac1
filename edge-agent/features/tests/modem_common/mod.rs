//! A modem that answers by the standard, and the owner of its port, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::VecDeque;

use tournee_features::VehicleProfile;
use tournee_features::mobile::MobileStage;
use tournee_features::mobile::dialog::{Dialog, DialogConfig, Event};
use tournee_payload::Sample;

pub const S: i64 = 1_000_000;

const NSA: &str = concat!(
    "+QENG: \"servingcell\",\"NOCONN\"\r\n",
    "+QENG: \"LTE\",\"FDD\",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-\r\n",
    "+QENG: \"NR5G-NSA\",222,01,920,-96,18,-10,648768,78,10,1\r\n",
);

/// What a modem is like; its settings are lost when it starts.
pub struct Modem {
    pub echo: bool,
    pub numbered: bool,
    /// `<n>` of the registrations and the format of the operator, as the set-up left them.
    pub mode: u8,
    pub numeric: bool,
    pub quectel: bool,
    pub sim: bool,
    pub service: bool,
    pub dead: bool,
    pub echo_always: bool,
    /// Before each answer: a line that nobody asked for.
    pub chatter: Option<&'static str>,
    pub latency_us: i64,
    pub out: VecDeque<(i64, Vec<u8>)>,
    pub asked: Vec<(i64, String)>,
}

impl Modem {
    pub fn new() -> Self {
        Self {
            echo: true,
            numbered: false,
            mode: 0,
            numeric: false,
            quectel: true,
            sim: true,
            service: true,
            dead: false,
            echo_always: false,
            chatter: None,
            latency_us: 15_000,
            out: VecDeque::new(),
            asked: Vec::new(),
        }
    }

    pub fn starts(&mut self, announced: Option<i64>) {
        (self.echo, self.numbered, self.mode, self.numeric) = (true, false, 0, false);
        self.out.clear();
        if let Some(at_us) = announced {
            self.out.push_back((at_us, b"\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: READY\r\n".to_vec()));
        }
    }

    fn error(&self, number: u32) -> String {
        if self.numbered { format!("\r\n+CME ERROR: {number}\r\n") } else { "\r\nERROR\r\n".to_owned() }
    }

    pub fn take(&mut self, command: &[u8], now_us: i64) {
        let text = String::from_utf8(command.to_vec()).unwrap();
        assert!(text.ends_with('\r') && text.matches('\r').count() == 1);
        self.asked.push((now_us, text.clone()));
        if self.dead {
            return;
        }
        let mut reply = String::new();
        if self.echo || self.echo_always {
            reply.push_str(&text);
        }
        if let Some(line) = self.chatter {
            reply.push_str(&format!("\r\n{line}\r\n"));
        }
        reply.push_str(&self.answer(text.trim_end()));
        self.out.push_back((now_us + self.latency_us, reply.into_bytes()));
    }

    fn answer(&mut self, command: &str) -> String {
        let ok = |line: String| format!("\r\n{line}\r\n\r\nOK\r\n");
        let registration = |name: &str, place: &str| {
            let stat = if self.service { 1 } else { 2 };
            let place = if self.mode == 2 && self.service { place } else { "" };
            ok(format!("{name}: {},{stat}{place}", self.mode))
        };
        match command {
            "AT" | "AT+COPS=3,2" if command == "AT" || self.sim => {
                self.numeric |= command != "AT";
                "\r\nOK\r\n".to_owned()
            }
            "ATE0" => {
                self.echo = false;
                "\r\nOK\r\n".to_owned()
            }
            "AT+CMEE=1" => {
                self.numbered = true;
                "\r\nOK\r\n".to_owned()
            }
            "AT+CPIN?" if self.sim => ok("+CPIN: READY".to_owned()),
            "AT+CPIN?" => self.error(10),
            "AT+CREG=2" | "AT+CGREG=2" | "AT+CEREG=2" => {
                self.mode = 2;
                "\r\nOK\r\n".to_owned()
            }
            "AT+QENG=\"servingcell\"" if !self.quectel => self.error(100),
            "AT+QENG=\"servingcell\"" if self.service => format!("\r\n{NSA}\r\nOK\r\n"),
            "AT+QENG=\"servingcell\"" => ok("+QENG: \"servingcell\",\"SEARCH\"".to_owned()),
            "AT+CESQ" if self.service => ok("+CESQ: 99,99,255,255,20,40".to_owned()),
            "AT+CESQ" => self.error(30),
            "AT+CSQ" => ok(if self.service { "+CSQ: 17,99" } else { "+CSQ: 99,99" }.to_owned()),
            "AT+CEREG?" => registration("+CEREG", ",\"0BE3\",\"0328261F\",7"),
            "AT+CGREG?" => registration("+CGREG", ""),
            "AT+CREG?" => registration("+CREG", ""),
            "AT+COPS?" if self.service && self.numeric => ok("+COPS: 0,2,\"22201\",13".to_owned()),
            "AT+COPS?" if self.service => ok("+COPS: 0,0,\"TIM\",13".to_owned()),
            "AT+COPS?" => ok("+COPS: 0".to_owned()),
            "AT+C5GREG=2" | "AT+C5GREG?" => self.error(4),
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// The owner of the port: a dialog, a modem at the other end, and the stage that makes rows.
pub struct Bench {
    pub now_us: i64,
    pub modem: Modem,
    pub dialog: Dialog,
    pub stage: MobileStage,
    pub rows: Vec<(i64, Sample)>,
    pub events: Vec<(i64, Event)>,
}

impl Bench {
    pub fn new(modem: Modem) -> Self {
        let profile = VehicleProfile::default().mobile;
        Self {
            now_us: 0,
            modem,
            dialog: Dialog::new(DialogConfig::default(), profile.clone()),
            stage: MobileStage::new(profile),
            rows: Vec::new(),
            events: Vec::new(),
        }
    }

    /// As an owner would: sleeps until the dialog wakes or bytes come, and hands them over in odd slices.
    pub fn run(&mut self, until_us: i64) {
        let mut turns = 0;
        while self.now_us < until_us {
            turns += 1;
            assert!(turns < 1_000_000, "the dialog spins");
            while let Some(command) = self.dialog.poll(self.now_us) {
                self.modem.take(command, self.now_us);
            }
            while let Some(event) = self.dialog.event() {
                self.rows.extend(self.stage.event(self.now_us, event.clone()));
                self.events.push((self.now_us, event));
            }
            self.rows.extend(self.stage.at(self.now_us));
            let bytes_us = self.modem.out.front().map_or(i64::MAX, |(at_us, _)| *at_us);
            let next_us = self.dialog.wake_us().min(bytes_us).max(self.now_us + 1);
            self.now_us = next_us.min(until_us);
            if self.now_us >= bytes_us
                && let Some((_, bytes)) = self.modem.out.pop_front()
            {
                for slice in bytes.chunks(7) {
                    self.dialog.feed(slice, self.now_us);
                }
            }
        }
    }

    #[allow(dead_code, reason = "not every test that shares this file counts events")]
    pub fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| is(event)).count()
    }

    pub fn asked(&self, command: &str) -> Vec<i64> {
        self.modem.asked.iter().filter(|(_, text)| text.trim_end() == command).map(|(at_us, _)| *at_us).collect()
    }

    /// Never more than one round a second, whatever happened.
    pub fn check_rate(&self) {
        for command in ["AT+QENG=\"servingcell\"", "AT"] {
            for pair in self.asked(command).windows(2) {
                assert!(pair[1] - pair[0] >= S, "{command} at {} and {}", pair[0], pair[1]);
            }
        }
        // A set-up of nine commands and parts of two rounds of eight.
        assert!(self.modem.asked.windows(26).all(|few| few[25].0 - few[0].0 >= S), "a flood");
    }
}
