//! One value of any type.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::types::array::ArrayValue;
use crate::types::bits::Bits;
use crate::types::interval::Interval;
use crate::types::key;
use crate::types::numeric::Numeric;
use crate::types::pg_type::PgType;
use crate::types::record::RecordValue;
use crate::types::timetz::TimeTz;
use crate::types::user::EnumValue;

/// `date` and `timestamp` values that stand for "later than every date".
pub const DATE_INFINITY: i32 = i32::MAX;
/// Earlier than every date.
pub const DATE_NEG_INFINITY: i32 = i32::MIN;
/// Later than every timestamp.
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// Earlier than every timestamp.
pub const TIMESTAMP_NEG_INFINITY: i64 = i64::MIN;

/// One value.
///
/// Equality, order and hash are those of PostgreSQL's default operator class
/// within a type, with NULL equal to NULL and after everything else; values of
/// different variants are ordered by variant, so that the order is total.
#[derive(Debug, Clone)]
pub enum Datum {
    /// NULL of any type.
    Null,
    /// `boolean`
    Bool(bool),
    /// `smallint`
    Int2(i16),
    /// `integer`
    Int4(i32),
    /// `bigint`
    Int8(i64),
    /// `real`
    Float4(f32),
    /// `double precision`
    Float8(f64),
    /// `numeric`
    Numeric(Numeric),
    /// `text`, `varchar`, `char(n)` (without trailing blanks), `name`,
    /// `"char"`, unknown literals
    Text(String),
    /// `bytea`
    Bytea(Vec<u8>),
    /// `uuid`
    Uuid([u8; 16]),
    /// `date`: days since 2000-01-01
    Date(i32),
    /// `time`: microseconds since midnight, at most 24:00:00
    Time(i64),
    /// `timestamp`: microseconds since 2000-01-01 00:00:00
    Timestamp(i64),
    /// `timestamptz`: microseconds since 2000-01-01 00:00:00 UTC
    Timestamptz(i64),
    /// `interval`
    Interval(Interval),
    /// `json`, as given
    Json(String),
    /// `jsonb`, in normal form
    Jsonb(String),
    /// `oid`
    Oid(u32),
    /// `bit`, `bit varying`
    Bits(Bits),
    /// `time with time zone`
    Timetz(TimeTz),
    /// `jsonpath`, in its canonical form
    Jsonpath(String),
    /// An array or vector
    Array(Box<ArrayValue>),
    /// A value of an enum
    Enum(EnumValue),
    /// A row
    Record(Box<RecordValue>),
}

impl Datum {
    /// Whether the value is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// A text value.
    pub fn text(text: impl Into<String>) -> Datum {
        Datum::Text(text.into())
    }

