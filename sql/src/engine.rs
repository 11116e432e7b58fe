//! [`Engine`]: what all sessions of a server share.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kimberlite_storage::{
    AppliedBlock, BlockWatch, Clock, CommitLog, Committed, Sealer, Snapshot, Space, Store, TenantId,
};
use lru::LruCache;
use parking_lot::Mutex;

use crate::activity::Activity;
use crate::catalog::{
    CATALOG_STREAM, Catalog, CatalogChange, CatalogEntry, Catalogs, Database, Kept,
};
use crate::cluster::{Cluster, not_leading};
use crate::error::{SqlError, state};
use crate::exec::rules::TableRules;
use crate::query::{ColumnCache, QueryEngine, QueryEngineOptions};
use crate::row_numbers::RowNumbers;
use crate::sequence::SequenceStates;
use crate::server_files::ServerFiles;
use crate::session::{CachedPlan, ConnectRequest, PlanKey, Session};
use crate::txn::{
    Began, CommitSource, Durable, Entry, Layer, LockManager, ReadView, Serializable, StreamKey,
    Transaction, commit_changes, submit_changes,
};

/// The database of the operators, which every server has.
pub const SYSTEM_DATABASE: &str = "kimberlite";

/// Statements whose plans are kept, over all sessions.
const CACHED_PLANS: usize = 1024;

/// How a server's SQL side is set up.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Memory for sorts, joins and aggregates of all queries, in bytes.
    pub query_memory_bytes: usize,
    /// Memory for columns of tables kept for scans, in bytes; 0 = none.
    pub column_cache_bytes: usize,
    /// Where queries spill to, encrypted.
    pub spill_dir: PathBuf,
    /// Key of the spill files: fresh randomness at every start.
    pub spill_key: [u8; 32],
    /// Threads that run queries.
    pub query_threads: usize,
    /// What COPY may read on the server.
    pub server_files: ServerFiles,
    /// The way to the other replicas; none for one that is alone.
    pub cluster: ClusterLink,
}

/// The way to the other replicas, if there are any.
#[derive(Clone, Default)]
pub struct ClusterLink(pub Option<Arc<dyn Cluster>>);

impl std::fmt::Debug for ClusterLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClusterLink")
            .field(&self.0.is_some())
            .finish()
    }
}

/// What all sessions of a server share.
pub struct Engine {
    store: Arc<Store>,
    log: Arc<dyn CommitLog>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    locks: Arc<LockManager>,
    activity: Arc<Activity>,
    serializable: Arc<Serializable>,
    catalogs: Arc<Catalogs>,
    cluster: ClusterLink,
    catalog_versions: AtomicU64,
    query: QueryEngine,
    plans: Mutex<LruCache<PlanKey, Arc<CachedPlan>>>,
    /// CHECK constraints by table and state of the catalog.
    rules: Mutex<LruCache<(TenantId, u32, u64), Arc<TableRules>>>,
    sequences: SequenceStates,
    server_files: ServerFiles,
    /// Databases in which this server made a temporary relation already.
    temporary: Mutex<HashSet<TenantId>>,
    row_numbers: RowNumbers,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Builds the SQL side of a server over an opened data directory.
    ///
    /// # Errors
    /// 58030 when the spill directory cannot be used.
    pub fn open(store: Arc<Store>, options: EngineOptions) -> Result<Arc<Self>, SqlError> {
        std::fs::create_dir_all(&options.spill_dir).map_err(|e| {
            SqlError::new(
                state::IO_ERROR,
                format!(
                    "the directory for temporary files, {}, cannot be made: {e}",
                    options.spill_dir.display()
                ),
            )
        })?;
        let query = QueryEngine::new(QueryEngineOptions {
            memory_limit_bytes: options.query_memory_bytes,
            column_cache_bytes: options.column_cache_bytes,
            spill_dir: options.spill_dir,
            spill_key: options.spill_key,
            threads: options.query_threads,
        })?;
        let columns = query.columns().clone();
        let catalogs = Arc::new(Catalogs::default());
        let latest = store.projection().watch(Arc::new(Watches {
            columns: columns.clone(),
            catalogs: Arc::clone(&catalogs),
        }));
        columns.begin(latest);
        let capacity = std::num::NonZeroUsize::new(CACHED_PLANS)
            .ok_or_else(|| SqlError::internal("the plan cache has no room"))?;
        let locks = Arc::new(LockManager::default());
        let newest = Arc::clone(&store);
        let serializable = Serializable::new(move || newest.snapshot());
        Ok(Arc::new(Self {
            log: store.commit_log(),
            sealer: store.sealer(),
            clock: store.clock(),
            store,
            activity: Arc::new(Activity::new(locks.clone(), serializable.clone())),
            serializable,
            locks,
            catalogs,
            cluster: options.cluster,
            catalog_versions: AtomicU64::new(1),
            query,
            plans: Mutex::new(LruCache::new(capacity)),
            rules: Mutex::new(LruCache::new(capacity)),
            sequences: SequenceStates::default(),
            server_files: options.server_files,
            temporary: Mutex::default(),
            row_numbers: RowNumbers::default(),
        }))
    }

