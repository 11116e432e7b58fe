//! Arguments given by name: they take their places, and those left out before them
//! their defaults.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use super::ast::{cast, number, string};
use super::literal::INT4_LITERAL;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// What an argument is when it is left out.
#[derive(Clone, Copy)]
enum Omitted {
    /// It cannot be left out.
    None,
    Number(&'static str),
    Text(&'static str),
    Bool(bool),
}

use Omitted::{Bool, None as Needed, Number, Text};

const ZERO: Omitted = Number("0");

/// The names of the arguments of a function, with their defaults.
fn arguments(name: &str) -> Option<&'static [(&'static str, Omitted)]> {
    Some(match name {
        "jsonb_set" => &[
            ("jsonb_in", Needed),
            ("path", Needed),
            ("replacement", Needed),
            ("create_if_missing", Bool(true)),
        ],
        "jsonb_set_lax" => &[
            ("jsonb_in", Needed),
            ("path", Needed),
            ("replacement", Needed),
            ("create_if_missing", Bool(true)),
            ("null_value_treatment", Text("use_json_null")),
        ],
        "jsonb_insert" => &[
            ("jsonb_in", Needed),
            ("path", Needed),
            ("replacement", Needed),
            ("insert_after", Bool(false)),
        ],
        "jsonb_path_exists"
        | "jsonb_path_exists_tz"
        | "jsonb_path_match"
        | "jsonb_path_match_tz"
        | "jsonb_path_query"
        | "jsonb_path_query_tz"
        | "jsonb_path_query_array"
        | "jsonb_path_query_array_tz"
        | "jsonb_path_query_first"
        | "jsonb_path_query_first_tz" => &[
            ("target", Needed),
            ("path", Needed),
            ("vars", Text("{}")),
            ("silent", Bool(false)),
        ],
        "make_interval" => &[
            ("years", ZERO),
            ("months", ZERO),
            ("weeks", ZERO),
            ("days", ZERO),
            ("hours", ZERO),
            ("mins", ZERO),
            ("secs", ZERO),
        ],
        "make_date" => &[("year", Needed), ("month", Needed), ("day", Needed)],
        "make_time" => &[("hour", Needed), ("min", Needed), ("sec", Needed)],
        "make_timestamp" => &[
            ("year", Needed),
            ("month", Needed),
            ("mday", Needed),
            ("hour", Needed),
            ("min", Needed),
            ("sec", Needed),
        ],
        _ => return None,
    })
}

fn no_function(name: &str) -> SqlError {
    SqlError::new(
        state::UNDEFINED_FUNCTION,
        format!("function {name} with these argument names does not exist"),
    )
    .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

fn default(value: Omitted) -> Option<Expr> {
    Some(match value {
        Needed => return None,
        Number(digits) => cast(number(digits), INT4_LITERAL),
        Text(text) => string(text),
        Bool(value) => Expr::value(Value::Boolean(value)),
    })
}

/// Puts the arguments of a call into their places.
///
/// # Errors
/// 42883 for names that the function does not have, 42601 for one that is given
/// twice or before one without a name.
pub(super) fn place(name: &str, function: &mut Function) -> Result<(), SqlError> {
    match &mut function.args {
        FunctionArguments::List(list) => place_all(name, &mut list.args),
        _ => Ok(()),
    }
}

/// As [`place`], for the arguments themselves.
pub(super) fn place_all(name: &str, args: &mut Vec<FunctionArg>) -> Result<(), SqlError> {
    let is_named = |arg: &FunctionArg| !matches!(arg, FunctionArg::Unnamed(_));
    let Some(first) = args.iter().position(is_named) else {
        return Ok(());
    };
    let Some(places) = arguments(name) else {
        return Ok(());
    };
    let mut given: Vec<Option<FunctionArgExpr>> = Vec::with_capacity(places.len());
    for arg in args.iter().take(first) {
        if let FunctionArg::Unnamed(value) = arg {
            given.push(Some(value.clone()));
        }
    }
    if given.len() > places.len() {
        return Err(no_function(name));
    }
    given.resize(places.len(), Option::None);
    for arg in args.iter().skip(first) {
        let (key, value) = match arg {
            FunctionArg::Named { name, arg, .. } => (fold_identifier(name), arg),
            FunctionArg::ExprNamed {
                name: Expr::Identifier(name),
                arg,
                ..
            } => (fold_identifier(name), arg),
            FunctionArg::Unnamed(_) | FunctionArg::ExprNamed { .. } => {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    "positional argument cannot follow named argument",
                ));
            }
        };
        let slot = places
            .iter()
            .position(|(own, _)| *own == key)
            .and_then(|at| given.get_mut(at))
            .ok_or_else(|| no_function(name))?;
        if slot.replace(value.clone()).is_some() {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("argument name \"{key}\" used more than once"),
            ));
        }
    }
    let placed: Option<Vec<FunctionArg>> = given
        .into_iter()
        .zip(places)
        .map(|(value, (_, fallback))| {
            let value = match value {
                Some(value) => value,
                Option::None => FunctionArgExpr::Expr(default(*fallback)?),
            };
            Some(FunctionArg::Unnamed(value))
        })
        .collect();
    *args = placed.ok_or_else(|| no_function(name))?;
    Ok(())
}
