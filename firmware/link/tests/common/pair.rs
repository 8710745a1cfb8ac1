//! A host and a box, joined by a bad line in virtual time.

use std::collections::VecDeque;

use tournee_link::*;

/// What the line does to one frame.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// Nothing of it arrives.
    Lost,
    /// One bit is turned; the number is taken modulo the bits there are.
    Flip(usize),
    /// One byte is left out.
    Cut(usize),
}

/// One direction: late, lossy, never out of order.
#[derive(Default)]
struct Direction {
    bytes: VecDeque<(u64, Vec<u8>)>,
    last_us: u64,
}

impl Direction {
    fn send(&mut self, now_us: u64, latency_us: u64, fault: Fault, mut frame: Vec<u8>) {
        match fault {
            Fault::None => {}
            Fault::Lost => return,
            Fault::Flip(bit) => {
                let at = bit / 8 % frame.len();
                frame[at] ^= 1 << (bit % 8);
            }
            Fault::Cut(at) => {
                frame.remove(at % frame.len());
            }
        }
        self.last_us = self.last_us.max(now_us + latency_us);
        self.bytes.push_back((self.last_us, frame));
    }

    fn due_us(&self) -> Option<u64> {
        self.bytes.front().map(|(due_us, _)| *due_us)
    }

    fn arrived(&mut self, now_us: u64) -> Option<Vec<u8>> {
        self.bytes.front().filter(|(due_us, _)| *due_us <= now_us)?;
        self.bytes.pop_front().map(|(_, bytes)| bytes)
    }
}

/// A box in memory.
pub struct TestBox {
    pub out: Vec<Message>,
    pub config: BoxConfig,
    /// What was done, in order.
    pub done: Vec<Command>,
    pub begun: Option<FirmwareBegin>,
    pub store: Vec<u8>,
    /// Bytes that the store forgets, once, before it is checked.
    pub forgets: usize,
    /// How often a part was written that was there before.
    pub rewritten: usize,
}

impl Default for TestBox {
    fn default() -> Self {
        Self {
            out: Vec::new(),
            config: BoxConfig::DEFAULT,
            done: Vec::new(),
            begun: None,
            store: Vec::new(),
            forgets: 0,
            rewritten: 0,
        }
    }
}

const STORE_BYTES: u32 = 100_000;

impl TestBox {
    fn stored(&self) -> u32 {
        self.store.len() as u32
    }

    fn refuse<T>(reason: NakReason, detail: u32) -> Result<T, Refusal> {
        Err(Refusal { reason, detail })
    }
}

impl BoxService for TestBox {
    fn send(&mut self, message: Message) {
        self.out.push(message);
    }

    fn hello(&mut self) {
        self.done.push(Command::HelloRequest);
        self.out.push(super::one_of_each().remove(11));
    }

    fn config(&mut self) -> BoxConfig {
        self.config
    }

    fn set_config(&mut self, config: &BoxConfig) {
        self.config = *config;
        self.done.push(Command::SetConfig(*config));
    }

    fn self_test(&mut self, _id: u32) -> Result<(), Refusal> {
        self.done.push(Command::SelfTest);
        Ok(())
    }

    fn reboot(&mut self) -> Result<(), Refusal> {
        self.done.push(Command::Reboot);
        Ok(())
    }

    fn firmware_begin(&mut self, begin: &FirmwareBegin) -> Result<u32, Refusal> {
        if begin.len > STORE_BYTES {
            return Self::refuse(NakReason::TooLarge, STORE_BYTES);
        }
        if self.begun != Some(*begin) {
            self.begun = Some(*begin);
            self.store.clear();
        }
        Ok(self.stored())
    }

    fn firmware_chunk(&mut self, chunk: &FirmwareChunk) -> Result<u32, Refusal> {
        if self.begun.is_none() {
            return Self::refuse(NakReason::State, 0);
        }
        if chunk.offset > self.stored() {
            return Self::refuse(NakReason::Offset, self.stored());
        }
        if chunk.offset < self.stored() {
            self.rewritten += 1;
        } else {
            self.store.extend_from_slice(&chunk.data);
        }
        Ok(self.stored())
    }

