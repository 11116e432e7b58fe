//! What is computed from the rows of a table when they are written: generated
//! columns, and what the expressions and conditions of its indexes give.

use std::sync::Arc;

use sqlparser::ast::Expr;

use super::insert::set;
use super::table::TableInfo;
use super::target::Planning;
use crate::catalog::{IndexDescriptor, TableDescriptor};
use crate::error::SqlError;
use crate::query::{Place, PlannedExpressions, RowEvaluator, RowRelation, SessionInfo};
use crate::session::parse_expression;
use crate::types::{Datum, SessionFormat};

/// The computed parts of a table, planned.
#[derive(Debug)]
pub(crate) struct Derived {
    generated: Option<(Vec<u16>, PlannedExpressions)>,
    /// The expressions of all indexes, each followed by the condition of its index.
    indexes: Option<PlannedExpressions>,
}

/// What the expressions of a table's indexes give for a row; empty when no index has
/// any.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct IndexValues(Vec<Datum>);

/// Whether rows of a table have to go through [`Derived`].
pub(crate) fn has_derived(table: &TableDescriptor) -> bool {
    has_generated(table) || table.indexes.iter().any(|index| !index.is_plain())
}

/// Whether a table has generated columns.
pub(crate) fn has_generated(table: &TableDescriptor) -> bool {
    table
        .live_columns()
        .any(|column| column.generated.is_some())
}

impl Derived {
    /// Plans everything that is computed.
    ///
    /// # Errors
    /// XX001 when a stored expression cannot be read.
    pub(crate) fn plan(table: &TableDescriptor, planning: &Planning) -> Result<Self, SqlError> {
        let relation = RowRelation::table(table, &table.name);
        let plan = |exprs: &[Expr], place| {
            let relations = std::slice::from_ref(&relation);
            planning.expressions(exprs, relations, place, &mut Vec::new())
        };
        let mut attnums = Vec::new();
        let mut exprs = Vec::new();
        for column in table.live_columns() {
            if let Some(text) = &column.generated {
                attnums.push(column.attnum);
                exprs.push(parse_expression(text)?);
            }
        }
        let generated = match attnums.is_empty() {
            true => None,
            false => Some((attnums, plan(&exprs, Place::Generated)?)),
        };
        let parts = table.indexes.iter().flat_map(IndexDescriptor::computed);
        let exprs = parts
            .map(|part| parse_expression(&part.text))
            .collect::<Result<Vec<_>, _>>()?;
        let indexes = match exprs.is_empty() {
            true => None,
            false => Some(plan(&exprs, Place::IndexExpression)?),
        };
        Ok(Self { generated, indexes })
    }

    /// Makes them ready for one statement.
    ///
    /// # Errors
    /// What constant parts of the expressions may fail with.
    pub(crate) fn bind(&self, session: &Arc<SessionInfo>) -> Result<BoundDerived, SqlError> {
        let generated = match &self.generated {
            None => None,
            Some((attnums, planned)) => Some((attnums.clone(), planned.bind(session, &[])?)),
        };
        let indexes = match &self.indexes {
            None => None,
            Some(planned) => Some(planned.bind(session, &[])?),
        };
        Ok(BoundDerived { generated, indexes })
    }
}

/// The computed parts of a table, for one statement.
#[derive(Debug, Default)]
pub(crate) struct BoundDerived {
    generated: Option<(Vec<u16>, RowEvaluator)>,
    indexes: Option<RowEvaluator>,
}

impl BoundDerived {
    /// Puts the values of generated columns into a row.
    ///
    /// # Errors
    /// Whatever an expression fails with, conversion errors.
    pub(crate) fn generate(&self, table: &TableInfo, row: &mut [Datum]) -> Result<(), SqlError> {
        let Some((attnums, evaluator)) = &self.generated else {
            return Ok(());
        };
        let values = first(evaluator.evaluate(&[&[row]])?);
        for (attnum, value) in attnums.iter().zip(values) {
            set(row, table, *attnum, value, &SessionFormat::default())?;
        }
        Ok(())
    }

    /// What the expressions of the indexes give for a row.
    ///
    /// # Errors
    /// Whatever an expression fails with.
    pub(crate) fn index_values(&self, row: &[Datum]) -> Result<IndexValues, SqlError> {
        match &self.indexes {
            None => Ok(IndexValues::default()),
            Some(evaluator) => Ok(IndexValues(first(evaluator.evaluate(&[&[row]])?))),
        }
    }
}

fn first(results: Vec<Vec<Datum>>) -> Vec<Datum> {
    results.into_iter().next().unwrap_or_default()
}

impl IndexValues {
    /// The values of an index's expressions; nothing when its condition does not hold
    /// and the row has no entry in it.
    pub(crate) fn of<'v>(
        &'v self,
        table: &TableDescriptor,
        index: &IndexDescriptor,
    ) -> Option<&'v [Datum]> {
        if index.is_plain() {
            return Some(&[]);
        }
        let before = table.indexes.iter().take_while(|i| i.oid != index.oid);
        let start: usize = before.map(|i| i.computed().count()).sum();
        let own = self.0.get(start..start + index.computed().count())?;
        if index.predicate.is_none() {
            return Some(own);
        }
        match own.split_last() {
            Some((Datum::Bool(true), values)) => Some(values),
            _ => None,
        }
    }
}
