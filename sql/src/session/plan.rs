//! From a statement to something that can be executed, and executed again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kimberlite_storage::TenantId;
use parking_lot::Mutex;
use sqlparser::ast::{Query, SetExpr, Statement};

use super::cursors::CursorCommand;
use super::fields::FieldDescription;
use super::parse::{Command, ParsedStatement};
use super::row_locks::LockingPlan;
use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::error::{SqlError, state};
use crate::exec::fast::{self, FastPlan};
use crate::exec::locked_parts;
use crate::exec::planning::QueryPlanning;
use crate::exec::target::Planning;
use crate::exec::with::{self, Main, WithPlan};
use crate::exec::write_plan::WritePlan;
use crate::query::{PlannedQuery, SessionInfo};
use crate::types::{PgType, Styles, TimeZone};

/// How literals of dates and times are read, and shown where they become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Reads {
    pub(super) time_zone: TimeZone,
    pub(super) styles: Styles,
}

/// What a plan depends on besides the catalog's contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlanKey {
    pub(super) tenant: TenantId,
    pub(super) text: String,
    pub(super) declared: Vec<u32>,
    pub(super) catalog_version: u64,
    pub(super) search_path: Vec<String>,
    /// Literals are read when a statement is planned.
    pub(super) reads: Reads,
    pub(super) fast_path: bool,
}

/// A planned statement.
#[derive(Debug)]
pub struct CachedPlan {
    pub(super) kind: PlanKind,
    pub(super) parameters: Vec<PgType>,
    pub(super) fields: Option<Vec<FieldDescription>>,
    pub(super) catalog_version: u64,
    pub(super) search_path: Vec<String>,
    pub(super) reads: Reads,
}

/// How a statement is carried out.
#[derive(Debug)]
pub(super) enum PlanKind {
    /// One row by primary key.
    Fast(FastPlan),
    /// A query.
    Query(Box<PlannedQuery>),
    /// A query that locks the rows it gives.
    Locking(Arc<LockingPlan>),
    /// INSERT, UPDATE, DELETE or MERGE.
    Write(Box<WritePlan>),
    /// UPDATE or DELETE of the row that a cursor stands on.
    CurrentOf(Box<WritePlan>, String),
    /// A statement with parts that write.
    With(Box<WithPlan>),
    /// Everything else: interpreted from the AST.
    Utility,
}

/// A prepared statement. It is planned again when the catalog has changed.
#[derive(Debug)]
pub struct Prepared {
    pub(super) statement: Option<ParsedStatement>,
    pub(super) declared: Vec<u32>,
    pub(super) plan: Mutex<Arc<CachedPlan>>,
    runs: AtomicU64,
    parameter_types: Vec<u32>,
    fields: Option<Vec<FieldDescription>>,
}

impl Prepared {
    pub(super) fn new(
        statement: Option<ParsedStatement>,
        declared: Vec<u32>,
        plan: Arc<CachedPlan>,
    ) -> Self {
        Self {
            statement,
            declared,
            parameter_types: plan.parameters.iter().map(|ty| ty.oid()).collect(),
            fields: plan.fields.clone(),
            runs: AtomicU64::new(0),
            plan: Mutex::new(plan),
        }
    }

    /// Whether it is neither a query nor a change of rows, or nothing at all.
    pub(super) fn is_utility(&self) -> bool {
        matches!(self.plan.lock().kind, PlanKind::Utility)
    }

    /// The query string that it came in.
    pub(crate) fn source(&self) -> &str {
        self.statement.as_ref().map_or("", |s| s.source.as_ref())
    }

    /// How often it was executed.
    pub(crate) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Notes an execution.
    pub(super) fn note_run(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
    }

    /// The parameters' type identifiers.
    pub fn parameter_types(&self) -> &[u32] {
        &self.parameter_types
    }

    /// The result's columns; none for a statement without a result.
    pub fn fields(&self) -> Option<&[FieldDescription]> {
        self.fields.as_deref()
    }
}

/// Plans statements for one session as it stands.
pub(super) struct Planner<'a> {
    pub(super) engine: &'a Engine,
    pub(super) tenant: TenantId,
    pub(super) catalog: Arc<Catalog>,
    pub(super) database: &'a str,
    pub(super) search_path: &'a [String],
    pub(super) reads: Reads,
}

