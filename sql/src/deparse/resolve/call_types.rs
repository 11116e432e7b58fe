//! What aggregates, window functions and functions that give sets take and give.

use super::super::{Sure, Unsure};
use super::coerce::{common_type, is_integer, is_number, is_text};
use crate::query::bare;
use crate::types::PgType;

/// The types of the arguments, nothing where any will do, and of the result.
pub(super) type Types = (Vec<Option<PgType>>, PgType);

const UNSURE: Unsure = Unsure("a function of these types");

/// A function that gives a set.
pub(super) fn set_types(name: &str, types: &[PgType]) -> Option<Sure<Types>> {
    Some(match (name, types) {
        ("generate_series", [from, to]) => series(&[*from, *to], &[]),
        ("generate_series", [from, to, step]) => series(&[*from, *to], &[*step]),
        ("unnest", [array]) => match array.element() {
            Some(element) => Ok((vec![None], element)),
            None => Err(UNSURE),
        },
        ("generate_subscripts", [array, _]) if array.element().is_some() => {
            Ok((vec![None, Some(PgType::Int4)], PgType::Int4))
        }
        ("generate_series" | "unnest" | "generate_subscripts", _) => Err(UNSURE),
        _ => return None,
    })
}

fn series(ends: &[PgType; 2], step: &[PgType]) -> Sure<Types> {
    let ends = common_type(ends).map(bare)?;
    let (ty, step_type) = match ends {
        PgType::Date if !step.is_empty() => (PgType::Timestamptz, PgType::Interval),
        PgType::Timestamp | PgType::Timestamptz if !step.is_empty() => (ends, PgType::Interval),
        ty if is_integer(ty) || matches!(ty, PgType::Numeric(_)) => {
            let mut all = vec![ty];
            all.extend(step);
            let all = match common_type(&all)? {
                PgType::Int2 => PgType::Int4,
                other => bare(other),
            };
            (all, all)
        }
        _ => return Err(UNSURE),
    };
    let mut wanted = vec![Some(ty), Some(ty)];
    wanted.extend(step.iter().map(|_| Some(step_type)));
    Ok((wanted, ty))
}

/// An aggregate.
pub(super) fn aggregate_types(name: &str, types: &[PgType], star: bool) -> Sure<Types> {
    use PgType::{Bool, Bytea, Float4, Float8, Int8, Json, Jsonb, Numeric, Text};
    if star {
        return match name {
            "count" => Ok((Vec::new(), Int8)),
            _ => Err(UNSURE),
        };
    }
    let any = |gives: PgType| Ok((vec![None; types.len()], gives));
    let numeric = Numeric(None);
    match (name, types) {
        ("count", [_]) => any(Int8),
        ("sum" | "avg" | "min" | "max", [ty]) => total(name, bare(ty.base())),
        ("bool_and" | "bool_or" | "every", [_]) => Ok((vec![Some(Bool)], Bool)),
        ("string_agg", [ty, _]) => match ty {
            Bytea => Ok((vec![Some(Bytea); 2], Bytea)),
            _ => Ok((vec![Some(Text); 2], Text)),
        },
        ("array_agg", [ty]) if *ty != PgType::Unknown => any(PgType::array_of(*ty).ok_or(UNSURE)?),
        ("json_agg", [ty]) if *ty != PgType::Unknown => any(Json),
        ("jsonb_agg", [ty]) if *ty != PgType::Unknown => any(Jsonb),
        ("stddev" | "stddev_pop" | "stddev_samp" | "variance" | "var_pop" | "var_samp", [ty]) => {
            match ty.base() {
                Float4 | Float8 => any(Float8),
                ty if is_number(ty) => any(numeric),
                _ => Err(UNSURE),
            }
        }
        ("bit_and" | "bit_or" | "bit_xor", [ty]) if is_integer(*ty) => any(*ty),
        ("corr" | "covar_pop" | "covar_samp", [_, _]) => Ok((vec![Some(Float8); 2], Float8)),
        ("regr_count", [_, _]) => Ok((vec![Some(Float8); 2], Int8)),
        (name, [_, _]) if name.starts_with("regr_") => Ok((vec![Some(Float8); 2], Float8)),
        _ => Err(UNSURE),
    }
}

