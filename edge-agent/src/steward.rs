//! The agent's side of the box's commands, without IO: who is there, how it should sample, what time its ticks are.
//!
//! At every (re)connection it asks for a Hello. A box whose configuration is not the wanted one is set and read back. Every
//! ten seconds four stamps are exchanged. A command that is never answered is counted and given up until the next
//! connection: a box without a receiver (a recording, an old firmware) still delivers.

use std::collections::BTreeMap;

use tournee_link::{
    BoxConfig, Command, Exchange, Fault, HelloV2, MAX_COMMAND_FRAME_BYTES, Message, NakReason, Outcome, SensorId,
    Session, encode_command,
};

/// Between two exchanges of stamps.
const TIME_EVERY_US: u64 = 10_000_000;

/// What is known of the box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxState {
    /// Firmware, commit, serial number, board, as it said Hello; empty until then.
    pub firmware: String,
    /// See `firmware`.
    pub commit: String,
    /// See `firmware`.
    pub serial: String,
    /// See `firmware`.
    pub board: String,
    /// Why it started: see [`tournee_link::Hello`].
    pub reset_cause: u8,
    /// Generation of the configuration that it said it samples by.
    pub config_generation: u32,
    /// Hellos of a new boot, since the agent started.
    pub boots: u64,
    /// Sensors that have a fault now, by name, and which.
    pub faults: BTreeMap<&'static str, &'static str>,
    /// Faults since the agent started.
    pub faults_seen: u64,
    /// Messages that the box dropped from its full queue in this boot: control, slow sensors, acceleration, thermal.
    pub queue_drops: [u32; 4],
    /// Least free stack of the box in this boot, bytes; none until it said so.
    pub stack_free_bytes: Option<u32>,
    /// Round trip of the last exchange of stamps, microseconds.
    pub round_trip_us: Option<i64>,
    /// Commands that were never answered, since the agent started.
    pub unanswered: u64,
    /// Commands that the box refused, since the agent started.
    pub refused: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Steward {
    session: Session,
    wanted: BoxConfig,
    state: BoxState,
    boot_id: Option<u32>,
    /// Commands to begin, the next one first; never more than a few.
    agenda: Vec<Command>,
    time_due_us: u64,
    /// The box does not answer on this connection.
    deaf: bool,
    /// The last exchange of stamps and the boot of the box that answered it, until it is taken.
    exchange: Option<(u32, Exchange)>,
}

impl Steward {
    /// `first_id` random; `wanted` has passed its check.
    pub fn new(first_id: u32, wanted: BoxConfig) -> Self {
        Self {
            session: Session::new(first_id),
            wanted,
            state: BoxState::default(),
            boot_id: None,
            agenda: Vec::new(),
            time_due_us: 0,
            deaf: false,
            exchange: None,
        }
    }

    pub const fn state(&self) -> &BoxState {
        &self.state
    }

    /// The exchange of stamps that has just ended: the boot of the box, and its ticks against the clock of
    /// [`Steward::receive`].
    pub fn take_exchange(&mut self) -> Option<(u32, Exchange)> {
        self.exchange.take()
    }

    /// The box is to sample so from now on; `wanted` has passed its check.
    pub fn want(&mut self, wanted: BoxConfig) {
        if wanted == self.wanted {
            return;
        }
        self.wanted = wanted;
        // A box that has not said hello is told when it does.
        if self.boot_id.is_some() && !self.deaf {
            self.set_config();
        }
    }

    fn set_config(&mut self) {
        self.agenda.retain(|command| !matches!(command, Command::SetConfig(_) | Command::GetConfig));
        self.agenda.push(Command::SetConfig(self.wanted));
        self.agenda.push(Command::GetConfig);
    }

    /// The line was opened.
    pub fn connected(&mut self, now_us: u64) {
        self.deaf = false;
        self.agenda = vec![Command::HelloRequest];
        self.time_due_us = now_us.saturating_add(1_000_000);
    }

