//! The rows of a SELECT … FOR UPDATE, locked as they are read.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;

use super::row_locks::{HIDDEN, LockingPlan};
use crate::error::{SqlError, state};
use crate::exec::change::hidden_row;
use crate::exec::returned::Kept;
use crate::exec::table::TableInfo;
use crate::exec::write::{Locked, RowLocked, StatementWriter};
use crate::query::{QueryStream, RowOverride, Run, StoredRow, datum_at};
use crate::txn::{LockMode, OWN_CSN};
use crate::types::Datum;

/// A running query whose rows are locked before they are given.
pub(crate) struct LockedRows {
    plan: Arc<LockingPlan>,
    run: Run,
    stream: QueryStream,
    skip: u64,
    left: Option<u64>,
    ready: VecDeque<RecordBatch>,
    /// What was read and not looked at.
    waiting: Option<RecordBatch>,
    /// Rows that are locked together.
    together: usize,
    done: bool,
}

/// What became of a row.
enum Verdict {
    Keep,
    Drop,
    Replace(RecordBatch),
}

impl LockedRows {
    /// Starts the query of a locking plan.
    ///
    /// # Errors
    /// 08P01 for a wrong number of parameters.
    pub(crate) async fn start(
        plan: Arc<LockingPlan>,
        run: Run,
        (skip, left): (u64, Option<u64>),
    ) -> Result<Self, SqlError> {
        let stream = plan.query.execute(run.clone()).await?;
        Ok(Self {
            plan,
            run,
            stream,
            skip,
            done: left == Some(0),
            left,
            ready: VecDeque::new(),
            waiting: None,
            together: usize::MAX,
        })
    }

    /// The same, locking each row only when it is asked for.
    pub(super) fn one_at_a_time(mut self) -> Self {
        self.together = 1;
        self
    }

