//! `tableoid`: which table a row is in. Tables show it where a query asks for it.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins, Visit, Visitor,
};

use super::super::shown::{Shown, TABLE_OID};
use super::super::{PlanContext, lookup::Found};
use super::hidden::{exclude, name_of};
use crate::catalog::{QualifiedName, fold_identifier};
use crate::error::SqlError;

/// Lets the tables of a query show the column where it is asked for.
///
/// # Errors
/// 0A000 for a table name of an unusual kind.
pub(super) fn show(
    query: &mut Query,
    context: &PlanContext,
    ctes: &[String],
) -> Result<(), SqlError> {
    let mut mentions = Mentions::default();
    let _ = Visit::visit(&*query, &mut mentions);
    if !mentions.bare && mentions.of.is_empty() {
        return Ok(());
    }
    in_body(&mut query.body, &mentions, context, ctes)
}

fn in_body(
    body: &mut SetExpr,
    mentions: &Mentions,
    context: &PlanContext,
    ctes: &[String],
) -> Result<(), SqlError> {
    match body {
        SetExpr::Select(select) => in_select(select, mentions, context, ctes),
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left, mentions, context, ctes)?;
            in_body(right, mentions, context, ctes)
        }
        _ => Ok(()),
    }
}

fn in_select(
    select: &mut Select,
    mentions: &Mentions,
    context: &PlanContext,
    ctes: &[String],
) -> Result<(), SqlError> {
    let mut marked = false;
    for item in &mut select.from {
        marked |= in_joins(item, mentions, context, ctes)?;
    }
    if !marked {
        return Ok(());
    }
    for item in &mut select.projection {
        match item {
            SelectItem::Wildcard(options) => exclude(options, vec![name_of(TABLE_OID)]),
            SelectItem::QualifiedWildcard(kind, options) => {
                let known = kind.to_string();
                let shows = |alias: &String| known.trim_matches('"') == alias;
                if mentions.bare || mentions.of.iter().any(shows) {
                    exclude(options, vec![name_of(TABLE_OID)]);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn in_joins(
    item: &mut TableWithJoins,
    mentions: &Mentions,
    context: &PlanContext,
    ctes: &[String],
) -> Result<bool, SqlError> {
    let mut marked = in_factor(&mut item.relation, mentions, context, ctes)?;
    for join in &mut item.joins {
        marked |= in_factor(&mut join.relation, mentions, context, ctes)?;
    }
    Ok(marked)
}

fn in_factor(
    factor: &mut TableFactor,
    mentions: &Mentions,
    context: &PlanContext,
    ctes: &[String],
) -> Result<bool, SqlError> {
    let (name, alias) = match factor {
        TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } => return in_joins(table_with_joins, mentions, context, ctes),
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } => (name, alias),
        _ => return Ok(false),
    };
    let Ok(found) = QualifiedName::from_ast(name, &context.database) else {
        return Ok(false);
    };
    let known = match alias {
        Some(alias) => fold_identifier(&alias.name),
        None => found.name.clone(),
    };
    if !mentions.bare && !mentions.of.contains(&known) {
        return Ok(false);
    }
    let shadowed = found.schema.is_none() && ctes.contains(&found.name);
    let Ok(Found::Table(table)) = context.relation(&found) else {
        return Ok(false);
    };
    // A table that has a column of this name keeps it.
    if shadowed || table.column(TABLE_OID).is_some() {
        return Ok(false);
    }
    Shown::change(factor, |shown| shown.tableoid = true)?;
    Ok(true)
}

/// Where a query names the column.
#[derive(Default)]
struct Mentions {
    depth: usize,
    /// By itself, in the query itself.
    bare: bool,
    /// With these tables, there or in a subquery.
    of: Vec<String>,
}

impl Visitor for Mentions {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) if fold_identifier(ident) == TABLE_OID => {
                self.bare |= self.depth == 1;
            }
            Expr::CompoundIdentifier(parts) => {
                if let [.., table, column] = parts.as_slice()
                    && fold_identifier(column) == TABLE_OID
                {
                    self.of.push(fold_identifier(table));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
