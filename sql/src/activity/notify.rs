//! LISTEN and NOTIFY between the sessions of a database.
//!
//! What a transaction notifies of becomes known when it has committed. Each database
//! has a queue of notifications that not every listener has taken yet; it is empty
//! while nobody listens, and bounded.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use kimberlite_storage::TenantId;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard};

use crate::error::{SqlError, state};

/// Bytes of a database's queue.
const QUEUE_BYTES: usize = 64 << 20;
/// Bytes that an entry takes besides its texts.
const ENTRY_BYTES: usize = 64;

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Process number of the session that sent it.
    pub pid: i32,
    /// Its channel.
    pub channel: String,
    /// What it says.
    pub payload: String,
}

impl Notification {
    fn bytes(&self) -> usize {
        self.channel.len() + self.payload.len() + ENTRY_BYTES
    }
}

/// The queues of all databases.
#[derive(Debug, Default)]
pub(super) struct Notifications(Mutex<HashMap<TenantId, Arc<Board>>>);

impl Notifications {
    /// The queue of a database.
    pub(super) fn board(&self, tenant: TenantId) -> Arc<Board> {
        self.0.lock().entry(tenant).or_default().clone()
    }
}

/// The queue of one database.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// Held by a transaction that notifies while it commits: notifications come in
    /// the order of commits.
    order: Arc<AsyncMutex<()>>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Arc<Notification>>,
    /// The number of the first that waits.
    first: u64,
    bytes: usize,
    listeners: BTreeMap<u64, Listening>,
    next_listener: u64,
}

#[derive(Debug)]
struct Listening {
    channels: BTreeSet<String>,
    /// The number of the next notification to look at.
    next: u64,
    wake: Arc<Notify>,
}

impl Queue {
    fn end(&self) -> u64 {
        self.first + self.waiting.len() as u64
    }

    /// Lets go of what everybody has taken.
    fn trim(&mut self) {
        let end = self.end();
        let oldest = self.listeners.values().map(|l| l.next).min();
        let oldest = oldest.unwrap_or(end);
        while self.first < oldest {
            let Some(gone) = self.waiting.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(gone.bytes());
            self.first += 1;
        }
    }
}

impl Board {
    /// Waits until no other transaction that notifies is committing, and checks
    /// that there is room for what is to come.
    ///
    /// # Errors
    /// 54000.
    pub(crate) async fn turn(
        &self,
        notifications: &[Notification],
    ) -> Result<OwnedMutexGuard<()>, SqlError> {
        let turn = self.order.clone().lock_owned().await;
        let more: usize = notifications.iter().map(Notification::bytes).sum();
        let queue = self.queue.lock();
        if !queue.listeners.is_empty() && queue.bytes + more > QUEUE_BYTES {
            return Err(full());
        }
        drop(queue);
        Ok(turn)
    }

    /// Makes notifications known.
    pub(crate) fn publish(&self, notifications: Vec<Notification>) {
        let mut queue = self.queue.lock();
        let before = queue.end();
        let channels: BTreeSet<&str> = notifications.iter().map(|n| n.channel.as_str()).collect();
        let after = before + notifications.len() as u64;
        let mut wanted = false;
        for listener in queue.listeners.values_mut() {
            if listener
                .channels
                .iter()
                .any(|c| channels.contains(c.as_str()))
            {
                wanted = true;
                listener.wake.notify_one();
            } else if listener.next == before {
                // Nothing for it, and nothing that it has yet to look at.
                listener.next = after;
            }
        }
        if wanted {
            for notification in notifications {
                queue.bytes += notification.bytes();
                queue.waiting.push_back(Arc::new(notification));
            }
        } else {
            // Those that are behind have to find the queue where it was.
            for listener in queue.listeners.values_mut() {
                listener.next = listener.next.min(before);
            }
        }
        queue.trim();
    }

    /// How full the queue is, from 0 to 1.
    pub(crate) fn usage(&self) -> f64 {
        self.queue.lock().bytes as f64 / QUEUE_BYTES as f64
    }
}

