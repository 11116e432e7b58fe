//! Expressions over changed rows: simple ones compiled, others planned.

use sqlparser::ast::Expr;

use super::change::note_parameter;
use super::expr::{ScalarExpr, Scope, Values, compile};
use super::planning::Parameters;
use super::target::Planning;
use crate::catalog::TableDescriptor;
use crate::error::{SqlError, state};
use crate::query::{Place, PlannedExpressions, RowEvaluator, RowRelation, Run};
use crate::types::{Datum, PgType};

/// Some expressions over rows of one or two relations.
#[derive(Debug)]
pub(crate) enum RowValues {
    /// Simple ones, over the row of the first relation followed by that of the second.
    Simple(Vec<ScalarExpr>),
    /// Any.
    Planned(PlannedExpressions),
}

/// A stored table and the name it goes by, as simple expressions know it.
pub(crate) type Named<'a> = (&'a TableDescriptor, &'a str);

impl RowValues {
    /// Plans expressions with the types they are wanted in, where there is a wish.
    ///
    /// # Errors
    /// What PostgreSQL reports when it analyses the expressions.
    pub(crate) fn plan(
        exprs: &[(Expr, Option<PgType>)],
        (target, other): (Named<'_>, Option<Named<'_>>),
        place: Place,
        planning: &Planning,
        parameters: &mut Parameters,
    ) -> Result<Self, SqlError> {
        for (expr, wanted) in exprs {
            if let Some(ty) = wanted {
                note_parameter(expr, *ty, parameters);
            }
        }
        let mut simple = Vec::with_capacity(exprs.len());
        for (expr, wanted) in exprs {
            let mut scope = Scope {
                table: Some(target),
                other,
                parameters,
            };
            match compile(expr, &mut scope, *wanted)? {
                Some((compiled, _)) => simple.push(compiled),
                None => break,
            }
        }
        if simple.len() == exprs.len() {
            return Ok(Self::Simple(simple));
        }
        let relations = row_relations((target, other));
        let exprs: Vec<Expr> = exprs.iter().map(|(expr, _)| expr.clone()).collect();
        let planned = planning.expressions(&exprs, &relations, place, parameters)?;
        Ok(Self::Planned(planned))
    }

    /// Plans a condition, which must be boolean.
    ///
    /// # Errors
    /// 42804 when it is not; what PostgreSQL reports when it analyses it.
    pub(crate) fn condition(
        condition: &Expr,
        relations: (Named<'_>, Option<Named<'_>>),
        place: Place,
        planning: &Planning,
        parameters: &mut Parameters,
    ) -> Result<Self, SqlError> {
        let exprs = std::slice::from_ref(condition);
        let relations = row_relations(relations);
        let planned = planning.expressions(exprs, &relations, place, parameters)?;
        check_condition(&planned, place)?;
        Ok(Self::Planned(planned))
    }

    /// Whether they take a run to evaluate.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self, Self::Planned(_))
    }

    /// The stored tables that subqueries read.
    pub(crate) fn tables(&self) -> &[u32] {
        match self {
            Self::Simple(_) => &[],
            Self::Planned(planned) => planned.tables(),
        }
    }

    /// Makes them ready for one execution.
    ///
    /// # Errors
    /// What constant parts of them may fail with.
    pub(crate) fn bind<'a>(&'a self, run: Option<&'a Run>) -> Result<BoundValues<'a>, SqlError> {
        match (self, run) {
            (Self::Simple(exprs), _) => Ok(BoundValues::Simple(exprs)),
            (Self::Planned(_), None) => Err(SqlError::internal("expressions without a run")),
            (Self::Planned(planned), Some(run)) => BoundValues::planned(planned, run),
        }
    }
}

fn row_relations((target, other): (Named<'_>, Option<Named<'_>>)) -> Vec<RowRelation> {
    std::iter::once(target)
        .chain(other)
        .map(|(desc, alias)| RowRelation::table(desc, alias))
        .collect()
}

/// The only expression must be boolean.
///
/// # Errors
/// 42804 when it is not.
pub(crate) fn check_condition(planned: &PlannedExpressions, place: Place) -> Result<(), SqlError> {
    match planned.columns() {
        [column] if column.pg_type.base() != PgType::Bool => Err(SqlError::new(
            state::DATATYPE_MISMATCH,
            format!(
                "argument of {} must be type boolean, not type {}",
                place.name(),
                column.pg_type.base_name()
            ),
        )),
        _ => Ok(()),
    }
}

/// Expressions of one execution.
pub(crate) enum BoundValues<'a> {
    /// Simple ones.
    Simple(&'a [ScalarExpr]),
    /// Any without subqueries.
    Direct(RowEvaluator),
    /// Any with subqueries.
    Query(&'a PlannedExpressions, &'a Run),
}

impl<'a> BoundValues<'a> {
    /// Makes planned expressions ready for one execution.
    ///
    /// # Errors
    /// What constant parts of them may fail with.
    pub(crate) fn planned(planned: &'a PlannedExpressions, run: &'a Run) -> Result<Self, SqlError> {
        Ok(match planned.is_scalar() {
            true => Self::Direct(planned.bind(&run.session, &run.params)?),
            false => Self::Query(planned, run),
        })
    }

    /// The values for one row.
    ///
    /// # Errors
    /// Whatever an expression fails with.
    pub(crate) async fn of(
        &self,
        row: &[&[Datum]],
        values: &Values<'_>,
    ) -> Result<Vec<Datum>, SqlError> {
        let results = match self {
            Self::Simple(exprs) => {
                let joined = row.concat();
                let values = Values {
                    row: &joined,
                    ..*values
                };
                return exprs.iter().map(|expr| expr.evaluate(&values)).collect();
            }
            Self::Direct(evaluator) => evaluator.evaluate(&[row])?,
            Self::Query(planned, run) => planned.evaluate(&[row], run).await?,
        };
        Ok(results.into_iter().next().unwrap_or_default())
    }

    /// Whether a condition, the only expression, holds for a row.
    ///
    /// # Errors
    /// Whatever the expression fails with.
    pub(crate) async fn holds(
        &self,
        row: &[&[Datum]],
        values: &Values<'_>,
    ) -> Result<bool, SqlError> {
        let result = self.of(row, values).await?;
        Ok(matches!(result.first(), Some(Datum::Bool(true))))
    }
}
