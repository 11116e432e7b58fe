//! The values of a series.

use super::super::super::cast::cast_value;
use super::super::interval::add_local;
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, Interval, Numeric, PgType, SessionFormat};

/// Values that are still to come.
#[derive(Clone)]
pub(super) enum Series {
    /// `None` = nothing is left.
    Integers {
        next: Option<i64>,
        last: i64,
        step: i64,
        small: bool,
    },
    /// Numerics; `None` = nothing is left.
    Numerics {
        next: Option<Numeric>,
        last: Numeric,
        step: Numeric,
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
    /// The next value; `None` after the last.
    pub(super) fn next(&mut self) -> SqlResult<Option<Datum>> {
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
            Self::Numerics { next, last, step } => {
                let up = !step.is_negative();
                let Some(value) = next
                    .take()
                    .filter(|v| if up { v <= last } else { v >= last })
                else {
                    return Ok(None);
                };
                *next = Some(value.add(step)?);
                Ok(Some(Datum::Numeric(value)))
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

/// The series that these arguments ask for, and the type of its values.
///
/// # Errors
/// 22023 for a step of zero, 42883 for other arguments.
pub(super) fn series(
    args: &[(Datum, PgType)],
    format: &SessionFormat,
) -> SqlResult<(PgType, Series)> {
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
        [first, last] | [first, last, _] if numbers(args) => {
            let number = |value: &(Datum, PgType)| match cast_value(
                value.0.clone(),
                PgType::Numeric(None),
                format,
            )? {
                Datum::Numeric(value) => Ok(value),
                _ => Err(no_series(args)),
            };
            let step = match args.get(2) {
                Some(step) => number(step)?,
                None => Numeric::from_i128(1, 0),
            };
            let (first, last) = (number(first)?, number(last)?);
            let bounds = [
                (&first, "start value"),
                (&last, "stop value"),
                (&step, "step size"),
            ];
            for (value, what) in bounds {
                if !value.is_finite() {
                    let kind = if *value == Numeric::NAN {
                        "NaN"
                    } else {
                        "infinity"
                    };
                    let message = format!("{what} cannot be {kind}");
                    return Err(SqlError::new(state::INVALID_PARAMETER_VALUE, message));
                }
            }
            if step.is_zero() {
                return Err(zero_step());
            }
            let next = Some(first);
            Ok((PgType::Numeric(None), Series::Numerics { next, last, step }))
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

/// Whether all are numbers, and numerics among them.
fn numbers(args: &[(Datum, PgType)]) -> bool {
    args.iter().all(|(value, _)| {
        matches!(
            value,
            Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Numeric(_)
        )
    })
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
        match cast_value(value.0.clone(), PgType::Timestamptz, format)? {
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
