//! Tests of a value against the rows of a subquery, which may be unknown.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;

use super::super::error::external;
use super::Quantified;
use crate::error::SqlError;

/// The test of one row.
pub(super) struct Test {
    condition: Arc<dyn PhysicalExpr>,
    pair: SchemaRef,
    /// Columns of the left side.
    left: usize,
    all: bool,
    negated: bool,
    /// The type of values of which one can say by their bytes whether they are equal,
    /// when that is what the test asks of two columns.
    hashed: Option<DataType>,
}

impl Test {
    pub(super) fn new(quantified: &Quantified, state: &SessionState) -> Result<Self> {
        let pair = quantified.pair.as_ref();
        Ok(Self {
            condition: state.create_physical_expr(quantified.test.clone(), pair)?,
            left: pair.fields().len() / 2,
            pair: Arc::new(pair.as_arrow().clone()),
            all: quantified.all,
            negated: quantified.negated,
            hashed: hashed_type(quantified),
        })
    }

    /// Whether the test holds for the left side in `row` and any or all members.
    pub(super) fn decide(
        &self,
        members: &Members,
        left: &[ArrayRef],
        row: usize,
    ) -> Result<ScalarValue> {
        let answer = match (&members.known, left) {
            (Some(known), [value]) => known.contains(value, row)?,
            _ => self.compare(members, left, row)?,
        };
        Ok(ScalarValue::Boolean(answer.map(|a| a != self.negated)))
    }

    /// Compares with one member after the other.
    fn compare(&self, members: &Members, left: &[ArrayRef], row: usize) -> Result<Option<bool>> {
        let mut unknown = false;
        for batch in &members.batches {
            let mut columns = Vec::with_capacity(self.left * 2);
            for value in left {
                let value = ScalarValue::try_from_array(value, row)?;
                columns.push(value.to_array_of_size(batch.num_rows())?);
            }
            columns.extend(batch.columns().iter().cloned());
            let pairs = RecordBatch::try_new(Arc::clone(&self.pair), self.fitted(columns)?)?;
            let found = self
                .condition
                .evaluate(&pairs)?
                .into_array(pairs.num_rows())?;
            let Some(found) = found.as_boolean_opt() else {
                return Err(external(SqlError::internal("a test is true or false")));
            };
            // One row decides: a true one for ANY, a false one for ALL.
            if has(found, !self.all) {
                return Ok(Some(!self.all));
            }
            unknown = unknown || found.null_count() > 0;
        }
        Ok(if unknown { None } else { Some(self.all) })
    }

    fn fitted(&self, columns: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
        columns
            .into_iter()
            .zip(self.pair.fields())
            .map(|(column, field)| {
                if column.data_type() == field.data_type() {
                    Ok(column)
                } else {
                    Ok(arrow::compute::cast(&column, field.data_type())?)
                }
            })
            .collect()
    }
}

fn has(found: &BooleanArray, wanted: bool) -> bool {
    found.iter().any(|value| value == Some(wanted))
}

/// Whether a test is that two columns are equal, of a type whose equal values have
/// equal bytes.
fn hashed_type(quantified: &Quantified) -> Option<DataType> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &quantified.test else {
        return None;
    };
    let columns = matches!(
        (left.as_ref(), op, right.as_ref()),
        (Expr::Column(_), Operator::Eq, Expr::Column(_))
    );
    let [a, b] = quantified.pair.fields().as_ref() else {
        return None;
    };
    let ty = a.data_type();
    let exact = ty.is_integer()
        || matches!(
            ty,
            DataType::Boolean
                | DataType::Utf8
                | DataType::Utf8View
                | DataType::Date32
                | DataType::Timestamp(..)
                | DataType::FixedSizeBinary(_)
        );
    (columns && exact && !quantified.all && ty == b.data_type()).then(|| ty.clone())
}

/// The rows of a subquery.
#[derive(Debug)]
pub(super) struct Members {
    batches: Vec<RecordBatch>,
    known: Option<Known>,
    bytes: usize,
    _held: MemoryReservation,
}

impl Members {
    pub(super) fn new(
        test: &Test,
        batches: Vec<RecordBatch>,
        held: MemoryReservation,
    ) -> Result<Self> {
        let mut members = Self {
            batches,
            known: None,
            bytes: held.size(),
            _held: held,
        };
        if let Some(ty) = &test.hashed {
            let known = Known::new(ty, &members.batches)?;
            members._held.try_grow(known.bytes)?;
            members.bytes += known.bytes;
            members.batches = Vec::new();
            members.known = Some(known);
        }
        Ok(members)
    }

    pub(super) fn size(&self) -> usize {
        self.bytes
    }
}

/// Values to look up.
#[derive(Debug)]
struct Known {
    converter: RowConverter,
    ty: DataType,
    values: HashSet<Box<[u8]>>,
    null: bool,
    bytes: usize,
}

impl Known {
    fn new(ty: &DataType, batches: &[RecordBatch]) -> Result<Self> {
        let mut known = Self {
            converter: RowConverter::new(vec![SortField::new(ty.clone())])?,
            ty: ty.clone(),
            values: HashSet::new(),
            null: false,
            bytes: 0,
        };
        for batch in batches {
            let column = known.fitted(batch.column(0))?;
            let rows = known.converter.convert_columns(&[Arc::clone(&column)])?;
            for (position, row) in rows.iter().enumerate() {
                if column.is_null(position) {
                    known.null = true;
                } else if known.values.insert(row.as_ref().into()) {
                    known.bytes += row.as_ref().len() + size_of::<Box<[u8]>>() * 2;
                }
            }
        }
        Ok(known)
    }

    fn fitted(&self, column: &ArrayRef) -> Result<ArrayRef> {
        if *column.data_type() == self.ty {
            return Ok(Arc::clone(column));
        }
        Ok(arrow::compute::cast(column, &self.ty)?)
    }

    /// Whether a value is among them.
    fn contains(&self, values: &ArrayRef, row: usize) -> Result<Option<bool>> {
        if self.values.is_empty() && !self.null {
            return Ok(Some(false));
        }
        if values.is_null(row) {
            return Ok(None);
        }
        let value = self.fitted(&values.slice(row, 1))?;
        let rows = self.converter.convert_columns(&[value])?;
        if self.values.contains(rows.row(0).as_ref()) {
            return Ok(Some(true));
        }
        Ok(if self.null { None } else { Some(false) })
    }
}
