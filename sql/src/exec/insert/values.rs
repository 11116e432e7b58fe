//! VALUES lists of INSERT.
//!
//! Each value is an expression of its own: rows need not agree on types. Simple
//! ones are compiled; all others are planned together and evaluated before the row
//! that needs them, and appear in the row's list as columns of what they gave.

use sqlparser::ast::{Expr, Parens, Query, SetExpr};

use super::defaults::default_of;
use crate::error::{SqlError, state};
use crate::exec::expr::{ScalarExpr, Scope, Values, compile};
use crate::exec::planning::Parameters;
use crate::exec::table::TableInfo;
use crate::exec::target::{Planning, column, default_expr};
use crate::query::{Place, PlannedExpressions, Run};
use crate::types::Datum;

/// Computed values that are planned together at most.
const PLANNED_TOGETHER: usize = 512;

/// A VALUES list: a list of expressions for each row, in the order of the columns.
#[derive(Debug, Default)]
pub(crate) struct ValueLists {
    rows: Vec<Vec<ScalarExpr>>,
    /// Values that are more than simple expressions, by the first row they are for.
    computed: Vec<Computed>,
}

#[derive(Debug)]
struct Computed {
    first_row: usize,
    planned: PlannedExpressions,
}

/// The rows of a bare VALUES list.
pub(super) fn plain_values(query: &Query) -> Option<&[Parens<Vec<Expr>>]> {
    let bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty();
    match query.body.as_ref() {
        SetExpr::Values(values) if bare => Some(&values.rows),
        _ => None,
    }
}

/// Whether an expression is the keyword DEFAULT.
pub(crate) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"))
}

impl ValueLists {
    /// One row without values: all columns get their defaults.
    pub(super) fn defaults_only() -> Self {
        Self {
            rows: vec![Vec::new()],
            computed: Vec::new(),
        }
    }

    /// Plans the rows for `columns` of the table.
    ///
    /// # Errors
    /// 42601 when rows have different lengths; what planning expressions reports.
    pub(super) fn plan(
        rows: &[Parens<Vec<Expr>>],
        table: &TableInfo,
        columns: &[u16],
        planning: &Planning,
        parameters: &mut Parameters,
    ) -> Result<Self, SqlError> {
        let mut lists = Self::default();
        let mut pending = Pending::default();
        for (at, row) in rows.iter().enumerate() {
            if row.len() != columns.len() {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    "VALUES lists must all be the same length",
                ));
            }
            if pending.exprs.len() >= PLANNED_TOGETHER {
                lists.plan_pending(&mut pending, at, planning, parameters)?;
            }
            let mut exprs = Vec::with_capacity(row.len());
            for (expr, attnum) in row.iter().zip(columns) {
                exprs.push(match compile_value(expr, table, *attnum, parameters)? {
                    Some(expr) => expr,
                    None => pending.add(at, default_or_self(expr, table, *attnum)?),
                });
            }
            lists.rows.push(exprs);
        }
        lists.plan_pending(&mut pending, rows.len(), planning, parameters)?;
        Ok(lists)
    }

    /// Plans the values that wait, for the rows before `end`. Volatile ones are
    /// planned row by row, since they are evaluated in the order of the rows.
    fn plan_pending(
        &mut self,
        pending: &mut Pending,
        end: usize,
        planning: &Planning,
        parameters: &mut Parameters,
    ) -> Result<(), SqlError> {
        let exprs = std::mem::take(&mut pending.exprs);
        let Some((first_row, _)) = exprs.first() else {
            return Ok(());
        };
        let first_row = *first_row;
        let all: Vec<Expr> = exprs.iter().map(|(_, expr)| expr.clone()).collect();
        let planned = planning.expressions(&all, &[], Place::Values, parameters)?;
        if !planned.is_volatile() || end == first_row + 1 {
            self.computed.push(Computed { first_row, planned });
            return Ok(());
        }
        for rows in exprs.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((row, _)) = rows.first() else {
                continue;
            };
            let exprs: Vec<Expr> = rows.iter().map(|(_, expr)| expr.clone()).collect();
            self.computed.push(Computed {
                first_row: *row,
                planned: planning.expressions(&exprs, &[], Place::Values, parameters)?,
            });
            self.renumber(*row);
        }
        Ok(())
    }

    /// Counts the computed values of a row from 0 again.
    fn renumber(&mut self, row: usize) {
        let mut next = 0;
        for expr in self.rows.get_mut(row).into_iter().flatten() {
            if let ScalarExpr::Column(at) = expr {
                *at = next;
                next += 1;
            }
        }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether values take more than simple expressions, and so a run.
    pub(crate) fn is_computed(&self) -> bool {
        !self.computed.is_empty()
    }

    /// The stored tables that subqueries among the values read.
    pub(crate) fn tables(&self) -> impl Iterator<Item = u32> + '_ {
        self.computed
            .iter()
            .flat_map(|c| c.planned.tables().iter().copied())
    }

    /// The values of row `at`. `computed` holds what the rows before it computed.
    ///
    /// # Errors
    /// Whatever an expression fails with.
    pub(crate) async fn row(
        &self,
        at: usize,
        computed: &mut Vec<Datum>,
        values: &Values<'_>,
        run: Option<&Run>,
    ) -> Result<Vec<Datum>, SqlError> {
        if let Ok(next) = self.computed.binary_search_by_key(&at, |c| c.first_row)
            && let (Some(next), Some(run)) = (self.computed.get(next), run)
        {
            let results = next.planned.evaluate(&[&[]], run).await?;
            *computed = results.into_iter().next().unwrap_or_default();
        }
        let values = Values {
            row: computed,
            ..*values
        };
        let exprs = self.rows.get(at).map_or(&[][..], Vec::as_slice);
        exprs.iter().map(|e| e.evaluate(&values)).collect()
    }
}

/// Values that are not planned yet, with the number of their row.
#[derive(Default)]
struct Pending {
    exprs: Vec<(usize, Expr)>,
}

impl Pending {
    /// Adds a value; where it will be found.
    fn add(&mut self, row: usize, expr: Expr) -> ScalarExpr {
        self.exprs.push((row, expr));
        ScalarExpr::Column(self.exprs.len() - 1)
    }
}

fn compile_value(
    expr: &Expr,
    table: &TableInfo,
    attnum: u16,
    parameters: &mut Parameters,
) -> Result<Option<ScalarExpr>, SqlError> {
    if is_default(expr) {
        return default_of(table, attnum);
    }
    let mut scope = Scope {
        table: None,
        other: None,
        parameters,
    };
    let target = column(table, attnum)?.ty;
    Ok(compile(expr, &mut scope, Some(target))?.map(|(expr, _)| expr))
}

/// What DEFAULT stands for, or the expression itself.
fn default_or_self(expr: &Expr, table: &TableInfo, attnum: u16) -> Result<Expr, SqlError> {
    if is_default(expr)
        && let Some(default) = default_expr(column(table, attnum)?)?
    {
        return Ok(default);
    }
    Ok(expr.clone())
}
