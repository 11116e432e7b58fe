//! Rows: values of composite types, and of `record`.
//!
//! A row in a stored row, and in Arrow:
//!
//! ```text
//! image := count cell*
//! ```
//!
//! The count has two bytes; a cell is four bytes of length (all ones for NULL) and
//! the value's bytes ([`crate::types::cell`]). Numbers are little endian. Attributes
//! that were added to the type later are missing and NULL.

use bytes::BufMut;

use crate::error::{SqlError, SqlResult, state};
use crate::types::binary_in::binary_in;
use crate::types::binary_out::write_binary;
use crate::types::cell;
use crate::types::datum::Datum;
use crate::types::format::SessionFormat;
use crate::types::pg_type::PgType;
use crate::types::text_in::text_in;
use crate::types::text_out::write_text;
use crate::types::user::UserType;

/// A row.
#[derive(Debug, Clone)]
pub struct RecordValue {
    /// The type, which has as many attributes as there are values.
    pub ty: &'static UserType,
    /// The values of the attributes.
    pub values: Vec<Datum>,
}

impl RecordValue {
    /// The row as a value. Missing values are NULL.
    pub fn datum(ty: &'static UserType, mut values: Vec<Datum>) -> Datum {
        values.resize(ty.attributes().len(), Datum::Null);
        Datum::Record(Box::new(Self { ty, values }))
    }

    /// Types and values of the attributes.
    pub fn parts(&self) -> impl Iterator<Item = (PgType, &Datum)> {
        self.ty.attributes().iter().map(|a| a.ty).zip(&self.values)
    }

    /// Appends `(a,"b c",)`.
    pub(crate) fn write_text(&self, format: &SessionFormat, out: &mut impl BufMut) {
        out.put_u8(b'(');
        for (index, (ty, value)) in self.parts().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            if value.is_null() {
                continue;
            }
            let mut text = Vec::new();
            write_text(ty, value, format, &mut text);
            write_field(&text, out);
        }
        out.put_u8(b')');
    }

    /// Appends the number of attributes, then the type, the length and the bytes of
    /// each.
    pub(crate) fn write_binary(&self, out: &mut impl BufMut) {
        out.put_i32(i32::try_from(self.values.len()).unwrap_or(i32::MAX));
        let mut bytes = Vec::new();
        for (ty, value) in self.parts() {
            out.put_u32(ty.oid());
            if value.is_null() {
                out.put_i32(-1);
                continue;
            }
            bytes.clear();
            write_binary(ty, value, &mut bytes);
            out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            out.put_slice(&bytes);
        }
    }

    /// Appends the image.
    ///
    /// # Errors
    /// XX000 for values that are not of their attributes' types; 54000.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> SqlResult<()> {
        let count = u16::try_from(self.values.len()).map_err(|_| too_big())?;
        out.extend_from_slice(&count.to_le_bytes());
        for (ty, value) in self.parts() {
            let at = out.len();
            out.extend_from_slice(&u32::MAX.to_le_bytes());
            if value.is_null() {
                continue;
            }
            cell::encode(ty, value, out)?;
            let length = u32::try_from(out.len() - at - 4).map_err(|_| too_big())?;
            if let Some(slot) = out.get_mut(at..at + 4) {
                slot.copy_from_slice(&length.to_le_bytes());
            }
        }
        Ok(())
    }

    /// The image.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub(crate) fn image(&self) -> SqlResult<Vec<u8>> {
        let mut out = Vec::with_capacity(2 + self.values.len() * 12);
        self.encode(&mut out)?;
        Ok(out)
    }
}

/// The row with this image.
///
/// # Errors
/// XX001.
pub(crate) fn decode(ty: &'static UserType, bytes: &[u8]) -> SqlResult<Datum> {
    let (count, mut rest) = bytes.split_first_chunk::<2>().ok_or_else(corrupt)?;
    let count = usize::from(u16::from_le_bytes(*count));
    if count > ty.attributes().len() {
        return Err(corrupt());
    }
    let mut values = Vec::with_capacity(ty.attributes().len());
    for attribute in ty.attributes().iter().take(count) {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(corrupt)?;
        let length = u32::from_le_bytes(*length);
        if length == u32::MAX {
            values.push(Datum::Null);
            rest = after;
            continue;
        }
        let (cell, after) = after
            .split_at_checked(length as usize)
            .ok_or_else(corrupt)?;
        values.push(cell::decode(attribute.ty, cell)?);
        rest = after;
    }
    Ok(RecordValue::datum(ty, values))
}

