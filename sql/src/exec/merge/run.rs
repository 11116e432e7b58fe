//! Carrying MERGE out.

use super::{Action, Clause, MergePlan};
use crate::error::{SqlError, state};
use crate::exec::change::{FoundRow, found_at};
use crate::exec::expr::Values;
use crate::exec::family::Replaced;
use crate::exec::insert::{BoundDefaults, set};
use crate::exec::others::joined;
use crate::exec::row_values::BoundValues;
use crate::exec::write::{Locked, StatementWriter};
use crate::query::Run;
use crate::txn::LockMode;
use crate::types::Datum;

/// A WHEN clause of one execution.
struct BoundClause<'a> {
    condition: Option<BoundValues<'a>>,
    action: BoundAction<'a>,
}

enum BoundAction<'a> {
    Nothing,
    Delete,
    Update(&'a [u16], BoundValues<'a>),
    Insert {
        columns: &'a [u16],
        values: Option<BoundValues<'a>>,
        defaults: BoundDefaults<'a>,
    },
}

impl Clause {
    fn bind<'a>(&'a self, run: &'a Run) -> Result<BoundClause<'a>, SqlError> {
        let bind = |planned| BoundValues::planned(planned, run);
        Ok(BoundClause {
            condition: self.condition.as_ref().map(bind).transpose()?,
            action: match &self.action {
                Action::Nothing => BoundAction::Nothing,
                Action::Delete => BoundAction::Delete,
                Action::Update(columns, values) => BoundAction::Update(columns, bind(values)?),
                Action::Insert {
                    columns,
                    values,
                    defaults,
                } => BoundAction::Insert {
                    columns,
                    values: values.as_ref().map(bind).transpose()?,
                    defaults: defaults.bind(Some(&run.session))?,
                },
            },
        })
    }
}

/// The first clause whose condition holds for a row.
async fn fitting<'c, 'a>(
    clauses: &'c [BoundClause<'a>],
    row: &[&[Datum]],
    values: &Values<'_>,
) -> Result<Option<&'c BoundAction<'a>>, SqlError> {
    for clause in clauses {
        let holds = match &clause.condition {
            None => true,
            Some(condition) => condition.holds(row, values).await?,
        };
        if holds {
            return Ok(Some(&clause.action));
        }
    }
    Ok(None)
}

/// What one execution of a MERGE works with.
struct Merging<'a> {
    plan: &'a MergePlan,
    condition: BoundValues<'a>,
    matched: Vec<BoundClause<'a>>,
    not_matched: Vec<BoundClause<'a>>,
}

impl MergePlan {
    /// Carries the MERGE out as `run` says. Returns how many rows changed.
    ///
    /// # Errors
    /// 21000 when a row would change twice; whatever a row may violate, lock errors,
    /// and what the query may fail with.
    pub(crate) async fn run(
        &self,
        run: &Run,
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
    ) -> Result<u64, SqlError> {
        let merging = Merging {
            plan: self,
            condition: BoundValues::planned(&self.condition, run)?,
            matched: bind_all(&self.matched, run)?,
            not_matched: bind_all(&self.not_matched, run)?,
        };
        let mut count = 0;
        let mut stream = self.query.execute(run.clone()).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            for at in 0..batch.num_rows() {
                let found = found_at(&batch, self.query.columns(), at)?;
                let source = self.source.rows(found.values);
                let changed = match found.target {
                    Some(row) => merging.matched(row, &source, writer, values).await?,
                    None => merging.not_matched(&source, writer, values).await?,
                };
                count += u64::from(changed);
            }
        }
        Ok(count)
    }
}

fn bind_all<'a>(clauses: &'a [Clause], run: &'a Run) -> Result<Vec<BoundClause<'a>>, SqlError> {
    clauses.iter().map(|clause| clause.bind(run)).collect()
}

impl Merging<'_> {
    /// A source row with a partner. Whether something changed.
    async fn matched(
        &self,
        row: FoundRow,
        source: &[Vec<Datum>],
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
    ) -> Result<bool, SqlError> {
        let target = &self.plan.table;
        let member = writer.member(target, row.table)?;
        let table = &member.table;
        let mut own = table.decode(&row.stored)?;
        let mut old = member.as_target(&own);
        let fitting_now = fitting(&self.matched, &joined(&old, source), values).await?;
        let mode = match fitting_now {
            None | Some(BoundAction::Nothing) => return Ok(false),
            Some(BoundAction::Update(columns, _)) => {
                StatementWriter::update_mode(table, &member.own_columns(columns)?)
            }
            Some(_) => LockMode::RowUpdate,
        };
        if writer.already_changed(table, &row.key) {
            return Err(SqlError::new(
                state::CARDINALITY_VIOLATION,
                "MERGE command cannot affect row a second time",
            )
            .hint("Ensure that not more than one source row matches any one target row."));
        }
        match writer.lock_row(table, &row.key, row.csn, mode).await? {
            Locked::Same => {}
            Locked::Gone => return self.not_matched(source, writer, values).await,
            Locked::Changed { stored, .. } => {
                own = table.decode(&stored)?;
                old = member.as_target(&own);
                let still = self.condition.holds(&joined(&old, source), values).await?;
                if !still {
                    return self.not_matched(source, writer, values).await;
                }
                // Another clause may fit now, and need a stronger lock.
                writer
                    .lock_again(table, &row.key, LockMode::RowUpdate)
                    .await?;
            }
        }
        let rows = joined(&old, source);
        match fitting(&self.matched, &rows, values).await? {
            None | Some(BoundAction::Nothing | BoundAction::Insert { .. }) => Ok(false),
            Some(BoundAction::Delete) => {
                writer.delete(table, &row.key, &own).await?;
                Ok(true)
            }
            Some(BoundAction::Update(columns, assigned)) => {
                let assigned = assigned.of(&rows, values).await?;
                let mut new = old.clone();
                for (attnum, value) in columns.iter().zip(assigned) {
                    set(&mut new, target, *attnum, value, values.format)?;
                }
                writer.generate(target, &mut new)?;
                let replaced = Replaced {
                    key: &row.key,
                    old: &own,
                    new: &new,
                    columns,
                };
                writer.replace(target, &member, replaced).await?;
                Ok(true)
            }
        }
    }

    /// A source row without a partner. Whether something changed.
    async fn not_matched(
        &self,
        source: &[Vec<Datum>],
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
    ) -> Result<bool, SqlError> {
        let rows: Vec<&[Datum]> = source.iter().map(Vec::as_slice).collect();
        let Some(BoundAction::Insert {
            columns,
            values: inserted,
            defaults,
        }) = fitting(&self.not_matched, &rows, values).await?
        else {
            return Ok(false);
        };
        let table = &self.plan.table;
        let mut row = vec![Datum::Null; table.desc.columns.len()];
        if let Some(inserted) = inserted {
            let inserted = inserted.of(&rows, values).await?;
            for (attnum, value) in columns.iter().zip(inserted) {
                set(&mut row, table, *attnum, value, values.format)?;
            }
        }
        defaults.fill(&mut row, table, values)?;
        writer.insert(table, &mut row).await?;
        Ok(true)
    }
}
