//! Which expressions need no parentheses inside of others.

use super::super::tree::{CastForm, Kind, Node};

/// Whether an expression holds together by itself inside of `parent`.
pub(super) fn is_simple(node: &Node, parent: &Node) -> bool {
    match &node.kind {
        Kind::Column { .. }
        | Kind::Constant(_)
        | Kind::Subscript(..)
        | Kind::Array(_)
        | Kind::Row(_)
        | Kind::Coalesce(_)
        | Kind::Extreme(..)
        | Kind::Value(_)
        | Kind::NullIf(_)
        | Kind::Aggregate(_)
        | Kind::Grouping(_)
        | Kind::Windowed { .. }
        | Kind::Call { .. }
        | Kind::Syntax(..)
        | Kind::Case { .. }
        | Kind::Cast {
            form: CastForm::Function,
            ..
        } => true,
        Kind::Cast { arg, .. } => is_simple(arg, node),
        Kind::Operator(symbol, args) => match &parent.kind {
            Kind::Operator(outer, outer_args) => {
                let first = outer_args
                    .first()
                    .is_some_and(|first| std::ptr::eq(first, node));
                args.len() == 2
                    && outer_args.len() == 2
                    && binds(symbol, outer, first).unwrap_or(false)
            }
            _ => is_separated(parent, true),
        },
        Kind::Sublink(_) | Kind::Test(..) | Kind::Distinct(_) => is_separated(parent, true),
        Kind::And(_) | Kind::Not(_) if matches!(parent.kind, Kind::And(_) | Kind::Or(_)) => true,
        Kind::Or(_) if matches!(parent.kind, Kind::Or(_)) => true,
        Kind::And(_) | Kind::Or(_) | Kind::Not(_) => is_separated(parent, false),
        Kind::ArrayOperator { .. } | Kind::Collate(..) => false,
    }
}

/// Whether the parent sets its parts off by itself; `logic` for parts that AND, OR and
/// NOT hold less tightly than.
fn is_separated(parent: &Node, logic: bool) -> bool {
    match &parent.kind {
        Kind::And(_) | Kind::Or(_) | Kind::Not(_) => logic,
        Kind::Subscript(..)
        | Kind::Array(_)
        | Kind::Row(_)
        | Kind::Coalesce(_)
        | Kind::Extreme(..)
        | Kind::NullIf(_)
        | Kind::Aggregate(_)
        | Kind::Grouping(_)
        | Kind::Windowed { .. }
        | Kind::Call { .. }
        | Kind::Case { .. } => true,
        _ => false,
    }
}

/// How tightly arithmetic holds; nothing for other operators.
fn tightness(symbol: &str) -> Option<u8> {
    match symbol.chars().next()? {
        '+' | '-' => Some(1),
        '*' | '/' | '%' => Some(2),
        _ => None,
    }
}

fn binds(inner: &str, outer: &str, first: bool) -> Option<bool> {
    if inner.len() != 1 || outer.len() != 1 {
        return None;
    }
    let (inner, outer) = (tightness(inner)?, tightness(outer)?);
    Some(inner > outer || (inner == outer && first))
}
