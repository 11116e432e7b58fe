//! Calls that are carried out statement by statement: what they mean, and their result.

use sqlparser::ast::{
    Cte, Expr, FunctionArg, ObjectName, ObjectNamePart, Query, Select, SelectItem, TableFactor,
    TableWithJoins, Value,
};

use super::super::super::names::quoted;
use super::super::super::rewrite::call;
use super::super::select::{query_of, star_from};
use super::call::Names;
use super::parts::{at_most_one, one_row_or, result, table_alias};
use crate::catalog::{Catalog, FunctionDescriptor};
use crate::error::SqlError;
use crate::types::PgType;

/// A call of a user's function.
pub(crate) struct RoutineCall {
    /// The function.
    pub(crate) function: FunctionDescriptor,
    /// The arguments in the types and the order of its parameters.
    pub(crate) arguments: Vec<Expr>,
}

/// The user's function that a call means, if it means one.
///
/// # Errors
/// 42883, 42725, 0A000.
pub(crate) fn routine_call(
    name: &ObjectName,
    args: &[FunctionArg],
    catalog: &Catalog,
    database: &str,
    search_path: &[String],
) -> Result<Option<RoutineCall>, SqlError> {
    let names = Names {
        catalog,
        database,
        search_path,
    };
    let Some(call) = names.call(name, args)? else {
        return Ok(None);
    };
    Ok(Some(RoutineCall {
        arguments: names.arguments(&call),
        function: call.function.clone(),
    }))
}

/// What a function gives whose statements give nothing: void, or NULL.
pub(crate) fn routine_result(void: bool, ty: Option<PgType>) -> Expr {
    if void {
        return call("__void", Vec::new());
    }
    let null = Expr::Value(Value::Null.with_empty_span());
    match ty {
        Some(ty) => result(null, ty),
        None => null,
    }
}

/// The result of a function out of the rows of its last statement: a SELECT, and the
/// statement as a part of WITH.
pub(crate) fn first_row_or_null(
    body: Query,
    outputs: &[(String, PgType)],
    set: bool,
) -> (Select, Cte) {
    const LAST: &str = "\u{1f}last";
    let names: Vec<String> = (0..outputs.len()).map(|n| format!("c{n}")).collect();
    let cte = Cte {
        alias: table_alias(LAST, &names),
        query: Box::new(body),
        from: None,
        materialized: None,
        closing_paren_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
    };
    let column = |n: usize| Expr::CompoundIdentifier(vec![quoted(LAST), quoted(format!("c{n}"))]);
    let outer = |select: &mut Select| {
        select.projection = outputs
            .iter()
            .enumerate()
            .map(|(n, (name, ty))| SelectItem::ExprWithAlias {
                expr: result(column(n), *ty),
                alias: quoted(name.as_str()),
            })
            .collect();
    };
    let last = TableFactor::Table {
        name: ObjectName(vec![ObjectNamePart::Identifier(quoted(LAST))]),
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
    let all = TableWithJoins {
        relation: last,
        joins: Vec::new(),
    };
    if set {
        let mut select = star_from(vec![all]);
        outer(&mut select);
        return (select, cte);
    }
    let mut first = star_from(vec![all]);
    first.projection = vec![SelectItem::Wildcard(Default::default())];
    let first = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(at_most_one(query_of(first))),
        alias: Some(table_alias(LAST, &[])),
        sample: None,
    };
    let mut select = star_from(vec![one_row_or(first)]);
    outer(&mut select);
    (select, cte)
}
