//! Conversions between PostgreSQL types: of single values, and as a function
//! over Arrow arrays.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arrow_value::{array_of, datum_at, scalar_as};
use super::error::external;
use super::functions::{bits_integer, format_of, integer_bits};
use super::plan::field_with;
use crate::error::{SqlError, state};
use crate::exec::assign::assign;
use crate::types::record::RecordValue;
use crate::types::{Conversion, Datum, PgType, SessionFormat, modifier, text_in};

/// Converts a value as `CAST` does.
///
/// # Errors
/// 22P02, 22003, 22007 and the like for values without a counterpart.
pub(super) fn cast_value(
    value: Datum,
    target: PgType,
    format: &SessionFormat,
) -> Result<Datum, SqlError> {
    match (value, target) {
        (Datum::Null, _) => Ok(Datum::Null),
        (Datum::Array(array), PgType::Array(element)) => Ok(array
            .map(*element, |value| cast_value(value, *element, format))?
            .datum()),
        (Datum::Record(record), PgType::Composite(user)) if record.ty != user => {
            let values = record.values.into_iter().zip(user.attributes());
            let values = values.map(|(value, a)| cast_value(value, a.ty, format));
            Ok(RecordValue::datum(
                user,
                values.collect::<Result<Vec<_>, _>>()?,
            ))
        }
        (Datum::Int4(n), PgType::Bool) => Ok(Datum::Bool(n != 0)),
        (Datum::Int4(n), PgType::Bit(length)) => {
            Ok(Datum::Bits(integer_bits(i64::from(n), length.unwrap_or(1))))
        }
        (Datum::Int8(n), PgType::Bit(length)) => {
            Ok(Datum::Bits(integer_bits(n, length.unwrap_or(1))))
        }
        (Datum::Bits(bits), PgType::Int4) => {
            let value = bits_integer(&bits, 32)?;
            Ok(Datum::Int4(i32::try_from(value).unwrap_or_default()))
        }
        (Datum::Bits(bits), PgType::Int8) => Ok(Datum::Int8(bits_integer(&bits, 64)?)),
        (value @ Datum::Bits(_), PgType::Bit(_) | PgType::Varbit(_)) => {
            modifier::apply(target, value, Conversion::Cast)
        }
        (Datum::Text(text), PgType::Bit(_) | PgType::Varbit(_)) => {
            let bare = super::plan::bare(target);
            modifier::apply(target, text_in(bare, &text, format)?, Conversion::Cast)
        }
        (Datum::Bool(b), PgType::Int4) => Ok(Datum::Int4(i32::from(b))),
        (Datum::Bool(b), target) if target.is_textual() => cast_value(
            Datum::text(if b { "true" } else { "false" }),
            target,
            format,
        ),
        (value, PgType::Varchar(Some(length))) => {
            let text = assign(value, PgType::Varchar(None), format)?;
            Ok(truncated(text, length, false))
        }
        (value, PgType::Char(length)) => {
            let text = assign(value, PgType::Char(0), format)?;
            Ok(truncated(text, length, true))
        }
        (value, PgType::Name) => Ok(match assign(value, PgType::Text, format)? {
            Datum::Text(mut text) => {
                text.truncate(text.floor_char_boundary(crate::types::pg_type::MAX_NAME_BYTES));
                Datum::Text(text)
            }
            other => other,
        }),
        (value, target) => assign(value, target, format),
    }
}

/// An explicit cast to a length cuts silently.
fn truncated(value: Datum, length: u32, blank_padded: bool) -> Datum {
    let Datum::Text(mut text) = value else {
        return value;
    };
    if length > 0
        && let Some((end, _)) = text.char_indices().nth(length as usize)
    {
        text.truncate(end);
    }
    if blank_padded {
        text.truncate(text.trim_end_matches(' ').len());
    }
    Datum::Text(text)
}

/// Whether PostgreSQL has an explicit cast between the types.
pub(super) fn castable(from: PgType, to: PgType) -> bool {
    use PgType::{
        Bool, Bytea, Date, Float4, Float8, Int2, Int4, Int8, Interval, Json, Jsonb, Numeric, Oid,
        Time, Timestamp, Timestamptz, Unknown, Uuid,
    };
    if from.oid() == to.oid() || from == Unknown || from.is_textual() || to.is_textual() {
        return true;
    }
    let (from, to) = (from.plain(), to.plain());
    let number = |ty| matches!(ty, Int2 | Int4 | Int8 | Float4 | Float8 | Numeric(_));
    let _ = (Bytea, Uuid);
    match (from, to) {
        (a, b) if number(a) && number(b) => true,
        (PgType::Composite(a), PgType::Composite(b)) => {
            let (a, b) = (a.attributes(), b.attributes());
            let pairs = a.iter().zip(b);
            a.len() == b.len() && pairs.into_iter().all(|(a, b)| castable(a.ty, b.ty))
        }
        (Int4, Bool) | (Bool, Int4) => true,
        (Int2 | Int4 | Int8, Oid) | (Oid, Int4 | Int8) => true,
        (Date, Timestamp | Timestamptz) => true,
        (Timestamp, Date | Time | Timestamptz) => true,
        (Timestamptz, Date | Time | Timestamp) => true,
        (Time, Interval) | (Interval, Time) => true,
        (Json, Jsonb) | (Jsonb, Json) => true,
        (PgType::Bit(_) | PgType::Varbit(_), PgType::Bit(_) | PgType::Varbit(_)) => true,
        (Int4 | Int8, PgType::Bit(_)) | (PgType::Bit(_), Int4 | Int8) => true,
        (Time, PgType::Timetz) | (PgType::Timetz, Time) | (Timestamptz, PgType::Timetz) => true,
        (Jsonb, to) => to == Bool || number(to),
        (PgType::Array(a), PgType::Array(b)) => castable(*a, *b),
        (PgType::Int2Vector | PgType::OidVector, PgType::Array(_)) => true,
        _ => false,
    }
}

