//! `numeric` in Arrow where its scale is not known when a query is planned.
//!
//! A `numeric(p, s)` column, and arithmetic whose scale follows from the scales of
//! its operands, is an Arrow decimal: all values have one scale, and equal values
//! are the same bits. Everything else (columns without precision, parameters,
//! quotients, averages, roots, NaN, branches of different scales) is *wide*: a
//! `LargeBinary` of the value's key form, whose bytes have the order of the
//! numbers, and then its scale, two bytes. No other type is kept as `LargeBinary`,
//! so the Arrow type says what a value is.
//!
//! Equal numbers of different scale (1.0 and 1.00) have different bytes here. So
//! whatever compares, sorts, groups or joins does it on the key without the scale
//! (`query::plan::comparable`); only minimum and maximum may use the bytes as they
//! are, for it does not matter which of equal numbers they show.

use crate::error::{SqlError, SqlResult};
use crate::types::key;
use crate::types::numeric::{MAX_SCALE, Numeric};

/// Bytes of the scale.
const SCALE_BYTES: usize = 2;

/// Most digits of a column that is kept as an Arrow decimal.
pub(crate) const NARROW_DIGITS: u16 = 38;

/// Whether columns of `numeric(precision, scale)` are Arrow decimals, and which.
pub(crate) fn narrow(precision: u16, scale: i16) -> Option<(u8, i8)> {
    let fits = (1..=NARROW_DIGITS).contains(&precision)
        && u16::try_from(scale).is_ok_and(|scale| scale <= precision);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) if fits => Some((precision, scale)),
        _ => None,
    }
}

/// Appends the wide form of a value.
pub(crate) fn encode(value: &Numeric, out: &mut Vec<u8>) {
    key::encode_numeric(value, out);
    out.extend_from_slice(&value.scale().to_be_bytes());
}

/// The wide form of a value.
pub(crate) fn bytes(value: &Numeric) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    encode(value, &mut out);
    out
}

/// The value in wide form. XX001 when it is none.
pub(crate) fn decode(bytes: &[u8]) -> SqlResult<Numeric> {
    let (mut key, scale) = split(bytes)?;
    let value = key::decode_numeric(&mut key)?;
    if !key.is_empty() || scale > MAX_SCALE || scale < value.scale() {
        return Err(corrupt());
    }
    Ok(value.rescale(scale))
}

/// The part of the wide form that says which number it is.
pub(crate) fn key_of(bytes: &[u8]) -> SqlResult<&[u8]> {
    split(bytes).map(|(key, _)| key)
}

/// The number of a key; its scale is the least that shows it.
pub(crate) fn from_key(mut key: &[u8]) -> SqlResult<Numeric> {
    key::decode_numeric(&mut key)
}

fn split(bytes: &[u8]) -> SqlResult<(&[u8], u16)> {
    let at = bytes.len().checked_sub(SCALE_BYTES).ok_or_else(corrupt)?;
    let (key, scale) = bytes.split_at(at);
    let scale = <[u8; SCALE_BYTES]>::try_from(scale).map_err(|_| corrupt())?;
    Ok((key, u16::from_be_bytes(scale)))
}

#[cold]
fn corrupt() -> SqlError {
    SqlError::corrupted("numeric value does not decode")
}
