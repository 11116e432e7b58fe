//! `x IN (subquery)` and `x NOT IN (subquery)`, which may be unknown.
//!
//! The planner turns IN into a join that knows no third truth value, which is right
//! where only truth matters. It has a join for NOT IN as well, but only for a
//! condition of a filter with a column on its left side and a subquery of its own.
//! Everything else becomes EXISTS here, which is never unknown: `x NOT IN (q)` is
//! true where `q` has no row of which `q = x` is true or unknown. Where that is no
//! join either, the subquery becomes a function.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Case, Exists, InSubquery};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit,
};

use super::super::super::apply::free_references;
use super::super::analyze::Analyzer;
use super::answer::{Asked, Place};
use super::apply::Rows;
use super::joinable::{becomes_join, has_plain_rows, is_of};
use super::subquery::exists_as_count;
use crate::types::PgType;

/// An IN on its way to EXISTS.
pub(super) struct Membership<'a> {
    pub(super) analyzer: &'a Analyzer,
    pub(super) test: InSubquery,
    pub(super) schema: &'a DFSchema,
    pub(super) place: Place,
}

impl Membership<'_> {
    /// What takes the place of the IN.
    pub(super) fn answer(mut self, asked: Asked) -> Result<Expr> {
        let free = free_references(&self.test.subquery.subquery);
        let correlated = !free.is_empty();
        self.test.subquery.outer_ref_columns = free;
        if self.can_be_joined(correlated)? {
            let answer = self.joined_answer(asked)?;
            let filter = self.place == Place::Filter;
            let native = matches!(answer, Expr::InSubquery(_)) && !correlated;
            if native || becomes_join(&answer, filter, self.schema) {
                return Ok(answer);
            }
        }
        let rows = Rows {
            op: Operator::Eq,
            all: false,
            negated: self.test.negated,
        };
        let plan = &self.test.subquery.subquery;
        self.analyzer
            .applied_rows(*self.test.expr, &rows, plan, self.schema)
    }

    fn can_be_joined(&self, correlated: bool) -> Result<bool> {
        let place = match self.place {
            Place::Filter => true,
            // One run of the subquery answers for every row.
            Place::Projection => correlated,
            Place::Other => false,
        };
        let subquery = &self.test.subquery;
        let movable = !self.test.expr.exists(|e| Ok(is_correlated(e)))?;
        Ok(place
            && movable
            && is_of(&subquery.outer_ref_columns, self.schema)
            && has_plain_rows(&subquery.subquery))
    }

    fn joined_answer(&self, asked: Asked) -> Result<Expr> {
        let negated = self.test.negated;
        if self.place != Place::Filter {
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
        if let PgType::Numeric(_) = ty {
            let members = self.test.subquery.subquery.schema().field(0).data_type();
            return Ok(members.is_decimal() && self.test.expr.get_type(self.schema)?.is_decimal());
        }
        Ok(ty != PgType::Interval)
    }

    /// What the planner makes a join of.
    fn joined(&self) -> Result<Expr> {
        let mut test = self.test.clone();
        if !matches!(test.subquery.subquery.as_ref(), LogicalPlan::Projection(_)) {
            // The join takes its column from a projection.
            let (qualifier, field) = test.subquery.subquery.schema().qualified_field(0);
            let column = Expr::Column(Column::from((qualifier, field))).alias("member");
            let plan = LogicalPlanBuilder::from(test.subquery.subquery.as_ref().clone())
                .project(vec![column])?
                .build()?;
            test.subquery.subquery = Arc::new(plan);
        }
        Ok(Expr::InSubquery(test))
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
        if self.place == Place::Filter {
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
        | Expr::InSubquery(InSubquery { subquery, .. }) => {
            !free_references(&subquery.subquery).is_empty()
        }
        _ => false,
    }
}
