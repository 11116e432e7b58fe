//! Row comparisons, as comparisons of the members.

use sqlparser::ast::{AccessExpr, BinaryOperator, Expr, UnaryOperator};

use super::super::super::functions::ATTRIBUTE;
use super::ast::{binary, call, nested, string, take};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// The members of a row, in parentheses or not.
pub(super) fn members(expr: &Expr) -> Option<&Vec<Expr>> {
    match expr {
        Expr::Tuple(members) => Some(members),
        Expr::Nested(inner) => match inner.as_ref() {
            Expr::Tuple(members) => Some(members),
            _ => None,
        },
        _ => None,
    }
}

/// `(a, b)::type` is `ROW(a, b)::type`.
pub(super) fn constructor_cast(expr: &mut Expr) {
    if let Expr::Cast { expr: operand, .. } = expr
        && let Some(members) = members(operand)
    {
        **operand = call("row", members.clone());
    }
}

/// `(row).name`, and names of what that is.
pub(super) fn attribute(root: &mut Expr, chain: &[AccessExpr]) -> Option<Expr> {
    let names: Option<Vec<String>> = chain
        .iter()
        .map(|access| match access {
            AccessExpr::Dot(Expr::Identifier(name)) => Some(fold_identifier(name)),
            _ => None,
        })
        .collect();
    let names =
        names.filter(|_| !matches!(root, Expr::Identifier(_) | Expr::CompoundIdentifier(_)))?;
    let of = |row, name| call(ATTRIBUTE, vec![row, string(name)]);
    Some(names.into_iter().fold(take(root), of))
}

fn unequal_rows() -> SqlError {
    SqlError::new(
        state::SYNTAX_ERROR,
        "unequal number of entries in row expressions",
    )
}

/// A comparison of two rows; `None` when these are none.
pub(super) fn row_comparison(
    left: &Expr,
    op: &BinaryOperator,
    right: &Expr,
) -> Result<Option<Expr>, SqlError> {
    let (Some(left), Some(right)) = (members(left), members(right)) else {
        return Ok(None);
    };
    if *op == BinaryOperator::Overlaps {
        if left.len() != 2 || right.len() != 2 {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "wrong number of parameters on a side of OVERLAPS expression",
            ));
        }
        let args = left.iter().chain(right).cloned().collect();
        return Ok(Some(call("overlaps", args)));
    }
    if left.len() != right.len() {
        return Err(unequal_rows());
    }
    compare_rows(left, op, right).map(Some)
}

/// `(a, b) < (c, d)` is `a < c OR (a = c AND b < d)`.
fn compare_rows(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> Result<Expr, SqlError> {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    let pairs = || left.iter().cloned().zip(right.iter().cloned());
    let join = |with: BinaryOperator, each: BinaryOperator| {
        pairs()
            .map(|(l, r)| binary(l, each.clone(), r))
            .reduce(|a, b| binary(a, with.clone(), b))
            .map(nested)
            .ok_or_else(unequal_rows)
    };
    match op {
        Eq => join(And, Eq),
        NotEq => join(Or, NotEq),
        Lt | LtEq | Gt | GtEq => {
            let strict = if matches!(op, Lt | LtEq) { Lt } else { Gt };
            let mut result: Option<Expr> = None;
            for (l, r) in pairs().rev() {
                result = Some(match result {
                    None => binary(l, op.clone(), r),
                    Some(rest) => {
                        let tie = binary(binary(l.clone(), Eq, r.clone()), And, nested(rest));
                        binary(binary(l, strict.clone(), r), Or, nested(tie))
                    }
                });
            }
            result.map(nested).ok_or_else(unequal_rows)
        }
        other => Err(SqlError::unsupported(format!(
            "row comparison with {other}"
        ))),
    }
}

/// Whether a row is in a list of rows; `None` when it is no row.
pub(super) fn row_in_list(
    operand: &Expr,
    list: &[Expr],
    negated: bool,
) -> Result<Option<Expr>, SqlError> {
    let Some(left) = members(operand) else {
        return Ok(None);
    };
    let mut any: Option<Expr> = None;
    for item in list {
        let right = members(item).ok_or_else(unequal_rows)?;
        if right.len() != left.len() {
            return Err(unequal_rows());
        }
        let same = compare_rows(left, &BinaryOperator::Eq, right)?;
        any = Some(match any {
            None => same,
            Some(before) => binary(before, BinaryOperator::Or, same),
        });
    }
    let any = nested(any.ok_or_else(unequal_rows)?);
    Ok(Some(if negated {
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(any),
        }
    } else {
        any
    }))
}
