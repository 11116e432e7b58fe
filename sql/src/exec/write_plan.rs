//! Any planned statement that changes rows.

use super::change::ChangePlan;
use super::expr::Values;
use super::insert::InsertPlan;
use super::merge::MergePlan;
use super::returned::Returned;
use super::returning::Returning;
use super::table::TableInfo;
use super::write::StatementWriter;
use crate::error::SqlError;
use crate::query::{PlannedQuery, Run};
use crate::session::FieldDescription;

/// A planned INSERT, UPDATE, DELETE or MERGE.
#[derive(Debug)]
pub(crate) enum WritePlan {
    /// INSERT.
    Insert(InsertPlan),
    /// UPDATE.
    Update(ChangePlan),
    /// DELETE.
    Delete(ChangePlan),
    /// MERGE.
    Merge(MergePlan),
}

impl WritePlan {
    /// The table it changes.
    pub(crate) fn table(&self) -> &TableInfo {
        match self {
            Self::Insert(insert) => &insert.table,
            Self::Update(change) | Self::Delete(change) => &change.table,
            Self::Merge(merge) => &merge.table,
        }
    }

    /// Its name, as errors say it.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Insert(_) => "INSERT",
            Self::Update(_) => "UPDATE",
            Self::Delete(_) => "DELETE",
            Self::Merge(_) => "MERGE",
        }
    }

    /// The command tag before the number of rows.
    pub(crate) fn tag(&self) -> &'static str {
        match self {
            Self::Insert(_) => "INSERT 0",
            other => other.verb(),
        }
    }

    /// What it returns of each row.
    pub(crate) fn returning(&self) -> Option<&Returning> {
        match self {
            Self::Insert(insert) => insert.returning.as_ref(),
            Self::Update(change) | Self::Delete(change) => change.returning.as_ref(),
            Self::Merge(_) => None,
        }
    }

    /// The columns of the result, if there is one.
    ///
    /// # Errors
    /// XX000 when the plan names a column that is not there.
    pub(crate) fn fields(&self) -> Result<Option<Vec<FieldDescription>>, SqlError> {
        self.returning().map(|r| r.fields(self.table())).transpose()
    }

    /// The query that says which rows change, or gives them.
    pub(crate) fn query(&self) -> Option<&PlannedQuery> {
        match self {
            Self::Insert(insert) => insert.query(),
            Self::Update(change) | Self::Delete(change) => Some(&change.query),
            Self::Merge(merge) => Some(&merge.query),
        }
    }

    /// The stored tables that are read on the way.
    pub(crate) fn tables_read(&self) -> Vec<u32> {
        match self {
            Self::Insert(insert) => insert.tables_read(),
            Self::Update(change) | Self::Delete(change) => change.tables_read(),
            Self::Merge(merge) => merge.tables_read(),
        }
    }

    /// Whether carrying it out takes more than simple expressions.
    pub(crate) fn needs_run(&self) -> bool {
        match self {
            Self::Insert(insert) => insert.needs_run(),
            Self::Update(_) | Self::Delete(_) | Self::Merge(_) => true,
        }
    }

    /// Carries it out; `run` is there when [`Self::needs_run`] says so. Returns how
    /// many rows were changed.
    ///
    /// # Errors
    /// Whatever a row may violate, lock errors, and what queries may fail with.
    pub(crate) async fn run(
        &self,
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
        run: Option<&Run>,
        returned: &mut Returned<'_>,
    ) -> Result<u64, SqlError> {
        match (self, run) {
            (Self::Insert(insert), run) => insert.run(writer, values, run, returned).await,
            (Self::Update(change) | Self::Delete(change), Some(run)) => {
                change.run(run, writer, values, returned).await
            }
            (Self::Merge(merge), Some(run)) => merge.run(run, writer, values).await,
            (_, None) => Err(SqlError::internal("a change without a run")),
        }
    }
}
