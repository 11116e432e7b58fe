//! INTERSECT and EXCEPT, with ALL or without, as one relation of two queries that is
//! planned by [`super::super::relation`]: the planner's own take the types of the
//! left side and do not count copies.

use sqlparser::ast::{
    Join, JoinOperator, Query, SetExpr, SetOperator, SetQuantifier, TableAlias, TableFactor,
    TableWithJoins,
};

use super::super::names::quoted;
use super::select::{query_of, star_from};
use crate::error::SqlError;

/// Starts the names of such relations.
const MARK: &str = "\u{1f}set operation ";

/// A set operation that is a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct SetOperation {
    /// EXCEPT; INTERSECT otherwise.
    pub(in super::super) except: bool,
    /// Whether copies count.
    pub(in super::super) all: bool,
}

impl SetOperation {
    fn mark(self) -> String {
        let name = if self.except { "EXCEPT" } else { "INTERSECT" };
        let all = if self.all { " ALL" } else { "" };
        format!("{MARK}{name}{all}")
    }
}

/// The set operation as a SELECT from a relation.
///
/// # Errors
/// 0A000 for BY NAME.
pub(super) fn as_relation(
    op: SetOperator,
    quantifier: SetQuantifier,
    left: SetExpr,
    right: SetExpr,
) -> Result<SetExpr, SqlError> {
    let all = match quantifier {
        SetQuantifier::All => true,
        SetQuantifier::Distinct | SetQuantifier::None => false,
        _ => return Err(SqlError::unsupported("set operations BY NAME")),
    };
    let operation = SetOperation {
        except: op != SetOperator::Intersect,
        all,
    };
    let pair = TableWithJoins {
        relation: derived(left),
        joins: vec![Join {
            relation: derived(right),
            global: false,
            join_operator: JoinOperator::CrossJoin(sqlparser::ast::JoinConstraint::None),
        }],
    };
    let select = star_from(vec![TableWithJoins {
        relation: TableFactor::NestedJoin {
            table_with_joins: Box::new(pair),
            alias: Some(TableAlias {
                explicit: true,
                name: quoted(operation.mark()),
                columns: Vec::new(),
                at: None,
            }),
        },
        joins: Vec::new(),
    }]);
    Ok(SetExpr::Select(Box::new(select)))
}

fn derived(body: SetExpr) -> TableFactor {
    let subquery = match body {
        SetExpr::Query(query) => *query,
        body => Query {
            body: Box::new(body),
            ..query_of(star_from(Vec::new()))
        },
    };
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(subquery),
        alias: None,
        sample: None,
    }
}

/// The operation and the queries of a relation that is one.
pub(in super::super) fn of_relation(
    factor: &TableFactor,
) -> Option<(SetOperation, TableFactor, TableFactor)> {
    let TableFactor::NestedJoin {
        table_with_joins,
        alias: Some(alias),
    } = factor
    else {
        return None;
    };
    let operation = [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(except, all)| SetOperation { except, all })
        .find(|operation| operation.mark() == alias.name.value)?;
    let right = table_with_joins.joins.first()?.relation.clone();
    Some((operation, table_with_joins.relation.clone(), right))
}
