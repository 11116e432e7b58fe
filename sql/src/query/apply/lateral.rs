//! LATERAL: a join whose right side is run for each row of the left one.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::free_references;
use super::lateral_exec::LateralExec;
use super::run::Bound;

/// A join with a subquery that refers to columns of its left side.
#[derive(Debug, Clone)]
pub(in super::super) struct Lateral {
    /// The left side.
    pub(super) input: LogicalPlan,
    /// The right side, with the references and the condition of the join.
    pub(super) plan: Arc<LogicalPlan>,
    /// What it refers to outside.
    pub(super) outer: Vec<Expr>,
    /// The values of that, over the left side.
    args: Vec<Expr>,
    /// Whether rows of the left side without partner stay.
    keeps_left: bool,
    schema: DFSchemaRef,
    pub(super) bound: Option<Arc<Bound>>,
}

impl Lateral {
    /// The join as a plan.
    pub(in super::super) fn plan(
        input: LogicalPlan,
        plan: LogicalPlan,
        keeps_left: bool,
        schema: DFSchemaRef,
    ) -> LogicalPlan {
        let outer = free_references(&plan);
        let args = outer
            .iter()
            .map(|reference| match reference {
                Expr::OuterReferenceColumn(_, column) if input.schema().has_column(column) => {
                    Expr::Column(column.clone())
                }
                // Of a query further out.
                other => other.clone(),
            })
            .collect();
        LogicalPlan::Extension(Extension {
            node: Arc::new(Self {
                input,
                plan: Arc::new(plan),
                outer,
                args,
                keeps_left,
                schema,
                bound: None,
            }),
        })
    }

    /// The node that a plan is, if it is one.
    pub(super) fn of(plan: &LogicalPlan) -> Option<&Self> {
        let LogicalPlan::Extension(extension) = plan else {
            return None;
        };
        let node: &dyn Any = extension.node.as_any();
        node.downcast_ref::<Self>()
    }

    /// The same join with another right side.
    pub(super) fn with_plan(&self, plan: LogicalPlan) -> Self {
        Self {
            plan: Arc::new(plan),
            ..self.clone()
        }
    }

    pub(super) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension {
            node: Arc::new(self),
        })
    }
}

impl PartialEq for Lateral {
    fn eq(&self, other: &Self) -> bool {
        self.input == other.input
            && self.plan == other.plan
            && self.args == other.args
            && self.keeps_left == other.keeps_left
            && self.schema == other.schema
    }
}

impl Eq for Lateral {}

impl PartialOrd for Lateral {
    fn partial_cmp(&self, _: &Self) -> Option<Ordering> {
        None
    }
}

impl Hash for Lateral {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.args.hash(state);
        self.keeps_left.hash(state);
    }
}

impl UserDefinedLogicalNodeCore for Lateral {
    fn name(&self) -> &str {
        "Lateral"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.args.clone()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let left = self.input.schema().fields().len();
        self.schema
            .fields()
            .iter()
            .skip(left)
            .map(|field| field.name().clone())
            .collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lateral: keeps_left={}", self.keeps_left)
    }

    fn with_exprs_and_inputs(&self, args: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
            return internal_err!("a lateral join has one input");
        };
        // The left side may have got other columns in the meantime.
        let left = self.input.schema().fields().len();
        let schema = if input.schema() == self.input.schema() {
            Arc::clone(&self.schema)
        } else {
            let right = self.schema.iter().skip(left);
            let fields = input
                .schema()
                .iter()
                .chain(right)
                .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
                .collect();
            Arc::new(DFSchema::new_with_metadata(fields, Default::default())?)
        };
        Ok(Self {
            input,
            args,
            schema,
            ..self.clone()
        })
    }
}

/// Plans lateral joins.
#[derive(Debug)]
pub(in super::super) struct LateralPlanner;

#[async_trait]
impl ExtensionPlanner for LateralPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        state: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let any: &dyn Any = node.as_any();
        let Some(lateral) = any.downcast_ref::<Lateral>() else {
            return Ok(None);
        };
        let ([logical], [input]) = (logical_inputs, physical_inputs) else {
            return internal_err!("a lateral join has one input");
        };
        let args = lateral
            .args
            .iter()
            .map(|arg| planner.create_physical_expr(arg, logical.schema(), state, context))
            .collect::<Result<Vec<Arc<dyn PhysicalExpr>>>>()?;
        Ok(Some(Arc::new(LateralExec::new(
            Arc::clone(input),
            args,
            lateral.bound.clone(),
            lateral.keeps_left,
            Arc::new(lateral.schema.as_arrow().clone()),
        ))))
    }
}
