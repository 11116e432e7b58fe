//! MERGE, as PostgreSQL 15 has it.
//!
//! The source is joined with the target, from the right where rows without a partner
//! matter. Each row of the join goes through the WHEN clauses in order; the first one
//! that fits and whose condition holds says what happens. A target row that somebody
//! changed meanwhile is looked at again in its newest version: it still matches, or
//! the source row has no partner now.

mod plan;
mod run;

use std::sync::Arc;

use super::insert::Defaults;
use super::others::Others;
use super::table::TableInfo;
use crate::query::{PlannedExpressions, PlannedQuery};

pub(crate) use plan::plan;

/// A planned MERGE.
#[derive(Debug)]
pub(crate) struct MergePlan {
    pub(crate) table: Arc<TableInfo>,
    pub(crate) query: PlannedQuery,
    source: Others,
    /// ON, over a target row and its source row.
    condition: PlannedExpressions,
    matched: Vec<Clause>,
    not_matched: Vec<Clause>,
}

/// A WHEN clause.
#[derive(Debug)]
struct Clause {
    condition: Option<PlannedExpressions>,
    action: Action,
}

/// What a clause does.
#[derive(Debug)]
enum Action {
    Nothing,
    Delete,
    /// These columns get these values.
    Update(Vec<u16>, PlannedExpressions),
    /// A new row with these columns; the others get their defaults.
    Insert {
        columns: Vec<u16>,
        values: Option<PlannedExpressions>,
        defaults: Defaults,
    },
}

impl MergePlan {
    /// The stored tables that are read on the way.
    pub(crate) fn tables_read(&self) -> Vec<u32> {
        let mut tables = self.query.tables().to_vec();
        for clause in self.matched.iter().chain(&self.not_matched) {
            let values = match &clause.action {
                Action::Update(_, values) => Some(values),
                Action::Insert { values, .. } => values.as_ref(),
                Action::Nothing | Action::Delete => None,
            };
            let expressions = clause.condition.iter().chain(values);
            tables.extend(expressions.flat_map(PlannedExpressions::tables));
        }
        tables
    }
}
