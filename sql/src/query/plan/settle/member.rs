//! `x IN (subquery)` and `x NOT IN (subquery)`, which may be unknown.
//!
//! The planner turns IN into a join that knows no third truth value, which is right
//! where only truth matters. It has a join for NOT IN as well, but only for a
//! condition of a filter with a column on its left side and a subquery of its own.
//! Everything else becomes EXISTS here, which is never unknown: `x NOT IN (q)` is
//! true where `q` has no row of which `q = x` is true or unknown.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::{Alias, Case, Exists, InSubquery};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery,
    lit,
};

use super::super::super::error::external;
use super::super::analyze::Analyzer;
use super::subquery::{exists_as_count, has_one_row, refuse_lost_rows};
use crate::error::SqlError;
use crate::types::PgType;

/// What is asked of a condition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
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

/// An IN on its way to EXISTS.
struct Membership<'a> {
    analyzer: &'a Analyzer,
    test: InSubquery,
    schema: &'a DFSchema,
    /// Whether EXISTS has to become a count.
    count_rows: bool,
}

impl Analyzer {
    /// Makes every IN and NOT IN of a condition right that decides over rows.
    pub(in super::super) fn members_of_condition(
        &self,
        expr: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        self.members(expr, Asked::Conjunct, false, schema)
    }

    /// Makes every IN and NOT IN of a value right.
    pub(in super::super) fn members_of_value(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        self.members(expr, Asked::Value, true, schema)
    }

    fn members(
        &self,
        expr: Expr,
        asked: Asked,
        count_rows: bool,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let part =
            |expr: Box<Expr>, asked| self.members(*expr, asked, count_rows, schema).map(Box::new);
        Ok(match expr {
            Expr::InSubquery(test) => {
                let membership = Membership {
                    analyzer: self,
                    test: InSubquery {
                        expr: part(test.expr, Asked::Value)?,
                        ..test
                    },
                    schema,
                    count_rows,
                };
                membership.answer(asked)?
            }
            Expr::Not(e) => Expr::Not(part(e, asked.negated())?),
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if matches!(op, Operator::And | Operator::Or) =>
            {
                let asked = if op == Operator::And {
                    asked
                } else {
                    asked.of_part()
                };
                Expr::BinaryExpr(BinaryExpr::new(part(left, asked)?, op, part(right, asked)?))
            }
            Expr::IsTrue(e) => Expr::IsTrue(part(e, Asked::Truth)?),
            Expr::IsNotTrue(e) => Expr::IsNotTrue(part(e, Asked::Truth)?),
            Expr::IsFalse(e) => Expr::IsFalse(part(e, Asked::Falsity)?),
            Expr::IsNotFalse(e) => Expr::IsNotFalse(part(e, Asked::Falsity)?),
            Expr::Alias(Alias {
                expr,
                relation,
                name,
                metadata,
            }) => {
                let expr = self.members(*expr, asked, count_rows, schema)?;
                expr.alias_qualified_with_metadata(relation, name, metadata)
            }
            Expr::Case(Case {
                expr: None,
                when_then_expr,
                else_expr,
            }) => {
                let mut branches = Vec::with_capacity(when_then_expr.len());
                for (when, then) in when_then_expr {
                    branches.push((part(when, Asked::Truth)?, part(then, asked.of_part())?));
                }
                let otherwise = else_expr.map(|e| part(e, asked.of_part())).transpose()?;
                Expr::Case(Case::new(None, branches, otherwise))
            }
            other => {
                other
                    .map_children(|e| {
                        self.members(e, Asked::Value, count_rows, schema)
                            .map(Transformed::yes)
                    })?
                    .data
            }
        })
    }
}

