//! Reading the cells of a stored row where they are.

use super::{RowLayout, Width, corrupt};
use crate::error::{SqlError, SqlResult};
use crate::types::cell;
use crate::types::datum::Datum;

/// A stored row, not decoded.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    pub(super) layout: &'a RowLayout,
    pub(super) natts: usize,
    pub(super) nulls: &'a [u8],
    pub(super) slots: &'a [u8],
    pub(super) variable: &'a [u8],
}

impl<'a> RowView<'a> {
    /// The layout the row is read with.
    pub fn layout(&self) -> &'a RowLayout {
        self.layout
    }

    /// The bytes of a column's cell (see [`crate::types::cell`]); `None` is
    /// NULL. XX001 when the row is corrupt.
    #[inline]
    pub fn cell(&self, index: usize) -> SqlResult<Option<&'a [u8]>> {
        let Some(column) = self.layout.columns.get(index) else {
            return Err(SqlError::internal("column index out of range"));
        };
        if index >= self.natts {
            return Ok(column.missing.as_deref());
        }
        let Some(nulls) = self.nulls.get(index / 8) else {
            return Err(corrupt("row is shorter than its null bitmap"));
        };
        if (nulls >> (index % 8)) & 1 == 1 {
            return Ok(None);
        }
        let start = self.layout.slot_starts.get(index).copied().unwrap_or(0) as usize;
        let bytes = match column.width {
            Width::Fixed(bytes) => self.slots.get(start..start + usize::from(bytes)),
            Width::Variable => {
                let from = match column.previous_end {
                    Some(slot) => self.end_at(slot as usize)?,
                    None => 0,
                };
                self.variable.get(from..self.end_at(start)?)
            }
        };
        match bytes {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(corrupt("row value lies outside the row")),
        }
    }

    #[inline]
    fn end_at(&self, slot: usize) -> SqlResult<usize> {
        match self.slots.get(slot..).and_then(|rest| rest.first_chunk()) {
            Some(end) => Ok(u32::from_le_bytes(*end) as usize),
            None => Err(corrupt("row is shorter than its fixed section")),
        }
    }

    /// The value of a column.
    pub fn datum(&self, index: usize) -> SqlResult<Datum> {
        match (self.cell(index)?, self.layout.column_type(index)) {
            (Some(bytes), Some(ty)) => cell::decode(ty, bytes),
            _ => Ok(Datum::Null),
        }
    }

    /// The values of all columns.
    pub fn datums(&self) -> SqlResult<Vec<Datum>> {
        (0..self.layout.len())
            .map(|index| self.datum(index))
            .collect()
    }
}
