//! Dates and times with fewer digits of seconds: `timestamp(2)`.

use crate::error::{SqlError, SqlResult, state};
use crate::types::datum::Datum;
use crate::types::interval::Interval;
use crate::types::pg_type::PgType;
use crate::types::timetz::TimeTz;

/// Digits of seconds that are kept at most.
const MOST_DIGITS: u8 = 6;
/// The modifier of an interval with all fields.
const ALL_FIELDS: i32 = 0x7fff << 16;

/// A type whose seconds are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rounded {
    kind: Kind,
    digits: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Time,
    Timestamp,
    Timestamptz,
    Timetz,
    Interval,
}

impl PgType {
    /// The type with its seconds rounded to so many digits; a type that has no
    /// seconds, as it is. More than six are six.
    pub fn with_digits(self, digits: u64) -> PgType {
        let kind = match self.plain() {
            PgType::Time => Kind::Time,
            PgType::Timetz => Kind::Timetz,
            PgType::Timestamp => Kind::Timestamp,
            PgType::Timestamptz => Kind::Timestamptz,
            PgType::Interval => Kind::Interval,
            other => return other,
        };
        let digits = u8::try_from(digits).unwrap_or(MOST_DIGITS).min(MOST_DIGITS);
        PgType::Rounded(Rounded { kind, digits })
    }

    /// The type without the digits that its seconds are rounded to, and instead of a
    /// domain what it is over. How values are kept, read and written does not depend
    /// on those.
    pub fn plain(self) -> PgType {
        match self {
            PgType::Rounded(rounded) => match rounded.kind {
                Kind::Time => PgType::Time,
                Kind::Timetz => PgType::Timetz,
                Kind::Timestamp => PgType::Timestamp,
                Kind::Timestamptz => PgType::Timestamptz,
                Kind::Interval => PgType::Interval,
            },
            PgType::Domain(_) => self.base().plain(),
            other => other,
        }
    }

    /// The type that `modifier` of `pg_attribute.atttypmod` makes of this one.
    pub(super) fn rounded_by(self, modifier: i32) -> PgType {
        match (self, modifier) {
            (_, ..0) => self,
            (PgType::Interval, _) if modifier & 0xffff == 0xffff => self,
            (PgType::Interval, _) => self.with_digits((modifier & 0xffff).unsigned_abs().into()),
            (PgType::Time | PgType::Timetz | PgType::Timestamp | PgType::Timestamptz, _) => {
                self.with_digits(modifier.unsigned_abs().into())
            }
            _ => self,
        }
    }
}

impl Rounded {
    /// Digits of seconds that are kept.
    pub fn digits(self) -> u8 {
        self.digits
    }

    pub(super) fn typmod(self) -> i32 {
        match self.kind {
            Kind::Interval => ALL_FIELDS | i32::from(self.digits),
            _ => i32::from(self.digits),
        }
    }

    pub(super) fn sql_name(self) -> String {
        let digits = self.digits;
        match self.kind {
            Kind::Time => format!("time({digits}) without time zone"),
            Kind::Timetz => format!("time({digits}) with time zone"),
            Kind::Timestamp => format!("timestamp({digits}) without time zone"),
            Kind::Timestamptz => format!("timestamp({digits}) with time zone"),
            Kind::Interval => format!("interval({digits})"),
        }
    }

    /// A value with its seconds rounded, halves away from zero.
    ///
    /// # Errors
    /// 22008 when it leaves the range.
    pub(crate) fn apply(self, value: Datum) -> SqlResult<Datum> {
        let unit = 10_i64.pow(u32::from(MOST_DIGITS.saturating_sub(self.digits)));
        let round = |micros: i64| {
            let rest = micros % unit;
            let down = micros - rest;
            if rest.abs() * 2 < unit {
                return Ok(down);
            }
            down.checked_add(unit * rest.signum()).ok_or_else(|| {
                SqlError::new(
                    state::DATETIME_FIELD_OVERFLOW,
                    format!("{} out of range", self.sql_name()),
                )
            })
        };
        let finite = |micros: i64| micros != i64::MAX && micros != i64::MIN;
        Ok(match value {
            Datum::Time(micros) => Datum::Time(round(micros)?),
            Datum::Timetz(time) => Datum::Timetz(TimeTz {
                micros: round(time.micros)?,
                ..time
            }),
            Datum::Timestamp(micros) if finite(micros) => Datum::Timestamp(round(micros)?),
            Datum::Timestamptz(micros) if finite(micros) => Datum::Timestamptz(round(micros)?),
            Datum::Interval(interval) => Datum::Interval(Interval {
                micros: round(interval.micros)?,
                ..interval
            }),
            other => other,
        })
    }
}
