//! Ordered-set aggregates, as functions of the sorted values that were gathered.

use std::cmp::Ordering;

use super::args::{FLOAT8, INTERVAL, TEXT, at, str_at};
use super::interval::{interval_plus, times};
use super::overload::{Arg, Call, Gives, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{ArrayValue, Datum, PgType};

const FLOATS: PgType = PgType::Array(&PgType::Float8);
const INTEGERS: PgType = PgType::Array(&PgType::Int4);
const INTERVALS: PgType = PgType::Array(&PgType::Interval);

/// The functions of a fraction, or of an array of them, and the values.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("__measure", &[FLOAT8], PgType::Float8, |_, a| {
        Ok(at(a, 0).clone())
    }),
    Overload::new("__measure", &[INTERVAL], PgType::Interval, |_, a| {
        Ok(at(a, 0).clone())
    }),
    Overload::new(
        "__percentile_cont",
        &[FLOAT8, Arg::Is(FLOATS)],
        PgType::Float8,
        |_, a| one(a, between),
    ),
    Overload::new(
        "__percentile_cont",
        &[FLOAT8, Arg::Is(INTERVALS)],
        PgType::Interval,
        |_, a| one(a, between),
    ),
    Overload::new(
        "__percentile_cont",
        &[Arg::Is(FLOATS), Arg::Is(FLOATS)],
        FLOATS,
        |_, a| many(a, PgType::Float8, between),
    ),
    Overload::new(
        "__percentile_cont",
        &[Arg::Is(FLOATS), Arg::Is(INTERVALS)],
        INTERVALS,
        |_, a| many(a, PgType::Interval, between),
    ),
    Overload::generic(
        "__percentile_disc",
        &[FLOAT8, Arg::AnyArray],
        Gives::Element,
        |_, a| one(a, first_at),
    ),
    Overload::generic(
        "__percentile_disc",
        &[Arg::Is(FLOATS), Arg::AnyArray],
        Gives::Array,
        |c, a| {
            let ty = c.types.get(1).and_then(|ty| ty.element());
            many(a, ty.unwrap_or(PgType::Text), first_at)
        },
    ),
    Overload::generic("__mode", &[Arg::AnyArray], Gives::Element, mode),
    Overload::new(
        "__compared",
        &[Arg::Compatible, Arg::CompatibleArray, TEXT],
        INTEGERS,
        compared,
    )
    .lenient(),
    Overload::new("__runs", &[Arg::AnyArray], INTEGERS, runs),
    Overload::new(
        "__hypothetical_rank",
        &[TEXT, Arg::Any],
        PgType::Int8,
        hypothetical,
    )
    .lenient()
    .variadic(),
    Overload::new(
        "__hypothetical_part",
        &[TEXT, Arg::Any],
        PgType::Float8,
        hypothetical,
    )
    .lenient()
    .variadic(),
];

/// The value at a fraction of a sorted list that is not empty.
type Find = fn(f64, &[Datum]) -> SqlResult<Datum>;

fn values(args: &[Datum], index: usize) -> SqlResult<&ArrayValue> {
    match at(args, index) {
        Datum::Array(values) => Ok(values),
        _ => Err(SqlError::internal("an aggregate gathered no list")),
    }
}

fn fraction(value: &Datum) -> SqlResult<Option<f64>> {
    match value {
        Datum::Float8(v) if (0.0..=1.0).contains(v) => Ok(Some(*v)),
        Datum::Float8(v) => Err(SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("percentile value {v} is not between 0 and 1"),
        )),
        _ => Ok(None),
    }
}

fn one(args: &[Datum], find: Find) -> SqlResult<Datum> {
    let list = values(args, 1)?;
    match fraction(at(args, 0))? {
        Some(fraction) if !list.values.is_empty() => find(fraction, &list.values),
        _ => Ok(Datum::Null),
    }
}

/// An array of the same form as that of the fractions.
fn many(args: &[Datum], ty: PgType, find: Find) -> SqlResult<Datum> {
    let (fractions, list) = (values(args, 0)?, values(args, 1)?);
    if list.values.is_empty() {
        return Ok(Datum::Null);
    }
    let mut found = Vec::with_capacity(fractions.values.len());
    for value in &fractions.values {
        found.push(match fraction(value)? {
            Some(fraction) => find(fraction, &list.values)?,
            None => Datum::Null,
        });
    }
    let dimensions = fractions.dimensions().to_vec();
    Ok(ArrayValue::new(ty, dimensions, found)?.datum())
}

