//! `kimberlite-cli projection rebuild`: from the log, from the beginning.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use kimberlite_consensus::node::Alone;
use kimberlite_storage::{FsDisk, Progress, StoreOptions, rebuild_projection};
use serde_json::json;

use super::keys::{KeyArguments, require_store};
use super::output::{Answer, CouldNotRun, Verdict, count};
use super::progress::count_bar;
use super::tool::DataDir;
use crate::exit::storage_hint;
use crate::os::{SystemClock, SystemEntropy};

/// Arguments of `projection rebuild`.
#[derive(Debug, Args)]
#[command(after_help = "\
The node must be stopped. Everything that queries read is derived from the log;
this throws it away and derives it again. Nothing in the log changes.

Examples:
  kimberlite-cli projection rebuild --data-dir kimberlite-data
  kimberlite-cli projection rebuild --data-dir /var/lib/kimberlite/data \\
      --master-key-file /etc/kimberlite/master.key")]
pub(super) struct Arguments {
    #[command(flatten)]
    directory: DataDir,
    #[command(flatten)]
    keys: KeyArguments,
}

/// Rebuilds the projection of a stopped data directory.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, CouldNotRun> {
    let data_dir = &arguments.directory.data_dir;
    require_store(data_dir)?;
    let key_provider = arguments.keys.require(data_dir)?;
    let bar = count_bar("rebuilding", 0);
    let started = Instant::now();
    let blocks = rebuild_projection(StoreOptions {
        data_dir: data_dir.clone(),
        key_provider,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        disk: Arc::new(FsDisk),
        segment_bytes: crate::start::SEGMENT_BYTES,
        replica: Box::new(Alone),
        // The error itself is what this command reports.
        on_fatal: Box::new(|_| ()),
        progress: {
            let bar = bar.clone();
            Box::new(move |progress| {
                if let Progress::Rebuilding { done, total } = progress {
                    bar.set_length(total);
                    bar.set_position(done);
                }
            })
        },
    });
    bar.finish_and_clear();
    let blocks = blocks.map_err(|error| {
        let hint = storage_hint(&error, data_dir);
        CouldNotRun(match hint {
            Some(hint) => format!("{error}. {hint}"),
            None => error.to_string(),
        })
    })?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Answer {
        text: format!("rebuilt from {} blocks in {seconds:.1} s", count(blocks)),
        json: json!({ "result": "rebuilt", "blocks": blocks, "seconds": seconds }),
        verdict: Verdict::Clean,
    })
}
