//! RANGE frames with offsets: rows whose sort key is at most so far away.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array, ArrayRef};
use arrow::compute::SortOptions;
use datafusion::common::Result;

use super::super::super::arrow_value::datum_at;
use super::super::super::error::external;
use super::super::interval::{add_in_zone, add_local};
use crate::error::{SqlError, SqlResult, state};
use crate::types::datum::compare_f64;
use crate::types::{Datum, Interval, Numeric, PgType, SessionFormat};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// The type that distances of keys of a type have; `None` when it has none.
pub(in crate::query) fn offset_type(key: PgType) -> Option<PgType> {
    Some(match key {
        PgType::Int2 | PgType::Int4 | PgType::Int8 => PgType::Int8,
        PgType::Float4 | PgType::Float8 => PgType::Float8,
        PgType::Numeric(_) => PgType::Numeric(None),
        PgType::Date
        | PgType::Time
        | PgType::Timestamp
        | PgType::Timestamptz
        | PgType::Interval => PgType::Interval,
        _ => return None,
    })
}

/// A key that distances are added to.
#[derive(Debug, Clone)]
enum Key {
    Whole(i128),
    Float(f64),
    Number(Numeric),
    /// Microseconds; whether they are an instant rather than a local time.
    Time(i64, bool),
}

/// A distance.
#[derive(Debug, Clone)]
enum Offset {
    /// Of integers, and of times of day and intervals in microseconds.
    Whole(i128),
    /// Of floats.
    Float(f64),
    /// Of numerics.
    Number(Numeric),
    /// Of dates and timestamps.
    Interval(Interval),
}

/// Where a key and an offset lead.
enum Target {
    Key(Key),
    /// Before or behind all keys.
    End(Ordering),
    /// As far as all keys that are numbers, from an infinity and infinitely far.
    Anywhere,
}

fn mismatch() -> SqlError {
    SqlError::internal("a key and a distance that do not go together")
}

fn key_of(value: Datum) -> SqlResult<Option<Key>> {
    Ok(Some(match value {
        Datum::Null => return Ok(None),
        Datum::Int2(v) => Key::Whole(v.into()),
        Datum::Int4(v) => Key::Whole(v.into()),
        Datum::Int8(v) => Key::Whole(v.into()),
        Datum::Float4(v) => Key::Float(v.into()),
        Datum::Float8(v) => Key::Float(v),
        Datum::Numeric(v) => Key::Number(v),
        Datum::Time(v) => Key::Whole(v.into()),
        Datum::Interval(v) => Key::Whole(v.span()),
        Datum::Timestamp(v) => Key::Time(v, false),
        Datum::Timestamptz(v) => Key::Time(v, true),
        Datum::Date(crate::types::datum::DATE_INFINITY) => Key::Time(i64::MAX, false),
        Datum::Date(crate::types::datum::DATE_NEG_INFINITY) => Key::Time(i64::MIN, false),
        Datum::Date(v) => Key::Time(i64::from(v).saturating_mul(DAY), false),
        _ => return Err(mismatch()),
    }))
}

