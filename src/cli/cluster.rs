//! `kimberlite-cli cluster`, `replica` and `standby`: orders for a running cluster.
//!
//! They go to the server of a data directory on this machine, over a socket that only its
//! owner may open; the server passes them on to the replica that has to carry them out.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::output::{Answer, CouldNotRun, Verdict, count};
use crate::cluster::admin::{Order, ask};
use crate::config::{Config, Environment};

/// Which server is asked.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The configuration of a server on this machine; any of the cluster will do
    #[arg(long, value_name = "FILE", env = "KIMBERLITE_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// Its data directory, instead of its configuration
    #[arg(long, value_name = "DIR", env = "KIMBERLITE_DATA_DIR", global = true)]
    data_dir: Option<PathBuf>,
}

/// `kimberlite-cli cluster …`
#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Who leads, who follows, how far they are
    ///
    /// Exit status: 0 healthy, 1 degraded, forming or unavailable, 2 no answer.
    Status,
    /// Pass leadership on, for planned work on the replica that leads
    TransferLeader {
        /// To this replica; to the one that is furthest when not said
        #[arg(long, value_name = "N")]
        replica_id: Option<u32>,
    },
    /// Change who belongs to the cluster
    #[command(subcommand)]
    Reconfig(Reconfig),
}

/// `kimberlite-cli cluster reconfig …`
#[derive(Debug, Subcommand)]
pub(super) enum Reconfig {
    /// Let a replica in that votes
    #[command(after_help = "\
Start the new replica first, with an empty data directory and with the replicas of the
cluster and itself in [cluster]: it asks to join, and this lets it in. It gets the log as a
standby, and votes when it has caught up.")]
    AddReplica(Newcomer),
    /// Let a replica in that follows without a vote
    AddStandby(Newcomer),
    /// Take a replica out, for ever: its id is not given again
    RemoveReplica {
        /// Which
        #[arg(long, value_name = "N")]
        replica_id: u32,
    },
    /// Let a standby vote
    PromoteStandby {
        /// Which
        #[arg(long, value_name = "N")]
        replica_id: u32,
        /// Let it lead, too
        #[arg(long)]
        new_primary: bool,
    },
}

/// A replica that is to join.
#[derive(Debug, Args)]
pub(super) struct Newcomer {
    /// An id that was never used
    #[arg(long, value_name = "N")]
    replica_id: u32,
    /// Where it listens for the other replicas
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// The name in its certificate [default: the host of the address]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long to wait for it to ask
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
}

