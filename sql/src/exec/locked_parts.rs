//! FOR UPDATE and its kin inside a statement.
//!
//! A query that locks rows and stands inside another statement is carried out before
//! it, once. Its rows, in the versions in which they were locked, are a relation in
//! memory for the rest of the statement. So such a query cannot depend on the row of
//! a query around it: that is refused.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{Cte, Query, SetExpr, Statement, Visit, VisitMut, Visitor, VisitorMut, With};

use super::planning::Parameters;
use super::target::Planning;
use super::with::{Step, Work};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::query::InMemory;
use crate::session::LockingPlan;

/// Whether a query inside the statement locks rows. Those that the statement itself
/// asks for, being a query, do not count.
pub(crate) fn are_in(statement: &Statement) -> bool {
    let outermost = match statement {
        Statement::Query(_) => 1,
        Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_) => 0,
        _ => return false,
    };
    statement
        .visit(&mut Finder {
            depth: 0,
            outermost,
        })
        .is_break()
}

struct Finder {
    depth: usize,
    outermost: usize,
}

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.depth += 1;
        if self.depth > self.outermost && !query.locks.is_empty() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// The statement without its locking clauses.
pub(crate) fn without_locks(statement: &Statement) -> Statement {
    struct Forget;
    impl VisitorMut for Forget {
        type Break = ();

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            query.locks.clear();
            ControlFlow::Continue(())
        }
    }
    let mut plain = statement.clone();
    let _ = VisitMut::visit(&mut plain, &mut Forget);
    plain
}

/// Whether an error may come from planning a query without those around it.
pub(crate) fn is_about_names(error: &SqlError) -> bool {
    [state::UNDEFINED_COLUMN, state::UNDEFINED_TABLE].contains(&error.sqlstate())
}

/// The error for a locking query that names something of a query around it.
pub(crate) fn correlated() -> SqlError {
    SqlError::unsupported("locking rows in a subquery that uses columns of an outer query")
        .hint("Join the tables, and lock the rows of one of them with FOR UPDATE OF.")
}

/// WITH queries that are in force at a place.
#[derive(Clone, Default)]
struct Scope {
    recursive: bool,
    parts: Vec<Cte>,
}

impl Scope {
    fn of(with: Option<&With>) -> Self {
        with.map_or_else(Self::default, |with| Self {
            recursive: with.recursive,
            parts: with.cte_tables.clone(),
        })
    }

    fn add(&mut self, part: &Cte) {
        let name = fold_identifier(&part.alias.name);
        self.parts
            .retain(|other| fold_identifier(&other.alias.name) != name);
        self.parts.push(part.clone());
    }

    fn clause(&self) -> Option<With> {
        (!self.parts.is_empty()).then(|| With {
            with_token: AttachedToken::empty(),
            recursive: self.recursive,
            cte_tables: self.parts.clone(),
        })
    }
}

/// Takes locking queries out of statements, and puts their results in their places.
pub(crate) struct Extractor<'a> {
    planning: &'a mut Planning,
    parameters: &'a mut Parameters,
    found: Vec<Step>,
}

impl<'a> Extractor<'a> {
    /// Nothing is taken out yet.
    pub(crate) fn new(planning: &'a mut Planning, parameters: &'a mut Parameters) -> Self {
        Self {
            planning,
            parameters,
            found: Vec::new(),
        }
    }

    /// What was taken out, in the order in which it is to be carried out.
    pub(crate) fn steps(self) -> Vec<Step> {
        self.found
    }

    /// Looks into a statement, which is no query itself.
    ///
    /// # Errors
    /// What planning the locking queries reports.
    pub(crate) fn statement(&mut self, statement: &mut Statement) -> Result<(), SqlError> {
        let scope = Scope::of(self.planning.with.as_ref());
        self.inside(statement, &scope)
    }

    /// Looks into a query, whose own locks stay what they are.
    ///
    /// # Errors
    /// What planning the locking queries reports.
    pub(crate) fn main(&mut self, query: &mut Query) -> Result<(), SqlError> {
        let scope = Scope::of(self.planning.with.as_ref());
        self.query(query, &scope, true)
    }

    /// Looks into a query that may be taken out as a whole.
    ///
    /// # Errors
    /// What planning the locking queries reports.
    pub(crate) fn part(&mut self, query: &mut Query) -> Result<(), SqlError> {
        let scope = Scope::of(self.planning.with.as_ref());
        self.query(query, &scope, false)
    }

    fn query(&mut self, query: &mut Query, around: &Scope, main: bool) -> Result<(), SqlError> {
        let mut scope = around.clone();
        if let Some(with) = &mut query.with {
            scope.recursive |= with.recursive;
            for part in &mut with.cte_tables {
                self.query(&mut part.query, &scope, false)?;
                scope.add(part);
            }
        }
        refuse_arms(&query.body)?;
        self.inside(&mut query.body, &scope)?;
        self.inside(&mut query.order_by, &scope)?;
        self.inside(&mut query.limit_clause, &scope)?;
        if main || query.locks.is_empty() {
            return Ok(());
        }
        let planning = Planning {
            with: around.clause(),
            ..self.planning.clone()
        };
        let plan = LockingPlan::plan(query, &planning, self.parameters)?;
        let columns = plan.columns().iter().map(|c| (c.name.clone(), c.pg_type));
        let number = self.planning.bound.len();
        let result = Arc::new(InMemory::result("locked", number, columns));
        *query = result.query()?;
        self.planning.bound.push(Arc::clone(&result));
        self.found.push(Step {
            work: Work::Lock(Arc::new(plan)),
            result: Some(result),
        });
        Ok(())
    }

    /// Looks into the queries directly inside `node`.
    fn inside<N: VisitMut>(&mut self, node: &mut N, scope: &Scope) -> Result<(), SqlError> {
        let mut inner = Inside {
            extractor: self,
            scope,
            depth: 0,
        };
        match node.visit(&mut inner) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

/// Rows of a set operation are not rows of a table.
fn refuse_arms(body: &SetExpr) -> Result<(), SqlError> {
    let SetExpr::SetOperation { left, right, .. } = body else {
        return Ok(());
    };
    for arm in [left, right] {
        refuse_arms(arm)?;
        if let SetExpr::Query(query) = arm.as_ref()
            && let Some(clause) = query.locks.first()
        {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                format!(
                    "{} is not allowed with UNION/INTERSECT/EXCEPT",
                    crate::session::lock_clause_name(clause)
                ),
            ));
        }
    }
    Ok(())
}

struct Inside<'e, 'a> {
    extractor: &'e mut Extractor<'a>,
    scope: &'e Scope,
    depth: usize,
}

impl VisitorMut for Inside<'_, '_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.depth += 1;
        if self.depth > 1 {
            return ControlFlow::Continue(());
        }
        match self.extractor.query(query, self.scope, false) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}
