//! SELECT: from the AST to record batches.
//!
//! DataFusion plans and runs queries. This module gives it PostgreSQL's meaning:
//! names and types are resolved as PostgreSQL resolves them ([`plan`]), stored
//! tables are read through a read view ([`scan`]), functions and operators that
//! differ are replaced ([`functions`]), errors carry PostgreSQL's SQLSTATE
//! ([`error`]). DataFusion never runs INSERT, UPDATE or DELETE.

mod apply;
mod arrow_value;
mod bound;
mod cast;
mod catalog_table;
mod columns;
mod compact;
mod effort;
mod engine;
mod error;
mod explain;
mod functions;
mod memory;
mod optimizer;
mod pass;
mod plan;
mod planned;
mod row_expr;
mod row_value;
mod run;
mod scan;
mod sequence_table;
mod session_info;
mod spill;
mod stop;
mod stream;
#[cfg(test)]
mod tests;
mod unseen;
mod window_names;

pub use arrow_value::datum_at;
pub use bound::BoundRows;
pub(crate) use bound::InMemory;
pub(crate) use columns::ColumnCache;
pub(crate) use compact::compacted_batch as compacted;
pub use engine::{QueryEngine, QueryEngineOptions};
pub(crate) use functions::{call_signature, is_aggregate, quote_ident};
pub use plan::{Hidden, PlanContext, RowTarget, ViewScope};
pub(crate) use plan::{
    RoutineCall, assignable, bare, element_assignment, first_row_or_null, implicit, output_name,
    query_of, routine_call, routine_result, star_from, unify,
};
pub use planned::{OutputColumn, PlannedQuery};
pub(crate) use row_expr::{Place, PlannedExpressions, RowEvaluator, RowRelation};
pub use run::{RowOverride, Run, StoredRow};
pub(crate) use sequence_table::SEQUENCE_COLUMNS;
pub use session_info::SessionInfo;
pub(crate) use spill::ScratchFile;
pub use stream::QueryStream;