/// `kimberlite-cli replica …`
#[derive(Debug, Subcommand)]
pub(super) enum ReplicaCommand {
    /// How a replica is, and its connections
    Status {
        /// Which; the server that is asked when not said
        #[arg(long, value_name = "N")]
        replica_id: Option<u32>,
    },
    /// Keep a replica out until `resume` or a restart, and its files as they are
    Pause {
        /// Which; the server that is asked when not said
        #[arg(long, value_name = "N")]
        replica_id: Option<u32>,
    },
    /// Bring a paused replica back
    Resume {
        /// Which; the server that is asked when not said
        #[arg(long, value_name = "N")]
        replica_id: Option<u32>,
    },
    /// Keep a replica out that is under suspicion, restarts included
    Isolate {
        /// Which
        #[arg(long, value_name = "N")]
        replica_id: u32,
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Bring an isolated replica back
    Rejoin {
        /// Which
        #[arg(long, value_name = "N")]
        replica_id: u32,
    },
}

/// `kimberlite-cli standby …`
#[derive(Debug, Subcommand)]
pub(super) enum StandbyCommand {
    /// How far a standby is, and whether it may be promoted
    ///
    /// Exit status: 0 it may be promoted, 1 not now, 2 no answer.
    Status {
        /// Which
        #[arg(long, value_name = "N")]
        replica_id: u32,
    },
}

impl Newcomer {
    fn order(&self, standby: bool) -> Order {
        Order::Add {
            replica_id: self.replica_id,
            address: self.address.clone(),
            name: self.name.clone(),
            standby,
            wait_s: self.wait,
        }
    }
}

/// `kimberlite-cli cluster …`
pub(super) fn cluster(target: &Target, command: &ClusterCommand) -> Result<Answer, CouldNotRun> {
    let order = match command {
        ClusterCommand::Status => {
            let json = give(target, &Order::ClusterStatus)?;
            let verdict = verdict(json["status"] == "healthy");
            let text = cluster_text(&json);
            return Ok(Answer {
                text,
                json,
                verdict,
            });
        }
        ClusterCommand::TransferLeader { replica_id } => Order::TransferLeader {
            replica_id: *replica_id,
        },
        ClusterCommand::Reconfig(Reconfig::AddReplica(newcomer)) => newcomer.order(false),
        ClusterCommand::Reconfig(Reconfig::AddStandby(newcomer)) => newcomer.order(true),
        ClusterCommand::Reconfig(Reconfig::RemoveReplica { replica_id }) => Order::Remove {
            replica_id: *replica_id,
        },
        ClusterCommand::Reconfig(Reconfig::PromoteStandby {
            replica_id,
            new_primary,
        }) => Order::Promote {
            replica_id: *replica_id,
            new_primary: *new_primary,
        },
    };
    done(target, &order)
}

/// `kimberlite-cli replica …`
pub(super) fn replica(target: &Target, command: &ReplicaCommand) -> Result<Answer, CouldNotRun> {
    let order = match command {
        ReplicaCommand::Status { replica_id } => {
            let order = Order::ReplicaStatus {
                replica_id: *replica_id,
            };
            let json = give(target, &order)?;
            let verdict = verdict(json["healthy"] == true);
            return Ok(Answer {
                text: lines(&json),
                json,
                verdict,
            });
        }
        ReplicaCommand::Pause { replica_id } => Order::Pause {
            replica_id: *replica_id,
        },
        ReplicaCommand::Resume { replica_id } => Order::Resume {
            replica_id: *replica_id,
        },
        ReplicaCommand::Isolate { replica_id, reason } => Order::Isolate {
            replica_id: *replica_id,
            reason: reason.clone(),
        },
        ReplicaCommand::Rejoin { replica_id } => Order::Rejoin {
            replica_id: *replica_id,
        },
    };
    done(target, &order)
}

/// `kimberlite-cli standby …`
pub(super) fn standby(target: &Target, command: &StandbyCommand) -> Result<Answer, CouldNotRun> {
    let StandbyCommand::Status { replica_id } = command;
    let order = Order::StandbyStatus {
        replica_id: *replica_id,
    };
    let json = give(target, &order)?;
    Ok(Answer {
        text: lines(&json),
        verdict: verdict(json["promotion_eligible"] == true),
        json,
    })
}

fn done(target: &Target, order: &Order) -> Result<Answer, CouldNotRun> {
    let json = give(target, order)?;
    Ok(Answer {
        text: lines(&json),
        json,
        verdict: Verdict::Clean,
    })
}

const fn verdict(good: bool) -> Verdict {
    if good { Verdict::Clean } else { Verdict::Wrong }
}

fn give(target: &Target, order: &Order) -> Result<Value, CouldNotRun> {
    let data_dir = match (&target.data_dir, &target.config) {
        (Some(dir), _) => dir.clone(),
        (None, Some(file)) => {
            let config = Config::load(file, &Environment::of_process());
            let config = config.map_err(|e| CouldNotRun(e.to_string()))?;
            config.storage.data_dir
        }
        (None, None) => {
            return Err(CouldNotRun(
                "which server? Say --config FILE or --data-dir DIR, or set KIMBERLITE_CONFIG"
                    .to_owned(),
            ));
        }
    };
    ask(&data_dir, order).map_err(|e| CouldNotRun(e.to_string()))
}

fn cluster_text(json: &Value) -> String {
    let mut text = vec![
        format!("status     {}", word(&json["status"])),
        format!("leader_id  {}", word(&json["leader_id"])),
        format!("term       {}", word(&json["term"])),
        format!("cluster    {}", word(&json["cluster_id"])),
        String::new(),
        row([
            "ID", "ROLE", "PHASE", "APPLIED", "LAG_OPS", "LAG_MS", "CLIENTS",
        ]),
    ];
    let members = ["replicas", "standbys"].into_iter();
    let members = members.filter_map(|list| json[list].as_array());
    for member in members.flatten() {
        let applied = member["applied"].as_u64().map(count);
        text.push(row([
            &word(&member["replica_id"]),
            &word(&member["role"]),
            &word(&member["phase"]),
            &applied.unwrap_or_else(|| "-".to_owned()),
            &word(&member["lag_ops"]),
            &word(&member["lag_ms"]),
            &word(&member["client_address"]),
        ]));
        if let Some(detail) = member["detail"].as_str() {
            text.push(format!("     {detail}"));
        }
    }
    text.join("\n")
}

fn row(cells: [&str; 7]) -> String {
    let [id, role, phase, applied, ops, ms, clients] = cells;
    format!("{id:<4} {role:<9} {phase:<9} {applied:>10} {ops:>8} {ms:>8}  {clients}")
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One line for each field.
fn lines(json: &Value) -> String {
    let Some(object) = json.as_object() else {
        return json.to_string();
    };
    let width = object.keys().map(String::len).max().unwrap_or(0);
    let line = |(key, value): (&String, &Value)| match value {
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let items = items.iter().map(|item| format!("  {}", one_line(item)));
            format!("{key}\n{}", items.collect::<Vec<_>>().join("\n"))
        }
        other => format!("{key:<width$}  {}", word(other)),
    };
    object.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn one_line(json: &Value) -> String {
    let fields = json.as_object().into_iter().flatten();
    let fields = fields.filter(|(_, value)| !value.is_null());
    let fields = fields.map(|(key, value)| format!("{key}={}", word(value)));
    fields.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(missing_docs)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_has_a_line_for_each_member_and_says_what_is_wrong() {
        let text = cluster_text(&json!({
            "status": "degraded", "leader_id": 0, "term": 7, "cluster_id": "ab",
            "replicas": [
                {"replica_id": 0, "role": "leader", "phase": "ready", "applied": 1234, "lag_ops": 0,
                 "lag_ms": 0, "client_address": "10.0.0.1:7001"},
                {"replica_id": 1, "role": "voter", "detail": "cannot connect"},
            ],
            "standbys": [{"replica_id": 100, "role": "standby", "phase": "ready"}],
        }));
        assert!(text.contains("status     degraded"), "{text}");
        assert!(
            text.contains("0    leader    ready          1,234"),
            "{text}"
        );
        assert!(text.contains("     cannot connect"), "{text}");
        assert!(text.contains("100  standby"), "{text}");
    }

    #[test]
    fn other_answers_are_lines() {
        let text = lines(&json!({"replica_id": 3, "peers": [{"a": 1, "b": null}], "detail": null}));
        assert_eq!(text, "replica_id  3\npeers\n  a=1\ndetail      -");
    }
}
