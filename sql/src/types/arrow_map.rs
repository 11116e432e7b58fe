//! PostgreSQL types as Arrow types and back.
//!
//! Arrow counts time from 1970, PostgreSQL from 2000; the infinite dates and
//! timestamps keep their extreme values on both sides. A field remembers its
//! PostgreSQL type in metadata, because several share an Arrow type.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use crate::error::{SqlError, SqlResult, state};
use crate::types::calendar::{UNIX_EPOCH_DAYS, UNIX_EPOCH_MICROS};
use crate::types::interval::Interval;
use crate::types::numeric::wide::narrow;
use crate::types::oid;
use crate::types::pg_type::PgType;
use crate::types::user;

/// Metadata key of a field: the type's OID and modifier, as "1043:14"; for a user's
/// type also the number of its definition.
pub const PG_TYPE_KEY: &str = "pg.type";

/// The Arrow type columns of `ty` have.
pub fn arrow_type(ty: PgType) -> DataType {
    match ty.plain() {
        PgType::Bool => DataType::Boolean,
        PgType::Int2 => DataType::Int16,
        PgType::Int4 => DataType::Int32,
        PgType::Int8 => DataType::Int64,
        PgType::Oid => DataType::UInt32,
        PgType::Float4 => DataType::Float32,
        PgType::Float8 => DataType::Float64,
        PgType::Numeric(modifier) => match modifier.and_then(|(p, s)| narrow(p, s)) {
            Some((p, s)) => DataType::Decimal128(p, s),
            None => DataType::LargeBinary,
        },
        PgType::Bytea | PgType::Bit(_) | PgType::Varbit(_) | PgType::Timetz => DataType::BinaryView,
        PgType::Date => DataType::Date32,
        PgType::Time => DataType::Time64(TimeUnit::Microsecond),
        PgType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        PgType::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        PgType::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        PgType::Void => DataType::Null,
        PgType::Array(_)
        | PgType::Int2Vector
        | PgType::OidVector
        | PgType::Composite(_)
        | PgType::Domain(_)
        | PgType::Stored(_) => DataType::BinaryView,
        // Nothing else is of this type: a label that lost its type is not taken for
        // a number or a text.
        PgType::Enum(_) => DataType::Time64(TimeUnit::Nanosecond),
        PgType::Text
        | PgType::Varchar(_)
        | PgType::Char(_)
        | PgType::Name
        | PgType::InternalChar
        | PgType::Unknown
        | PgType::Rounded(_)
        | PgType::Json
        | PgType::Jsonb
        | PgType::Jsonpath
        | PgType::Uuid => DataType::Utf8View,
    }
}

/// The item field of lists of `element`. It carries no metadata: metadata there
/// would make two list types unequal.
pub(crate) fn list_item(element: PgType) -> Arc<Field> {
    Arc::new(Field::new_list_field(arrow_type(element), true))
}

/// A field of this type; its metadata says which PostgreSQL type it is.
pub fn arrow_field(name: impl Into<String>, ty: PgType, nullable: bool) -> Field {
    Field::new(name, arrow_type(ty), nullable).with_metadata(type_metadata(ty))
}

/// The metadata of a field of this type.
pub fn type_metadata(ty: PgType) -> HashMap<String, String> {
    HashMap::from([(PG_TYPE_KEY.to_owned(), type_text(ty))])
}

/// A type as text, for as long as the process runs.
pub(crate) fn type_text(ty: PgType) -> String {
    let mut text = format!("{}:{}", ty.oid(), ty.typmod());
    if let Some(user) = ty.user() {
        let array = if matches!(ty, PgType::Array(_)) {
            "a"
        } else {
            ""
        };
        text.push_str(&format!(":{array}{}", user.number()));
    }
    text
}

/// The PostgreSQL type of a field: from its metadata, if the field still has
/// an Arrow type that goes with it, else from the Arrow type.
pub fn pg_type_of_field(field: &Field) -> PgType {
    field
        .metadata()
        .get(PG_TYPE_KEY)
        .and_then(|text| parse_metadata(text))
        .filter(|ty| agrees(*ty, field.data_type()))
        .unwrap_or_else(|| pg_type_of(field.data_type()))
}

/// The type that such a text stands for.
pub(crate) fn parse_metadata(text: &str) -> Option<PgType> {
    let (oid, typmod) = text.split_once(':')?;
    if let Some((_, number)) = typmod.split_once(':') {
        let (number, array) = match number.strip_prefix('a') {
            Some(number) => (number, true),
            None => (number, false),
        };
        let ty = user::numbered(number.parse().ok()?)?.ty();
        return if array {
            PgType::array_of(ty)
        } else {
            Some(ty)
        };
    }
    PgType::from_oid(oid.parse().ok()?, typmod.parse().ok()?)
}

/// Whether an expression that kept the metadata also kept the kind of value.
fn agrees(ty: PgType, data_type: &DataType) -> bool {
    match (ty.plain(), data_type) {
        (_, DataType::Null) => true,
        (
            PgType::Numeric(_),
            DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::LargeBinary,
        ) => true,
        (_, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            arrow_type(ty) == DataType::Utf8View
        }
        (PgType::Bytea, DataType::Binary) => true,
        (PgType::Timestamp, DataType::Timestamp(_, None)) => true,
        (PgType::Timestamptz, DataType::Timestamp(_, Some(_))) => true,
        (_, DataType::Dictionary(_, value)) => agrees(ty, value),
        // The lists of aggregates hold elements, or whole arrays.
        (ty, DataType::List(item) | DataType::LargeList(item)) => {
            ty.element()
                .is_some_and(|element| agrees(element, item.data_type()))
                || (ty.element().is_some() && *item.data_type() == DataType::BinaryView)
        }
        (ty, data_type) => arrow_type(ty) == *data_type,
    }
}

