//! Functions in FROM that make rows: ROWS FROM, WITH ORDINALITY, and series whose
//! bounds are not constants.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, SelectItem, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, WindowSpec, WindowType,
};

use super::super::super::functions::is_scalar;
use super::super::names::quoted;
use super::super::rewrite::{call, lists_of, makes_rows, plain_arguments};
use super::super::series_item::{SERIES, constant};
use super::from::function_name;
use super::partition_calls;
use super::select::{query_of, star_from};
use crate::error::SqlError;
use crate::session::ROWS_FROM;

/// What a function in FROM is called, and its arguments.
fn called(factor: &TableFactor) -> Option<(String, &[FunctionArg])> {
    match factor {
        TableFactor::Table {
            name,
            args: Some(args),
            ..
        } => Some((function_name(name), &args.args)),
        TableFactor::Function { name, args, .. } => Some((function_name(name), args)),
        _ => None,
    }
}

fn alias_of(factor: &mut TableFactor) -> Option<TableAlias> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. } => alias.take(),
        _ => None,
    }
}

fn ordinality_of(factor: &mut TableFactor) -> Option<&mut bool> {
    match factor {
        TableFactor::Table {
            with_ordinality, ..
        }
        | TableFactor::Function {
            with_ordinality, ..
        }
        | TableFactor::UNNEST {
            with_ordinality, ..
        } => Some(with_ordinality),
        _ => None,
    }
}

fn unnest_of(arrays: Vec<Expr>, alias: TableAlias, with_ordinality: bool) -> TableFactor {
    TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: arrays,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality,
    }
}

fn alias_named(name: &str) -> TableAlias {
    TableAlias {
        explicit: true,
        name: quoted(name),
        columns: Vec::new(),
        at: None,
    }
}

fn column(name: Ident) -> TableAliasColumnDef {
    TableAliasColumnDef {
        name,
        data_type: None,
    }
}

/// A series whose bounds are computed is made of an array.
pub(super) fn series(factor: &mut TableFactor) {
    let Some((name, args)) = called(factor) else {
        return;
    };
    if name != SERIES || args.iter().all(constant) {
        return;
    }
    let Some(bounds) = plain_arguments(args) else {
        return;
    };
    let alias = alias_of(factor).unwrap_or_else(|| alias_named(SERIES));
    *factor = unnest_of(vec![call("__series", bounds)], alias, false);
}

/// `ROWS FROM (f(x), g(y))`: the rows of all functions side by side.
///
/// # Errors
/// 0A000 for what is no plain call.
pub(super) fn rows_from(factor: &mut TableFactor) -> Result<(), SqlError> {
    let Some((name, args)) = called(factor) else {
        return Ok(());
    };
    if name != ROWS_FROM {
        return Ok(());
    }
    let refused = || SqlError::unsupported("ROWS FROM with other than function calls");
    let mut arrays = Vec::new();
    let mut names = Vec::new();
    for arg in args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(function))) = arg else {
            return Err(refused());
        };
        let (name, lists) = lists(function).ok_or_else(refused)?;
        for (list, column) in lists {
            arrays.push(list);
            names.push(quoted(column.unwrap_or(&name)));
        }
    }
    let with_ordinality = ordinality_of(factor).is_some_and(|flag| *flag);
    let mut alias = alias_of(factor).unwrap_or_else(|| match names.first() {
        Some(name) => alias_named(&name.value),
        None => alias_named("rows"),
    });
    let given = alias.columns.len();
    let rest = names.into_iter().skip(given).map(column);
    let ordinal = with_ordinality && given > arrays.len();
    if !ordinal {
        alias.columns.extend(rest);
    }
    *factor = unnest_of(arrays, alias, with_ordinality);
    Ok(())
}

/// The values of the columns that a function makes, as arrays.
type Lists = Vec<(Expr, Option<&'static str>)>;

fn lists(function: &Function) -> Option<(String, Lists)> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let name = function_name(&function.name);
    let args = plain_arguments(&list.args)?;
    let lists = match name.as_str() {
        SERIES => vec![(call("__series", args), None)],
        "generate_subscripts" => vec![(call("__subscripts", args), None)],
        "unnest" => args.into_iter().map(|array| (array, None)).collect(),
        _ => match lists_of(&name) {
            Some(columns) => columns
                .map(|(list, column)| (call(list, args.clone()), column))
                .collect(),
            // Any other function has one row.
            None => vec![(
                call("__array", vec![Expr::Function(function.clone())]),
                None,
            )],
        },
    };
    Some((name, lists))
}

/// `FROM f(x)` of a function that gives one value: a row of it.
pub(super) fn one_value(factor: &mut TableFactor) {
    let Some((name, args)) = called(factor) else {
        return;
    };
    let one = is_scalar(&name) && !makes_rows(&name) && !partition_calls::is_call(&name);
    if !one {
        return;
    }
    let Some(args) = plain_arguments(args) else {
        return;
    };
    let mut alias = alias_of(factor).unwrap_or_else(|| alias_named(&name));
    let own = match alias.columns.pop() {
        Some(column) if alias.columns.is_empty() => column.name,
        // More names than columns: what the planner has to say about that.
        Some(column) => {
            alias.columns.push(column);
            return;
        }
        None => alias.name.clone(),
    };
    let mut select = star_from(Vec::new());
    select.projection = vec![SelectItem::ExprWithAlias {
        expr: call(&name, args),
        alias: own,
    }];
    *factor = TableFactor::Derived {
        lateral: true,
        subquery: Box::new(query_of(select)),
        alias: Some(alias),
        sample: None,
    };
}

/// `f(x) WITH ORDINALITY`: a subquery that numbers the rows.
pub(super) fn ordinality(factor: &mut TableFactor) {
    match ordinality_of(factor) {
        Some(flag) if *flag => *flag = false,
        _ => return,
    }
    let name = match (&*factor, called(factor)) {
        (_, Some((name, _))) => name,
        _ => "unnest".to_owned(),
    };
    let columns = match &*factor {
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.len(),
        _ => lists_of(&name).map_or(1, Iterator::count),
    };
    let mut alias = alias_of(factor).unwrap_or_else(|| alias_named(&name));
    let ordinal = if alias.columns.len() > columns {
        alias.columns.pop().map(|column| column.name)
    } else {
        None
    };
    let outer = TableAlias {
        columns: Vec::new(),
        ..alias.clone()
    };
    if let TableFactor::Table { alias: place, .. }
    | TableFactor::Function { alias: place, .. }
    | TableFactor::UNNEST { alias: place, .. } = factor
    {
        *place = Some(alias);
    }
    let from = vec![TableWithJoins {
        relation: std::mem::replace(factor, unnest_of(Vec::new(), outer.clone(), false)),
        joins: Vec::new(),
    }];
    let mut select = star_from(from);
    let mut number = call("row_number", Vec::new());
    if let Expr::Function(function) = &mut number {
        function.over = Some(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by: Vec::new(),
            order_by: Vec::new(),
            window_frame: None,
        }));
    }
    select.projection.push(SelectItem::ExprWithAlias {
        expr: number,
        alias: ordinal.unwrap_or_else(|| quoted("ordinality")),
    });
    *factor = TableFactor::Derived {
        lateral: true,
        subquery: Box::new(query_of(select)),
        alias: Some(outer),
        sample: None,
    };
}
