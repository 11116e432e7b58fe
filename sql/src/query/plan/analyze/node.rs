//! Nodes that ask more of their expressions than being settled.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, Join, LogicalPlan};

use super::super::super::error::external;
use super::super::coerce;
use super::super::operators::common_type;
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
                return self
                    .coerce(expr, ty, PgType::Int8, &empty)
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
            on.push((
                self.coerce(l, lt, ty, left.as_ref())?,
                self.coerce(r, rt, ty, right.as_ref())?,
            ));
        }
        join.on = on;
        if let Some(filter) = join.filter.take() {
            let mut schema = left.as_ref().clone();
            schema.merge(right);
            join.filter = Some(self.condition(filter, "JOIN/ON", &schema)?);
        }
        Ok(LogicalPlan::Join(join))
    }
}
