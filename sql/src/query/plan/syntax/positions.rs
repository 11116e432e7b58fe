//! Numbers that the planner wants to see as they were written.

use sqlparser::ast::{
    Distinct, GroupByExpr, LimitClause, NamedWindowExpr, OrderBy, OrderByKind, Query, Select,
};

use super::super::rewrite::{restore_frame, restore_literal};

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
pub(super) fn restore_select(select: &mut Select) {
    if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
        exprs.iter_mut().for_each(restore_literal);
    }
    if let Some(Distinct::On(exprs)) = &mut select.distinct {
        exprs.iter_mut().for_each(restore_literal);
    }
    for window in &mut select.named_window {
        if let NamedWindowExpr::WindowSpec(spec) = &mut window.1 {
            restore_frame(spec);
        }
    }
}
