//! A store in a scratch folder with a few tables.

use std::path::Path;
use std::sync::Arc;

use kimberlite_consensus::node::Alone;
use kimberlite_storage::env::fixed::{FixedClock, FixedEntropy};
use kimberlite_storage::{EnvKeyProvider, FsDisk, Snapshot, Store, StoreOptions, TenantId};
use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use crate::cancel::Cancellation;
use crate::catalog::{
    Catalog, CatalogEntry, Column, IndexDescriptor, TableDescriptor, bootstrap_changes,
};
use crate::error::SqlError;
use crate::exec::derived::IndexValues;
use crate::exec::table::TableInfo;
use crate::query::{
    PlanContext, PlannedQuery, QueryEngine, QueryEngineOptions, Run, SessionInfo, datum_at,
};
use crate::txn::{CommitSource, Entry, Layer, ReadView, commit_changes};
use crate::types::{Datum, PgType, SessionFormat, text_in, text_out};

/// 2024-05-17 12:34:56.789 UTC.
pub(super) const NOW: i64 = 769_264_496_789_000;

/// A column: name, type, whether NULL is refused.
pub(super) type ColumnSpec = (&'static str, PgType, bool);

pub(super) struct Fixture {
    pub(super) engine: QueryEngine,
    pub(super) catalog: Catalog,
    pub(super) tenant: TenantId,
    store: Store,
    runtime: tokio::runtime::Runtime,
    pub(super) zone: chrono_tz::Tz,
    _dir: tempfile::TempDir,
}

/// A result: names, types and rows as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) names: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Answer {
    /// Rows as `a|b`, one a line; NULL is `∅`.
    pub(super) fn lines(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(|row| row.join("|")).collect();
        rows.join("\n")
    }
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with_memory(256 << 20)
    }

    pub(super) fn with_memory(memory_limit_bytes: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spill_dir = dir.path().join("spill");
        std::fs::create_dir(&spill_dir).unwrap();
        let store = open(&dir.path().join("data"));
        let tenant = store.create_tenant().unwrap();
        let catalog = Catalog::default();
        let mut fixture = Self {
            engine: QueryEngine::new(QueryEngineOptions {
                memory_limit_bytes,
                column_cache_bytes: 1 << 20,
                spill_dir,
                spill_key: [3; 32],
                threads: 2,
            })
            .unwrap(),
            catalog,
            tenant,
            store,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            zone: chrono_tz::Tz::UTC,
            _dir: dir,
        };
        for change in bootstrap_changes("alice", None) {
            fixture.catalog.apply(&change);
        }
        let columns = fixture.engine.columns().clone();
        let latest = fixture.store.projection().watch(columns.clone());
        columns.begin(latest);
        fixture
    }

    /// Makes a table whose key is the first `key` columns, with rows in text form.
    pub(super) fn table(
        &mut self,
        name: &str,
        columns: &[ColumnSpec],
        key: usize,
        indexes: &[(&str, &[u16], bool)],
        rows: &[&[&str]],
    ) -> Arc<TableDescriptor> {
        let desc = self.describe(name, columns, key, indexes);
        let format = self.format();
        let rows = rows
            .iter()
            .map(|row| {
                row.iter()
                    .zip(columns)
                    .map(|(text, (_, ty, _))| match *text {
                        "∅" => Datum::Null,
                        text => text_in::text_in(*ty, text, &format).unwrap(),
                    })
                    .collect::<Vec<Datum>>()
            })
            .collect::<Vec<_>>();
        self.insert(&desc, rows);
        desc
    }

    pub(super) fn describe(
        &mut self,
        name: &str,
        columns: &[ColumnSpec],
        key: usize,
        indexes: &[(&str, &[u16], bool)],
    ) -> Arc<TableDescriptor> {
        let schema = self.catalog.schema("public").unwrap().oid;
        let indexes = indexes
            .iter()
            .map(|(name, columns, unique)| IndexDescriptor {
                oid: self.catalog.allocate_oid(),
                name: (*name).to_owned(),
                stream: self.catalog.allocate_stream(),
                columns: columns.to_vec(),
                unique: *unique,
                ..IndexDescriptor::default()
            })
            .collect();
        let desc = TableDescriptor {
            oid: self.catalog.allocate_oid(),
            schema,
            name: name.to_owned(),
            owner: "alice".to_owned(),
            stream: self.catalog.allocate_stream(),
            columns: columns
                .iter()
                .enumerate()
                .map(|(i, (name, ty, not_null))| Column {
                    attnum: u16::try_from(i + 1).unwrap(),
                    name: (*name).to_owned(),
                    ty: *ty,
                    not_null: *not_null,
                    default: None,
                    missing: None,
                    identity: None,
                    generated: None,
                    dropped: false,
                    heritage: crate::catalog::Heritage::default(),
                })
                .collect(),
            primary_key: (1..=u16::try_from(key).unwrap()).collect(),
            primary_key_name: (key > 0)
                .then(|| (format!("{name}_pkey"), self.catalog.allocate_oid())),
            indexes,
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            on_commit: None,
            family: crate::catalog::Family::default(),
            unlogged: false,
            materialized: None,
        };
        let put = crate::catalog::CatalogChange::Put(CatalogEntry::Table(Box::new(desc.clone())));
        self.catalog.apply(&put);
        Arc::new(desc)
    }

    /// The changes that insert rows.
    pub(super) fn changes(desc: &Arc<TableDescriptor>, rows: Vec<Vec<Datum>>) -> Layer {
        let info = TableInfo::new(Arc::clone(desc)).unwrap();
        let mut layer = Layer::default();
        for (number, row) in rows.into_iter().enumerate() {
            let key = if desc.primary_key.is_empty() {
                (number as u64).to_be_bytes().to_vec()
            } else {
                info.primary_key(&row).unwrap()
            };
            layer.put(info.rows, &key, Entry::insert(info.encode(&row).unwrap()));
            for index in &desc.indexes {
                let entry = info
                    .index_entry(index, &row, &IndexValues::default(), &key)
                    .unwrap()
                    .unwrap();
                layer.put(
                    TableInfo::index_stream(index),
                    &entry.key,
                    Entry::insert(entry.value),
                );
            }
        }
        layer
    }

    pub(super) fn insert(&self, desc: &Arc<TableDescriptor>, rows: Vec<Vec<Datum>>) {
        let log = self.store.commit_log();
        let sealer = self.store.sealer();
        let source = CommitSource {
            log: log.as_ref(),
            sealer: &sealer,
            tenant: self.tenant,
            principal: "alice",
            began: crate::txn::Began {
                time_us: 0,
                epoch: 0,
            },
        };
        let layer = Self::changes(desc, rows);
        self.runtime
            .block_on(async { commit_changes(source, layer).await })
            .unwrap();
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.store.snapshot()
    }

    pub(super) fn view(&self, own: &[Arc<Layer>]) -> ReadView {
        ReadView::new(self.tenant, self.snapshot(), own)
    }

    pub(super) fn format(&self) -> SessionFormat {
        crate::query::functions::session_format(&self.session())
    }

    pub(super) fn session(&self) -> Arc<SessionInfo> {
        Arc::new(SessionInfo {
            user: "alice".to_owned(),
            database: "clinic".to_owned(),
            time_zone: crate::types::TimeZone::Named(self.zone),
            styles: crate::types::Styles::default(),
            transaction_us: NOW,
            statement_us: NOW + 1_000,
            backend_pid: 42,
            settings: Arc::new(crate::session::Settings::new("alice")),
            isolation: "read committed",
            deferrable: false,
            search_path: vec!["public".to_owned()],
            server_version: "15.0".to_owned(),
            version: "PostgreSQL 15.0 (Kimberlite)".to_owned(),
            read_only: false,
            sequences: None,
            link: None,
        })
    }

    pub(super) fn context(&self) -> PlanContext {
        PlanContext {
            catalog: Arc::new(self.catalog.clone()),
            database: "clinic".to_owned(),
            tenant: self.tenant,
            search_path: vec!["public".to_owned()],
            param_types: Vec::new(),
            hidden: crate::query::Hidden::None,
            bound: Vec::new(),
            with: None,
            session: self.session(),
            view: None,
        }
    }

    pub(super) fn plan_in(
        &self,
        sql: &str,
        context: &PlanContext,
    ) -> Result<PlannedQuery, SqlError> {
        let mut statements =
            Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        match statements.pop() {
            Some(Statement::Query(query)) => self.engine.plan(&query, context),
            other => panic!("not a query: {other:?}"),
        }
    }

    pub(super) fn plan(&self, sql: &str) -> Result<PlannedQuery, SqlError> {
        self.plan_in(sql, &self.context())
    }

    pub(super) fn run_of(&self, view: ReadView, params: Vec<Datum>) -> Run {
        Run {
            view,
            params,
            replace: None,
            bound: Arc::default(),
            session: self.session(),
            cancel: Cancellation::default(),
            work_mem: 4 << 20,
        }
    }

    pub(super) fn answer(&self, plan: &PlannedQuery, run: Run) -> Result<Answer, SqlError> {
        let format = self.format();
        self.runtime.block_on(async {
            let mut stream = plan.execute(run).await?;
            let mut rows = Vec::new();
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                for row in 0..batch.num_rows() {
                    let mut cells = Vec::new();
                    for (column, array) in plan.columns().iter().zip(batch.columns()) {
                        let value = datum_at(array, row, column.pg_type)?;
                        cells.push(
                            text_out::text_out(column.pg_type, &value, &format)
                                .unwrap_or_else(|| "∅".to_owned()),
                        );
                    }
                    rows.push(cells);
                }
            }
            Ok(Answer {
                names: plan.columns().iter().map(|c| c.name.clone()).collect(),
                types: plan
                    .columns()
                    .iter()
                    .map(|c| c.pg_type.sql_name())
                    .collect(),
                rows,
            })
        })
    }

    pub(super) fn try_query(&self, sql: &str, params: Vec<Datum>) -> Result<Answer, SqlError> {
        let plan = self.plan(sql)?;
        self.answer(&plan, self.run_of(self.view(&[]), params))
    }

    pub(super) fn query(&self, sql: &str) -> Answer {
        self.try_query(sql, Vec::new())
            .unwrap_or_else(|e| panic!("{sql}\n{e:?}"))
    }

    pub(super) fn error(&self, sql: &str) -> SqlError {
        match self.try_query(sql, Vec::new()) {
            Ok(answer) => panic!("{sql} answered {:?}", answer.rows),
            Err(error) => error,
        }
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

fn open(data_dir: &Path) -> Store {
    Store::open(StoreOptions {
        data_dir: data_dir.to_owned(),
        key_provider: Arc::new(
            EnvKeyProvider::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap(),
        ),
        clock: Arc::new(FixedClock::new(1_000_000, 1)),
        entropy: Arc::new(FixedEntropy::new(1)),
        disk: Arc::new(FsDisk),
        segment_bytes: 4 << 20,
        replica: Box::new(Alone),
        on_fatal: Box::new(|error| panic!("{error}")),
        progress: Box::new(|_| {}),
    })
    .unwrap()
}

/// The tables most tests use.
pub(super) fn clinic() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.table(
        "patient",
        &[
            ("id", PgType::Int4, true),
            ("name", PgType::Text, true),
            ("born", PgType::Date, false),
            ("weight", PgType::Numeric(Some((6, 2))), false),
            ("city", PgType::Varchar(Some(20)), false),
        ],
        1,
        &[("patient_city", &[5], false), ("patient_name", &[2], true)],
        &[
            &["1", "Ann", "1980-02-29", "61.50", "Oslo"],
            &["2", "Bob", "1975-12-01", "82.25", "Bergen"],
            &["3", "Cy", "∅", "70.00", "Oslo"],
            &["4", "Dee", "2001-07-04", "∅", "∅"],
        ],
    );
    fixture.table(
        "visit",
        &[
            ("patient", PgType::Int4, true),
            ("at", PgType::Timestamptz, true),
            ("cost", PgType::Numeric(Some((10, 2))), true),
            ("note", PgType::Text, false),
            ("tags", PgType::Jsonb, false),
        ],
        2,
        &[],
        &[
            &[
                "1",
                "2024-01-10 08:00:00+00",
                "120.00",
                "first",
                r#"{"a": 1, "b": [1, 2]}"#,
            ],
            &[
                "1",
                "2024-03-11 09:30:00+00",
                "80.50",
                "check",
                r#"{"a": 2}"#,
            ],
            &["2", "2024-02-20 10:15:00+00", "33.33", "∅", "∅"],
            &[
                "4",
                "2024-05-01 16:45:00+00",
                "900.00",
                "long",
                r#"{"c": {"d": "x"}}"#,
            ],
        ],
    );
    fixture.table(
        "num",
        &[
            ("k", PgType::Int8, true),
            ("s", PgType::Int2, false),
            ("i", PgType::Int4, false),
            ("b", PgType::Int8, false),
            ("f", PgType::Float8, false),
            ("u", PgType::Uuid, false),
            ("y", PgType::Bytea, false),
            ("t", PgType::Bool, false),
        ],
        1,
        &[],
        &[
            &[
                "1",
                "1",
                "10",
                "100",
                "0.5",
                "11111111-1111-1111-1111-111111111111",
                "\\x01ff",
                "t",
            ],
            &[
                "2",
                "2",
                "20",
                "200",
                "1.5",
                "22222222-2222-2222-2222-222222222222",
                "\\x",
                "f",
            ],
            &[
                "3",
                "32767",
                "2147483647",
                "9223372036854775807",
                "1e308",
                "∅",
                "∅",
                "∅",
            ],
        ],
    );
    fixture
}
