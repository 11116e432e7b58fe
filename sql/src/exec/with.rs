//! WITH before statements that write, and statements that write or lock inside others.
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

use super::locked_parts::Extractor;
use super::planning::Parameters;
use super::returning::Returning;
use super::target::Planning;
use super::write_plan::WritePlan;
use super::{change, insert, merge};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::query::{InMemory, PlannedQuery};
use crate::session::LockingPlan;

/// A statement with parts that write.
#[derive(Debug)]
pub(crate) struct WithPlan {
    pub(crate) before: Vec<Step>,
    pub(crate) main: Main,
    pub(crate) after: Vec<Step>,
}

/// A part that writes or locks.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) work: Work,
    /// What it returns, as others read it.
    pub(crate) result: Option<Arc<InMemory>>,
}

/// What a part does.
#[derive(Debug)]
pub(crate) enum Work {
    Write(Box<WritePlan>),
    Lock(Arc<LockingPlan>),
}

/// The main statement.
#[derive(Debug)]
pub(crate) enum Main {
    Query(Box<PlannedQuery>),
    /// A query that locks the rows it gives.
    Locking(Arc<LockingPlan>),
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

/// Plans a statement for which [`writes`] is true, or with locking queries inside.
///
/// # Errors
/// What planning its parts reports.
pub(crate) fn plan_statement(
    statement: &Statement,
    mut planning: Planning,
    parameters: &mut Parameters,
) -> Result<WithPlan, SqlError> {
    if let Statement::Query(query) = statement {
        return plan(query, planning, parameters);
    }
    let mut statement = statement.clone();
    let mut extractor = Extractor::new(&mut planning, parameters);
    extractor.statement(&mut statement)?;
    let before = extractor.steps();
    Ok(WithPlan {
        before,
        main: plan_main_write(&statement, &planning, parameters)?,
        after: Vec::new(),
    })
}

/// Plans a query with parts that write or lock, or a statement that writes under a
/// WITH.
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
    let needed = Needed::of(&main, &parts);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut known: Vec<Cte> = Vec::with_capacity(parts.len());
    for mut part in parts {
        let name = fold_identifier(&part.alias.name);
        planning.with = token.clone().map(|with_token| With {
            with_token,
            recursive,
            cte_tables: known.clone(),
        });
        let is_needed = needed.by_main.contains(&name);
        let is_writing = writing(&part.query).is_some();
        let mut extractor = Extractor::new(&mut planning, parameters);
        match is_writing {
            true => extractor.main(&mut part.query)?,
            false => extractor.part(&mut part.query)?,
        }
        let steps = match is_needed {
            true => &mut before,
            false => &mut after,
        };
        let locked = extractor.steps();
        // What nobody reads is not carried out.
        if is_needed || is_writing || needed.by_writes.contains(&name) {
            steps.extend(locked);
        }
        if let Some(statement) = writing(&part.query) {
            let step = plan_step(statement, &part, &name, &planning, parameters)?;
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
            steps.push(step);
        } else {
            known.push(part);
        }
    }
    planning.with = token.map(|with_token| With {
        with_token,
        recursive,
        cte_tables: known,
    });
    let mut extractor = Extractor::new(&mut planning, parameters);
    extractor.main(&mut main)?;
    before.extend(extractor.steps());
    let main = match writing(&main) {
        Some(statement) => plan_main_write(statement, &planning, parameters)?,
        None if !main.locks.is_empty() => {
            Main::Locking(Arc::new(LockingPlan::plan(&main, &planning, parameters)?))
        }
        None => Main::Query(Box::new(planning.query(&main, parameters)?)),
    };
    Ok(WithPlan {
        before,
        main,
        after,
    })
}

fn plan_main_write(
    statement: &Statement,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<Main, SqlError> {
    match plan_write(statement, planning, parameters)? {
        Some(plan) => Ok(Main::Write(Box::new(plan))),
        None => Err(SqlError::unsupported(format!("WITH … {statement}"))),
    }
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
    let work = Work::Write(Box::new(plan));
    Ok(Step { work, result })
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

/// The parts that others read, directly or through others.
struct Needed {
    by_main: Vec<String>,
    by_writes: Vec<String>,
}

impl Needed {
    fn of(main: &Query, parts: &[Cte]) -> Self {
        let mut by_main = Mentioned(Vec::new());
        let _ = main.visit(&mut by_main);
        let mut by_writes = Mentioned(Vec::new());
        for part in parts.iter().rev() {
            let name = fold_identifier(&part.alias.name);
            if by_main.0.contains(&name) {
                let _ = part.query.visit(&mut by_main);
            }
            if by_writes.0.contains(&name) || writing(&part.query).is_some() {
                let _ = part.query.visit(&mut by_writes);
            }
        }
        Self {
            by_main: by_main.0,
            by_writes: by_writes.0,
        }
    }
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
            Main::Query(_) | Main::Locking(_) => None,
        };
        let steps = self.before.iter().chain(&self.after);
        let steps = steps.filter_map(|step| match &step.work {
            Work::Write(plan) => Some(plan.as_ref()),
            Work::Lock(_) => None,
        });
        steps.chain(main)
    }

    /// All parts that lock the rows they give.
    pub(crate) fn locking_plans(&self) -> impl Iterator<Item = &LockingPlan> {
        let main = match &self.main {
            Main::Locking(plan) => Some(plan.as_ref()),
            Main::Query(_) | Main::Write(_) => None,
        };
        let steps = self.before.iter().chain(&self.after);
        let steps = steps.filter_map(|step| match &step.work {
            Work::Lock(plan) => Some(plan.as_ref()),
            Work::Write(_) => None,
        });
        steps.chain(main)
    }

    /// What the main statement returns of each row it changes.
    pub(crate) fn returning(&self) -> Option<&Returning> {
        match &self.main {
            Main::Write(plan) => plan.returning(),
            Main::Query(_) | Main::Locking(_) => None,
        }
    }
}
