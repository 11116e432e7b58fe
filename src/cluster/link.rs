//! What sessions ask of the cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kimberlite_sql::cluster::OnCurrent;
use kimberlite_storage::StorageError;
use parking_lot::Mutex;

use super::shared::Shared;

/// The way of sessions to the other replicas.
pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    pub(super) bound: Arc<Bound>,
}

/// How old what is here may be, for sessions that do not mind a little.
#[derive(Default)]
pub(super) struct Bound {
    /// Everything committed then is applied here.
    confirmed: Mutex<Option<Instant>>,
    /// When somebody wanted to know last.
    wanted: Mutex<Option<Instant>>,
}

/// For how long confirmations go on after somebody wanted one.
const INTEREST: Duration = Duration::from_secs(10);

impl kimberlite_sql::Cluster for Link {
    fn confirm(&self, done: OnCurrent) {
        match self.shared.node() {
            Some(node) => node.read(done),
            None => done(Err(StorageError::Closed("the log is not open".into()))),
        }
    }

    fn within_bound(&self) -> bool {
        *self.bound.wanted.lock() = Some(Instant::now());
        let confirmed = *self.bound.confirmed.lock();
        confirmed.is_some_and(|at| at.elapsed() <= self.shared.config.max_standby_lag)
    }

    fn leader(&self) -> Option<String> {
        let leader = self.shared.node()?.status().leadership.leader;
        if leader == self.shared.me {
            return Some(self.shared.client_address.clone());
        }
        let seen = self.shared.seen.lock();
        let (report, _) = seen.get(&leader)?.report.as_ref()?;
        Some(report.client_address.clone())
    }
}

/// Confirms again and again, while somebody reads within the bound.
pub(super) async fn keep_confirmed(shared: Arc<Shared>, bound: Arc<Bound>) {
    let pause = (shared.config.max_standby_lag / 3).max(Duration::from_millis(1));
    loop {
        tokio::time::sleep(pause).await;
        let wanted = *bound.wanted.lock();
        let (Some(node), true) = (
            shared.node(),
            wanted.is_some_and(|at| at.elapsed() < INTEREST),
        ) else {
            continue;
        };
        let asked = Instant::now();
        let bound = Arc::clone(&bound);
        node.read(Box::new(move |answer| {
            if answer.is_ok() {
                *bound.confirmed.lock() = Some(asked);
            }
        }));
    }
}
