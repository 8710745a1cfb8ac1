//! The thread that writes: windows at most once a minute, what boots hand on when there is news.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tournee_features::Kept;
use tournee_features::road::EventWindow;

use super::ring::{self, Ring};
use super::room::{self, Place};
use super::{handed_on, kept_beside, windows_beside};

/// Between two writes of windows.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// Items on their way to the thread, and windows that wait for their write: of more, the newest are dropped and counted.
const WAIT_MAX: usize = 256;

/// What is handed over.
#[derive(Debug)]
pub(crate) enum Item {
    /// A window of an event that was kept.
    Window(EventWindow),
    /// What is known now for later boots.
    Kept(Kept),
}

/// The side of the serial reader. The thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Shelf {
    items: SyncSender<Item>,
    dropped: u64,
}

/// What the thread did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShelfReport {
    /// Windows on the disk.
    pub written: u64,
    /// Windows that the disk did not take, or that were more than may wait.
    pub lost: u64,
    /// Windows that were not written, or removed, because the disk has hardly more room than the spool needs.
    pub no_room: u64,
    /// Writes of windows.
    pub writes: u64,
}

impl Shelf {
    /// Starts the thread beside a spool; with what earlier runs kept, of which none lies after `now_utc_us`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(spool: &Path, now_utc_us: i64) -> std::io::Result<(Self, Kept, JoinHandle<ShelfReport>)> {
        Self::start_with(spool, now_utc_us, WRITE_EVERY)
    }

    fn start_with(
        spool: &Path,
        now_utc_us: i64,
        every: Duration,
    ) -> std::io::Result<(Self, Kept, JoinHandle<ShelfReport>)> {
        let kept_path = kept_beside(spool);
        let kept = handed_on::load(&kept_path, now_utc_us);
        let (items, inlet) = sync_channel(WAIT_MAX);
        let mut writer = Writer {
            windows_path: windows_beside(spool),
            kept_path,
            on_disk: kept,
            now: kept,
            ring: None,
            waiting: Vec::new(),
            report: ShelfReport::default(),
            last_place: Place::Enough,
        };
        let handle = std::thread::Builder::new().name("shelf".to_owned()).spawn(move || writer.run(&inlet, every))?;
        Ok((Self { items, dropped: 0 }, kept, handle))
    }

    /// Hands something over, or drops it: the reader never waits for a disk.
    pub fn put(&mut self, item: Item) {
        match self.items.try_send(item) {
            Ok(()) => {}
            Err(TrySendError::Full(Item::Kept(_)) | TrySendError::Disconnected(Item::Kept(_))) => {}
            Err(TrySendError::Full(Item::Window(_)) | TrySendError::Disconnected(Item::Window(_))) => {
                if self.dropped == 0 {
                    tracing::warn!("the disk is too slow for raw windows of events; they are dropped, no sample is");
                }
                self.dropped += 1;
            }
        }
    }
}

struct Writer {
    windows_path: std::path::PathBuf,
    kept_path: std::path::PathBuf,
    on_disk: Kept,
    now: Kept,
    ring: Option<Ring>,
    waiting: Vec<EventWindow>,
    report: ShelfReport,
    last_place: Place,
}