    /// The newest published snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.store.snapshot()
    }

    pub(crate) fn query(&self) -> &QueryEngine {
        &self.query
    }

    /// Whether this is the first temporary relation in a database since the server
    /// started: those that are there were left behind.
    pub(crate) fn first_temporary(&self, tenant: TenantId) -> bool {
        self.temporary.lock().insert(tenant)
    }

    pub(crate) fn server_files(&self) -> ServerFiles {
        self.server_files.clone()
    }

    pub(crate) fn sequences(&self) -> &SequenceStates {
        &self.sequences
    }

    pub(crate) fn locks(&self) -> &Arc<LockManager> {
        &self.locks
    }

    /// The serializable transactions.
    pub(crate) fn serializable(&self) -> &Arc<Serializable> {
        &self.serializable
    }

    /// What the sessions do.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    pub(crate) fn cached_plan(&self, key: &PlanKey) -> Option<Arc<CachedPlan>> {
        self.plans.lock().get(key).cloned()
    }

    pub(crate) fn cache_plan(&self, key: PlanKey, plan: Arc<CachedPlan>) {
        self.plans.lock().put(key, plan);
    }

    /// The planned rules of a table in a state of the catalog.
    pub(crate) fn table_rules(
        &self,
        tenant: TenantId,
        table: u32,
        version: u64,
    ) -> Option<Arc<TableRules>> {
        self.rules.lock().get(&(tenant, table, version)).cloned()
    }

    /// Keeps planned rules for other statements.
    pub(crate) fn keep_table_rules(
        &self,
        tenant: TenantId,
        table: u32,
        version: u64,
        rules: &Arc<TableRules>,
    ) {
        let key = (tenant, table, version);
        self.rules.lock().put(key, Arc::clone(rules));
    }

    /// A number that no other state of any catalog has.
    pub(crate) fn next_catalog_version(&self) -> u64 {
        self.catalog_versions.fetch_add(1, Ordering::Relaxed)
    }

    /// The committed catalog of a tenant.
    ///
    /// # Errors
    /// 58030 or XX001 when it cannot be read.
    pub(crate) fn catalog(&self, tenant: TenantId) -> Result<Arc<Catalog>, SqlError> {
        match self.catalogs.newest(tenant, || self.snapshot().index()) {
            Some(catalog) => Ok(catalog),
            None => self.reload_catalog(tenant),
        }
    }

    /// Reads the catalog of a tenant again, after a change.
    ///
    /// # Errors
    /// 58030 or XX001 when it cannot be read.
    pub(crate) fn reload_catalog(&self, tenant: TenantId) -> Result<Arc<Catalog>, SqlError> {
        self.catalogs.reload(tenant, || {
            let snapshot = self.snapshot();
            let index = snapshot.index();
            let view = ReadView::new(tenant, snapshot, &[]);
            let mut scan = view.scan(catalog_stream(), &[], None, false);
            let mut entries = Vec::new();
            let mut digest = DefaultHasher::new();
            while let Some((key, version)) = scan.next()? {
                (key, version.value).hash(&mut digest);
                entries.push(CatalogEntry::decode(version.value)?);
            }
            let version = self.next_catalog_version();
            Ok(Kept {
                catalog: Arc::new(Catalog::from_entries(entries, version)),
                index,
                digest: digest.finish(),
            })
        })
    }

    /// The epoch for a transaction that begins now, and may change something; none
    /// where it may not.
    pub fn epoch(&self) -> Option<u64> {
        self.log.epoch()
    }

    /// The way to the other replicas.
    pub(crate) fn cluster(&self) -> Option<&dyn Cluster> {
        self.cluster.0.as_deref()
    }

    /// The next number for a row of a table without a primary key.
    ///
    /// # Errors
    /// 58030 when the last number cannot be read.
    pub(crate) fn next_row_number(
        &self,
        txn: &Transaction,
        rows: StreamKey,
    ) -> Result<u64, SqlError> {
        let epoch = txn
            .epoch()
            .ok_or_else(|| not_leading("INSERT", self.cluster()))?;
        let last = || {
            let view = ReadView::new(txn.tenant(), self.snapshot(), &[]);
            view.last_key(rows)
        };
        self.row_numbers.next(epoch, (txn.tenant(), rows), last)
    }

    /// Commits changes of a tenant and waits until they are durable and visible.
    ///
    /// # Errors
    /// As [`commit_changes`].
    pub(crate) async fn commit(
        &self,
        tenant: TenantId,
        principal: &str,
        began: Began,
        changes: Layer,
    ) -> Result<Committed, SqlError> {
        let changes_catalog = changes.stream(catalog_stream()).is_some();
        let source = CommitSource {
            log: self.log.as_ref(),
            sealer: &self.sealer,
            tenant,
            principal,
            began,
        };
        let committed = commit_changes(source, changes).await?;
        if changes_catalog {
            self.reload_catalog(tenant)?;
        }
        Ok(committed)
    }

    /// Hands changes of a tenant, none of its catalog, to the log without waiting.
    ///
    /// # Errors
    /// XX000 when sealing fails.
    pub(crate) fn submit(
        &self,
        tenant: TenantId,
        principal: &str,
        epoch: u64,
        changes: Layer,
    ) -> Result<Durable, SqlError> {
        let source = CommitSource {
            log: self.log.as_ref(),
            sealer: &self.sealer,
            tenant,
            principal,
            began: Began {
                time_us: self.now_us(),
                epoch,
            },
        };
        let (durable, promise) = Durable::new();
        submit_changes(&source, changes, move |result| {
            promise.keep(result.map(|_| ()).map_err(Into::into));
        })?;
        Ok(durable)
    }

    /// The tenant behind a database name.
    ///
    /// # Errors
    /// 3D000 when there is no such database.
    pub(crate) fn tenant(&self, database: &str) -> Result<TenantId, SqlError> {
        self.find_tenant(database)?.ok_or_else(|| {
            SqlError::new(
                state::INVALID_CATALOG_NAME,
                format!("database \"{database}\" does not exist"),
            )
        })
    }

    fn find_tenant(&self, database: &str) -> Result<Option<TenantId>, SqlError> {
        if database == SYSTEM_DATABASE {
            return Ok(Some(TenantId::SYSTEM));
        }
        let system = self.catalog(TenantId::SYSTEM)?;
        system
            .database(database)
            .map(|d| parse_tenant(&d.tenant))
            .transpose()
    }

    /// The SCRAM verifier of a login role; `None` when the database or the role
    /// does not exist, or may not log in.
    pub fn scram_secret(&self, database: &str, user: &str) -> Option<String> {
        let tenant = self.find_tenant(database).ok()??;
        let catalog = self.catalog(tenant).ok()?;
        let role = catalog.role(user)?;
        role.login.then(|| role.scram.clone()).flatten()
    }

    /// Opens a session for an authenticated role.
    ///
    /// # Errors
    /// 3D000 unknown database, 28000 unknown role, errors of start-up settings.
    pub fn connect(self: &Arc<Self>, request: ConnectRequest) -> Result<Session, SqlError> {
        let tenant = self.tenant(&request.database)?;
        let catalog = self.catalog(tenant)?;
        if catalog.role(&request.user).is_none_or(|r| !r.login) {
            return Err(SqlError::new(
                state::INVALID_AUTHORIZATION_SPECIFICATION,
                format!("role \"{}\" does not exist or may not log in", request.user),
            ));
        }
        Session::new(self.clone(), tenant, request)
    }

    /// Makes sure that a database exists with a login role that has this SCRAM
    /// verifier; used at the first start, before connections are accepted.
    ///
    /// # Errors
    /// What committing may fail with.
    pub fn bootstrap_role(
        &self,
        database: &str,
        user: &str,
        scram_secret: &str,
    ) -> Result<(), SqlError> {
        futures::executor::block_on(self.bootstrap(database, user, scram_secret))
    }

    async fn bootstrap(&self, database: &str, user: &str, scram: &str) -> Result<(), SqlError> {
        let tenant = match self.find_tenant(database)? {
            Some(tenant) => tenant,
            None => {
                return self
                    .create_database(database, user, Some(scram.to_owned()))
                    .await;
            }
        };
        let catalog = self.catalog(tenant)?;
        let changes = match catalog.role(user) {
            Some(role) if role.scram.as_deref() == Some(scram) => return Ok(()),
            Some(role) => {
                let mut role = role.as_ref().clone();
                role.scram = Some(scram.to_owned());
                vec![CatalogChange::Put(CatalogEntry::Role(role))]
            }
            None if catalog.roles().next().is_none() => {
                crate::catalog::bootstrap_changes(user, Some(scram.to_owned()))
            }
            None => {
                return Err(SqlError::new(
                    state::DUPLICATE_OBJECT,
                    format!("database \"{database}\" already has an owner"),
                ));
            }
        };
        self.commit_catalog(tenant, user, &changes).await
    }

    /// Creates a database: a tenant with keys of its own, and its first role.
    ///
    /// # Errors
    /// 42P04 when it exists; what committing may fail with.
    pub(crate) async fn create_database(
        &self,
        name: &str,
        owner: &str,
        scram: Option<String>,
    ) -> Result<(), SqlError> {
        let system = self.catalog(TenantId::SYSTEM)?;
        if name == SYSTEM_DATABASE || system.database(name).is_some() {
            return Err(SqlError::new(
                state::DUPLICATE_DATABASE,
                format!("database \"{name}\" already exists"),
            ));
        }
        let store = self.store.clone();
        let tenant = tokio_or_inline(move || store.create_tenant()).await?;
        let first = crate::catalog::bootstrap_changes(owner, scram);
        self.commit_catalog(tenant, owner, &first).await?;
        let mut system = self.catalog(TenantId::SYSTEM)?.as_ref().clone();
        let database = Database {
            oid: system.allocate_oid(),
            name: name.to_owned(),
            tenant: tenant.to_string(),
            owner: owner.to_owned(),
        };
        let listed = [
            CatalogChange::Put(CatalogEntry::Counters(system.counters())),
            CatalogChange::Put(CatalogEntry::Database(database)),
        ];
        self.commit_catalog(TenantId::SYSTEM, owner, &listed).await
    }

    /// Removes a database from the list. Its events stay in the log.
    ///
    /// # Errors
    /// 3D000 when there is no such database.
    pub(crate) async fn drop_database(&self, name: &str, principal: &str) -> Result<(), SqlError> {
        let system = self.catalog(TenantId::SYSTEM)?;
        let Some(database) = system.database(name) else {
            return Err(SqlError::new(
                state::INVALID_CATALOG_NAME,
                format!("database \"{name}\" does not exist"),
            ));
        };
        let gone = [CatalogChange::Remove(CatalogEntry::Database(
            database.as_ref().clone(),
        ))];
        self.commit_catalog(TenantId::SYSTEM, principal, &gone)
            .await
    }

    async fn commit_catalog(
        &self,
        tenant: TenantId,
        principal: &str,
        changes: &[CatalogChange],
    ) -> Result<(), SqlError> {
        let before = self.catalog(tenant)?;
        let mut layer = Layer::default();
        put_catalog_changes(&mut layer, &before, changes)?;
        let epoch = self.epoch();
        let began = Began {
            time_us: self.now_us(),
            epoch: epoch.ok_or_else(|| not_leading("this", self.cluster()))?,
        };
        self.commit(tenant, principal, began, layer)
            .await
            .map(|_| ())
    }
}

