//! ON CONFLICT.

use sqlparser::ast::{ConflictTarget, OnConflict, OnConflictAction};

use super::arbiters::{all, by_columns, by_constraint};
use crate::error::{SqlError, state};
use crate::exec::assignments::Assignments;
use crate::exec::expr::Values;
use crate::exec::family::{Member, Replaced};
use crate::exec::planning::Parameters;
use crate::exec::row_values::{BoundValues, RowValues};
use crate::exec::table::TableInfo;
use crate::exec::target::{Planning, column};
use crate::exec::upsert::{Arbiters, InTheWay, NewestRow};
use crate::exec::write::StatementWriter;
use crate::query::{Place, Run};
use crate::types::Datum;

/// The name of the row that was proposed for insertion.
const EXCLUDED: &str = "excluded";

/// What is done about rows that are in the way.
#[derive(Debug)]
pub(crate) struct ConflictPlan {
    arbiters: Arbiters,
    update: Option<UpdatePlan>,
}

/// DO UPDATE.
#[derive(Debug)]
struct UpdatePlan {
    columns: Vec<u16>,
    values: RowValues,
    condition: Option<RowValues>,
}

impl ConflictPlan {
    /// Plans an ON CONFLICT clause; `alias` is the name that the target goes by.
    ///
    /// # Errors
    /// 42P10 when no unique key fits the target, 42704 for an unknown constraint;
    /// what planning the expressions reports.
    pub(super) fn plan(
        clause: &OnConflict,
        table: &TableInfo,
        alias: &str,
        planning: &Planning,
        parameters: &mut Parameters,
    ) -> Result<Self, SqlError> {
        let arbiters = match (&clause.conflict_target, &clause.action) {
            (Some(ConflictTarget::Columns(names)), _) => by_columns(names, &table.desc)?,
            (Some(ConflictTarget::OnConstraint(name)), _) => by_constraint(name, &table.desc)?,
            (None, OnConflictAction::DoNothing) => all(&table.desc),
            (None, OnConflictAction::DoUpdate(_)) => {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                )
                .hint("For example, ON CONFLICT (column_name)."));
            }
        };
        let update = match &clause.action {
            OnConflictAction::DoNothing => None,
            OnConflictAction::DoUpdate(update) => {
                let set = Assignments::read(&update.assignments, table)?;
                let relations = (
                    (table.desc.as_ref(), alias),
                    Some((table.desc.as_ref(), EXCLUDED)),
                );
                let mut wanted = Vec::with_capacity(set.values.len());
                for (attnum, value) in set.columns.iter().zip(set.values) {
                    wanted.push((value, Some(column(table, *attnum)?.ty)));
                }
                let values =
                    RowValues::plan(&wanted, relations, Place::Update, planning, parameters)?;
                let condition = match &update.selection {
                    None => None,
                    Some(condition) => Some(RowValues::condition(
                        condition,
                        relations,
                        Place::Where,
                        planning,
                        parameters,
                    )?),
                };
                Some(UpdatePlan {
                    columns: set.columns,
                    values,
                    condition,
                })
            }
        };
        Ok(Self { arbiters, update })
    }

    fn expressions(&self) -> impl Iterator<Item = &RowValues> {
        let update = self.update.iter();
        update.flat_map(|u| std::iter::once(&u.values).chain(&u.condition))
    }

    /// Whether it takes a run to carry out.
    pub(super) fn is_computed(&self) -> bool {
        self.expressions().any(RowValues::is_computed)
    }

    /// The stored tables that subqueries read.
    pub(super) fn tables(&self) -> impl Iterator<Item = u32> + '_ {
        self.expressions().flat_map(|e| e.tables().iter().copied())
    }

    /// Makes it ready for one execution.
    ///
    /// # Errors
    /// What constant parts of the expressions may fail with.
    pub(super) fn bind<'a>(&'a self, run: Option<&'a Run>) -> Result<BoundConflict<'a>, SqlError> {
        let update = match &self.update {
            None => None,
            Some(update) => Some(BoundUpdate {
                columns: &update.columns,
                values: update.values.bind(run)?,
                condition: update.condition.as_ref().map(|c| c.bind(run)).transpose()?,
            }),
        };
        Ok(BoundConflict {
            arbiters: &self.arbiters,
            update,
        })
    }
}

/// ON CONFLICT of one execution.
pub(super) struct BoundConflict<'a> {
    arbiters: &'a Arbiters,
    update: Option<BoundUpdate<'a>>,
}

struct BoundUpdate<'a> {
    columns: &'a [u16],
    values: BoundValues<'a>,
    condition: Option<BoundValues<'a>>,
}

impl BoundConflict<'_> {
    /// Inserts a row, or does what is to be done instead. The row that is there now;
    /// nothing when none was inserted or updated.
    ///
    /// # Errors
    /// Whatever the row may violate, lock errors, and what expressions fail with.
    pub(super) async fn insert(
        &self,
        writer: &mut StatementWriter<'_>,
        table: &TableInfo,
        mut row: Vec<Datum>,
        values: &Values<'_>,
    ) -> Result<Option<Vec<Datum>>, SqlError> {
        writer.generate(table, &mut row)?;
        let (member, mut own) = writer.place_of(table, &row)?;
        let leaf = &member.table;
        let arbiters = self.arbiters.of_partition(table, leaf, writer)?;
        loop {
            let found = writer.insert_unless(leaf, &mut own, &arbiters).await?;
            let Some(found) = found else {
                let mut row = row;
                row.push(Datum::Oid(leaf.desc.oid));
                return Ok(Some(row));
            };
            let Some(update) = &self.update else {
                writer.check_visible(leaf, &found)?;
                return Ok(None);
            };
            let columns = member.own_columns(update.columns)?;
            let mode = StatementWriter::update_mode(leaf, &columns);
            let newest = writer
                .lock_in_the_way(leaf, &own, &found, &arbiters, mode)
                .await?;
            if let Some(newest) = newest {
                return update
                    .apply((writer, table, &member), &found, &newest, &row, values)
                    .await;
            }
            // The other row went away meanwhile.
        }
    }
}

impl BoundUpdate<'_> {
    async fn apply(
        &self,
        (writer, table, member): (&mut StatementWriter<'_>, &TableInfo, &Member),
        found: &InTheWay,
        newest: &NewestRow,
        excluded: &[Datum],
        values: &Values<'_>,
    ) -> Result<Option<Vec<Datum>>, SqlError> {
        let own = member.table.decode(&newest.stored)?;
        let mut old = member.as_target(&own);
        let oid = old.pop();
        let rows: [&[Datum]; 2] = [&old, excluded];
        if let Some(condition) = &self.condition
            && !condition.holds(&rows, values).await?
        {
            return Ok(None);
        }
        let mut new = old.clone();
        let assigned = self.values.of(&rows, values).await?;
        for (attnum, value) in self.columns.iter().zip(assigned) {
            super::set(&mut new, table, *attnum, value, values.format)?;
        }
        writer.generate(table, &mut new)?;
        let replaced = Replaced {
            key: &found.key,
            old: &own,
            new: &new,
            columns: self.columns,
        };
        writer.replace_in_place(member, replaced).await?;
        new.extend(oid);
        Ok(Some(new))
    }
}
