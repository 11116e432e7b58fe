//! Literals as PostgreSQL types them.

use sqlparser::ast::{DollarQuotedString, Value};

use crate::error::SqlError;
use crate::types::{Datum, Numeric, PgType};

/// The value and type of a literal; `None` for a kind that needs more than this.
/// A string has type unknown: what it means is decided by where it stands.
pub(crate) fn literal(value: &Value) -> Result<Option<(Datum, PgType)>, SqlError> {
    Ok(Some(match value {
        Value::Null => (Datum::Null, PgType::Unknown),
        Value::Boolean(b) => (Datum::Bool(*b), PgType::Bool),
        Value::Number(digits, false) => number(digits)?,
        Value::SingleQuotedString(s)
        | Value::EscapedStringLiteral(s)
        | Value::UnicodeStringLiteral(s)
        | Value::DollarQuotedString(DollarQuotedString { value: s, .. }) => {
            (Datum::text(s.clone()), PgType::Unknown)
        }
        _ => return Ok(None),
    }))
}

/// Integers are `integer`, then `bigint`, then `numeric`; anything with a point
/// or an exponent is `numeric`.
fn number(digits: &str) -> Result<(Datum, PgType), SqlError> {
    if let Ok(n) = digits.parse::<i32>() {
        return Ok((Datum::Int4(n), PgType::Int4));
    }
    if let Ok(n) = digits.parse::<i64>() {
        return Ok((Datum::Int8(n), PgType::Int8));
    }
    Ok((
        Datum::Numeric(Numeric::parse(digits)?),
        PgType::Numeric(None),
    ))
}