    /// Takes a message of the box.
    pub fn receive(&mut self, boot_id: u32, message: &Message, now_us: u64) {
        match message {
            Message::HelloV2(hello) => self.greet(boot_id, hello),
            Message::SensorState(state) => self.sensor(state.sensor, state.fault, state.faults),
            Message::HealthV2(health) => {
                self.state.queue_drops = health.queue_drops;
                self.state.stack_free_bytes = Some(health.stack_free_bytes);
            }
            Message::Config(config) => {
                if config.generation == self.wanted.generation && *config != self.wanted {
                    tracing::error!(?config, "the box samples by another configuration than it was given");
                }
                self.state.config_generation = config.generation;
            }
            _ => {}
        }
        match self.session.receive(message) {
            Some(Outcome::Refused(nak)) => {
                self.state.refused += 1;
                match NakReason::from_code(nak.reason) {
                    Some(reason) => tracing::warn!(%reason, detail = nak.detail, "the box refused a command"),
                    None => tracing::warn!(reason = nak.reason, detail = nak.detail, "the box refused a command"),
                }
            }
            Some(Outcome::Time(answer)) => {
                let exchange = i64::try_from(now_us).ok().and_then(|now_us| Exchange::new(&answer, now_us));
                self.state.round_trip_us = exchange.map(|exchange| exchange.round_trip_us);
                self.exchange = exchange.map(|exchange| (boot_id, exchange));
            }
            Some(Outcome::Done(_) | Outcome::NoAnswer) | None => {}
        }
    }

    fn greet(&mut self, boot_id: u32, hello: &HelloV2) {
        let state = &mut self.state;
        if self.boot_id.replace(boot_id) != Some(boot_id) {
            state.boots += 1;
            state.faults.clear();
            state.queue_drops = [0; 4];
            tracing::info!(
                firmware = %hello.firmware, serial = %hello.serial, board = %hello.board, reset_cause = hello.reset_cause,
                "the box says hello"
            );
        }
        state.firmware = hello.firmware.to_string();
        state.commit = hello.commit.to_string();
        state.serial = hello.serial.to_string();
        state.board = hello.board.to_string();
        state.reset_cause = hello.reset_cause;
        state.config_generation = hello.config_generation;
        // On trial: a firmware that says hello to the agent over this very line is good.
        if hello.trial == 1 && !self.agenda.contains(&Command::FirmwareConfirm) {
            self.agenda.push(Command::FirmwareConfirm);
        }
        if hello.config_generation != self.wanted.generation && self.wanted.generation != 0 {
            self.set_config();
        }
    }

    fn sensor(&mut self, sensor: u8, fault: u8, faults: u32) {
        let name = SensorId::from_number(sensor).map_or("unknown sensor", SensorId::name);
        if fault == 0 {
            self.state.faults.remove(name);
            tracing::info!(sensor = name, faults, "the sensor delivers again");
            return;
        }
        self.state.faults_seen += 1;
        let text = Fault::from_code(fault).map_or("a fault that this agent does not know", Fault::text);
        self.state.faults.insert(name, text);
        tracing::warn!(sensor = name, faults, "{text}");
    }

    /// The bytes to write to the line now, if any.
    pub fn poll(&mut self, now_us: u64) -> Option<Vec<u8>> {
        if self.deaf {
            return None;
        }
        if !self.session.is_busy() {
            let command = if self.agenda.is_empty() {
                if now_us < self.time_due_us {
                    return None;
                }
                self.time_due_us = now_us.saturating_add(TIME_EVERY_US);
                Command::TimeSync(0)
            } else {
                self.agenda.remove(0)
            };
            // Not busy: checked above.
            let _ = self.session.start(command, now_us);
        }
        match self.session.transmit(now_us) {
            Ok(None) => None,
            Ok(Some((header, command))) => {
                let mut frame = [0_u8; MAX_COMMAND_FRAME_BYTES];
                let len = encode_command(header, &command, &mut frame).ok()?;
                // A delimiter first: whatever stood half-written on the line before ends there.
                Some([&[0], frame.get(..len)?].concat())
            }
            Err(_) => {
                self.state.unanswered += 1;
                self.deaf = true;
                self.agenda.clear();
                tracing::warn!("the box does not answer commands on this line; it is asked again after a reconnection");
                None
            }
        }
    }

