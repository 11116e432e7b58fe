//! BETWEEN SYMMETRIC: between two bounds in either order.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::ast::{binary, nested};

/// The two tests that a BETWEEN with the mark is; `None` for one without.
pub(super) fn symmetric(expr: &mut Expr) -> Option<Expr> {
    let Expr::Between {
        expr: value,
        negated,
        low,
        high,
    } = expr
    else {
        return None;
    };
    take_mark(low).then(|| {
        let one = |low: &Expr, high: &Expr| Expr::Between {
            expr: value.clone(),
            negated: false,
            low: Box::new(low.clone()),
            high: Box::new(high.clone()),
        };
        let either = nested(binary(one(low, high), BinaryOperator::Or, one(high, low)));
        match negated {
            false => either,
            true => nested(Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr: Box::new(either),
            }),
        }
    })
}

/// Takes the mark from where an expression begins.
fn take_mark(expr: &mut Expr) -> bool {
    match expr {
        Expr::UnaryOp {
            op: UnaryOperator::PGPrefixFactorial,
            expr: marked,
        } => {
            *expr = std::mem::replace(marked, Expr::Tuple(Vec::new()));
            true
        }
        Expr::BinaryOp { left, .. } => take_mark(left),
        Expr::Cast { expr, .. }
        | Expr::AtTimeZone {
            timestamp: expr, ..
        }
        | Expr::Collate { expr, .. }
        | Expr::CompoundFieldAccess { root: expr, .. } => take_mark(expr),
        _ => false,
    }
}
