//! Joins whose right side refers to the left one.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, Filter, Join, JoinType, LogicalPlan, SubqueryAlias};

use super::super::super::apply::{Lateral, free_references};
use super::super::super::error::external;
use super::super::settle::lateral_becomes_join as becomes_join;
use super::Analyzer;
use crate::error::{SqlError, state};

/// Whether the right side of a join refers to its left side.
pub(super) fn is_lateral(join: &Join) -> bool {
    let left = join.left.schema();
    free_references(&join.right).iter().any(|reference| {
        matches!(reference, Expr::OuterReferenceColumn(_, column) if left.has_column(column))
    })
}

impl Analyzer {
    /// A lateral join, as one that runs its right side for each row of the left.
    pub(super) fn lateral(&self, join: Join) -> Result<LogicalPlan> {
        if becomes_join(&join) {
            return self.join(join);
        }
        let keeps_left = match join.join_type {
            JoinType::Inner => false,
            JoinType::Left => true,
            _ => {
                return Err(external(
                    SqlError::new(
                        state::INVALID_COLUMN_REFERENCE,
                        "invalid reference to FROM-clause entry in a lateral join",
                    )
                    .detail(
                        "The combining JOIN type must be INNER or LEFT for a LATERAL reference.",
                    ),
                ));
            }
        };
        let LogicalPlan::Join(join) = self.join(join)? else {
            return Err(external(SqlError::internal("a join is a join")));
        };
        let left = Arc::clone(join.left.schema());
        let mut plan = bare(Arc::unwrap_or_clone(join.right))?;
        let equal = join.on.into_iter().map(|(l, r)| l.eq(r));
        for condition in equal.chain(join.filter) {
            let outside = condition.transform_up(|e| match e {
                Expr::Column(column) if left.has_column(&column) => {
                    let (qualifier, field) = left.qualified_field_from_column(&column)?;
                    let field = Arc::clone(field);
                    let column = Column::new(qualifier.cloned(), column.name);
                    Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            plan = LogicalPlan::Filter(Filter::try_new(outside.data, Arc::new(plan))?);
        }
        let input = Arc::unwrap_or_clone(join.left);
        Ok(Lateral::plan(input, plan, keeps_left, join.schema))
    }
}

/// The right side without the mark that it is lateral.
fn bare(plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Subquery(subquery) => bare(Arc::unwrap_or_clone(subquery.subquery))?,
        LogicalPlan::SubqueryAlias(alias) => {
            let input = bare(Arc::unwrap_or_clone(alias.input))?;
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias)?)
        }
        other => other,
    })
}
