//! Nodes that ask more of their expressions than being settled.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinConstraint, Result};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Projection, Sort, Values,
};

use super::super::super::error::external;
use super::super::super::functions;
use super::super::coerce;
use super::super::operators::common_type;
use super::super::settle::Place;
use super::super::types::field_with;
use super::Analyzer;
use crate::error::{SqlError, state};
use crate::types::PgType;

impl Analyzer {
    /// LIMIT and OFFSET, which are numbers.
    pub(super) fn limit(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let empty = DFSchema::empty();
        plan.map_expressions(|expr| {
            let ty = self.type_of(&expr, &empty)?;
            let plain_number = matches!(expr, Expr::Literal(..)) && coerce::is_number(ty);
            if plain_number {
                return Ok(Transformed::no(expr));
            }
            if matches!(ty, PgType::Unknown) || coerce::is_number(ty) {
                let expr = self.coerce(expr, ty, PgType::Int8, &empty)?;
                return self
                    .subqueries(expr, Place::Other, &empty)
                    .map(Transformed::yes);
            }
            Err(external(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "argument of LIMIT must be type bigint, not type {}",
                    ty.base_name()
                ),
            )))
        })
        .map(|t| t.data)
    }

    /// A sort by subqueries. They may refer to columns that the projection below the
    /// sort leaves out, so their values become columns of it for a while.
    pub(super) fn sort_by_subqueries(&self, mut sort: Sort) -> Result<LogicalPlan> {
        let LogicalPlan::Projection(projection) = sort.input.as_ref() else {
            return Ok(LogicalPlan::Sort(sort));
        };
        let own: Vec<Expr> = projection
            .schema
            .iter()
            .map(|(qualifier, field)| Expr::Column(Column::from((qualifier, field))))
            .collect();
        let mut columns = projection.expr.clone();
        for (number, item) in sort.expr.iter_mut().enumerate() {
            if !has_subquery(&item.expr)? {
                continue;
            }
            let name = format!("{ORDER}{number}");
            let expr = std::mem::take(&mut item.expr);
            let below = expr.transform_up(|e| {
                let position = own.iter().position(|column| *column == e);
                match position.and_then(|p| projection.expr.get(p)) {
                    Some(source) => Ok(Transformed::yes(source.clone().unalias())),
                    None => Ok(Transformed::no(e)),
                }
            })?;
            columns.push(below.data.alias(name.as_str()));
            item.expr = Expr::Column(Column::new_unqualified(name));
        }
        let wide = Projection::try_new(columns, Arc::clone(&projection.input))?;
        sort.input = Arc::new(self.node(LogicalPlan::Projection(wide))?);
        LogicalPlanBuilder::from(self.node(LogicalPlan::Sort(sort))?)
            .project(own)?
            .build()
    }

    /// A join, on values of common types.
    pub(super) fn join(&self, mut join: Join) -> Result<LogicalPlan> {
        let left = join.left.schema();
        let right = join.right.schema();
        let mut on = Vec::with_capacity(join.on.len());
        for (l, r) in join.on {
            let (lt, rt) = (
                self.type_of(&l, left.as_ref())?,
                self.type_of(&r, right.as_ref())?,
            );
            let ty = common_type("=", lt, rt)?;
            let l = self.coerce(l, lt, ty, left.as_ref())?;
            let r = self.coerce(r, rt, ty, right.as_ref())?;
            on.push(self.compared_pair(l, r, ty, [left.as_ref(), right.as_ref()])?);
        }
        join.on = on;
        // Only columns are joined USING; whoever names the result later asks for them.
        let is_column = |e: &Expr| e.get_as_join_column().is_some();
        if !join.on.iter().all(|(l, r)| is_column(l) && is_column(r)) {
            join.join_constraint = JoinConstraint::On;
        }
        if let Some(filter) = join.filter.take() {
            let mut schema = left.as_ref().clone();
            schema.merge(right);
            join.filter = Some(self.condition(filter, "JOIN/ON", &schema)?);
        }
        Ok(LogicalPlan::Join(join))
    }

    /// VALUES, whose rows have the same types.
    pub(super) fn values(&self, mut values: Values) -> Result<LogicalPlan> {
        let empty = DFSchema::empty();
        let mut fields = Vec::with_capacity(values.schema.fields().len());
        for index in 0..values.schema.fields().len() {
            let mut exprs = Vec::with_capacity(values.values.len());
            let mut types = Vec::with_capacity(values.values.len());
            for expr in values
                .values
                .iter_mut()
                .filter_map(|row| row.get_mut(index))
            {
                let expr = functions::shown_value(std::mem::take(expr));
                types.push(self.type_of(&expr, &empty)?);
                exprs.push(expr);
            }
            let ty = coerce::common("VALUES", &types).map_err(external)?;
            let mut settled = Vec::with_capacity(exprs.len());
            for (expr, own) in exprs.into_iter().zip(types) {
                settled.push(self.coerce(expr, own, ty, &empty)?);
            }
            let settled = self.alike(settled, ty, &empty)?;
            let arrow = match settled.first() {
                Some(expr) => expr.get_type(&empty)?,
                None => DataType::Null,
            };
            let name = values.schema.field(index).name().clone();
            fields.push(field_with(Field::new(name, arrow, true), ty));
            for (row, expr) in values.values.iter_mut().zip(settled) {
                if let Some(place) = row.get_mut(index) {
                    *place = expr;
                }
            }
        }
        let schema = DFSchema::from_unqualified_fields(fields.into(), HashMap::new())?;
        Ok(LogicalPlan::Values(Values {
            schema: Arc::new(schema),
            values: values.values,
        }))
    }
}

/// Starts the names of columns that are only sorted by.
const ORDER: &str = "\u{1f}order";

/// Whether an expression asks a subquery.
pub(super) fn has_subquery(expr: &Expr) -> Result<bool> {
    expr.exists(|e| {
        Ok(matches!(
            e,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
        ))
    })
}
