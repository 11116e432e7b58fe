//! The families of a cluster.

use prometheus::proto::MetricFamily;

use super::family::{counter, gauge, labelled_gauge};
use crate::cluster::ClusterFigures;

/// What there is to scrape of the cluster that this replica belongs to.
pub(super) fn families(figures: &ClusterFigures) -> Vec<MetricFamily> {
    let by_replica = |name, help, values: Vec<(u64, f64)>| {
        let values: Vec<(String, f64)> = values
            .into_iter()
            .map(|(id, v)| (id.to_string(), v))
            .collect();
        labelled_gauge(name, help, "replica_id", &values)
    };
    let lags = &figures.lags;
    let standbys = &figures.standbys;
    let mut families = vec![
        labelled_gauge(
            "kimberlite_cluster_replicas_total",
            "Replicas that vote, by whether they answer and are current.",
            "status",
            &[
                ("healthy".to_owned(), figures.healthy as f64),
                ("unhealthy".to_owned(), figures.unhealthy as f64),
            ],
        ),
        gauge(
            "kimberlite_consensus_term",
            "The newest term that this replica has seen.",
            figures.term as f64,
        ),
        counter(
            "kimberlite_consensus_view_changes_total",
            "How often another replica came to lead.",
            figures.leader_changes,
        ),
        counter(
            "kimberlite_assertion_failures_total",
            "Messages of other replicas that contradict the log of this one; expect 0.",
            figures.alarms,
        ),
        by_replica(
            "kimberlite_replication_lag_ops",
            "Blocks that a replica has not applied.",
            lags.iter().map(|(id, ops, _)| (*id, *ops as f64)).collect(),
        ),
        by_replica(
            "kimberlite_replication_lag_ms",
            "How old what a replica shows is, in milliseconds.",
            lags.iter().map(|(id, _, ms)| (*id, *ms as f64)).collect(),
        ),
        by_replica(
            "kimberlite_standby_lag_ms",
            "How old what a standby shows is, in milliseconds.",
            standbys
                .iter()
                .map(|(id, ms, _)| (*id, *ms as f64))
                .collect(),
        ),
        by_replica(
            "kimberlite_standby_promotion_eligible",
            "1 for a standby that may be promoted.",
            standbys
                .iter()
                .map(|(id, _, may)| (*id, f64::from(u8::from(*may))))
                .collect(),
        ),
    ];
    if let Some(leader) = figures.leader_id {
        families.push(gauge(
            "kimberlite_cluster_leader_id",
            "The replica that leads; absent while nobody does.",
            leader as f64,
        ));
    }
    // A family without values is no family.
    families.retain(|family| !family.get_metric().is_empty());
    families
}