    /// The text of a text, json or jsonb value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Datum::Text(text) | Datum::Json(text) | Datum::Jsonb(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a smallint, integer, bigint or oid.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Datum::Int2(value) => Some(i64::from(*value)),
            Datum::Int4(value) => Some(i64::from(*value)),
            Datum::Int8(value) => Some(*value),
            Datum::Oid(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Datum::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The type the value has by itself, without a modifier; `None` for NULL.
    pub fn natural_type(&self) -> Option<PgType> {
        Some(match self {
            Datum::Null => return None,
            Datum::Bool(_) => PgType::Bool,
            Datum::Int2(_) => PgType::Int2,
            Datum::Int4(_) => PgType::Int4,
            Datum::Int8(_) => PgType::Int8,
            Datum::Float4(_) => PgType::Float4,
            Datum::Float8(_) => PgType::Float8,
            Datum::Numeric(_) => PgType::Numeric(None),
            Datum::Text(_) => PgType::Text,
            Datum::Bytea(_) => PgType::Bytea,
            Datum::Uuid(_) => PgType::Uuid,
            Datum::Date(_) => PgType::Date,
            Datum::Time(_) => PgType::Time,
            Datum::Timestamp(_) => PgType::Timestamp,
            Datum::Timestamptz(_) => PgType::Timestamptz,
            Datum::Interval(_) => PgType::Interval,
            Datum::Json(_) => PgType::Json,
            Datum::Jsonb(_) => PgType::Jsonb,
            Datum::Oid(_) => PgType::Oid,
            Datum::Bits(_) => PgType::Varbit(None),
            Datum::Timetz(_) => PgType::Timetz,
            Datum::Jsonpath(_) => PgType::Jsonpath,
            Datum::Array(array) => PgType::array_of(array.element)?,
            Datum::Enum(value) => PgType::Enum(value.ty),
            Datum::Record(record) => PgType::Composite(record.ty),
        })
    }

    /// Whether a column of type `ty` can hold the value as it is. NULL fits
    /// everywhere; modifiers are not looked at.
    pub fn fits(&self, ty: PgType) -> bool {
        match (self, ty.base()) {
            (Datum::Null, _) => true,
            (Datum::Text(_), ty) => ty.is_textual(),
            (Datum::Record(record), PgType::Composite(user)) => record.ty == user,
            (Datum::Bits(_), ty) => matches!(ty, PgType::Bit(_) | PgType::Varbit(_)),
            (Datum::Array(array), ty) => ty
                .element()
                .is_some_and(|element| element.oid() == array.element.oid()),
            (value, ty) => value.natural_type().map(PgType::oid) == Some(ty.oid()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Datum::Bool(_) => 0,
            Datum::Int2(_) => 1,
            Datum::Int4(_) => 2,
            Datum::Int8(_) => 3,
            Datum::Float4(_) => 4,
            Datum::Float8(_) => 5,
            Datum::Numeric(_) => 6,
            Datum::Text(_) => 7,
            Datum::Bytea(_) => 8,
            Datum::Uuid(_) => 9,
            Datum::Date(_) => 10,
            Datum::Time(_) => 11,
            Datum::Timestamp(_) => 12,
            Datum::Timestamptz(_) => 13,
            Datum::Interval(_) => 14,
            Datum::Json(_) => 15,
            Datum::Jsonb(_) => 16,
            Datum::Oid(_) => 17,
            Datum::Array(_) => 18,
            Datum::Enum(_) => 19,
            Datum::Record(_) => 20,
            Datum::Bits(_) => 21,
            Datum::Timetz(_) => 22,
            Datum::Jsonpath(_) => 23,
            Datum::Null => 255,
        }
    }
}

/// PostgreSQL's order of floats: -0 equals 0, NaN equals NaN and is greatest.
pub(crate) fn compare_f64(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
    }
}

impl Ord for Datum {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
            (Datum::Int2(a), Datum::Int2(b)) => a.cmp(b),
            (Datum::Int4(a), Datum::Int4(b)) | (Datum::Date(a), Datum::Date(b)) => a.cmp(b),
            (Datum::Int8(a), Datum::Int8(b))
            | (Datum::Time(a), Datum::Time(b))
            | (Datum::Timestamp(a), Datum::Timestamp(b))
            | (Datum::Timestamptz(a), Datum::Timestamptz(b)) => a.cmp(b),
            (Datum::Float4(a), Datum::Float4(b)) => compare_f64(f64::from(*a), f64::from(*b)),
            (Datum::Float8(a), Datum::Float8(b)) => compare_f64(*a, *b),
            (Datum::Numeric(a), Datum::Numeric(b)) => a.cmp(b),
            (Datum::Text(a), Datum::Text(b)) | (Datum::Json(a), Datum::Json(b)) => {
                a.as_bytes().cmp(b.as_bytes())
            }
            (Datum::Jsonb(a), Datum::Jsonb(b)) => key::compare_jsonb(a, b),
            (Datum::Bytea(a), Datum::Bytea(b)) => a.cmp(b),
            (Datum::Uuid(a), Datum::Uuid(b)) => a.cmp(b),
            (Datum::Interval(a), Datum::Interval(b)) => a.cmp(b),
            (Datum::Oid(a), Datum::Oid(b)) => a.cmp(b),
            (Datum::Array(a), Datum::Array(b)) => a.cmp(b),
            (Datum::Enum(a), Datum::Enum(b)) => a.cmp(b),
            (Datum::Record(a), Datum::Record(b)) => a.values.cmp(&b.values),
            (Datum::Bits(a), Datum::Bits(b)) => a.cmp(b),
            (Datum::Timetz(a), Datum::Timetz(b)) => a.cmp(b),
            (Datum::Jsonpath(a), Datum::Jsonpath(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Datum {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Datum {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Datum {}

impl Hash for Datum {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Datum::Null => {}
            Datum::Bool(value) => value.hash(state),
            Datum::Int2(value) => value.hash(state),
            Datum::Int4(value) | Datum::Date(value) => value.hash(state),
            Datum::Int8(value)
            | Datum::Time(value)
            | Datum::Timestamp(value)
            | Datum::Timestamptz(value) => value.hash(state),
            Datum::Float4(value) => float_bits(f64::from(*value)).hash(state),
            Datum::Float8(value) => float_bits(*value).hash(state),
            Datum::Numeric(value) => value.hash(state),
            Datum::Text(value) | Datum::Json(value) | Datum::Jsonpath(value) => value.hash(state),
            Datum::Bits(value) => value.hash(state),
            Datum::Timetz(value) => value.hash(state),
            Datum::Jsonb(value) => key::jsonb_key(value).hash(state),
            Datum::Bytea(value) => value.hash(state),
            Datum::Uuid(value) => value.hash(state),
            Datum::Interval(value) => value.hash(state),
            Datum::Oid(value) => value.hash(state),
            Datum::Array(value) => value.hash(state),
            Datum::Enum(value) => value.hash(state),
            Datum::Record(value) => value.values.hash(state),
        }
    }
}

/// One bit pattern for all NaNs and one for both zeros.
fn float_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn floats_are_ordered_as_postgresql_orders_them() {
        let sorted = [
            f64::NEG_INFINITY,
            -1.0,
            -0.0,
            0.0,
            f64::MIN_POSITIVE,
            1.0,
            f64::INFINITY,
            f64::NAN,
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                let expected = if (2..=3).contains(&i) && (2..=3).contains(&j) {
                    Ordering::Equal
                } else {
                    i.cmp(&j)
                };
                assert_eq!(Datum::Float8(*a).cmp(&Datum::Float8(*b)), expected);
            }
        }
    }

    #[test]
    fn equal_values_hash_alike() {
        let set: HashSet<Datum> = [
            Datum::Float8(0.0),
            Datum::Float8(-0.0),
            Datum::Float8(f64::NAN),
            Datum::Float8(-f64::NAN),
            Datum::Numeric(Numeric::parse("1.50").unwrap()),
            Datum::Numeric(Numeric::parse("1.5").unwrap()),
            Datum::Interval(Interval {
                months: 1,
                days: 0,
                micros: 0,
            }),
            Datum::Interval(Interval {
                months: 0,
                days: 30,
                micros: 0,
            }),
        ]
        .into_iter()
        .collect();
        assert_eq!(set.len(), 4);
    }

    #[test]
    fn null_comes_last() {
        assert!(Datum::Null > Datum::Int4(i32::MAX));
        assert!(Datum::Null > ArrayValue::empty(PgType::Int4).datum());
        assert_eq!(Datum::Null, Datum::Null);
    }
}
