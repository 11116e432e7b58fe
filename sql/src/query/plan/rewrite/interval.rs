//! Interval literals.

use sqlparser::ast::{DataType, Expr, Interval, Value, ValueWithSpan};

use super::ast::{cast, string, take};
use crate::error::{SqlError, state};

/// `INTERVAL '…'` as a cast of its text.
pub(super) fn interval_literal(interval: &mut Interval) -> Result<Expr, SqlError> {
    let digits = interval.leading_precision;
    let precise = (digits.is_some() && interval.leading_field.is_some())
        || interval.fractional_seconds_precision.is_some();
    if precise || interval.last_field.is_some() {
        return Err(SqlError::unsupported("interval with fields or precision"));
    }
    let value = take(&mut interval.value);
    let Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(mut text),
        ..
    }) = value
    else {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "an interval literal needs a string",
        ));
    };
    if let Some(field) = &interval.leading_field {
        // A bare number counts in the field's unit.
        if text.trim().parse::<f64>().is_ok() {
            text = format!("{} {}", text.trim(), field.to_string().to_lowercase());
        } else {
            return Err(SqlError::unsupported("interval with fields"));
        }
    }
    Ok(cast(
        string(text),
        DataType::Interval {
            fields: None,
            precision: digits,
        },
    ))
}

/// Puts an interval literal back where the planner wants one.
pub(super) fn restore_interval(expr: &mut Expr) {
    if let Expr::Cast {
        expr: inner,
        data_type: DataType::Interval { .. },
        ..
    } = expr
        && matches!(inner.as_ref(), Expr::Value(_))
    {
        let value = take(inner);
        *expr = Expr::Interval(Interval {
            value: Box::new(value),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        });
    }
}
