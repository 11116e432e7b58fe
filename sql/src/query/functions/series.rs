//! `generate_series` in FROM. Its values are made as they are read.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

use super::super::arrow_value::array_of;
use super::super::error::{external, from_arrow, from_datafusion};
use super::super::plan::{constant_of, typed_field};
use super::interval::add_local;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, Interval, PgType, SessionFormat};

/// A function in FROM; `None` when there is no such function.
///
/// # Errors
/// 22023 for a step of zero, 0A000 for arguments that are not constants.
pub(in crate::query) fn table_function(
    name: &str,
    args: Vec<Expr>,
    format: &SessionFormat,
) -> SqlResult<Option<Arc<dyn TableProvider>>> {
    if name != "generate_series" {
        return Ok(None);
    }
    let mut values = Vec::with_capacity(args.len());
    for arg in &args {
        values.push(constant_of(arg, format)?.ok_or_else(|| {
            SqlError::unsupported("generate_series with arguments that are not constants")
        })?);
    }
    let (ty, series) = series(&values, format)?;
    let schema = Arc::new(Schema::new(vec![typed_field("generate_series", ty, true)]));
    let partition = SeriesPartition {
        schema: Arc::clone(&schema),
        series,
    };
    let table = StreamingTable::try_new(schema, vec![Arc::new(partition)]);
    Ok(Some(Arc::new(table.map_err(from_datafusion)?)))
}

/// A series that is read from the start each time.
struct SeriesPartition {
    schema: SchemaRef,
    series: Series,
}

impl fmt::Debug for SeriesPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeriesPartition")
    }
}

impl PartitionStream for SeriesPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = context.session_config().batch_size();
        let schema = Arc::clone(&self.schema);
        let mut series = self.series.clone();
        let batches =
            std::iter::from_fn(move || series.batch(&schema, rows).map_err(external).transpose());
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            futures::stream::iter(batches),
        ))
    }
}

/// Values that are still to come.
#[derive(Clone)]
enum Series {
    /// `None` = nothing is left.
    Integers {
        next: Option<i64>,
        last: i64,
        step: i64,
        small: bool,
    },
    /// Local times in microseconds, which steps of months and days are added to.
    Timestamps {
        next: Option<i64>,
        last: i64,
        step: Interval,
        zone: Option<SessionFormat>,
    },
}

impl Series {
    /// The next values, `rows` at most; `None` after the last.
    fn batch(&mut self, schema: &SchemaRef, rows: usize) -> SqlResult<Option<RecordBatch>> {
        let mut values = Vec::with_capacity(rows);
        while values.len() < rows {
            match self.next()? {
                Some(value) => values.push(value),
                None => break,
            }
        }
        if values.is_empty() {
            return Ok(None);
        }
        let array = array_of(&values, schema.field(0).data_type())?;
        RecordBatch::try_new(Arc::clone(schema), vec![array])
            .map(Some)
            .map_err(from_arrow)
    }

    fn next(&mut self) -> SqlResult<Option<Datum>> {
        match self {
            Self::Integers {
                next,
                last,
                step,
                small,
            } => {
                let Some(value) = next.filter(|v| within(*v, *last, *step > 0)) else {
                    return Ok(None);
                };
                *next = value.checked_add(*step);
                Ok(Some(match i32::try_from(value) {
                    Ok(value) if *small => Datum::Int4(value),
                    _ => Datum::Int8(value),
                }))
            }
            Self::Timestamps {
                next,
                last,
                step,
                zone,
            } => {
                let Some(local) = next.filter(|v| within(*v, *last, step.span() > 0)) else {
                    return Ok(None);
                };
                *next = Some(add_local(local, *step)?);
                Ok(Some(match zone {
                    Some(format) => {
                        let offset = i64::from(format.time_zone.offset_at_local(local));
                        Datum::Timestamptz(local - offset * 1_000_000)
                    }
                    None => Datum::Timestamp(local),
                }))
            }
        }
    }
}

fn within(value: i64, last: i64, up: bool) -> bool {
    if up { value <= last } else { value >= last }
}

fn zero_step() -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        "step size cannot equal zero",
    )
}

fn series(args: &[(Datum, PgType)], format: &SessionFormat) -> SqlResult<(PgType, Series)> {
    let whole = |(value, ty): &(Datum, PgType)| match (value, ty) {
        (Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_), _) => value.as_i64(),
        _ => None,
    };
    match args {
        [first, last] | [first, last, _] if whole(first).is_some() && whole(last).is_some() => {
            let step = match args.get(2) {
                Some(step) => whole(step).ok_or_else(|| no_series(args))?,
                None => 1,
            };
            let small = args
                .iter()
                .all(|(_, ty)| matches!(ty, PgType::Int2 | PgType::Int4));
            let ty = if small { PgType::Int4 } else { PgType::Int8 };
            if step == 0 {
                return Err(zero_step());
            }
            Ok((
                ty,
                Series::Integers {
                    next: whole(first),
                    last: whole(last).unwrap_or(0),
                    step,
                    small,
                },
            ))
        }
        [first, last, (Datum::Interval(step), _)] => timestamps(first, last, *step, format),
        [first, last, (Datum::Text(step), PgType::Unknown)] => {
            let Datum::Interval(step) =
                crate::types::text_in::text_in(PgType::Interval, step, format)?
            else {
                return Err(no_series(args));
            };
            timestamps(first, last, step, format)
        }
        _ if args.iter().any(|(value, _)| value.is_null()) => Ok((
            PgType::Int4,
            Series::Integers {
                next: None,
                last: 0,
                step: 1,
                small: true,
            },
        )),
        _ => Err(no_series(args)),
    }
}

fn no_series(args: &[(Datum, PgType)]) -> SqlError {
    let types: Vec<&str> = args.iter().map(|(_, ty)| ty.base_name()).collect();
    SqlError::new(
        state::UNDEFINED_FUNCTION,
        format!("function generate_series({}) does not exist", types.join(", ")),
    )
    .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

fn timestamps(
    first: &(Datum, PgType),
    last: &(Datum, PgType),
    step: Interval,
    format: &SessionFormat,
) -> SqlResult<(PgType, Series)> {
    let zoned = [first, last]
        .iter()
        .any(|(_, ty)| *ty == PgType::Timestamptz)
        || [first, last]
            .iter()
            .all(|(_, ty)| matches!(ty, PgType::Date | PgType::Unknown));
    let ty = if zoned {
        PgType::Timestamptz
    } else {
        PgType::Timestamp
    };
    let read = |value: &(Datum, PgType)| -> SqlResult<i64> {
        match super::super::cast::cast_value(value.0.clone(), PgType::Timestamptz, format)? {
            Datum::Timestamptz(instant) => {
                Ok(instant + i64::from(format.time_zone.offset_at(instant)) * 1_000_000)
            }
            _ => Err(no_series(std::slice::from_ref(value))),
        }
    };
    if step.span() == 0 {
        return Err(zero_step());
    }
    Ok((
        ty,
        Series::Timestamps {
            next: Some(read(first)?),
            last: read(last)?,
            step,
            zone: zoned.then_some(*format),
        },
    ))
}
