//! What each subquery of an expression becomes: a join where the planner makes a
//! right one, a function of what it refers to outside anywhere else.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{
    Alias, Case, Exists, InSubquery, SetComparison, SetQuantifier,
};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Subquery, lit};

use super::super::super::apply::free_references;
use super::super::analyze::Analyzer;
use super::apply::Rows;
use super::joinable::{aggregates_plain_rows, becomes_join, has_plain_rows, is_of};
use super::member::Membership;
use super::subquery::{at_most_one_row, exists_as_count, has_one_row, single_row};

/// Where an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Place {
    /// The condition of a filter, where subqueries can become joins.
    Filter,
    /// A column of a projection, where scalar ones can.
    Projection,
    /// Where none can.
    Other,
}

/// What is asked of a condition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whether it is true; a row goes when it is not.
    Conjunct,
    /// Whether it is true.
    Truth,
    /// Whether it is false.
    Falsity,
    /// Which of the three it is.
    Value,
}

impl Asked {
    /// What is asked of `e` where this is asked of `NOT e`.
    fn negated(self) -> Self {
        match self {
            Self::Conjunct | Self::Truth => Self::Falsity,
            Self::Falsity => Self::Truth,
            Self::Value => Self::Value,
        }
    }

    /// What is asked of the arms of an OR, and of the results of a CASE.
    fn of_part(self) -> Self {
        match self {
            Self::Conjunct => Self::Truth,
            other => other,
        }
    }
}

/// The way down to a subquery.
#[derive(Clone, Copy)]
struct Way {
    asked: Asked,
    place: Place,
    /// Whether it is asked only for some of the rows, so that its errors must not be
    /// found out for others.
    perhaps: bool,
}

impl Way {
    fn asked(self, asked: Asked) -> Self {
        Self { asked, ..self }
    }

    fn perhaps(self) -> Self {
        Self {
            perhaps: true,
            ..self
        }
    }
}

impl Analyzer {
    /// Gives every subquery of an expression a form that can be run.
    pub(in super::super) fn subqueries(
        &self,
        expr: Expr,
        place: Place,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let asked = match place {
            Place::Filter => Asked::Conjunct,
            _ => Asked::Value,
        };
        let way = Way {
            asked,
            place,
            perhaps: false,
        };
        self.answered(expr, way, schema)
    }

    fn answered(&self, expr: Expr, way: Way, schema: &DFSchema) -> Result<Expr> {
        let part = |expr: Box<Expr>, way| self.answered(*expr, way, schema).map(Box::new);
        let asked = way.asked;
        Ok(match expr {
            Expr::ScalarSubquery(subquery) => self.scalar(subquery, way, schema)?,
            Expr::Exists(exists) => self.exists(exists, way.place, schema)?,
            Expr::InSubquery(test) => {
                let test = InSubquery {
                    expr: part(test.expr, way.asked(Asked::Value))?,
                    ..test
                };
                self.member(test, way, schema)?
            }
            Expr::SetComparison(test) => {
                let left = self.answered(*test.expr.clone(), way.asked(Asked::Value), schema)?;
                self.any_or_all(left, &test, schema)?
            }
            Expr::Not(e) => Expr::Not(part(e, way.asked(asked.negated()))?),
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if matches!(op, Operator::And | Operator::Or) =>
            {
                let way = if op == Operator::And {
                    way
                } else {
                    way.asked(asked.of_part())
                };
                let right = part(right, way.perhaps())?;
                Expr::BinaryExpr(BinaryExpr::new(part(left, way)?, op, right))
            }
            Expr::IsTrue(e) => Expr::IsTrue(part(e, way.asked(Asked::Truth))?),
            Expr::IsNotTrue(e) => Expr::IsNotTrue(part(e, way.asked(Asked::Truth))?),
            Expr::IsFalse(e) => Expr::IsFalse(part(e, way.asked(Asked::Falsity))?),
            Expr::IsNotFalse(e) => Expr::IsNotFalse(part(e, way.asked(Asked::Falsity))?),
            Expr::Alias(Alias {
                expr,
                relation,
                name,
                metadata,
            }) => {
                let expr = self.answered(*expr, way, schema)?;
                expr.alias_qualified_with_metadata(relation, name, metadata)
            }
            Expr::Case(case) => self.answered_case(case, way, schema)?,
            other => {
                // The arguments of COALESCE are not all asked for.
                let way = way.asked(Asked::Value).perhaps();
                other
                    .map_children(|e| self.answered(e, way, schema).map(Transformed::yes))?
                    .data
            }
        })
    }

