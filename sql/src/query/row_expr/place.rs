//! Where a row expression stands, and what PostgreSQL refuses there.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use sqlparser::ast::{Expr, Function, ObjectNamePart, Query, Visit, Visitor};

use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Where a row expression stands.
#[allow(
    dead_code,
    reason = "a place is listed with its messages before it is used"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// RETURNING.
    Returning,
    /// The new values of an UPDATE, of ON CONFLICT DO UPDATE or of MERGE.
    Update,
    /// The values of an INSERT.
    Values,
    /// A condition on rows that are changed.
    Where,
    /// A condition of MERGE.
    MergeWhen,
    /// The default of a column.
    Default,
    /// A CHECK constraint.
    Check,
    /// A generated column.
    Generated,
    /// An expression of an index.
    IndexExpression,
    /// The condition of a partial index.
    IndexPredicate,
    /// The USING of ALTER COLUMN TYPE.
    Using,
    /// A value that a table is partitioned by.
    PartitionKey,
    /// A value of a partition's bound.
    PartitionBound,
}

impl Place {
    /// How PostgreSQL calls the place, in the plural.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Returning => "RETURNING",
            Self::Update => "UPDATE",
            Self::Values => "VALUES",
            Self::Where => "WHERE",
            Self::MergeWhen => "MERGE WHEN conditions",
            Self::Default => "DEFAULT expressions",
            Self::Check => "check constraints",
            Self::Generated => "column generation expressions",
            Self::IndexExpression => "index expressions",
            Self::IndexPredicate => "index predicates",
            Self::Using => "transform expressions",
            Self::PartitionKey => "partition key expressions",
            Self::PartitionBound => "partition bound",
        }
    }

    /// How PostgreSQL calls the place where it refuses a subquery there.
    fn refuses_subqueries(self) -> Option<&'static str> {
        match self {
            Self::Returning | Self::Update | Self::Values | Self::Where | Self::MergeWhen => None,
            Self::Default => Some("DEFAULT expression"),
            Self::Check => Some("check constraint"),
            Self::Generated => Some("column generation expression"),
            Self::IndexExpression => Some("index expression"),
            Self::IndexPredicate => Some("index predicate"),
            Self::Using => Some("transform expression"),
            Self::PartitionKey => Some("partition key expression"),
            Self::PartitionBound => Some("partition bound"),
        }
    }

    /// Refuses what may not stand in an expression of this place.
    ///
    /// # Errors
    /// 42803 for aggregates, 42P20 for window functions, 0A000 for subqueries.
    pub(super) fn check(self, expr: &Expr, state: &SessionState) -> Result<(), SqlError> {
        let mut checker = Checker {
            place: self,
            state,
            depth: 0,
        };
        match expr.visit(&mut checker) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// The error for a function that gives sets.
    pub(super) fn refuse_sets(self) -> SqlError {
        SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!("set-returning functions are not allowed in {}", self.name()),
        )
    }
}

struct Checker<'a> {
    place: Place,
    state: &'a SessionState,
    /// How many queries enclose the current place.
    depth: usize,
}

impl Checker<'_> {
    fn function(&self, function: &Function) -> Result<(), SqlError> {
        let name = match function.name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => fold_identifier(ident),
            _ => return Ok(()),
        };
        if function.over.is_some() {
            return Err(SqlError::new(
                state::WINDOWING_ERROR,
                format!("window functions are not allowed in {}", self.place.name()),
            ));
        }
        let aggregate = self.state.aggregate_functions().contains_key(&name)
            && !self.state.scalar_functions().contains_key(&name);
        if aggregate || name == "every" {
            return Err(SqlError::new(
                state::GROUPING_ERROR,
                format!(
                    "aggregate functions are not allowed in {}",
                    self.place.name()
                ),
            ));
        }
        if matches!(name.as_str(), "generate_series" | "unnest") {
            return Err(self.place.refuse_sets());
        }
        Ok(())
    }
}

impl Visitor for Checker<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<SqlError> {
        if let Some(place) = self.place.refuses_subqueries() {
            return ControlFlow::Break(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                format!("cannot use subquery in {place}"),
            ));
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<SqlError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SqlError> {
        if self.depth == 0
            && let Expr::Function(function) = expr
            && let Err(error) = self.function(function)
        {
            return ControlFlow::Break(error);
        }
        ControlFlow::Continue(())
    }
}