    fn firmware_end(&mut self) -> Result<u32, Refusal> {
        let Some(begin) = self.begun else { return Self::refuse(NakReason::State, 0) };
        let forgets = std::mem::take(&mut self.forgets);
        self.store.truncate(self.store.len().saturating_sub(forgets));
        if self.stored() != begin.len {
            return Self::refuse(NakReason::Offset, self.stored());
        }
        let crc = checksum(&self.store);
        if crc != begin.crc {
            return Self::refuse(NakReason::Checksum, crc);
        }
        self.done.push(Command::FirmwareEnd);
        Ok(begin.len)
    }

    fn firmware_commit(&mut self) -> Result<u32, Refusal> {
        self.done.push(Command::FirmwareCommit);
        Ok(self.stored())
    }

    fn firmware_confirm(&mut self) -> Result<u32, Refusal> {
        self.done.push(Command::FirmwareConfirm);
        Ok(0)
    }

    fn hang(&mut self) -> Result<(), Refusal> {
        Self::refuse(NakReason::Unsupported, 0)
    }
}

/// Both ends and the line between them. The box's clock is `skew_us` ahead of the host's.
pub struct Pair {
    pub now_us: u64,
    pub skew_us: u64,
    pub session: Session,
    pub service: TestBox,
    pub dispatcher: Dispatcher,
    /// Frames that the host has sent.
    pub sent: u32,
    latency_us: u64,
    faults: std::iter::Cycle<std::vec::IntoIter<Fault>>,
    there: Direction,
    back: Direction,
    commands: CommandDecoder,
    messages: Decoder,
    seq: u32,
}

impl Pair {
    /// `faults` are met by the frames of both directions in turn, over and over.
    pub fn new(latency_us: u64, faults: Vec<Fault>) -> Self {
        Self {
            now_us: 1_000_000,
            skew_us: 77_000_000,
            session: Session::new(u32::MAX - 1),
            service: TestBox::default(),
            dispatcher: Dispatcher::new(),
            sent: 0,
            latency_us,
            faults: faults.into_iter().cycle(),
            there: Direction::default(),
            back: Direction::default(),
            commands: CommandDecoder::new(),
            messages: Decoder::new(),
            seq: 0,
        }
    }

    fn fault(&mut self) -> Fault {
        self.faults.next().unwrap_or(Fault::None)
    }

    /// Sends a command and lets time pass until its outcome is there.
    pub fn command(&mut self, command: Command) -> Outcome {
        self.session.start(command, self.now_us).unwrap();
        loop {
            match self.session.transmit(self.now_us) {
                Err(outcome) => return outcome,
                Ok(Some((header, command))) => {
                    self.sent += 1;
                    let fault = self.fault();
                    let frame = super::framed_command(header, &command);
                    self.there.send(self.now_us, self.latency_us, fault, frame);
                }
                Ok(None) => {}
            }
            while let Some(bytes) = self.there.arrived(self.now_us) {
                self.at_the_box(&bytes);
            }
            while let Some(bytes) = self.back.arrived(self.now_us) {
                let mut outcomes = Vec::new();
                let session = &mut self.session;
                self.messages.feed(&bytes, |event| {
                    if let Event::Frame { message, .. } = event {
                        outcomes.extend(session.receive(&message));
                    }
                });
                // Two answers in one burst: the second one finds nothing under way.
                assert!(outcomes.len() <= 1);
                if let Some(outcome) = outcomes.pop() {
                    return outcome;
                }
            }
            let next = [self.there.due_us(), self.back.due_us(), self.session.due_us()];
            self.now_us = self.now_us.max(next.into_iter().flatten().min().unwrap());
        }
    }

    /// Lets everything arrive that is still on its way to the box.
    pub fn settle(&mut self) {
        while let Some(due_us) = self.there.due_us() {
            self.now_us = self.now_us.max(due_us);
            while let Some(bytes) = self.there.arrived(self.now_us) {
                self.at_the_box(&bytes);
            }
        }
    }

    fn at_the_box(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        self.commands.feed(bytes, |event| events.push(event));
        for event in events {
            self.dispatcher.handle(&event, self.now_us + self.skew_us, &mut self.service);
        }
        for message in std::mem::take(&mut self.service.out) {
            self.seq += 1;
            let header = Header { proto: PROTO, boot_id: 1, seq: self.seq, tick_us: self.now_us + self.skew_us };
            let fault = self.fault();
            self.back.send(self.now_us, self.latency_us, fault, super::framed(&header, &message));
        }
    }
}
