//! How RocksDB is set up: for a machine of two cores and little memory.

use std::sync::Arc;

use rocksdb::{
    BlockBasedOptions, BlockBasedTablePinningTier, Cache, DBCompressionType, DataBlockIndexType,
    Env, LogLevel, Options,
};

use super::layout::Family;
use crate::env::Entropy;

const MIB: usize = 1 << 20;

/// How a projection is opened.
#[derive(Clone)]
pub struct ProjectionOptions {
    /// Where the nonces of encrypted files come from.
    pub entropy: Arc<dyn Entropy>,
    /// Memory for decrypted, decompressed blocks of tables, in bytes.
    pub block_cache_bytes: usize,
    /// Memory of one memtable of `rows`, in bytes; up to three exist at once.
    pub memtable_bytes: usize,
    /// A flush begins after this many bytes were applied since the last one. It
    /// bounds what has to be replayed from the log after a crash, because there
    /// is no write-ahead log beside it: 32 MiB are about a second.
    pub flush_after_bytes: u64,
    /// Most table files that are open at once; each costs a file descriptor and
    /// the memory of its index and filter.
    pub open_files_max: i32,
    /// Threads that flush and compact.
    pub background_jobs: i32,
    /// Large transactions are sorted in chunks of about this many bytes.
    pub bulk_chunk_bytes: usize,
}

impl ProjectionOptions {
    /// The defaults, with the given source of nonces.
    #[must_use]
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self {
            entropy,
            block_cache_bytes: 256 * MIB,
            memtable_bytes: 64 * MIB,
            flush_after_bytes: 32 * MIB as u64,
            open_files_max: 256,
            background_jobs: 2,
            bulk_chunk_bytes: 32 * MIB,
        }
    }
}

impl std::fmt::Debug for ProjectionOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProjectionOptions")
            .field("block_cache_bytes", &self.block_cache_bytes)
            .field("memtable_bytes", &self.memtable_bytes)
            .field("flush_after_bytes", &self.flush_after_bytes)
            .field("open_files_max", &self.open_files_max)
            .field("background_jobs", &self.background_jobs)
            .field("bulk_chunk_bytes", &self.bulk_chunk_bytes)
            .finish_non_exhaustive()
    }
}

/// Options of the whole database.
pub(super) fn database(options: &ProjectionOptions, env: &Env) -> Options {
    let mut db = Options::default();
    db.set_env(env);
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    // A block's changes reach several families in one batch; without a
    // write-ahead log they must also reach the disk together.
    db.set_atomic_flush(true);
    db.set_max_background_jobs(options.background_jobs);
    db.set_max_open_files(options.open_files_max);
    db.set_max_file_opening_threads(2);
    // One thread applies; nothing is gained by letting several insert at once.
    db.set_allow_concurrent_memtable_write(false);
    db.set_bytes_per_sync(MIB as u64);
    // RocksDB's text log is the one file that is not encrypted. Keys never
    // appear in it (`allow_data_in_errors` stays off); it is kept small.
    db.set_log_level(LogLevel::Warn);
    db.set_keep_log_file_num(2);
    db.set_max_log_file_size(MIB);
    db.set_stats_dump_period_sec(0);
    db.set_stats_persist_period_sec(0);
    db.set_max_manifest_file_size(16 * MIB);
    db
}

/// Options of one column family; also those its ingested files are written with.
pub(super) fn family(
    family: Family,
    options: &ProjectionOptions,
    cache: &Cache,
    env: &Env,
) -> Options {
    let mut cf = Options::default();
    cf.set_env(env);
    cf.set_compression_type(DBCompressionType::Lz4);
    cf.set_write_buffer_size(memtable_bytes(family, options));
    cf.set_max_write_buffer_number(3);
    cf.set_target_file_size_base(64 * MIB as u64);
    cf.set_max_bytes_for_level_base(256 * MIB as u64);
    cf.set_level_compaction_dynamic_level_bytes(true);
    if read_by_key(family) {
        // Most lookups are for rows that are no longer in a memtable.
        cf.set_memtable_prefix_bloom_ratio(0.05);
        cf.set_memtable_whole_key_filtering(true);
    }
    cf.set_block_based_table_factory(&table(family, cache));
    cf
}

fn memtable_bytes(family: Family, options: &ProjectionOptions) -> usize {
    match family {
        Family::Rows => options.memtable_bytes,
        Family::History | Family::Index => options.memtable_bytes / 2,
        Family::Merkle | Family::Catalog => options.memtable_bytes / 8,
        Family::Keys | Family::Meta => options.memtable_bytes / 64,
    }
}

/// Families in which single keys are looked up, among them absent ones.
const fn read_by_key(family: Family) -> bool {
    matches!(family, Family::Rows | Family::Index | Family::Catalog)
}

fn table(family: Family, cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(8 << 10);
    table.set_format_version(6);
    // Indexes and filters are counted in the cache, and stay: without that, each
    // point read looks them up in the cache again.
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_unpartitioned_pinning_tier(BlockBasedTablePinningTier::All);
    if read_by_key(family) {
        table.set_bloom_filter(10.0, false);
        table.set_whole_key_filtering(true);
        table.set_optimize_filters_for_memory(true);
    }
    if family == Family::Rows {
        table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    }
    table
}
