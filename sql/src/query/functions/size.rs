//! How much a function may make. What one call makes is not charged to the memory
//! of its query before it is made, so it has to be bounded by itself.

use crate::error::{SqlError, SqlResult, state};
use crate::types::Datum;

/// Bytes of the largest value: 1 GiB less one, as PostgreSQL's `MaxAllocSize`.
const MAX_VALUE_BYTES: usize = 0x3fff_ffff;
/// Bytes that one call over the rows of a batch may make, a single value aside.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// Refuses a value of more bytes than a value may have, before it is made.
///
/// # Errors
/// 54000.
pub(super) fn check_value(bytes: Option<usize>) -> SqlResult<usize> {
    bytes.filter(|n| *n <= MAX_VALUE_BYTES).ok_or_else(|| {
        SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
            .detail(format!("A value has {MAX_VALUE_BYTES} bytes at most."))
    })
}

/// Counts what a call makes over the rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Made {
    rows: usize,
    bytes: usize,
}

impl Made {
    /// Counts the value of one more row.
    ///
    /// # Errors
    /// 54000 for a value that is too large itself; 53200, on which the query is tried
    /// again in smaller batches.
    pub(super) fn add(&mut self, value: &Datum) -> SqlResult<()> {
        let bytes = match value {
            Datum::Bytea(bytes) => bytes.len(),
            other => other.as_str().map_or(0, str::len),
        };
        self.rows += 1;
        self.bytes = self.bytes.saturating_add(check_value(Some(bytes))?);
        if self.rows > 1 && self.bytes > MAX_BATCH_BYTES {
            return Err(SqlError::new(state::OUT_OF_MEMORY, "out of memory")
                .detail("The values that a function makes do not fit in memory together.")
                .hint("Make the values shorter, or filter the rows first."));
        }
        Ok(())
    }
}
