//! Numbers that the planner wants to see as they were written.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, NamedWindowExpr, OrderBy, OrderByKind, Query, Select,
    SelectItem, Value,
};

use super::super::rewrite::{restore_frame, restore_literal};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Numbers in ORDER BY are positions, and LIMIT wants plain numbers.
pub(super) fn restore_order_and_limit(query: &mut Query) {
    if let Some(OrderBy {
        kind: OrderByKind::Expressions(exprs),
        ..
    }) = &mut query.order_by
    {
        for item in exprs {
            restore_literal(&mut item.expr);
        }
    }
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            if let Some(limit) = limit {
                restore_literal(limit);
            }
            if let Some(offset) = offset {
                restore_literal(&mut offset.value);
            }
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
            restore_literal(offset);
            restore_literal(limit);
        }
        None => {}
    }
}

/// Numbers in GROUP BY and DISTINCT ON are positions.
///
/// # Errors
/// 42P10 for a position that is not in the select list.
pub(super) fn restore_select(select: &mut Select) -> Result<(), SqlError> {
    if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
        exprs.iter_mut().for_each(restore_literal);
    }
    if let Some(Distinct::On(exprs)) = &mut select.distinct {
        for expr in exprs {
            restore_literal(expr);
            if let Some(selected) = selected(expr, &select.projection)? {
                *expr = selected;
            }
        }
    }
    for window in &mut select.named_window {
        if let NamedWindowExpr::WindowSpec(spec) = &mut window.1 {
            restore_frame(spec);
        }
    }
    Ok(())
}

/// The expression of the select list that DISTINCT ON means by a position or a name;
/// nothing for an expression of its own.
fn selected(expr: &Expr, list: &[SelectItem]) -> Result<Option<Expr>, SqlError> {
    match expr {
        Expr::Value(value) => {
            let Value::Number(digits, _) = &value.value else {
                return Ok(None);
            };
            let Some(position) = digits.parse::<usize>().ok().filter(|p| *p > 0) else {
                return Err(not_selected(digits));
            };
            let before = list.get(..position).unwrap_or(list);
            Ok(match before.last() {
                _ if before.iter().any(is_star) => {
                    let what = "DISTINCT ON by a position behind *";
                    return Err(SqlError::unsupported(what));
                }
                Some(
                    SelectItem::UnnamedExpr(own) | SelectItem::ExprWithAlias { expr: own, .. },
                ) if before.len() == position => Some(own.clone()),
                _ => return Err(not_selected(digits)),
            })
        }
        Expr::Identifier(name) => Ok(list.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias }
                if fold_identifier(alias) == fold_identifier(name) =>
            {
                Some(expr.clone())
            }
            _ => None,
        })),
        _ => Ok(None),
    }
}

fn is_star(item: &SelectItem) -> bool {
    matches!(
        item,
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
    )
}

fn not_selected(position: &str) -> SqlError {
    SqlError::new(
        state::INVALID_COLUMN_REFERENCE,
        format!("SELECT DISTINCT ON position {position} is not in select list"),
    )
}