/// Who is told of blocks that were applied.
struct Watches {
    columns: Arc<ColumnCache>,
    catalogs: Arc<Catalogs>,
}

impl BlockWatch for Watches {
    fn applied(&self, block: &AppliedBlock) {
        self.columns.applied(block);
        self.catalogs.applied(block);
    }
}

/// The stream of catalog entries.
pub(crate) fn catalog_stream() -> StreamKey {
    StreamKey {
        space: Space::Catalog,
        stream: CATALOG_STREAM,
    }
}

/// Records catalog changes in a layer, over the state `before`.
pub(crate) fn put_catalog_changes(
    layer: &mut Layer,
    before: &Catalog,
    changes: &[CatalogChange],
) -> Result<(), SqlError> {
    for change in changes {
        match change {
            CatalogChange::Put(entry) => {
                let value = entry.encode()?;
                let entry_change = if before.contains(entry) {
                    Entry::update(value, Vec::new())
                } else {
                    Entry::insert(value)
                };
                layer.put(catalog_stream(), &entry.key(), entry_change);
            }
            CatalogChange::Remove(entry) => {
                layer.put(catalog_stream(), &entry.key(), Entry::delete());
            }
        }
    }
    Ok(())
}

fn parse_tenant(hex: &str) -> Result<TenantId, SqlError> {
    u128::from_str_radix(hex, 16)
        .ok()
        .filter(|_| hex.len() == 32)
        .map(|n| TenantId(n.to_be_bytes()))
        .ok_or_else(|| SqlError::corrupted(format!("\"{hex}\" is no tenant")))
}

/// Runs blocking work beside the runtime's other tasks, or right here when
/// there is no runtime (at start-up).
async fn tokio_or_inline<T: Send + 'static>(
    work: impl FnOnce() -> kimberlite_storage::Result<T> + Send + 'static,
) -> Result<T, SqlError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Ok(work()?);
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(SqlError::internal(error.to_string())),
    }
}
