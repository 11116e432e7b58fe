//! `kimberlite-cli storage inspect`: what a log consists of, without any key.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use kimberlite_storage::ids::Hex;
use kimberlite_storage::log::LogReader;
use kimberlite_storage::superblock::{self, Loaded};
use kimberlite_storage::verify::{SegmentInspection, inspect};
use kimberlite_storage::{Block, Disk, EventKind, FsDisk, StorageError, TenantId};
use serde_json::{Value, json};

use super::keys::require_store;
use super::output::{Answer, CouldNotRun, Verdict, bytes, count, utc};
use super::progress::byte_bar;
use super::tool::DataDir;

/// Arguments of `storage inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads the whole log and needs no key: what events say stays sealed. Every block is
checked on the way (checksums, hashes); for proof use `storage verify`.

Examples:
  kimberlite-cli storage inspect --data-dir kimberlite-data
  kimberlite-cli storage inspect --data-dir kimberlite-data --output json | jq .tenants")]
pub(super) struct Arguments {
    #[command(flatten)]
    directory: DataDir,
}

/// What is known of a tenant without its keys.
#[derive(Default)]
struct TenantFigures {
    events: u64,
    body_bytes: u64,
    redacted: u64,
    newest_sequence: u64,
    newest_us: i64,
}

/// What is counted on the way through the log.
#[derive(Default)]
struct Figures {
    blocks: u64,
    block_bytes: u64,
    head: Option<(u64, String, i64)>,
    events: BTreeMap<&'static str, u64>,
    tenants: BTreeMap<TenantId, TenantFigures>,
}

/// Lists what the log of a data directory consists of.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, CouldNotRun> {
    let data_dir = &arguments.directory.data_dir;
    require_store(data_dir)?;
    let describe = |e: StorageError| CouldNotRun(e.to_string());
    let loaded = superblock::load(&FsDisk, data_dir).map_err(describe)?;
    let segments = inspect(&FsDisk, data_dir).map_err(describe)?.segments;
    let running = is_running(data_dir);
    let (figures, damage) = walk(data_dir, &segments, running, &loaded)?;
    let projection_bytes = directory_bytes(&data_dir.join("projection"));
    Ok(answer(
        &loaded,
        &segments,
        &figures,
        damage.as_ref(),
        running,
        projection_bytes,
    ))
}

/// Whether a node has the directory open.
fn is_running(data_dir: &Path) -> bool {
    std::fs::File::open(data_dir.join("LOCK")).is_ok_and(|file| {
        matches!(
            file.try_lock_shared(),
            Err(std::fs::TryLockError::WouldBlock)
        )
    })
}

/// Reads every block. Damage ends the walk; behind what a running node knows to
/// be durable it is a block that is being written just now, and no damage.
fn walk(
    data_dir: &Path,
    segments: &[SegmentInspection],
    running: bool,
    loaded: &Loaded,
) -> Result<(Figures, Option<StorageError>), CouldNotRun> {
    let mut figures = Figures::default();
    let Some(first) = segments.first().map(|s| s.first_index) else {
        return Ok((figures, None));
    };
    let disk: Arc<dyn Disk> = Arc::new(FsDisk);
    let reader = LogReader::new(disk, data_dir);
    let bar = byte_bar("reading", segments.iter().map(|s| s.used_bytes).sum());
    let outcome = (|| {
        let mut blocks = reader.blocks(first)?;
        while let Some((block, bytes, _)) = blocks.next()? {
            figures.add(&block, bytes.len());
            bar.inc(bytes.len() as u64);
        }
        Ok(())
    })();
    bar.finish_and_clear();
    match outcome {
        Ok(()) => Ok((figures, None)),
        Err(StorageError::Damaged(damage))
            if running
                && damage
                    .block_index
                    .is_some_and(|index| index > loaded.superblock.verified_index) =>
        {
            Ok((figures, None))
        }
        Err(error @ (StorageError::Damaged(_) | StorageError::Format(_))) => {
            Ok((figures, Some(error)))
        }
        Err(error) => Err(CouldNotRun(error.to_string())),
    }
}

impl Figures {
    fn add(&mut self, block: &Block<'_>, block_bytes: usize) {
        let header = &block.header;
        self.blocks += 1;
        self.block_bytes += block_bytes as u64;
        let hash = Hex(&header.block_hash).to_string();
        self.head = Some((header.index, hash, header.timestamp_us));
        for event in &block.events {
            let kind = kind_name(event.header.kind);
            *self.events.entry(kind).or_default() += 1;
            let tenant = self.tenants.entry(event.header.tenant).or_default();
            tenant.events += 1;
            tenant.body_bytes += event.body.len() as u64;
            tenant.redacted += u64::from(event.header.flags.redacted());
            tenant.newest_sequence = event.header.tenant_seq;
            tenant.newest_us = event.header.timestamp_us;
        }
    }

    fn event_count(&self) -> u64 {
        self.events.values().sum()
    }
}

fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Txn => "transaction",
        EventKind::TxnPart => "transaction part",
        EventKind::Key => "key",
        EventKind::Checkpoint => "checkpoint",
        EventKind::Audit => "audit",
        EventKind::Control => "control",
    }
}

/// Bytes of the files directly in a directory; 0 when it is not there.
fn directory_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

fn answer(
    loaded: &Loaded,
    segments: &[SegmentInspection],
    figures: &Figures,
    damage: Option<&StorageError>,
    running: bool,
    projection_bytes: u64,
) -> Answer {
    let file_bytes: u64 = segments.iter().map(|s| s.bytes).sum();
    let json = json!({
        "result": if damage.is_some() { "damaged" } else { "read" },
        "running": running,
        "lineage": loaded.superblock.lineage.to_string(),
        "created_us": loaded.superblock.created_us,
        "closed_in_good_order": loaded.superblock.clean,
        "superblock_copies_damaged": loaded.damaged_copies.len(),
        "segments": segments.iter().map(segment_json).collect::<Vec<_>>(),
        "log_file_bytes": file_bytes,
        "blocks": figures.blocks,
        "block_bytes": figures.block_bytes,
        "events": figures.event_count(),
        "events_by_kind": figures.events,
        "head": figures.head.as_ref().map(|(index, hash, us)| {
            json!({ "index": index, "hash": hash, "timestamp_us": us })
        }),
        "tenants": figures.tenants.iter().map(tenant_json).collect::<Vec<_>>(),
        "projection_bytes": projection_bytes,
        "damage": damage.map(ToString::to_string),
    });
    Answer {
        text: text(loaded, segments, figures, damage, running, projection_bytes),
        json,
        verdict: if damage.is_some() {
            Verdict::Wrong
        } else {
            Verdict::Clean
        },
    }
}

fn segment_json(segment: &SegmentInspection) -> Value {
    json!({
        "file": segment.file,
        "first_index": segment.first_index,
        "blocks": segment.blocks,
        "events": segment.events,
        "file_bytes": segment.bytes,
        "used_bytes": segment.used_bytes,
        "last_hash": segment.last_hash.map(|hash| Hex(&hash).to_string()),
    })
}

fn tenant_json((id, tenant): (&TenantId, &TenantFigures)) -> Value {
    json!({
        "tenant": id.to_string(),
        "system": *id == TenantId::SYSTEM,
        "events": tenant.events,
        "body_bytes": tenant.body_bytes,
        "redacted": tenant.redacted,
        "newest_sequence": tenant.newest_sequence,
        "newest_us": tenant.newest_us,
    })
}

fn text(
    loaded: &Loaded,
    segments: &[SegmentInspection],
    figures: &Figures,
    damage: Option<&StorageError>,
    running: bool,
    projection_bytes: u64,
) -> String {
    let superblock = &loaded.superblock;
    let state = match (running, superblock.clean) {
        (true, _) => "a node is running on it",
        (false, true) => "closed in good order",
        (false, false) => "not closed in good order; the next start looks at the end",
    };
    let mut lines = vec![
        format!("lineage      {}", superblock.lineage),
        format!("created      {}", utc(superblock.created_us)),
        format!("state        {state}"),
        format!(
            "log          {} blocks, {} events, {} (files: {})",
            count(figures.blocks),
            count(figures.event_count()),
            bytes(figures.block_bytes),
            bytes(segments.iter().map(|s| s.bytes).sum()),
        ),
    ];
    for (kind, events) in &figures.events {
        lines.push(format!("             {} {kind}", count(*events)));
    }
    if let Some((index, hash, us)) = &figures.head {
        lines.push(format!(
            "head         block {} of {}",
            count(*index),
            utc(*us)
        ));
        lines.push(format!("             {hash}"));
    }
    lines.push(format!("projection   {}", bytes(projection_bytes)));
    if !loaded.damaged_copies.is_empty() {
        lines.push(format!(
            "superblock   {} of {} copies damaged; the others serve",
            loaded.damaged_copies.len(),
            superblock::COPIES,
        ));
    }
    lines.push("segments".to_owned());
    for segment in segments {
        lines.push(format!(
            "  {}  {} blocks from {}  {} of {} used",
            segment.file,
            count(segment.blocks),
            count(segment.first_index),
            bytes(segment.used_bytes),
            bytes(segment.bytes),
        ));
    }
    lines.push("tenants".to_owned());
    for (id, tenant) in &figures.tenants {
        let system = if *id == TenantId::SYSTEM {
            "  (system)"
        } else {
            ""
        };
        lines.push(format!(
            "  {id}  {} events  {}  newest {}{system}",
            count(tenant.events),
            bytes(tenant.body_bytes),
            utc(tenant.newest_us),
        ));
    }
    if let Some(damage) = damage {
        lines.push(format!("DAMAGE       {damage}"));
        lines.push("             full extent: kimberlite-cli storage verify".to_owned());
    }
    lines.join("\n")
}
