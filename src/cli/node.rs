//! `kimberlite`: the command line of the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::init;
use crate::config::{
    CLIENT_ADDRESS_DEFAULT, Config, Environment, HEALTH_ADDRESS_DEFAULT, LogFormat, LogLevel,
    LogOutput, LogSettings, METRICS_ADDRESS_DEFAULT,
};
use crate::dev::{self, loopback};
use crate::exit::Exit;
use crate::logging;
use crate::server::{self, NodeError};
use crate::start;

const EXAMPLES: &str = "\
Examples:
  Try it, on this machine only (makes certificate, key and password itself):
    kimberlite dev
    psql \"$(cat kimberlite-data/dev/url)\"

  A node for others, from a configuration file:
    kimberlite init --config kimberlite.toml --create-master-key
    kimberlite start --config kimberlite.toml

Exit status: 0 stopped as asked, 1 other error, 2 command line or configuration,
3 address in use, 4 directory used by another server, 5 directory unusable,
6 master key, 7 log damaged, 8 a write to the log failed while running.";

/// A database whose history can be proved: PostgreSQL's protocol over an
/// encrypted, hash-chained log.
#[derive(Debug, Parser)]
#[command(name = "kimberlite", version, after_help = EXAMPLES, max_term_width = 90)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node for development: loopback only, nothing to configure
    #[command(after_help = "\
The connection string is in DIR/dev/url while the node accepts connections.
A second start on the same DIR finds the data, the password and the keys again.

Examples:
  kimberlite dev
  kimberlite dev --data-dir /tmp/try --client-address 127.0.0.1:0
  kimberlite dev --data-dir /tmp/cluster --replicas 3")]
    Dev(DevArguments),
    /// Run a node from a configuration file
    #[command(after_help = "\
Environment:
  KIMBERLITE_CONFIG          the file, when --config does not name it
  KIMBERLITE_DATA_DIR        instead of [storage] data_dir
  KIMBERLITE_LOG_LEVEL       instead of [monitoring] log_level
  KIMBERLITE_CLIENT_ADDRESS  instead of [security] client_address
  KIMBERLITE_BIND_ADDRESS    instead of [security] bind_address
  KIMBERLITE_REPLICA_ID      which of the replicas this process is: a number, or a
                             name that ends in one, such as kimberlite-2
  KIMBERLITE_ENV             `production` (default) or `development`
  KIMBERLITE_MASTER_KEY      the key, when master_key_source is \"env\"

The sources hold files to begin with: deploy/kimberlite.toml, which has every key, and
deploy/cluster.toml.")]
    Start(StartArguments),
    /// Prepare an empty data directory: the store and its first operator
    Init(init::Arguments),
}

#[derive(Debug, Args)]
struct DevArguments {
    /// Where the data lives; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "kimberlite-data")]
    data_dir: PathBuf,
    /// Where clients connect; port 0 takes any free port
    #[arg(long, value_name = "IP:PORT", default_value = CLIENT_ADDRESS_DEFAULT, value_parser = loopback)]
    client_address: SocketAddr,
    /// Where Prometheus scrapes [default: 127.0.0.1:9090, or any free port]
    #[arg(long, value_name = "IP:PORT", value_parser = loopback)]
    metrics_address: Option<SocketAddr>,
    /// Where /health, /ready and /status answer [default: 127.0.0.1:8080, or any free port]
    #[arg(long, value_name = "IP:PORT", value_parser = loopback)]
    health_address: Option<SocketAddr>,
    /// A directory whose files COPY … FROM 'file' may read; may be given again
    #[arg(long, value_name = "DIR")]
    copy_directory: Vec<PathBuf>,
    /// A cluster of so many processes, on any free ports: 3, 5, 7 or 9
    #[arg(long, value_name = "N", value_parser = replicas,
          conflicts_with_all = ["client_address", "metrics_address", "health_address", "copy_directory"])]
    replicas: Option<u32>,
}

/// An even number tolerates no more failures than one less.
fn replicas(text: &str) -> Result<u32, String> {
    let number = text.parse().ok();
    number
        .filter(|n| [3, 5, 7, 9].contains(n))
        .ok_or_else(|| "a cluster has 3, 5, 7 or 9 replicas".to_owned())
}

