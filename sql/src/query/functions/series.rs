//! `generate_series` in FROM.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::Expr;

use super::super::arrow_value::array_of;
use super::super::error::{from_arrow, from_datafusion};
use super::super::plan::{constant_of, typed_field};
use super::interval::add_local;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, Interval, PgType, SessionFormat};

/// Most values of a series: they are made at once.
const MOST: usize = 10_000_000;

/// A function in FROM; `None` when there is no such function.
///
/// # Errors
/// 22023 for a step of zero, 54000 for too many values, 0A000 for arguments
/// that are not constants.
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
    let field = typed_field("generate_series", ty, true);
    let array = array_of(&series, field.data_type())?;
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = arrow::record_batch::RecordBatch::try_new(Arc::clone(&schema), vec![array])
        .map_err(from_arrow)?;
    let batches = (0..batch.num_rows())
        .step_by(8_192)
        .map(|start| batch.slice(start, 8_192.min(batch.num_rows() - start)))
        .collect();
    let table = MemTable::try_new(schema, vec![batches]).map_err(from_datafusion)?;
    Ok(Some(Arc::new(table)))
}

fn zero_step() -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        "step size cannot equal zero",
    )
}

fn too_many() -> SqlError {
    SqlError::new(
        state::PROGRAM_LIMIT_EXCEEDED,
        format!("generate_series in FROM makes at most {MOST} values"),
    )
}

fn series(args: &[(Datum, PgType)], format: &SessionFormat) -> SqlResult<(PgType, Vec<Datum>)> {
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
            Ok((
                ty,
                integers(
                    whole(first).unwrap_or(0),
                    whole(last).unwrap_or(0),
                    step,
                    ty,
                )?,
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
        _ if args.iter().any(|(value, _)| value.is_null()) => Ok((PgType::Int4, Vec::new())),
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

fn integers(first: i64, last: i64, step: i64, ty: PgType) -> SqlResult<Vec<Datum>> {
    if step == 0 {
        return Err(zero_step());
    }
    let mut out = Vec::new();
    let mut value = first;
    while (step > 0 && value <= last) || (step < 0 && value >= last) {
        if out.len() >= MOST {
            return Err(too_many());
        }
        out.push(match (ty, i32::try_from(value)) {
            (PgType::Int4, Ok(value)) => Datum::Int4(value),
            _ => Datum::Int8(value),
        });
        match value.checked_add(step) {
            Some(next) => value = next,
            None => break,
        }
    }
    Ok(out)
}

fn timestamps(
    first: &(Datum, PgType),
    last: &(Datum, PgType),
    step: Interval,
    format: &SessionFormat,
) -> SqlResult<(PgType, Vec<Datum>)> {
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
    let (mut local, last, up) = (read(first)?, read(last)?, step.span() > 0);
    let mut out = Vec::new();
    while (up && local <= last) || (!up && local >= last) {
        if out.len() >= MOST {
            return Err(too_many());
        }
        out.push(if zoned {
            Datum::Timestamptz(
                local - i64::from(format.time_zone.offset_at_local(local)) * 1_000_000,
            )
        } else {
            Datum::Timestamp(local)
        });
        local = add_local(local, step)?;
    }
    Ok((ty, out))
}
