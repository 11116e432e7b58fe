//! Carrying an UPDATE or DELETE out.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, UInt64Type};

use super::{Change, ChangePlan};
use crate::error::{SqlError, state};
use crate::exec::expr::Values;
use crate::exec::insert::set;
use crate::exec::others::joined;
use crate::exec::returned::Returned;
use crate::exec::row_values::BoundValues;
use crate::exec::write::{Locked, StatementWriter};
use crate::query::{OutputColumn, RowOverride, Run, StoredRow};
use crate::txn::LockMode;
use crate::types::Datum;

/// Columns that the SELECT gives before the new values: key, version, row.
const HIDDEN: usize = 3;

/// A row that the SELECT gave.
pub(crate) struct Found {
    /// Key, version and stored form of the target's row; none when a row of another
    /// relation has no partner.
    pub(crate) target: Option<FoundRow>,
    /// What the SELECT gives beside.
    pub(crate) values: Vec<Datum>,
}

/// A row of the target.
pub(crate) struct FoundRow {
    pub(crate) key: Vec<u8>,
    pub(crate) csn: u64,
    pub(crate) stored: Vec<u8>,
}

/// The row at `at` of a batch with hidden columns.
///
/// # Errors
/// XX000 when the batch is of another kind.
pub(crate) fn found_at(
    batch: &RecordBatch,
    columns: &[OutputColumn],
    at: usize,
) -> Result<Found, SqlError> {
    let (key, stored) = (bytes_at(batch, 0, at), bytes_at(batch, 2, at));
    let target = match (key, csn_at(batch, 1, at), stored) {
        (Some(key), Some(csn), Some(stored)) => Some(FoundRow { key, csn, stored }),
        (None, None, None) => None,
        _ => return Err(SqlError::internal("the rows of a change lack their keys")),
    };
    let values = columns
        .iter()
        .zip(batch.columns())
        .skip(HIDDEN)
        .map(|(output, array)| crate::query::datum_at(array, at, output.pg_type))
        .collect::<Result<_, _>>()?;
    Ok(Found { target, values })
}

/// A value of one of the hidden binary columns.
fn bytes_at(batch: &RecordBatch, column: usize, at: usize) -> Option<Vec<u8>> {
    let array = batch.columns().get(column)?;
    if at >= array.len() || array.is_null(at) {
        return None;
    }
    if let Some(plain) = array.as_binary_opt::<i32>() {
        return Some(plain.value(at).to_vec());
    }
    array
        .as_binary_view_opt()
        .map(|view| view.value(at).to_vec())
}

/// The key in a column.
pub(crate) fn key_at(batch: &RecordBatch, column: usize, at: usize) -> Option<Vec<u8>> {
    bytes_at(batch, column, at)
}

/// The version of a row.
fn csn_at(batch: &RecordBatch, column: usize, at: usize) -> Option<u64> {
    let array = batch.columns().get(column)?;
    if at >= array.len() || array.is_null(at) {
        return None;
    }
    if let Some(unsigned) = array.as_primitive_opt::<UInt64Type>() {
        return Some(unsigned.value(at));
    }
    let signed = array.as_primitive_opt::<Int64Type>()?.value(at);
    u64::try_from(signed).ok()
}

/// Key, version and stored form of a row, in the three columns from `first` on;
/// none where an outer join has no row.
pub(crate) fn hidden_row(batch: &RecordBatch, first: usize, at: usize) -> Option<StoredRow> {
    Some((
        bytes_at(batch, first, at)?,
        csn_at(batch, first + 1, at)?,
        bytes_at(batch, first + 2, at)?,
    ))
}

/// Where a statement runs.
struct Place<'a, 'w, 'r> {
    run: &'a Run,
    writer: &'a mut StatementWriter<'w>,
    values: &'a Values<'a>,
    returned: &'a mut Returned<'r>,
}

/// A row to change: its key, its state, what it becomes, the rows it is joined with.
struct ToChange {
    key: Vec<u8>,
    old: Vec<Datum>,
    /// None when it goes.
    new: Option<Vec<Datum>>,
    others: Vec<Vec<Datum>>,
}

