//! Functions and operators that PostgreSQL has and DataFusion lacks or gives
//! another meaning.
//!
//! Most are [`Overload`]s: a name, argument types and a Rust function over
//! [`Datum`]s, found by PostgreSQL's rules for overloaded functions. Integer,
//! float and numeric arithmetic is done on whole arrays ([`arithmetic`]).

mod aggregate;
mod args;
mod arithmetic;
mod array;
mod attribute;
mod average;
mod bit_string;
mod bits;
mod bytes;
mod bytes_agg;
mod catalog;
mod catalog_comment;
mod catalog_empty;
mod catalog_names;
mod catalog_routine;
mod catalog_text;
mod choice;
mod convert;
mod datetime;
mod declared;
mod distinct_agg;
mod distinct_float_sum;
mod enumeration;
mod float_key;
mod float_sum;
mod format;
mod interval;
mod json;
mod jsonpath;
mod locks;
mod math;
mod notify;
mod nulls;
mod number_format;
mod numeric_key;
mod numeric_sum;
mod ordered_set;
mod overload;
mod pad;
mod plain;
mod quote;
mod range;
mod regexp;
mod routine;
mod same;
mod sample;
mod sequence;
mod series;
mod session;
mod signature;
mod size;
mod sleep;
mod strict;
mod strings;
mod text;
mod value;
mod value_sum;
mod variance;
pub(in crate::query) mod window;

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, Expr, ScalarUDF, ScalarUDFImpl};

use super::session_info::{SessionInfo, session_of};
use crate::error::SqlResult;
use crate::types::{PgType, SessionFormat};

pub(super) use aggregate::{TOTAL, single, sum, sum_of_bigints, sum_type};
pub(super) use arithmetic::{Arithmetic, ArithmeticOp};
pub(super) use attribute::ATTRIBUTE;
pub(super) use bit_string::{bits_integer, integer_bits};
pub(super) use bytes_agg::{BYTES_AGG, bytes_agg};
pub(super) use choice::{is_choice, settled as settled_choice};
pub(super) use datetime::extract_function;
pub(super) use declared::{declared_for, is_declared};
pub(super) use distinct_agg::distinct_in_order;
pub(super) use float_key::{NAME as FLOAT_KEY, float_key};
pub(super) use json::kind as json_kind;
pub(super) use nulls::{ROW_IS_NOT_NULL, ROW_IS_NULL};
pub(super) use numeric_key::{NAME as NUMERIC_KEY, numeric_key, numeric_key_text};
pub(super) use overload::{Overload, ResolvedFunction};
pub(crate) use quote::quote_ident;
pub(super) use same::{NAME as SAME, same, same_in_part};
pub(super) use series::table_function;
pub(crate) use signature::call_signature;
pub(super) use value::shown_value;
pub(super) use variance::{is_spread, result as spread_type};

use overload::OverloadedFunction;

/// What a function call turns out to be.
pub(super) enum Resolved {
    /// A function that works on the types as they are, and its result type.
    Fixed(PgType),
    /// An overload to convert the arguments for.
    Overload(&'static Overload),
}

/// The text settings of a session.
pub(super) fn session_format(session: &SessionInfo) -> SessionFormat {
    SessionFormat {
        time_zone: session.time_zone,
        now: session.transaction_us,
        styles: session.styles,
    }
}

/// The text settings of the session a function runs in.
pub(super) fn format_of(options: &ConfigOptions) -> SessionFormat {
    session_of(options).map_or_else(SessionFormat::default, |s| session_format(s))
}

/// All overloads of functions, by name.
fn overloads() -> impl Iterator<Item = &'static Overload> {
    session::OVERLOADS
        .iter()
        .chain(array::overloads())
        .chain(catalog::OVERLOADS)
        .chain(catalog_text::OVERLOADS)
        .chain(catalog_comment::OVERLOADS)
        .chain(catalog_empty::OVERLOADS)
        .chain(catalog_names::OVERLOADS)
        .chain(catalog_routine::OVERLOADS)
        .chain(datetime::overloads())
        .chain(bits::OVERLOADS)
        .chain(enumeration::OVERLOADS)
        .chain(bit_string::OVERLOADS)
        .chain(number_format::OVERLOADS)
        .chain(jsonpath::OVERLOADS.iter().copied().flatten())
        .chain(format::OVERLOADS)
        .chain(interval::OVERLOADS)
        .chain(json::overloads())
        .chain(locks::overloads())
        .chain(math::overloads())
        .chain(notify::OVERLOADS)
        .chain(nulls::OVERLOADS)
        .chain(ordered_set::OVERLOADS)
        .chain(quote::OVERLOADS)
        .chain(bytes::OVERLOADS)
        .chain(convert::OVERLOADS)
        .chain(range::OVERLOADS)
        .chain(routine::OVERLOADS)
        .chain(sample::OVERLOADS)
        .chain(sequence::OVERLOADS)
        .chain(series::OVERLOADS)
        .chain(regexp::OVERLOADS)
        .chain(pad::OVERLOADS)
        .chain(text::OVERLOADS)
        .chain(window::OVERLOADS)
        .chain(strings::OVERLOADS)
        .chain(sleep::OVERLOADS)
}

