//! Functions of enums.

use super::args::at;
use super::overload::{Arg, Call, Gives, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::user::UserType;
use crate::types::{ArrayValue, Datum, PgType};

const ENUM: Arg = Arg::AnyElement;

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::generic("enum_first", &[ENUM], Gives::Element, first)
        .lenient()
        .stable(),
    Overload::generic("enum_last", &[ENUM], Gives::Element, last)
        .lenient()
        .stable(),
    Overload::generic("enum_range", &[ENUM], Gives::Array, range)
        .lenient()
        .stable(),
    Overload::generic("enum_range", &[ENUM, ENUM], Gives::Array, range)
        .lenient()
        .stable(),
];

/// The enum that a function is called for.
fn enum_of(call: &Call<'_>, name: &str) -> SqlResult<&'static UserType> {
    match call.types.first() {
        Some(PgType::Enum(user)) => Ok(user),
        other => {
            let types: Vec<&str> = other.iter().map(|ty| ty.base_name()).collect();
            Err(SqlError::new(
                state::UNDEFINED_FUNCTION,
                format!("function {name}({}) does not exist", types.join(", ")),
            ))
        }
    }
}

fn empty(user: &UserType) -> SqlError {
    SqlError::new(
        state::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("enum {} contains no values", user.shown()),
    )
}

fn first(call: &Call<'_>, _: &[Datum]) -> SqlResult<Datum> {
    let user = enum_of(call, "enum_first")?;
    let label = user.labels().first().ok_or_else(|| empty(user))?;
    Ok(user.value_at(label.position))
}

fn last(call: &Call<'_>, _: &[Datum]) -> SqlResult<Datum> {
    let user = enum_of(call, "enum_last")?;
    let label = user.labels().last().ok_or_else(|| empty(user))?;
    Ok(user.value_at(label.position))
}

/// The labels between two, NULL meaning the first and the last one.
fn range(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let user = enum_of(call, "enum_range")?;
    let bound = |index| match args.len() {
        2 => match at(args, index) {
            Datum::Enum(value) => Some(value.position),
            _ => None,
        },
        _ => None,
    };
    let (from, to) = (bound(0), bound(1));
    let within = |position: i64| {
        from.is_none_or(|from| from <= position) && to.is_none_or(|to| position <= to)
    };
    let labels = user.labels().iter().map(|l| l.position);
    let values: Vec<Datum> = labels
        .filter(|position| within(*position))
        .map(|position| user.value_at(position))
        .collect();
    if values.is_empty() {
        return Ok(ArrayValue::empty(PgType::Enum(user)).datum());
    }
    Ok(ArrayValue::list(PgType::Enum(user), values).datum())
}
