//! What the rows of a table have to comply with when they are written, besides its
//! keys: planned once for a state of the catalog, made ready once a statement.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::checks::{BoundChecks, Broken, TableChecks};
use super::derived::{BoundDerived, Derived, IndexValues, has_derived, has_generated};
use super::planning::QueryPlanning;
use super::table::TableInfo;
use super::target::Planning;
use super::write::StatementWriter;
use crate::activity::SessionLink;
use crate::error::{SqlError, state};
use crate::query::SessionInfo;
use crate::sequence::SequenceAccess;
use crate::session::{POSTGRES_EPOCH_US, SERVER_VERSION, Settings, version};
use crate::types::Datum;

/// The session that a statement writes for.
#[derive(Debug, Clone)]
pub(crate) struct Writing<'a> {
    pub(crate) user: &'a str,
    pub(crate) database: &'a str,
    pub(crate) settings: &'a Arc<Settings>,
    /// `transaction_isolation` and `transaction_deferrable`.
    pub(crate) modes: (&'static str, bool),
    pub(crate) backend_pid: i32,
    /// The session for its functions.
    pub(crate) link: Option<SessionLink>,
    /// What functions may ask about it, once somebody has needed that.
    pub(crate) info: Option<Arc<SessionInfo>>,
    /// Whether the transaction must not change anything.
    pub(crate) read_only: bool,
    /// The session's way to sequences.
    pub(crate) sequences: &'a Arc<SequenceAccess>,
}

impl Writing<'_> {
    /// What functions may ask about the session; `now_us` is the time, `started_us`
    /// when the transaction began, both in microseconds since 1970.
    pub(crate) fn info(&self, now_us: i64, started_us: i64) -> Arc<SessionInfo> {
        if let Some(info) = &self.info {
            return info.clone();
        }
        Arc::new(SessionInfo {
            user: self.user.to_owned(),
            database: self.database.to_owned(),
            time_zone: self.settings.time_zone(),
            styles: self.settings.styles(),
            transaction_us: started_us - POSTGRES_EPOCH_US,
            statement_us: now_us - POSTGRES_EPOCH_US,
            backend_pid: self.backend_pid,
            settings: Arc::clone(self.settings),
            isolation: self.modes.0,
            deferrable: self.modes.1,
            search_path: self.settings.search_path().to_vec(),
            server_version: SERVER_VERSION.to_owned(),
            version: version(),
            read_only: self.read_only,
            sequences: Some(Arc::clone(self.sequences)),
            link: self.link.clone(),
        })
    }
}

/// The rules of a table, planned.
#[derive(Debug)]
pub(crate) struct TableRules {
    /// None for a table without any.
    checks: Option<Arc<TableChecks>>,
    derived: Derived,
}

/// The rules of a table, for one statement.
#[derive(Debug)]
struct BoundRules {
    checks: Option<BoundChecks>,
    derived: BoundDerived,
}

/// The rules of the tables that a statement writes, by table.
#[derive(Debug, Default)]
pub(super) struct Rules(Mutex<HashMap<u32, Arc<BoundRules>>>);

/// Whether rows of a table have conditions to comply with, its own or those of domains.
fn has_checks(table: &TableInfo) -> bool {
    !table.desc.checks.is_empty() || table.desc.live_columns().any(|c| c.ty.has_domain())
}

impl StatementWriter<'_> {
    /// How expressions of the tables that are written are planned.
    pub(super) fn planning(&self) -> Result<(Planning, Arc<SessionInfo>), SqlError> {
        let info = self
            .writing
            .info(self.engine.now_us(), self.txn.started_us());
        let planning = Planning {
            catalog: self.catalog()?,
            database: info.database.clone(),
            search_path: info.search_path.clone(),
            queries: Some(QueryPlanning {
                engine: self.engine.query().clone(),
                tenant: self.txn.tenant(),
                session: info.clone(),
            }),
            with: None,
            view: None,
            bound: Vec::new(),
        };
        Ok((planning, info))
    }

    fn bound_rules(&self, table: &TableInfo) -> Result<Arc<BoundRules>, SqlError> {
        let oid = table.desc.oid;
        if let Some(bound) = self.rules.0.lock().get(&oid) {
            return Ok(bound.clone());
        }
        let (planning, info) = self.planning()?;
        let version = planning.catalog.version();
        let planned = match self.engine.table_rules(self.txn.tenant(), oid, version) {
            Some(planned) => planned,
            None => {
                let planned = Arc::new(TableRules {
                    checks: match has_checks(table) {
                        false => None,
                        true => Some(Arc::new(TableChecks::plan(&table.desc, None, &planning)?)),
                    },
                    derived: Derived::plan(&table.desc, &planning)?,
                });
                self.engine
                    .keep_table_rules(self.txn.tenant(), oid, version, &planned);
                planned
            }
        };
        let bound = Arc::new(BoundRules {
            checks: planned
                .checks
                .as_ref()
                .map(|checks| checks.bind(&info))
                .transpose()?,
            derived: planned.derived.bind(&info)?,
        });
        self.rules.0.lock().insert(oid, bound.clone());
        Ok(bound)
    }

    /// Puts the values of generated columns into a row.
    ///
    /// # Errors
    /// Whatever an expression fails with, conversion errors.
    pub(super) fn generate(&self, table: &TableInfo, row: &mut [Datum]) -> Result<(), SqlError> {
        if !has_generated(&table.desc) {
            return Ok(());
        }
        self.bound_rules(table)?.derived.generate(table, row)
    }

    /// What the expressions of a table's indexes give for a row.
    ///
    /// # Errors
    /// Whatever an expression fails with.
    pub(super) fn index_values(
        &self,
        table: &TableInfo,
        row: &[Datum],
    ) -> Result<IndexValues, SqlError> {
        if !has_derived(&table.desc) {
            return Ok(IndexValues::default());
        }
        self.bound_rules(table)?.derived.index_values(row)
    }

    /// Checks a row against the CHECK constraints of its table.
    ///
    /// # Errors
    /// 23514.
    pub(super) fn check_rules(&self, table: &TableInfo, row: &[Datum]) -> Result<(), SqlError> {
        if !has_checks(table) {
            return Ok(());
        }
        let rules = self.bound_rules(table)?;
        let Some(checks) = &rules.checks else {
            return Ok(());
        };
        let check = match checks.violated(&[row])? {
            None => return Ok(()),
            Some(Broken::Domain(rule)) => return Err(rule.broken()),
            Some(Broken::Check(check)) => check,
        };
        let error = SqlError::new(
            state::CHECK_VIOLATION,
            format!(
                "new row for relation \"{}\" violates check constraint \"{}\"",
                table.desc.name, check.name
            ),
        )
        .detail(format!("Failing row contains ({}).", table.row_text(row)))
        .constraint(check.name.clone());
        Err(self.concerning(table, error))
    }
}