impl ChangePlan {
    /// Carries the change out as `run` says. Returns how many rows changed.
    ///
    /// # Errors
    /// Whatever a row may violate, lock errors, and what the query may fail with.
    pub(crate) async fn run(
        &self,
        run: &Run,
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
        returned: &mut Returned<'_>,
    ) -> Result<u64, SqlError> {
        let mut count = 0;
        let mut stream = self.query.execute(run.clone()).await?;
        let mut place = Place {
            run,
            writer,
            values,
            returned,
        };
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            for at in 0..batch.num_rows() {
                let found = found_at(&batch, self.query.columns(), at)?;
                if self.change_one(found, &mut place).await? {
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    async fn change_one(
        &self,
        found: Found,
        place: &mut Place<'_, '_, '_>,
    ) -> Result<bool, SqlError> {
        let Some(row) = found.target else {
            return Err(SqlError::internal("a change without a row"));
        };
        // A join may give a row several times: it changes once.
        if place.writer.already_changed(&self.table, &row.key) {
            return Ok(false);
        }
        let mut to_change = self.with_values(&row, found.values, place.values)?;
        let locked = place
            .writer
            .lock_row(&self.table, &row.key, row.csn, self.lock_mode(&to_change))
            .await?;
        match locked {
            Locked::Gone => return Ok(false),
            Locked::Same => {}
            Locked::Changed { csn, stored } => {
                if let Change::Update(columns) = &self.change {
                    // Its new values may move the key where the old ones did not.
                    let mode = StatementWriter::update_mode(&self.table, columns);
                    place.writer.lock_again(&self.table, &row.key, mode).await?;
                }
                let newest = FoundRow {
                    key: row.key,
                    csn,
                    stored,
                };
                let others = to_change.others;
                match self
                    .recheck(newest, others, place.run, place.values)
                    .await?
                {
                    Some(again) => to_change = again,
                    None => return Ok(false),
                }
            }
        }
        self.apply(to_change, place).await?;
        Ok(true)
    }

    /// New values and the rows of the other relations.
    fn split(&self, mut values: Vec<Datum>) -> (Vec<Datum>, Vec<Vec<Datum>>) {
        let assigned = match &self.change {
            Change::Update(columns) => columns.len(),
            Change::Delete => 0,
        };
        let others = values.split_off(assigned.min(values.len()));
        match &self.joined {
            None => (values, Vec::new()),
            Some(joined) => (values, joined.others.rows(others)),
        }
    }

    /// A row with what it becomes.
    fn with_values(
        &self,
        row: &FoundRow,
        found: Vec<Datum>,
        values: &Values<'_>,
    ) -> Result<ToChange, SqlError> {
        let (assigned, others) = self.split(found);
        let old = self.table.decode(&row.stored)?;
        Ok(ToChange {
            key: row.key.clone(),
            new: self.new_row(&old, assigned, values)?,
            old,
            others,
        })
    }

    fn new_row(
        &self,
        old: &[Datum],
        assigned: Vec<Datum>,
        values: &Values<'_>,
    ) -> Result<Option<Vec<Datum>>, SqlError> {
        let Change::Update(columns) = &self.change else {
            return Ok(None);
        };
        let mut new = old.to_vec();
        for (attnum, value) in columns.iter().zip(assigned) {
            set(&mut new, &self.table, *attnum, value, values.format)?;
        }
        Ok(Some(new))
    }

    fn lock_mode(&self, row: &ToChange) -> LockMode {
        match &row.new {
            Some(new) => StatementWriter::mode_between(&self.table, &row.old, new),
            None => LockMode::RowUpdate,
        }
    }

    async fn apply(&self, row: ToChange, place: &mut Place<'_, '_, '_>) -> Result<(), SqlError> {
        match (&self.change, row.new) {
            (Change::Update(columns), Some(new)) => {
                place
                    .writer
                    .update(&self.table, &row.key, &row.old, &new, columns)
                    .await?;
                place.returned.row(&joined(&new, &row.others)).await
            }
            _ => {
                place.writer.delete(&self.table, &row.key, &row.old).await?;
                place.returned.row(&joined(&row.old, &row.others)).await
            }
        }
    }

    /// Looks at a row again, in its newest version.
    async fn recheck(
        &self,
        row: FoundRow,
        others: Vec<Vec<Datum>>,
        run: &Run,
        values: &Values<'_>,
    ) -> Result<Option<ToChange>, SqlError> {
        let Some(with) = &self.joined else {
            return self.recheck_alone(row, run, values).await;
        };
        let Some(again) = &with.again else {
            return Err(SqlError::new(
                state::T_R_SERIALIZATION_FAILURE,
                "could not serialize access due to concurrent update",
            )
            .detail("The statement names a column that a join merged.")
            .hint("Retry the transaction, or qualify the column."));
        };
        let old = self.table.decode(&row.stored)?;
        let rows = joined(&old, &others);
        if let Some(condition) = &again.condition {
            let condition = BoundValues::planned(condition, run)?;
            if !condition.holds(&rows, values).await? {
                return Ok(None);
            }
        }
        let assigned = match &again.values {
            None => Vec::new(),
            Some(planned) => {
                let planned = BoundValues::planned(planned, run)?;
                planned.of(&rows, values).await?
            }
        };
        Ok(Some(ToChange {
            key: row.key,
            new: self.new_row(&old, assigned, values)?,
            old,
            others,
        }))
    }

    /// Runs the query again with only the newest version of one row in the target.
    /// Everything else is what the statement saw when it started.
    async fn recheck_alone(
        &self,
        row: FoundRow,
        run: &Run,
        values: &Values<'_>,
    ) -> Result<Option<ToChange>, SqlError> {
        let again = Run {
            replace: Some(RowOverride::first(vec![(row.key, row.csn, row.stored)])),
            ..run.clone()
        };
        let mut stream = self.query.execute(again).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let found = found_at(&batch, self.query.columns(), 0)?;
            let Some(row) = found.target else {
                return Err(SqlError::internal("a change without a row"));
            };
            return self.with_values(&row, found.values, values).map(Some);
        }
        Ok(None)
    }
}
