//! Subqueries as functions of what they refer to outside.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator,
};

use super::super::super::apply::{Apply, Quantified, Question, free_references};
use super::super::super::error::external;
use super::super::analyze::Analyzer;
use super::super::operators::{common_type, text_if_unknown};
use super::super::types::{field_with, type_metadata};
use crate::error::SqlError;
use crate::types::PgType;

/// Starts the names of the columns of the left side and of the subquery.
const LEFT: &str = "\u{1f}left";
const RIGHT: &str = "\u{1f}right";

/// A comparison with the rows of a subquery.
pub(super) struct Rows {
    pub(super) op: Operator,
    /// Whether it has to hold for all.
    pub(super) all: bool,
    /// Whether the answer is turned round.
    pub(super) negated: bool,
}

impl Analyzer {
    /// The value of a subquery, as a function.
    pub(super) fn applied_value(&self, plan: &LogicalPlan, schema: &DFSchema) -> Result<Expr> {
        let ty = text_if_unknown(self.column_type(plan, 0)?);
        let data_type = match plan.schema().fields().first() {
            Some(field) if !field.data_type().is_null() => field.data_type().clone(),
            _ => super::super::arrow_type(ty),
        };
        let field = field_with(Field::new("subquery", data_type, true), ty);
        self.applied(plan, Question::Scalar, Vec::new(), (field, ty), schema)
    }

    /// Whether a subquery has rows, as a function.
    pub(super) fn applied_exists(
        &self,
        plan: &LogicalPlan,
        negated: bool,
        schema: &DFSchema,
    ) -> Result<Expr> {
        if let Some((left, members)) = membership(plan, schema)? {
            let rows = Rows {
                op: Operator::Eq,
                all: false,
                negated: false,
            };
            let found = self.applied_rows(left, &rows, &members, schema)?;
            let found = Box::new(found);
            return Ok(if negated {
                Expr::IsNotTrue(found)
            } else {
                Expr::IsTrue(found)
            });
        }
        let question = Question::Exists { negated };
        let field = Field::new("exists", DataType::Boolean, true);
        self.applied(plan, question, Vec::new(), (field, PgType::Bool), schema)
    }

    /// A comparison with the rows of a subquery, as a function.
    pub(super) fn applied_rows(
        &self,
        left: Expr,
        rows: &Rows,
        plan: &LogicalPlan,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let symbol = match rows.op {
            Operator::NotEq => "<>".to_owned(),
            op => op.to_string(),
        };
        let lt = self.type_of(&left, schema)?;
        let rt = self.column_type(plan, 0)?;
        let ty = text_if_unknown(common_type(&symbol, lt, rt)?);
        // Real and integer meet as double precision.
        let ty = if ty == PgType::Float4 && lt != rt {
            PgType::Float8
        } else {
            ty
        };
        let left = self.coerce(left, lt, ty, schema)?;
        let (qualifier, field) = plan.schema().qualified_field(0);
        let column = Expr::Column(Column::from((qualifier, field)));
        let column = self.coerce(column, rt, ty, plan.schema().as_ref())?;
        let column = column.alias_with_metadata(RIGHT, Some(type_metadata(ty)));
        let plan = LogicalPlanBuilder::from(plan.clone())
            .project(vec![column])?
            .build()?;
        let of = |name: &str, data_type| field_with(Field::new(name, data_type, true), ty);
        let right = plan.schema().field(0).data_type().clone();
        let pair =
            arrow::datatypes::Schema::new(vec![of(LEFT, left.get_type(schema)?), of(RIGHT, right)]);
        let pair = Arc::new(DFSchema::try_from(pair)?);
        let column = |name: &str| Expr::Column(Column::new_unqualified(name));
        let test = self.compare(column(LEFT), rows.op, column(RIGHT), &pair)?;
        let question = Question::Quantified(Quantified {
            test,
            pair,
            all: rows.all,
            negated: rows.negated,
        });
        let field = Field::new("member", DataType::Boolean, true);
        self.applied(&plan, question, vec![left], (field, PgType::Bool), schema)
    }

    /// A question to a subquery, as a function.
    fn applied(
        &self,
        plan: &LogicalPlan,
        question: Question,
        left: Vec<Expr>,
        (field, ty): (Field, PgType),
        schema: &DFSchema,
    ) -> Result<Expr> {
        let outer = free_references(plan);
        let mut args = Vec::with_capacity(outer.len() + left.len());
        for reference in &outer {
            args.push(match reference {
                Expr::OuterReferenceColumn(_, column) if schema.has_column(column) => {
                    Expr::Column(column.clone())
                }
                // Of a query further out.
                other => other.clone(),
            });
        }
        args.extend(left);
        Ok(Apply::new(plan.clone(), outer, question, Arc::new(field), ty).over(args))
    }
}

/// An EXISTS whose only correlation is that something is equal to something outside:
/// that something outside, and the rows it is looked for in, which one run gives.
fn membership(plan: &LogicalPlan, schema: &DFSchema) -> Result<Option<(Expr, LogicalPlan)>> {
    let filter = match plan {
        LogicalPlan::Projection(projection) => return membership(&projection.input, schema),
        LogicalPlan::SubqueryAlias(alias) => return membership(&alias.input, schema),
        LogicalPlan::Filter(filter) if free_references(&filter.input).is_empty() => filter,
        _ => return Ok(None),
    };
    let (mut correlated, own): (Vec<Expr>, Vec<Expr>) =
        split_conjunction_owned(filter.predicate.clone())
            .into_iter()
            .partition(Expr::contains_outer);
    let (Some(Expr::BinaryExpr(equal)), true) = (correlated.pop(), correlated.is_empty()) else {
        return Ok(None);
    };
    if equal.op != Operator::Eq {
        return Ok(None);
    }
    let is_outer = |e: &Expr| e.contains_outer() && !e.any_column_refs();
    let is_inner = |e: &Expr| !e.contains_outer() && e.any_column_refs();
    let (outer, inner) = match (*equal.left, *equal.right) {
        (l, r) if is_outer(&l) && is_inner(&r) => (l, r),
        (l, r) if is_inner(&l) && is_outer(&r) => (r, l),
        _ => return Ok(None),
    };
    let outer = outer.transform_up(|e| match e {
        Expr::OuterReferenceColumn(_, column) if schema.has_column(&column) => {
            Ok(Transformed::yes(Expr::Column(column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let mut rows = LogicalPlanBuilder::from(filter.input.as_ref().clone());
    if let Some(own) = conjunction(own) {
        rows = rows.filter(own)?;
    }
    Ok(Some((
        outer.data,
        rows.project(vec![inner.alias(RIGHT)])?.build()?,
    )))
}

/// Refuses aggregates of nothing but outer references: they belong to the query that
/// they refer to.
pub(in super::super) fn refuse_outer_aggregates(aggregate: &Aggregate) -> Result<()> {
    for expr in &aggregate.aggr_expr {
        expr.apply(|e| {
            let Expr::AggregateFunction(call) = e else {
                return Ok(TreeNodeRecursion::Continue);
            };
            let params = &call.params;
            let filter = params.filter.as_deref();
            let outer = || params.args.iter().chain(filter).any(Expr::contains_outer);
            let inner = || params.args.iter().chain(filter).any(Expr::any_column_refs);
            if outer() && !inner() {
                return Err(external(SqlError::unsupported(
                    "aggregates of an outer query in a subquery",
                )));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(())
}
