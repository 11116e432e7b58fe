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

/// The target of a change, the table with hidden columns, shows only these rows: a
/// READ COMMITTED statement that waited for a row checks its WHERE again on the
/// newest version of that row. Other mentions of the table show what they did.
#[derive(Debug, Clone)]
pub struct RowOverride {
    /// Row key, commit sequence number, stored row.
    pub rows: Vec<(Vec<u8>, u64, Vec<u8>)>,
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
