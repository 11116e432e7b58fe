//! Whether a range of keys holds nothing.

use rocksdb::{ColumnFamily, ReadOptions};

use super::engine::{Engine, failed};
use crate::error::Result;

/// Whether `family` has no key from `first` to `last`, both included.
pub(super) fn vacant(
    engine: &Engine,
    family: &ColumnFamily,
    first: &[u8],
    last: &[u8],
) -> Result<bool> {
    let mut read = ReadOptions::default();
    // The first key after `last`.
    let end: Vec<u8> = last.iter().copied().chain([0]).collect();
    read.set_iterate_upper_bound(end);
    let mut iterator = engine.db.raw_iterator_cf_opt(family, read);
    iterator.seek(first);
    if iterator.valid() {
        return Ok(false);
    }
    iterator.status().map_err(|error| failed("read", &error))?;
    Ok(true)
}
