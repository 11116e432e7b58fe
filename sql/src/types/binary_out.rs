//! PostgreSQL's binary format, as the `*send` functions write it. Everything
//! is big endian.

use bytes::BufMut;

use crate::types::array::ArrayValue;
use crate::types::datum::Datum;
use crate::types::modifier;
use crate::types::numeric::{Kind, Numeric};
use crate::types::pg_type::PgType;
use crate::types::text_out::padding;

/// Appends the binary form of a value. NULL has none: nothing is appended.
pub fn write_binary(ty: PgType, value: &Datum, out: &mut impl BufMut) {
    let ty = ty.base();
    match value {
        Datum::Null => {}
        Datum::Bool(v) => out.put_u8(u8::from(*v)),
        Datum::Int2(v) => out.put_i16(*v),
        Datum::Int4(v) | Datum::Date(v) => out.put_i32(*v),
        Datum::Int8(v) | Datum::Time(v) | Datum::Timestamp(v) | Datum::Timestamptz(v) => {
            out.put_i64(*v);
        }
        Datum::Oid(v) => out.put_u32(*v),
        Datum::Float4(v) => out.put_f32(*v),
        Datum::Float8(v) => out.put_f64(*v),
        Datum::Numeric(v) => write_numeric(v, out),
        Datum::Text(v) => {
            // One byte, always.
            if ty == PgType::InternalChar {
                out.put_u8(modifier::internal_char(v));
                return;
            }
            out.put_slice(v.as_bytes());
            if let PgType::Char(length) = ty {
                out.put_bytes(b' ', padding(v, length));
            }
        }
        Datum::Bytea(v) => out.put_slice(v),
        Datum::Uuid(v) => out.put_slice(v),
        Datum::Interval(v) => {
            out.put_i64(v.micros);
            out.put_i32(v.days);
            out.put_i32(v.months);
        }
        Datum::Json(v) => out.put_slice(v.as_bytes()),
        Datum::Jsonb(v) => {
            out.put_u8(1);
            out.put_slice(v.as_bytes());
        }
        Datum::Jsonpath(v) => {
            out.put_u8(1);
            out.put_slice(v.as_bytes());
        }
        Datum::Bits(v) => {
            out.put_i32(i32::try_from(v.len()).unwrap_or(i32::MAX));
            out.put_slice(v.bytes());
        }
        Datum::Timetz(v) => {
            out.put_i64(v.micros);
            // PostgreSQL counts west of Greenwich.
            out.put_i32(-v.offset);
        }
        Datum::Array(v) => write_array(ty, v, out),
        Datum::Enum(v) => out.put_slice(v.label().as_bytes()),
        Datum::Record(v) => v.write_binary(out),
    }
}

/// Number of dimensions, NULL flag, element OID, then length and lower bound
/// of each dimension and the elements with their lengths.
fn write_array(ty: PgType, array: &ArrayValue, out: &mut impl BufMut) {
    let vector = matches!(ty, PgType::Int2Vector | PgType::OidVector);
    let empty = array.values.is_empty() && !vector;
    let dimensions = array.dimensions();
    out.put_i32(match (empty, dimensions.len()) {
        (true, _) => 0,
        (false, count) => length(count.max(1)),
    });
    out.put_i32(i32::from(array.values.iter().any(Datum::is_null)));
    out.put_u32(array.element.oid());
    if empty {
        return;
    }
    if dimensions.is_empty() {
        // An empty vector still has its dimension.
        out.put_i32(0);
        out.put_i32(0);
    }
    for dimension in dimensions {
        out.put_i32(dimension.length);
        out.put_i32(dimension.lower);
    }
    let mut scratch = Vec::new();
    for value in &array.values {
        if value.is_null() {
            out.put_i32(-1);
            continue;
        }
        scratch.clear();
        write_binary(array.element, value, &mut scratch);
        out.put_i32(length(scratch.len()));
        out.put_slice(&scratch);
    }
}

fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Digits of base 10,000 around the point: their count, the weight of the
/// first, the sign, the display scale and the digits.
fn write_numeric(value: &Numeric, out: &mut impl BufMut) {
    let special = match value.kind() {
        Kind::Finite => None,
        Kind::NaN => Some(0xC000),
        Kind::PosInf => Some(0xD000),
        Kind::NegInf => Some(0xF000),
    };
    if let Some(sign) = special {
        out.put_slice(&[0; 4]);
        out.put_u16(sign);
        // PostgreSQL's infinities come with these bits set in the scale.
        out.put_u16(if sign == 0xC000 { 0 } else { 0x20 });
        return;
    }
    let scale = usize::from(value.scale());
    let mut digits = value.digits().into_bytes();
    // Whole groups on both sides of the point.
    let after = scale.div_ceil(4) * 4;
    digits.extend(std::iter::repeat_n(b'0', after - scale));
    let lead = digits.len().max(after).next_multiple_of(4) - digits.len();
    digits.splice(0..0, std::iter::repeat_n(b'0', lead));
    let groups: Vec<u16> = digits
        .chunks(4)
        .map(|group| {
            group
                .iter()
                .fold(0, |value, d| value * 10 + u16::from(d - b'0'))
        })
        .collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    let kept = groups
        .get(leading..groups.len().saturating_sub(trailing))
        .unwrap_or_default();
    // At most 131,072 / 4 groups before the point: 16 bits hold the weight.
    let weight = groups.len() as i64 - (after / 4) as i64 - leading as i64 - 1;
    out.put_u16(u16::try_from(kept.len()).unwrap_or(u16::MAX));
    out.put_i16(if kept.is_empty() {
        0
    } else {
        i16::try_from(weight).unwrap_or(0)
    });
    out.put_u16(if value.is_negative() { 0x4000 } else { 0 });
    out.put_u16(value.scale());
    for group in kept {
        out.put_u16(*group);
    }
}
