//! The stored form of a row.
//!
//! ```text
//! u8      version, 1
//! u16 LE  natts: attributes this row was written with
//! bits    natts, least significant first; 1 = NULL; padded to whole bytes
//! slots   one for each attribute: a fixed-size value, or the u32 LE offset of
//!         the end of a variable-size value, counted from the variable section
//! bytes   the variable section
//! ```
//!
//! Slot widths depend on the types alone, so any column is found in constant
//! time. A NULL has a slot too (zeros, or the end of the value before it). A
//! row with fewer attributes than the table has now was written before a
//! column was added: [`RowLayout::set_missing`] says what such a column holds.

#[cfg(test)]
mod tests;
mod view;

use crate::error::{SqlError, SqlResult, state};
use crate::types::cell;
use crate::types::datum::Datum;
use crate::types::pg_type::PgType;

pub use view::RowView;

const VERSION: u8 = 1;

const HEADER: usize = 3;

/// Most attributes a row can have (PostgreSQL's limit).
pub const MAX_ATTRIBUTES: usize = 1600;

/// How many bytes a cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Always this many.
    Fixed(u8),
    /// As many as the value needs.
    Variable,
}

/// Where the columns of a table are in its stored rows.
#[derive(Debug, Clone)]
pub struct RowLayout {
    columns: Vec<Column>,
    /// Bytes of all slots of the first `i` columns, for `i` in `0..=len`.
    slot_starts: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Column {
    ty: PgType,
    width: Width,
    /// Slot of the variable column before this one, if there is one.
    previous_end: Option<u32>,
    /// Cell bytes for rows written before the column was added.
    missing: Option<Box<[u8]>>,
}

impl RowLayout {
    /// The layout of a table with these column types, by attribute number.
    /// Dropped columns keep their place and type. 54011 above 1,600 columns.
    pub fn new(types: &[PgType]) -> SqlResult<RowLayout> {
        if types.len() > MAX_ATTRIBUTES {
            return Err(SqlError::new(
                state::TOO_MANY_COLUMNS,
                format!("tables can have at most {MAX_ATTRIBUTES} columns"),
            ));
        }
        let mut columns = Vec::with_capacity(types.len());
        let mut slot_starts = Vec::with_capacity(types.len() + 1);
        let (mut start, mut previous_end) = (0u32, None);
        slot_starts.push(0);
        for ty in types {
            let width = cell::width(*ty);
            columns.push(Column {
                ty: *ty,
                width,
                previous_end,
                missing: None,
            });
            match width {
                Width::Fixed(bytes) => start += u32::from(bytes),
                Width::Variable => {
                    previous_end = Some(start);
                    start += 4;
                }
            }
            slot_starts.push(start);
        }
        Ok(RowLayout {
            columns,
            slot_starts,
        })
    }

    /// Sets what column `index` holds in rows written before it was added.
    /// Without this it is NULL there.
    pub fn set_missing(&mut self, index: usize, value: &Datum) -> SqlResult<()> {
        let Some(column) = self.columns.get_mut(index) else {
            return Err(SqlError::internal("set_missing of a column out of range"));
        };
        column.missing = match value {
            Datum::Null => None,
            value => {
                let mut bytes = Vec::new();
                cell::encode(column.ty, value, &mut bytes)?;
                Some(bytes.into_boxed_slice())
            }
        };
        Ok(())
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The type of a column.
    pub fn column_type(&self, index: usize) -> Option<PgType> {
        self.columns.get(index).map(|column| column.ty)
    }

    /// Encodes a row with one value for each column.
    pub fn encode(&self, values: &[Datum]) -> SqlResult<Vec<u8>> {
        let mut out = Vec::new();
        self.encode_into(values, &mut out)?;
        Ok(out)
    }

    /// Encodes a row into `out`, which is cleared first and may be reused.
    pub fn encode_into(&self, values: &[Datum], out: &mut Vec<u8>) -> SqlResult<()> {
        if values.len() != self.columns.len() {
            return Err(SqlError::internal(format!(
                "row of {} values for {} columns",
                values.len(),
                self.columns.len()
            )));
        }
        out.clear();
        out.push(VERSION);
        let natts = u16::try_from(values.len()).map_err(|_| too_large())?;
        out.extend_from_slice(&natts.to_le_bytes());
        for group in values.chunks(8) {
            let bits = group.iter().enumerate().fold(0u8, |bits, (bit, value)| {
                bits | (u8::from(value.is_null()) << bit)
            });
            out.push(bits);
        }
        let slots = out.len();
        let slot_bytes = self.slot_starts.last().copied().unwrap_or(0) as usize;
        out.resize(slots + slot_bytes, 0);
        let variable = out.len();
        let starts = self.slot_starts.iter();
        for ((column, value), start) in self.columns.iter().zip(values).zip(starts) {
            let at = slots + *start as usize;
            let before = out.len();
            if !value.is_null() {
                cell::encode(column.ty, value, out)?;
            }
            match column.width {
                // The cell was appended at the end: move it into its slot.
                Width::Fixed(bytes) => {
                    let bytes = usize::from(bytes);
                    if out.len() == before + bytes {
                        out.copy_within(before.., at);
                    }
                    out.truncate(before);
                }
                Width::Variable => {
                    let end = u32::try_from(out.len() - variable).map_err(|_| too_large())?;
                    if let Some(slot) = out.get_mut(at..at + 4) {
                        slot.copy_from_slice(&end.to_le_bytes());
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at a stored row. XX001 when its header does not make sense.
    pub fn view<'a>(&'a self, bytes: &'a [u8]) -> SqlResult<RowView<'a>> {
        let Some((&[version, low, high], rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(corrupt("row is shorter than its header"));
        };
        if version != VERSION {
            return Err(corrupt("row has an unknown format version"));
        }
        let natts = usize::from(u16::from_le_bytes([low, high]));
        let Some(slot_bytes) = self.slot_starts.get(natts) else {
            return Err(corrupt("row has more attributes than its table"));
        };
        let (nulls, rest) = rest
            .split_at_checked(natts.div_ceil(8))
            .ok_or_else(|| corrupt("row is shorter than its null bitmap"))?;
        let (slots, variable) = rest
            .split_at_checked(*slot_bytes as usize)
            .ok_or_else(|| corrupt("row is shorter than its fixed section"))?;
        Ok(RowView {
            layout: self,
            natts,
            nulls,
            slots,
            variable,
        })
    }
}

#[cold]
fn corrupt(message: &'static str) -> SqlError {
    SqlError::corrupted(message)
}

#[cold]
fn too_large() -> SqlError {
    SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "row is too big")
}
