//! Answers that are kept.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};

use super::members::Members;

/// Most bytes of answers that one subquery keeps. When there are more it forgets all.
const KEPT_BYTES: usize = 8 << 20;

/// The answer to a question.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Value(ScalarValue),
    Members(Arc<Members>),
}

impl Answer {
    fn size(&self) -> usize {
        match self {
            Self::Value(value) => value.size(),
            // They have a reservation of their own.
            Self::Members(members) => members.size(),
        }
    }
}

/// The arguments of many rows as keys.
pub(super) struct Keys(Option<Rows>);

impl Keys {
    pub(super) fn new(columns: &[ArrayRef], rows: usize) -> Result<Self> {
        if columns.is_empty() || rows == 0 {
            return Ok(Self(None));
        }
        let fields = columns
            .iter()
            .map(|c| SortField::new(c.data_type().clone()))
            .collect();
        let converter = RowConverter::new(fields)?;
        Ok(Self(Some(converter.convert_columns(columns)?)))
    }

    pub(super) fn row(&self, row: usize) -> Box<[u8]> {
        match &self.0 {
            Some(rows) => rows.row(row).as_ref().into(),
            None => Box::default(),
        }
    }
}

/// Answers by the arguments they are for.
#[derive(Debug)]
pub(super) struct Answers {
    kept: HashMap<Box<[u8]>, Answer>,
    bytes: usize,
    reservation: MemoryReservation,
}

impl Answers {
    pub(super) fn new(context: &TaskContext) -> Self {
        Self {
            kept: HashMap::new(),
            bytes: 0,
            reservation: Self::reservation(context),
        }
    }

    /// Memory of the query.
    pub(super) fn reservation(context: &TaskContext) -> MemoryReservation {
        MemoryConsumer::new("Subquery").register(context.memory_pool())
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Answer> {
        self.kept.get(key).cloned()
    }

    /// Keeps an answer, if there is room.
    pub(super) fn put(&mut self, key: Box<[u8]>, answer: &Answer) {
        let bytes = size_of::<(Box<[u8]>, Answer)>() + key.len() + answer.size();
        if self.bytes + bytes > KEPT_BYTES {
            self.kept.clear();
            self.bytes = 0;
            self.reservation.free();
        }
        if self.reservation.try_grow(bytes).is_err() {
            return;
        }
        self.bytes += bytes;
        self.kept.insert(key, answer.clone());
    }
}
