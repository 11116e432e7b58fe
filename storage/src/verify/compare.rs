//! Whether the projection holds what the log says.

use super::{VerifyKeys, VerifyOptions, VerifyReport};
use crate::apply::{EventOpener, Replay, replay};
use crate::chain::ChainHead;
use crate::crypto::{Key, Keyring, Opener};
use crate::error::{Damage, DamageKind, Result, StorageError};
use crate::log::LogReader;
use crate::projection::{Projection, ProjectionOptions, load_replica_key};
use std::sync::Arc;

/// Builds a second projection from the log, up to where the stored one is,
/// and compares what they hold.
pub(super) fn compare_projection(
    options: &VerifyOptions,
    keys: &VerifyKeys,
    report: &mut VerifyReport,
) -> Result<()> {
    let dir = options.data_dir.join("projection");
    let key_dir = options.data_dir.join("keys");
    if !report.damages.is_empty() || !dir.exists() {
        return Ok(());
    }
    let settings = ProjectionOptions::new(keys.entropy.clone());
    let Some(key) = load_replica_key(&key_dir, keys.provider.as_ref())? else {
        return Ok(());
    };
    let stored = match Projection::open_read_only(&dir, &key, &settings) {
        Ok(stored) => stored,
        Err(StorageError::Projection(detail)) => {
            report
                .damages
                .push(different(format!("it cannot be opened: {detail}")));
            report.projection_equal = Some(false);
            return Ok(());
        }
        Err(error) if error.is_medium_failure() => {
            report
                .damages
                .push(different(format!("it cannot be read: {error}")));
            report.projection_equal = Some(false);
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    let Some((index, hash)) = stored.applied() else {
        return Ok(());
    };
    let scratch = options.data_dir.join("tmp").join("verify-projection");
    Projection::destroy(&scratch)?;
    let equal = match rebuild(options, keys, &settings, &scratch, (index, hash)) {
        Ok(rebuilt) => stored
            .snapshot()
            .content_hash()
            .map(|stored| stored == rebuilt),
        // The log is good, so this says that it has no such block.
        Err(StorageError::Damaged(_)) => Ok(false),
        Err(other) => Err(other),
    };
    Projection::destroy(&scratch)?;
    report.projection_equal = Some(equal?);
    if report.projection_equal == Some(false) {
        report.damages.push(different(format!(
            "its content differs from a rebuild up to block {index}"
        )));
    }
    Ok(())
}

fn rebuild(
    options: &VerifyOptions,
    keys: &VerifyKeys,
    settings: &ProjectionOptions,
    scratch: &std::path::Path,
    (index, hash): (u64, crate::ids::Hash32),
) -> Result<crate::ids::Hash32> {
    let key = Key::random(keys.entropy.as_ref());
    let rebuilt = Projection::open(scratch, &key, settings)?;
    let keyring = Arc::new(Keyring::new(keys.provider.clone(), keys.entropy.clone()));
    let opener = EventOpener::new(keyring.clone(), Arc::new(Opener::new(keyring)));
    let reader = Arc::new(LogReader::new(options.disk.clone(), &options.data_dir));
    let head = reader.with_block(index, |block, _, _| Ok(ChainHead::of(&block.header)))?;
    let work = Replay {
        reader: &reader,
        opener: &opener,
        head: &ChainHead { hash, ..head },
        progress: &|_| {},
    };
    replay(&work, &rebuilt)?;
    rebuilt.snapshot().content_hash()
}

fn different(detail: String) -> Damage {
    Damage {
        kind: DamageKind::Mismatch,
        file: "projection/".into(),
        offset: 0,
        block_index: None,
        expected: None,
        found: None,
        tenants: Vec::new(),
        detail: format!("{detail}; rebuild it with `projection rebuild`"),
    }
}
