//! Literals: the type PostgreSQL gives a number, and putting plain numbers back.

use sqlparser::ast::{
    DataType, ExactNumberInfo, Expr, Ident, ObjectName, UnaryOperator, Value, ValueWithSpan,
};

use super::ast::{call, cast, number, string};
use crate::error::{SqlError, state};
use crate::types::Numeric;

/// The type that marks an `integer` literal; SQL text cannot name it (see [`before`]).
pub(in super::super) const INT4_LITERAL: DataType = DataType::Int32;

/// The type that marks a `bigint` literal.
pub(in super::super) const INT8_LITERAL: DataType = DataType::Int64;

/// Most digits of a literal that the planner reads by itself.
const LONGEST: usize = 38;

/// A literal with the type PostgreSQL gives it; `None` leaves it as it is.
pub(super) fn literal(value: &mut ValueWithSpan) -> Result<Option<Expr>, SqlError> {
    match &mut value.value {
        Value::Number(digits, _) => {
            let digits = digits.replace('_', "");
            Ok(Some(if digits.parse::<i32>().is_ok() {
                cast(number(&digits), INT4_LITERAL)
            } else if digits.parse::<i64>().is_ok() {
                cast(number(&digits), INT8_LITERAL)
            } else {
                numeric_literal(&digits)?
            }))
        }
        Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => Ok(Some(string(std::mem::take(text)))),
        Value::DollarQuotedString(text) => Ok(Some(string(std::mem::take(&mut text.value)))),
        Value::HexStringLiteral(digits) => Ok(Some(bits('x', digits))),
        Value::SingleQuotedByteStringLiteral(digits) => Ok(Some(bits('b', digits))),
        Value::Placeholder(name) => {
            let number = name.strip_prefix('$').and_then(|n| n.parse::<u32>().ok());
            match number {
                Some(1..=65_535) => Ok(None),
                _ => Err(SqlError::new(
                    state::UNDEFINED_PARAMETER,
                    format!("there is no parameter {name}"),
                )),
            }
        }
        Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => Ok(None),
        other => Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("syntax error at or near \"{other}\""),
        )),
    }
}

/// A bit string, of any length.
fn bits(kind: char, digits: &str) -> Expr {
    let name = ObjectName::from(vec![Ident::with_quote('"', "bit")]);
    cast(
        string(format!("{kind}{digits}")),
        DataType::Custom(name, Vec::new()),
    )
}

/// A `numeric` literal: written out without exponent, which the planner takes for
/// digits to be shown; one of many digits as the text of a numeric.
fn numeric_literal(digits: &str) -> Result<Expr, SqlError> {
    let mut plain = Numeric::parse(digits)?.to_string();
    if plain.len() > LONGEST {
        return Ok(cast(
            string(plain),
            DataType::Numeric(ExactNumberInfo::None),
        ));
    }
    if !plain.contains('.') {
        // The point keeps the planner from trying an unsigned integer.
        plain.push('.');
    }
    Ok(number(&plain))
}

/// The digits of a rewritten or plain number literal.
pub(super) fn number_digits(expr: &Expr) -> Option<(String, Option<DataType>)> {
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Number(digits, _),
            ..
        }) => Some((digits.clone(), None)),
        Expr::Cast {
            expr,
            data_type: data_type @ (DataType::Int32 | DataType::Int64),
            ..
        } => match expr.as_ref() {
            Expr::Value(ValueWithSpan {
                value: Value::Number(digits, _),
                ..
            }) => Some((digits.clone(), Some(data_type.clone()))),
            _ => None,
        },
        _ => None,
    }
}

/// Puts a plain number back where the planner wants one.
pub(in super::super) fn restore_literal(expr: &mut Expr) {
    if let Some((digits, Some(_))) = number_digits(expr) {
        *expr = number(&digits);
    }
}

/// The operand of a cast to a float, read as the float it is to be: it may have
/// no form as a decimal.
pub(super) fn float_operand(operand: &mut Expr) {
    if let Some((digits, None)) = number_digits(operand) {
        *operand = string(digits.trim_end_matches('.'));
    }
}

/// An operator before its operand: a sign belongs to the literal behind it.
pub(super) fn unary(op: UnaryOperator, operand: Expr) -> Result<Expr, SqlError> {
    Ok(match op {
        UnaryOperator::Plus => operand,
        UnaryOperator::Minus => match number_digits(&operand) {
            Some((digits, marker)) => negative(digits, marker),
            None => call("__neg", vec![operand]),
        },
        UnaryOperator::Not => Expr::UnaryOp {
            op,
            expr: Box::new(operand),
        },
        UnaryOperator::BitwiseNot => call("__bitnot", vec![operand]),
        UnaryOperator::PGAbs => call("abs", vec![operand]),
        UnaryOperator::PGSquareRoot => call("sqrt", vec![operand]),
        UnaryOperator::PGCubeRoot => call("cbrt", vec![operand]),
        other => return Err(SqlError::unsupported(format!("operator {other}"))),
    })
}

/// A literal below zero.
fn negative(digits: String, marker: Option<DataType>) -> Expr {
    // The least integers have no positive counterpart of their type.
    let (digits, marker) = match digits.as_str() {
        "2147483648" => (digits, Some(INT4_LITERAL)),
        "9223372036854775808." => ("9223372036854775808".to_owned(), Some(INT8_LITERAL)),
        _ => (digits, marker),
    };
    let negative = Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr: Box::new(number(&digits)),
    };
    match marker {
        Some(marker) => cast(negative, marker),
        None => negative,
    }
}
