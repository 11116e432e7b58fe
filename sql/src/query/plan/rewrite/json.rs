//! JSON functions that gather rows or make them.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Select,
    SelectItem, TableAlias, TableAliasColumnDef, TableFactor, VisitMut, VisitorMut,
};

use super::super::names::quoted;
use super::array::gathered;
use super::ast::call;
use super::named;
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
        "pg_listening_channels" => &[("__listening_channels", None)],
        "jsonb_path_query" => &[("__jsonb_path_query", None)],
        "jsonb_path_query_tz" => &[("__jsonb_path_query_tz", None)],
        "regexp_split_to_table" => &[("regexp_split_to_array", None)],
        "string_to_table" => &[("string_to_array", None)],
        _ => return None,
    })
}

/// The functions that give the columns of a function of JSON or text that makes rows.
pub(in super::super) fn lists_of(
    name: &str,
) -> Option<impl Iterator<Item = (&'static str, Option<&'static str>)>> {
    columns_of(name).map(|columns| columns.iter().copied())
}

/// Whether a function makes rows.
pub(in super::super) fn makes_rows(name: &str) -> bool {
    columns_of(name).is_some()
        || matches!(
            name,
            "unnest" | "generate_series" | "generate_subscripts" | "_pg_expandarray"
        )
}

/// The arguments of a call, when none of them has a name.
pub(in super::super) fn plain_arguments(args: &[FunctionArg]) -> Option<Vec<Expr>> {
    args.iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => Some(arg.clone()),
            _ => None,
        })
        .collect()
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
        let ([(list_of, _)], Some(arg)) = (columns, plain_arguments(&list.args)) else {
            return Err(SqlError::unsupported(format!("{name} outside of FROM")));
        };
        let rows = call(list_of, arg);
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
    let mut args = args.clone();
    if named::place_all(&function, &mut args).is_err() {
        return;
    }
    let (Some(columns), Some(arg)) = (columns_of(&function), plain_arguments(&args)) else {
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
            .map(|(list_of, _)| call(list_of, arg.clone()))
            .collect(),
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
}

/// A function of one column in FROM may be referred to as a whole, by its alias,
/// where no column of another table is called so.
pub(in super::super) fn whole_rows(
    select: &mut Select,
    columns: impl Fn(&TableFactor) -> Option<Vec<String>>,
) {
    let mut aliases: Vec<String> = Vec::new();
    let mut others: Vec<Option<Vec<String>>> = Vec::new();
    let factors = select
        .from
        .iter()
        .flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)));
    for factor in factors {
        match row_alias(factor) {
            Some(alias) => aliases.push(alias),
            None => others.push(columns(factor)),
        }
    }
    aliases.retain(|alias| {
        others
            .iter()
            .all(|columns| columns.as_ref().is_some_and(|c| !c.contains(alias)))
    });
    if aliases.is_empty() {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr @ Expr::Identifier(_)) = item
            && let Expr::Identifier(ident) = &*expr
            && aliases.contains(&fold_identifier(ident))
        {
            let alias = quoted(fold_identifier(ident));
            let expr = expr.clone();
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
    }
    let mut values = Values(aliases);
    let _ = VisitMut::visit(&mut select.projection, &mut values);
    let _ = VisitMut::visit(&mut select.selection, &mut values);
    let _ = VisitMut::visit(&mut select.group_by, &mut values);
    let _ = VisitMut::visit(&mut select.having, &mut values);
}

/// The alias of a function whose one column is called otherwise.
fn row_alias(factor: &TableFactor) -> Option<String> {
    let (name, alias) = match factor {
        TableFactor::Table {
            name,
            args: Some(_),
            alias: Some(alias),
            ..
        }
        | TableFactor::Function {
            name,
            alias: Some(alias),
            ..
        } => (name, alias),
        _ => return None,
    };
    let function = fold_identifier(name.0.last()?.as_ident()?);
    match columns_of(&function)? {
        [(_, Some(_))] if alias.columns.is_empty() => Some(fold_identifier(&alias.name)),
        _ => None,
    }
}

/// Makes aliases of functions the values of their one column.
struct Values(Vec<String>);

impl VisitorMut for Values {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && self.0.contains(&fold_identifier(ident))
        {
            *expr = Expr::CompoundIdentifier(vec![ident.clone(), quoted("value")]);
        }
        ControlFlow::Continue(())
    }
}