fn full() -> SqlError {
    SqlError::new(
        state::PROGRAM_LIMIT_EXCEEDED,
        "too many notifications in the NOTIFY queue",
    )
}

/// A session that listens. Dropping it ends that.
#[derive(Debug)]
pub(crate) struct Listener {
    board: Arc<Board>,
    number: u64,
    wake: Arc<Notify>,
}

impl Listener {
    /// Listens to nothing yet.
    pub(crate) fn new(board: &Arc<Board>) -> Self {
        let wake = Arc::new(Notify::new());
        let mut queue = board.queue.lock();
        queue.next_listener += 1;
        let number = queue.next_listener;
        let listening = Listening {
            channels: BTreeSet::new(),
            next: queue.end(),
            wake: wake.clone(),
        };
        queue.listeners.insert(number, listening);
        drop(queue);
        Self {
            board: board.clone(),
            number,
            wake,
        }
    }

    /// What it listens to.
    pub(crate) fn channels(&self) -> BTreeSet<String> {
        let queue = self.board.queue.lock();
        let listening = queue.listeners.get(&self.number);
        listening.map_or_else(BTreeSet::new, |l| l.channels.clone())
    }

    /// Listens to these from now on.
    pub(crate) fn listen(&self, channels: BTreeSet<String>) {
        let mut queue = self.board.queue.lock();
        if let Some(listening) = queue.listeners.get_mut(&self.number) {
            listening.channels = channels;
        }
    }

    /// What came since the last call.
    pub(crate) fn take(&self) -> Vec<Arc<Notification>> {
        let mut queue = self.board.queue.lock();
        let (first, end) = (queue.first, queue.end());
        let Some(listening) = queue.listeners.get_mut(&self.number) else {
            return Vec::new();
        };
        let skip = usize::try_from(listening.next.saturating_sub(first)).unwrap_or(usize::MAX);
        listening.next = end;
        let channels = listening.channels.clone();
        let taken = queue.waiting.iter().skip(skip);
        let taken = taken.filter(|n| channels.contains(&n.channel));
        let taken = taken.cloned().collect();
        queue.trim();
        taken
    }

    /// What wakes it when there may be something to take.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut queue = self.board.queue.lock();
        queue.listeners.remove(&self.number);
        queue.trim();
    }
}

/// What a transaction is to do about channels when it commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelAction {
    /// LISTEN.
    Listen(String),
    /// UNLISTEN; none is all.
    Unlisten(Option<String>),
}

/// What waits for the commit of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    actions: Vec<ChannelAction>,
    /// Channel and payload, each pair once.
    notifications: Vec<(String, String)>,
    known: BTreeSet<(String, String)>,
    bytes: usize,
    /// How many of both there were at the savepoints.
    savepoints: Vec<(usize, usize)>,
}

impl Pending {
    /// Notes an action.
    pub(crate) fn act(&mut self, action: ChannelAction) {
        if self.actions.last() != Some(&action) {
            self.actions.push(action);
        }
    }

    /// Notes a notification, unless the transaction has it already.
    ///
    /// # Errors
    /// 22023 for a name or payload that is too long, 54000 for too many.
    pub(crate) fn notify(&mut self, channel: &str, payload: &str) -> Result<(), SqlError> {
        check(channel, payload)?;
        let pair = (channel.to_owned(), payload.to_owned());
        if self.known.contains(&pair) {
            return Ok(());
        }
        self.bytes += channel.len() + payload.len() + ENTRY_BYTES;
        if self.bytes > QUEUE_BYTES {
            return Err(full());
        }
        self.known.insert(pair.clone());
        self.notifications.push(pair);
        Ok(())
    }

    /// Notes a savepoint.
    pub(crate) fn savepoint(&mut self) {
        let mark = (self.actions.len(), self.notifications.len());
        self.savepoints.push(mark);
    }

    /// Forgets the savepoints from `index` on.
    pub(crate) fn release(&mut self, index: usize) {
        self.savepoints.truncate(index);
    }

