//! Where commands arrive: remembers them on disk first, then tells the line, then has them answered in `state`.

use tokio::sync::watch;
use tournee_link::BoxConfig;
use tournee_payload::{BoxId, CommandMessage, StateMessage, StateReport};

use crate::commands::{LineOrders, Memory, diagnostics};
use crate::commands_store::Store;
use crate::config::SamplingSettings;
use crate::report::AgentStatus;

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Nothing that is new.
    Nothing,
    /// It cannot be read, or is for another box.
    Refused,
    /// Something is to be answered.
    Answer,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct CommandDesk {
    memory: Memory,
    store: Store,
    configured: SamplingSettings,
    fallback: BoxConfig,
    orders: watch::Sender<LineOrders>,
    agent: watch::Receiver<AgentStatus>,
    diagnostics: String,
    /// Could not be kept yet.
    owed: Option<CommandMessage>,
}

impl CommandDesk {
    /// Begins with what was kept. `fallback`: the configured sampling. Reads a file.
    pub fn open(
        store: Store,
        configured: SamplingSettings,
        fallback: BoxConfig,
        agent: watch::Receiver<AgentStatus>,
    ) -> Self {
        let memory = store.load();
        let (orders, why) = memory.line(&configured, fallback);
        if let Some(why) = why {
            tracing::warn!(why, "the sampling profile of a command does not fit the configuration any more");
        }
        if memory.last_id > 0 {
            tracing::info!(
                last_id = memory.last_id,
                collect = orders.collect,
                areas = orders.areas.len(),
                "goes on as commanded"
            );
        }
        let orders = watch::Sender::new(orders);
        Self { memory, store, configured, fallback, orders, agent, diagnostics: String::new(), owed: None }
    }

    /// For the reader of the line.
    pub fn orders(&self) -> watch::Receiver<LineOrders> {
        self.orders.subscribe()
    }

    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes the bytes of `down/command`.
    pub async fn take(&mut self, box_id: &BoxId, bytes: &[u8]) -> Came {
        // The broker says so when a retained message is deleted.
        if bytes.is_empty() {
            return Came::Nothing;
        }
        match CommandMessage::decode(bytes) {
            Ok(message) if message.box_id == *box_id => self.deal(message).await,
            Ok(message) => {
                tracing::warn!(other = %message.box_id, "commands of another box under our topic");
                Came::Refused
            }
            Err(error) => {
                tracing::warn!(%error, "commands that cannot be read");
                Came::Refused
            }
        }
    }

    /// Another configured sampling from now on, which has passed its check: `wanted` is the same for the box.
    pub fn configure(&mut self, configured: SamplingSettings, wanted: BoxConfig) {
        (self.configured, self.fallback) = (configured, wanted);
        let (orders, why) = self.memory.line(&self.configured, self.fallback);
        if let Some(why) = why {
            tracing::warn!(why, "the sampling profile of a command does not fit the configuration any more");
        }
        self.order(orders);
    }

    fn order(&self, orders: LineOrders) {
        self.orders.send_if_modified(|shown| {
            let news = *shown != orders;
            *shown = orders;
            news
        });
    }

    /// Tries again what could not be kept.
    pub async fn retry(&mut self) -> Came {
        match self.owed.take() {
            Some(message) => self.deal(message).await,
            None => Came::Nothing,
        }
    }