#[derive(Debug, Args)]
struct StartArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "KIMBERLITE_CONFIG")]
    config: PathBuf,
}

/// Runs the command line of this process to its end.
pub fn main() -> ExitCode {
    let exit = match CommandLine::parse().command {
        Command::Dev(arguments) => run_dev(&arguments),
        Command::Start(arguments) => with_config(&arguments.config, start::run),
        Command::Init(arguments) => {
            with_config(&arguments.config, |config| init::run(&arguments, config))
        }
    };
    exit.into()
}

fn run_dev(arguments: &DevArguments) -> Exit {
    let log = match dev_log() {
        Ok(log) => log,
        Err(message) => return refuse(&message, Exit::Usage),
    };
    if let Some(replicas) = arguments.replicas {
        let options = dev::cluster::Options {
            data_dir: arguments.data_dir.clone(),
            replicas,
        };
        let outcome = logging::start(&log).map_err(NodeError::from);
        return conclude(outcome.and_then(|()| dev::cluster::run(&options)));
    }
    let health = arguments.health_address;
    let metrics = arguments.metrics_address;
    let outcome = logging::start(&log)
        .map_err(NodeError::from)
        .and_then(|()| {
            dev::run(dev::Options {
                copy_directories: absolute(&arguments.copy_directory),
                data_dir: arguments.data_dir.clone(),
                client: server::Wanted::exactly(arguments.client_address),
                health: health
                    .map_or_else(|| usual(HEALTH_ADDRESS_DEFAULT), server::Wanted::exactly),
                metrics: metrics
                    .map_or_else(|| usual(METRICS_ADDRESS_DEFAULT), server::Wanted::exactly),
            })
        });
    conclude(outcome)
}

/// Directories as statements name them. One that is not there stays as it is, and
/// opens nothing.
fn absolute(directories: &[PathBuf]) -> Vec<PathBuf> {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    directories.iter().map(absolute).collect()
}

/// The usual address, or any port beside it: another program on port 8080 is
/// no reason for a developer's database not to start.
fn usual(address: &str) -> server::Wanted {
    // The defaults are addresses; a test parses them.
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    server::Wanted::preferably(address.parse().unwrap_or(any))
}

fn dev_log() -> Result<LogSettings, String> {
    let level = match Environment::of_process().log_level {
        None => LogLevel::Warn,
        Some(name) => LogLevel::from_name(&name).ok_or_else(|| {
            format!(
                "KIMBERLITE_LOG_LEVEL is `{name}`; it must be one of {}",
                LogLevel::NAMES.join(", ")
            )
        })?,
    };
    Ok(LogSettings {
        level,
        format: LogFormat::Text,
        output: LogOutput::Stderr,
    })
}

fn with_config(path: &std::path::Path, run: impl FnOnce(Config) -> Result<(), NodeError>) -> Exit {
    let config = match Config::load(path, &Environment::of_process()) {
        Ok(config) => config,
        Err(error) => return refuse(&error.to_string(), Exit::Usage),
    };
    let log_is_elsewhere = config.monitoring.log.output != LogOutput::Stderr;
    let outcome = run(config);
    if let (Err(error), true) = (&outcome, log_is_elsewhere) {
        // The person at the terminal and the one who reads the log later.
        tracing::error!(exit = error.exit().code(), "{error}");
    }
    conclude(outcome)
}

fn conclude(outcome: Result<(), NodeError>) -> Exit {
    let Err(error) = outcome else {
        return Exit::Clean;
    };
    let mut message = error.to_string();
    if let Some(hint) = error.hint() {
        message.push_str("\nhint: ");
        message.push_str(&hint);
    }
    refuse(&message, error.exit())
}

fn refuse(message: &str, exit: Exit) -> Exit {
    eprintln!("kimberlite: {message}");
    exit
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_default_addresses_are_loopback() {
        for text in [
            CLIENT_ADDRESS_DEFAULT,
            HEALTH_ADDRESS_DEFAULT,
            METRICS_ADDRESS_DEFAULT,
        ] {
            assert!(text.parse::<SocketAddr>().unwrap().ip().is_loopback());
        }
    }
}
