//! WITH before statements that write, and statements that write inside WITH.
//!
//! All parts of such a statement see the same snapshot and gather their changes in one
//! layer, so that none sees what another does; what a part returns is a relation in
//! memory for those that name it. Parts that the main statement needs run before it,
//! in their order, the others after it, so that of two changes of one row the one wins
//! that would win in PostgreSQL.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{
    Cte, ObjectNamePart, Query, SetExpr, Statement, TableFactor, Visit, Visitor, With,
};

use super::planning::Parameters;
use super::returning::Returning;
use super::target::Planning;
use super::write_plan::WritePlan;
use super::{change, insert, merge};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::query::{InMemory, PlannedQuery};

/// A statement with parts that write.
#[derive(Debug)]
pub(crate) struct WithPlan {
    pub(crate) before: Vec<Step>,
    pub(crate) main: Main,
    pub(crate) after: Vec<Step>,
}

/// A part that writes.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) plan: WritePlan,
    /// What it returns, as others read it.
    pub(crate) result: Option<Arc<InMemory>>,
}

/// The main statement.
#[derive(Debug)]
pub(crate) enum Main {
    Query(Box<PlannedQuery>),
    Write(Box<WritePlan>),
}

/// Plans an INSERT, UPDATE, DELETE or MERGE; nothing for any other statement.
///
/// # Errors
/// What planning it reports.
pub(crate) fn plan_write(
    statement: &Statement,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<Option<WritePlan>, SqlError> {
    Ok(Some(match statement {
        Statement::Insert(insert) if !insert.into => {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "syntax error: INSERT without INTO",
            ));
        }
        Statement::Insert(insert) => WritePlan::Insert(insert::plan(insert, planning, parameters)?),
        Statement::Update(update) => {
            WritePlan::Update(change::plan_update(update, planning, parameters)?)
        }
        Statement::Delete(delete) => {
            WritePlan::Delete(change::plan_delete(delete, planning, parameters)?)
        }
        Statement::Merge(merge) => WritePlan::Merge(merge::plan(merge, planning, parameters)?),
        _ => return Ok(None),
    }))
}

/// The statement that a query is, if it is one that writes.
fn writing(query: &Query) -> Option<&Statement> {
    match query.body.as_ref() {
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => Some(statement),
        _ => None,
    }
}

/// Whether a statement is, or has in its WITH, one that writes.
pub(crate) fn writes(query: &Query) -> bool {
    let mut parts = query.with.iter().flat_map(|with| &with.cte_tables);
    writing(query).is_some() || parts.any(|cte| writing(&cte.query).is_some())
}

/// Plans a statement for which [`writes`] is true.
///
/// # Errors
/// What planning its parts reports.
pub(crate) fn plan(
    query: &Query,
    mut planning: Planning,
    parameters: &mut Parameters,
) -> Result<WithPlan, SqlError> {
    let mut main = query.clone();
    let with = main.with.take();
    let recursive = with.as_ref().is_some_and(|with| with.recursive);
    let token = with.as_ref().map(|with| with.with_token.clone());
    let parts = with.map(|with| with.cte_tables).unwrap_or_default();
    check_names(&parts)?;
    let needed = needed(&main, &parts);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut known: Vec<Cte> = Vec::with_capacity(parts.len());
    for mut part in parts {
        let name = fold_identifier(&part.alias.name);
        planning.with = token.clone().map(|with_token| With {
            with_token,
            recursive,
            cte_tables: known.clone(),
        });
        if let Some(statement) = writing(&part.query) {
            let step = plan_step(statement, &part, &name, &planning, parameters)?;
            let is_needed = needed.contains(&name);
            match &step.result {
                Some(result) => {
                    part.query = Box::new(result.query()?);
                    planning.bound.push(Arc::clone(result));
                    known.push(part);
                }
                None if is_needed => {
                    return Err(SqlError::new(
                        state::FEATURE_NOT_SUPPORTED,
                        format!("WITH query \"{name}\" does not have a RETURNING clause"),
                    ));
                }
                None => {}
            }
            if is_needed {
                before.push(step);
            } else {
                after.push(step);
            }
        } else {
            known.push(part);
        }
    }
    planning.with = token.map(|with_token| With {
        with_token,
        recursive,
        cte_tables: known,
    });
    let main = match writing(&main) {
        Some(statement) => match plan_write(statement, &planning, parameters)? {
            Some(plan) => Main::Write(Box::new(plan)),
            None => return Err(SqlError::unsupported(format!("WITH … {statement}"))),
        },
        None => {
            let planned = planning.query(&main, parameters)?;
            if let Some(clause) = planned.lock_clauses().first() {
                let clause = crate::session::lock_clause_name(clause);
                return Err(SqlError::unsupported(format!(
                    "{clause} beside statements that write"
                )));
            }
            Main::Query(Box::new(planned))
        }
    };
    Ok(WithPlan {
        before,
        main,
        after,
    })
}

fn plan_step(
    statement: &Statement,
    part: &Cte,
    name: &str,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<Step, SqlError> {
    if matches!(statement, Statement::Merge(_)) {
        return Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            "MERGE not supported in WITH query",
        ));
    }
    let Some(plan) = plan_write(statement, planning, parameters)? else {
        return Err(SqlError::unsupported(format!("{} in WITH", part.query)));
    };
    let result = match plan.fields()? {
        None => None,
        Some(fields) => {
            let columns = fields.into_iter().map(|field| (field.name, field.ty));
            let number = planning.bound.len();
            Some(Arc::new(InMemory::result(name, number, columns)))
        }
    };
    Ok(Step { plan, result })
}

fn check_names(parts: &[Cte]) -> Result<(), SqlError> {
    for (at, part) in parts.iter().enumerate() {
        let name = fold_identifier(&part.alias.name);
        let mut before = parts.iter().take(at);
        if before.any(|other| fold_identifier(&other.alias.name) == name) {
            return Err(SqlError::new(
                state::DUPLICATE_ALIAS,
                format!("WITH query name \"{name}\" specified more than once"),
            ));
        }
    }
    Ok(())
}

/// The parts that the main statement reads, directly or through others.
fn needed(main: &Query, parts: &[Cte]) -> Vec<String> {
    let mut names = Mentioned(Vec::new());
    let _ = main.visit(&mut names);
    for part in parts.iter().rev() {
        if names.0.contains(&fold_identifier(&part.alias.name)) {
            let _ = part.query.visit(&mut names);
        }
    }
    names.0
}

/// Names without schema that stand in FROM.
struct Mentioned(Vec<String>);

impl Visitor for Mentioned {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor
            && let [ObjectNamePart::Identifier(name)] = name.0.as_slice()
        {
            self.0.push(fold_identifier(name));
        }
        ControlFlow::Continue(())
    }
}

impl WithPlan {
    /// All parts that write.
    pub(crate) fn write_plans(&self) -> impl Iterator<Item = &WritePlan> {
        let main = match &self.main {
            Main::Write(plan) => Some(plan.as_ref()),
            Main::Query(_) => None,
        };
        let steps = self.before.iter().chain(&self.after).map(|step| &step.plan);
        steps.chain(main)
    }

    /// What the main statement returns of each row it changes.
    pub(crate) fn returning(&self) -> Option<&Returning> {
        match &self.main {
            Main::Write(plan) => plan.returning(),
            Main::Query(_) => None,
        }
    }
}
