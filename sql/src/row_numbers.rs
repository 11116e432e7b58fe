//! Numbers for rows of tables without a primary key.

use std::collections::HashMap;

use kimberlite_storage::TenantId;
use parking_lot::Mutex;

use crate::error::SqlError;
use crate::txn::StreamKey;

/// A table's rows.
type Rows = (TenantId, StreamKey);

/// One counter a table, so at most as many as tables. A counter is never forgotten while
/// its epoch lasts: a number may be in use by a transaction that has not committed. In the
/// next epoch that transaction cannot commit any more, and another replica may have given
/// numbers in between.
#[derive(Debug, Default)]
pub(crate) struct RowNumbers(Mutex<OfEpoch>);

#[derive(Debug, Default)]
struct OfEpoch {
    epoch: u64,
    /// The next number of each table.
    next: HashMap<Rows, u64>,
}

impl RowNumbers {
    /// The next number in an epoch; `last` reads the key of the last row there is.
    ///
    /// # Errors
    /// 40001 in an epoch that is over; what `last` returned.
    pub(crate) fn next(
        &self,
        epoch: u64,
        rows: Rows,
        last: impl FnOnce() -> Result<Option<Vec<u8>>, SqlError>,
    ) -> Result<u64, SqlError> {
        let mut state = self.0.lock();
        if epoch < state.epoch {
            return Err(SqlError::epoch_over());
        }
        if epoch > state.epoch {
            state.next.clear();
            state.epoch = epoch;
        }
        let number = match state.next.get(&rows) {
            Some(next) => *next,
            None => last()?
                .and_then(|key| Some(u64::from_be_bytes(key.try_into().ok()?)))
                .map_or(1, |last| last + 1),
        };
        state.next.insert(rows, number + 1);
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use kimberlite_storage::Space;

    use super::*;

    #[test]
    fn an_epoch_begins_with_the_rows_there_are() {
        let rows = (
            TenantId([1; 16]),
            StreamKey {
                space: Space::Rows,
                stream: 9,
            },
        );
        let last = |n: u64| move || Ok(Some(n.to_be_bytes().to_vec()));
        let numbers = RowNumbers::default();
        assert_eq!(numbers.next(3, rows, || Ok(None)).unwrap(), 1);
        assert_eq!(numbers.next(3, rows, last(70)).unwrap(), 2);
        // Another replica led meanwhile.
        assert_eq!(numbers.next(5, rows, last(70)).unwrap(), 71);
        assert!(numbers.next(3, rows, last(0)).is_err());
        assert_eq!(numbers.next(5, rows, last(0)).unwrap(), 72);
    }
}