/// Scalar functions to register over DataFusion's.
pub(super) fn scalar() -> Vec<Arc<ScalarUDF>> {
    let mut names: Vec<&'static str> = overloads().map(|o| o.name).collect();
    names.sort_unstable();
    names.dedup();
    let mut functions: Vec<Arc<ScalarUDF>> = names
        .into_iter()
        .map(|name| {
            let overloads = overloads().filter(|o| o.name == name).collect();
            Arc::new(ScalarUDF::new_from_impl(OverloadedFunction::new(
                name, overloads,
            )))
        })
        .collect();
    for value in routine::RoutineValue::all() {
        functions.push(Arc::new(ScalarUDF::new_from_impl(value)));
    }
    functions.extend(choice::open());
    functions.push(Arc::new(ScalarUDF::new_from_impl(plain::Plain::new())));
    functions.push(Arc::new(ScalarUDF::new_from_impl(value::Value::new())));
    functions.push(Arc::new(ScalarUDF::new_from_impl(
        attribute::AttributeOf::new(),
    )));
    functions.push(Arc::new(ScalarUDF::new_from_impl(same::Same::new())));
    functions.push(Arc::new(ScalarUDF::new_from_impl(average::Average::new())));
    functions.push(Arc::new(
        ScalarUDF::new_from_impl(arithmetic::Negate::new()),
    ));
    functions
}

/// Aggregates to register over DataFusion's.
pub(super) fn aggregate() -> Vec<Arc<AggregateUDF>> {
    aggregate::all()
        .into_iter()
        .chain(variance::all())
        .collect()
}

/// Whether a function of that name is an aggregate.
pub(crate) fn is_aggregate(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let all = SessionStateDefaults::default_aggregate_functions();
        let ours = aggregate();
        let names = all.iter().chain(&ours).flat_map(|f| {
            let aliases = f.aliases().iter().cloned();
            aliases.chain([f.name().to_owned()]).collect::<Vec<_>>()
        });
        names.collect()
    });
    NAMES.contains(name) || name == "every" || name == "variance"
}

/// Whether a function of that name gives one value for its arguments.
pub(super) fn is_scalar(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let all = SessionStateDefaults::default_scalar_functions();
        let ours = scalar();
        let names = all.iter().chain(&ours).flat_map(|f| {
            let aliases = f.aliases().iter().cloned();
            aliases.chain([f.name().to_owned()]).collect::<Vec<_>>()
        });
        names.filter(|name| !name.starts_with("__")).collect()
    });
    NAMES.contains(name) || matches!(name, "coalesce" | "greatest" | "least" | "nullif")
}

/// DataFusion's functions that PostgreSQL does not have, or has with another
/// meaning we do not give.
pub(super) fn is_hidden(name: &str) -> bool {
    matches!(
        name,
        "arrow_cast"
            | "arrow_typeof"
            | "arrow_metadata"
            | "with_metadata"
            | "arrow_try_cast"
            | "map"
            | "make_map"
            | "struct"
            | "named_struct"
            | "get_field"
            | "union_extract"
            | "union_tag"
            | "nvl"
            | "nvl2"
            | "ifnull"
            | "to_unixtime"
            | "from_unixtime"
            | "to_timestamp_millis"
            | "to_timestamp_micros"
            | "to_timestamp_nanos"
            | "to_timestamp_seconds"
            | "pg_single"
            | "uuid"
            | "array_has"
            | "array_has_all"
            | "array_has_any"
            | "array_any_value"
            | "array_any_match"
            | "array_add"
            | "array_subtract"
            | "array_scale"
            | "array_avg"
            | "array_compact"
            | "array_concat"
            | "array_contains"
            | "array_distance"
            | "array_distinct"
            | "array_element"
            | "array_empty"
            | "array_except"
            | "array_extract"
            | "array_filter"
            | "array_first"
            | "array_indexof"
            | "array_intersect"
            | "array_join"
            | "array_max"
            | "array_min"
            | "array_normalize"
            | "array_pop_back"
            | "array_pop_front"
            | "array_product"
            | "array_push_back"
            | "array_push_front"
            | "array_remove_all"
            | "array_remove_n"
            | "array_repeat"
            | "array_replace_all"
            | "array_replace_n"
            | "array_resize"
            | "array_reverse"
            | "array_slice"
            | "array_sort"
            | "array_sum"
            | "array_transform"
            | "array_union"
            | "arrays_overlap"
            | "arrays_zip"
            | "any_match"
            | "cosine_distance"
            | "dot_product"
            | "element_at"
            | "empty"
            | "flatten"
            | "inner_product"
            | "make_array"
            | "make_list"
            | "map_entries"
            | "map_extract"
            | "map_keys"
            | "map_values"
            | "string_to_list"
            | "arrow_field"
            | "cast_to_type"
            | "contains"
            | "digest"
            | "ends_with"
            | "file_row_index"
            | "find_in_set"
            | "input_file_name"
            | "isnan"
            | "iszero"
            | "levenshtein"
            | "nanvl"
            | "signum"
            | "substr_index"
            | "to_local_time"
            | "to_time"
            | "try_cast_to_type"
    ) || name.starts_with("list_")
}

