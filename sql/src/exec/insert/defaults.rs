//! Defaults of the columns that a statement does not name.

use std::sync::Arc;

use sqlparser::ast::Expr;

use super::set;
use crate::catalog::TableDescriptor;
use crate::error::SqlError;
use crate::exec::assign::assign;
use crate::exec::expr::{ScalarExpr, Scope, Values, compile};
use crate::exec::table::TableInfo;
use crate::exec::target::{Planning, column, default_expr};
use crate::query::{Place, PlannedExpressions, RowEvaluator, SessionInfo};
use crate::types::{Datum, SessionFormat};

/// Defaults to fill the rest of a row with.
#[derive(Debug)]
pub(crate) struct Defaults {
    /// Columns with a simple default.
    simple: Vec<(u16, ScalarExpr)>,
    /// Columns with any other, in the order of the expressions.
    computed: Option<(Vec<u16>, PlannedExpressions)>,
}

impl Defaults {
    /// For rows that are complete.
    pub(crate) fn none() -> Self {
        Self {
            simple: Vec::new(),
            computed: None,
        }
    }

    /// Plans the defaults of the columns that `columns` leaves out and that have one.
    ///
    /// # Errors
    /// XX001 when a stored default is unreadable; what planning it reports.
    pub(crate) fn plan(
        table: &TableInfo,
        columns: &[u16],
        planning: &Planning,
    ) -> Result<Self, SqlError> {
        let mut simple = Vec::new();
        let (mut attnums, mut exprs) = (Vec::new(), Vec::new());
        for target in table.desc.live_columns() {
            if columns.contains(&target.attnum) {
                continue;
            }
            let Some(expr) = default_expr(target)? else {
                continue;
            };
            match compile_default(&expr, table, target.attnum)? {
                Some(default) => simple.push((target.attnum, default)),
                None => {
                    attnums.push(target.attnum);
                    exprs.push(expr);
                }
            }
        }
        let computed = match exprs.is_empty() {
            true => None,
            false => {
                let planned = planning.expressions(&exprs, &[], Place::Default, &mut Vec::new())?;
                Some((attnums, planned))
            }
        };
        Ok(Self { simple, computed })
    }

    /// Plans the default of one column.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub(crate) fn of_column(
        table: &TableInfo,
        attnum: u16,
        planning: &Planning,
    ) -> Result<Self, SqlError> {
        let others = table.desc.live_columns().map(|c| c.attnum);
        let others: Vec<u16> = others.filter(|other| *other != attnum).collect();
        Self::plan(table, &others, planning)
    }

    /// Each default of a table must be something that can be computed for a row.
    ///
    /// # Errors
    /// What planning a default reports; 22P02 and the like for a constant that cannot
    /// be read, which would fail every INSERT.
    pub(crate) fn check(desc: &TableDescriptor, planning: &Planning) -> Result<(), SqlError> {
        let table = TableInfo::new(Arc::new(desc.clone()))?;
        let defaults = Self::plan(&table, &[], planning)?;
        for (attnum, default) in &defaults.simple {
            if let ScalarExpr::Constant(value) = default
                && value.as_str().is_some()
            {
                let ty = column(&table, *attnum)?.ty;
                assign(value.clone(), ty, &SessionFormat::default())?;
            }
        }
        Ok(())
    }

    /// Whether each row must have a value of its own.
    pub(crate) fn is_volatile(&self) -> bool {
        let simple = self.simple.iter().any(|(_, expr)| expr.is_volatile());
        simple
            || self
                .computed
                .as_ref()
                .is_some_and(|(_, planned)| planned.is_volatile())
    }

    /// Whether they take more than simple expressions, and so a session.
    pub(crate) fn is_computed(&self) -> bool {
        self.computed.is_some()
    }

    /// Makes them ready for one execution. Without computed defaults a session is
    /// not needed.
    ///
    /// # Errors
    /// What constant parts of the defaults may fail with.
    pub(crate) fn bind(
        &self,
        session: Option<&Arc<SessionInfo>>,
    ) -> Result<BoundDefaults<'_>, SqlError> {
        let computed = match (&self.computed, session) {
            (None, _) => None,
            (Some((attnums, planned)), Some(session)) => {
                Some((attnums.as_slice(), planned.bind(session, &[])?))
            }
            (Some(_), None) => return Err(SqlError::internal("defaults without a session")),
        };
        Ok(BoundDefaults {
            simple: &self.simple,
            computed,
        })
    }
}

/// Defaults of one execution.
#[derive(Debug)]
pub(crate) struct BoundDefaults<'a> {
    simple: &'a [(u16, ScalarExpr)],
    computed: Option<(&'a [u16], RowEvaluator)>,
}

impl BoundDefaults<'_> {
    /// Puts the defaults into their places of a row.
    ///
    /// # Errors
    /// Whatever a default fails with, conversion errors.
    pub(crate) fn fill(
        &self,
        row: &mut [Datum],
        table: &TableInfo,
        values: &Values<'_>,
    ) -> Result<(), SqlError> {
        for (attnum, expr) in self.simple {
            set(row, table, *attnum, expr.evaluate(values)?, values.format)?;
        }
        if let Some((attnums, evaluator)) = &self.computed {
            let computed = evaluator.evaluate(&[&[]])?.pop().unwrap_or_default();
            for (attnum, value) in attnums.iter().zip(computed) {
                set(row, table, *attnum, value, values.format)?;
            }
        }
        Ok(())
    }
}

/// The default of a column as a simple expression: NULL when it has none,
/// nothing when it is too complicated.
///
/// # Errors
/// XX001 when the stored default is unreadable.
pub(crate) fn default_of(table: &TableInfo, attnum: u16) -> Result<Option<ScalarExpr>, SqlError> {
    match default_expr(column(table, attnum)?)? {
        Some(expr) => compile_default(&expr, table, attnum),
        None => Ok(Some(ScalarExpr::Constant(Datum::Null))),
    }
}

fn compile_default(
    expr: &Expr,
    table: &TableInfo,
    attnum: u16,
) -> Result<Option<ScalarExpr>, SqlError> {
    let mut scope = Scope {
        table: None,
        other: None,
        parameters: &mut Vec::new(),
    };
    let target = column(table, attnum)?.ty;
    Ok(compile(expr, &mut scope, Some(target))?.map(|(expr, _)| expr))
}
