//! What replicas know of each other's well-being: they ask, once in a while.
//!
//! Nothing that has to be right depends on this. It is for people, metrics and messages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::messages::{Answer, Report, Request};
use super::shared::Shared;

/// Time between two rounds.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a replica may take to say how it is.
const ANSWER_MAX: Duration = Duration::from_millis(1500);

/// What is known of a replica.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// What it said last, and when it was asked.
    pub(crate) report: Option<(Report, Instant)>,
    /// Why it did not answer the last time, if so.
    pub(crate) error: Option<String>,
}

/// Asks everybody again and again.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        round(&shared).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks everybody once.
pub(super) async fn round(shared: &Arc<Shared>) {
    let Some(report) = shared.report().await else {
        return;
    };
    let book = shared.address_book(&report.registry);
    if let Some(transport) = shared.transport() {
        transport.set_peers(book.clone());
    }
    let others = book.iter().map(|peer| peer.replica);
    let others: Vec<u64> = others.filter(|id| *id != shared.me).collect();
    shared.seen.lock().retain(|id, _| others.contains(id));
    let mut asking = tokio::task::JoinSet::new();
    for replica in others {
        let shared = Arc::clone(shared);
        asking.spawn(async move {
            let asked = Instant::now();
            let answer = shared.ask(replica, &Request::Report, ANSWER_MAX).await;
            note(&shared, replica, asked, answer);
        });
    }
    while asking.join_next().await.is_some() {}
    // Somebody else may lead since the question.
    let now = shared.node().map(|node| node.status());
    let leader = now.map_or(0, |status| status.leadership.leader);
    let seen = shared.seen.lock();
    let silent = seen.iter().filter(|(_, seen)| seen.error.is_some());
    // Sessions that it serves for clients of this replica would wait for ever.
    silent
        .filter(|(replica, _)| **replica != leader)
        .for_each(|(replica, _)| shared.hangs.cut(*replica));
}

fn note(shared: &Shared, replica: u64, asked: Instant, answer: Result<Answer, String>) {
    let mut seen = shared.seen.lock();
    let entry = seen.entry(replica).or_insert(Seen {
        report: None,
        error: None,
    });
    match answer {
        Ok(Answer::Report(report)) => {
            entry.report = Some((*report, asked));
            entry.error = None;
        }
        Ok(_) => entry.error = Some("its answer is not a report".to_owned()),
        Err(error) => entry.error = Some(error),
    }
}