/// The PostgreSQL type whose values an Arrow type holds best.
pub fn pg_type_of(data_type: &DataType) -> PgType {
    match data_type {
        DataType::Null => PgType::Text,
        DataType::Boolean => PgType::Bool,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => PgType::Int2,
        DataType::UInt16 | DataType::Int32 => PgType::Int4,
        DataType::UInt32 | DataType::Int64 => PgType::Int8,
        DataType::UInt64 => PgType::Int8,
        DataType::Float16 | DataType::Float32 => PgType::Float4,
        DataType::Float64 => PgType::Float8,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::LargeBinary => PgType::Numeric(None),
        DataType::Binary | DataType::BinaryView | DataType::FixedSizeBinary(_) => PgType::Bytea,
        DataType::Date32 | DataType::Date64 => PgType::Date,
        DataType::Time32(_) | DataType::Time64(_) => PgType::Time,
        DataType::Timestamp(_, None) => PgType::Timestamp,
        DataType::Timestamp(_, Some(_)) => PgType::Timestamptz,
        DataType::Interval(_) | DataType::Duration(_) => PgType::Interval,
        DataType::Dictionary(_, value) => pg_type_of(value),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => {
            PgType::array_of(pg_type_of(item.data_type())).unwrap_or(PgType::Text)
        }
        _ => PgType::Text,
    }
}

/// The array with the Arrow type that [`arrow_type`] gives for `ty`, so that
/// readers need to know one type each. Decimals keep their own scale. 22003
/// when a value does not fit.
pub fn canonical(array: &ArrayRef, ty: PgType) -> SqlResult<ArrayRef> {
    let wanted = arrow_type(ty);
    let fits = match (ty.plain(), array.data_type()) {
        (PgType::Numeric(_), DataType::Decimal128(_, s) | DataType::Decimal256(_, s)) => *s >= 0,
        (PgType::Numeric(_), DataType::LargeBinary) => true,
        // A result that is there and says nothing.
        (PgType::Void, DataType::Utf8View) => true,
        (PgType::Array(PgType::Numeric(_)), DataType::List(item)) => {
            matches!(
                item.data_type(),
                DataType::Decimal128(..) | DataType::LargeBinary
            )
        }
        (PgType::Timestamptz, DataType::Timestamp(TimeUnit::Microsecond, Some(_))) => true,
        (_, own) => *own == wanted,
    };
    if fits {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, &wanted, &options).map_err(|error| {
        SqlError::new(
            state::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("{} out of range", ty.base_name()),
        )
        .with_internal(error.to_string())
    })
}

/// Days since 1970, from days since 2000.
#[inline]
pub fn date_to_arrow(days: i32) -> SqlResult<i32> {
    if days == i32::MAX || days == i32::MIN {
        return Ok(days);
    }
    days.checked_add(UNIX_EPOCH_DAYS)
        .ok_or_else(|| out_of_range("date"))
}

/// Days since 2000, from days since 1970.
#[inline]
pub fn date_from_arrow(days: i32) -> SqlResult<i32> {
    if days == i32::MAX || days == i32::MIN {
        return Ok(days);
    }
    days.checked_sub(UNIX_EPOCH_DAYS)
        .ok_or_else(|| out_of_range("date"))
}

/// Microseconds since 1970, from microseconds since 2000.
#[inline]
pub fn timestamp_to_arrow(micros: i64) -> SqlResult<i64> {
    if micros == i64::MAX || micros == i64::MIN {
        return Ok(micros);
    }
    micros
        .checked_add(UNIX_EPOCH_MICROS)
        .ok_or_else(|| out_of_range("timestamp"))
}

/// Microseconds since 2000, from microseconds since 1970.
#[inline]
pub fn timestamp_from_arrow(micros: i64) -> SqlResult<i64> {
    if micros == i64::MAX || micros == i64::MIN {
        return Ok(micros);
    }
    micros
        .checked_sub(UNIX_EPOCH_MICROS)
        .ok_or_else(|| out_of_range("timestamp"))
}

/// Months, days and nanoseconds. 22008 when the time part is longer than 292
/// years, which nanoseconds do not hold.
pub fn interval_to_arrow(interval: Interval) -> SqlResult<arrow::datatypes::IntervalMonthDayNano> {
    let nanos = interval
        .micros
        .checked_mul(1000)
        .ok_or_else(|| out_of_range("interval"))?;
    Ok(arrow::datatypes::IntervalMonthDayNano::new(
        interval.months,
        interval.days,
        nanos,
    ))
}

/// An interval; nanoseconds below a microsecond are cut off.
pub fn interval_from_arrow(value: arrow::datatypes::IntervalMonthDayNano) -> Interval {
    Interval {
        months: value.months,
        days: value.days,
        micros: value.nanoseconds / 1000,
    }
}

#[cold]
fn out_of_range(what: &str) -> SqlError {
    SqlError::new(
        state::DATETIME_VALUE_OUT_OF_RANGE,
        format!("{what} out of range"),
    )
}

/// Whether `oid` is a type whose values are text in Arrow but not in
/// PostgreSQL (uuid, json, jsonb): comparing them with text needs a cast.
pub fn is_text_in_arrow_only(oid: u32) -> bool {
    matches!(oid, oid::UUID | oid::JSON | oid::JSONB | oid::JSONPATH)
}
