//! Pieces of what a call becomes.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    JoinConstraint, JoinOperator, LimitClause, Query, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, Value, Visit, Visitor,
};

use super::super::super::names::quoted;
use super::super::super::rewrite::call;
use super::super::select::{query_of, star_from};
use super::{ARGUMENT, RESULT};
use crate::catalog::{FunctionDescriptor, fold_identifier};
use crate::query::functions::is_aggregate;
use crate::types::{PgType, arrow_map};

pub(super) fn text(text: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.into()).with_empty_span())
}

pub(super) fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).with_empty_span())
}

pub(super) fn result(expr: Expr, ty: PgType) -> Expr {
    call(RESULT, vec![expr, text(arrow_map::type_text(ty))])
}

/// NULL when an argument of a strict function is.
pub(super) fn strict(function: &FunctionDescriptor, arguments: &[Expr], value: Expr) -> Expr {
    let missing = arguments
        .iter()
        .map(|a| Expr::IsNull(Box::new(a.clone())))
        .reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::Or,
            right: Box::new(right),
        });
    match missing {
        Some(condition) if function.strict => Expr::Case {
            case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
            end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen {
                condition,
                result: Expr::Value(Value::Null.with_empty_span()),
            }],
            else_result: Some(Box::new(value)),
        },
        _ => value,
    }
}

/// Whether computing an expression twice costs nothing and gives the same.
pub(super) fn is_simple(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Nested(inner) => is_simple(inner),
        Expr::Cast { expr, .. } => is_simple(expr),
        Expr::UnaryOp { expr, .. } => is_simple(expr),
        Expr::BinaryOp { left, right, .. } => is_simple(left) && is_simple(right),
        Expr::Array(array) => array.elem.iter().all(is_simple),
        Expr::TypedString(_) => true,
        // What calls around this one made of their arguments.
        Expr::Function(f) if f.name.0.len() == 1 => {
            let name = f.name.0.first().and_then(|p| p.as_ident());
            let ours = name.is_some_and(|n| n.value == ARGUMENT || n.value == RESULT);
            match &f.args {
                FunctionArguments::List(list) if ours => list.args.iter().all(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => is_simple(e),
                    _ => false,
                }),
                _ => false,
            }
        }
        _ => false,
    }
}

/// Whether an expression names columns.
pub(super) fn has_names(expr: &Expr) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Names).is_break()
}

/// The only expression of a query that is nothing else.
pub(super) fn bare_expression(query: &Query) -> Option<&Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && select.from.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && select.distinct.is_none()
        && matches!(&select.group_by, sqlparser::ast::GroupByExpr::Expressions(e, _) if e.is_empty());
    let expr = match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => expr,
        _ => return None,
    };
    struct Needs;
    impl Visitor for Needs {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let Expr::Function(f) = expr else {
                return ControlFlow::Continue(());
            };
            let name = f.name.0.last().and_then(|p| p.as_ident());
            let name = name.map(fold_identifier).unwrap_or_default();
            let more = is_aggregate(&name)
                || f.over.is_some()
                || matches!(name.as_str(), "unnest" | "generate_series")
                || name.ends_with("_elements")
                || name.ends_with("_split_to_table");
            if more {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    (plain && expr.visit(&mut Needs).is_continue()).then_some(expr)
}

/// A query's first row.
pub(super) fn at_most_one(mut query: Query) -> Query {
    if bare_expression(&query).is_some() {
        return query;
    }
    if query.limit_clause.is_none() && query.fetch.is_none() {
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit: Some(number("1")),
            offset: None,
            limit_by: Vec::new(),
        });
        return query;
    }
    let mut select = star_from(vec![TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query),
            alias: Some(table_alias("\u{1f}body", &[])),
            sample: None,
        },
        joins: Vec::new(),
    }]);
    select.from.truncate(1);
    at_most_one(query_of(select))
}

pub(super) fn table_alias(name: &str, columns: &[String]) -> TableAlias {
    TableAlias {
        explicit: true,
        name: quoted(name),
        columns: columns
            .iter()
            .map(|column| TableAliasColumnDef {
                name: quoted(column.as_str()),
                data_type: None,
            })
            .collect(),
        at: None,
    }
}

/// Arguments as a relation of one row, and its columns. It is called after the
/// arguments, so that equal calls stay equal.
pub(super) fn relation_of(arguments: &[Expr]) -> (TableFactor, Vec<Expr>) {
    let mut hasher = DefaultHasher::new();
    for argument in arguments {
        argument.to_string().hash(&mut hasher);
    }
    let name = format!("\u{1f}call{:x}", hasher.finish());
    let column = |n: usize| format!("p{n}");
    let mut select = star_from(Vec::new());
    select.projection = arguments
        .iter()
        .enumerate()
        .map(|(n, argument)| SelectItem::ExprWithAlias {
            expr: argument.clone(),
            alias: quoted(column(n)),
        })
        .collect();
    let relation = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query_of(select)),
        alias: Some(table_alias(&name, &[])),
        sample: None,
    };
    let columns = (0..arguments.len()).map(|n| {
        let parts: Vec<Ident> = vec![quoted(name.as_str()), quoted(column(n))];
        Expr::CompoundIdentifier(parts)
    });
    (relation, columns.collect())
}

/// A relation, or one row of NULLs when it has none.
pub(super) fn one_row_or(rows: TableFactor) -> TableWithJoins {
    let mut one = star_from(Vec::new());
    one.projection = vec![SelectItem::UnnamedExpr(number("1"))];
    let one = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query_of(one)),
        alias: Some(table_alias("\u{1f}one", &["one".to_owned()])),
        sample: None,
    };
    TableWithJoins {
        relation: one,
        joins: vec![sqlparser::ast::Join {
            relation: rows,
            global: false,
            join_operator: JoinOperator::LeftOuter(JoinConstraint::On(Expr::Value(
                Value::Boolean(true).with_empty_span(),
            ))),
        }],
    }
}
