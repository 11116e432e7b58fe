//! Changes of the members that operators want. All of this runs where the leader is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kimberlite_consensus::members::{ChangeKind, MemberChange, Role, member_of, replica_of};
use kimberlite_consensus::node::NodeReport;
use kimberlite_consensus::transport::Peer;
use serde_json::{Value, json};

use super::super::join::change;
use super::super::shared::Shared;
use super::Order;

/// Pause between two looks at whether something has come to pass.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a change that is in the log may take to be everybody's.
const CHANGE_MAX: Duration = Duration::from_secs(30);

async fn report(shared: &Shared) -> Result<NodeReport, String> {
    let report = shared.report().await;
    report.ok_or_else(|| "the log has ended".to_owned())
}

/// Waits until what the node says is as wanted.
async fn until(
    shared: &Shared,
    limit: Duration,
    wanted: impl Fn(&NodeReport) -> bool,
) -> Result<bool, String> {
    let began = Instant::now();
    loop {
        if wanted(&report(shared).await?) {
            return Ok(true);
        }
        if began.elapsed() > limit {
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Another replica comes to lead.
pub(super) async fn transfer(shared: &Arc<Shared>, to: Option<u32>) -> Result<Value, String> {
    let now = report(shared).await?;
    let to = match to {
        Some(id) => member_of(id),
        None => furthest(shared, &now)
            .ok_or("no other replica that votes answers, so there is nobody to lead")?,
    };
    let id = replica_of(to);
    if now.leadership.leader == to {
        return Ok(json!({ "leader_id": id, "term": now.leadership.term }));
    }
    if now.members.role(to) != Role::Voter {
        let role = now.members.role(to);
        return Err(format!(
            "replica {id} is a {role}: only one that votes can lead"
        ));
    }
    if !now.progress.iter().any(|p| p.replica == to && p.active) {
        return Err(format!("replica {id} does not answer, so it cannot lead"));
    }
    let node = shared.node().ok_or("the log has ended")?;
    node.transfer(to);
    let limit = shared.config.election_timeout * 3;
    if until(shared, limit, |now| now.leadership.leader == to).await? {
        let term = report(shared).await?.leadership.term;
        return Ok(json!({ "leader_id": id, "term": term }));
    }
    Err(format!(
        "replica {id} did not come to lead within {} ms; it may be far behind. Leadership stays \
         where it was, or was taken by another: see `kimberlite-cli cluster status`",
        limit.as_millis()
    ))
}

/// The voter that answers and has most of the log.
fn furthest(shared: &Shared, report: &NodeReport) -> Option<u64> {
    let voters = report.progress.iter().filter(|p| {
        p.active && p.replica != shared.me && report.members.role(p.replica) == Role::Voter
    });
    voters.max_by_key(|p| p.matched).map(|p| p.replica)
}

/// A replica joins, and comes to vote unless it is to stay a standby.
pub(super) async fn add(shared: &Arc<Shared>, order: Order) -> Result<Value, String> {
    let Order::Add {
        replica_id,
        address,
        name,
        standby,
        wait_s,
    } = order
    else {
        return Err("not an order to add a replica".to_owned());
    };
    let id = member_of(replica_id);
    let mut peer = Peer::at(id, address.to_ascii_lowercase());
    if let Some(name) = name {
        peer.name = name.to_ascii_lowercase();
    }
    let limit = Duration::from_secs(wait_s);
    match report(shared).await?.registry.record(id).map(|r| r.role) {
        Some(Role::Removed) => {
            return Err(format!(
                "replica {replica_id} was removed, and ids are not given again: choose another"
            ));
        }
        Some(_) => {}
        None => expect(shared, peer, limit).await?,
    }
    if standby {
        return Ok(json!({ "replica_id": replica_id, "role": "standby" }));
    }
    promote(shared, replica_id, false).await
}

/// Lets a replica in that asks to join, and waits for that.
async fn expect(shared: &Arc<Shared>, peer: Peer, limit: Duration) -> Result<(), String> {
    let (id, address) = (peer.replica, peer.address.clone());
    shared.expected.lock().insert(id, peer);
    if let Some(transport) = shared.transport() {
        transport.set_peers(shared.address_book(&report(shared).await?.registry));
    }
    let joined = until(shared, limit, |now| now.registry.record(id).is_some()).await;
    shared.expected.lock().remove(&id);
    match joined? {
        true => Ok(()),
        false => Err(format!(
            "replica {} has not asked to join within {} s. Start it at {address} with an empty \
             data directory, and with the replicas of this cluster and itself in [cluster], then \
             give this order again",
            replica_of(id),
            limit.as_secs()
        )),
    }
}

/// A standby comes to vote, and to lead if wanted.
pub(super) async fn promote(
    shared: &Arc<Shared>,
    replica_id: u32,
    new_primary: bool,
) -> Result<Value, String> {
    let id = member_of(replica_id);
    match report(shared).await?.members.role(id) {
        Role::Voter => {}
        Role::Standby => vote(shared, replica_id).await?,
        Role::Removed => {
            return Err(format!(
                "replica {replica_id} is no member of this cluster; `kimberlite-cli cluster \
                 reconfig add-replica` lets one in"
            ));
        }
    }
    if new_primary {
        transfer(shared, Some(replica_id)).await?;
    }
    let now = report(shared).await?;
    Ok(json!({
        "replica_id": replica_id,
        "role": if now.leadership.leader == id { "leader" } else { "voter" },
        "voters": now.members.voters.iter().map(|id| replica_of(*id)).collect::<Vec<_>>(),
    }))
}

async fn vote(shared: &Arc<Shared>, replica_id: u32) -> Result<(), String> {
    let id = member_of(replica_id);
    let near = |now: &NodeReport| {
        let line = now.progress.iter().find(|p| p.replica == id);
        line.is_some_and(|p| p.active && p.matched + 100 >= now.committed)
    };
    if !until(shared, CHANGE_MAX, near).await? {
        return Err(format!(
            "replica {replica_id} has not caught up within {} s: see `kimberlite-cli replica \
             status --replica-id {replica_id}`, and give this order again",
            CHANGE_MAX.as_secs()
        ));
    }
    make(shared, MemberChange::one(ChangeKind::Voter, id)).await?;
    settle(shared, id, Role::Voter).await
}

/// A replica leaves.
pub(super) async fn remove(shared: &Arc<Shared>, replica_id: u32) -> Result<Value, String> {
    let id = member_of(replica_id);
    if id == shared.me {
        return Err(format!(
            "replica {replica_id} leads: pass leadership on first, with `kimberlite-cli cluster \
             transfer-leader`"
        ));
    }
    make(shared, MemberChange::one(ChangeKind::Remove, id)).await?;
    settle(shared, id, Role::Removed).await?;
    let now = report(shared).await?;
    let ids = |ids: &[u64]| ids.iter().map(|id| replica_of(*id)).collect::<Vec<_>>();
    Ok(json!({
        "replica_id": replica_id,
        "role": "removed",
        "voters": ids(&now.members.voters),
        "standbys": ids(&now.members.standbys),
    }))
}

async fn make(shared: &Shared, wanted: MemberChange) -> Result<u64, String> {
    change(shared, wanted).await.map_err(|e| e.to_string())
}

async fn settle(shared: &Shared, id: u64, role: Role) -> Result<(), String> {
    let done = |now: &NodeReport| now.members.role(id) == role && now.members.outgoing.is_empty();
    match until(shared, CHANGE_MAX, done).await? {
        true => Ok(()),
        false => Err(format!(
            "the change is in the log, but no majority has confirmed it within {} s",
            CHANGE_MAX.as_secs()
        )),
    }
}
