//! A row IN a subquery of several columns.
//!
//! It is true when a row of the subquery is equal in all columns, and unknown when
//! none is but of one nobody can say that it is not: two EXISTS ask for that, about
//! the subquery as a table whose columns have names that nothing else has.

use sqlparser::ast::{
    BinaryOperator, Expr, Query, SelectItem, TableAlias, TableAliasColumnDef, TableFactor,
    TableWithJoins, Value,
};

use super::super::names::quoted;
use super::super::syntax::{query_of, star_from};
use super::ast::{binary, number};
use crate::error::{SqlError, state};

/// The name of the subquery, and the start of those of its columns.
const NAME: &str = "\u{1f}row";

/// `(a, b) IN (subquery)`, with the members of the row.
pub(super) fn row_in_subquery(
    row: &[Expr],
    subquery: &Query,
    negated: bool,
) -> Result<Expr, SqlError> {
    let columns: Vec<String> = (0..row.len()).map(|i| format!("{NAME}{i}")).collect();
    let equal = row
        .iter()
        .zip(&columns)
        .map(|(member, column)| {
            let column = Expr::CompoundIdentifier(vec![quoted(NAME), quoted(column)]);
            let member = Expr::Nested(Box::new(member.clone()));
            binary(member, BinaryOperator::Eq, column)
        })
        .reduce(|a, b| binary(a, BinaryOperator::And, b))
        .ok_or_else(|| SqlError::new(state::SYNTAX_ERROR, "syntax error at or near \")\""))?;
    let equal = Expr::Nested(Box::new(equal));
    let exists = |condition| exists(subquery, &columns, condition);
    let value = |value| Expr::Value(Value::Boolean(value).with_empty_span());
    let null = Expr::Value(Value::Null.with_empty_span());
    let unknown = Expr::IsNull(Box::new(equal.clone()));
    Ok(Expr::Nested(Box::new(case(
        vec![(exists(equal), value(!negated)), (exists(unknown), null)],
        value(negated),
    ))))
}

fn exists(subquery: &Query, columns: &[String], condition: Expr) -> Expr {
    let mut select = star_from(vec![TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(subquery.clone()),
            alias: Some(TableAlias {
                explicit: true,
                name: quoted(NAME),
                columns: columns
                    .iter()
                    .map(|name| TableAliasColumnDef {
                        name: quoted(name),
                        data_type: None,
                    })
                    .collect(),
                at: None,
            }),
            sample: None,
        },
        joins: Vec::new(),
    }]);
    select.projection = vec![SelectItem::UnnamedExpr(number("1"))];
    select.selection = Some(condition);
    Expr::Exists {
        subquery: Box::new(query_of(select)),
        negated: false,
    }
}

fn case(branches: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    use sqlparser::ast::CaseWhen;
    use sqlparser::ast::helpers::attached_token::AttachedToken;
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: branches
            .into_iter()
            .map(|(condition, result)| CaseWhen { condition, result })
            .collect(),
        else_result: Some(Box::new(otherwise)),
    }
}
