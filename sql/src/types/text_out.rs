//! Text of every type, as PostgreSQL 15 writes it.

use bytes::BufMut;

use crate::types::array::{ArrayValue, Dimension};
use crate::types::datetime_out;
use crate::types::datum::Datum;
use crate::types::float_text;
use crate::types::format::SessionFormat;
use crate::types::pg_type::PgType;

/// Appends the text of a value. NULL has no text: nothing is appended.
///
/// The type matters for `char(n)`, which is padded, and for vectors.
pub fn write_text(ty: PgType, value: &Datum, format: &SessionFormat, out: &mut impl BufMut) {
    let ty = ty.base();
    match value {
        Datum::Null => {}
        Datum::Bool(value) => out.put_u8(if *value { b't' } else { b'f' }),
        Datum::Int2(value) => write_integer(*value, out),
        Datum::Int4(value) => write_integer(*value, out),
        Datum::Int8(value) => write_integer(*value, out),
        Datum::Oid(value) => write_integer(*value, out),
        Datum::Float4(value) => {
            float_text::write_f32_digits(*value, format.styles.float_digits, out)
        }
        Datum::Float8(value) => {
            float_text::write_f64_digits(*value, format.styles.float_digits, out)
        }
        Datum::Numeric(value) => out.put_slice(value.to_string().as_bytes()),
        Datum::Text(value) => {
            out.put_slice(value.as_bytes());
            if let PgType::Char(length) = ty {
                out.put_bytes(b' ', padding(value, length));
            }
        }
        Datum::Json(value) | Datum::Jsonb(value) | Datum::Jsonpath(value) => {
            out.put_slice(value.as_bytes());
        }
        Datum::Bits(value) => out.put_slice(value.text().as_bytes()),
        Datum::Timetz(value) => {
            datetime_out::write_time(value.micros, out);
            datetime_out::write_offset(value.offset, out);
        }
        Datum::Bytea(value) if format.styles.bytea_escape => write_bytea_escaped(value, out),
        Datum::Bytea(value) => write_bytea(value, out),
        Datum::Uuid(value) => write_uuid(value, out),
        Datum::Date(value) => datetime_out::write_date(*value, &format.styles, out),
        Datum::Time(value) => datetime_out::write_time(*value, out),
        Datum::Timestamp(value) => datetime_out::write_timestamp(*value, &format.styles, out),
        Datum::Timestamptz(value) => {
            datetime_out::write_timestamptz(*value, &format.time_zone, &format.styles, out);
        }
        Datum::Interval(value) => datetime_out::write_interval(value, format.styles.interval, out),
        Datum::Array(array) => match ty {
            PgType::Int2Vector | PgType::OidVector => write_vector(array, format, out),
            _ => write_array(array, format, out),
        },
        Datum::Enum(value) => out.put_slice(value.label().as_bytes()),
        Datum::Record(record) => record.write_text(format, out),
    }
}

/// The text of a value; `None` for NULL.
pub fn text_out(ty: PgType, value: &Datum, format: &SessionFormat) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let mut out = Vec::new();
    write_text(ty, value, format, &mut out);
    Some(String::from_utf8(out).unwrap_or_default())
}

/// Appends an integer.
#[inline]
pub fn write_integer(value: impl itoa::Integer, out: &mut impl BufMut) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Blanks that `char(length)` adds to a text.
pub(crate) fn padding(text: &str, length: u32) -> usize {
    let length = length as usize;
    if length == 0 {
        return 0;
    }
    length.saturating_sub(text.chars().count())
}

/// Appends `\x` and two hexadecimal digits for each byte.
pub fn write_bytea(bytes: &[u8], out: &mut impl BufMut) {
    out.put_slice(b"\\x");
    write_hex(bytes, out);
}

/// Appends bytes as text, with `\\ooo` for those that are not printable.
fn write_bytea_escaped(bytes: &[u8], out: &mut impl BufMut) {
    for byte in bytes {
        match byte {
            b'\\' => out.put_slice(b"\\\\"),
            0x20..=0x7e => out.put_u8(*byte),
            _ => out.put_slice(format!("\\{byte:03o}").as_bytes()),
        }
    }
}

/// Appends the canonical text of a UUID.
pub fn write_uuid(bytes: &[u8; 16], out: &mut impl BufMut) {
    let mut buffer = uuid::Uuid::encode_buffer();
    let text = uuid::Uuid::from_bytes(*bytes)
        .hyphenated()
        .encode_lower(&mut buffer);
    out.put_slice(text.as_bytes());
}

fn write_hex(bytes: &[u8], out: &mut impl BufMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    for chunk in bytes.chunks(32) {
        let mut pairs = [0u8; 64];
        for (pair, byte) in pairs.chunks_exact_mut(2).zip(chunk) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        out.put_slice(pairs.get(..chunk.len() * 2).unwrap_or_default());
    }
}

fn write_vector(array: &ArrayValue, format: &SessionFormat, out: &mut impl BufMut) {
    for (index, value) in array.values.iter().enumerate() {
        if index > 0 {
            out.put_u8(b' ');
        }
        write_text(array.element, value, format, out);
    }
}

fn write_array(array: &ArrayValue, format: &SessionFormat, out: &mut impl BufMut) {
    let dimensions = array.dimensions();
    if dimensions.is_empty() {
        out.put_slice(b"{}");
        return;
    }
    if dimensions.iter().any(|d| d.lower != 1) {
        for dimension in dimensions {
            out.put_u8(b'[');
            write_integer(dimension.lower, out);
            out.put_u8(b':');
            write_integer(dimension.upper(), out);
            out.put_u8(b']');
        }
        out.put_u8(b'=');
    }
    let mut rest = array.values.as_slice();
    write_dimension(dimensions, array.element, &mut rest, format, out);
}

/// Appends the elements of a dimension, taken off the front of `values`.
fn write_dimension(
    dimensions: &[Dimension],
    element: PgType,
    values: &mut &[Datum],
    format: &SessionFormat,
    out: &mut impl BufMut,
) {
    let Some((dimension, inner)) = dimensions.split_first() else {
        match values.split_first() {
            Some((Datum::Null, _)) | None => out.put_slice(b"NULL"),
            Some((value, _)) => {
                let mut text = Vec::new();
                write_text(element, value, format, &mut text);
                write_element(&text, out);
            }
        }
        *values = values.get(1..).unwrap_or_default();
        return;
    };
    out.put_u8(b'{');
    for index in 0..dimension.length {
        if index > 0 {
            out.put_u8(b',');
        }
        write_dimension(inner, element, values, format, out);
    }
    out.put_u8(b'}');
}

/// Appends an array element, quoted when it could be misread.
fn write_element(text: &[u8], out: &mut impl BufMut) {
    let special = |b: &u8| {
        matches!(
            b,
            b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c
        )
    };
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"null") && !text.iter().any(special) {
        out.put_slice(text);
        return;
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}
