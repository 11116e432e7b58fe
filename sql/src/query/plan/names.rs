//! Names of result columns, as PostgreSQL chooses them.
//!
//! The planner wants the names of a projection to be unique; PostgreSQL does
//! not. A name that would repeat gets a suffix that starts with a character no
//! SQL text can produce here, and is cut off again in the result.

use sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Ident, Query, SelectItem, SetExpr, UnaryOperator, Value,
};

use crate::catalog::fold_identifier;
use crate::types::PgType;

/// Starts the invisible part of a column name.
pub(in crate::query) const MARK: char = '\u{1f}';

/// What PostgreSQL calls a column without a better name.
pub(super) const UNNAMED: &str = "?column?";

/// A column name without its invisible part.
pub(in crate::query) fn visible_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// A name that differs from all others of its SELECT but looks the same.
pub(in crate::query) fn marked(name: &str, number: usize) -> String {
    format!("{name}{MARK}{number}")
}

/// A quoted identifier.
pub(super) fn quoted(name: impl Into<String>) -> Ident {
    Ident::with_quote('"', name.into())
}

/// The name of a result column without alias.
pub(crate) fn column_name(expr: &Expr) -> String {
    name_of(expr).map_or_else(|| UNNAMED.to_owned(), |(name, _)| name)
}

/// A name and whether it is a good one (PostgreSQL prefers the name of a column
/// or function inside a cast or CASE over that of the construct).
fn name_of(expr: &Expr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    let weak = |name: &str| Some((name.to_owned(), false));
    match expr {
        Expr::Identifier(ident) => Some((fold_identifier(ident), true)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|p| (fold_identifier(p), true)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => name_of(inner),
        Expr::Function(function) => {
            let last = function.name.0.last()?;
            Some((
                last.as_ident()
                    .map_or_else(|| last.to_string(), fold_identifier),
                true,
            ))
        }
        Expr::Cast {
            expr, data_type, ..
        } => match name_of(expr) {
            Some((name, true)) => Some((name, true)),
            _ => Some((type_name(data_type), false)),
        },
        Expr::TypedString(typed) => Some((type_name(&typed.data_type), false)),
        Expr::Interval(_) => weak("interval"),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(name_of) {
            Some((name, true)) => Some((name, true)),
            _ => weak("case"),
        },
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::Subquery(query) => subquery_name(query),
        Expr::BinaryOp {
            op: BinaryOperator::Overlaps,
            ..
        } => strong("overlaps"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring {
            shorthand: true, ..
        } => strong("substr"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(sqlparser::ast::TrimWhereField::Leading) => "ltrim",
            Some(sqlparser::ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::UnaryOp {
            op: UnaryOperator::Plus,
            expr,
        } if matches!(expr.as_ref(), Expr::Identifier(_)) => None,
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(field)) => Some((fold_identifier(field), true)),
                _ => None,
            });
            field.or_else(|| name_of(root))
        }
        Expr::Value(value) => match &value.value {
            Value::Placeholder(_) => None,
            _ => None,
        },
        _ => None,
    }
}

/// The internal name of a type, as PostgreSQL names cast columns by.
fn type_name(data_type: &sqlparser::ast::DataType) -> String {
    match PgType::from_sql_ast(data_type) {
        Ok(ty) => match ty.element() {
            Some(element) => element.typname(),
            None => ty.typname(),
        },
        Err(_) => data_type.to_string().to_lowercase(),
    }
}

fn subquery_name(query: &Query) -> Option<(String, bool)> {
    subquery_body_name(&query.body)
}

fn subquery_body_name(body: &SetExpr) -> Option<(String, bool)> {
    match body {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::ExprWithAlias { alias, .. } => Some((fold_identifier(alias), true)),
            // Whatever it is called, it is called so.
            SelectItem::UnnamedExpr(expr) => Some((column_name(expr), true)),
            _ => None,
        },
        SetExpr::SetOperation { left, .. } => subquery_body_name(left),
        SetExpr::Query(inner) => subquery_name(inner),
        SetExpr::Values(_) => Some(("column1".to_owned(), true)),
        _ => None,
    }
}
