//! How a replica with an empty data directory comes to belong to a cluster.
//!
//! It never makes up an identity: it asks those of its configuration until one that leads
//! admits it. Admission is a change of the members in the log, with the number of the data
//! directory (`incarnation.rs`): so there is one history, and it says who belongs to it.

use std::sync::Arc;
use std::time::Duration;

use kimberlite_consensus::core::Refusal;
use kimberlite_consensus::members::{MemberChange, Members, Peer, Role, replica_of};
use kimberlite_storage::{Founding, Identity, Lineage};
use tokio::sync::oneshot;

use super::hex;
use super::messages::{Answer, Grant, Join, Request};
use super::shared::{ANSWER_MAX, Shared};

/// Pause between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(300);

/// Asks until this replica is admitted.
pub(super) async fn join(shared: &Shared) -> Founding {
    let mut said = String::new();
    loop {
        let mut reasons = Vec::new();
        for peer in shared.configured().keys().filter(|id| **id != shared.me) {
            match ask(shared, *peer).await {
                Ok(founding) => return founding,
                Err(reason) => reasons.push(reason),
            }
        }
        let now = format!("waiting to join the cluster: {}", reasons.join("; "));
        if now != said {
            tracing::warn!("{now}");
            shared.status.progress(now.clone());
            said = now;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(shared: &Shared, peer: u64) -> Result<Founding, String> {
    let own = shared.configured().remove(&shared.me);
    let own = own.ok_or("this replica is not in its own configuration")?;
    let request = Request::Join(Join {
        incarnation: hex::encode(&shared.incarnation),
        address: own.address,
        name: own.name,
    });
    let who = replica_of(peer);
    match shared.ask(peer, &request, ANSWER_MAX).await? {
        Answer::Admitted(grant) => founding(shared.me, &grant)
            .ok_or_else(|| format!("replica {who} gave an identity that cannot be read")),
        Answer::NotNow(reason) | Answer::Refused(reason) => Err(format!("replica {who}: {reason}")),
        _ => Err(format!("replica {who} does not know what joining is")),
    }
}

fn founding(me: u64, grant: &Grant) -> Option<Founding> {
    Some(Founding {
        identity: Identity {
            cluster_id: hex::decode(&grant.cluster_id)?,
            lineage: Lineage(hex::decode(&grant.lineage)?),
            replica_id: me,
            segment_bytes: grant.segment_bytes,
        },
        configuration: Members::first(grant.first.iter().copied()).encode(),
    })
}

/// Answers one who wants to join.
pub(super) async fn answer(shared: &Shared, replica: u64, join: Join) -> Answer {
    let Some(report) = shared.report().await else {
        return Answer::NotNow("it belongs to no cluster yet".to_owned());
    };
    let leader = report.leadership.leader;
    if leader != shared.me {
        return Answer::NotNow(match leader {
            0 => "nobody leads at the moment".to_owned(),
            leader => format!("replica {} leads", replica_of(leader)),
        });
    }
    let Some(incarnation) = hex::decode(&join.incarnation) else {
        return Answer::Refused("the number of the data directory is not one".to_owned());
    };
    match report.registry.record(replica) {
        Some(record) => {
            let admitted = record.peer.as_ref().map(|peer| peer.incarnation);
            if record.role != Role::Removed && admitted == Some(incarnation) {
                return grant(shared, &report.members);
            }
            Answer::Refused(returned(replica, record.role))
        }
        None => {
            let peer = Peer {
                incarnation,
                address: join.address,
                name: join.name,
            };
            match change(shared, MemberChange::admit(replica, peer)).await {
                Ok(_) => grant(shared, &report.members),
                Err(refusal) => Answer::NotNow(refusal.to_string()),
            }
        }
    }
}

/// Why a replica is not let in again.
fn returned(replica: u64, role: Role) -> String {
    let id = replica_of(replica);
    match role {
        Role::Removed => format!("replica {id} was removed, and ids are not given again"),
        _ => format!(
            "replica {id} is a member already, with another data directory. What that one \
             promised is lost with it, so it cannot come back under this id: take it out with \
             `kimberlite-cli cluster reconfig remove-replica --replica-id {id}` and give the \
             new one an id that was never used"
        ),
    }
}

fn grant(shared: &Shared, members: &Members) -> Answer {
    let Some(store) = shared.store.get() else {
        return Answer::NotNow("it is still opening".to_owned());
    };
    let identity = store.identity();
    Answer::Admitted(Grant {
        cluster_id: hex::encode(&identity.cluster_id),
        lineage: hex::encode(&identity.lineage.0),
        first: members.first.clone(),
        segment_bytes: identity.segment_bytes,
    })
}

/// Changes the members, and waits until the change is in the log.
///
/// # Errors
/// Why it is not.
pub(super) async fn change(shared: &Shared, change: MemberChange) -> Result<u64, Refusal> {
    let gone = Refusal::NotLeader { leader: 0 };
    let Some(node) = shared.node().map(Arc::clone) else {
        return Err(gone);
    };
    let (send, receive) = oneshot::channel();
    node.change(
        change,
        Box::new(move |answer| {
            // Who asked may be gone.
            let _ = send.send(answer);
        }),
    );
    receive.await.unwrap_or(Err(gone))
}
