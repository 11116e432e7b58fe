//! Planning for one session as it stands.

use std::sync::Arc;

use super::Session;
use super::parse::Command;
use super::plan::{CachedPlan, Planner};
use crate::error::SqlError;
use crate::exec::rules::Writing;
use crate::query::{PlannedQuery, SessionInfo};

impl Session {
    /// Plans a statement.
    pub(super) fn plan_command(
        &mut self,
        command: &Command,
        declared: &[u32],
    ) -> Result<CachedPlan, SqlError> {
        if self.settings.fast_path()
            && let Some(plan) = self.planner()?.plan_fast(command, declared)?
        {
            return Ok(plan);
        }
        let info = self.session_info()?;
        self.planner()?.plan(command, declared, &info)
    }

    /// Whether a statement is about one row by its key.
    pub(super) fn is_fast(&self, command: &Command, declared: &[u32]) -> Result<bool, SqlError> {
        let plan = self.planner()?.plan_fast(command, declared)?;
        Ok(plan.is_some())
    }

    /// Plans a query whose parameters have these types.
    pub(super) fn plan_query_with(
        &mut self,
        query: &sqlparser::ast::Query,
        declared: &[u32],
    ) -> Result<PlannedQuery, SqlError> {
        let info = self.session_info()?;
        let planner = self.planner()?;
        let mut parameters = planner.declared_types(declared)?;
        planner.query(query, &mut parameters, &info)
    }

    /// Plans a query without parameters.
    pub(super) fn plan_query(
        &mut self,
        query: &sqlparser::ast::Query,
    ) -> Result<PlannedQuery, SqlError> {
        let info = self.session_info()?;
        self.planner()?.query(query, &mut Vec::new(), &info)
    }

    /// Plans the query of a cursor.
    pub(super) fn plan_cursor(
        &mut self,
        query: &sqlparser::ast::Query,
        updatable: bool,
        declared: &[u32],
    ) -> Result<CachedPlan, SqlError> {
        let info = self.session_info()?;
        self.planner()?.cursor(query, updatable, declared, &info)
    }

    fn planner(&self) -> Result<Planner<'_>, SqlError> {
        Ok(Planner {
            engine: &self.engine,
            tenant: self.tenant,
            catalog: self.catalog()?,
            database: &self.database,
            search_path: self.settings.search_path(),
            reads: self.reads(),
        })
    }

    /// `transaction_isolation` and `transaction_deferrable`.
    pub(super) fn modes(&self) -> (&'static str, bool) {
        let defaults = self.settings.transaction();
        let txn = self.txn.as_ref();
        let isolation = txn.map_or(defaults.isolation, |txn| txn.isolation());
        let deferrable = txn.map_or(defaults.deferrable, |txn| txn.deferrable());
        (isolation.name(), deferrable)
    }

    /// Facts about the session for the functions of a query.
    pub(super) fn session_info(&mut self) -> Result<Arc<SessionInfo>, SqlError> {
        if let Some(info) = &self.info {
            return Ok(info.clone());
        }
        let started_us = self.transaction()?.started_us();
        let link = self.link();
        let writing = Writing {
            user: &self.user,
            database: &self.database,
            settings: &self.settings,
            modes: self.modes(),
            backend_pid: self.backend_pid,
            link: Some(link),
            info: None,
            read_only: self.txn.as_ref().is_some_and(|txn| txn.read_only()),
            sequences: &self.sequences,
        };
        let info = writing.info(self.engine.now_us(), started_us);
        self.info = Some(info.clone());
        Ok(info)
    }
}

/// What `version()` answers.
pub(crate) fn version() -> String {
    format!(
        "PostgreSQL {} (Kimberlite {}) on {}-{}, 64-bit",
        super::SERVER_VERSION,
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
    )
}
