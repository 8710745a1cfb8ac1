//! One command at a time on a serial line.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_serial::{SerialPortBuilderExt, SerialStream};
use tournee_link::{
    Command, Decoder, Event, Exchange, MAX_COMMAND_FRAME_BYTES, Message, Outcome, Session, encode_command,
};

use super::BoxError;

/// Messages that a box may say while it is asked; beyond it the oldest are forgotten.
const SAID_MAX: usize = 4_096;

pub(super) struct Conversation {
    port: SerialStream,
    decoder: Decoder,
    session: Session,
    started: Instant,
}

impl Conversation {
    pub(super) fn open(path: &Path, baud: u32) -> Result<Self, BoxError> {
        let open = |cause| BoxError::Open { path: path.to_owned(), cause };
        let name = path.to_str().ok_or_else(|| open(std::io::Error::other("the path is not UTF-8")))?;
        let port = tokio_serial::new(name, baud).open_native_async().map_err(|error| open(error.into()))?;
        Ok(Self { port, decoder: Decoder::new(), session: Session::new(rand::rng().random()), started: Instant::now() })
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Gives a command and waits for its outcome; also gives what the box said meanwhile.
    pub(super) async fn ask(&mut self, command: Command) -> Result<(Outcome, Vec<Message>), BoxError> {
        let mut said = Vec::new();
        let outcome = self.ask_and_stamp(command, &mut said).await?.0;
        Ok((outcome, said))
    }

    async fn ask_and_stamp(&mut self, command: Command, said: &mut Vec<Message>) -> Result<(Outcome, u64), BoxError> {
        // Not busy: every command is waited for.
        let _ = self.session.start(command, self.now_us());
        loop {
            match self.session.transmit(self.now_us()) {
                Err(outcome) => return Ok((outcome, self.now_us())),
                Ok(None) => {}
                Ok(Some((header, command))) => {
                    let mut frame = [0_u8; MAX_COMMAND_FRAME_BYTES + 1];
                    let len = frame
                        .split_first_mut()
                        .and_then(|(_, rest)| encode_command(header, &command, rest).ok())
                        .unwrap_or(0);
                    let bytes = frame.get(..=len).unwrap_or_default();
                    self.port.write_all(bytes).await.map_err(BoxError::Line)?;
                }
            }
            let due_us = self.session.due_us().unwrap_or(0);
            let wait = Duration::from_micros(due_us.saturating_sub(self.now_us()));
            let mut outcome = None;
            for message in self.hear(wait).await? {
                outcome = outcome.or(self.session.receive(&message));
                if said.len() == SAID_MAX {
                    said.remove(0);
                }
                said.push(message);
            }
            if let Some(outcome) = outcome {
                return Ok((outcome, self.now_us()));
            }
        }
    }

    /// Four stamps.
    pub(super) async fn exchange(&mut self) -> Result<Exchange, BoxError> {
        let (outcome, now_us) = self.ask_and_stamp(Command::TimeSync(0), &mut Vec::new()).await?;
        match (outcome, i64::try_from(now_us)) {
            (Outcome::Time(answer), Ok(now_us)) => {
                Exchange::new(&answer, now_us).ok_or(BoxError::NoAnswer("time: the stamps cannot be true"))
            }
            _ => Err(BoxError::NoAnswer("time")),
        }
    }

    /// Waits for a message.
    pub(super) async fn wait_for<T>(
        &mut self,
        limit: Duration,
        mut pick: impl FnMut(&Message) -> Option<T>,
    ) -> Result<Option<T>, BoxError> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            if let Some(found) = self.hear(left).await?.iter().find_map(&mut pick) {
                return Ok(Some(found));
            }
        }
    }

    /// What the line brings within `wait`; nothing when it brings nothing.
    async fn hear(&mut self, wait: Duration) -> Result<Vec<Message>, BoxError> {
        let mut buffer = [0_u8; 4_096];
        let count = match tokio::time::timeout(wait, self.port.read(&mut buffer)).await {
            Err(_) => 0,
            Ok(Ok(0)) => return Err(BoxError::Line(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => read.map_err(BoxError::Line)?,
        };
        let mut messages = Vec::new();
        self.decoder.feed(buffer.get(..count).unwrap_or_default(), |event| {
            if let Event::Frame { message, .. } = event {
                messages.push(message);
            }
        });
        Ok(messages)
    }
}
