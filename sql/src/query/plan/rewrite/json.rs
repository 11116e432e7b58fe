//! JSON functions that gather rows or make them.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, TableAlias,
    TableAliasColumnDef, TableFactor,
};

use super::super::names::quoted;
use super::array::gathered;
use super::ast::call;
use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// The functions that give the columns of a function that makes rows, and what
/// the columns are called; without a name they are called as the function is.
fn columns_of(name: &str) -> Option<&'static [(&'static str, Option<&'static str>)]> {
    Some(match name {
        "json_array_elements" => &[("__json_elements", Some("value"))],
        "jsonb_array_elements" => &[("__jsonb_elements", Some("value"))],
        "json_array_elements_text" => &[("__json_elements_text", Some("value"))],
        "jsonb_array_elements_text" => &[("__jsonb_elements_text", Some("value"))],
        "json_object_keys" => &[("__json_keys", None)],
        "jsonb_object_keys" => &[("__jsonb_keys", None)],
        "json_each" => &[
            ("__json_keys", Some("key")),
            ("__json_values", Some("value")),
        ],
        "jsonb_each" => &[
            ("__jsonb_keys", Some("key")),
            ("__jsonb_values", Some("value")),
        ],
        "json_each_text" => &[
            ("__json_keys", Some("key")),
            ("__json_values_text", Some("value")),
        ],
        "jsonb_each_text" => &[
            ("__jsonb_keys", Some("key")),
            ("__jsonb_values_text", Some("value")),
        ],
        _ => return None,
    })
}

fn single_argument(args: &[FunctionArg]) -> Option<&Expr> {
    match args {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))] => Some(arg),
        _ => None,
    }
}

/// What a call in an expression becomes.
///
/// # Errors
/// 0A000 for functions that give rows of several columns.
pub(super) fn function(name: &str, function: &Function) -> Result<Option<Expr>, SqlError> {
    let FunctionArguments::List(list) = &function.args else {
        return Ok(None);
    };
    if let Some(columns) = columns_of(name) {
        let ([(list_of, _)], Some(arg)) = (columns, single_argument(&list.args)) else {
            return Err(SqlError::unsupported(format!("{name} outside of FROM")));
        };
        let rows = call(list_of, vec![arg.clone()]);
        return Ok(Some(call("unnest", vec![call("__list", vec![rows])])));
    }
    Ok(match name {
        "json_agg" | "jsonb_agg" => {
            Some(call(&format!("__{name}"), vec![gathered(function.clone())]))
        }
        "json_object_agg" | "jsonb_object_agg" => {
            let [key, value] = list.args.as_slice() else {
                return Ok(None);
            };
            let only = |arg: &FunctionArg| {
                let mut part = function.clone();
                if let FunctionArguments::List(list) = &mut part.args {
                    list.args = vec![arg.clone()];
                }
                gathered(part)
            };
            Some(call(&format!("__{name}"), vec![only(key), only(value)]))
        }
        _ => None,
    })
}

/// Makes a function in FROM that gives rows of JSON an `unnest` of its columns.
pub(in super::super) fn rows(factor: &mut TableFactor) {
    let (name, args, alias) = match factor {
        TableFactor::Table {
            name,
            args: Some(args),
            alias,
            ..
        } => (name, &args.args, alias),
        TableFactor::Function {
            name, args, alias, ..
        } => (name, &*args, alias),
        _ => return,
    };
    let Some(function) = name
        .0
        .last()
        .and_then(ObjectNamePart::as_ident)
        .map(fold_identifier)
    else {
        return;
    };
    let (Some(columns), Some(arg)) = (columns_of(&function), single_argument(args)) else {
        return;
    };
    let mut alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: quoted(function),
        columns: Vec::new(),
        at: None,
    });
    for (_, column) in columns.iter().skip(alias.columns.len()) {
        let name = match column {
            Some(column) => quoted(*column),
            None => alias.name.clone(),
        };
        alias.columns.push(TableAliasColumnDef {
            name,
            data_type: None,
        });
    }
    *factor = TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: columns
            .iter()
            .map(|(list_of, _)| call(list_of, vec![arg.clone()]))
            .collect(),
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
}