/// The error for a cast that does not exist.
pub(super) fn cannot_cast(from: PgType, to: PgType) -> SqlError {
    SqlError::new(
        state::CANNOT_COERCE,
        format!(
            "cannot cast type {} to {}",
            from.base_name(),
            to.base_name()
        ),
    )
}

/// The cast as a function of one argument.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CastFunction {
    from: PgType,
    to: PgType,
    target: DataType,
    signature: Signature,
    name: String,
}

impl CastFunction {
    /// A cast to `to`, whose values Arrow keeps as `target`.
    pub(super) fn new(from: PgType, to: PgType, target: DataType) -> Self {
        Self {
            from,
            to,
            target,
            signature: Signature::any(1, Volatility::Stable),
            name: format!("cast_{}", to.typname()),
        }
    }

    /// Whether the result depends on nothing but the value: not on the session's time
    /// zone, nor on what names mean.
    pub(super) fn is_immutable(&self) -> bool {
        let plain = |ty: PgType| {
            matches!(
                ty,
                PgType::Bool
                    | PgType::Int2
                    | PgType::Int4
                    | PgType::Int8
                    | PgType::Float4
                    | PgType::Float8
                    | PgType::Numeric(_)
                    | PgType::Text
                    | PgType::Varchar(_)
                    | PgType::Char(_)
                    | PgType::Name
                    | PgType::Bytea
                    | PgType::Uuid
                    | PgType::Json
                    | PgType::Jsonb
            )
        };
        let (from, to) = (self.from.plain(), self.to.plain());
        let days = |ty| matches!(ty, PgType::Date | PgType::Timestamp);
        let written = from == PgType::Unknown && days(to);
        (plain(from) || from == PgType::Unknown) && plain(to) || days(from) && days(to) || written
    }

    /// The result type.
    pub(super) fn result(&self) -> PgType {
        self.to
    }

    fn convert(&self, value: Datum, format: &SessionFormat) -> Result<Datum, SqlError> {
        let value = self.convert_plain(value, format)?;
        modifier::apply(self.to, value, Conversion::Cast)
    }

    fn convert_plain(&self, value: Datum, format: &SessionFormat) -> Result<Datum, SqlError> {
        match (self.from.plain(), self.to.plain(), value) {
            (_, _, Datum::Null) => Ok(Datum::Null),
            (PgType::Jsonb, to, Datum::Jsonb(text)) if !to.is_textual() && to != PgType::Json => {
                from_jsonb(&text, to, format)
            }
            (PgType::Time, PgType::Interval, Datum::Time(micros)) => {
                Ok(Datum::Interval(crate::types::Interval {
                    months: 0,
                    days: 0,
                    micros,
                }))
            }
            (PgType::Interval, PgType::Time, Datum::Interval(interval)) => Ok(Datum::Time(
                interval
                    .micros
                    .rem_euclid(crate::types::interval::MICROS_PER_DAY),
            )),
            (_, _, value) => cast_value(value, self.to, format),
        }
    }
}

fn from_jsonb(text: &str, to: PgType, format: &SessionFormat) -> Result<Datum, SqlError> {
    let kind = super::functions::json_kind(text);
    let fits = match to {
        PgType::Bool => kind == "boolean",
        _ => kind == "number",
    };
    if !fits {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("cannot cast jsonb {kind} to type {}", to.base_name()),
        ));
    }
    let number = cast_value(
        Datum::text(text),
        if to == PgType::Bool {
            to
        } else {
            PgType::Numeric(None)
        },
        format,
    )?;
    cast_value(number, to, format)
}

impl ScalarUDFImpl for CastFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(self.target.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let nullable = args.arg_fields.first().is_none_or(|f| f.is_nullable());
        Ok(Arc::new(field_with(
            Field::new(&self.name, self.target.clone(), nullable),
            self.to,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let format = format_of(&args.config_options);
        let Some(argument) = args.args.first() else {
            return Err(external(SqlError::internal("cast without argument")));
        };
        let result = match argument {
            ColumnarValue::Scalar(scalar) => super::arrow_value::datum_of_scalar(scalar, self.from)
                .and_then(|value| self.convert(value, &format))
                .and_then(|value| scalar_as(&value, &self.target))
                .map(ColumnarValue::Scalar),
            ColumnarValue::Array(array) => (0..array.len())
                .map(|row| {
                    datum_at(array.as_ref(), row, self.from)
                        .and_then(|value| self.convert(value, &format))
                })
                .collect::<Result<Vec<_>, _>>()
                .and_then(|values| array_of(&values, &self.target))
                .map(ColumnarValue::Array),
        };
        result.map_err(external)
    }
}
