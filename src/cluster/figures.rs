//! The figures of the cluster, for Prometheus.

use kimberlite_consensus::members::replica_of;

use super::admin::lag_ms;
use super::shared::Shared;

/// What is scraped.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ClusterFigures {
    /// Voters that answer and are current, this one counted.
    pub(crate) healthy: u64,
    /// The other voters.
    pub(crate) unhealthy: u64,
    /// Who leads, as operators count.
    pub(crate) leader_id: Option<u64>,
    /// The newest term this replica has seen.
    pub(crate) term: u64,
    /// How often another replica came to lead since the start.
    pub(crate) leader_changes: u64,
    /// Frames that were not looked at because something must not be.
    pub(crate) alarms: u64,
    /// Replica, blocks and milliseconds behind, of all but this one.
    pub(crate) lags: Vec<(u64, u64, i64)>,
    /// Standby, milliseconds behind, whether it may be promoted.
    pub(crate) standbys: Vec<(u64, i64, bool)>,
}

impl Shared {
    pub(crate) fn figures(&self) -> ClusterFigures {
        let Some(status) = self.node().map(|node| node.status()) else {
            return ClusterFigures::default();
        };
        let members = &status.members;
        let max = i64::try_from(self.config.max_standby_lag.as_millis()).unwrap_or(i64::MAX);
        let mut figures = ClusterFigures {
            healthy: u64::from(self.status.is_ready() && members.votes(self.me)),
            leader_id: Some(status.leadership.leader)
                .filter(|leader| *leader != 0)
                .map(replica_of),
            term: status.leadership.term,
            leader_changes: status.leader_changes,
            alarms: status.alarms,
            ..ClusterFigures::default()
        };
        let seen = self.seen.lock();
        let reports = seen.values().filter_map(|seen| seen.report.as_ref());
        let newest = reports.map(|(report, _)| report.committed);
        let newest = newest.chain([status.committed]).max().unwrap_or(0);
        for (id, seen) in seen.iter() {
            let Some((report, _)) = &seen.report else {
                continue;
            };
            let (replica, lag) = (replica_of(*id), lag_ms(report, newest));
            let well = seen.error.is_none() && report.phase == "ready";
            figures
                .lags
                .push((replica, newest.saturating_sub(report.applied), lag));
            if members.votes(*id) {
                figures.healthy += u64::from(well);
            } else if members.contains(*id) {
                figures.standbys.push((replica, lag, well && lag <= max));
            }
        }
        figures.unhealthy = (members.voters.len() as u64).saturating_sub(figures.healthy);
        figures
    }
}
