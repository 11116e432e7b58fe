//! Operators over numbers, and those that are overloaded functions.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, Operator, ScalarUDF, binary_expr};
use sqlparser::ast::BinaryOperator;

use super::super::super::error::external;
use super::super::super::functions::{self, Arithmetic, ArithmeticOp};
use super::super::analyze::Analyzer;
use super::super::coerce::{self, bare, is_number};
use super::symbol::no_operator;
use crate::error::{SqlError, state};
use crate::types::PgType;

impl Analyzer {
    /// `+ - * / %` of two expressions.
    pub(super) fn arithmetic(
        &self,
        left: Expr,
        op: ArithmeticOp,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        let Some(ty) = arithmetic_type(lt, rt) else {
            let times = lt.plain() == PgType::Time && rt.plain() == PgType::Time;
            if times && op == ArithmeticOp::Add {
                return Err(external(SqlError::new(
                    state::AMBIGUOUS_FUNCTION,
                    "operator is not unique: time without time zone + time without time zone",
                )
                .hint("Could not choose a best candidate operator. You might need to add explicit type casts.")));
            }
            return self.overloaded(op.symbol(), op.symbol(), left, right, schema);
        };
        if op == ArithmeticOp::Modulo && matches!(ty, PgType::Float4 | PgType::Float8) {
            return Err(external(no_operator("%", lt, rt)));
        }
        let left = self.coerce(left, lt, ty, schema)?;
        let right = self.coerce(right, rt, ty, schema)?;
        Ok(ScalarUDF::new_from_impl(Arithmetic::new(op, ty)).call(vec![left, right]))
    }

    /// An operator that is an overloaded function of that name.
    pub(super) fn overloaded(
        &self,
        name: &str,
        symbol: &str,
        left: Expr,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let types = [self.type_of(&left, schema)?, self.type_of(&right, schema)?];
        let [lt, rt] = types;
        let Some(overload) = functions::operator(name, types) else {
            return Err(external(no_operator(symbol, lt, rt)));
        };
        self.overload(overload, vec![left, right], schema)
    }

    /// An operator over the bits of two integers.
    pub(super) fn bits(
        &self,
        left: Expr,
        op: Operator,
        right: Expr,
        symbol: &str,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        let bit_string = |ty| matches!(ty, PgType::Bit(_) | PgType::Varbit(_));
        if bit_string(lt) || bit_string(rt) {
            return self.overloaded(symbol, symbol, left, right, schema);
        }
        let integer = |ty| {
            matches!(
                ty,
                PgType::Int2 | PgType::Int4 | PgType::Int8 | PgType::Unknown
            )
        };
        let ty = coerce::unify(lt, rt).filter(|_| integer(lt) && integer(rt));
        let Some(ty) = ty.filter(|ty| *ty != PgType::Unknown) else {
            return Err(external(no_operator(symbol, lt, rt)));
        };
        let left = self.coerce(left, lt, ty, schema)?;
        let right = self.coerce(right, rt, ty, schema)?;
        Ok(binary_expr(left, op, right))
    }
}

/// The type numbers are computed in; `None` when they are not both numbers.
fn arithmetic_type(left: PgType, right: PgType) -> Option<PgType> {
    use PgType::{Float4, Float8, Unknown};
    match (left, right) {
        (Unknown, other) | (other, Unknown) if is_number(other) => Some(bare(other)),
        (a, b) if is_number(a) && is_number(b) => Some(match coerce::unify(a, b)? {
            Float4 if a != b => Float8,
            ty => bare(ty),
        }),
        _ => None,
    }
}

/// The arithmetic that an operator does.
pub(super) fn operator(op: &BinaryOperator) -> Option<ArithmeticOp> {
    Some(match op {
        BinaryOperator::Plus => ArithmeticOp::Add,
        BinaryOperator::Minus => ArithmeticOp::Subtract,
        BinaryOperator::Multiply => ArithmeticOp::Multiply,
        BinaryOperator::Divide => ArithmeticOp::Divide,
        BinaryOperator::Modulo => ArithmeticOp::Modulo,
        _ => return None,
    })
}

/// The operator over bits that an operator is, and its symbol; `#` is a function.
pub(super) fn bit_operator(op: &BinaryOperator) -> Option<(Operator, &'static str)> {
    Some(match op {
        BinaryOperator::BitwiseAnd => (Operator::BitwiseAnd, "&"),
        BinaryOperator::BitwiseOr => (Operator::BitwiseOr, "|"),
        BinaryOperator::PGBitwiseShiftLeft => (Operator::BitwiseShiftLeft, "<<"),
        BinaryOperator::PGBitwiseShiftRight => (Operator::BitwiseShiftRight, ">>"),
        _ => return None,
    })
}
