//! What one execution of a planned query needs.

use std::sync::Arc;

use super::bound::BoundRows;
use super::columns::ColumnCache;
use super::session_info::SessionInfo;
use crate::cancel::Cancellation;
use crate::txn::ReadView;
use crate::types::Datum;

/// One execution: what it sees, its parameters and its limits.
#[derive(Debug, Clone)]
pub struct Run {
    /// What the query sees.
    pub view: ReadView,
    /// Values of `$1`, `$2`, …, of the types the plan reports.
    pub params: Vec<Datum>,
    /// Rows that stand in for those of the target of a change, if any.
    pub replace: Option<RowOverride>,
    /// Rows of the relations that are bound to this run.
    pub bound: BoundRows,
    /// The session.
    pub session: Arc<SessionInfo>,
    /// Asks the query to stop.
    pub cancel: Cancellation,
    /// Bytes a sort or hash table may hold before it spills (`work_mem`).
    pub work_mem: usize,
}

/// A stored row and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The table that it is in, by object identifier.
    pub table: u32,
    /// Its key.
    pub key: Vec<u8>,
    /// Commit sequence number of this version.
    pub csn: u64,
    /// The row.
    pub stored: Vec<u8>,
}

/// Tables with hidden columns show only these rows: a READ COMMITTED statement that
/// waited for a row checks its WHERE again on the newest version of that row. Other
/// mentions of the tables show what they did.
#[derive(Debug, Clone)]
pub struct RowOverride {
    /// The rows of each such table, by its number; none for what it has.
    pub tables: Vec<Option<Vec<StoredRow>>>,
}

impl RowOverride {
    /// These rows in the first table.
    pub fn first(rows: Vec<StoredRow>) -> Self {
        Self {
            tables: vec![Some(rows)],
        }
    }

    /// The rows of table number `target`, if they are replaced.
    pub(super) fn of(&self, target: Option<usize>) -> Option<&[StoredRow]> {
        self.tables.get(target?)?.as_deref()
    }
}

/// What a scan finds in its task context.
#[derive(Debug, Clone)]
pub(super) struct RunContext {
    pub(super) view: ReadView,
    pub(super) replace: Option<Arc<RowOverride>>,
    pub(super) bound: BoundRows,
    pub(super) cancel: Cancellation,
    pub(super) columns: Arc<ColumnCache>,
}