impl Writer {
    fn run(&mut self, inlet: &Receiver<Item>, every: Duration) -> ShelfReport {
        let mut due: Option<Instant> = None;
        let mut looked_at = Instant::now();
        loop {
            let wait = due.map_or(every, |due| due.saturating_duration_since(Instant::now()));
            match inlet.recv_timeout(wait) {
                Ok(Item::Window(window)) if self.waiting.len() < WAIT_MAX => self.waiting.push(window),
                Ok(Item::Window(_)) => self.report.lost += 1,
                Ok(Item::Kept(kept)) => self.now = kept,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.write();
                    tracing::info!(
                        windows = self.report.written,
                        lost = self.report.lost,
                        no_room = self.report.no_room,
                        "raw windows of events are on board"
                    );
                    return self.report;
                }
            }
            let has_work = !self.waiting.is_empty() || handed_on::is_news(&self.on_disk, &self.now);
            if !has_work {
                due = None;
                // Others fill the disk too, also while the road is smooth.
                if Instant::now() >= looked_at + every {
                    looked_at = Instant::now();
                    self.place();
                }
            } else if Instant::now() >= *due.get_or_insert_with(|| Instant::now() + every) {
                self.write();
                due = None;
            }
        }
    }

    fn write(&mut self) {
        if handed_on::is_news(&self.on_disk, &self.now) {
            // Also when it fails: a full disk is not asked again until there is other news.
            self.on_disk = self.now;
            if let Err(error) = handed_on::save(&self.kept_path, &self.now) {
                tracing::warn!(path = %self.kept_path.display(), %error, "what boots hand on cannot be written");
            }
        }
        let windows = std::mem::take(&mut self.waiting);
        if windows.is_empty() {
            return;
        }
        if self.place() != Place::Enough {
            self.report.no_room += windows.len() as u64;
            return;
        }
        match self.put_away(&windows) {
            Ok(()) => {
                self.report.written += windows.len() as u64;
                self.report.writes += 1;
            }
            Err(error) => {
                self.report.lost += windows.len() as u64;
                tracing::warn!(path = %self.windows_path.display(), %error, "raw windows of events cannot be written");
            }
        }
    }

    /// What room the disk has for windows. Where the spool needs it all, those on board go.
    fn place(&mut self) -> Place {
        // What cannot be seen is left to the write.
        let place = room::place(&self.windows_path).unwrap_or(Place::Enough);
        if place != self.last_place && place != Place::Enough {
            tracing::warn!(path = %self.windows_path.display(), "the disk is nearly full: no raw windows of events are kept");
        }
        self.last_place = place;
        if place == Place::SpoolNeedsIt {
            let on_board = ring::read(&self.windows_path).map_or(0, |content| content.records.len() as u64);
            // Closed first: the room of an open file does not come back.
            self.ring = None;
            if std::fs::remove_file(&self.windows_path).is_ok() {
                self.report.no_room += on_board;
                tracing::warn!(windows = on_board, "raw windows of events are removed to make room for the spool");
            }
        }
        place
    }

    fn put_away(&mut self, windows: &[EventWindow]) -> std::io::Result<()> {
        if self.ring.is_none() {
            let (ring, damaged) = Ring::open(&self.windows_path)?;
            if damaged > 0 {
                tracing::warn!(path = %self.windows_path.display(), damaged, "raw windows that a power cut has torn");
            }
            self.ring = Some(ring);
        }
        let written = self.ring.as_mut().map_or(Ok(()), |ring| ring.write(windows));
        if written.is_err() {
            // Opened anew the next time: the disk may be another one by then.
            self.ring = None;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::window;
    use super::*;

    const NOW_US: i64 = 1_780_000_000_000_000;

    #[test]
    fn many_windows_are_one_write_and_the_end_writes_what_waits() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool.db");
        let (mut shelf, kept, thread) = Shelf::start(&spool, NOW_US).unwrap();
        assert_eq!(kept, Kept::default());
        (0..40).for_each(|n| shelf.put(Item::Window(window(n))));
        shelf.put(Item::Kept(Kept { mounting: None, utc_us: Some(NOW_US - 5) }));
        drop(shelf);
        assert_eq!(thread.join().unwrap(), ShelfReport { written: 40, lost: 0, no_room: 0, writes: 1 });
        assert_eq!(ring::read(&windows_beside(&spool)).unwrap().records.len(), 40);
        let (shelf, kept, thread) = Shelf::start(&spool, NOW_US).unwrap();
        assert_eq!(kept.utc_us, Some(NOW_US - 5));
        drop(shelf);
        assert_eq!(thread.join().unwrap(), ShelfReport::default(), "nothing new, nothing written");
    }

    #[test]
    fn windows_do_not_wait_for_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool.db");
        let (mut shelf, _, thread) = Shelf::start_with(&spool, NOW_US, Duration::from_millis(50)).unwrap();
        shelf.put(Item::Window(window(1)));
        let patience = Instant::now() + Duration::from_secs(30);
        while ring::read(&windows_beside(&spool)).unwrap().records.is_empty() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(ring::read(&windows_beside(&spool)).unwrap().records.len(), 1);
        drop(shelf);
        assert_eq!(thread.join().unwrap(), ShelfReport { written: 1, lost: 0, no_room: 0, writes: 1 });
    }

    #[test]
    fn a_disk_that_takes_nothing_is_counted_and_ends_nothing() {
        let (mut shelf, _, thread) = Shelf::start(Path::new("/nowhere/at/all/spool.db"), NOW_US).unwrap();
        shelf.put(Item::Window(window(1)));
        shelf.put(Item::Kept(Kept { mounting: None, utc_us: Some(1) }));
        drop(shelf);
        assert_eq!(thread.join().unwrap(), ShelfReport { written: 0, lost: 1, no_room: 0, writes: 0 });
    }

    #[test]
    fn what_is_too_much_is_dropped_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let (mut shelf, _, thread) = Shelf::start(&dir.path().join("spool.db"), NOW_US).unwrap();
        (0..2_000).for_each(|n| shelf.put(Item::Window(window(n))));
        let dropped = shelf.dropped;
        drop(shelf);
        let report = thread.join().unwrap();
        assert_eq!(report.written + report.lost + report.no_room + dropped, 2_000);
        assert!(report.written as usize <= WAIT_MAX, "{report:?}");
    }

    /// Mounts a small disk where this process may.
    #[test]
    fn on_a_disk_that_fills_no_window_is_written_and_those_on_board_go() {
        let dir = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
            .arg(dir.path())
            .output();
        if !mount.is_ok_and(|output| output.status.success()) {
            println!("SKIPPED: no right to mount a file system");
            return;
        }
        let spool = dir.path().join("spool.db");
        let (mut shelf, _, thread) = Shelf::start_with(&spool, NOW_US, Duration::from_millis(20)).unwrap();
        let wait = |there: bool| {
            let patience = Instant::now() + Duration::from_secs(30);
            while windows_beside(&spool).exists() != there && Instant::now() < patience {
                std::thread::sleep(Duration::from_millis(10));
            }
            windows_beside(&spool).exists()
        };
        (0..3).for_each(|n| shelf.put(Item::Window(window(n))));
        assert!(wait(true), "there is room");
        // Lets the rest of the three be written.
        std::thread::sleep(Duration::from_millis(200));
        std::fs::write(dir.path().join("ballast"), vec![1; 11 << 20]).unwrap();
        assert!(!wait(false), "the spool needs the room");
        shelf.put(Item::Window(window(4)));
        drop(shelf);
        let report = thread.join().unwrap();
        let left = windows_beside(&spool).exists();
        drop(std::process::Command::new("umount").arg("--lazy").arg(dir.path()).status());
        assert_eq!((report.written, report.lost, report.no_room, left), (3, 0, 4, false), "{report:?}");
    }
}