/// Appends an attribute, quoted when it could be misread.
fn write_field(text: &[u8], out: &mut impl BufMut) {
    let special = |b: &u8| {
        matches!(
            b,
            b'"' | b'\\' | b'(' | b')' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c
        )
    };
    if !text.is_empty() && !text.iter().any(special) {
        out.put_slice(text);
        return;
    }
    out.put_u8(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(*byte);
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

/// Reads `(a,"b c",)` as a row of this type.
///
/// # Errors
/// 22P02; what the texts of the attributes are refused for.
pub(crate) fn read_text(
    ty: &'static UserType,
    text: &str,
    format: &SessionFormat,
) -> SqlResult<Datum> {
    let fields = split(text)?;
    let attributes = ty.attributes();
    // A type without attributes has no text between its parentheses.
    let empty = attributes.is_empty() && matches!(fields.as_slice(), [None]);
    if fields.len() < attributes.len() {
        return Err(malformed(text, "Too few columns."));
    }
    if fields.len() > attributes.len() && !empty {
        return Err(malformed(text, "Too many columns."));
    }
    let values = attributes.iter().zip(&fields);
    let values = values.map(|(attribute, field)| match field {
        Some(field) => text_in(attribute.ty, field, format),
        None => Ok(Datum::Null),
    });
    Ok(RecordValue::datum(ty, values.collect::<SqlResult<_>>()?))
}

/// The texts between the parentheses; `None` for NULL.
fn split(text: &str) -> SqlResult<Vec<Option<String>>> {
    let inner = text
        .trim_start()
        .strip_prefix('(')
        .ok_or_else(|| malformed(text, "Missing left parenthesis."))?;
    let mut fields = Vec::new();
    let mut field: Option<String> = None;
    let mut quoted = false;
    let mut chars = inner.chars().peekable();
    loop {
        let Some(c) = chars.next() else {
            return Err(malformed(text, "Unexpected end of input."));
        };
        match c {
            '\\' => {
                let next = chars
                    .next()
                    .ok_or_else(|| malformed(text, "Unexpected end of input."))?;
                field.get_or_insert_default().push(next);
            }
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.get_or_insert_default().push('"');
            }
            '"' => {
                quoted = !quoted;
                field.get_or_insert_default();
            }
            ',' if !quoted => fields.push(field.take()),
            ')' if !quoted => {
                fields.push(field.take());
                break;
            }
            c => field.get_or_insert_default().push(c),
        }
    }
    if !chars.all(char::is_whitespace) {
        return Err(malformed(text, "Junk after right parenthesis."));
    }
    Ok(fields)
}

/// Reads the binary form of a row.
///
/// # Errors
/// 22P03, 42804; what the attributes are refused for.
pub(crate) fn read_binary(ty: &'static UserType, bytes: &[u8]) -> SqlResult<Datum> {
    let wrong = || {
        SqlError::new(
            state::INVALID_BINARY_REPRESENTATION,
            "incorrect binary data format",
        )
    };
    let mut rest = bytes;
    let mut take = |count: usize| -> SqlResult<&[u8]> {
        let (head, tail) = rest.split_at_checked(count).ok_or_else(wrong)?;
        rest = tail;
        Ok(head)
    };
    let number = |bytes: &[u8]| {
        bytes
            .try_into()
            .map(i32::from_be_bytes)
            .map_err(|_| wrong())
    };
    let count = number(take(4)?)?;
    if usize::try_from(count).ok() != Some(ty.attributes().len()) {
        return Err(SqlError::new(
            state::DATATYPE_MISMATCH,
            format!(
                "wrong number of columns: {count}, expected {}",
                ty.attributes().len()
            ),
        ));
    }
    let mut values = Vec::with_capacity(ty.attributes().len());
    for attribute in ty.attributes() {
        let oid = number(take(4)?)?.cast_unsigned();
        if oid != attribute.ty.oid() {
            return Err(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "binary data has type {oid} instead of expected {} in record column {}",
                    attribute.ty.oid(),
                    values.len() + 1
                ),
            ));
        }
        let length = number(take(4)?)?;
        values.push(match usize::try_from(length) {
            Ok(length) => binary_in(attribute.ty, take(length)?)?,
            Err(_) => Datum::Null,
        });
    }
    if !rest.is_empty() {
        return Err(wrong());
    }
    Ok(RecordValue::datum(ty, values))
}

fn malformed(text: &str, detail: &str) -> SqlError {
    SqlError::new(
        state::INVALID_TEXT_REPRESENTATION,
        format!("malformed record literal: \"{text}\""),
    )
    .detail(detail)
}

fn too_big() -> SqlError {
    SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "row is too big")
}

#[cold]
fn corrupt() -> SqlError {
    SqlError::corrupted("stored row value does not decode")
}
