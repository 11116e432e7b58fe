//! The extended protocol: prepare, bind, execute.

use std::sync::Arc;

use sqlparser::ast::Statement;

use super::binding::{bind_values, check_counts, with_formats};
use super::cursors::CursorCommand;
use super::execute::Execution;
use super::fields::{FieldDescription, check_result};
use super::parse::{Command, parse};
use super::plan::{CachedPlan, PlanKey, PlanKind, Prepared, Reads};
use super::{BoundParameters, Outcome, POSTGRES_EPOCH_US, Session};
use crate::activity::StatementEntry;
use crate::error::{SqlError, state};
use crate::exec::target::simple_name;

impl Session {
    /// Prepares one statement. Parameter types that are 0 are found out.
    ///
    /// # Errors
    /// Syntax, name and type errors; the transaction is then aborted.
    pub async fn prepare(
        &mut self,
        sql: &str,
        param_types: &[u32],
    ) -> Result<Arc<Prepared>, SqlError> {
        // Its tables may have been made elsewhere a moment ago.
        let result = match self.only_reads() {
            true => self.confirm_reads().await,
            false => Ok(()),
        };
        let result = result.and_then(|()| self.prepare_one(sql, param_types));
        if result.is_err() {
            self.abort();
        }
        result
    }

    fn prepare_one(&mut self, sql: &str, declared: &[u32]) -> Result<Arc<Prepared>, SqlError> {
        let mut statements = parse(sql)?;
        if statements.len() > 1 {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "cannot insert multiple commands into a prepared statement",
            ));
        }
        let Some(statement) = statements.pop() else {
            let nothing = Arc::new(CachedPlan {
                kind: PlanKind::Utility,
                parameters: Vec::new(),
                fields: None,
                catalog_version: 0,
                search_path: Vec::new(),
                reads: self.reads(),
            });
            return Ok(Arc::new(Prepared::new(None, declared.to_vec(), nothing)));
        };
        self.prepare_statement(statement, declared)
    }

    pub(super) fn prepare_statement(
        &mut self,
        statement: super::ParsedStatement,
        declared: &[u32],
    ) -> Result<Arc<Prepared>, SqlError> {
        self.start_statement(&statement.command)?;
        self.statement_done();
        if let Some(plan) = self.plan_of_name(&statement.command) {
            let declared = declared.to_vec();
            return Ok(Arc::new(Prepared::new(Some(statement), declared, plan)));
        }
        let key = self.plan_key(&statement.text, declared)?;
        let plan = match key.as_ref().and_then(|key| self.engine.cached_plan(key)) {
            Some(plan) => plan,
            None => {
                let plan = Arc::new(self.plan_command(&statement.command, declared)?);
                if let Some(key) = key {
                    self.engine.cache_plan(key, plan.clone());
                }
                plan
            }
        };
        Ok(Arc::new(Prepared::new(
            Some(statement),
            declared.to_vec(),
            plan,
        )))
    }

    /// EXECUTE has the result columns of what it executes, FETCH those of its cursor,
    /// which are this session's alone: no other may find such a plan.
    fn plan_of_name(&self, command: &Command) -> Option<Arc<CachedPlan>> {
        let fields = match command {
            Command::Cursor(command) => match command.as_ref() {
                CursorCommand::Fetch(fetch) => self.fetched_fields(fetch),
                _ => return None,
            },
            Command::Sql(statement) => match statement.as_ref() {
                Statement::Execute {
                    name: Some(name), ..
                } => {
                    let named = self.statements.get(&simple_name(name)?).ok()?;
                    named.fields().map(<[_]>::to_vec)
                }
                _ => return None,
            },
            _ => return None,
        };
        Some(Arc::new(CachedPlan {
            kind: PlanKind::Utility,
            parameters: Vec::new(),
            fields,
            catalog_version: 0,
            search_path: Vec::new(),
            reads: self.reads(),
        }))
    }

    /// How literals are read.
    pub(super) fn reads(&self) -> Reads {
        Reads {
            time_zone: self.settings.time_zone(),
            styles: self.settings.styles(),
        }
    }

    /// What identifies a plan; none while the transaction has a catalog of its
    /// own, which no other session may share.
    fn plan_key(&self, text: &str, declared: &[u32]) -> Result<Option<PlanKey>, SqlError> {
        let own = self.txn.as_ref().is_some_and(|t| t.own_catalog().is_some());
        if own {
            return Ok(None);
        }
        Ok(Some(PlanKey {
            tenant: self.tenant,
            text: text.to_owned(),
            declared: declared.to_vec(),
            catalog_version: self.catalog()?.version(),
            search_path: self.settings.search_path().to_vec(),
            reads: self.reads(),
            fast_path: self.settings.fast_path(),
        }))
    }

    /// Checks a Bind message and gives the result's columns with their formats.
    ///
    /// # Errors
    /// 08P01 for counts that do not fit.
    pub fn bind_check(
        &self,
        prepared: &Prepared,
        bound: &BoundParameters,
    ) -> Result<Vec<FieldDescription>, SqlError> {
        let plan = prepared.plan.lock().clone();
        check_counts(&plan.parameters, bound)?;
        with_formats(prepared.fields(), &bound.result_formats)
    }

    /// Executes a prepared statement: the first Execute of a portal.
    ///
    /// # Errors
    /// Whatever the statement fails with; the transaction is then aborted.
    pub async fn execute(
        &mut self,
        prepared: &Arc<Prepared>,
        bound: BoundParameters,
    ) -> Result<Outcome, SqlError> {
        let result = self.execute_prepared(prepared, &bound).await;
        if result.is_err() {
            self.abort();
        }
        result
    }

    async fn execute_prepared(
        &mut self,
        prepared: &Prepared,
        bound: &BoundParameters,
    ) -> Result<Outcome, SqlError> {
        let Some(statement) = &prepared.statement else {
            return Ok(Outcome::Empty);
        };
        self.state.starts(&statement.text, self.engine.now_us());
        self.start_statement(&statement.command)?;
        if self.may_be_stale(&statement.command) {
            self.confirm_reads().await?;
        }
        prepared.note_run();
        let plan = self.current_plan(prepared)?;
        let format = self.format();
        let execution = Execution {
            parameters: bind_values(&plan.parameters, bound, &format)?,
            result_formats: bound.result_formats.clone(),
            declared: plan.parameters.iter().map(|ty| ty.oid()).collect(),
            source: statement.source.clone(),
            simple: false,
        };
        self.run_plan(statement, &prepared.declared, plan, &execution)
            .await
    }

    /// Keeps a statement under a name that was made way for; `from_sql` says that
    /// PREPARE made it.
    pub fn keep_statement(&mut self, name: &str, prepared: Arc<Prepared>, from_sql: bool) {
        let entry = StatementEntry {
            from_sql,
            created: self.engine.now_us() - POSTGRES_EPOCH_US,
            prepared: prepared.clone(),
        };
        self.state.statements.lock().insert(name.to_owned(), entry);
        self.statements.put(name, prepared);
    }

    /// Forgets a statement; says whether there was one.
    pub fn forget_statement(&mut self, name: &str) -> bool {
        self.state.statements.lock().remove(name);
        self.statements.remove(name)
    }

    /// Forgets all statements with names.
    pub(super) fn forget_statements(&mut self) {
        self.state.statements.lock().clear();
        self.statements.clear();
    }

    /// The statement's plan, made anew when the catalog has changed.
    pub(super) fn current_plan(
        &mut self,
        prepared: &Prepared,
    ) -> Result<Arc<CachedPlan>, SqlError> {
        let plan = prepared.plan.lock().clone();
        let Some(statement) = &prepared.statement else {
            return Ok(plan);
        };
        let utility = matches!(plan.kind, PlanKind::Utility);
        let current = plan.catalog_version == self.catalog()?.version()
            && plan.search_path == self.settings.search_path()
            && plan.reads == self.reads();
        if utility || current {
            return Ok(plan);
        }
        let fresh = Arc::new(self.plan_command(&statement.command, &prepared.declared)?);
        check_result(prepared.fields(), fresh.fields.as_deref())?;
        *prepared.plan.lock() = fresh.clone();
        Ok(fresh)
    }
}
