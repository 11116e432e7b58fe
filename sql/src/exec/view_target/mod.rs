//! Changing rows through views.
//!
//! A view that selects from one table, or from another such view, stands for that
//! table's rows: they are found by a query over the view that also gives the key,
//! version and stored form of the row beneath, and what is changed is that row. What
//! statements name, and what RETURNING gives, are columns of the view; they are
//! computed from the table's row, view by view.

mod check;
mod resolve;
mod simple;

use std::sync::Arc;

use super::expr::Values;
use super::row_values::BoundValues;
use super::table::TableInfo;
use crate::error::{SqlError, state};
use crate::query::{PlannedExpressions, RowRelation, Run};
use crate::types::{Datum, PgType};

pub(crate) use check::{updatable_columns, why_not_updatable};
pub(crate) use resolve::resolve;
use simple::Origin;

/// What a statement does with a view, as messages say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    Insert,
    Update,
    Delete,
}

/// A view that a statement changes, and the table whose rows it changes.
#[derive(Debug)]
pub(crate) struct ViewTarget {
    /// Its name.
    pub(crate) name: String,
    /// The table.
    pub(crate) base: Arc<TableInfo>,
    /// The table as the view shows it: with the names that columns have in the view,
    /// and without those that it does not show.
    pub(crate) visible: Arc<TableInfo>,
    /// The table with the defaults that the view gives columns.
    pub(crate) full: Arc<TableInfo>,
    /// The columns of the view.
    pub(crate) columns: Vec<TargetColumn>,
    /// The views between the statement and the table, from the table upwards.
    levels: Vec<Level>,
    /// The views themselves.
    pub(crate) views: Vec<u32>,
}

/// A column of a view that is changed.
#[derive(Debug, Clone)]
pub(crate) struct TargetColumn {
    pub(crate) name: String,
    pub(crate) ty: PgType,
    /// The table's column, if it is one.
    pub(crate) attnum: Option<u16>,
}

/// One view, over rows of what is below it.
#[derive(Debug)]
struct Level {
    name: String,
    projection: PlannedExpressions,
    condition: Option<PlannedExpressions>,
    /// Whether new rows must fulfil the condition.
    checked: bool,
}

impl ViewTarget {
    /// The view's columns, for expressions over its rows.
    pub(crate) fn relation(&self, alias: &str) -> RowRelation {
        let columns = self.columns.iter();
        RowRelation::columns(alias, columns.map(|c| (c.name.clone(), c.ty)))
    }

    /// The table's columns that a statement names by the view's; all of the view when
    /// it names none.
    ///
    /// # Errors
    /// 42703 for an unknown column, 42701 for one named twice, 0A000 for one that is
    /// not the table's.
    pub(crate) fn column_list(&self, names: &[String], width: usize) -> Result<Vec<u16>, SqlError> {
        if names.is_empty() {
            let columns = self.columns.iter().take(width);
            return columns.map(|c| self.attnum(c, Through::Insert)).collect();
        }
        let mut attnums = Vec::with_capacity(names.len());
        for name in names {
            let attnum = self.named(name, Through::Insert)?;
            if attnums.contains(&attnum) {
                return Err(SqlError::new(
                    state::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            attnums.push(attnum);
        }
        Ok(attnums)
    }

    /// The table's column that the view has under a name.
    ///
    /// # Errors
    /// 42703 for an unknown column, 0A000 for one that is not the table's.
    pub(crate) fn named(&self, name: &str, through: Through) -> Result<u16, SqlError> {
        match self.columns.iter().find(|c| c.name == name) {
            Some(column) => self.attnum(column, through),
            None => Err(SqlError::new(
                state::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    self.name
                ),
            )),
        }
    }

    fn attnum(&self, column: &TargetColumn, through: Through) -> Result<u16, SqlError> {
        column.attnum.ok_or_else(|| {
            let doing = match through {
                Through::Insert => "insert into",
                Through::Update | Through::Delete => "update",
            };
            SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                format!(
                    "cannot {doing} column \"{}\" of view \"{}\"",
                    column.name, self.name
                ),
            )
            .detail("View columns that are not columns of their base relation are not updatable.")
        })
    }

    /// The stored tables that the views read on the way, and the views.
    pub(crate) fn tables(&self) -> impl Iterator<Item = u32> + '_ {
        let planned = self
            .levels
            .iter()
            .flat_map(|level| level.condition.iter().chain([&level.projection]));
        let read = planned.flat_map(|planned| planned.tables().iter().copied());
        read.chain(self.views.iter().copied())
    }

    /// Makes it ready for one execution.
    ///
    /// # Errors
    /// What constant parts of the views' expressions may fail with.
    pub(crate) fn bind<'a>(&'a self, run: &'a Run) -> Result<BoundView<'a>, SqlError> {
        let bind = |planned| BoundValues::planned(planned, run);
        let levels = self.levels.iter().map(|level| {
            Ok(BoundLevel {
                level,
                projection: bind(&level.projection)?,
                condition: level.condition.as_ref().map(bind).transpose()?,
            })
        });
        Ok(BoundView {
            base: &self.base,
            levels: levels.collect::<Result<_, SqlError>>()?,
        })
    }
}

/// A view that is changed, for one execution.
pub(crate) struct BoundView<'a> {
    base: &'a TableInfo,
    levels: Vec<BoundLevel<'a>>,
}

struct BoundLevel<'a> {
    level: &'a Level,
    projection: BoundValues<'a>,
    condition: Option<BoundValues<'a>>,
}

impl BoundView<'_> {
    /// The view's row for a row of the table; nothing when the view does not show it.
    ///
    /// # Errors
    /// Whatever an expression of a view fails with.
    pub(crate) async fn shown(
        &self,
        row: &[Datum],
        values: &Values<'_>,
    ) -> Result<Option<Vec<Datum>>, SqlError> {
        let mut row = row.to_vec();
        for level in &self.levels {
            if let Some(condition) = &level.condition
                && !condition.holds(&[&row], values).await?
            {
                return Ok(None);
            }
            row = level.projection.of(&[&row], values).await?;
        }
        Ok(Some(row))
    }

    /// The view's row for a row of the table, whether the view shows it or not.
    ///
    /// # Errors
    /// Whatever an expression of a view fails with.
    pub(crate) async fn row(
        &self,
        row: &[Datum],
        values: &Values<'_>,
    ) -> Result<Vec<Datum>, SqlError> {
        let mut row = row.to_vec();
        for level in &self.levels {
            row = level.projection.of(&[&row], values).await?;
        }
        Ok(row)
    }

    /// Checks a new row of the table against the conditions that WITH CHECK OPTION
    /// makes it fulfil.
    ///
    /// # Errors
    /// 44000.
    pub(crate) async fn check(&self, row: &[Datum], values: &Values<'_>) -> Result<(), SqlError> {
        let mut current = row.to_vec();
        for level in &self.levels {
            if let Some(condition) = &level.condition
                && level.level.checked
                && !condition.holds(&[&current], values).await?
            {
                return Err(check::violated(&level.level.name, self.base, row));
            }
            current = level.projection.of(&[&current], values).await?;
        }
        Ok(())
    }
}
