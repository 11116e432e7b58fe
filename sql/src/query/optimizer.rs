//! DataFusion's optimizer rules, without what goes wrong here.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

/// The rule that groups twice for the sake of one DISTINCT.
const SINGLE_DISTINCT: &str = "single_distinct_aggregation_to_group_by";
/// The rules that push filters down in physical plans.
const FILTER_PUSHDOWN: &str = "FilterPushdown";

/// A rule of logical plans.
type LogicalRule = Arc<dyn OptimizerRule + Send + Sync>;
/// A rule of physical plans.
type PhysicalRule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The rules for logical plans.
pub(super) fn logical() -> Vec<LogicalRule> {
    let rules = Optimizer::new().rules.into_iter();
    rules
        .map(|rule| -> LogicalRule {
            match rule.name() {
                SINGLE_DISTINCT => Arc::new(SingleDistinct(rule)),
                _ => rule,
            }
        })
        .collect()
}

/// The rules for physical plans. Filters are pushed down in logical plans: in physical
/// ones columns go by their names, which two tables of a join may share, and the filter
/// of one would be asked of the other.
pub(super) fn physical() -> Vec<PhysicalRule> {
    let rules = PhysicalOptimizer::new().rules.into_iter();
    rules
        .filter(|rule| !rule.name().starts_with(FILTER_PUSHDOWN))
        .collect()
}

/// The rule for one DISTINCT, where the sums beside it stay sums of their type: it adds
/// up sums, and a sum of decimals has more digits than they.
#[derive(Debug)]
struct SingleDistinct(LogicalRule);

impl OptimizerRule for SingleDistinct {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Aggregate(aggregate) = &plan {
            for expr in &aggregate.aggr_expr {
                if is_growing_sum(expr, aggregate.input.schema().as_ref())? {
                    return Ok(Transformed::no(plan));
                }
            }
        }
        self.0.rewrite(plan, config)
    }
}

/// Whether an aggregate is a sum, of values whose sums are of another type.
fn is_growing_sum(expr: &Expr, schema: &dyn datafusion::common::ExprSchema) -> Result<bool> {
    match expr {
        Expr::Alias(alias) => is_growing_sum(&alias.expr, schema),
        Expr::AggregateFunction(call) if call.func.name() == "sum" => {
            let Some(value) = call.params.args.first() else {
                return Ok(false);
            };
            let ty = value.get_type(schema)?;
            Ok(ty.is_decimal() || ty == DataType::LargeBinary)
        }
        _ => Ok(false),
    }
}
