//! Numerics as decimals of the scale of their column.

use arrow::datatypes::i256;

use crate::error::{SqlError, SqlResult, state};
use crate::types::numeric::Numeric;

/// The unscaled value of a decimal column. 22003 when it does not fit.
pub(super) fn decimal128(value: &Numeric, scale: u16) -> SqlResult<i128> {
    value
        .rescale(scale)
        .as_i128()
        .map(|(unscaled, _)| unscaled)
        .filter(|unscaled| unscaled.unsigned_abs() < 10u128.pow(38))
        .ok_or_else(overflow)
}

/// The same for wider columns.
pub(super) fn decimal256(value: &Numeric, scale: u16) -> SqlResult<i256> {
    let rescaled = value.rescale(scale);
    if rescaled.digit_count() > 76 {
        return Err(overflow());
    }
    let bytes = rescaled
        .unscaled()
        .ok_or_else(overflow)?
        .to_signed_bytes_le();
    let fill = if value.is_negative() { 255 } else { 0 };
    let mut padded = [fill; 32];
    for (to, from) in padded.iter_mut().zip(bytes) {
        *to = from;
    }
    Ok(i256::from_le_bytes(padded))
}

#[cold]
fn overflow() -> SqlError {
    SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow")
}
