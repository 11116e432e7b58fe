//! What PostgreSQL forbids in a recursive query.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Cte, JoinOperator, ObjectNamePart, Query, Select, SetExpr, SetOperator, TableFactor,
    TableWithJoins, Visit, Visitor, With,
};

use super::super::correlate::has_aggregate;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Checks the recursive queries of a WITH.
///
/// # Errors
/// 42P19, 0A000.
pub(super) fn check(with: &With) -> Result<(), SqlError> {
    if !with.recursive {
        return Ok(());
    }
    for cte in &with.cte_tables {
        Recursion {
            name: fold_identifier(&cte.alias.name),
        }
        .query(cte)?;
    }
    Ok(())
}

/// Counts what mentions a table.
struct Mentions<'a> {
    name: &'a str,
    count: usize,
}

impl Visitor for Mentions<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if is_named(factor, self.name) {
            self.count += 1;
        }
        ControlFlow::Continue(())
    }
}

fn is_named(factor: &TableFactor, name: &str) -> bool {
    let TableFactor::Table {
        name: table,
        args: None,
        ..
    } = factor
    else {
        return false;
    };
    matches!(table.0.as_slice(), [ObjectNamePart::Identifier(ident)] if fold_identifier(ident) == name)
}

/// A query that may mention itself.
struct Recursion {
    name: String,
}

impl Recursion {
    fn mentions(&self, part: &impl Visit) -> usize {
        let mut mentions = Mentions {
            name: &self.name,
            count: 0,
        };
        let _ = part.visit(&mut mentions);
        mentions.count
    }

    fn wrong(&self, place: &str) -> SqlError {
        SqlError::new(
            state::INVALID_RECURSION,
            format!(
                "recursive reference to query \"{}\" must not appear {place}",
                self.name
            ),
        )
    }

    fn query(&self, cte: &Cte) -> Result<(), SqlError> {
        let query = &cte.query;
        if self.mentions(query.as_ref()) == 0 {
            return Ok(());
        }
        let SetExpr::SetOperation {
            op: SetOperator::Union,
            left,
            right,
            ..
        } = query.body.as_ref()
        else {
            return Err(SqlError::new(
                state::INVALID_RECURSION,
                format!(
                    "recursive query \"{}\" does not have the form non-recursive-term UNION [ALL] recursive-term",
                    self.name
                ),
            ));
        };
        if self.mentions(left.as_ref()) > 0 {
            return Err(self.wrong("within its non-recursive term"));
        }
        refuse_clauses(query)?;
        self.term(right)?;
        if self.mentions(right.as_ref()) > 1 {
            return Err(self.wrong("more than once"));
        }
        Ok(())
    }

    /// The recursive term.
    fn term(&self, term: &SetExpr) -> Result<(), SqlError> {
        match term {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.term(&query.body),
            SetExpr::SetOperation {
                op, left, right, ..
            } => {
                let inside = |part: &SetExpr| self.mentions(part) > 0;
                match op {
                    SetOperator::Except | SetOperator::Minus if inside(right) => {
                        return Err(self.wrong("within EXCEPT"));
                    }
                    SetOperator::Intersect if inside(left) || inside(right) => {
                        return Err(self.wrong("within INTERSECT"));
                    }
                    _ => {}
                }
                self.term(left)?;
                self.term(right)
            }
            _ => Ok(()),
        }
    }

    fn select(&self, select: &Select) -> Result<(), SqlError> {
        let mut direct = false;
        for table in &select.from {
            direct |= is_named(&table.relation, &self.name);
            direct |= table
                .joins
                .iter()
                .any(|join| is_named(&join.relation, &self.name));
            self.joins(table)?;
        }
        let in_from: usize = select.from.iter().map(|table| self.mentions(table)).sum();
        if self.mentions(select) > in_from {
            return Err(self.wrong("within a subquery"));
        }
        if direct && (has_aggregate(select) || select.having.is_some()) {
            return Err(SqlError::new(
                state::INVALID_RECURSION,
                "aggregate functions are not allowed in a recursive query's recursive term",
            ));
        }
        Ok(())
    }

    /// Refuses the reference where a join makes rows of NULLs.
    fn joins(&self, table: &TableWithJoins) -> Result<(), SqlError> {
        let mut before = self.mentions(&table.relation) > 0;
        for join in &table.joins {
            let here = self.mentions(&join.relation) > 0;
            let wrong = match &join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => here,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => before,
                JoinOperator::FullOuter(_) => here || before,
                _ => false,
            };
            if wrong {
                return Err(self.wrong("within an outer join"));
            }
            before |= here;
        }
        Ok(())
    }
}

fn refuse_clauses(query: &Query) -> Result<(), SqlError> {
    use sqlparser::ast::LimitClause;
    let unsupported = |what: &str| {
        Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!("{what} in a recursive query is not implemented"),
        ))
    };
    if query.order_by.is_some() {
        return unsupported("ORDER BY");
    }
    match &query.limit_clause {
        Some(LimitClause::LimitOffset {
            offset: Some(_), ..
        }) => return unsupported("OFFSET"),
        Some(_) => return unsupported("LIMIT"),
        None if query.fetch.is_some() => return unsupported("LIMIT"),
        None => {}
    }
    if !query.locks.is_empty() {
        return unsupported("FOR UPDATE/SHARE");
    }
    Ok(())
}
