//! Checking a whole log, stopped or running, and saying exactly what is wrong.
//!
//! Without keys everything public is checked: segment headers, checksums, block
//! hashes, the chain, every tenant's chain and tree, the ident tables against the
//! data, the superblock; a full scan also checks the digest of every body, the
//! padding, and that nothing lies after the end. With keys every event is opened
//! too, and on a stopped directory the projection is compared with a rebuild.
//!
//! Nothing is changed, and damage does not end the scan: it goes on behind it,
//! found again through the ident table or by looking for the next block header.
//!
//! **A running node.** If the directory's lock is held, only blocks before the
//! newest ident entry are read: that entry is written with its block, after the
//! flush of the block before, so everything before it is durable and final.
//!
//! **A directory that cannot be written**, such as the copy an auditor gets, is
//! checked to its end, except for the comparison of the projection: that takes room
//! for the rebuild.

mod compare;
mod hold;
mod inspect;
mod opened;
mod report;
mod scan;
mod tail;
mod tenants;

#[cfg(test)]
mod tests;

pub use inspect::{Inspection, SegmentInspection, inspect};
pub use report::{TenantReport, VerifyReport};

use crate::crypto::KeyProvider;
use crate::disk::Disk;
use crate::env::{Clock, Entropy};
use crate::error::{Damage, DamageKind, Result, StorageError};
use crate::ids::TenantId;
use crate::segment::{self, IdentSlot, Segment};
use crate::superblock::{self, Superblock};
use hold::Hold;
use opened::Opened;
use scan::Scan;
use std::path::PathBuf;
use std::sync::Arc;

/// What opening events takes.
#[derive(Clone)]
pub struct VerifyKeys {
    /// The master key.
    pub provider: Arc<dyn KeyProvider>,
    /// For the key of the projection that is made for comparing.
    pub entropy: Arc<dyn Entropy>,
}

/// What to verify.
#[derive(Clone)]
pub struct VerifyOptions {
    /// The data directory.
    pub data_dir: PathBuf,
    /// The medium.
    pub disk: Arc<dyn Disk>,
    /// Also check bodies, padding and unused room.
    pub full_scan: bool,
    /// Check the bodies of this tenant only. Blocks and chains are checked whole.
    pub tenant: Option<TenantId>,
    /// First block to check; chains begin there then, and there are no roots.
    pub from: Option<u64>,
    /// Last block to check.
    pub to: Option<u64>,
    /// Also open every event.
    pub keys: Option<VerifyKeys>,
    /// Measures the throughput.
    pub clock: Arc<dyn Clock>,
}

/// How far verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes read.
    pub bytes: u64,
    /// Bytes there are at most.
    pub bytes_total: u64,
    /// The block just checked.
    pub index: u64,
}

/// Verifies a log. Damage is in the report, not an error.
///
/// # Errors
/// When it could not be done: the directory cannot be read, is no data
/// directory, or the master key is wrong ([`StorageError::WrongMasterKey`]).
pub fn verify(options: &VerifyOptions, progress: &dyn Fn(VerifyProgress)) -> Result<VerifyReport> {
    let start_us = options.clock.now_us();
    let (disk, dir) = (options.disk.as_ref(), options.data_dir.as_path());
    let hold = hold::take(disk, dir)?;
    let stopped = !matches!(hold, Hold::Running);
    let mut report = VerifyReport {
        stopped,
        ..VerifyReport::default()
    };
    let superblock = read_superblock(options, &mut report)?;
    let firsts = segment::list(disk, dir)?;
    let end = match stopped {
        true => None,
        false => Some(stable_end(options, &firsts, superblock.as_ref())?),
    };
    let opened = match &options.keys {
        Some(keys) => Some(Opened::new(keys, options)?),
        None => None,
    };
    let mut scan = Scan::new(options, superblock, firsts, end, opened, report);
    scan.run(progress)?;
    let mut report = scan.finish();
    if let (Hold::Writable(_), Some(keys)) = (&hold, &options.keys) {
        compare::compare_projection(options, keys, &mut report)?;
    }
    report.elapsed_us = u64::try_from(options.clock.now_us() - start_us).unwrap_or(0);
    drop(hold);
    Ok(report)
}

fn read_superblock(
    options: &VerifyOptions,
    report: &mut VerifyReport,
) -> Result<Option<Superblock>> {
    match superblock::load(options.disk.as_ref(), &options.data_dir) {
        Ok(loaded) => {
            for (copy, error) in loaded.damaged_copies {
                report.damages.push(Damage {
                    kind: DamageKind::Checksum,
                    file: superblock::FILE_NAME.into(),
                    offset: (copy * superblock::COPY_BYTES) as u64,
                    block_index: None,
                    expected: None,
                    found: None,
                    tenants: Vec::new(),
                    detail: format!(
                        "copy {copy}: {error}; the other copies are good, and the next start \
                         writes it again"
                    ),
                });
            }
            Ok(Some(loaded.superblock))
        }
        Err(StorageError::Damaged(damage)) => {
            report.damages.push(*damage);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// The last block of a running log that is certainly complete.
fn stable_end(
    options: &VerifyOptions,
    firsts: &[u64],
    superblock: Option<&Superblock>,
) -> Result<u64> {
    let verified = superblock.map_or(0, |s| s.verified_index);
    let (disk, dir) = (options.disk.as_ref(), &options.data_dir);
    let Some(last) = firsts.last() else {
        return Ok(verified);
    };
    let Ok(segment) = Segment::open(disk, dir, *last, crate::disk::OpenMode::Read) else {
        return Ok(verified);
    };
    let newest = segment
        .idents()?
        .into_iter()
        .rev()
        .find_map(|slot| match slot {
            IdentSlot::Valid(ident) => Some(ident.index),
            _ => None,
        });
    let before_newest = newest.unwrap_or(*last).saturating_sub(1);
    Ok(before_newest.max(verified))
}
