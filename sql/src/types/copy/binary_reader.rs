//! Reads COPY's binary format.
//!
//! An 11-byte signature, i32 flags, i32 length of an extension area; then for
//! each row an i16 number of fields and for each an i32 length (-1: NULL) and
//! its bytes; an i16 -1 at the end. Big endian.

use crate::error::{SqlError, SqlResult, state};
use crate::types::copy::fields::{Field, Fields};

/// The first bytes of a binary COPY file.
pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// What was found at the beginning of the data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A row of so many bytes.
    Row(usize),
    /// The end of the rows, after so many bytes.
    End(usize),
    /// More data is needed.
    More,
}

/// The bytes of the file's header, when all of it is there.
pub(super) fn header(data: &[u8]) -> SqlResult<Option<usize>> {
    let known = data.len().min(SIGNATURE.len());
    if data.get(..known) != SIGNATURE.get(..known) {
        return Err(bad("COPY file signature not recognized"));
    }
    let Some(flags) = word(data, SIGNATURE.len()) else {
        return Ok(None);
    };
    if flags & (1 << 16) != 0 {
        return Err(bad("invalid COPY file header (WITH OIDS)"));
    }
    // Bits 16 to 31 say things a reader must understand.
    if flags.cast_unsigned() >> 16 != 0 {
        return Err(bad("unrecognized critical flags in COPY file header"));
    }
    let Some(extension) = word(data, SIGNATURE.len() + 4) else {
        return Ok(None);
    };
    let extension =
        usize::try_from(extension).map_err(|_| bad("invalid COPY file header (missing length)"))?;
    let total = SIGNATURE.len() + 8 + extension;
    Ok((data.len() >= total).then_some(total))
}

/// Reads one row of `columns` fields.
pub(super) fn row(data: &[u8], columns: usize, fields: &mut Fields) -> SqlResult<Found> {
    fields.list.clear();
    let Some(count) = data.first_chunk::<2>() else {
        return Ok(Found::More);
    };
    let count = i16::from_be_bytes(*count);
    if count == -1 {
        return Ok(Found::End(2));
    }
    if usize::try_from(count) != Ok(columns) {
        return Err(bad(&format!(
            "row field count is {count}, expected {columns}"
        )));
    }
    let mut at = 2;
    for _ in 0..columns {
        let Some(length) = word(data, at) else {
            return Ok(Found::More);
        };
        at += 4;
        if length == -1 {
            fields.list.push(Field::Null);
            continue;
        }
        let length = usize::try_from(length).map_err(|_| bad("invalid field size"))?;
        let end = at + length;
        if data.len() < end {
            return Ok(Found::More);
        }
        fields.list.push(Field::Raw { start: at, end });
        at = end;
    }
    Ok(Found::Row(at))
}

fn word(data: &[u8], at: usize) -> Option<i32> {
    data.get(at..)?
        .first_chunk()
        .map(|word| i32::from_be_bytes(*word))
}

#[cold]
pub(super) fn bad(message: &str) -> SqlError {
    SqlError::new(state::BAD_COPY_FILE_FORMAT, message)
}
