//! Keeping out, and coming back.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::rest::{self, Rest, RestKind};
use super::super::shared::Shared;
use super::members;

/// Keeps out until `resume` or a restart.
pub(super) async fn pause(shared: &Arc<Shared>) -> Result<Value, String> {
    refuse_alone(shared).await?;
    step_down(shared).await?;
    let rest = Rest {
        kind: RestKind::Paused,
        reason: "paused by an operator; `kimberlite-cli replica resume` brings it back".to_owned(),
    };
    Ok(keep_out(shared, rest))
}

/// Comes back from a pause.
pub(super) fn resume(shared: &Arc<Shared>) -> Result<Value, String> {
    let now = shared.rests.lock().clone();
    match now.map(|rest| rest.kind) {
        Some(RestKind::Paused) => Ok(come_back(shared)),
        Some(RestKind::Isolated) => Err("it is isolated, not paused: once it is above suspicion, \
                                         use `kimberlite-cli replica rejoin`"
            .to_owned()),
        None => Err("it is not paused".to_owned()),
    }
}

/// Keeps out until `rejoin`, also after a restart.
pub(super) async fn isolate(shared: &Arc<Shared>, reason: &str) -> Result<Value, String> {
    refuse_alone(shared).await?;
    // One that is under suspicion does not lead; if nobody can take over, it still goes.
    let stepped_down = step_down(shared).await;
    let dir = data_dir(shared)?;
    let rest = rest::isolate(&dir, reason).map_err(|e| format!("{}: {e}", dir.display()))?;
    if let Err(why) = stepped_down {
        tracing::warn!(why, "isolated while it led");
    }
    Ok(keep_out(shared, rest))
}

/// Comes back from isolation.
pub(super) async fn rejoin(shared: &Arc<Shared>) -> Result<Value, String> {
    let now = shared.rests.lock().clone();
    if now.is_none_or(|rest| rest.kind != RestKind::Isolated) {
        return Err("it is not isolated".to_owned());
    }
    let dir = data_dir(shared)?;
    rest::release(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(come_back(shared))
}

fn data_dir(shared: &Shared) -> Result<std::path::PathBuf, String> {
    let store = shared.store.get().ok_or("its log is not open")?;
    Ok(store.data_dir().to_owned())
}

async fn refuse_alone(shared: &Shared) -> Result<(), String> {
    let report = shared.report().await.ok_or("its log is not open")?;
    if report.members.is_only(shared.me) {
        return Err(
            "it is the only replica that votes: without it nothing can be committed. \
                    Stop the server instead"
                .to_owned(),
        );
    }
    Ok(())
}

async fn step_down(shared: &Arc<Shared>) -> Result<(), String> {
    let report = shared.report().await.ok_or("its log is not open")?;
    if report.leadership.leader == shared.me {
        members::transfer(shared, None).await?;
    }
    Ok(())
}

fn keep_out(shared: &Shared, rest: Rest) -> Value {
    let said = json!({
        "replica_id": kimberlite_consensus::members::replica_of(shared.me),
        "phase": rest.kind.name(),
        "reason": rest.reason,
    });
    let why = format!("{}: {}", rest.kind.name(), rest.reason);
    shared.status.settle(Some(why));
    *shared.rests.lock() = Some(rest);
    if let Some(node) = shared.node() {
        node.rest(true);
    }
    said
}

fn come_back(shared: &Shared) -> Value {
    *shared.rests.lock() = None;
    if let Some(node) = shared.node() {
        node.rest(false);
    }
    json!({
        "replica_id": kimberlite_consensus::members::replica_of(shared.me),
        "phase": "catching up",
    })
}
