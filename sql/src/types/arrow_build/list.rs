//! Arrays as lists: their elements in one column, and where each array ends.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};

use super::ColumnAppender;
use crate::error::{SqlError, SqlResult, state};
use crate::types::arrow_map::list_item;
use crate::types::datum::Datum;
use crate::types::pg_type::PgType;

#[derive(Debug)]
pub(super) struct ListAppender {
    element: PgType,
    values: ColumnAppender,
    offsets: Vec<i32>,
    /// Whether each list is there.
    valid: Vec<bool>,
}

impl ListAppender {
    pub(super) fn new(element: PgType, capacity: usize) -> ListAppender {
        ListAppender {
            element,
            values: ColumnAppender::new(element, capacity),
            offsets: vec![0],
            valid: Vec::with_capacity(capacity),
        }
    }

    pub(super) fn append(&mut self, values: &[Datum]) -> SqlResult<()> {
        let last = self.offsets.last().copied().unwrap_or(0);
        let end = i32::try_from(values.len())
            .ok()
            .and_then(|count| last.checked_add(count))
            .ok_or_else(|| {
                SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "too many array elements")
            })?;
        for value in values {
            self.values.append_datum(value)?;
        }
        self.offsets.push(end);
        self.valid.push(true);
        Ok(())
    }

    pub(super) fn append_null(&mut self) {
        self.offsets.push(self.offsets.last().copied().unwrap_or(0));
        self.valid.push(false);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let valid = std::mem::take(&mut self.valid);
        let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        Arc::new(ListArray::new(
            list_item(self.element),
            OffsetBuffer::new(offsets.into()),
            self.values.finish(),
            nulls,
        ))
    }
}
