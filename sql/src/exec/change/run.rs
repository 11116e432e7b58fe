//! Carrying an UPDATE or DELETE out.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, UInt64Type};

use super::{Change, ChangePlan};
use crate::error::{SqlError, state};
use crate::exec::expr::Values;
use crate::exec::family::{Member, Replaced};
use crate::exec::insert::set;
use crate::exec::others::joined;
use crate::exec::returned::Returned;
use crate::exec::row_values::BoundValues;
use crate::exec::view_target::BoundView;
use crate::exec::write::{Locked, StatementWriter};
use crate::query::{OutputColumn, RowOverride, Run, StoredRow};
use crate::txn::LockMode;
use crate::types::{Datum, PgType};

/// Columns that the SELECT gives before the new values: key, version, row, table.
const HIDDEN: usize = 4;

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
    /// The table that it is in.
    pub(crate) table: u32,
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
    let target = hidden_row(batch, 0, at).map(|row| FoundRow {
        table: row.table,
        key: row.key,
        csn: row.csn,
        stored: row.stored,
    });
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

/// The table that a row is in, in the column that says it.
pub(crate) fn table_at(batch: &RecordBatch, column: usize, at: usize) -> Option<u32> {
    let array = batch.columns().get(column)?;
    match crate::query::datum_at(array, at, PgType::Oid) {
        Ok(Datum::Oid(oid)) => Some(oid),
        _ => None,
    }
}

/// Key, version, stored form and table of a row, in the columns from `first` on;
/// none where an outer join has no row.
pub(crate) fn hidden_row(batch: &RecordBatch, first: usize, at: usize) -> Option<StoredRow> {
    Some(StoredRow {
        key: bytes_at(batch, first, at)?,
        csn: csn_at(batch, first + 1, at)?,
        stored: bytes_at(batch, first + 2, at)?,
        table: table_at(batch, first + 3, at)?,
    })
}

/// Where a statement runs.
struct Place<'a, 'w, 'r> {
    run: &'a Run,
    writer: &'a mut StatementWriter<'w>,
    values: &'a Values<'a>,
    returned: &'a mut Returned<'r>,
    view: Option<BoundView<'a>>,
}

impl Place<'_, '_, '_> {
    /// Gives a row of the target, and those it was joined with, to RETURNING.
    async fn give(&mut self, row: &[Datum], others: &[Vec<Datum>]) -> Result<(), SqlError> {
        match &self.view {
            None => self.returned.row(&joined(row, others)).await,
            Some(view) => {
                let shown = view.row(row, self.values).await?;
                self.returned.row(&joined(&shown, others)).await
            }
        }
    }
}

/// A row to change: its key, its state as it is stored and as the target has it, what
/// it becomes, the rows it is joined with.
struct ToChange {
    key: Vec<u8>,
    own: Vec<Datum>,
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
            view: self.view.as_ref().map(|view| view.bind(run)).transpose()?,
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
        let member = place.writer.member(&self.table, row.table)?;
        // A join may give a row several times: it changes once.
        if place.writer.already_changed(&member.table, &row.key) {
            return Ok(false);
        }
        let mut to_change = self.with_values(&row, &member, found.values, place.values)?;
        let mode = self.lock_mode(&to_change, &member)?;
        let locked = place
            .writer
            .lock_row(&member.table, &row.key, row.csn, mode)
            .await?;
        match locked {
            Locked::Gone => return Ok(false),
            Locked::Same => {}
            Locked::Changed { csn, stored } => {
                if let Change::Update(columns) = &self.change {
                    // Its new values may move the key where the old ones did not.
                    let table = &member.table;
                    let columns = member.own_columns(columns)?;
                    let mode = StatementWriter::update_mode(table, &columns);
                    place.writer.lock_again(table, &row.key, mode).await?;
                }
                let newest = FoundRow {
                    table: row.table,
                    key: row.key,
                    csn,
                    stored,
                };
                let others = to_change.others;
                match self.recheck((newest, &member), others, place).await? {
                    Some(again) => to_change = again,
                    None => return Ok(false),
                }
            }
        }
        self.apply(to_change, &member, place).await?;
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
        member: &Member,
        found: Vec<Datum>,
        values: &Values<'_>,
    ) -> Result<ToChange, SqlError> {
        let (assigned, others) = self.split(found);
        let own = member.table.decode(&row.stored)?;
        let old = member.as_target(&own);
        Ok(ToChange {
            key: row.key.clone(),
            new: self.new_row(&old, assigned, values)?,
            own,
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

    fn lock_mode(&self, row: &ToChange, member: &Member) -> Result<LockMode, SqlError> {
        match (&self.change, &row.new) {
            (Change::Update(columns), Some(new)) => {
                let new = member.changed(&row.own, new, columns)?;
                Ok(StatementWriter::mode_between(&member.table, &row.own, &new))
            }
            _ => Ok(LockMode::RowUpdate),
        }
    }

    async fn apply(
        &self,
        row: ToChange,
        member: &Member,
        place: &mut Place<'_, '_, '_>,
    ) -> Result<(), SqlError> {
        match (&self.change, row.new) {
            (Change::Update(columns), Some(mut new)) => {
                place.writer.generate(&self.table, &mut new)?;
                let replaced = Replaced {
                    key: &row.key,
                    old: &row.own,
                    new: &new,
                    columns,
                };
                let now = place.writer.replace(&self.table, member, replaced).await?;
                if let Some(table) = new.last_mut() {
                    *table = Datum::Oid(now);
                }
                if let Some(view) = &place.view {
                    view.check(&new, place.values).await?;
                }
                place.give(&new, &row.others).await
            }
            _ => {
                place
                    .writer
                    .delete(&member.table, &row.key, &row.own)
                    .await?;
                place.give(&row.old, &row.others).await
            }
        }
    }

    /// Looks at a row again, in its newest version.
    async fn recheck(
        &self,
        (row, member): (FoundRow, &Member),
        others: Vec<Vec<Datum>>,
        place: &Place<'_, '_, '_>,
    ) -> Result<Option<ToChange>, SqlError> {
        let (run, values) = (place.run, place.values);
        let Some(with) = &self.joined else {
            return self.recheck_alone((row, member), run, values).await;
        };
        let Some(again) = &with.again else {
            return Err(SqlError::new(
                state::T_R_SERIALIZATION_FAILURE,
                "could not serialize access due to concurrent update",
            )
            .detail("The statement names a column that a join merged.")
            .hint("Retry the transaction, or qualify the column."));
        };
        let own = member.table.decode(&row.stored)?;
        let old = member.as_target(&own);
        let shown = match &place.view {
            None => None,
            Some(view) => match view.shown(&old, values).await? {
                Some(shown) => Some(shown),
                None => return Ok(None),
            },
        };
        let rows = joined(shown.as_deref().unwrap_or(&old), &others);
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
            own,
            old,
            others,
        }))
    }

    /// Runs the query again with only the newest version of one row in the target.
    /// Everything else is what the statement saw when it started.
    async fn recheck_alone(
        &self,
        (row, member): (FoundRow, &Member),
        run: &Run,
        values: &Values<'_>,
    ) -> Result<Option<ToChange>, SqlError> {
        let row = StoredRow {
            table: row.table,
            key: row.key,
            csn: row.csn,
            stored: row.stored,
        };
        let again = Run {
            replace: Some(RowOverride::first(vec![row])),
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
            return self
                .with_values(&row, member, found.values, values)
                .map(Some);
        }
        Ok(None)
    }
}
