//! Columns of the terms of a recursive query.

use sqlparser::ast::{SelectItem, SetExpr};

use super::super::names::{column_name, quoted};
use super::super::rewrite::{call, number};

/// Makes the columns of both terms of a recursive query mere values, under the
/// names they have.
pub(super) fn plain_columns(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            plain_columns(left);
            plain_columns(right);
        }
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                let (expr, alias) = match item {
                    SelectItem::UnnamedExpr(expr) => {
                        let name = column_name(expr);
                        (std::mem::replace(expr, number("0")), quoted(name))
                    }
                    SelectItem::ExprWithAlias { expr, alias } => {
                        (std::mem::replace(expr, number("0")), alias.clone())
                    }
                    _ => continue,
                };
                *item = SelectItem::ExprWithAlias {
                    expr: call("__plain", vec![expr]),
                    alias,
                };
            }
        }
        _ => {}
    }
}
