//! Operators by their symbols: those there are, and those there are not.

use datafusion::common::Result;
use sqlparser::ast::BinaryOperator;

use super::super::super::error::external;
use super::super::coerce;
use crate::error::{SqlError, state};
use crate::types::PgType;

/// The error for an operator that does not exist for the types.
pub(in super::super) fn no_operator(symbol: &str, left: PgType, right: PgType) -> SqlError {
    SqlError::new(
        state::UNDEFINED_FUNCTION,
        format!(
            "operator does not exist: {} {symbol} {}",
            left.base_name(),
            right.base_name()
        ),
    )
    .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

/// The type that operands of these types are brought to.
///
/// # Errors
/// 42883 when there is none.
pub(in super::super) fn common_type(symbol: &str, left: PgType, right: PgType) -> Result<PgType> {
    coerce::unify(left, right).ok_or_else(|| external(no_operator(symbol, left, right)))
}

/// What an operand is taken for when nothing says what it is.
pub(in super::super) fn text_if_unknown(ty: PgType) -> PgType {
    match ty {
        PgType::Unknown => PgType::Text,
        known => known,
    }
}

/// The operator written `OPERATOR(pg_catalog.symbol)`.
pub(super) fn operator_named(symbol: &str) -> Option<BinaryOperator> {
    use BinaryOperator as B;
    Some(match symbol {
        "=" => B::Eq,
        "<>" | "!=" => B::NotEq,
        "<" => B::Lt,
        "<=" => B::LtEq,
        ">" => B::Gt,
        ">=" => B::GtEq,
        "+" => B::Plus,
        "-" => B::Minus,
        "*" => B::Multiply,
        "/" => B::Divide,
        "%" => B::Modulo,
        "||" => B::StringConcat,
        "~" => B::PGRegexMatch,
        "~*" => B::PGRegexIMatch,
        "!~" => B::PGRegexNotMatch,
        "!~*" => B::PGRegexNotIMatch,
        "~~" => B::PGLikeMatch,
        "~~*" => B::PGILikeMatch,
        "!~~" => B::PGNotLikeMatch,
        "!~~*" => B::PGNotILikeMatch,
        "->" => B::Arrow,
        "->>" => B::LongArrow,
        "#>" => B::HashArrow,
        "#>>" => B::HashLongArrow,
        "@>" => B::AtArrow,
        "<@" => B::ArrowAt,
        _ => return None,
    })
}