fn compare(a: &Key, b: &Key) -> Ordering {
    match (a, b) {
        (Key::Whole(a), Key::Whole(b)) => a.cmp(b),
        (Key::Float(a), Key::Float(b)) => compare_f64(*a, *b),
        (Key::Number(a), Key::Number(b)) => a.cmp(b),
        (Key::Time(a, _), Key::Time(b, _)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

fn is_nan(key: &Key) -> bool {
    match key {
        Key::Float(key) => key.is_nan(),
        Key::Number(key) => *key == Numeric::NAN,
        _ => false,
    }
}

impl Offset {
    /// The offset of a frame over keys of type `key`.
    ///
    /// # Errors
    /// 22004 for NULL, 22013 below zero.
    fn of(value: Datum, key: PgType, which: &str) -> SqlResult<Self> {
        let offset = match (value, key) {
            (Datum::Null, _) => return Err(null_offset(which)),
            (Datum::Interval(v), PgType::Interval) => Self::Whole(v.span()),
            (Datum::Interval(v), PgType::Time) => Self::Whole(v.micros.into()),
            (Datum::Interval(v), _) => Self::Interval(v),
            (Datum::Float8(v), _) => Self::Float(v),
            (Datum::Numeric(v), _) => Self::Number(v),
            (Datum::Int8(v), _) => Self::Whole(v.into()),
            _ => return Err(mismatch()),
        };
        let wrong = match &offset {
            Self::Whole(v) => *v < 0,
            Self::Float(v) => v.is_nan() || *v < 0.0,
            Self::Number(v) => v.is_negative() || *v == Numeric::NAN,
            Self::Interval(v) => v.span() < 0,
        };
        if wrong {
            return Err(SqlError::new(
                state::INVALID_PRECEDING_OR_FOLLOWING_SIZE,
                "invalid preceding or following size in window function",
            ));
        }
        Ok(offset)
    }

    /// `key` and this much more, or less.
    fn from(&self, key: &Key, less: bool, format: &SessionFormat) -> SqlResult<Target> {
        let way = if less {
            Ordering::Less
        } else {
            Ordering::Greater
        };
        let new = match (key, self) {
            (Key::Whole(key), Self::Whole(by)) => {
                let new = if less {
                    key.checked_sub(*by)
                } else {
                    key.checked_add(*by)
                };
                match new {
                    Some(new) => Key::Whole(new),
                    None => return Ok(Target::End(way)),
                }
            }
            (Key::Float(key), Self::Float(by)) => {
                let new = if less { key - by } else { key + by };
                if new.is_nan() && !key.is_nan() {
                    return Ok(Target::Anywhere);
                }
                Key::Float(new)
            }
            (Key::Number(key), Self::Number(by)) => {
                let new = if less {
                    key.subtract(by)?
                } else {
                    key.add(by)?
                };
                if new == Numeric::NAN && *key != Numeric::NAN {
                    return Ok(Target::Anywhere);
                }
                Key::Number(new)
            }
            (Key::Time(key, zoned), Self::Interval(by)) => {
                let by = if less { negative(*by)? } else { *by };
                Key::Time(moved(*key, *zoned, by, format)?, *zoned)
            }
            _ => return Err(mismatch()),
        };
        Ok(Target::Key(new))
    }
}

fn negative(by: Interval) -> SqlResult<Interval> {
    let negated = || {
        Some(Interval {
            months: by.months.checked_neg()?,
            days: by.days.checked_neg()?,
            micros: by.micros.checked_neg()?,
        })
    };
    negated().ok_or_else(|| SqlError::new(state::INTERVAL_FIELD_OVERFLOW, "interval out of range"))
}

/// A time an interval later.
fn moved(micros: i64, zoned: bool, by: Interval, format: &SessionFormat) -> SqlResult<i64> {
    if zoned {
        add_in_zone(&format.time_zone, micros, by)
    } else {
        add_local(micros, by)
    }
}

/// 22004 for an offset that is NULL.
pub(super) fn null_offset(which: &str) -> SqlError {
    SqlError::new(
        state::NULL_VALUE_NOT_ALLOWED,
        format!("frame {which} offset must not be null"),
    )
}

/// The keys of a partition in their order, and the offsets of its frames.
pub(super) struct Distances {
    keys: Vec<Key>,
    /// The rows that have keys: those without are before or behind them.
    keyed: Range<usize>,
    rows: usize,
    descending: bool,
    offsets: [Option<Offset>; 2],
    format: SessionFormat,
}

impl Distances {
    /// The distances between the values of `keys`, which are of type `ty`.
    ///
    /// # Errors
    /// 22004 and 22013 for offsets that are none.
    pub(super) fn new(
        keys: &ArrayRef,
        (options, ty): (SortOptions, PgType),
        offsets: [Option<Datum>; 2],
        format: SessionFormat,
    ) -> Result<Self> {
        let rows = keys.len();
        let nulls = keys.logical_null_count();
        let keyed = if options.nulls_first {
            nulls..rows
        } else {
            0..rows - nulls
        };
        let mut known = Vec::with_capacity(keyed.len());
        for row in keyed.clone() {
            let value = datum_at(keys.as_ref(), row, ty).map_err(external)?;
            known.extend(key_of(value).map_err(external)?);
        }
        let [start, end] = offsets;
        let of = |offset: Option<Datum>, which| {
            offset
                .map(|value| Offset::of(value, ty, which))
                .transpose()
                .map_err(external)
        };
        Ok(Self {
            keys: known,
            keyed,
            rows,
            descending: options.descending,
            offsets: [of(start, "starting")?, of(end, "ending")?],
            format,
        })
    }

    /// The rows without key, which are peers.
    fn keyless(&self) -> Range<usize> {
        if self.keyed.start > 0 {
            0..self.keyed.start
        } else {
            self.keyed.end..self.rows
        }
    }

    /// How many keys are before the one that the offset leads to from `row`, and,
    /// with `through`, at it.
    fn position(
        &self,
        row: usize,
        offset: Option<&Offset>,
        behind: bool,
        through: bool,
    ) -> Result<usize> {
        let (Some(offset), Some(key)) = (offset, self.keys.get(row - self.keyed.start)) else {
            return Err(external(mismatch()));
        };
        let less = behind == self.descending;
        let target = offset.from(key, less, &self.format).map_err(external)?;
        let before = |key: &Key| {
            let order = match &target {
                Target::Key(target) => compare(key, target),
                Target::End(end) => end.reverse(),
                Target::Anywhere if is_nan(key) => Ordering::Greater,
                Target::Anywhere => Ordering::Equal,
            };
            let order = if self.descending {
                order.reverse()
            } else {
                order
            };
            order == Ordering::Less || (through && order == Ordering::Equal)
        };
        Ok(self.keyed.start + self.keys.partition_point(before))
    }

    /// The first row of the frame of `row`.
    pub(super) fn start(&self, row: usize, behind: bool) -> Result<usize> {
        if !self.keyed.contains(&row) {
            return Ok(self.keyless().start);
        }
        self.position(row, self.offsets[0].as_ref(), behind, false)
    }

    /// The first row behind the frame of `row`.
    pub(super) fn end(&self, row: usize, behind: bool) -> Result<usize> {
        if !self.keyed.contains(&row) {
            return Ok(self.keyless().end);
        }
        self.position(row, self.offsets[1].as_ref(), behind, true)
    }
}