    /// Forgets what came since the savepoint at `index`, which stays.
    pub(crate) fn rollback_to(&mut self, index: usize) {
        self.savepoints.truncate(index + 1);
        if let Some((actions, notifications)) = self.savepoints.last() {
            self.actions.truncate(*actions);
            for pair in self.notifications.drain(*notifications..) {
                self.bytes = self
                    .bytes
                    .saturating_sub(pair.0.len() + pair.1.len() + ENTRY_BYTES);
                self.known.remove(&pair);
            }
        }
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> (Vec<ChannelAction>, Vec<(String, String)>) {
        let all = std::mem::take(self);
        (all.actions, all.notifications)
    }
}

fn invalid(message: &str) -> SqlError {
    SqlError::new(state::INVALID_PARAMETER_VALUE, message)
}

/// PostgreSQL's limits: a name, and a page less its header.
fn check(channel: &str, payload: &str) -> Result<(), SqlError> {
    if channel.is_empty() {
        return Err(invalid("channel name cannot be empty"));
    }
    if channel.len() >= 64 {
        return Err(invalid("channel name too long"));
    }
    if payload.len() >= 8_000 {
        return Err(invalid("payload string too long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn notification(channel: &str, payload: &str) -> Notification {
        Notification {
            pid: 1,
            channel: channel.to_owned(),
            payload: payload.to_owned(),
        }
    }

    fn listener(board: &Arc<Board>, channel: &str) -> Listener {
        let listener = Listener::new(board);
        listener.listen([channel.to_owned()].into());
        listener
    }

    fn taken(listener: &Listener) -> Vec<String> {
        listener.take().iter().map(|n| n.payload.clone()).collect()
    }

    #[test]
    fn a_listener_takes_what_is_for_it_in_order_and_once() {
        let board = Arc::new(Board::default());
        let (a, b) = (listener(&board, "a"), listener(&board, "b"));
        board.publish(vec![notification("a", "1"), notification("b", "2")]);
        board.publish(vec![notification("a", "3"), notification("c", "4")]);
        assert_eq!(taken(&a), ["1", "3"]);
        assert!(taken(&a).is_empty());
        assert!(board.usage() > 0.0);
        assert_eq!(taken(&b), ["2"]);
        assert!(board.usage() == 0.0, "what all have taken is let go of");
    }

    #[test]
    fn what_nobody_wants_is_not_kept() {
        let board = Arc::new(Board::default());
        board.publish(vec![notification("a", "1")]);
        assert!(board.usage() == 0.0);
        let b = listener(&board, "b");
        board.publish(vec![notification("a", "1")]);
        assert!(board.usage() == 0.0);
        board.publish(vec![notification("b", "2")]);
        board.publish(vec![notification("a", "3")]);
        assert_eq!(taken(&b), ["2"]);
        board.publish(vec![notification("b", "4")]);
        drop(b);
        assert!(board.usage() == 0.0);
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let board = Arc::new(Board::default());
        let slow = listener(&board, "a");
        let large = "x".repeat(7_999);
        let batch: Vec<_> = (0..1_000).map(|_| notification("a", &large)).collect();
        let mut published = 0;
        let error = loop {
            match board.turn(&batch).await {
                Ok(_turn) => board.publish(batch.clone()),
                Err(error) => break error,
            }
            published += 1;
        };
        assert_eq!(error.sqlstate(), "54000");
        assert_eq!(slow.take().len(), published * 1_000);
        board.turn(&batch).await.unwrap();
    }

    #[test]
    fn a_transaction_says_each_thing_once() {
        let mut pending = Pending::default();
        pending.notify("a", "1").unwrap();
        pending.savepoint();
        pending.notify("a", "1").unwrap();
        pending.notify("a", "2").unwrap();
        pending.rollback_to(0);
        pending.notify("a", "3").unwrap();
        pending.notify("a", "2").unwrap();
        let (_, all) = pending.take();
        let payloads: Vec<_> = all.iter().map(|(_, p)| p.as_str()).collect();
        assert_eq!(payloads, ["1", "3", "2"]);
        for (channel, payload) in [("", ""), (&*"c".repeat(64), ""), ("a", &*"p".repeat(8_000))] {
            let error = pending.notify(channel, payload).unwrap_err();
            assert_eq!(error.sqlstate(), "22023");
        }
    }
}
