//! Assignment: making a value fit a column, as PostgreSQL's assignment casts do.

use crate::error::{SqlError, state};
use crate::types::numeric::Kind;
use crate::types::{
    Conversion, Datum, Interval, Numeric, PgType, SessionFormat, TimeTz, modifier, text_in,
    text_out,
};

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// Converts `value` to what a column of type `target` stores: the type, and
/// then its length, precision or padding.
///
/// # Errors
/// 22001 too long, 22003 out of range, 22P02 unreadable text, 42804 when there
/// is no such conversion.
pub(crate) fn assign(
    value: Datum,
    target: PgType,
    format: &SessionFormat,
) -> Result<Datum, SqlError> {
    let target = target.base();
    let value = convert(value, target, format)?;
    modifier::apply(target, value, Conversion::Assignment)
}

fn convert(value: Datum, target: PgType, format: &SessionFormat) -> Result<Datum, SqlError> {
    if value.fits(target) {
        return Ok(value);
    }
    let target = target.plain();
    match target {
        PgType::Int2 | PgType::Int4 | PgType::Int8 | PgType::Oid => {
            to_integer(value, target, format)
        }
        PgType::Float4 | PgType::Float8 => to_float(value, target, format),
        PgType::Numeric(_) => to_numeric(value, target, format),
        PgType::Date | PgType::Timestamp | PgType::Timestamptz | PgType::Time | PgType::Timetz => {
            to_datetime(value, target, format)
        }
        _ if target.is_textual() => {
            let from = value.natural_type().unwrap_or(PgType::Text);
            Ok(text_out(from, &value, format).map_or(Datum::Null, Datum::Text))
        }
        PgType::Json | PgType::Jsonb => match value {
            Datum::Text(t) | Datum::Json(t) | Datum::Jsonb(t) => text_in(target, &t, format),
            other => Err(mismatch(&other, target)),
        },
        PgType::Interval => match value {
            Datum::Time(micros) => Ok(Datum::Interval(Interval {
                months: 0,
                days: 0,
                micros,
            })),
            other => from_text(other, target, format),
        },
        _ => from_text(value, target, format),
    }
}

fn from_text(value: Datum, target: PgType, format: &SessionFormat) -> Result<Datum, SqlError> {
    match value {
        Datum::Text(text) => text_in(target, &text, format),
        other => Err(mismatch(&other, target)),
    }
}

fn to_integer(value: Datum, target: PgType, format: &SessionFormat) -> Result<Datum, SqlError> {
    let wide = match &value {
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Oid(_) => value.as_i64(),
        Datum::Float4(f) => float_to_i64(f64::from(*f)),
        Datum::Float8(f) => float_to_i64(*f),
        Datum::Numeric(n) => match n.kind() {
            Kind::Finite => n.round_to_i64(),
            Kind::NaN => return Err(no_integer("NaN", target)),
            Kind::PosInf | Kind::NegInf => return Err(no_integer("infinity", target)),
        },
        _ => return from_text(value, target, format),
    };
    let out_of_range = || {
        SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("{} out of range", target.base_name()),
        )
    };
    let wide = wide.ok_or_else(out_of_range)?;
    match target {
        PgType::Int2 => i16::try_from(wide).map(Datum::Int2).ok(),
        PgType::Int4 => i32::try_from(wide).map(Datum::Int4).ok(),
        PgType::Oid => u32::try_from(wide).map(Datum::Oid).ok(),
        _ => Some(Datum::Int8(wide)),
    }
    .ok_or_else(out_of_range)
}

/// 0A000: what PostgreSQL answers too.
fn no_integer(what: &str, target: PgType) -> SqlError {
    SqlError::new(
        state::FEATURE_NOT_SUPPORTED,
        format!("cannot convert {what} to {}", target.base_name()),
    )
}

/// Rounds half to even, as PostgreSQL does; `None` outside `bigint`.
fn float_to_i64(value: f64) -> Option<i64> {
    let rounded = value.round_ties_even();
    // 2^63 itself does not fit, -2^63 does; NaN fails both comparisons.
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
        .contains(&rounded)
        .then_some(rounded as i64)
}

fn to_float(value: Datum, target: PgType, format: &SessionFormat) -> Result<Datum, SqlError> {
    let wide = match &value {
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) => {
            value.as_i64().map_or(0.0, |n| n as f64)
        }
        Datum::Float4(f) => f64::from(*f),
        Datum::Float8(f) => *f,
        Datum::Numeric(n) => n.to_f64(),
        _ => return from_text(value, target, format),
    };
    if target == PgType::Float8 {
        return Ok(Datum::Float8(wide));
    }
    let narrow = wide as f32;
    let lost = (narrow.is_infinite() && wide.is_finite()) || (narrow == 0.0 && wide != 0.0);
    if lost {
        return Err(SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("\"{wide}\" is out of range for type real"),
        ));
    }
    Ok(Datum::Float4(narrow))
}

