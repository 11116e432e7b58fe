//! Window functions whose value is that of another row.

use arrow::array::{Array, ArrayRef, Int32Array, UInt64Array};
use arrow::compute::{interleave, take};
use datafusion::common::Result;
use std::sync::Arc;

use super::super::super::arrow_value::datum_at;
use super::super::super::error::external;
use super::Function;
use super::frame::Frames;
use crate::error::{SqlError, state};
use crate::types::{Datum, PgType};

/// Rows between two looks at whether the query shall end.
const CHECK_ROWS: usize = 1024;

fn no_argument() -> datafusion::common::DataFusionError {
    external(SqlError::internal("a window function without argument"))
}

/// A number argument at a row; `None` for NULL.
fn number(array: &ArrayRef, row: usize) -> Result<Option<i64>> {
    let value = datum_at(array.as_ref(), row, PgType::Int8).map_err(external)?;
    Ok(value.as_i64())
}

/// `first_value`, `last_value` and `nth_value`.
pub(super) fn in_frame(
    function: &Function,
    args: &[ArrayRef],
    frames: &Frames,
    rows: usize,
    check: &dyn Fn() -> Result<()>,
) -> Result<ArrayRef> {
    let values = args.first().ok_or_else(no_argument)?;
    let mut places: Vec<Option<u64>> = Vec::with_capacity(rows);
    for row in 0..rows {
        if row % CHECK_ROWS == 0 {
            check()?;
        }
        let wanted = match (function, args.get(1)) {
            (Function::Nth, Some(n)) => match number(n, row)? {
                Some(n @ 1..) => usize::try_from(n).unwrap_or(usize::MAX),
                Some(_) => {
                    return Err(external(SqlError::new(
                        state::INVALID_ARGUMENT_FOR_NTH_VALUE,
                        "argument of nth_value must be greater than zero",
                    )));
                }
                None => {
                    places.push(None);
                    continue;
                }
            },
            _ => 1,
        };
        let ranges = frames.of(row)?;
        let place = if *function == Function::Last {
            ranges.last().map(|range| range.end - 1)
        } else {
            let mut left = wanted - 1;
            ranges.iter().find_map(|range| {
                if left < range.len() {
                    return Some(range.start + left);
                }
                left -= range.len();
                None
            })
        };
        places.push(place.map(|place| place as u64));
    }
    Ok(take(values, &UInt64Array::from(places), None)?)
}

/// `lag` and `lead`: the value so many rows away, or else the default.
pub(super) fn neighbour(args: &[ArrayRef], rows: usize, before: bool) -> Result<ArrayRef> {
    let values = args.first().ok_or_else(no_argument)?;
    let nothing = arrow::array::new_null_array(values.data_type(), 1);
    let defaults = args.get(2);
    let others = defaults.unwrap_or(&nothing);
    let mut places = Vec::with_capacity(rows);
    for row in 0..rows {
        let by = match args.get(1) {
            Some(offsets) => number(offsets, row)?,
            None => Some(1),
        };
        let Some(by) = by else {
            places.push((2, 0));
            continue;
        };
        let here = i128::try_from(row).unwrap_or(i128::MAX);
        let by = if before { -i128::from(by) } else { by.into() };
        let place = usize::try_from(here + by).ok().filter(|p| *p < rows);
        places.push(match (place, defaults) {
            (Some(place), _) => (0, place),
            (None, Some(_)) => (1, row),
            (None, None) => (2, 0),
        });
    }
    let sources: [&dyn Array; 3] = [values.as_ref(), others.as_ref(), nothing.as_ref()];
    Ok(interleave(&sources, &places)?)
}

/// `ntile`: the number of the bucket that the row is in.
pub(super) fn ntile(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let buckets = args.first().ok_or_else(no_argument)?;
    // The argument counts as it is in the first row of the partition.
    let count = match datum_at(buckets.as_ref(), 0, PgType::Int4).map_err(external)? {
        Datum::Null => return Ok(arrow::array::new_null_array(buckets.data_type(), rows)),
        count => count.as_i64().unwrap_or(0),
    };
    let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) else {
        return Err(external(SqlError::new(
            state::INVALID_ARGUMENT_FOR_NTILE,
            "argument of ntile must be greater than zero",
        )));
    };
    let (size, larger) = (rows / count, rows % count);
    let bucket = |row: usize| {
        let in_larger = larger * (size + 1);
        let bucket = if row < in_larger {
            row / (size + 1)
        } else {
            larger + (row - in_larger) / size.max(1)
        };
        i32::try_from(bucket + 1).unwrap_or(i32::MAX)
    };
    Ok(Arc::new((0..rows).map(bucket).collect::<Int32Array>()))
}
