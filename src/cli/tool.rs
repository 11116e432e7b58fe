//! `kimberlite-cli`: the command line of the tools.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::cluster::{self, ClusterCommand, ReplicaCommand, StandbyCommand, Target};
use super::output::{Answer, CouldNotRun, Format, Verdict};
use super::{inspect, projection, status, verify};
use crate::config::HEALTH_ADDRESS_DEFAULT;

const EXAMPLES: &str = "\
Examples:
  Is the node well?
    kimberlite-cli status
  Is the cluster well?
    kimberlite-cli cluster status --config kimberlite.toml
  Has anybody touched the log?
    kimberlite-cli storage verify --data-dir /var/lib/kimberlite/data --full-scan
  What is in it?
    kimberlite-cli storage inspect --data-dir /var/lib/kimberlite/data

Exit status of every command: 0 all is well, 1 something is wrong with what was
looked at, 2 it could not be looked at.";

/// Looks after Kimberlite nodes and their data.
#[derive(Debug, Parser)]
#[command(name = "kimberlite-cli", version, after_help = EXAMPLES, max_term_width = 90)]
struct CommandLine {
    /// How to answer
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at stored data
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Look after what is derived from the log
    #[command(subcommand)]
    Projection(ProjectionCommand),
    /// Look after a cluster
    #[command(after_help = "\
Asks the server of the data directory that the configuration names, on this machine, as the
user who runs it. Any replica will do: orders are passed on to the one that leads.

Examples:
  kimberlite-cli cluster status --config /etc/kimberlite/kimberlite.toml
  kimberlite-cli cluster transfer-leader --replica-id 1
  kimberlite-cli cluster reconfig add-replica --replica-id 3 --address replica-3.example:7000")]
    Cluster {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        command: ClusterCommand,
    },
    /// Look after one replica
    Replica {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        command: ReplicaCommand,
    },
    /// Look after a standby
    Standby {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        command: StandbyCommand,
    },
    /// Ask a running node how it is
    #[command(after_help = "\
Asks the node's health port. Exit status: 0 ready, 1 running but not ready, 2 no answer.

Examples:
  kimberlite-cli status
  kimberlite-cli status --health-address 10.0.1.5:8080 --output json")]
    Status(StatusArguments),
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    /// Prove that the log is what was written, or name the damage
    Verify(verify::Arguments),
    /// List segments, blocks and heads, without keys
    Inspect(inspect::Arguments),
}

#[derive(Debug, Subcommand)]
enum ProjectionCommand {
    /// Make the projections again from the log
    Rebuild(projection::Arguments),
}

#[derive(Debug, Args)]
struct StatusArguments {
    /// The node's health_check_address
    #[arg(long, value_name = "IP:PORT", default_value = HEALTH_ADDRESS_DEFAULT)]
    health_address: SocketAddr,
}

/// The data directory that a command looks at.
#[derive(Debug, Args)]
pub(super) struct DataDir {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "KIMBERLITE_DATA_DIR")]
    pub(super) data_dir: PathBuf,
}

/// Runs the command line of this process to its end.
pub fn main() -> ExitCode {
    let line = CommandLine::parse();
    let answer: Result<Answer, CouldNotRun> = match &line.command {
        Command::Storage(StorageCommand::Verify(arguments)) => verify::run(arguments),
        Command::Storage(StorageCommand::Inspect(arguments)) => inspect::run(arguments),
        Command::Projection(ProjectionCommand::Rebuild(arguments)) => projection::run(arguments),
        Command::Cluster { target, command } => cluster::cluster(target, command),
        Command::Replica { target, command } => cluster::replica(target, command),
        Command::Standby { target, command } => cluster::standby(target, command),
        Command::Status(arguments) => status::run(arguments.health_address),
    };
    let verdict: Verdict = match answer {
        Ok(answer) => answer.print(line.output),
        Err(error) => error.print(line.output),
    };
    verdict.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}
