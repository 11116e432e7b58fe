//! What the replica that leads does about the members by itself.
//!
//! The first replica of a cluster is alone. The others of the configuration join as
//! standbys; when all that are meant to vote have the log, they come to vote in one joint
//! change. From then on the log says who belongs to the cluster, and only operators change
//! that.

use std::sync::Arc;
use std::time::Duration;

use kimberlite_consensus::members::{
    Change, ChangeKind, MemberChange, Members, Peer, Role, member_of,
};
use kimberlite_consensus::node::NodeReport;

use super::join::change;
use super::shared::Shared;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks after the members while this replica leads.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(report) = shared.report().await else {
            continue;
        };
        if report.leadership.leader != shared.me {
            continue;
        }
        let wanted = own_record(&shared, &report).or_else(|| first_voters(&shared, &report));
        if let Some(wanted) = wanted
            && let Err(refusal) = change(&shared, wanted).await
        {
            tracing::debug!(%refusal, "a change of the members has to wait");
        }
    }
}

/// Whether the cluster is what its configuration wanted at first: before that it
/// acknowledges nothing to clients.
pub(super) fn is_formed(shared: &Shared, members: &Members) -> bool {
    shared.config.voters.len() == 1 || members.voters.len() > 1
}

/// Others have to know where this replica is, also where it was the first.
fn own_record(shared: &Shared, report: &NodeReport) -> Option<MemberChange> {
    let own = shared.configured().remove(&shared.me)?;
    let known = report.registry.record(shared.me)?.peer.clone();
    let mut peer = Peer {
        incarnation: shared.incarnation,
        address: own.address,
        name: own.name,
    };
    if let Some(known) = &known {
        // Under another one it would not be this replica.
        peer.incarnation = known.incarnation;
    }
    (known.as_ref() != Some(&peer)).then(|| MemberChange::update(shared.me, peer))
}

fn first_voters(shared: &Shared, report: &NodeReport) -> Option<MemberChange> {
    let members = &report.members;
    if is_formed(shared, members) {
        return None;
    }
    let voters = shared.config.voters.iter().map(|r| member_of(r.id));
    let others: Vec<u64> = voters.filter(|id| *id != shared.me).collect();
    let has_log = |id: &u64| {
        members.role(*id) == Role::Standby
            && report
                .progress
                .iter()
                .any(|p| p.replica == *id && p.active && p.matched >= report.committed)
    };
    if !others.iter().all(has_log) {
        return None;
    }
    let vote = |replica| Change {
        kind: ChangeKind::Voter,
        replica,
        peer: None,
    };
    Some(MemberChange {
        joint: true,
        changes: others.into_iter().map(vote).collect(),
    })
}