    /// The next rows to look at.
    async fn read(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        let batch = match self.waiting.take() {
            Some(batch) => batch,
            None => match self.stream.next().await? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        if batch.num_rows() <= self.together {
            return Some(Ok(batch));
        }
        let rest = batch.num_rows() - self.together;
        self.waiting = Some(batch.slice(self.together, rest));
        Some(Ok(batch.slice(0, self.together)))
    }

    /// The next rows, with their hidden columns; `None` after the last.
    pub(crate) async fn next(
        &mut self,
        writer: &mut StatementWriter<'_>,
    ) -> Option<Result<RecordBatch, SqlError>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            if self.done {
                return None;
            }
            let read = match self.read().await {
                None => {
                    self.done = true;
                    continue;
                }
                Some(Ok(batch)) => self.lock_batch(writer, &batch).await,
                Some(Err(error)) => Err(error),
            };
            if let Err(error) = read {
                self.done = true;
                return Some(Err(error));
            }
        }
    }

    /// All rows that are left, without their hidden columns.
    ///
    /// # Errors
    /// Whatever the query fails with; 53200 when they are too many to keep.
    pub(crate) async fn all(
        &mut self,
        writer: &mut StatementWriter<'_>,
    ) -> Result<Vec<Vec<Datum>>, SqlError> {
        let mut kept = Kept::default();
        let plan = self.plan.clone();
        while let Some(batch) = self.next(writer).await {
            let batch = batch?;
            for at in 0..batch.num_rows() {
                let values = plan.columns().iter().zip(batch.columns());
                let row = values
                    .map(|(column, array)| datum_at(array, at, column.pg_type))
                    .collect::<Result<Vec<_>, _>>()?;
                kept.add(row)?;
            }
        }
        Ok(kept.rows())
    }

    async fn lock_batch(
        &mut self,
        writer: &mut StatementWriter<'_>,
        batch: &RecordBatch,
    ) -> Result<(), SqlError> {
        let plan = self.plan.clone();
        // Rows from `start` on whose fate is in `keep`.
        let (mut start, mut keep) = (0, Vec::new());
        for at in 0..batch.num_rows() {
            if self.left == Some(0) {
                self.done = true;
                break;
            }
            let mut verdict = self.lock_one(writer, &plan, batch, at).await?;
            if !matches!(verdict, Verdict::Drop) {
                if self.skip > 0 {
                    self.skip -= 1;
                    verdict = Verdict::Drop;
                } else if let Some(left) = &mut self.left {
                    *left -= 1;
                }
            }
            match verdict {
                Verdict::Keep => keep.push(true),
                Verdict::Drop => keep.push(false),
                Verdict::Replace(row) => {
                    self.give(batch, start, std::mem::take(&mut keep))?;
                    start = at + 1;
                    self.ready.push_back(row);
                }
            }
        }
        if self.left == Some(0) {
            self.done = true;
        }
        self.give(batch, start, keep)
    }

    fn give(&mut self, batch: &RecordBatch, start: usize, keep: Vec<bool>) -> Result<(), SqlError> {
        if !keep.contains(&true) {
            return Ok(());
        }
        let part = batch.slice(start, keep.len());
        let kept = filter_record_batch(&part, &BooleanArray::from(keep))
            .map_err(|e| SqlError::internal(e.to_string()))?;
        self.ready.push_back(kept);
        Ok(())
    }

    async fn lock_one(
        &self,
        writer: &mut StatementWriter<'_>,
        plan: &LockingPlan,
        batch: &RecordBatch,
        at: usize,
    ) -> Result<Verdict, SqlError> {
        let mut rows = Vec::with_capacity(plan.targets.len());
        for number in 0..plan.targets.len() {
            rows.push(hidden_row(batch, plan.visible() + HIDDEN * number, at));
        }
        let mut changed = false;
        for (target, row) in plan.targets.iter().zip(&mut rows) {
            let (Some((mode, busy)), Some(row)) = (target.lock, row) else {
                continue;
            };
            let member = writer.member(&target.table, row.table)?;
            // What the statement itself has changed is past locking.
            if writer.already_changed(&member.table, &row.key) {
                return Ok(Verdict::Drop);
            }
            let locked = writer
                .lock_row_or(&member.table, (&row.key, row.csn), mode, busy)
                .await?;
            match locked {
                RowLocked::Busy => return Ok(Verdict::Drop),
                RowLocked::Is(Locked::Same) => {}
                RowLocked::Is(Locked::Gone) => return Ok(Verdict::Drop),
                // A cursor came to it after its own transaction had changed it.
                RowLocked::Is(Locked::Changed { csn: OWN_CSN, .. }) => return Ok(Verdict::Drop),
                RowLocked::Is(Locked::Changed { csn, stored }) => {
                    if mode == LockMode::RowKeyShare
                        && same_keys(&member.table, &row.stored, &stored)?
                    {
                        // Only its key is to stay, and it did.
                        continue;
                    }
                    (row.csn, row.stored) = (csn, stored);
                    changed = true;
                }
            }
        }
        if !changed {
            return Ok(Verdict::Keep);
        }
        self.recheck(plan, rows).await
    }

    /// Runs the query again with these rows alone in its tables.
    async fn recheck(
        &self,
        plan: &LockingPlan,
        rows: Vec<Option<StoredRow>>,
    ) -> Result<Verdict, SqlError> {
        let tables = rows
            .into_iter()
            .map(|row| Some(row.into_iter().collect()))
            .collect();
        let again = Run {
            replace: Some(RowOverride { tables }),
            ..self.run.clone()
        };
        let mut stream = plan.query.execute(again).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            if batch.num_rows() > 0 {
                return Ok(Verdict::Replace(batch.slice(0, 1)));
            }
        }
        Ok(Verdict::Drop)
    }
}

/// Whether two versions of a row have the same values in all unique keys.
fn same_keys(table: &TableInfo, before: &[u8], after: &[u8]) -> Result<bool, SqlError> {
    let (before, after) = (table.decode(before)?, table.decode(after)?);
    let unique = table.desc.indexes.iter().filter(|i| i.unique);
    // Of what is computed, the columns that it is computed from count.
    let computed = |i: &crate::catalog::IndexDescriptor| {
        let parts = i.computed().flat_map(|part| part.columns.clone());
        parts.collect::<Vec<u16>>()
    };
    let mut columns = unique.flat_map(|i| {
        let plain = i.columns.iter().copied().filter(|c| *c > 0);
        plain.chain(computed(i)).collect::<Vec<u16>>()
    });
    Ok(columns.all(|c| {
        crate::exec::table::datum_at(&before, c) == crate::exec::table::datum_at(&after, c)
    }))
}

/// The error for a row that may not be waited for.
pub(crate) fn busy(table: &str) -> SqlError {
    SqlError::new(
        state::LOCK_NOT_AVAILABLE,
        format!("could not obtain lock on row in relation \"{table}\""),
    )
}
