//! A record batch under construction, from stored rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, UInt64Builder};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::super::arrow_value::array_of;
use super::exec::ScanShape;
use super::table::Source;
use crate::error::SqlError;
use crate::types::arrow_build::ColumnAppender;
use crate::types::arrow_map::arrow_type;
use crate::types::{Datum, PgType};

/// Stored bytes after which a batch is closed before it is full.
const BATCH_BYTES: usize = 8 << 20;

/// One output column under construction.
enum ColumnBuilder {
    Attribute(usize, ColumnAppender),
    Key(BinaryBuilder),
    Csn(UInt64Builder),
    Row(BinaryBuilder),
    /// The same for every row.
    Table,
}

/// A batch under construction.
pub(super) struct BatchBuilder<'a> {
    shape: &'a ScanShape,
    columns: Vec<ColumnBuilder>,
    pub(super) rows: usize,
    most: usize,
    bytes: usize,
}

impl<'a> BatchBuilder<'a> {
    pub(super) fn new(shape: &'a ScanShape, most: usize) -> Result<Self, SqlError> {
        let mut columns = Vec::with_capacity(shape.sources.len());
        for source in &shape.sources {
            columns.push(match source {
                Source::Attribute(index) => {
                    let ty = shape
                        .info
                        .layout
                        .column_type(*index)
                        .ok_or_else(|| SqlError::internal("scan of a column out of range"))?;
                    ColumnBuilder::Attribute(*index, ColumnAppender::new(ty, most))
                }
                Source::Key => ColumnBuilder::Key(BinaryBuilder::new()),
                Source::Csn => ColumnBuilder::Csn(UInt64Builder::new()),
                Source::Row => ColumnBuilder::Row(BinaryBuilder::new()),
                Source::Table => ColumnBuilder::Table,
            });
        }
        Ok(Self {
            shape,
            columns,
            rows: 0,
            most,
            bytes: 0,
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= self.most || self.bytes >= BATCH_BYTES
    }

    pub(super) fn push(&mut self, key: &[u8], csn: u64, row: &[u8]) -> Result<(), SqlError> {
        self.rows += 1;
        self.bytes += row.len() + key.len();
        // `count(*)` looks at no column.
        if self.columns.is_empty() {
            return Ok(());
        }
        let view = self.shape.info.layout.view(row)?;
        for column in &mut self.columns {
            match column {
                ColumnBuilder::Attribute(index, appender) => appender.append(&view, *index)?,
                ColumnBuilder::Key(builder) => builder.append_value(key),
                ColumnBuilder::Csn(builder) => builder.append_value(csn),
                ColumnBuilder::Row(builder) => builder.append_value(row),
                ColumnBuilder::Table => {}
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<RecordBatch, SqlError> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for column in self.columns {
            arrays.push(match column {
                ColumnBuilder::Attribute(_, mut appender) => appender.finish(),
                ColumnBuilder::Key(mut builder) | ColumnBuilder::Row(mut builder) => {
                    Arc::new(builder.finish())
                }
                ColumnBuilder::Csn(mut builder) => Arc::new(builder.finish()),
                ColumnBuilder::Table => {
                    let oid = Datum::Oid(self.shape.info.desc.oid);
                    let values = vec![oid; self.rows];
                    array_of(&values, &arrow_type(PgType::Oid))?
                }
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.shape.schema), arrays, &options)
            .map_err(super::super::error::from_arrow)
    }
}