impl Planner<'_> {
    fn planning(&self, info: Option<&Arc<SessionInfo>>) -> Planning {
        Planning {
            catalog: self.catalog.clone(),
            database: self.database.to_owned(),
            search_path: self.search_path.to_vec(),
            queries: info.map(|info| QueryPlanning {
                engine: self.engine.query().clone(),
                tenant: self.tenant,
                session: info.clone(),
            }),
            with: None,
            view: None,
            bound: Vec::new(),
        }
    }

    /// Plans a query; parameter types that it finds are put into `parameters`.
    pub(super) fn query(
        &self,
        query: &Query,
        parameters: &mut Vec<Option<PgType>>,
        info: &Arc<SessionInfo>,
    ) -> Result<PlannedQuery, SqlError> {
        self.planning(Some(info)).query(query, parameters)
    }

    /// Plans a statement about one row, if it is one.
    pub(super) fn plan_fast(
        &self,
        command: &Command,
        declared: &[u32],
    ) -> Result<Option<CachedPlan>, SqlError> {
        let Command::Sql(statement) = command else {
            return Ok(None);
        };
        let planning = self.planning(None);
        let mut parameters = self.declared_types(declared)?;
        let plan = match statement.as_ref() {
            Statement::Query(query) => fast::plan_select(query, &planning, &mut parameters)?,
            Statement::Update(update) => fast::plan_update(update, &planning, &mut parameters)?,
            Statement::Delete(delete) => fast::plan_delete(delete, &planning, &mut parameters)?,
            _ => None,
        };
        plan.map(|plan| {
            let fields = plan.fields()?;
            Ok(self.planned(PlanKind::Fast(plan), parameters, fields))
        })
        .transpose()
    }

    /// Plans a statement with the parameter types that the client declared
    /// (0 = not declared).
    pub(super) fn plan(
        &self,
        command: &Command,
        declared: &[u32],
        info: &Arc<SessionInfo>,
    ) -> Result<CachedPlan, SqlError> {
        let mut parameters = self.declared_types(declared)?;
        let kind = match command {
            Command::Sql(statement) => self.plan_statement(statement, &mut parameters, info)?,
            Command::CurrentOf(statement, cursor) => {
                let planning = self.planning(Some(info));
                match with::plan_write(statement, &planning, &mut parameters)? {
                    Some(plan) => PlanKind::CurrentOf(Box::new(plan), cursor.clone()),
                    None => return Err(SqlError::internal("no change at a cursor")),
                }
            }
            Command::Cursor(command) => {
                if let CursorCommand::Declare(declare) = command.as_ref()
                    && declare.parameters
                {
                    self.planning(Some(info))
                        .query(&declare.query, &mut parameters)?;
                }
                PlanKind::Utility
            }
            _ => PlanKind::Utility,
        };
        let fields = self.fields(&kind, command)?;
        Ok(self.planned(kind, parameters, fields))
    }

    fn planned(
        &self,
        kind: PlanKind,
        parameters: Vec<Option<PgType>>,
        fields: Option<Vec<FieldDescription>>,
    ) -> CachedPlan {
        CachedPlan {
            kind,
            parameters: parameters
                .into_iter()
                .map(|ty| ty.unwrap_or(PgType::Text))
                .collect(),
            fields,
            catalog_version: self.catalog.version(),
            search_path: self.search_path.to_vec(),
            reads: self.reads,
        }
    }

    fn plan_statement(
        &self,
        statement: &Statement,
        parameters: &mut Vec<Option<PgType>>,
        info: &Arc<SessionInfo>,
    ) -> Result<PlanKind, SqlError> {
        let planning = self.planning(Some(info));
        if locked_parts::are_in(statement) {
            let planned = with::plan_statement(statement, planning, parameters);
            return match planned {
                Ok(plan) => Ok(PlanKind::With(Box::new(plan))),
                Err(error) if locked_parts::is_about_names(&error) => {
                    let plain = locked_parts::without_locks(statement);
                    self.plan_statement(&plain, &mut parameters.clone(), info)?;
                    // Without the locks all names mean something.
                    Err(locked_parts::correlated())
                }
                Err(error) => Err(error),
            };
        }
        Ok(match statement {
            Statement::Query(query) if with::writes(query) => {
                PlanKind::With(Box::new(with::plan(query, planning, parameters)?))
            }
            Statement::Query(query) => {
                refuse_hidden_writes(query)?;
                if !query.locks.is_empty() {
                    let plan = self.locking(query, parameters, info)?;
                    return Ok(PlanKind::Locking(Arc::new(plan)));
                }
                let planned = planning.query(query, parameters)?;
                PlanKind::Query(Box::new(planned))
            }
            other => match with::plan_write(other, &planning, parameters)? {
                Some(plan) => PlanKind::Write(Box::new(plan)),
                None => PlanKind::Utility,
            },
        })
    }

    /// Plans the query of a cursor. With `updatable` its rows are known by their keys
    /// where that is possible.
    pub(super) fn cursor(
        &self,
        query: &Query,
        updatable: bool,
        declared: &[u32],
        info: &Arc<SessionInfo>,
    ) -> Result<CachedPlan, SqlError> {
        let mut parameters = self.declared_types(declared)?;
        if updatable && query.locks.is_empty() {
            let mut found = parameters.clone();
            // Whatever stands in the way, the plain query is there.
            if let Ok(plan) = self.locking(query, &mut found, info)
                && plan.targets.len() == 1
            {
                let kind = PlanKind::Locking(Arc::new(plan));
                let fields = self.fields(&kind, &Command::Abort)?;
                return Ok(self.planned(kind, found, fields));
            }
        }
        let statement = Statement::Query(Box::new(query.clone()));
        let kind = self.plan_statement(&statement, &mut parameters, info)?;
        let fields = self.fields(&kind, &Command::Abort)?;
        Ok(self.planned(kind, parameters, fields))
    }

    /// Plans a query whose rows are known by their keys, to be locked or found
    /// again.
    pub(super) fn locking(
        &self,
        query: &Query,
        parameters: &mut Vec<Option<PgType>>,
        info: &Arc<SessionInfo>,
    ) -> Result<LockingPlan, SqlError> {
        LockingPlan::plan(query, &self.planning(Some(info)), parameters)
    }

    fn fields(
        &self,
        kind: &PlanKind,
        command: &Command,
    ) -> Result<Option<Vec<FieldDescription>>, SqlError> {
        Ok(match kind {
            PlanKind::Fast(plan) => plan.fields()?,
            PlanKind::Query(query) => {
                Some(query.columns().iter().map(FieldDescription::from).collect())
            }
            PlanKind::Locking(plan) => {
                Some(plan.columns().iter().map(FieldDescription::from).collect())
            }
            PlanKind::Write(plan) | PlanKind::CurrentOf(plan, _) => plan.fields()?,
            PlanKind::With(plan) => match &plan.main {
                Main::Query(query) => {
                    Some(query.columns().iter().map(FieldDescription::from).collect())
                }
                Main::Locking(query) => {
                    Some(query.columns().iter().map(FieldDescription::from).collect())
                }
                Main::Write(plan) => plan.fields()?,
            },
            PlanKind::Utility => super::utility::fields(command),
        })
    }
}

/// `SELECT … INTO` would make nothing if it were planned as a query.
fn refuse_hidden_writes(query: &Query) -> Result<(), SqlError> {
    if let SetExpr::Select(select) = query.body.as_ref()
        && select.into.is_some()
    {
        return Err(SqlError::unsupported("SELECT INTO"));
    }
    Ok(())
}

impl Planner<'_> {
    /// The types with these identifiers; 0 is one to be found out.
    pub(super) fn declared_types(&self, oids: &[u32]) -> Result<Vec<Option<PgType>>, SqlError> {
        oids.iter().map(|oid| self.declared_type(*oid)).collect()
    }

    fn declared_type(&self, oid: u32) -> Result<Option<PgType>, SqlError> {
        if oid == 0 {
            return Ok(None);
        }
        match self.catalog.type_by_oid(oid, -1) {
            Some(PgType::Unknown) => Ok(None),
            // Values come without the check of a domain.
            Some(ty) if ty.has_domain() => Ok(Some(ty.base())),
            Some(ty) => Ok(Some(ty)),
            None => Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                format!("parameters of the type with OID {oid} are not supported"),
            )),
        }
    }
}
