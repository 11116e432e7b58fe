//! `generate_series` in a SELECT list without FROM, where it makes the rows: it moves
//! to FROM, where its values are made as they are read. Elsewhere it becomes an array
//! of which rows are made.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArguments, GroupByExpr, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs,
    TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::correlate::has_aggregate;
use super::names::{column_name, quoted};
use super::rewrite::makes_rows;
use crate::catalog::fold_identifier;

/// The function this is about.
pub(super) const SERIES: &str = "generate_series";
/// What the series is called in FROM.
const NAME: &str = "\u{1f}series";

/// Moves the series of every SELECT of `query`, not of its subqueries.
pub(super) fn move_to_from(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => in_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            move_to_from(left);
            move_to_from(right);
        }
        _ => {}
    }
}

/// Whether the only thing that makes rows is one series of constants.
fn movable(select: &Select) -> bool {
    let mut calls = Calls::default();
    for item in &select.projection {
        if item.visit(&mut calls).is_break() {
            return false;
        }
    }
    let plain = matches!(&select.group_by, GroupByExpr::Expressions(e, _) if e.is_empty());
    calls.series == 1
        && calls.windows == 0
        && select.from.is_empty()
        && select.having.is_none()
        && plain
        && !has_aggregate(select)
}

fn in_select(select: &mut Select) {
    if !movable(select) {
        return;
    }
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
        return;
    };
    let FunctionArguments::List(list) = function.args else {
        return;
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
}

/// What the expressions of a SELECT list call. Other functions that make rows, and
/// series whose bounds are not constants, end the search.
#[derive(Default)]
struct Calls {
    series: usize,
    windows: usize,
}

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        // There a series must not be.
        if matches!(expr, Expr::Case { .. }) {
            return ControlFlow::Break(());
        }
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        self.windows += usize::from(function.over.is_some());
        let Some(name) = function_name(function) else {
            return ControlFlow::Continue(());
        };
        if name == SERIES {
            self.series += 1;
            if !constant(&function.args) {
                return ControlFlow::Break(());
            }
        } else if makes_rows(&name) || name == "coalesce" {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        // What subqueries do is not looked at.
        ControlFlow::Break(())
    }
}

fn function_name(function: &Function) -> Option<String> {
    let last = function.name.0.last().and_then(ObjectNamePart::as_ident);
    last.map(fold_identifier)
}

/// Whether arguments name no columns, parameters, functions or subqueries.
pub(super) fn constant<V: Visit>(args: &V) -> bool {
    struct Variables;
    impl Visitor for Variables {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Value(value) => match value.value {
                    Value::Placeholder(_) => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                },
                Expr::Cast { .. }
                | Expr::Nested(_)
                | Expr::UnaryOp { .. }
                | Expr::Interval(_)
                | Expr::TypedString(_) => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        }
    }
    args.visit(&mut Variables).is_continue()
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
        if function_name(function).is_some_and(|name| name == SERIES) {
            let column = Expr::CompoundIdentifier(vec![quoted(NAME), quoted(NAME)]);
            let call = std::mem::replace(expr, column);
            if let Expr::Function(function) = call {
                self.calls.push(function);
            }
        }
        ControlFlow::Continue(())
    }
}