/// `sum`, `avg`, `min` and `max`.
fn total(name: &str, ty: PgType) -> Sure<Types> {
    use PgType::{Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Text, Unknown};
    let gives = match (name, ty) {
        (_, Unknown) => return Err(UNSURE),
        ("sum", Int2 | Int4) => Int8,
        ("sum", Int8) | ("avg", Int2 | Int4 | Int8) => Numeric(None),
        ("sum" | "avg", Numeric(_) | Interval) => ty,
        ("sum", Float4) => Float4,
        ("sum" | "avg", Float8) | ("avg", Float4) => Float8,
        ("sum" | "avg", _) => return Err(UNSURE),
        (_, PgType::Varchar(_) | PgType::Name) => return Ok((vec![Some(Text)], Text)),
        (_, ty) if is_number(ty) || is_text(ty) || ty.element().is_some() => ty,
        (
            _,
            PgType::Date
            | PgType::Time
            | PgType::Timetz
            | PgType::Timestamp
            | PgType::Timestamptz
            | Interval
            | PgType::Oid
            | PgType::Enum(_),
        ) => ty,
        _ => return Err(UNSURE),
    };
    Ok((vec![None], gives))
}

/// An aggregate with WITHIN GROUP, which sorts values of the types `keys`.
pub(super) fn ordered_types(name: &str, types: &[PgType], keys: &[PgType]) -> Sure<Types> {
    use PgType::{Float8, Int8, Interval};
    let floats = PgType::array_of(Float8);
    match (name, types, keys) {
        ("percentile_disc" | "percentile_cont", [fraction], [key]) => {
            let value = match (name, *key) {
                ("percentile_disc", key) => key,
                (_, Interval) => Interval,
                _ => Float8,
            };
            match fraction.element() {
                Some(_) => {
                    let gives = PgType::array_of(value).ok_or(UNSURE)?;
                    Ok((vec![floats], gives))
                }
                None => Ok((vec![Some(Float8)], value)),
            }
        }
        ("mode", [], [key]) => Ok((Vec::new(), *key)),
        ("rank" | "dense_rank" | "percent_rank" | "cume_dist", types, keys)
            if types.len() == keys.len() =>
        {
            let mut wanted = Vec::with_capacity(types.len());
            for (ty, key) in types.iter().zip(keys) {
                // A sort key that has to be cast too is not known here.
                if *ty != PgType::Unknown && common_type(&[*ty, *key])?.oid() != key.oid() {
                    return Err(UNSURE);
                }
                wanted.push(Some(*key));
            }
            let gives = match name {
                "rank" | "dense_rank" => Int8,
                _ => Float8,
            };
            Ok((wanted, gives))
        }
        _ => Err(UNSURE),
    }
}

/// A window function.
pub(super) fn window_types(name: &str, types: &[PgType]) -> Sure<Types> {
    use PgType::{Float8, Int4, Int8, Unknown};
    match (name, types) {
        ("row_number" | "rank" | "dense_rank", []) => Ok((Vec::new(), Int8)),
        ("percent_rank" | "cume_dist", []) => Ok((Vec::new(), Float8)),
        ("ntile", [_]) => Ok((vec![Some(Int4)], Int4)),
        ("first_value" | "last_value", [ty]) if *ty != Unknown => Ok((vec![None], *ty)),
        ("nth_value", [ty, _]) if *ty != Unknown => Ok((vec![None, Some(Int4)], *ty)),
        ("lag" | "lead", [ty]) if *ty != Unknown => Ok((vec![None], *ty)),
        ("lag" | "lead", [ty, _]) if *ty != Unknown => Ok((vec![None, Some(Int4)], *ty)),
        ("lag" | "lead", [ty, _, other]) if *ty != Unknown => {
            let common = bare(common_type(&[*ty, *other])?);
            Ok((vec![Some(common), Some(Int4), Some(common)], common))
        }
        _ => Err(UNSURE),
    }
}