    /// When [`Steward::poll`] has something to do.
    pub fn due_us(&self) -> u64 {
        if self.deaf {
            return u64::MAX;
        }
        self.session.due_us().unwrap_or(if self.agenda.is_empty() { self.time_due_us } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tournee_link::{Ack, CommandDecoder, CommandEvent, SensorState};

    fn wanted() -> BoxConfig {
        BoxConfig { generation: 77, accel_block: 8, ..BoxConfig::DEFAULT }
    }

    fn hello(generation: u32, trial: u8) -> Message {
        Message::HelloV2(HelloV2 {
            firmware: "1.0.0".try_into().unwrap(),
            commit: Default::default(),
            serial: "box-7".try_into().unwrap(),
            board: "test".try_into().unwrap(),
            reset_cause: 1,
            proto_oldest: 1,
            messages: 19,
            commands: 12,
            config_generation: generation,
            trial,
        })
    }

    fn sent(steward: &mut Steward, now_us: u64) -> Option<(u32, Command)> {
        let bytes = steward.poll(now_us)?;
        let mut seen = None;
        CommandDecoder::new().feed(&bytes, |event| {
            if let CommandEvent::Frame { header, command } = event {
                seen = Some((header.id, command));
            }
        });
        seen
    }

    fn answer(steward: &mut Steward, id: u32, now_us: u64) {
        steward.receive(1, &Message::Ack(Ack { id, value: 0 }), now_us);
    }

    #[test]
    fn a_new_box_is_greeted_configured_and_read_back() {
        let mut steward = Steward::new(5, wanted());
        steward.connected(0);
        assert_eq!(sent(&mut steward, 0), Some((5, Command::HelloRequest)));
        assert_eq!(sent(&mut steward, 1), None, "waits for its answer");
        steward.receive(1, &hello(0, 1), 10);
        answer(&mut steward, 5, 11);
        assert_eq!(sent(&mut steward, 12), Some((6, Command::FirmwareConfirm)));
        answer(&mut steward, 6, 13);
        assert_eq!(sent(&mut steward, 14), Some((7, Command::SetConfig(wanted()))));
        answer(&mut steward, 7, 15);
        assert_eq!(sent(&mut steward, 16), Some((8, Command::GetConfig)));
        steward.receive(1, &Message::Config(wanted()), 17);
        answer(&mut steward, 8, 18);
        assert_eq!(steward.state().config_generation, 77);
        assert_eq!(sent(&mut steward, 19), None);
        assert!(matches!(sent(&mut steward, 1_000_000), Some((9, Command::TimeSync(1_000_000)))));
        assert_eq!((steward.state().boots, steward.state().serial.as_str()), (1, "box-7"));
    }

    #[test]
    fn a_box_that_restarts_is_configured_again() {
        let mut steward = Steward::new(5, wanted());
        steward.connected(0);
        steward.receive(1, &hello(77, 0), 0);
        assert_eq!(sent(&mut steward, 0), Some((5, Command::HelloRequest)));
        answer(&mut steward, 5, 1);
        assert_eq!(sent(&mut steward, 2), None, "it has the wanted configuration");
        steward.receive(2, &hello(0, 0), 3);
        assert!(matches!(sent(&mut steward, 4), Some((6, Command::SetConfig(_)))));
        assert_eq!(steward.state().boots, 2);
    }

    #[test]
    fn another_configuration_that_is_wanted_under_way_is_set_and_read_back() {
        let mut steward = Steward::new(5, wanted());
        let other = BoxConfig { generation: 78, accel_block: 4, ..BoxConfig::DEFAULT };
        steward.connected(0);
        steward.want(other);
        steward.want(wanted());
        assert_eq!(sent(&mut steward, 0), Some((5, Command::HelloRequest)));
        steward.receive(1, &hello(77, 0), 1);
        answer(&mut steward, 5, 2);
        steward.want(wanted());
        assert_eq!(sent(&mut steward, 3), None, "it has it already");
        steward.want(other);
        assert_eq!(sent(&mut steward, 4), Some((6, Command::SetConfig(other))));
        answer(&mut steward, 6, 5);
        assert_eq!(sent(&mut steward, 6), Some((7, Command::GetConfig)));
    }

    #[test]
    fn a_deaf_box_is_given_up_and_counted_until_the_next_connection() {
        let mut steward = Steward::new(5, wanted());
        steward.connected(0);
        let mut now_us = 0;
        let mut tries = 0;
        while steward.due_us() != u64::MAX {
            now_us = steward.due_us().max(now_us);
            tries += u32::from(steward.poll(now_us).is_some());
        }
        assert_eq!((tries, steward.state().unanswered), (tournee_link::ATTEMPTS, 1));
        assert_eq!(steward.poll(now_us + 60_000_000), None);
        steward.connected(now_us);
        assert!(steward.poll(now_us).is_some());
    }

    #[test]
    fn sensor_faults_are_kept_until_they_are_over() {
        let mut steward = Steward::new(5, wanted());
        let state = |fault| Message::SensorState(SensorState { sensor: 4, fault, faults: 1 });
        steward.receive(1, &state(1), 0);
        assert_eq!(steward.state().faults.keys().collect::<Vec<_>>(), [&"co2"]);
        steward.receive(1, &state(0), 0);
        assert!(steward.state().faults.is_empty());
        assert_eq!(steward.state().faults_seen, 1);
    }
}