    fn answered_case(&self, case: Case, way: Way, schema: &DFSchema) -> Result<Expr> {
        let part = |expr: Box<Expr>, way| self.answered(*expr, way, schema).map(Box::new);
        let tested = if case.expr.is_some() {
            way.asked(Asked::Value)
        } else {
            way.asked(Asked::Truth)
        };
        let result = way.asked(way.asked.of_part()).perhaps();
        let operand = case
            .expr
            .map(|e| part(e, way.asked(Asked::Value)))
            .transpose()?;
        let mut branches = Vec::with_capacity(case.when_then_expr.len());
        for (when, then) in case.when_then_expr {
            branches.push((part(when, tested.perhaps())?, part(then, result)?));
        }
        let otherwise = case.else_expr.map(|e| part(e, result)).transpose()?;
        Ok(Expr::Case(Case::new(operand, branches, otherwise)))
    }

    /// The value of a subquery.
    fn scalar(&self, subquery: Subquery, way: Way, schema: &DFSchema) -> Result<Expr> {
        let plan = Arc::clone(&subquery.subquery);
        let free = free_references(&plan);
        let joinable = !free.is_empty()
            && way.place != Place::Other
            && is_of(&free, schema)
            && (aggregates_plain_rows(&plan) || has_plain_rows(&plan))
            && (at_most_one_row(&plan) || !way.perhaps);
        if joinable {
            let single = Expr::ScalarSubquery(single_row(Subquery {
                outer_ref_columns: free,
                ..subquery
            })?);
            if becomes_join(&single, false, schema) {
                return Ok(single);
            }
        }
        self.applied_value(&plan, schema)
    }

    /// Whether a subquery has rows.
    fn exists(&self, exists: Exists, place: Place, schema: &DFSchema) -> Result<Expr> {
        let Exists { subquery, negated } = exists;
        let plan = Arc::clone(&subquery.subquery);
        let free = free_references(&plan);
        if has_one_row(&plan) {
            return Ok(lit(!negated));
        }
        if !free.is_empty() && is_of(&free, schema) && has_plain_rows(&plan) {
            let exists = Expr::Exists(Exists {
                subquery: Subquery {
                    outer_ref_columns: free,
                    ..subquery
                },
                negated,
            });
            let joined = match place {
                Place::Filter => Some(exists),
                Place::Projection => Some(self.counted(exists, schema)?),
                Place::Other => None,
            };
            if let Some(joined) = joined
                && becomes_join(&joined, place == Place::Filter, schema)
            {
                return Ok(joined);
            }
        }
        self.applied_exists(&plan, negated, schema)
    }

    /// EXISTS as a count.
    fn counted(&self, exists: Expr, schema: &DFSchema) -> Result<Expr> {
        let count = exists_as_count(exists)?;
        let settled = count.transform_up(|e| self.settle(e, schema).map(Transformed::yes))?;
        Ok(settled.data)
    }

    fn member(&self, test: InSubquery, way: Way, schema: &DFSchema) -> Result<Expr> {
        let membership = Membership {
            analyzer: self,
            test,
            schema,
            place: way.place,
        };
        membership.answer(way.asked)
    }

    /// `left op ANY (subquery)`, or ALL.
    fn any_or_all(&self, left: Expr, test: &SetComparison, schema: &DFSchema) -> Result<Expr> {
        let rows = Rows {
            op: test.op,
            all: test.quantifier == SetQuantifier::All,
            negated: false,
        };
        let plan: &LogicalPlan = &test.subquery.subquery;
        self.applied_rows(left, &rows, plan, schema)
    }
}