impl Membership<'_> {
    fn answer(self, asked: Asked) -> Result<Expr> {
        let negated = self.test.negated;
        if !self.test.subquery.outer_ref_columns.is_empty() {
            refuse_lost_rows(&self.test.subquery.subquery)?;
            if has_one_row(&self.test.subquery.subquery) {
                return self.with_the_row();
            }
        }
        if self.count_rows {
            // A count can be joined by equalities only, which all of a value's are.
            return self.value();
        }
        match (asked, negated) {
            (Asked::Conjunct | Asked::Truth, false) if self.is_compared_as_it_is()? => {
                self.joined()
            }
            (Asked::Conjunct | Asked::Truth, false) => self.exists(self.equal()?, false),
            (Asked::Conjunct, true) if self.has_a_join()? => self.joined(),
            (Asked::Conjunct | Asked::Truth, true) => self.exists(self.perhaps_equal()?, true),
            (Asked::Falsity, false) => self.exists(self.perhaps_equal()?, false),
            (Asked::Falsity, true) => self.exists(self.equal()?, true),
            (Asked::Value, _) => self.value(),
        }
    }

    /// Whether the planner has a join for it as a NOT IN.
    fn has_a_join(&self) -> Result<bool> {
        let correlated = !self.test.subquery.outer_ref_columns.is_empty();
        Ok(!correlated && self.test.expr.any_column_refs() && self.is_compared_as_it_is()?)
    }

    /// Whether values are equal when their Arrow forms are.
    fn is_compared_as_it_is(&self) -> Result<bool> {
        let ty = self.analyzer.type_of(&self.test.expr, self.schema)?;
        Ok(ty != PgType::Interval)
    }

    /// What the planner makes a join of.
    fn joined(self) -> Result<Expr> {
        if self.test.expr.exists(|e| Ok(is_correlated(e)))? {
            return Err(nested_correlation());
        }
        let mut test = self.test;
        if !matches!(test.subquery.subquery.as_ref(), LogicalPlan::Projection(_)) {
            // The join takes its column from a projection.
            let (qualifier, field) = test.subquery.subquery.schema().qualified_field(0);
            let column = Expr::Column(Column::from((qualifier, field))).alias("member");
            let plan = LogicalPlanBuilder::from(Arc::unwrap_or_clone(test.subquery.subquery))
                .project(vec![column])?
                .build()?;
            test.subquery.subquery = Arc::new(plan);
        }
        Ok(Expr::InSubquery(test))
    }

    /// With a subquery of one row: a comparison with that row.
    fn with_the_row(self) -> Result<Expr> {
        let subquery = Expr::ScalarSubquery(self.test.subquery);
        let equal = self
            .analyzer
            .compare(*self.test.expr, Operator::Eq, subquery, self.schema)?;
        Ok(if self.test.negated {
            Expr::Not(Box::new(equal))
        } else {
            equal
        })
    }

    /// The column of the subquery.
    fn column(&self) -> (Expr, bool) {
        let (qualifier, field) = self.test.subquery.subquery.schema().qualified_field(0);
        let column = Expr::Column(Column::from((qualifier, field)));
        (column, field.is_nullable())
    }

    /// The left side as the subquery refers to it.
    fn left(&self) -> Result<Expr> {
        let left = self.test.expr.as_ref().clone();
        if left.exists(|e| Ok(is_correlated(e)))? {
            return Err(nested_correlation());
        }
        let outside = left.transform_up(|e| match e {
            Expr::Column(column) => {
                let (qualifier, field) = self.schema.qualified_field_from_column(&column)?;
                let field = Arc::clone(field);
                let column = Column::new(qualifier.cloned(), column.name);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(outside.data)
    }

    /// That a row of the subquery is equal.
    fn equal(&self) -> Result<Expr> {
        let schema = self.test.subquery.subquery.schema();
        self.analyzer
            .compare(self.column().0, Operator::Eq, self.left()?, schema)
    }

    /// That nobody can say a row of the subquery is not equal.
    fn perhaps_equal(&self) -> Result<Expr> {
        let equal = self.equal()?;
        if self.column().1 || self.test.expr.nullable(self.schema)? {
            return Ok(Expr::IsNotFalse(Box::new(equal)));
        }
        Ok(equal)
    }

    /// Whether the subquery has a row for which `condition` is true.
    fn exists(&self, condition: Expr, negated: bool) -> Result<Expr> {
        let subquery = &self.test.subquery;
        let mut outer = subquery.outer_ref_columns.clone();
        condition.apply(|e| {
            if matches!(e, Expr::OuterReferenceColumn(..)) && !outer.contains(e) {
                outer.push(e.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let plan = match condition {
            Expr::Literal(ScalarValue::Boolean(Some(true)), _) => Arc::clone(&subquery.subquery),
            condition => {
                let filter = Filter::try_new(condition, Arc::clone(&subquery.subquery))?;
                Arc::new(LogicalPlan::Filter(filter))
            }
        };
        let exists = Expr::Exists(Exists {
            subquery: Subquery {
                subquery: plan,
                outer_ref_columns: outer,
                spans: subquery.spans.clone(),
            },
            negated,
        });
        if !self.count_rows {
            return Ok(exists);
        }
        exists_as_count(exists)?
            .transform_up(|e| self.analyzer.settle(e, self.schema).map(Transformed::yes))
            .map(|t| t.data)
    }

    /// True, false or unknown.
    fn value(&self) -> Result<Expr> {
        let boolean = |value| Box::new(lit(ScalarValue::Boolean(value)));
        let negated = self.test.negated;
        let mut branches = vec![(
            Box::new(self.exists(self.equal()?, false)?),
            boolean(Some(!negated)),
        )];
        let (column, nullable) = self.column();
        if nullable {
            let unknown = self.exists(column.is_null(), false)?;
            branches.push((Box::new(unknown), boolean(None)));
        }
        if self.test.expr.nullable(self.schema)? {
            let any = self.exists(lit(true), false)?;
            let unknown = self.test.expr.as_ref().clone().is_null().and(any);
            branches.push((Box::new(unknown), boolean(None)));
        }
        let otherwise = Some(boolean(Some(negated)));
        Ok(Expr::Case(Case::new(None, branches, otherwise)))
    }
}

/// Whether an expression refers to an enclosing query, or holds a subquery that
/// refers to its own: neither can move into another subquery.
fn is_correlated(expr: &Expr) -> bool {
    match expr {
        Expr::OuterReferenceColumn(..) => true,
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. }) => !subquery.outer_ref_columns.is_empty(),
        _ => false,
    }
}

fn nested_correlation() -> DataFusionError {
    external(SqlError::unsupported(
        "IN with a correlated subquery on its left side, or in one",
    ))
}
