//! `extract` and `date_part`: one field of a date, time or interval.

use super::super::args::{DATE, INTERVAL, TEXT, TIME, TIMESTAMP, TIMESTAMPTZ, at, str_at};
use super::super::overload::{Arg, Call, Evaluate, Overload};
use super::super::range::is_infinite;
use super::parts::{JULIAN_DAYS, Parts, field, parts};
use super::truncate::unknown_unit;
use crate::error::{SqlError, SqlResult, state};
use crate::types::interval::MICROS_PER_DAY;
use crate::types::{Datum, Numeric, PgType};

const TIMETZ: Arg = Arg::Is(PgType::Timetz);

/// `extract` under each name and for each type, by the digits of its result.
const fn extracts(name: &'static str, evaluate: Evaluate) -> [Overload; 6] {
    const NUMERIC: PgType = PgType::Numeric(None);
    [
        Overload::new(name, &[TEXT, DATE], NUMERIC, |c, a| extract(c, a, 0)),
        Overload::new(name, &[TEXT, TIMESTAMP], NUMERIC, evaluate),
        Overload::new(name, &[TEXT, TIMESTAMPTZ], NUMERIC, evaluate).stable(),
        Overload::new(name, &[TEXT, TIME], NUMERIC, evaluate),
        Overload::new(name, &[TEXT, TIMETZ], NUMERIC, evaluate),
        Overload::new(name, &[TEXT, INTERVAL], NUMERIC, evaluate),
    ]
}

static EXTRACT_WHOLE: [Overload; 6] = extracts("__extract0", |c, a| extract(c, a, 0));
static EXTRACT_MILLIS: [Overload; 6] = extracts("__extract3", |c, a| extract(c, a, 3));
static EXTRACT_MICROS: [Overload; 6] = extracts("__extract6", |c, a| extract(c, a, 6));

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
    Overload::new("date_part", &[TEXT, TIMETZ], PgType::Float8, date_part),
    Overload::new("date_part", &[TEXT, INTERVAL], PgType::Float8, date_part),
];

/// What a field says.
enum Said {
    Nothing,
    /// Millionths of its unit.
    Micros(i128),
    Number(Numeric),
}

/// The field that the first argument names, of the second (see [`field`]).
fn read_field(call: &Call<'_>, args: &[Datum]) -> SqlResult<Said> {
    let name = str_at(args, 0).to_ascii_lowercase();
    let value = at(args, 1);
    if is_infinite(value) {
        return field_of_infinity(&name, value);
    }
    let parts = parts(call, value)?;
    if matches!(value, Datum::Date(_)) && !has_date_field(&name) {
        return Err(no_such_field(&name, parts.type_name));
    }
    if name == "julian" && !matches!(value, Datum::Date(_)) && parts.day().is_some() {
        return julian(&parts).map(Said::Number);
    }
    field(&parts, &name)
        .map(Said::Micros)
        .ok_or_else(|| no_such_field(&name, parts.type_name))
}

/// The Julian day with the part of the day that has gone.
fn julian(parts: &Parts) -> SqlResult<Numeric> {
    let day = Numeric::from(parts.day().unwrap_or(0) + JULIAN_DAYS);
    day.add(&Numeric::from(parts.time()).divide(&Numeric::from(MICROS_PER_DAY))?)
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
fn field_of_infinity(name: &str, value: &Datum) -> SqlResult<Said> {
    let later = match value {
        Datum::Date(days) => *days > 0,
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) => *micros > 0,
        _ => true,
    };
    let is_date = matches!(value, Datum::Date(_));
    let type_name = value.natural_type().map_or("date", PgType::base_name);
    match name {
        "day" | "month" | "quarter" | "week" | "dow" | "isodow" | "doy" => Ok(Said::Nothing),
        "year" | "decade" | "century" | "millennium" | "julian" | "isoyear" | "epoch" => {
            Ok(Said::Number(if later {
                Numeric::INFINITY
            } else {
                Numeric::NEG_INFINITY
            }))
        }
        _ if is_date => Err(no_such_field(name, type_name)),
        "timezone" | "timezone_hour" | "timezone_minute" => Ok(Said::Nothing),
        name if !has_date_field(name) => Ok(Said::Nothing),
        _ => Err(no_such_field(name, type_name)),
    }
}

fn date_part(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(match read_field(call, args)? {
        Said::Nothing => Datum::Null,
        Said::Micros(micros) => Datum::Float8(micros as f64 / 1e6),
        Said::Number(number) => Datum::Float8(number.to_f64()),
    })
}

fn extract(call: &Call<'_>, args: &[Datum], scale: u16) -> SqlResult<Datum> {
    Ok(match read_field(call, args)? {
        Said::Nothing => Datum::Null,
        Said::Micros(micros) => Datum::Numeric(Numeric::from_i128(micros, 6).rescale(scale)),
        Said::Number(number) => Datum::Numeric(number),
    })
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