fn to_numeric(value: Datum, target: PgType, format: &SessionFormat) -> Result<Datum, SqlError> {
    match &value {
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) => {
            let n = value.as_i64().unwrap_or_default();
            Ok(Datum::Numeric(Numeric::from_i128(i128::from(n), 0)))
        }
        // Through the shortest text, as PostgreSQL's cast does (15 digits for
        // double precision, 6 for real).
        Datum::Float4(f) => Ok(Datum::Numeric(Numeric::parse(&significant(
            f64::from(*f),
            6,
        ))?)),
        Datum::Float8(f) => Ok(Datum::Numeric(Numeric::parse(&significant(*f, 15))?)),
        _ => from_text(value, target, format),
    }
}

/// A float with a number of significant digits, in a form that numeric reads.
fn significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = format!("{value:.*e}", digits.saturating_sub(1));
    match text.split_once('e') {
        // Zeros at the end are not digits that the float has.
        Some((mantissa, exponent)) if mantissa.contains('.') => {
            let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
            format!("{mantissa}e{exponent}")
        }
        _ => text,
    }
}

fn to_datetime(value: Datum, target: PgType, format: &SessionFormat) -> Result<Datum, SqlError> {
    let overflow = || SqlError::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range");
    match (value, target) {
        (Datum::Text(text), _) => text_in(target, &text, format),
        (Datum::Date(days), PgType::Timestamp) => {
            Ok(Datum::Timestamp(midnight(days).ok_or_else(overflow)?))
        }
        (Datum::Date(days), PgType::Timestamptz) => {
            let local = midnight(days).ok_or_else(overflow)?;
            Ok(Datum::Timestamptz(to_utc(local, format)?))
        }
        (Datum::Timestamp(us), PgType::Date) => Ok(Datum::Date(day_of(us))),
        (Datum::Timestamp(us), PgType::Time) => Ok(Datum::Time(us.rem_euclid(DAY_US))),
        (Datum::Timestamp(us), PgType::Timestamptz) => Ok(Datum::Timestamptz(to_utc(us, format)?)),
        (Datum::Timestamptz(us), PgType::Timestamp) => Ok(Datum::Timestamp(to_local(us, format)?)),
        (Datum::Timestamptz(us), PgType::Date) => Ok(Datum::Date(day_of(to_local(us, format)?))),
        (Datum::Timestamptz(us), PgType::Time) => {
            Ok(Datum::Time(to_local(us, format)?.rem_euclid(DAY_US)))
        }
        (Datum::Time(micros), PgType::Timetz) => Ok(Datum::Timetz(TimeTz {
            micros,
            offset: format.time_zone.offset_at_local(
                to_local(format.now, format)?.div_euclid(DAY_US) * DAY_US + micros,
            ),
        })),
        (Datum::Timetz(time), PgType::Time) => Ok(Datum::Time(time.micros)),
        (Datum::Timestamptz(us), PgType::Timetz) => Ok(Datum::Timetz(TimeTz {
            micros: to_local(us, format)?.rem_euclid(DAY_US),
            offset: format.time_zone.offset_at(us),
        })),
        (other, _) => Err(mismatch(&other, target)),
    }
}

/// The instant of a local time in the session's zone.
fn to_utc(local: i64, format: &SessionFormat) -> Result<i64, SqlError> {
    shift(local, -i64::from(format.time_zone.offset_at_local(local)))
}

/// The local time of an instant in the session's zone.
fn to_local(instant: i64, format: &SessionFormat) -> Result<i64, SqlError> {
    shift(instant, i64::from(format.time_zone.offset_at(instant)))
}

/// Adds seconds; infinities stay.
fn shift(us: i64, seconds: i64) -> Result<i64, SqlError> {
    if us == i64::MAX || us == i64::MIN {
        return Ok(us);
    }
    us.checked_add(seconds * 1_000_000)
        .ok_or_else(|| SqlError::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range"))
}

fn midnight(days: i32) -> Option<i64> {
    match days {
        i32::MAX => Some(i64::MAX),
        i32::MIN => Some(i64::MIN),
        days => i64::from(days).checked_mul(DAY_US),
    }
}

fn day_of(us: i64) -> i32 {
    match us {
        i64::MAX => i32::MAX,
        i64::MIN => i32::MIN,
        // 2^63 µs are fewer than 2^31 days.
        us => i32::try_from(us.div_euclid(DAY_US)).unwrap_or(i32::MAX),
    }
}

fn mismatch(value: &Datum, target: PgType) -> SqlError {
    let from = value.natural_type().map_or("unknown", PgType::base_name);
    SqlError::new(
        state::DATATYPE_MISMATCH,
        format!(
            "column is of type {} but expression is of type {from}",
            target.base_name()
        ),
    )
    .hint("You will need to rewrite or cast the expression.")
}
