//! From an order to who carries it out.

use std::sync::Arc;
use std::time::Duration;

use kimberlite_consensus::members::{member_of, replica_of};
use serde_json::Value;

use super::super::messages::{Answer, Request};
use super::super::shared::Shared;
use super::{Order, Who, members, pauses, status};

/// Sees to it that an order is carried out, here or where it has to be.
///
/// # Errors
/// In words for the operator.
pub(crate) async fn carry_out(
    shared: &Arc<Shared>,
    order: Order,
    operator: &str,
) -> Result<Value, String> {
    let replica = match order.who() {
        Who::Anybody | Who::Replica(None) => shared.me,
        Who::Replica(Some(id)) => member_of(id),
        Who::Leader => leader(shared).await?,
    };
    if replica == shared.me {
        return here(shared, order, operator).await;
    }
    let deadline = Duration::from_secs(order.wait_s());
    let request = Request::Order {
        order,
        operator: operator.to_owned(),
    };
    match shared.ask(replica, &request, deadline).await? {
        Answer::Done(value) => Ok(value),
        Answer::Failed(reason) => Err(reason),
        _ => Err(format!(
            "replica {} does not know such an order: it may be of another version",
            replica_of(replica)
        )),
    }
}

async fn leader(shared: &Shared) -> Result<u64, String> {
    let report = shared.report().await.ok_or("the log is not open")?;
    match report.leadership.leader {
        0 => Err(
            "nobody leads at the moment, so nothing can be changed: see which replicas \
                  answer with `kimberlite-cli cluster status`"
                .to_owned(),
        ),
        leader => Ok(leader),
    }
}

/// Carries an order out on this replica.
///
/// # Errors
/// In words for the operator.
pub(crate) async fn here(
    shared: &Arc<Shared>,
    order: Order,
    operator: &str,
) -> Result<Value, String> {
    let written_down = order.changes().then(|| format!("{order:?}"));
    let outcome = match order {
        Order::ClusterStatus => status::cluster(shared).await,
        Order::ReplicaStatus { .. } => status::replica(shared).await,
        Order::StandbyStatus { replica_id } => status::standby(shared, replica_id).await,
        Order::TransferLeader { replica_id } => members::transfer(shared, replica_id).await,
        Order::Add { .. } => members::add(shared, order).await,
        Order::Remove { replica_id } => members::remove(shared, replica_id).await,
        Order::Promote {
            replica_id,
            new_primary,
        } => members::promote(shared, replica_id, new_primary).await,
        Order::Pause { .. } => pauses::pause(shared).await,
        Order::Resume { .. } => pauses::resume(shared),
        Order::Isolate { reason, .. } => pauses::isolate(shared, &reason).await,
        Order::Rejoin { .. } => pauses::rejoin(shared).await,
    };
    if let Some(order) = written_down {
        match &outcome {
            Ok(_) => tracing::warn!(operator, order, "an operator's order was carried out"),
            Err(reason) => {
                tracing::warn!(operator, order, reason, "an operator's order was refused");
            }
        }
    }
    outcome
}
