//! A drive over a line that can be pulled out, and whose messages can be changed on their way.

use anyhow::{Result, bail};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use tournee_link::{Decoder, Event, Header, MAX_FRAME_BYTES, Message, encode};
use tournee_twin::TwinBox;
use tournee_twin::line_simulator::{LineConfig, LineSimulator};

/// How long one look for commands of the host may take.
const LOOK: Duration = Duration::from_millis(1);

/// The line, and the box's end of it.
pub struct LooseLine {
    simulator: LineSimulator,
    near: UnixStream,
    bytes_sent: u64,
    frames_sent: u64,
}

impl LooseLine {
    /// Puts a line in place under this link.
    ///
    /// # Errors
    /// No pseudo-terminal to be had.
    pub fn start(link: &Path) -> Result<Self> {
        let (near, far) = UnixStream::pair()?;
        near.set_read_timeout(Some(LOOK))?;
        let simulator = LineSimulator::start(LineConfig::new(link), far)?;
        Ok(Self { simulator, near, bytes_sent: 0, frames_sent: 0 })
    }

    /// The plug.
    #[must_use]
    pub fn simulator(&self) -> &LineSimulator {
        &self.simulator
    }

    /// Frames that were sent.
    #[must_use]
    pub fn frames_sent(&self) -> u64 {
        self.frames_sent
    }

    /// Drives to the end. Each message passes `change`, with the second of the drive; `on_second` is called after each.
    ///
    /// # Errors
    /// The line has ended, or what `on_second` says.
    pub fn drive(
        &mut self,
        twin: &mut TwinBox,
        mut change: impl FnMut(u32, &mut Message),
        mut on_second: impl FnMut(u32, &Self) -> Result<()>,
    ) -> Result<()> {
        let mut decoder = Decoder::new();
        let (mut bytes, mut second) = (Vec::new(), 0);
        while twin.next_second(&mut bytes).is_some() {
            let mut messages: Vec<(Header, Message)> = Vec::new();
            decoder.feed(&bytes, |event| {
                if let Event::Frame { header, message } = event {
                    messages.push((header, message));
                }
            });
            bytes.clear();
            for (header, mut message) in messages {
                change(second, &mut message);
                let mut frame = [0_u8; MAX_FRAME_BYTES];
                let len = encode(&header, &message, &mut frame)?;
                self.near.write_all(frame.get(..len).unwrap_or_default())?;
                self.bytes_sent += len as u64;
                self.frames_sent += 1;
            }
            self.hear(twin)?;
            on_second(second, self)?;
            second += 1;
        }
        Ok(())
    }

    /// Gives the box what the host has said.
    fn hear(&mut self, twin: &mut TwinBox) -> Result<()> {
        let mut buffer = [0_u8; 1_024];
        match self.near.read(&mut buffer) {
            Ok(0) => bail!("the line has ended"),
            Ok(count) => twin.receive(buffer.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Waits until everything that was sent has gone to the host's side, or nowhere.
    ///
    /// # Errors
    /// It does not, within this time.
    pub fn drain(&self, within: Duration) -> Result<()> {
        let until = Instant::now() + within;
        loop {
            let counters = self.simulator.counters();
            if counters.to_host_bytes + counters.discarded_bytes >= self.bytes_sent {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("{} bytes sent, {counters:?}", self.bytes_sent);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
