//! Statements of a simple query whose shape was seen before run on the plan that the
//! shape has, without being read and planned again.
//!
//! Whatever is in doubt goes the long way: a statement that has an error gets it there,
//! with its place in the text that the client sent.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use sqlparser::ast::{Insert, SetExpr, Statement};

use super::execute::Execution;
use super::parse::{Command, parse};
use super::plan::{CachedPlan, Prepared};
use super::shape::{Literal, Shape, shape};
use super::{Block, Outcome, Session};
use crate::error::SqlError;
use crate::types::{Datum, PgType, text_in};

/// How many shapes a session remembers.
const SHAPES_MAX: NonZeroUsize = NonZeroUsize::new(128).unwrap();

/// What is known of the shapes of a session's statements.
pub(super) struct Shapes(LruCache<String, Known>);

/// What is known of a shape.
#[derive(Clone)]
enum Known {
    /// Its statements go the long way.
    Unfit,
    /// Its statements run on this.
    Prepared(Arc<Prepared>),
}

/// A statement that is ready to run.
#[derive(Debug)]
pub struct Recalled {
    prepared: Arc<Prepared>,
    plan: Arc<CachedPlan>,
    parameters: Vec<Datum>,
    source: Arc<str>,
}

impl Default for Shapes {
    fn default() -> Self {
        Self(LruCache::new(SHAPES_MAX))
    }
}

impl fmt::Debug for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shapes").field(&self.0.len()).finish()
    }
}

impl Session {
    /// A query string as a statement that is ready to run, if it is one of a shape that
    /// has a plan. [`Session::run_recalled`] runs it.
    pub fn recall(&mut self, sql: &str) -> Option<Recalled> {
        if !self.settings.fast_path() || self.failed {
            return None;
        }
        let shape = shape(sql)?;
        let key = key_of(&shape);
        let prepared = match self.shapes.0.get(&key).cloned() {
            Some(Known::Prepared(prepared)) => prepared,
            Some(Known::Unfit) => return None,
            None => {
                let learnt = self.learn(&shape);
                let known = learnt.clone().map_or(Known::Unfit, Known::Prepared);
                self.shapes.0.put(key, known);
                learnt?
            }
        };
        self.state.starts(shape.text, self.engine.now_us());
        let recalled = self.bound(&prepared, &shape, sql);
        if recalled.is_none() {
            self.statement_done();
            // What it was learnt from may have changed.
            self.shapes.0.pop(&key_of(&shape));
        }
        recalled
    }

    /// The plan with the values of a statement; none when anything is wrong with them.
    fn bound(
        &mut self,
        prepared: &Arc<Prepared>,
        shape: &Shape<'_>,
        sql: &str,
    ) -> Option<Recalled> {
        let statement = prepared.statement.as_ref()?;
        self.start_statement(&statement.command).ok()?;
        let plan = self.current_plan(prepared).ok()?;
        let format = self.format();
        let values = shape.literals.iter().zip(&plan.parameters);
        let value = |(literal, ty): (&Literal, &PgType)| match literal {
            Literal::Int4(value) => Some(Datum::Int4(*value)),
            Literal::Int8(value) => Some(Datum::Int8(*value)),
            Literal::Text(text) => text_in(*ty, text, &format).ok(),
        };
        Some(Recalled {
            parameters: values.map(value).collect::<Option<_>>()?,
            prepared: Arc::clone(prepared),
            plan,
            source: Arc::from(sql),
        })
    }

    /// Prepares the statement of a shape; none when a parameter might mean anything else
    /// than the literal.
    fn learn(&mut self, shape: &Shape<'_>) -> Option<Arc<Prepared>> {
        let declared: Vec<u32> = shape.literals.iter().map(Literal::declared).collect();
        let mut statements = parse(&shape.pattern).ok()?;
        let statement = statements.pop()?;
        if !self.is_fit(&statement.command, &declared) {
            return None;
        }
        let prepared = self.prepare_statement(statement, &declared).ok()?;
        let plan = prepared.plan.lock().clone();
        let typed =
            plan.parameters.len() == declared.len()
                && plan.parameters.iter().zip(&declared).all(|(ty, declared)| {
                    ty.oid() == *declared || *declared == 0 && reads_alike(*ty)
                });
        typed.then_some(prepared)
    }

    /// Whether the statements of a shape may run on one plan.
    fn is_fit(&mut self, command: &Command, declared: &[u32]) -> bool {
        let Command::Sql(statement) = command else {
            return false;
        };
        match statement.as_ref() {
            Statement::Insert(insert) => inserts_values(insert),
            Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. } => true,
            _ => matches!(self.is_fast(command, declared), Ok(true)),
        }
    }

    /// Runs a statement that was recalled.
    ///
    /// # Errors
    /// Whatever the statement fails with; the transaction is then aborted.
    pub async fn run_recalled(&mut self, recalled: Recalled) -> Result<Outcome, SqlError> {
        let result = self.run_bound(recalled).await;
        self.preceded = false;
        if result.is_err() {
            self.abort();
        }
        result
    }

    async fn run_bound(&mut self, recalled: Recalled) -> Result<Outcome, SqlError> {
        let Some(statement) = &recalled.prepared.statement else {
            return Ok(Outcome::Empty);
        };
        recalled.prepared.note_run();
        let execution = Execution {
            parameters: recalled.parameters,
            result_formats: Vec::new(),
            declared: recalled.plan.parameters.iter().map(|ty| ty.oid()).collect(),
            source: recalled.source,
            simple: true,
        };
        let declared = &recalled.prepared.declared;
        let outcome = self
            .run_plan(statement, declared, recalled.plan, &execution)
            .await?;
        if self.block == Block::Implicit && matches!(outcome, Outcome::Command(_)) {
            self.commit_open().await?;
        }
        Ok(outcome)
    }
}

/// The pattern with the kinds of its literals.
fn key_of(shape: &Shape<'_>) -> String {
    let kind = |literal: &Literal| match literal {
        Literal::Int4(_) => 'i',
        Literal::Int8(_) => 'b',
        Literal::Text(_) => 't',
    };
    let mut key = String::with_capacity(shape.pattern.len() + shape.literals.len() + 1);
    key.push_str(&shape.pattern);
    // No pattern has it.
    key.push('\0');
    key.extend(shape.literals.iter().map(kind));
    key
}

/// Whether a statement is INSERT … VALUES and nothing else.
fn inserts_values(insert: &Insert) -> bool {
    let values = insert.source.as_ref().is_some_and(|query| {
        query.with.is_none() && matches!(query.body.as_ref(), SetExpr::Values(_))
    });
    values && insert.on.is_none() && insert.returning.is_none()
}

/// Types of which a parameter's text is read as a literal is.
fn reads_alike(ty: PgType) -> bool {
    use PgType::{
        Bool, Date, Float4, Float8, Int2, Int4, Int8, Text, Timestamp, Timestamptz, Uuid, Varchar,
    };
    matches!(
        ty,
        Bool | Date
            | Float4
            | Float8
            | Int2
            | Int4
            | Int8
            | Text
            | Timestamp
            | Timestamptz
            | Uuid
            | Varchar(_)
    )
}
