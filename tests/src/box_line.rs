//! A reader of a box's serial line that is not the agent: sees every message, gives commands.

use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tournee_link::{
    Command, Decoder, Event, Header, MAX_COMMAND_FRAME_BYTES, Message, Outcome, SeqTracker, Session, encode_command,
};

/// The line.
pub struct BoxLine {
    port: File,
    decoder: Decoder,
    session: Session,
    started: Instant,
    /// Numbers seen.
    pub tracker: SeqTracker,
    /// Frames that were not whole.
    pub bad: u64,
    /// Everything that was said, in order; emptied by whoever has looked.
    pub said: Vec<(Header, Message)>,
}

impl BoxLine {
    /// Opens a pseudo-terminal.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        let port = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits())
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let started = Instant::now();
        let first_id = std::process::id().wrapping_mul(2_654_435_761) ^ started.elapsed().subsec_nanos();
        Ok(Self {
            port,
            decoder: Decoder::new(),
            session: Session::new(first_id),
            started,
            tracker: SeqTracker::new(),
            bad: 0,
            said: Vec::new(),
        })
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Takes what comes within this time; gives false at the end of the line.
    ///
    /// # Errors
    /// What the system says.
    pub fn hear(&mut self, within: Duration) -> Result<bool> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(self.port.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, timeout)?;
            let mut buffer = [0_u8; 4_096];
            match self.port.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    let Self { decoder, tracker, bad, said, .. } = self;
                    decoder.feed(&buffer[..count], |event| match event {
                        Event::Frame { header, message } => {
                            tracker.track(header.boot_id, header.seq);
                            said.push((header, message));
                        }
                        _ => *bad += 1,
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EIO as i32) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            if Instant::now() >= until {
                return Ok(true);
            }
        }
    }

    /// Gives a command and waits for what comes of it; what is said meanwhile is kept in `said`.
    ///
    /// # Errors
    /// The end of the line.
    pub fn ask(&mut self, command: Command) -> Result<Outcome> {
        self.session.start(command, self.now_us())?;
        loop {
            match self.session.transmit(self.now_us()) {
                Err(outcome) => return Ok(outcome),
                Ok(None) => {}
                Ok(Some((header, command))) => {
                    let mut frame = [0_u8; MAX_COMMAND_FRAME_BYTES];
                    let len = encode_command(header, &command, &mut frame)?;
                    self.port.write_all(&frame[..len])?;
                }
            }
            let before = self.said.len();
            if !self.hear(Duration::from_millis(2))? {
                bail!("the line ended");
            }
            if let Some(outcome) = self.said[before..].iter().find_map(|(_, message)| self.session.receive(message)) {
                return Ok(outcome);
            }
        }
    }

    /// Hears until this message comes.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut pick: impl FnMut(&Header, &Message) -> Option<T>,
    ) -> Result<T> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            let before = self.said.len();
            if !self.hear(Duration::from_millis(20))? {
                bail!("the line ended while {what} was waited for");
            }
            if let Some(found) = self.said[before..].iter().find_map(|(header, message)| pick(header, message)) {
                return Ok(found);
            }
        }
        bail!("waited {within:?} for {what}")
    }
}
