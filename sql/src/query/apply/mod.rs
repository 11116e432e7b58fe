//! Subqueries that are run for the row that asks.
//!
//! The planner makes joins of correlated subqueries where it can. Where no join gives
//! PostgreSQL's answer, the subquery becomes a function: its arguments are what the
//! subquery refers to of the queries around it, and its value is the subquery's
//! answer for these. Answers are kept, so that equal arguments cost one run. A
//! subquery that refers to nothing outside is a function without arguments, which
//! the optimizer computes once and treats as a constant from then on.
//!
//! The planner makes unbound functions ([`Apply`]); [`bind`] gives those of a plan
//! that is about to run what they need to run themselves ([`run`]).

mod answers;
mod bind;
mod lateral;
mod lateral_exec;
mod members;
mod run;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

use self::run::Bound;
use super::error::external;
use crate::error::SqlError;
use crate::types::PgType;

pub(super) use bind::{bind, free_references, is_subquery, rewrite, visit};
pub(super) use lateral::{Lateral, LateralPlanner};
pub(super) use run::Runtime;

/// What is asked of a subquery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// Its value: NULL without rows, an error with more than one.
    Scalar,
    /// Whether it has rows, or has none.
    Exists {
        /// Has none.
        negated: bool,
    },
    /// Whether a test holds for some row, or for all.
    Quantified(Quantified),
    /// All its rows.
    Rows,
}

/// A test of the rows of a subquery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Quantified {
    /// The test, over the pairs of the left side's values and a row's.
    pub(super) test: Expr,
    /// The columns of such a pair: first those of the left side.
    pub(super) pair: DFSchemaRef,
    /// Whether it has to hold for every row.
    pub(super) all: bool,
    /// Whether the answer is turned round.
    pub(super) negated: bool,
}

/// Subqueries made so far.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A subquery as a function of what it refers to outside.
#[derive(Debug, Clone)]
pub(super) struct Apply {
    /// The subquery, with references to the queries around it.
    pub(super) plan: Arc<LogicalPlan>,
    /// The references that the first arguments are the values of; the left side of a
    /// test follows.
    pub(super) outer: Vec<Expr>,
    pub(super) question: Question,
    /// The result.
    pub(super) field: FieldRef,
    /// Its type.
    pub(super) ty: PgType,
    signature: Signature,
    /// Different for every subquery: the optimizer knows columns by the names of what
    /// they are computed from.
    name: String,
    bound: Option<Arc<Bound>>,
}

impl Apply {
    pub(super) fn new(
        plan: LogicalPlan,
        outer: Vec<Expr>,
        question: Question,
        field: FieldRef,
        ty: PgType,
    ) -> Self {
        let volatility = if is_volatile(&plan) {
            Volatility::Volatile
        } else {
            Volatility::Stable
        };
        Self {
            plan: Arc::new(plan),
            outer,
            question,
            field,
            ty,
            signature: Signature::user_defined(volatility),
            name: format!("subquery{}", MADE.fetch_add(1, Ordering::Relaxed)),
            bound: None,
        }
    }

    /// The function over its arguments.
    pub(super) fn over(self, args: Vec<Expr>) -> Expr {
        ScalarUDF::new_from_impl(self).call(args)
    }

    /// The same question to another plan.
    fn with_plan(&self, plan: LogicalPlan) -> Self {
        Self {
            plan: Arc::new(plan),
            ..self.clone()
        }
    }

    /// Whether equal arguments may get different answers.
    fn is_volatile(&self) -> bool {
        self.signature.volatility == Volatility::Volatile
    }
}

/// Whether the rows of a plan may differ from one run to the next.
fn is_volatile(plan: &LogicalPlan) -> bool {
    let mut volatile = false;
    // The closures never fail.
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            volatile = volatile || expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })
    });
    volatile
}

impl PartialEq for Apply {
    fn eq(&self, other: &Self) -> bool {
        let bound = match (&self.bound, &other.bound) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        bound
            && self.name == other.name
            && self.question == other.question
            && self.plan == other.plan
    }
}

impl Eq for Apply {}

impl Hash for Apply {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Apply {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn short_circuits(&self) -> bool {
        false
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &self.bound {
            Some(bound) => bound.evaluate(&args.args, args.number_rows),
            // The optimizer asks for constants also when it only explains.
            None => Err(external(SqlError::internal(
                "a subquery was asked before the query runs",
            ))),
        }
    }
}
