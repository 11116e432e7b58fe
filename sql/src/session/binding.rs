//! Parameter values and result formats of an execution.

use bytes::Bytes;

use super::BoundParameters;
use super::fields::FieldDescription;
use crate::error::{SqlError, state};
use crate::types::{Datum, Format, PgType, SessionFormat, binary_in, text_in};

/// Result columns with the formats that the client asked for.
///
/// # Errors
/// 08P01 when the number of formats fits neither rule.
pub(super) fn with_formats(
    fields: Option<&[FieldDescription]>,
    formats: &[i16],
) -> Result<Vec<FieldDescription>, SqlError> {
    let mut fields = fields.unwrap_or_default().to_vec();
    if formats.len() > 1 && formats.len() != fields.len() {
        return Err(SqlError::new(
            state::PROTOCOL_VIOLATION,
            format!(
                "bind message has {} result formats but query has {} columns",
                formats.len(),
                fields.len()
            ),
        ));
    }
    for (i, field) in fields.iter_mut().enumerate() {
        let format = formats
            .get(i)
            .or_else(|| formats.first().filter(|_| formats.len() == 1));
        field.format = Format::from_code(format.copied().unwrap_or(0))?;
    }
    Ok(fields)
}

/// Reads the parameter values of a Bind message.
///
/// # Errors
/// 08P01 for a wrong count, conversion errors of the values.
pub(super) fn bind_values(
    types: &[PgType],
    bound: &BoundParameters,
    format: &SessionFormat,
) -> Result<Vec<Datum>, SqlError> {
    check_counts(types, bound)?;
    bound
        .values
        .iter()
        .zip(types)
        .enumerate()
        .map(|(i, (value, ty))| {
            let code = bound
                .formats
                .get(i)
                .or_else(|| bound.formats.first().filter(|_| bound.formats.len() == 1));
            read_value(value.as_ref(), *ty, code.copied().unwrap_or(0), format)
        })
        .collect()
}

/// Checks the numbers of values and formats of a Bind message.
pub(super) fn check_counts(types: &[PgType], bound: &BoundParameters) -> Result<(), SqlError> {
    let (values, formats) = (bound.values.len(), bound.formats.len());
    if values != types.len() {
        return Err(SqlError::new(
            state::PROTOCOL_VIOLATION,
            format!(
                "bind message supplies {values} parameters, but prepared statement requires {}",
                types.len()
            ),
        ));
    }
    if formats > 1 && formats != values {
        return Err(SqlError::new(
            state::PROTOCOL_VIOLATION,
            format!("bind message has {formats} parameter formats but {values} parameters"),
        ));
    }
    Ok(())
}

fn read_value(
    value: Option<&Bytes>,
    ty: PgType,
    code: i16,
    format: &SessionFormat,
) -> Result<Datum, SqlError> {
    let Some(bytes) = value else {
        return Ok(Datum::Null);
    };
    match code {
        0 => {
            let text = std::str::from_utf8(bytes).map_err(|_| {
                SqlError::new(
                    state::CHARACTER_NOT_IN_REPERTOIRE,
                    "invalid byte sequence for encoding \"UTF8\" in a parameter",
                )
            })?;
            if text.contains('\0') {
                return Err(SqlError::new(
                    state::CHARACTER_NOT_IN_REPERTOIRE,
                    "invalid byte sequence for encoding \"UTF8\": 0x00",
                ));
            }
            text_in(ty, text, format)
        }
        1 => binary_in(ty, bytes),
        other => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("unsupported format code: {other}"),
        )),
    }
}
