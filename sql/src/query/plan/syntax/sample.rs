//! TABLESAMPLE: a subquery that keeps a part of the rows. Every row is a block of its
//! own, so that SYSTEM and BERNOULLI do the same.

use sqlparser::ast::{
    BinaryOperator, Expr, TableAlias, TableFactor, TableSample, TableSampleKind, TableSampleMethod,
    TableSampleSeedModifier, TableWithJoins,
};

use super::super::names::quoted;
use super::super::rewrite::{call, number};
use super::from::function_name;
use super::select::{query_of, star_from};
use crate::error::{SqlError, state};

/// Puts a subquery in the place of a sampled table, whose columns are `columns`.
///
/// # Errors
/// 42704 for a method that is not there, 0A000 for what is no stored table or view.
pub(super) fn sampled(
    factor: &mut TableFactor,
    columns: Option<Vec<String>>,
) -> Result<(), SqlError> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        sample: sample @ Some(_),
        ..
    } = factor
    else {
        return Ok(());
    };
    let Some(TableSampleKind::AfterTableAlias(clause) | TableSampleKind::BeforeTableAlias(clause)) =
        sample.take()
    else {
        return Ok(());
    };
    let alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: quoted(function_name(name)),
        columns: Vec::new(),
        at: None,
    });
    let columns = columns.ok_or_else(|| SqlError::unsupported("TABLESAMPLE of such a table"))?;
    let table = TableWithJoins {
        relation: factor.clone(),
        joins: Vec::new(),
    };
    let mut select = star_from(vec![table]);
    select.selection = Some(condition(*clause, columns)?);
    *factor = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query_of(select)),
        alias: Some(alias),
        sample: None,
    };
    Ok(())
}

/// Whether a row is in the sample.
fn condition(clause: TableSample, columns: Vec<String>) -> Result<Expr, SqlError> {
    let wrong = || SqlError::new(state::SYNTAX_ERROR, "syntax error in TABLESAMPLE");
    match clause.name {
        Some(TableSampleMethod::Bernoulli | TableSampleMethod::System) => {}
        Some(other) => {
            return Err(SqlError::new(
                state::UNDEFINED_OBJECT,
                format!(
                    "tablesample method {} does not exist",
                    other.to_string().to_lowercase()
                ),
            ));
        }
        None => return Err(wrong()),
    }
    let quantity = clause
        .quantity
        .filter(|q| q.parenthesized && q.unit.is_none());
    let (Some(quantity), None, None) = (quantity, clause.bucket, clause.offset) else {
        return Err(wrong());
    };
    let place = match clause.seed {
        None => call("random", Vec::new()),
        Some(seed) if seed.modifier == TableSampleSeedModifier::Repeatable => {
            let mut args = vec![Expr::Value(seed.value)];
            args.extend(columns.into_iter().map(|c| Expr::Identifier(quoted(c))));
            call("__sample_place", args)
        }
        Some(_) => return Err(wrong()),
    };
    let in_percent = Expr::BinaryOp {
        left: Box::new(place),
        op: BinaryOperator::Multiply,
        right: Box::new(number("100")),
    };
    Ok(Expr::BinaryOp {
        left: Box::new(in_percent),
        op: BinaryOperator::Lt,
        right: Box::new(call("__sample_percent", vec![quantity.value])),
    })
}
