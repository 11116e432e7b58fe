//! Calls of strict functions with NULL, which are NULL and compute nothing.
//!
//! PostgreSQL's planner puts NULL in place of such a call, whatever its other arguments
//! are (`evaluate_function` of its `clauses.c`): `1 / x + NULL` divides by nothing, and
//! `nextval('s') + NULL` takes no number.

use arrow::datatypes::FieldRef;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Expr, ExprSchemable, ReturnFieldArgs, ScalarUDFImpl, Volatility};

/// What a call of a strict function with these arguments is simplified to.
///
/// PostgreSQL computes the constants among the arguments first, and fails with one that
/// fails. Here a constant that is still not a literal is one that fails, so a call that
/// holds one stays.
///
/// # Errors
/// Those of the types of the arguments.
pub(super) fn simplified(
    function: &dyn ScalarUDFImpl,
    args: Vec<Expr>,
    info: &SimplifyContext,
) -> Result<ExprSimplifyResult> {
    let with_null = args
        .iter()
        .any(|arg| literal(arg).is_some_and(ScalarValue::is_null));
    if !with_null || args.iter().any(holds_constant) {
        return Ok(ExprSimplifyResult::Original(args));
    }
    let fields = args
        .iter()
        .map(|arg| Ok(arg.to_field(info.schema().as_ref())?.1));
    let fields: Vec<FieldRef> = fields.collect::<Result<_>>()?;
    let literals: Vec<Option<&ScalarValue>> = args.iter().map(literal).collect();
    let field = function.return_field_from_args(ReturnFieldArgs {
        arg_fields: &fields,
        scalar_arguments: &literals,
    })?;
    let metadata = FieldMetadata::from(field.metadata());
    let null = ScalarValue::try_from(field.data_type())?;
    Ok(ExprSimplifyResult::Simplified(Expr::Literal(
        null,
        (!metadata.is_empty()).then_some(metadata),
    )))
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// Whether a part of an expression is a constant, but no literal.
fn holds_constant(expr: &Expr) -> bool {
    let constant = |part: &Expr| Ok(literal(part).is_none() && !part.exists(|e| Ok(varies(e)))?);
    expr.exists(constant).unwrap_or(true)
}

/// Whether an expression has a value only as a query runs.
fn varies(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Volatile,
        Expr::Column(_)
        | Expr::OuterReferenceColumn(..)
        | Expr::Placeholder(_)
        | Expr::ScalarVariable(..)
        | Expr::ScalarSubquery(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::AggregateFunction(_)
        | Expr::WindowFunction(_) => true,
        _ => false,
    }
}
