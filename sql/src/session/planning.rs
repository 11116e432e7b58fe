//! Planning for one session as it stands.

use std::sync::Arc;

use super::parse::Command;
use super::plan::{CachedPlan, Planner};
use super::{POSTGRES_EPOCH_US, Session};
use crate::error::SqlError;
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

    /// Plans a query without parameters.
    pub(super) fn plan_query(
        &mut self,
        query: &sqlparser::ast::Query,
    ) -> Result<PlannedQuery, SqlError> {
        let info = self.session_info()?;
        self.planner()?.query(query, &mut Vec::new(), &info)
    }

    fn planner(&self) -> Result<Planner<'_>, SqlError> {
        Ok(Planner {
            engine: &self.engine,
            tenant: self.tenant,
            catalog: self.catalog()?,
            database: &self.database,
            search_path: self.settings.search_path(),
            time_zone: self.settings.time_zone(),
        })
    }

    /// Facts about the session for the functions of a query.
    pub(super) fn session_info(&mut self) -> Result<Arc<SessionInfo>, SqlError> {
        if let Some(info) = &self.info {
            return Ok(info.clone());
        }
        let transaction_us = self.transaction()?.started_us() - POSTGRES_EPOCH_US;
        let info = Arc::new(SessionInfo {
            user: self.user.clone(),
            database: self.database.clone(),
            time_zone: self.settings.time_zone(),
            transaction_us,
            statement_us: self.engine.now_us() - POSTGRES_EPOCH_US,
            backend_pid: self.backend_pid,
            settings: self
                .settings
                .all()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            search_path: self.settings.search_path().to_vec(),
            server_version: super::SERVER_VERSION.to_owned(),
            version: version(),
        });
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
