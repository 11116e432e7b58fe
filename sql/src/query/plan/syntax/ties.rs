//! `FETCH FIRST … WITH TIES`: as a condition on the rank of a row.
//!
//! Of the rows after the offset the first `n` are wanted, and those that are no
//! different from the last of them in what is sorted by: those of rank
//! `offset + n` or less.

use sqlparser::ast::{
    BinaryOperator, Expr, LimitClause, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr,
    TableAlias, TableFactor, TableWithJoins, Value, WindowSpec, WindowType,
};

use super::super::names::quoted;
use super::super::rewrite::{call, number};
use super::select::{query_of, star_from};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// The name of a query whose rows are ranked.
const NAME: &str = "\u{1f}ranked";

/// Takes the clause out of a query whose parts are rewritten already.
///
/// # Errors
/// 42601 without ORDER BY, or with SKIP LOCKED.
pub(super) fn rank_ties(query: &mut Query) -> Result<(), SqlError> {
    let Some(fetch) = query.fetch.take() else {
        return Ok(());
    };
    if fetch.percent {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "syntax error at or near \"PERCENT\"",
        ));
    }
    let Some(order_by) = query.order_by.clone() else {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "WITH TIES cannot be specified without ORDER BY clause",
        ));
    };
    let OrderByKind::Expressions(mut keys) = order_by.kind else {
        return Err(SqlError::unsupported("ORDER BY ALL"));
    };
    let wanted = fetch.quantity.unwrap_or_else(|| number("1"));
    let offset = match query.limit_clause.take() {
        None => None,
        Some(LimitClause::LimitOffset {
            limit: None,
            offset,
            ..
        }) => offset.map(|offset| offset.value),
        Some(_) => {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "multiple LIMIT clauses not allowed",
            ));
        }
    };
    if matches!(&wanted, Expr::Value(v) if v.value == Value::Null) {
        return Err(SqlError::new(
            state::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE,
            "row count cannot be null in FETCH FIRST ... WITH TIES clause",
        ));
    }
    let plain = matches!(query.body.as_ref(), SetExpr::Select(select) if select.distinct.is_none());
    if !plain {
        wrap(query);
    }
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Ok(());
    };
    for key in &mut keys {
        key.expr = sorted_by(&key.expr, &select.projection);
    }
    let last = match &offset {
        None => nested(wanted),
        Some(offset) => binary(nested(offset.clone()), BinaryOperator::Plus, nested(wanted)),
    };
    let mut condition = binary(over("rank", &keys), BinaryOperator::LtEq, last);
    if let Some(offset) = offset {
        let after = binary(
            over("row_number", &keys),
            BinaryOperator::Gt,
            nested(offset),
        );
        condition = binary(after, BinaryOperator::And, condition);
    }
    select.qualify = Some(condition);
    Ok(())
}

/// `SELECT * FROM (query)` with the query's order outside.
fn wrap(query: &mut Query) {
    let order_by = query.order_by.take();
    let with = query.with.take();
    let inner = std::mem::replace(query, query_of(star_from(Vec::new())));
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = vec![TableWithJoins {
            relation: TableFactor::Derived {
                lateral: false,
                subquery: Box::new(inner),
                alias: Some(TableAlias {
                    explicit: true,
                    name: quoted(NAME),
                    columns: Vec::new(),
                    at: None,
                }),
                sample: None,
            },
            joins: Vec::new(),
        }];
    }
    query.order_by = order_by;
    query.with = with;
}

/// What a key of ORDER BY means: a position and the name of a column stand for it.
fn sorted_by(key: &Expr, columns: &[SelectItem]) -> Expr {
    if let Expr::Value(value) = key
        && let Value::Number(digits, _) = &value.value
        && let Some(position) = digits.parse::<usize>().ok().and_then(|n| n.checked_sub(1))
        && let Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) =
            columns.get(position)
    {
        return nested(expr.clone());
    }
    if let Expr::Identifier(ident) = key {
        let name = fold_identifier(ident);
        for column in columns {
            if let SelectItem::ExprWithAlias { expr, alias } = column
                && fold_identifier(alias) == name
            {
                return nested(expr.clone());
            }
        }
    }
    key.clone()
}

fn over(function: &str, keys: &[OrderByExpr]) -> Expr {
    let mut call = call(function, Vec::new());
    if let Expr::Function(function) = &mut call {
        function.over = Some(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by: Vec::new(),
            order_by: keys.to_vec(),
            window_frame: None,
        }));
    }
    call
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}
