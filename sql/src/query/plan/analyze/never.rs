//! Conditions that no row can meet, whatever else they ask: `x AND NULL` is false or
//! NULL, so PostgreSQL does not ask x, which may be a division by zero
//! (`canonicalize_qual` of its planner).

use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator, lit};

use super::super::types::is_comparison;

/// A condition; false when no row meets it and nothing else comes of asking.
pub(super) fn simplified(condition: Expr) -> Expr {
    if !is_literal(&condition) && never(&condition, true) {
        return lit(false);
    }
    condition
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(cast) => is_null(&cast.expr),
        Expr::Alias(alias) => is_null(&alias.expr),
        _ => false,
    }
}

/// Whether an expression never has a truth value.
fn never(expr: &Expr, truth: bool) -> bool {
    match expr {
        Expr::Alias(alias) => never(&alias.expr, truth),
        Expr::Not(inner) => never(inner, !truth),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => {
                // One of the parts decides about false of AND, and about true of OR.
                match (*op == Operator::And) == truth {
                    true => never(left, truth) || never(right, truth),
                    false => never(left, truth) && never(right, truth),
                }
            }
            op if is_strict(*op) => is_null(left) || is_null(right),
            _ => false,
        },
        // low <= x AND x <= high, or its opposite.
        Expr::Between(Between {
            expr,
            negated,
            low,
            high,
        }) => {
            let (below, above) = (is_null(low), is_null(high));
            match *negated == truth {
                true => is_null(expr) || below && above,
                false => is_null(expr) || below || above,
            }
        }
        Expr::Literal(value, _) => value.is_null(),
        _ => false,
    }
}

/// Whether a comparison with NULL is NULL.
fn is_strict(op: Operator) -> bool {
    is_comparison(op) && !matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}

#[cfg(test)]
mod tests {
    #![allow(missing_docs)]
    use super::*;
    use datafusion::common::ScalarValue;
    use datafusion::logical_expr::col;

    fn null() -> Expr {
        lit(ScalarValue::Int32(None))
    }

    #[test]
    fn a_part_that_is_never_true_decides_about_and() {
        let asked = || (lit(1) / col("a")).gt(lit(0));
        let never_true = [
            asked().and(col("a").gt(null())),
            Expr::Not(Box::new(asked().or(null().eq(col("a"))))),
            col("a").between(null(), lit(1) / col("a")),
            Expr::Not(Box::new(col("a").not_between(lit(1) / col("a"), null()))),
        ];
        for condition in never_true {
            assert_eq!(simplified(condition.clone()), lit(false), "{condition}");
        }
    }

    #[test]
    fn other_conditions_stay() {
        let asked = || (lit(1) / col("a")).gt(lit(0));
        let may_be_true = [
            asked(),
            asked().or(col("a").gt(null())),
            col("a").not_between(null(), lit(1)),
            asked().and(col("a").is_null()),
            Expr::Not(Box::new(asked().and(null().eq(col("a"))))),
        ];
        for condition in may_be_true {
            assert_eq!(simplified(condition.clone()), condition);
        }
    }
}