    async fn deal(&mut self, message: CommandMessage) -> Came {
        let Some(change) = self.memory.told(&message, &self.configured) else { return Came::Nothing };
        let (store, memory) = (self.store.clone(), change.memory.clone());
        let kept = tokio::task::spawn_blocking(move || store.save(&memory)).await;
        if let Err(error) = kept.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::error!(%error, "a command cannot be kept, so it is not done yet; it is tried again");
            self.owed = Some(message);
            return Came::Nothing;
        }
        self.owed = None;
        let new = change.memory.answers.iter().filter(|answer| answer.id > self.memory.last_id);
        for answer in new {
            tracing::info!(id = answer.id, verdict = ?answer.verdict, detail = answer.detail, "command");
        }
        self.memory = change.memory;
        if change.diagnostics {
            self.diagnostics = diagnostics(&self.agent.borrow(), env!("CARGO_PKG_VERSION"));
        }
        let (orders, _) = self.memory.line(&self.configured, self.fallback);
        self.order(orders);
        Came::Answer
    }

    /// The bytes of `state`. Without the diagnostics when they would not fit into `most_bytes`.
    pub fn state(&self, state: StateMessage, certificate_until_s: Option<i64>, most_bytes: usize) -> Vec<u8> {
        let mut report = StateReport {
            state,
            certificate_until_s,
            collection_off: self.memory.collection_off,
            last_command_id: self.memory.last_id,
            answers: self.memory.answers.iter().cloned().collect(),
            diagnostics: self.diagnostics.clone(),
        };
        let bytes = report.encode();
        if bytes.len() <= most_bytes {
            return bytes;
        }
        report.diagnostics.clear();
        while report.encode().len() > most_bytes && !report.answers.is_empty() {
            report.answers.remove(0);
        }
        report.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use tournee_payload::{Command, Order, Status};

    fn desk(spool: &Path) -> CommandDesk {
        let store = Store::beside(spool, &van());
        let (_, agent) = watch::channel(AgentStatus::default());
        CommandDesk::open(store, SamplingSettings::default(), BoxConfig::DEFAULT, agent)
    }

    fn van() -> BoxId {
        BoxId::new("van-01").unwrap()
    }

    fn commands(orders: &[(u64, Order)]) -> Vec<u8> {
        let commands = orders.iter().map(|(id, order)| Command { id: *id, order: Ok(order.clone()) }).collect();
        CommandMessage { box_id: van(), commands }.encode()
    }

    fn read(desk: &CommandDesk, most_bytes: usize) -> StateReport {
        let state = StateMessage { box_id: van(), status: Status::Connected, epoch: 1 };
        StateReport::decode(&desk.state(state, Some(9), most_bytes)).unwrap()
    }

    #[tokio::test]
    async fn an_order_holds_over_a_restart_and_is_done_once() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool.db");
        let off = commands(&[(7, Order::Collection { on: false }), (8, Order::Diagnostics)]);
        let mut first = desk(&spool);
        let mut orders = first.orders();
        assert!(orders.borrow_and_update().collect);
        assert_eq!(first.take(&van(), &off).await, Came::Answer);
        assert!(orders.has_changed().unwrap() && !orders.borrow_and_update().collect);
        assert!(read(&first, usize::MAX).diagnostics.contains("pending"));
        assert_eq!(first.take(&van(), &off).await, Came::Nothing);
        assert!(!orders.has_changed().unwrap());

        let mut second = desk(&spool);
        assert!(!second.orders().borrow().collect);
        assert_eq!(second.take(&van(), &off).await, Came::Nothing, "the broker retains it; it was done");
        let report = read(&second, usize::MAX);
        assert_eq!((report.last_command_id, report.answers.len(), report.collection_off), (8, 2, true));
        assert!(report.diagnostics.is_empty(), "not asked since");
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_not_done_until_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("disk");
        let mut desk = desk(&folder.join("spool.db"));
        let off = commands(&[(1, Order::Collection { on: false })]);
        assert_eq!(desk.take(&van(), &off).await, Came::Nothing);
        assert!(desk.orders().borrow().collect && desk.memory().last_id == 0);
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(desk.retry().await, Came::Answer);
        assert!(!desk.orders().borrow().collect);
        assert_eq!(desk.retry().await, Came::Nothing);
    }

    #[tokio::test]
    async fn another_sampling_goes_to_the_line_at_once_under_what_was_commanded() {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = desk(&dir.path().join("spool.db"));
        desk.take(&van(), &commands(&[(1, Order::Collection { on: false })])).await;
        let mut orders = desk.orders();
        orders.borrow_and_update();
        let faster = SamplingSettings { gnss_period_ms: 200, ..SamplingSettings::default() };
        desk.configure(faster.clone(), faster.wanted().unwrap());
        assert!(orders.has_changed().unwrap());
        let now = orders.borrow_and_update().clone();
        assert_eq!((now.sampling.gnss_period_ms, now.collect), (200, false));
        desk.configure(faster.clone(), faster.wanted().unwrap());
        assert!(!orders.has_changed().unwrap());
    }

    #[tokio::test]
    async fn what_is_not_ours_or_not_readable_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = desk(&dir.path().join("spool.db"));
        let off = commands(&[(1, Order::Collection { on: false })]);
        assert_eq!(desk.take(&BoxId::new("van-02").unwrap(), &off).await, Came::Refused);
        assert_eq!(desk.take(&van(), b"nonsense").await, Came::Refused);
        assert_eq!(desk.take(&van(), b"").await, Came::Nothing);
        assert_eq!(desk.memory(), &Memory::default());
    }

    #[tokio::test]
    async fn a_report_fits_the_brokers_limit() {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = desk(&dir.path().join("spool.db"));
        let orders: Vec<_> = (1..=64).map(|id| (id, Order::Diagnostics)).collect();
        desk.take(&van(), &commands(&orders)).await;
        let whole = read(&desk, usize::MAX);
        assert_eq!(whole.answers.len(), 64);
        let bytes = whole.encode().len();
        assert!(read(&desk, bytes - 1).diagnostics.is_empty());
        let small = read(&desk, 100);
        assert!(small.encode().len() <= 100 && !small.answers.is_empty());
        assert_eq!(small.answers.last().unwrap().id, 64, "the newest stay");
    }
}
