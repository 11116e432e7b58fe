//! Expressions over rows that are in memory: everything that SELECT supports,
//! without a FROM.
//!
//! RETURNING, the assignments of ON CONFLICT DO UPDATE and MERGE, defaults, CHECK,
//! generated columns, index expressions and index predicates are all this: some
//! expressions, evaluated for each row that a statement writes. They are planned
//! once and kept with the statement's plan (or with the table), and hold no
//! snapshot.
//!
//! Expressions without subqueries are evaluated directly, a batch of rows at a time,
//! without running a query ([`RowEvaluator`]). With subqueries, the rows become a
//! relation that a query reads ([`PlannedExpressions::evaluate`]).
//!
//! # How to use them
//!
//! A CHECK constraint, kept as text with the search path it was written under:
//!
//! ```text
//! // Once, when the statement is planned; `planning` is exec::target::Planning.
//! let relation = RowRelation::table(&desc, &desc.name);
//! let expr = parse_expression(&check.text)?;
//! let check = planning.expressions(&[expr], &[relation], Place::Check, &mut parameters)?;
//! // Once for each execution:
//! let check = check.bind(&run.session, &run.params)?;
//! // For each row, or better for many at once; rows are complete, by attribute:
//! let values = check.evaluate(&[&[&row]])?;
//! if values[0][0] == Datum::Bool(false) { /* 23514 */ }
//! ```
//!
//! A generated column is the same with [`Place::Generated`]; its value goes through
//! `exec::insert::set`, which converts it to the column's type. Index expressions
//! ([`Place::IndexExpression`]) give the values of an index entry, and an index
//! predicate ([`Place::IndexPredicate`]) says whether there is an entry; for UPDATE
//! both are evaluated for the old and the new row. With two relations a row is two
//! slices: `&[&[&old, &new]]`.

mod evaluate;
mod place;
mod plan;
mod relation;

pub(crate) use evaluate::RowEvaluator;
pub(crate) use place::Place;
pub(crate) use relation::RowRelation;

use std::sync::Arc;

use super::engine::QueryEngine;
use super::plan::PlanContext;
use super::planned::{OutputColumn, PlannedQuery};
use crate::error::SqlError;
use crate::types::PgType;
use plan::ScalarForm;
use sqlparser::ast::SelectItem;

/// A row as expressions see it: one slice for each relation, in their order.
pub(crate) type Row<'a> = &'a [&'a [crate::types::Datum]];

/// Planned expressions over the rows of some relations.
#[derive(Debug, Clone)]
pub(crate) struct PlannedExpressions {
    engine: QueryEngine,
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    columns: Vec<OutputColumn>,
    parameters: Vec<PgType>,
    found: Vec<Option<PgType>>,
    /// Which relation and position each column of the rows' relation is of.
    positions: Vec<(usize, usize)>,
    catalog: Arc<crate::catalog::Catalog>,
    form: Form,
}

/// How they are evaluated.
#[derive(Debug)]
enum Form {
    /// Directly.
    Scalar(ScalarForm),
    /// By a query over the rows, which numbers its results.
    Query {
        query: PlannedQuery,
        relation: Arc<super::bound::InMemory>,
    },
}

impl PlannedExpressions {
    /// Plans select items, `*` included, over rows of `relations`. Parameter types
    /// are those of `context`; [`Self::found_parameters`] says what was found.
    ///
    /// # Errors
    /// What PostgreSQL reports when it analyses the expressions, and what it refuses
    /// at this place.
    pub(crate) fn plan(
        engine: &QueryEngine,
        items: &[SelectItem],
        relations: &[RowRelation],
        place: Place,
        context: &PlanContext,
    ) -> Result<Self, SqlError> {
        let parts = plan::plan(engine, items, relations, place, context)?;
        Ok(Self {
            engine: engine.clone(),
            parts: Arc::new(parts),
        })
    }

    /// Names and types of the results.
    pub(crate) fn columns(&self) -> &[OutputColumn] {
        &self.parts.columns
    }

    /// Types of `$1`, `$2`, … as far as they are known.
    pub(crate) fn found_parameters(&self) -> &[Option<PgType>] {
        &self.parts.found
    }

    /// Whether they can be evaluated directly, without a query: they have no
    /// subqueries.
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self.parts.form, Form::Scalar(_))
    }

    /// Whether a result may differ each time it is asked for, or the evaluation has
    /// an effect: then rows should be evaluated one by one, when they are there.
    pub(crate) fn is_volatile(&self) -> bool {
        match &self.parts.form {
            Form::Scalar(form) => form.volatile,
            Form::Query { .. } => false,
        }
    }

    /// Whether the results depend on nothing but the rows.
    pub(crate) fn is_immutable(&self) -> bool {
        match &self.parts.form {
            Form::Scalar(form) => form.immutable,
            Form::Query { .. } => false,
        }
    }

    /// The stored tables that subqueries read.
    pub(crate) fn tables(&self) -> &[u32] {
        match &self.parts.form {
            Form::Scalar(_) => &[],
            Form::Query { query, .. } => query.tables(),
        }
    }
}
