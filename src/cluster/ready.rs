//! Whether this replica can serve: the cluster is formed, a majority answers, and what is
//! here is as new as what it has.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::formation::is_formed;
use super::shared::Shared;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a majority may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Keeps the node's status true while it runs.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let problem = problem(&shared).await;
        shared.status.settle(problem);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the cluster is formed; says meanwhile what is missing.
pub(super) async fn formed(shared: &Shared) {
    loop {
        if let Some(report) = shared.report().await {
            if is_formed(shared, &report.members) {
                return;
            }
            let there = report.members.all().len();
            let wanted = shared.config.replicas().count();
            shared.status.progress(format!(
                "the cluster is being formed: {there} of {wanted} replicas have joined"
            ));
        }
        tokio::time::sleep(PAUSE / 5).await;
    }
}

async fn problem(shared: &Shared) -> Option<String> {
    if let Some(rest) = shared.rests.lock().clone() {
        return Some(format!("{}: {}", rest.kind.name(), rest.reason));
    }
    let node = shared.node()?;
    let (send, receive) = oneshot::channel();
    node.read(Box::new(move |answer| {
        // Who asked may be gone.
        let _ = send.send(answer.is_ok());
    }));
    match tokio::time::timeout(ANSWER_MAX, receive).await {
        Ok(Ok(true)) => None,
        _ => Some(behind(shared).await),
    }
}

async fn behind(shared: &Shared) -> String {
    let Some(report) = shared.report().await else {
        return "the log has ended".to_owned();
    };
    match report.leadership.leader {
        0 => "no majority of the replicas answers: nobody leads".to_owned(),
        leader if leader == shared.me => "no majority of the replicas answers".to_owned(),
        _ if report.applied < report.committed => format!(
            "behind: block {} of {} is applied",
            report.applied, report.committed
        ),
        _ => "behind the replica that leads, or cut off from it".to_owned(),
    }
}
