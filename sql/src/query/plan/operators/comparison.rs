//! Comparisons, and the logic over them.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, Operator, binary_expr};
use sqlparser::ast::BinaryOperator;

use super::super::super::error::external;
use super::super::super::functions::is_choice;
use super::super::analyze::Analyzer;
use super::symbol::{common_type, no_operator, text_if_unknown};
use crate::error::{SqlError, SqlResult, state};
use crate::types::PgType;
use crate::types::array::image;

impl Analyzer {
    /// A comparison of two expressions brought to a common type.
    ///
    /// # Errors
    /// 42883 when the types cannot be compared.
    pub(in super::super) fn compare(
        &self,
        left: Expr,
        op: Operator,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        let symbol = match op {
            Operator::NotEq => "<>".to_owned(),
            other => other.to_string(),
        };
        let ty = text_if_unknown(common_type(&symbol, lt, rt)?);
        // Real and integer meet as double precision, as PostgreSQL picks it; a literal
        // takes the type beside it.
        let literal = lt == PgType::Unknown || rt == PgType::Unknown;
        let ty = if ty == PgType::Float4 && lt != rt && !literal {
            PgType::Float8
        } else {
            ty
        };
        check_comparable(&symbol, ty, ty).map_err(external)?;
        let (left, right) = if matches!(ty, PgType::Numeric(_)) {
            (self.chosen(left, schema)?, self.chosen(right, schema)?)
        } else {
            (left, right)
        };
        let left = self.coerce(left, lt, ty, schema)?;
        let right = self.coerce(right, rt, ty, schema)?;
        let (left, right) = self.compared_pair(left, right, ty, [schema, schema])?;
        Ok(binary_expr(left, op, right))
    }

    /// A numeric operand with its choices between values settled: until then it may
    /// seem to be a decimal of the first value's scale.
    fn chosen(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        let chooses = expr.exists(|e| {
            Ok(match e {
                Expr::Case(_) => true,
                Expr::ScalarFunction(call) => is_choice(call.func.name()),
                _ => false,
            })
        })?;
        // Settled at their place in the plan.
        let member = |e: &Expr| matches!(e, Expr::InSubquery(_) | Expr::SetComparison(_));
        if !chooses || expr.exists(|e| Ok(member(e)))? {
            return Ok(expr);
        }
        let settled = expr.transform_up(|e| self.settle(e, schema).map(Transformed::yes))?;
        Ok(settled.data)
    }

    /// AND and OR.
    pub(super) fn logic(
        &self,
        left: Expr,
        op: Operator,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let name = if op == Operator::And { "AND" } else { "OR" };
        let left = self.condition(left, name, schema)?;
        let right = self.condition(right, name, schema)?;
        Ok(binary_expr(left, op, right))
    }
}

/// Refuses comparisons of types that have none.
pub(in super::super) fn check_comparable(
    symbol: &str,
    left: PgType,
    right: PgType,
) -> SqlResult<()> {
    let json = |ty: PgType| matches!(ty, PgType::Json | PgType::Array(PgType::Json));
    if left == PgType::Json || right == PgType::Json {
        return Err(no_operator(symbol, left, right));
    }
    if json(left) || json(right) {
        return Err(SqlError::new(
            state::UNDEFINED_FUNCTION,
            "could not identify a comparison function for type json",
        ));
    }
    Ok(())
}

/// Whether values have an order that neither their text nor their bytes have.
pub(in crate::query) fn compared_by_key(ty: PgType) -> bool {
    matches!(
        ty.plain(),
        PgType::Jsonb | PgType::Composite(_) | PgType::Bit(_) | PgType::Varbit(_) | PgType::Timetz
    ) || image::has_forms(ty)
}

/// The comparison that an operator is.
pub(super) fn operator(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}