/// The first value that so large a part of the values comes up to.
fn first_at(fraction: f64, values: &[Datum]) -> SqlResult<Datum> {
    let count = values.len();
    let row = (fraction * count as f64).ceil().max(1.0);
    // A fraction is 1 at most.
    let place = (row as usize).min(count) - 1;
    Ok(values.get(place).cloned().unwrap_or(Datum::Null))
}

/// The value at a fraction of the way from the first to the last.
fn between(fraction: f64, values: &[Datum]) -> SqlResult<Datum> {
    let place = fraction * (values.len() - 1) as f64;
    let (below, above) = (place.floor(), place.ceil());
    let get = |place: f64| values.get(place as usize).cloned().unwrap_or(Datum::Null);
    let (low, high) = (get(below), get(above));
    let part = place - below;
    match (low, high) {
        (low, _) if below == above => Ok(low),
        (Datum::Float8(low), Datum::Float8(high)) => Ok(Datum::Float8(low + part * (high - low))),
        (low @ Datum::Interval(_), high) => {
            let away = times(&interval_plus(&high, &low, -1)?, &Datum::Float8(part))?;
            interval_plus(&low, &away, 1)
        }
        _ => Err(SqlError::internal("a percentile of other values")),
    }
}

/// The most frequent value, the first one of several.
fn mode(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let list = values(args, 0)?;
    let mut best: Option<(usize, &Datum)> = None;
    let mut rest = list.values.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|value| *value == first).count();
        if best.is_none_or(|(most, _)| same > most) {
            best = Some((same, first));
        }
        rest = rest.get(same.max(1)..).unwrap_or_default();
    }
    Ok(best.map_or(Datum::Null, |(_, value)| value.clone()))
}

fn integers(values: impl Iterator<Item = i32>) -> Datum {
    ArrayValue::list(PgType::Int4, values.map(Datum::Int4).collect()).datum()
}

/// How each value of a list sorts beside a value: before it, with it or behind it.
fn compared(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Datum::Array(list) = at(args, 1) else {
        return Ok(Datum::Null);
    };
    let (value, how) = (at(args, 0), str_at(args, 2));
    let by_null = if how.contains('n') {
        Ordering::Less
    } else {
        Ordering::Greater
    };
    let order = |other: &Datum| match (other.is_null(), value.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => by_null,
        (false, true) => by_null.reverse(),
        (false, false) if how.contains('d') => value.cmp(other),
        (false, false) => other.cmp(value),
    };
    Ok(integers(
        list.values.iter().map(|other| order(other) as i32),
    ))
}

/// A number for each value of a sorted list, the same for neighbours that are equal.
fn runs(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let list = values(args, 0)?;
    let mut run = 0;
    let mut last: Option<&Datum> = None;
    let mut numbers = Vec::with_capacity(list.values.len());
    for value in &list.values {
        let same = last.is_some_and(|last| match (last.is_null(), value.is_null()) {
            (false, false) => last == value,
            (one, other) => one == other,
        });
        run += i32::from(!same);
        numbers.push(run);
        last = Some(value);
    }
    Ok(integers(numbers.into_iter()))
}

/// The rank and the like of a row that is not there: of how it compares in each
/// column, and of where the values of each column change.
fn hypothetical(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let columns: Vec<&[Datum]> = args
        .iter()
        .skip(1)
        .map(|column| match column {
            Datum::Array(list) => list.values.as_slice(),
            _ => &[],
        })
        .collect();
    let rows = columns.first().map_or(0, |column| column.len());
    let (mut before, mut beside, mut distinct) = (0_i64, 0_i64, 0_i64);
    let mut last: Option<Vec<&Datum>> = None;
    for row in 0..rows {
        let at_row = |column: &&[Datum]| column.get(row).and_then(Datum::as_i64).unwrap_or(0);
        let order = columns
            .iter()
            .step_by(2)
            .map(at_row)
            .find(|order| *order != 0);
        match order {
            None => beside += 1,
            Some(order) if order < 0 => {
                before += 1;
                let key: Vec<&Datum> = columns
                    .iter()
                    .skip(1)
                    .step_by(2)
                    .filter_map(|runs| runs.get(row))
                    .collect();
                distinct += i64::from(last.as_ref() != Some(&key));
                last = Some(key);
            }
            Some(_) => {}
        }
    }
    let rows = rows as f64;
    Ok(match str_at(args, 0) {
        "rank" => Datum::Int8(before + 1),
        "dense_rank" => Datum::Int8(distinct + 1),
        "percent_rank" if rows == 0.0 => Datum::Float8(0.0),
        "percent_rank" => Datum::Float8(before as f64 / rows),
        _ => Datum::Float8((before + beside + 1) as f64 / (rows + 1.0)),
    })
}
