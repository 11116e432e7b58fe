//! VALUES with subqueries in it.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Query, SelectItem, SetExpr, SetOperator, SetQuantifier, Values, Visit, Visitor,
};

use super::super::names::quoted;
use super::super::rewrite::call;
use super::select::star_from;
use crate::error::{SqlError, state};

/// Most rows of a VALUES list in which subqueries are possible.
const VALUES_WITH_SUBQUERIES: usize = 64;

/// VALUES with subqueries as SELECTs under UNION ALL: the planner computes
/// VALUES before a subquery could have run.
pub(super) fn values_as_selects(values: &mut Values) -> Result<Option<SetExpr>, SqlError> {
    let subquery = values
        .rows
        .iter()
        .any(|row| row.content.iter().any(has_subquery));
    if !subquery {
        // The planner wants columns of tables to be nothing but values.
        for value in values.rows.iter_mut().flat_map(|row| &mut row.content) {
            if matches!(value, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
                *value = call("__plain", vec![value.clone()]);
            }
        }
        return Ok(None);
    }
    if values.rows.len() > VALUES_WITH_SUBQUERIES {
        return Err(SqlError::unsupported(format!(
            "subqueries in VALUES of more than {VALUES_WITH_SUBQUERIES} rows"
        )));
    }
    let mut width = None;
    let mut union: Option<SetExpr> = None;
    for row in std::mem::take(&mut values.rows) {
        if *width.get_or_insert(row.content.len()) != row.content.len() {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "VALUES lists must all be the same length",
            ));
        }
        let mut select = star_from(Vec::new());
        select.projection = (1..)
            .zip(row.content)
            .map(|(number, expr)| SelectItem::ExprWithAlias {
                expr,
                alias: quoted(format!("column{number}")),
            })
            .collect();
        let select = SetExpr::Select(Box::new(select));
        union = Some(match union {
            None => select,
            Some(before) => SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                left: Box::new(before),
                right: Box::new(select),
            },
        });
    }
    Ok(union)
}

fn has_subquery(expr: &Expr) -> bool {
    struct Subqueries;
    impl Visitor for Subqueries {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Subqueries).is_break()
}
