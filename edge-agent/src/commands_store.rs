//! The file that keeps, beside the spool, what a box was told: a van that starts without network goes on as it was told.
//!
//! Layout: length of the first part (u32, little endian), the settings as a `down/command` message, the answers as a
//! `state` message, CRC-32C of all that (u32, little endian). The parts are contract 2, so they are as stable as it is.
//!
//! Written before an order takes effect and before it is answered: (1) a new file under another name, (2) synced, (3)
//! renamed over the old one, (4) the folder synced. A cut before (3) leaves the old file, and the broker, which retains
//! the command, brings it again; a cut after it leaves the new one, and it is answered without being done again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tournee_link::checksum;
use tournee_payload::{BoxId, Command, CommandMessage, MAX_WIRE_BYTES, Order, StateMessage, StateReport, Status};

use crate::commands::Memory;

/// Larger files are none of ours.
const FILE_BYTES_MAX: u64 = 2 * MAX_WIRE_BYTES as u64;

/// Where it is kept, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    path: PathBuf,
    box_id: BoxId,
}

impl Store {
    /// Beside a spool: its name, and `.commands`.
    pub fn beside(spool: &Path, box_id: &BoxId) -> Self {
        Self { path: with_ending(spool, ".commands"), box_id: box_id.clone() }
    }

    /// What was kept. A file that is damaged, or of another box, is renamed and told; then nothing was kept, and the broker
    /// brings again what it retains.
    pub fn load(&self) -> Memory {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        let why = match read {
            Ok(_) => match read_memory(&bytes, &self.box_id) {
                Some(memory) => return memory,
                None => "it is damaged or of another box".to_owned(),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Memory::default(),
            Err(error) => error.to_string(),
        };
        let aside = with_ending(&self.path, ".damaged");
        let renamed = std::fs::rename(&self.path, &aside).is_ok();
        tracing::error!(path = %self.path.display(), why, renamed, "what the box was told is lost; it is as configured");
        Memory::default()
    }

    /// Keeps it.
    ///
    /// # Errors
    /// Those of the file system; then the file is as it was.
    pub fn save(&self, memory: &Memory) -> io::Result<()> {
        let bytes = written(memory, &self.box_id);
        let staged = with_ending(&self.path, ".new");
        let mut file = File::create(&staged)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&staged, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn written(memory: &Memory, box_id: &BoxId) -> Vec<u8> {
    let orders = [
        Order::Collection { on: !memory.collection_off },
        Order::Campaign(memory.campaign.clone()),
        Order::Sampling(memory.sampling.clone()),
    ];
    // These ids are only places in the file.
    let commands = (1..).zip(orders).map(|(id, order)| Command { id, order: Ok(order) }).collect();
    let settings = CommandMessage { box_id: box_id.clone(), commands }.encode();
    let answers = StateReport {
        state: StateMessage { box_id: box_id.clone(), status: Status::Stopped, epoch: 0 },
        certificate_until_s: None,
        collection_off: memory.collection_off,
        last_command_id: memory.last_id,
        answers: memory.answers.iter().cloned().collect(),
        diagnostics: String::new(),
    }
    .encode();
    let length = u32::try_from(settings.len()).unwrap_or(u32::MAX);
    let mut bytes = [&length.to_le_bytes(), settings.as_slice(), &answers].concat();
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes
}

fn read_memory(bytes: &[u8], box_id: &BoxId) -> Option<Memory> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if checksum(content) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (length, parts) = content.split_first_chunk::<4>()?;
    let (settings, answers) = parts.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let settings = CommandMessage::decode(settings).ok().filter(|settings| settings.box_id == *box_id)?;
    let answers = StateReport::decode(answers).ok()?;
    let mut memory = Memory { last_id: answers.last_command_id, answers: answers.answers.into(), ..Memory::default() };
    for command in settings.commands {
        match command.order.ok()? {
            Order::Collection { on } => memory.collection_off = !on,
            Order::Campaign(campaign) => memory.campaign = campaign,
            Order::Sampling(profile) => memory.sampling = profile,
            Order::Diagnostics => return None,
        }
    }
    Some(memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tournee_payload::{Area, Campaign, CommandAnswer, CommandVerdict, SamplingProfile, Stream};

    fn memory() -> Memory {
        let area = Area { south_e7deg: -5, west_e7deg: 2, north_e7deg: 7, east_e7deg: 9 };
        let answer = |id, verdict, detail: &str| CommandAnswer { id, verdict, detail: detail.to_owned() };
        Memory {
            collection_off: true,
            campaign: Campaign { areas: vec![area], priorities: vec![(Stream::Air, 3)] },
            sampling: SamplingProfile { no2_period_ms: Some(500), ..SamplingProfile::default() },
            last_id: 1_768_000_000_000_000,
            answers: [answer(5, CommandVerdict::Done, ""), answer(6, CommandVerdict::Refused, "no")].into(),
        }
    }

    #[test]
    fn what_was_kept_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::beside(&dir.path().join("spool.db"), &BoxId::new("van-01").unwrap());
        assert_eq!(store.load(), Memory::default(), "a new box");
        store.save(&memory()).unwrap();
        store.save(&memory()).unwrap();
        assert_eq!(store.load(), memory());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
        // What a cut before the renaming leaves does not matter.
        std::fs::write(dir.path().join("spool.db.commands.new"), "half").unwrap();
        assert_eq!(store.load(), memory());
    }

    #[test]
    fn any_damage_is_noticed_and_set_aside() {
        let box_id = BoxId::new("van-01").unwrap();
        let good = written(&memory(), &box_id);
        assert_eq!(read_memory(&good, &box_id), Some(memory()));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(read_memory(&bad, &box_id), None, "byte {at}");
            assert_eq!(read_memory(&good[..at], &box_id), None, "cut at {at}");
        }
        assert_eq!(read_memory(&good, &BoxId::new("van-02").unwrap()), None);
        let dir = tempfile::tempdir().unwrap();
        let store = Store::beside(&dir.path().join("spool.db"), &box_id);
        std::fs::write(&store.path, &good[1..]).unwrap();
        assert_eq!(store.load(), Memory::default());
        assert_eq!(std::fs::read(dir.path().join("spool.db.commands.damaged")).unwrap(), good[1..]);
        store.save(&memory()).unwrap();
        assert_eq!(store.load(), memory());
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_and_not_a_panic() {
        let store = Store::beside(Path::new("/nowhere/at/all/spool.db"), &BoxId::new("van-01").unwrap());
        store.save(&memory()).unwrap_err();
        assert_eq!(store.load(), Memory::default());
    }
}
