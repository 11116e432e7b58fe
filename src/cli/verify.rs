//! `kimberlite-cli storage verify`: proof that a log is what was written.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use kimberlite_storage::ids::Hex;
use kimberlite_storage::projection::load_replica_key;
use kimberlite_storage::verify::{TenantReport, VerifyKeys, VerifyOptions, VerifyReport, verify};
use kimberlite_storage::{Damage, FsDisk, KeyProvider, StorageError, TenantId};
use serde_json::{Value, json};

use super::keys::{KeyArguments, require_store};
use super::output::{Answer, CouldNotRun, Verdict, bytes, count};
use super::progress::byte_bar;
use super::tool::DataDir;
use crate::os::{SystemClock, SystemEntropy};

/// Arguments of `storage verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a key: checksums, hashes, the chain, every tenant's chain and tree. With the
master key also: every event is opened, and on a stopped directory that can be written
the projection is compared with a rebuild. Works beside a running node, except for its
newest block.

Compare the head hash that is printed with one you kept elsewhere: that shows that
nothing was cut off the end either.

Exit status: 0 clean, 1 damage found and named, 2 could not run.

Examples:
  kimberlite-cli storage verify --data-dir kimberlite-data
  kimberlite-cli storage verify --data-dir /var/lib/kimberlite/data --full-scan \\
      --master-key-file /etc/kimberlite/master.key
  kimberlite-cli storage verify --data-dir kimberlite-data --from 1000 --to 2000 \\
      --output json")]
pub(super) struct Arguments {
    #[command(flatten)]
    directory: DataDir,
    /// Also check the digest of every body, the padding, and the room behind the end
    #[arg(long)]
    full_scan: bool,
    /// Check the bodies of this tenant only (32 hexadecimal digits)
    #[arg(long, value_name = "TENANT", value_parser = tenant)]
    tenant: Option<TenantId>,
    /// First block to check; there are no tree roots then
    #[arg(long, value_name = "BLOCK")]
    from: Option<u64>,
    /// Last block to check
    #[arg(long, value_name = "BLOCK")]
    to: Option<u64>,
    #[command(flatten)]
    keys: KeyArguments,
}

fn tenant(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text)
        .ok_or_else(|| "a tenant is 32 hexadecimal digits, as `storage inspect` lists them".into())
}

/// Verifies the log of a data directory.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, CouldNotRun> {
    let data_dir = &arguments.directory.data_dir;
    require_store(data_dir)?;
    let keys = match arguments.keys.find(data_dir)? {
        Some(provider) => {
            refuse_wrong_key(data_dir, provider.as_ref())?;
            Some(VerifyKeys {
                provider,
                entropy: Arc::new(SystemEntropy),
            })
        }
        None => None,
    };
    let with_keys = keys.is_some();
    let options = VerifyOptions {
        data_dir: data_dir.clone(),
        disk: Arc::new(FsDisk),
        full_scan: arguments.full_scan,
        tenant: arguments.tenant,
        from: arguments.from,
        to: arguments.to,
        keys,
        clock: Arc::new(SystemClock),
    };
    let bar = byte_bar("verifying", 0);
    let report = verify(&options, &|progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| CouldNotRun(error.to_string()))?;
    Ok(Answer {
        text: text(&report, with_keys),
        json: json(&report, with_keys),
        verdict: if report.is_clean() {
            Verdict::Clean
        } else {
            Verdict::Wrong
        },
    })
}

/// With another master key every event would look damaged; that is a mistake of
/// the command line and says nothing about the log.
fn refuse_wrong_key(data_dir: &Path, provider: &dyn KeyProvider) -> Result<(), CouldNotRun> {
    match load_replica_key(&data_dir.join("keys"), provider) {
        Err(error @ StorageError::WrongMasterKey { .. }) => Err(CouldNotRun(error.to_string())),
        // A missing or damaged replica key belongs to the projection alone.
        _ => Ok(()),
    }
}

fn json(report: &VerifyReport, with_keys: bool) -> Value {
    json!({
        "result": if report.is_clean() { "clean" } else { "damaged" },
        "stopped": report.stopped,
        "with_keys": with_keys,
        "blocks": report.blocks,
        "events": report.events,
        "bytes": report.bytes,
        "elapsed_us": report.elapsed_us,
        "bytes_per_second": report.throughput(),
        "head": report.head.map(|(index, hash)| {
            json!({ "index": index, "hash": Hex(&hash).to_string() })
        }),
        "tenants": report.tenants.iter().map(tenant_json).collect::<Vec<_>>(),
        "projection_equal": report.projection_equal,
        "torn_tail": report.torn_tail.as_ref().map(damage_json),
        "damage": report.damages.iter().map(damage_json).collect::<Vec<_>>(),
    })
}

fn tenant_json(tenant: &TenantReport) -> Value {
    json!({
        "tenant": tenant.tenant.to_string(),
        "system": tenant.tenant == TenantId::SYSTEM,
        "events": tenant.events,
        "root": tenant.root.map(|root| Hex(&root).to_string()),
    })
}

fn damage_json(damage: &Damage) -> Value {
    json!({
        "kind": damage.kind.to_string(),
        "file": damage.file,
        "offset": damage.offset,
        "block": damage.block_index,
        "expected": damage.expected.map(|hash| Hex(&hash).to_string()),
        "found": damage.found.map(|hash| Hex(&hash).to_string()),
        "tenants": damage.tenants.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "detail": damage.detail,
        // One node has no peer to fetch a good copy from.
        "repair_source": null,
    })
}

fn text(report: &VerifyReport, with_keys: bool) -> String {
    let mut lines = vec![format!(
        "{} blocks, {} events, {} in {:.1} s ({}/s), {}",
        count(report.blocks),
        count(report.events),
        bytes(report.bytes),
        report.elapsed_us as f64 / 1e6,
        bytes(report.throughput()),
        if with_keys {
            "every event opened"
        } else {
            "without keys: nothing was opened"
        },
    )];
    if let Some((index, hash)) = report.head {
        lines.push(format!("head block {}  {}", count(index), Hex(&hash)));
    }
    for tenant in &report.tenants {
        let root = tenant
            .root
            .map_or_else(|| "not all seen".to_owned(), |r| Hex(&r).to_string());
        lines.push(format!(
            "tenant {}  {} events  root {root}",
            tenant.tenant,
            count(tenant.events)
        ));
    }
    lines.push(match report.projection_equal {
        Some(true) => "projection equal to a rebuild from the log".to_owned(),
        Some(false) => "projection NOT equal to a rebuild from the log".to_owned(),
        None => "projection not compared".to_owned(),
    });
    if !report.stopped {
        lines.push("a node is running: its newest block was left out".to_owned());
    }
    if let Some(torn) = &report.torn_tail {
        lines.push(format!(
            "cut off: {torn} (nothing in it was acknowledged; the next start removes it)"
        ));
    }
    for damage in &report.damages {
        lines.push(format!("DAMAGE {damage}"));
    }
    lines.push(verdict(report));
    lines.join("\n")
}

fn verdict(report: &VerifyReport) -> String {
    match report.damages.len() {
        0 => "clean".to_owned(),
        1 => "1 place is damaged; a node alone has no copy to repair from, restore a backup".into(),
        n => format!(
            "{n} places are damaged; a node alone has no copy to repair from, restore a backup"
        ),
    }
}
