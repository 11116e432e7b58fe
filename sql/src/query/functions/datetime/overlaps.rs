//! `(start, end) OVERLAPS (start, end)`: whether two periods have a moment in common.
//! The end may be given as the length of the period; a start that is its end is a
//! moment.

use std::cmp::Ordering;

use super::super::args::{INTERVAL, TIME, TIMESTAMP, TIMESTAMPTZ, at};
use super::super::interval::plus;
use super::super::overload::{Arg, Call, Overload};
use crate::error::SqlResult;
use crate::types::{Datum, PgType};

/// The name of the function behind the operator, and of the one that can be called.
const NAME: &str = "overlaps";

const fn of(args: &'static [Arg]) -> Overload {
    Overload::new(NAME, args, PgType::Bool, overlaps).lenient()
}

/// The overloads of `overlaps`.
pub(super) static OVERLOADS: &[Overload] = &[
    of(&[TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ]).stable(),
    of(&[TIMESTAMPTZ, INTERVAL, TIMESTAMPTZ, INTERVAL]).stable(),
    of(&[TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL]).stable(),
    of(&[TIMESTAMPTZ, INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ]).stable(),
    of(&[TIMESTAMP, TIMESTAMP, TIMESTAMP, TIMESTAMP]),
    of(&[TIMESTAMP, INTERVAL, TIMESTAMP, INTERVAL]),
    of(&[TIMESTAMP, TIMESTAMP, TIMESTAMP, INTERVAL]),
    of(&[TIMESTAMP, INTERVAL, TIMESTAMP, TIMESTAMP]),
    of(&[TIME, TIME, TIME, TIME]),
    of(&[TIME, INTERVAL, TIME, INTERVAL]),
    of(&[TIME, TIME, TIME, INTERVAL]),
    of(&[TIME, INTERVAL, TIME, TIME]),
];

/// A period: its lesser and its greater end, of which the second may not be known.
struct Period {
    start: i64,
    end: Option<i64>,
}

fn overlaps(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let periods = (
        period(call, at(args, 0), at(args, 1))?,
        period(call, at(args, 2), at(args, 3))?,
    );
    let (Some(a), Some(b)) = periods else {
        return Ok(Datum::Null);
    };
    // What is not known does not matter where the rest decides.
    let (earlier, later) = match a.start.cmp(&b.start) {
        Ordering::Greater => (b, a),
        Ordering::Less => (a, b),
        Ordering::Equal if a.end.is_none() || b.end.is_none() => return Ok(Datum::Null),
        Ordering::Equal => return Ok(Datum::Bool(true)),
    };
    Ok(match earlier.end {
        None => Datum::Null,
        Some(end) if later.start < end => Datum::Bool(true),
        Some(_) if later.end.is_none() => Datum::Null,
        Some(_) => Datum::Bool(false),
    })
}

/// The period between two moments, in order; nothing when neither is known.
fn period(call: &Call<'_>, start: &Datum, end: &Datum) -> SqlResult<Option<Period>> {
    let end = match (start, end) {
        (Datum::Null, Datum::Interval(_)) => Datum::Null,
        (start, Datum::Interval(_)) => plus(call, start, end, 1)?,
        (_, end) => end.clone(),
    };
    Ok(match (micros(start), micros(&end)) {
        (Some(a), Some(b)) => Some(Period {
            start: a.min(b),
            end: Some(a.max(b)),
        }),
        (Some(one), None) | (None, Some(one)) => Some(Period {
            start: one,
            end: None,
        }),
        (None, None) => None,
    })
}

fn micros(moment: &Datum) -> Option<i64> {
    match moment {
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) | Datum::Time(micros) => {
            Some(*micros)
        }
        _ => None,
    }
}
