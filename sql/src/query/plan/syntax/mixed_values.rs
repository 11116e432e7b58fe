//! VALUES whose rows are not plainly of the same types.
//!
//! The planner finds a common type by its own rules, and refuses types it cannot
//! convert. So the values are hidden from it in calls of `__value`, which have no
//! type, and settled when the list is analysed; before anything that uses them is
//! planned, because the list is made a subquery in FROM.

use sqlparser::ast::{Expr, Function, SetExpr, TableFactor, TableWithJoins, UnaryOperator, Value};
use sqlparser::ast::{ObjectNamePart, Values};

use super::super::rewrite::{INT4_LITERAL, call};
use super::select::{query_of, star_from};

/// What a value plainly is.
#[derive(PartialEq, Eq)]
enum Kind {
    Integer,
    String,
    Boolean,
}

/// The list as a query of values that are hidden from the planner; `None` when the
/// planner can be left to it.
pub(super) fn hidden_values(values: &mut Values) -> Option<SetExpr> {
    if !is_mixed(values) {
        return None;
    }
    let mut values = std::mem::replace(
        values,
        Values {
            explicit_row: false,
            value_keyword: false,
            rows: Vec::new(),
        },
    );
    for row in &mut values.rows {
        for expr in &mut row.content {
            let value = std::mem::replace(expr, Expr::Value(Value::Null.with_empty_span()));
            *expr = call("__value", vec![value]);
        }
    }
    let mut inner = query_of(star_from(Vec::new()));
    *inner.body = SetExpr::Values(values);
    let relation = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(inner),
        alias: None,
        sample: None,
    };
    let from = TableWithJoins {
        relation,
        joins: Vec::new(),
    };
    Some(SetExpr::Select(Box::new(star_from(vec![from]))))
}

fn is_mixed(values: &Values) -> bool {
    let Some((first, rest)) = values.rows.split_first() else {
        return false;
    };
    let width = first.content.len();
    if rest.is_empty() || rest.iter().any(|row| row.content.len() != width) {
        return false;
    }
    (0..width).any(|index| {
        let mut common: Option<Kind> = None;
        for row in &values.rows {
            let Some(expr) = row.content.get(index) else {
                return false;
            };
            if is_hidden(expr) {
                return false;
            }
            match (kind(expr), &common) {
                (Ok(None), _) => {}
                (Ok(kind), None) => common = kind,
                (Ok(Some(kind)), Some(known)) if kind == *known => {}
                _ => return true,
            }
        }
        false
    })
}

/// What an expression plainly is: `Ok(None)` for NULL, `Err` when it is not plain.
fn kind(expr: &Expr) -> Result<Option<Kind>, ()> {
    match expr {
        Expr::Nested(inner) => kind(inner),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match kind(expr)? {
            Some(Kind::Integer) => Ok(Some(Kind::Integer)),
            _ => Err(()),
        },
        Expr::Cast { data_type, .. } if *data_type == INT4_LITERAL => Ok(Some(Kind::Integer)),
        Expr::Value(value) => match &value.value {
            Value::Null => Ok(None),
            Value::Boolean(_) => Ok(Some(Kind::Boolean)),
            Value::SingleQuotedString(_) => Ok(Some(Kind::String)),
            Value::Number(digits, _) if digits.parse::<i32>().is_ok() => Ok(Some(Kind::Integer)),
            _ => Err(()),
        },
        _ => Err(()),
    }
}

fn is_hidden(expr: &Expr) -> bool {
    let Expr::Function(Function { name, .. }) = expr else {
        return false;
    };
    name.0
        .first()
        .and_then(ObjectNamePart::as_ident)
        .is_some_and(|name| name.value == "__value")
}
