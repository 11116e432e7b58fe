//! Comparing items.

use std::cmp::Ordering;

use super::Value;
use super::predicate::Truth;
use crate::types::TimeZone;
use crate::types::json::Json;
use crate::types::jsonpath::Comparison;

/// Whether a comparison holds; unknown between types that do not compare. Dates and
/// times with and without a zone compare only when `zone` is given.
pub(super) fn compare(op: Comparison, a: &Value, b: &Value, zone: Option<&TimeZone>) -> Truth {
    let order = match (a, b) {
        (Value::Json(a), Value::Json(b)) => match (a, b) {
            (Json::Null, Json::Null) => Ordering::Equal,
            (Json::Null, _) | (_, Json::Null) => return Ok(Some(op == Comparison::NotEqual)),
            (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
            (Json::Number(a), Json::Number(b)) => a.cmp(b),
            (Json::String(a), Json::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => return Ok(None),
        },
        (Value::Moment(a), Value::Moment(b)) => match a.compare(b, zone)? {
            Some(order) => order,
            None => return Ok(None),
        },
        (Value::Json(Json::Null), _) | (_, Value::Json(Json::Null)) => {
            return Ok(Some(op == Comparison::NotEqual));
        }
        _ => return Ok(None),
    };
    Ok(Some(match op {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }))
}
