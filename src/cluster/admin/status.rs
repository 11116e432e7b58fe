//! How the cluster, a replica or a standby is.

use std::sync::Arc;
use std::time::Instant;

use kimberlite_consensus::members::{Role, replica_of};
use kimberlite_consensus::node::NodeReport;
use kimberlite_storage::Clock as _;
use serde_json::{Value, json};

use super::super::formation::is_formed;
use super::super::messages::Report;
use super::super::shared::Shared;
use super::super::{gossip, hex};
use crate::os::SystemClock;

/// How old what a replica said of itself may be.
const STALE_S: u64 = 5;

/// How the cluster is, as far as this replica knows.
pub(super) async fn cluster(shared: &Arc<Shared>) -> Result<Value, String> {
    gossip::round(shared).await;
    let report = shared.report().await.ok_or_else(|| joining(shared))?;
    let own = shared.own_report().await;
    let members = &report.members;
    let newest = newest(shared, &own);
    let line = |id: u64| line(shared, &report, &own, newest, id);
    let replicas: Vec<Value> = members.voters.iter().map(|id| line(*id)).collect();
    let standbys: Vec<Value> = members.standbys.iter().map(|id| line(*id)).collect();
    let healthy = |lines: &[Value]| lines.iter().filter(|l| l["healthy"] == true).count();
    let well = healthy(&replicas);
    let leader = report.leadership.leader;
    let status = if leader == 0 || well * 2 <= replicas.len() {
        "unavailable"
    } else if !is_formed(shared, members) {
        "forming"
    } else if well < replicas.len() || healthy(&standbys) < standbys.len() {
        "degraded"
    } else {
        "healthy"
    };
    let identity = shared.store.get().map(|store| store.identity());
    Ok(json!({
        "status": status,
        "leader_id": (leader != 0).then(|| replica_of(leader)),
        "term": report.leadership.term,
        "committed": newest,
        "cluster_id": identity.as_ref().map(|i| hex::encode(&i.cluster_id)),
        "lineage": identity.as_ref().map(|i| hex::encode(&i.lineage.0)),
        "changing": !members.outgoing.is_empty(),
        "asked": replica_of(shared.me),
        "replicas": replicas,
        "standbys": standbys,
    }))
}

fn joining(shared: &Shared) -> String {
    let phase = shared.status.phase();
    let detail = phase.detail().unwrap_or("its log is not open");
    format!("this replica cannot tell: {detail}")
}

/// The newest block that anybody says is committed.
fn newest(shared: &Shared, own: &Report) -> u64 {
    let seen = shared.seen.lock();
    let others = seen.values().filter_map(|seen| seen.report.as_ref());
    let committed = others.map(|(report, _)| report.committed);
    committed.chain([own.committed]).max().unwrap_or(0)
}

fn line(shared: &Shared, report: &NodeReport, own: &Report, newest: u64, id: u64) -> Value {
    let record = report.registry.record(id).and_then(|r| r.peer.clone());
    let (said, error) = match id == shared.me {
        true => (Some((own.clone(), Instant::now())), None),
        false => {
            let seen = shared.seen.lock().get(&id).cloned();
            seen.map_or((None, None), |seen| (seen.report, seen.error))
        }
    };
    let fresh = said.filter(|(_, at)| at.elapsed().as_secs() < STALE_S);
    let said = fresh.map(|(report, _)| report);
    let answers = said.is_some() && error.is_none();
    let healthy = answers && said.as_ref().is_some_and(|r| r.phase == "ready");
    json!({
        "replica_id": replica_of(id),
        "role": said.as_ref().map_or_else(|| report.members.role(id).to_string(), |r| r.role.clone()),
        "address": record.map(|peer| peer.address),
        "client_address": said.as_ref().map(|r| r.client_address.clone()),
        "healthy": healthy,
        "phase": said.as_ref().map(|r| r.phase.clone()),
        "detail": said.as_ref().and_then(|r| r.detail.clone()).or(error),
        "applied": said.as_ref().map(|r| r.applied),
        "lag_ops": said.as_ref().map(|r| newest.saturating_sub(r.applied)),
        "lag_ms": said.as_ref().map(|r| lag_ms(r, newest)),
        "alarms": said.as_ref().map(|r| r.alarms),
        "version": said.as_ref().map(|r| r.version.clone()),
    })
}

/// How old what a replica shows is: 0 when it has everything, else the age of the newest
/// block it has.
pub(in super::super) fn lag_ms(report: &Report, newest: u64) -> i64 {
    if report.applied >= newest {
        return 0;
    }
    ((SystemClock.now_us() - report.applied_us) / 1000).max(0)
}

/// How this replica is.
pub(super) async fn replica(shared: &Arc<Shared>) -> Result<Value, String> {
    let own = shared.own_report().await;
    let newest = newest(shared, &own);
    let peers: Vec<Value> = shared
        .transport()
        .map(|transport| transport.peers_status())
        .unwrap_or_default()
        .into_iter()
        .map(|peer| {
            json!({
                "replica_id": replica_of(peer.replica),
                "address": peer.address,
                "connected": peer.connected_out && peer.connected_in,
                "queued_bytes": peer.queued_bytes,
                "dropped_frames": peer.dropped_frames,
                "error": peer.last_error,
            })
        })
        .collect();
    let lag_ms = lag_ms(&own, newest);
    let lag_ops = newest.saturating_sub(own.applied);
    let mut value = serde_json::to_value(&own).map_err(|e| e.to_string())?;
    if let Some(object) = value.as_object_mut() {
        object.insert("healthy".into(), json!(own.phase == "ready"));
        object.insert("lag_ops".into(), json!(lag_ops));
        object.insert("lag_ms".into(), json!(lag_ms));
        object.insert("peers".into(), json!(peers));
    }
    Ok(value)
}

/// How far a standby is; asked of the replica that leads.
pub(super) async fn standby(shared: &Arc<Shared>, replica_id: u32) -> Result<Value, String> {
    gossip::round(shared).await;
    let id = kimberlite_consensus::members::member_of(replica_id);
    let report = shared.report().await.ok_or("the log is not open")?;
    match report.members.role(id) {
        Role::Standby => {}
        role => return Err(format!("replica {replica_id} is no standby but a {role}")),
    }
    let own = shared.own_report().await;
    let line = line(shared, &report, &own, report.committed, id);
    let lag = line["lag_ms"].as_i64();
    let max = i64::try_from(shared.config.max_standby_lag.as_millis()).unwrap_or(i64::MAX);
    let eligible = line["healthy"] == true && lag.is_some_and(|lag| lag <= max);
    Ok(json!({
        "replica_id": replica_id,
        "promotion_eligible": eligible,
        "lag_ms": lag,
        "lag_ops": line["lag_ops"],
        "max_lag_ms": max,
        "healthy": line["healthy"],
        "detail": line["detail"],
        "address": line["address"],
    }))
}
