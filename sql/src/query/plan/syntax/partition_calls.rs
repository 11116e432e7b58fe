//! `pg_partition_tree` and `pg_partition_ancestors`: relations whose columns are
//! tables, which the outermost query shows by name.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArguments, ObjectName, ObjectNamePart, Query, Select, SelectItem, TableFactor,
    TableFunctionArgs, TableWithJoins, VisitMut, VisitorMut,
};

use super::super::names::{column_name, quoted};
use super::super::rewrite::call;
use super::from::function_name;
use super::select::plain_table;
use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// The functions, with their columns and whether a column is a table.
pub(in crate::query) const CALLS: [(&str, &[(&str, bool)]); 2] = [
    ("pg_partition_ancestors", &[("relid", true)]),
    (
        "pg_partition_tree",
        &[
            ("relid", true),
            ("parentrelid", true),
            ("isleaf", false),
            ("level", false),
        ],
    ),
];

/// Whether a function gives partitions.
pub(super) fn is_call(function: &str) -> bool {
    CALLS.iter().any(|(name, _)| *name == function)
}

fn called(name: &ObjectName) -> Option<&'static [(&'static str, bool)]> {
    let last = name.0.last().and_then(ObjectNamePart::as_ident)?;
    let last = fold_identifier(last);
    let found = CALLS.iter().find(|(name, _)| *name == last);
    found.map(|(_, columns)| *columns)
}

/// Prepares the calls of a SELECT.
///
/// # Errors
/// 0A000 for `*` beside other tables.
pub(super) fn prepare(select: &mut Select, outermost: bool) -> Result<(), SqlError> {
    move_to_from(select);
    let mut columns = None;
    for item in &select.from {
        let factors = std::iter::once(&item.relation).chain(item.joins.iter().map(|j| &j.relation));
        for factor in factors {
            if let TableFactor::Table {
                name,
                args: Some(_),
                ..
            } = factor
            {
                columns = columns.or(called(name));
            }
        }
    }
    let Some(columns) = columns.filter(|_| outermost) else {
        return Ok(());
    };
    let alone = select.from.len() == 1 && select.from.iter().all(|item| item.joins.is_empty());
    let mut items = Vec::with_capacity(select.projection.len());
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) if alone => {
                let names = columns
                    .iter()
                    .map(|(name, _)| Expr::Identifier(quoted(*name)));
                items.extend(names.map(SelectItem::UnnamedExpr));
            }
            SelectItem::Wildcard(_) => {
                return Err(SqlError::unsupported("* of the partitions of a table"));
            }
            other => items.push(other),
        }
    }
    for item in &mut items {
        if let SelectItem::UnnamedExpr(expr) = item {
            let name = column_name(expr);
            let mut expr = std::mem::replace(expr, Expr::Identifier(quoted("")));
            let _ = VisitMut::visit(&mut expr, &mut Shown(columns));
            *item = SelectItem::ExprWithAlias {
                expr,
                alias: quoted(name),
            };
        } else if let SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = VisitMut::visit(expr, &mut Shown(columns));
        }
    }
    select.projection = items;
    Ok(())
}

/// `SELECT pg_partition_ancestors(…)`: the call moves to FROM.
fn move_to_from(select: &mut Select) {
    let (function, alias) = match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(Expr::Function(function))] => (function, None),
        [
            SelectItem::ExprWithAlias {
                expr: Expr::Function(function),
                alias,
            },
        ] => (function, Some(alias.clone())),
        _ => return,
    };
    let Some([(first, _)]) = called(&function.name) else {
        return;
    };
    let FunctionArguments::List(list) = &function.args else {
        return;
    };
    if !select.from.is_empty() {
        return;
    }
    let (arguments, name) = (list.args.clone(), function.name.clone());
    let name_of_call = quoted(function_name(&name));
    let mut relation = plain_table(name);
    if let TableFactor::Table { args, .. } = &mut relation {
        *args = Some(TableFunctionArgs {
            args: arguments,
            settings: None,
        });
    }
    select.from.push(TableWithJoins {
        relation,
        joins: Vec::new(),
    });
    let alias = alias.unwrap_or_else(|| name_of_call.clone());
    select.projection = vec![SelectItem::ExprWithAlias {
        expr: Expr::Identifier(quoted(*first)),
        alias,
    }];
}

/// Makes tables of the identifiers that columns are.
struct Shown(&'static [(&'static str, bool)]);

impl VisitorMut for Shown {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        // What subqueries select is compared, not shown.
        ControlFlow::Break(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let name = match expr {
            Expr::Identifier(name) => name,
            Expr::CompoundIdentifier(parts) => match parts.last() {
                Some(name) => name,
                None => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        let name = fold_identifier(name);
        if self
            .0
            .iter()
            .any(|(column, table)| *table && *column == name)
        {
            *expr = call("__regclass", vec![expr.clone()]);
        }
        ControlFlow::Continue(())
    }
}
