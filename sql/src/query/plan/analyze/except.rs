//! INTERSECT and EXCEPT of two plans.

use std::sync::Arc;

use datafusion::common::{Column, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder};

use super::super::super::error::external;
use super::super::syntax::SetOperation;
use super::Analyzer;
use crate::error::{SqlError, state};

/// The number of a row among its copies.
const COPY: &str = "\u{1f}copy";

impl Analyzer {
    /// The rows of a set operation of two analysed plans.
    ///
    /// # Errors
    /// 42601 for different numbers of columns, 42804 for types that do not go together.
    pub(in super::super) fn set_operation(
        &self,
        operation: SetOperation,
        left: LogicalPlan,
        right: LogicalPlan,
    ) -> Result<LogicalPlan> {
        let name = if operation.except {
            "EXCEPT"
        } else {
            "INTERSECT"
        };
        if left.schema().fields().len() != right.schema().fields().len() {
            return Err(external(SqlError::new(
                state::SYNTAX_ERROR,
                format!("each {name} query must have the same number of columns"),
            )));
        }
        if left.schema().fields().is_empty() {
            return Err(external(SqlError::unsupported(format!(
                "{name} of queries without columns"
            ))));
        }
        let inputs = [Arc::new(left), Arc::new(right)];
        let targets = self.common_columns(name, &inputs)?;
        let [left, right] = inputs;
        let mut left = self.project_to(Arc::unwrap_or_clone(left), &targets)?;
        let mut right = self.project_to(Arc::unwrap_or_clone(right), &targets)?;
        let width = targets.len();
        if operation.all {
            left = counted(left)?;
            right = counted(right)?;
        }
        let plan = if operation.except {
            LogicalPlanBuilder::except(left, right, false)?
        } else {
            LogicalPlanBuilder::intersect(left, right, false)?
        };
        if !operation.all {
            return Ok(plan);
        }
        let mut columns = columns_of(&plan);
        columns.truncate(width);
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    }
}

fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema()
        .iter()
        .map(|(qualifier, field)| Expr::Column(Column::from((qualifier, field))))
        .collect()
}

/// A plan whose copies of a row have numbers.
fn counted(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut columns = columns_of(&plan);
    let number = row_number().partition_by(columns.clone()).build()?;
    let name = number.schema_name().to_string();
    columns.push(Expr::Column(Column::new_unqualified(name)).alias(COPY));
    LogicalPlanBuilder::from(plan)
        .window(vec![number])?
        .project(columns)?
        .build()
}
