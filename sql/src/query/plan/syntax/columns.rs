//! Names of result columns.

use std::collections::HashMap;

use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, OrderBy, Select, SelectItem, SetExpr, SetOperator,
    Table, TableWithJoins,
};

use super::super::correlate::{TableName, is_inner, table_names};
use super::super::names::{column_name, marked, quoted};
use super::super::rewrite::number;
use super::mentioned::Mentioned;
use super::mixed_values::hidden_values;
use super::select::{plain_table, star_from};
use super::set_operations::as_relation;
use super::values::values_as_selects;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Names the columns of every SELECT of a set operation, and rewrites `TABLE t`.
pub(super) fn name_columns(
    body: &mut SetExpr,
    order_by: Option<&OrderBy>,
    nested: bool,
) -> Result<(), SqlError> {
    match body {
        SetExpr::Select(select) => name_select(select, order_by, nested),
        SetExpr::SetOperation {
            op: op @ (SetOperator::Except | SetOperator::Intersect),
            set_quantifier,
            left,
            right,
        } => {
            let none = || SetExpr::Select(Box::new(star_from(Vec::new())));
            let left = std::mem::replace(left.as_mut(), none());
            let right = std::mem::replace(right.as_mut(), none());
            *body = as_relation(*op, *set_quantifier, left, right)?;
            Ok(())
        }
        SetExpr::SetOperation { left, right, .. } => {
            name_columns(left, None, nested)?;
            name_columns(right, None, nested)
        }
        SetExpr::Table(table) => {
            *body = table_as_select(table);
            Ok(())
        }
        SetExpr::Values(values) => match values_as_selects(values)? {
            Some(selects) => {
                *body = selects;
                name_columns(body, None, nested)
            }
            None => {
                if let Some(hidden) = hidden_values(values) {
                    *body = hidden;
                }
                Ok(())
            }
        },
        SetExpr::Query(_) => Ok(()),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(SqlError::unsupported("a data-modifying statement in WITH"))
        }
    }
}

/// Gives every column an alias that is unique within the SELECT and shows the
/// name PostgreSQL would choose.
fn name_select(
    select: &mut Select,
    order_by: Option<&OrderBy>,
    nested: bool,
) -> Result<(), SqlError> {
    let wildcard = select.projection.iter().any(|item| {
        matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        )
    });
    let mut uses: HashMap<String, usize> = HashMap::new();
    let mentioned = Mentioned::of(select, order_by);
    let own = table_names(select);
    for item in &mut select.projection {
        refuse_string_alias(item)?;
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = column_name(expr);
                let count = uses.entry(name.clone()).or_default();
                *count += 1;
                let plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                // It may be a column of a query around this one, which the planner
                // calls otherwise.
                let outside = nested && matches!(expr, Expr::Identifier(_))
                    || is_outside(expr, own.as_deref());
                if *count == 1 && plain && !wildcard && !outside {
                    continue;
                }
                let hidden = *count > 1 || wildcard || (!plain && mentioned.has(&name));
                let alias = if hidden { marked(&name, *count) } else { name };
                let expr = std::mem::replace(expr, number("0"));
                *item = SelectItem::ExprWithAlias {
                    expr,
                    alias: quoted(alias),
                };
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let name = fold_identifier(alias);
                let count = uses.entry(name.clone()).or_default();
                *count += 1;
                *alias = if *count > 1 {
                    quoted(marked(&name, *count))
                } else {
                    quoted(name)
                };
            }
            SelectItem::ExprWithAliases { .. } => {
                return Err(SqlError::unsupported("several aliases for one column"));
            }
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {}
        }
    }
    Ok(())
}

/// Whether a column is of a query around this one, whose tables are `own`.
fn is_outside(expr: &Expr, own: Option<&[TableName]>) -> bool {
    match (expr, own) {
        (Expr::CompoundIdentifier(parts), Some(own)) => is_inner(parts, own) == Some(false),
        _ => false,
    }
}

/// The parser takes a string for an alias, which PostgreSQL never does.
fn refuse_string_alias(item: &SelectItem) -> Result<(), SqlError> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } if alias.quote_style == Some('\'') => {
            Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("syntax error at or near \"'{}'\"", alias.value),
            ))
        }
        _ => Ok(()),
    }
}

/// `TABLE t` as a SELECT.
fn table_as_select(table: &Table) -> SetExpr {
    let parts = [&table.schema_name, &table.table_name]
        .into_iter()
        .flatten()
        .map(|part| ObjectNamePart::Identifier(Ident::new(part.clone())))
        .collect();
    SetExpr::Select(Box::new(star_from(vec![TableWithJoins {
        relation: plain_table(ObjectName(parts)),
        joins: Vec::new(),
    }])))
}
