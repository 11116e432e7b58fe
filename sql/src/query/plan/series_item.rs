//! `generate_series` in a SELECT list, where it makes rows: it moves to FROM.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArguments, GroupByExpr, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs,
    TableWithJoins, VisitMut, VisitorMut,
};

use super::names::{column_name, quoted};
use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// The function this is about.
pub(super) const SERIES: &str = "generate_series";
/// What the series is called in FROM.
const NAME: &str = "\u{1f}series";

/// Moves the series of every SELECT of `query`, not of its subqueries.
///
/// # Errors
/// 0A000 for several in one list, and next to aggregates or `*`.
pub(super) fn move_to_from(body: &mut SetExpr) -> Result<(), SqlError> {
    match body {
        SetExpr::Select(select) => in_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            move_to_from(left)?;
            move_to_from(right)
        }
        _ => Ok(()),
    }
}

fn refused() -> SqlError {
    SqlError::unsupported("set-returning functions in this SELECT list")
}

fn in_select(select: &mut Select) -> Result<(), SqlError> {
    let mut found = Found::default();
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let name = column_name(expr);
        let before = found.calls.len();
        let _ = VisitMut::visit(expr, &mut found);
        if found.calls.len() > before && matches!(item, SelectItem::UnnamedExpr(_)) {
            let old = std::mem::replace(item, SelectItem::Wildcard(Default::default()));
            if let SelectItem::UnnamedExpr(expr) = old {
                *item = SelectItem::ExprWithAlias {
                    expr,
                    alias: quoted(name),
                };
            }
        }
    }
    let Some(function) = found.calls.pop() else {
        return Ok(());
    };
    let star = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_)));
    let grouped = select.having.is_some()
        || !matches!(&select.group_by, GroupByExpr::Expressions(e, _) if e.is_empty());
    if !found.calls.is_empty() || star || grouped {
        return Err(refused());
    }
    let FunctionArguments::List(list) = function.args else {
        return Err(refused());
    };
    select.from.push(TableWithJoins {
        relation: TableFactor::Table {
            name: ObjectName(vec![ObjectNamePart::Identifier(quoted(SERIES))]),
            alias: Some(TableAlias {
                explicit: true,
                name: quoted(NAME),
                columns: vec![TableAliasColumnDef {
                    name: quoted(NAME),
                    data_type: None,
                }],
                at: None,
            }),
            args: Some(TableFunctionArgs {
                args: list.args,
                settings: None,
            }),
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        },
        joins: Vec::new(),
    });
    Ok(())
}

/// The calls taken out of a list.
#[derive(Default)]
struct Found {
    calls: Vec<Function>,
    depth: usize,
}

impl VisitorMut for Found {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        let last = function.name.0.last().and_then(ObjectNamePart::as_ident);
        if last.is_some_and(|ident| fold_identifier(ident) == SERIES) {
            let column = Expr::CompoundIdentifier(vec![quoted(NAME), quoted(NAME)]);
            let call = std::mem::replace(expr, column);
            if let Expr::Function(function) = call {
                self.calls.push(function);
            }
        }
        ControlFlow::Continue(())
    }
}
