//! `[cluster]` and `[standby]`: the pace, and which replica this process is.

use std::time::Duration;

use super::replicas::{Members, Size};
use super::replication::Port;
use super::values::number;
use crate::config::cluster::{
    BATCH_SIZE, BATCH_SIZE_DEFAULT, Cluster, ELECTION_HEARTBEATS_MIN, ELECTION_MS_DEFAULT,
    ELECTION_MS_MAX, HEARTBEAT_MS, HEARTBEAT_MS_DEFAULT, STANDBY_LAG_MS, STANDBY_LAG_MS_DEFAULT,
};
use crate::config::document::Document;
use crate::config::environment::Environment;
use crate::config::problem::Problem;

/// Reads the sections; `None`: a problem was recorded, or the file has no
/// `[cluster]`.
pub(super) fn read(
    doc: &mut Document<'_>,
    environment: &Environment,
    members: Members,
    port: Option<Port>,
) -> Option<Cluster> {
    refuse_automatic_promotion(doc);
    let max_lag = number(
        doc,
        "standby",
        "max_lag_ms",
        STANDBY_LAG_MS_DEFAULT,
        STANDBY_LAG_MS,
    );
    if members.size == Size::OneNode {
        return None;
    }
    let pace = pace(doc);
    let max_batch_size = number(
        doc,
        "cluster",
        "max_batch_size",
        BATCH_SIZE_DEFAULT,
        BATCH_SIZE,
    );
    let forward_writes = doc.boolean("cluster", "forward_writes").unwrap_or(true);
    let replica_id = replica_id(doc, environment, &members);
    let (heartbeat, election_timeout) = pace?;
    let (voters, standbys) = members.lists?;
    let port = port?;
    Some(Cluster {
        replica_id: replica_id?,
        voters,
        standbys,
        heartbeat,
        election_timeout,
        max_batch_size: usize::try_from(max_batch_size?).ok()?,
        forward_writes,
        bind_address: port.bind_address,
        tls: port.tls,
        max_standby_lag: Duration::from_millis(max_lag?),
    })
}

fn refuse_automatic_promotion(doc: &mut Document<'_>) {
    if doc.boolean("standby", "auto_promote_on_failure") == Some(true) {
        let why = "must be false: a promotion can lose what the standby has not received, and is \
                   a person's decision";
        doc.refuse("standby", "auto_promote_on_failure", why);
    }
}

/// Heartbeat and election timeout.
fn pace(doc: &mut Document<'_>) -> Option<(Duration, Duration)> {
    let (heartbeat_key, election_key) = ("heartbeat_interval_ms", "election_timeout_ms");
    let limits = HEARTBEAT_MS.start() * ELECTION_HEARTBEATS_MIN..=ELECTION_MS_MAX;
    let heartbeat = number(
        doc,
        "cluster",
        heartbeat_key,
        HEARTBEAT_MS_DEFAULT,
        HEARTBEAT_MS,
    );
    let election = number(doc, "cluster", election_key, ELECTION_MS_DEFAULT, limits);
    let (heartbeat, election) = (heartbeat?, election?);
    if election < heartbeat * ELECTION_HEARTBEATS_MIN {
        let why = format!(
            "{election_key} ({election}) must be at least {ELECTION_HEARTBEATS_MIN} times \
             {heartbeat_key} ({heartbeat}), or a few late heartbeats depose a leader"
        );
        let set = doc.line("cluster", election_key).is_some();
        let blame = if set { election_key } else { heartbeat_key };
        doc.refuse("cluster", blame, &why);
        return None;
    }
    Some((
        Duration::from_millis(heartbeat),
        Duration::from_millis(election),
    ))
}

/// Which replica this process is: the environment, else the file, else the only one
/// there is.
fn replica_id(doc: &mut Document<'_>, environment: &Environment, members: &Members) -> Option<u32> {
    let from_file = doc.number("cluster", "replica_id");
    match environment.replica_id() {
        Err(message) => {
            doc.problems.push(Problem::of_file(message));
            return None;
        }
        Ok(Some(id)) => return listed(doc, members, u64::from(id), "KIMBERLITE_REPLICA_ID"),
        Ok(None) => {}
    }
    if let Some(id) = from_file {
        return listed(doc, members, id, "replica_id");
    }
    let refused_already = doc.line("cluster", "replica_id").is_some();
    if members.size == Size::Several && !refused_already {
        let why = "which of the replicas this process is must be said: by KIMBERLITE_REPLICA_ID \
                   (a number, or a name that ends in one, as `kimberlite-2`) or by replica_id; \
                   only one that is alone in [cluster] needs neither";
        doc.refuse("cluster", "replica_id", why);
        return None;
    }
    let (voters, _) = members.lists.as_ref()?;
    voters.first().filter(|_| !refused_already).map(|r| r.id)
}

/// The id, if a replica has it.
fn listed(doc: &mut Document<'_>, members: &Members, id: u64, source: &'static str) -> Option<u32> {
    let (voters, standbys) = members.lists.as_ref()?;
    let ids = || voters.iter().chain(standbys).map(|replica| replica.id);
    let found = ids().find(|known| u64::from(*known) == id);
    if found.is_none() {
        let known: Vec<String> = ids().map(|id| id.to_string()).collect();
        let message = format!(
            "{source} is {id}, and no replica in [cluster] or [standby] has that id; there are {}",
            known.join(", ")
        );
        let line = doc.line("cluster", source);
        doc.problems.push(Problem { line, message });
    }
    found
}
