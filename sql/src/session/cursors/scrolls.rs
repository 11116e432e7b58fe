//! What a cursor's query allows when nothing is said: to go back, and to change the
//! row it stands on.
//!
//! PostgreSQL lets its plan decide. Its plans read backwards what is scanned, sorted
//! or kept, and neither joins nor aggregates; the same is told from the query here.

use sqlparser::ast::{
    Distinct, Expr, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, TableFactor,
};

use super::super::row_locks::obstacle;

/// Whether a cursor over the query goes back without being declared SCROLL.
pub(super) fn may_scroll(query: &Query) -> bool {
    if query.order_by.is_some() {
        return true;
    }
    query.with.is_none() && body_scrolls(&query.body)
}

fn body_scrolls(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select_scrolls(select),
        SetExpr::Query(query) => may_scroll(query),
        SetExpr::SetOperation {
            op: SetOperator::Union,
            set_quantifier: SetQuantifier::All,
            left,
            right,
        } => body_scrolls(left) && body_scrolls(right),
        SetExpr::Values(_) | SetExpr::Table(_) => true,
        _ => false,
    }
}

fn select_scrolls(select: &Select) -> bool {
    let [from] = select.from.as_slice() else {
        return false;
    };
    let scanned = match &from.relation {
        TableFactor::Derived {
            lateral: false,
            subquery,
            ..
        } => may_scroll(subquery),
        TableFactor::Table { .. } | TableFactor::Function { .. } => true,
        TableFactor::TableFunction { .. } => true,
        _ => false,
    };
    scanned && from.joins.is_empty() && obstacle(select).is_none()
}

/// Whether the rows of the query are those of one table, so that the row a cursor
/// stands on can be changed without FOR UPDATE.
pub(super) fn simply_updatable(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let [from] = select.from.as_slice() else {
        return false;
    };
    let plain = matches!(
        &from.relation,
        TableFactor::Table {
            args: None,
            sample: None,
            ..
        }
    );
    plain
        && from.joins.is_empty()
        && query.with.is_none()
        && query.order_by.is_none()
        && query.fetch.is_none()
        && !matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_)))
        && obstacle(select).is_none()
        && select.projection.iter().all(is_plain_item)
}

/// Whether an item is no subquery, whose tables have keys of their own.
fn is_plain_item(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            !matches!(expr, Expr::Subquery(_) | Expr::Exists { .. })
        }
        _ => true,
    }
}
