//! The boxes of the vehicles: recorded drives of twin boxes, played on pseudo-terminals.

use super::{DRIVE_S, PER_FLEET};
use anyhow::{Context, Result, ensure};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tournee_link::{Decoder, Event, MAX_FRAME_BYTES, Message, encode};
use tournee_twin::port::TwinPort;
use tournee_twin::{LineNoise, Plan, Round, Town, TwinBox, World};

/// Drives that the vehicles share.
const DRIVES: u32 = 4;
/// How long the drive waits for a vehicle that reads nothing; then the second is lost to it.
const NO_READER: Duration = Duration::from_millis(20);
/// How long a vehicle may read nothing at the end of its line.
const LAST_READ: Duration = Duration::from_secs(120);
/// What the box says before it moves is left out.
const WARM_UP_S: u32 = 20;

/// The bytes of some drives, second by second.
pub struct Recordings(Vec<Vec<Vec<u8>>>);

impl Recordings {
    /// Drives a few twin boxes through a small town, yesterday.
    ///
    /// # Errors
    /// Where the town cannot be driven.
    pub fn new() -> Result<Self> {
        let world = Arc::new(World::new(5, Town::grid(4, 4, 80.0))?);
        let today_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() / 86_400 * 86_400;
        let drives = (0..DRIVES).map(|drive| {
            let start_s = i64::try_from(today_s)? - 86_400 + (6 + i64::from(drive)) * 3_600;
            let round = Round { start_utc_us: start_s * 1_000_000, duration_s: WARM_UP_S + DRIVE_S };
            let mut twin =
                TwinBox::new(Arc::clone(&world), 5, drive, Plan { rounds: vec![round] }, LineNoise::default());
            let (mut seconds, mut first) = (Vec::new(), Vec::new());
            let mut bytes = Vec::new();
            while twin.next_second(&mut bytes).is_some() {
                seconds.push(if drive == 0 { std::mem::take(&mut bytes) } else { without_acceleration(&bytes)? });
                bytes.clear();
            }
            // The greeting of the box goes with the first second that is played.
            first.extend(seconds.drain(..WARM_UP_S as usize).flatten());
            let head = seconds.first_mut().context("a drive has seconds")?;
            first.append(head);
            *head = first;
            anyhow::Ok(seconds)
        });
        let drives = drives.collect::<Result<Vec<_>>>()?;
        ensure!(drives.iter().all(|drive| drive.len() == DRIVE_S as usize), "a drive has another length");
        Ok(Self(drives))
    }

    fn second(&self, vehicle: usize, second: u32) -> &[u8] {
        // Acceleration is nine tenths of a box's frames and goes into few rows: one vehicle of a process brings it.
        let quiet = self.0.len().saturating_sub(1).max(1);
        let drive = self.0.get(if vehicle.is_multiple_of(PER_FLEET) { 0 } else { 1 + vehicle % quiet });
        drive.and_then(|drive| drive.get(second as usize)).map_or(&[], Vec::as_slice)
    }
}

/// The same frames but those of the accelerometer.
fn without_acceleration(bytes: &[u8]) -> Result<Vec<u8>> {
    let (mut kept, mut outcome) = (Vec::new(), Ok(()));
    Decoder::new().feed(bytes, |event| {
        let Event::Frame { header, message } = event else { return };
        if matches!(message, Message::Accel(_)) || outcome.is_err() {
            return;
        }
        let mut frame = [0; MAX_FRAME_BYTES];
        match encode(&header, &message, &mut frame) {
            Ok(len) => kept.extend_from_slice(frame.get(..len).unwrap_or_default()),
            Err(error) => outcome = Err(anyhow::anyhow!("a frame that was read cannot be written: {error:?}")),
        }
    });
    outcome.map(|()| kept)
}

/// The lines of all vehicles.
pub struct Lines {
    ports: Vec<TwinPort>,
    /// Bytes that no agent was there to read.
    pub lost_bytes: u64,
}

impl Lines {
    /// Opens a pseudo-terminal for each vehicle, `<folder>/line-<vehicle>`.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(folder: &Path, vehicles: usize) -> Result<Self> {
        let ports = (0..vehicles).map(|vehicle| {
            let mut port = TwinPort::open().context("cannot open a pseudo-terminal")?;
            port.set_stall_limit(NO_READER);
            std::os::unix::fs::symlink(port.path(), folder.join(format!("line-{vehicle}")))?;
            anyhow::Ok(port)
        });
        Ok(Self { ports: ports.collect::<Result<_>>()?, lost_bytes: 0 })
    }

    /// Plays a second on every line. Where an agent has not read for long, the rest of it is lost, as on a real line.
    ///
    /// # Errors
    /// What the system says.
    pub fn play(&mut self, recordings: &Recordings, second: u32) -> Result<()> {
        for (vehicle, port) in self.ports.iter_mut().enumerate() {
            let bytes = recordings.second(vehicle, second);
            match port.send(bytes) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => self.lost_bytes += bytes.len() as u64,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Ends every line once its agent has read it.
    #[must_use]
    pub fn close(self) -> Vec<JoinHandle<std::io::Result<()>>> {
        let close = |mut port: TwinPort| {
            port.set_stall_limit(LAST_READ);
            std::thread::spawn(move || port.close())
        };
        self.ports.into_iter().map(close).collect()
    }
}