/// What a call of `function` with arguments of these types is; `None` for a
/// function of DataFusion's own.
pub(super) fn resolve(
    function: &dyn ScalarUDFImpl,
    types: &dyn Fn() -> DfResult<Vec<PgType>>,
) -> Option<SqlResult<Resolved>> {
    let read = || types().map_err(super::error::from_datafusion);
    let any: &dyn std::any::Any = function;
    if let Some(overloaded) = any.downcast_ref::<OverloadedFunction>() {
        return Some(read().and_then(|t| overloaded.choose(&t).map(Resolved::Overload)));
    }
    if let Some(resolved) = any.downcast_ref::<ResolvedFunction>() {
        return Some(Ok(Resolved::Fixed(resolved.result())));
    }
    if let Some(arithmetic) = any.downcast_ref::<Arithmetic>() {
        return Some(Ok(Resolved::Fixed(arithmetic.result())));
    }
    if any.is::<arithmetic::Negate>() {
        return Some(read().and_then(|t| arithmetic::Negate::result(&t).map(Resolved::Fixed)));
    }
    if any.is::<numeric_key::KeyText>() {
        return Some(Ok(Resolved::Fixed(PgType::Text)));
    }
    if any.is::<value::Value>() {
        return Some(Ok(Resolved::Fixed(PgType::Unknown)));
    }
    if any.is::<numeric_key::NumericKey>() {
        return Some(read().map(|t| Resolved::Fixed(numeric_key::result(&t))));
    }
    if any.is::<same::Changing>() {
        return Some(Ok(Resolved::Fixed(PgType::Bool)));
    }
    if any.is::<same::Same>() {
        return Some(read().map(|t| Resolved::Fixed(t.first().copied().unwrap_or(PgType::Text))));
    }
    if any.is::<float_key::FloatKey>() {
        return Some(read().map(|t| Resolved::Fixed(t.first().copied().unwrap_or(PgType::Float8))));
    }
    if any.is::<plain::Plain>() {
        return Some(read().map(|t| Resolved::Fixed(plain::Plain::result(&t))));
    }
    if any.is::<average::Average>() {
        return Some(read().map(|t| Resolved::Fixed(average::Average::result(&t))));
    }
    if let Some(apply) = any.downcast_ref::<super::apply::Apply>() {
        return Some(Ok(Resolved::Fixed(apply.ty)));
    }
    if let Some(check) = any.downcast_ref::<super::plan::DomainCheck>() {
        return Some(Ok(Resolved::Fixed(check.result())));
    }
    if let Some(cast) = any.downcast_ref::<super::cast::CastFunction>() {
        return Some(Ok(Resolved::Fixed(cast.result())));
    }
    None
}

/// The overload of a binary operator for operands of these types.
pub(super) fn operator(symbol: &str, types: [PgType; 2]) -> Option<&'static Overload> {
    let [left, right] = types;
    // A literal of no type yet is first taken to be of the other side's type.
    let same = match (left, right) {
        (PgType::Unknown, PgType::Unknown) => None,
        (PgType::Unknown, other) | (other, PgType::Unknown) => Some([other, other]),
        _ => None,
    };
    let of = |types: [PgType; 2]| {
        let candidates: Vec<&'static Overload> = overloads().filter(|o| o.name == symbol).collect();
        overload::best(&candidates, &types)
    };
    if let Some(same) = same {
        let exact = overloads().find(|o| o.name == symbol && o.takes_exactly(&same));
        if exact.is_some() {
            return exact;
        }
    }
    of(types)
}

/// A call of a function of the server's own.
pub(super) fn own_call(name: &str, types: Vec<PgType>, args: Vec<Expr>) -> SqlResult<Expr> {
    let overload = overloads()
        .find(|o| o.name == name)
        .ok_or_else(|| crate::error::SqlError::internal(format!("no function {name}")))?;
    Ok(ScalarUDF::new_from_impl(ResolvedFunction::new(overload, types)).call(args))
}

/// A value of type `ty` as bytes that have the order of the values.
pub(super) fn key(expr: Expr, ty: PgType) -> SqlResult<Expr> {
    own_call("__key", vec![ty], vec![expr])
}

/// Whether a text matches a regular expression, with these flags.
pub(super) fn regex_match(text: Expr, pattern: Expr, flags: &str) -> SqlResult<Expr> {
    let flags = datafusion::logical_expr::lit(datafusion::common::ScalarValue::Utf8View(Some(
        flags.to_owned(),
    )));
    own_call("__regex", vec![PgType::Text; 3], vec![text, pattern, flags])
}

/// An interval as the number PostgreSQL compares it by.
pub(super) fn interval_span(expr: Expr) -> SqlResult<Expr> {
    own_call("__span", vec![PgType::Interval], vec![expr])
}
