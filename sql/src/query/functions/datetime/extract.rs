//! `extract` and `date_part`: one field of a date, time or interval.

use super::super::args::{DATE, INTERVAL, TEXT, TIME, TIMESTAMP, TIMESTAMPTZ, at, str_at};
use super::super::overload::{Call, Overload};
use super::super::range::is_infinite;
use super::parts::{field, parts};
use super::truncate::unknown_unit;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, Numeric, PgType};

/// `extract` under each name and for each type, by the digits of its result.
macro_rules! extract {
    ($name:literal, $scale:literal) => {
        [
            Overload::new($name, &[TEXT, DATE], PgType::Numeric(None), |c, a| {
                extract(c, a, 0)
            })
            .numeric(0),
            Overload::new($name, &[TEXT, TIMESTAMP], PgType::Numeric(None), |c, a| {
                extract(c, a, $scale)
            })
            .numeric($scale),
            Overload::new(
                $name,
                &[TEXT, TIMESTAMPTZ],
                PgType::Numeric(None),
                |c, a| extract(c, a, $scale),
            )
            .numeric($scale)
            .stable(),
            Overload::new($name, &[TEXT, TIME], PgType::Numeric(None), |c, a| {
                extract(c, a, $scale)
            })
            .numeric($scale),
            Overload::new($name, &[TEXT, INTERVAL], PgType::Numeric(None), |c, a| {
                extract(c, a, $scale)
            })
            .numeric($scale),
        ]
    };
}

static EXTRACT_WHOLE: [Overload; 5] = extract!("__extract0", 0);
static EXTRACT_MILLIS: [Overload; 5] = extract!("__extract3", 3);
static EXTRACT_MICROS: [Overload; 5] = extract!("__extract6", 6);

/// The overloads of `extract`.
pub(super) fn extract_overloads() -> impl Iterator<Item = &'static Overload> {
    EXTRACT_WHOLE
        .iter()
        .chain(&EXTRACT_MILLIS)
        .chain(&EXTRACT_MICROS)
}

/// The function that extracts a field: its result has as many digits after the
/// point as PostgreSQL gives the field.
pub(in crate::query) fn extract_function(field: &str) -> &'static str {
    match field {
        "second" | "seconds" | "sec" | "secs" | "s" | "epoch" => "__extract6",
        "millisecond" | "milliseconds" | "msec" | "ms" | "msecs" => "__extract3",
        _ => "__extract0",
    }
}

/// The overloads of `date_part`.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("date_part", &[TEXT, DATE], PgType::Float8, date_part),
    Overload::new("date_part", &[TEXT, TIMESTAMP], PgType::Float8, date_part),
    Overload::new("date_part", &[TEXT, TIMESTAMPTZ], PgType::Float8, date_part).stable(),
    Overload::new("date_part", &[TEXT, TIME], PgType::Float8, date_part),
    Overload::new("date_part", &[TEXT, INTERVAL], PgType::Float8, date_part),
];

/// The field that the first argument names, of the second (see [`field`]).
fn read_field(call: &Call<'_>, args: &[Datum]) -> SqlResult<Option<i128>> {
    let name = str_at(args, 0).to_ascii_lowercase();
    let value = at(args, 1);
    if is_infinite(value) {
        return field_of_infinity(&name, value);
    }
    let parts = parts(call, value)?;
    if matches!(value, Datum::Date(_)) && !has_date_field(&name) {
        return Err(no_such_field(&name, parts.type_name));
    }
    field(&parts, &name)
        .map(Some)
        .ok_or_else(|| no_such_field(&name, parts.type_name))
}

/// Whether a date has a field, which is none of the time of day.
fn has_date_field(name: &str) -> bool {
    !matches!(
        name,
        "microsecond"
            | "microseconds"
            | "usec"
            | "us"
            | "usecs"
            | "millisecond"
            | "milliseconds"
            | "msec"
            | "ms"
            | "msecs"
            | "second"
            | "seconds"
            | "sec"
            | "secs"
            | "s"
            | "minute"
            | "minutes"
            | "min"
            | "mins"
            | "m"
            | "hour"
            | "hours"
            | "h"
            | "hr"
            | "hrs"
    )
}

/// Fields that come around again are unknown of an infinite moment.
fn field_of_infinity(name: &str, value: &Datum) -> SqlResult<Option<i128>> {
    let is_date = matches!(value, Datum::Date(_));
    let type_name = value.natural_type().map_or("date", PgType::base_name);
    match name {
        "day" | "month" | "quarter" | "week" | "dow" | "isodow" | "doy" => Ok(None),
        "year" | "decade" | "century" | "millennium" | "julian" | "isoyear" | "epoch" => Err(
            SqlError::unsupported(format!("the {name} of an infinite date or timestamp")),
        ),
        _ if is_date => Err(no_such_field(name, type_name)),
        "timezone" | "timezone_hour" | "timezone_minute" => Ok(None),
        name if !has_date_field(name) => Ok(None),
        _ => Err(no_such_field(name, type_name)),
    }
}

fn date_part(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let micros = read_field(call, args)?;
    Ok(micros.map_or(Datum::Null, |micros| Datum::Float8(micros as f64 / 1e6)))
}

fn extract(call: &Call<'_>, args: &[Datum], scale: u16) -> SqlResult<Datum> {
    let micros = read_field(call, args)?;
    Ok(micros.map_or(Datum::Null, |micros| {
        Datum::Numeric(Numeric::from_i128(micros, 6).rescale(scale))
    }))
}

/// 0A000 for a field that other types have, 22023 for one that none has.
fn no_such_field(name: &str, type_name: &str) -> SqlError {
    let known = matches!(
        name,
        "day"
            | "month"
            | "quarter"
            | "year"
            | "decade"
            | "century"
            | "millennium"
            | "dow"
            | "isodow"
            | "doy"
            | "week"
            | "isoyear"
            | "timezone"
            | "timezone_hour"
            | "timezone_minute"
            | "timezone_h"
            | "timezone_m"
            | "julian"
    );
    if known || !has_date_field(name) {
        SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!("unit \"{name}\" not supported for type {type_name}"),
        )
    } else {
        unknown_unit(name, type_name)
    }
}
