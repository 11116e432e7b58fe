//! The settings there are.

/// The PostgreSQL release whose behaviour is followed.
pub const SERVER_VERSION: &str = "15.14";

/// The same as a number, as `server_version_num` gives it.
pub const SERVER_VERSION_NUM: &str = "150014";

/// Settings that a session starts with: name as PostgreSQL spells it, value.
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("DateStyle", "ISO, MDY"),
    ("deadlock_timeout", "1s"),
    ("default_table_access_method", "heap"),
    ("default_transaction_deferrable", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("extra_float_digits", "1"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "on"),
    ("kimberlite.fast_path", "on"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("row_security", "on"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", SERVER_VERSION_NUM),
    ("session_authorization", ""),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("synchronous_commit", "on"),
    ("TimeZone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "off"),
    ("work_mem", "64MB"),
];

/// Settings reported to the client when they change (protocol manual,
/// "Asynchronous Operations").
pub(super) const REPORTED: &[&str] = &[
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
];

/// Settings that cannot be changed.
pub(super) const READ_ONLY: &[&str] = &[
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "max_identifier_length",
    "server_encoding",
    "server_version",
    "server_version_num",
    "session_authorization",
];

/// PostgreSQL's settings that tune its own planner, storage or logging and
/// cannot change a result: remembered, nothing more.
const TUNING: &[&str] = &[
    "backend_flush_after",
    "commit_delay",
    "commit_siblings",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "default_statistics_target",
    "effective_cache_size",
    "effective_io_concurrency",
    "from_collapse_limit",
    "geqo",
    "hash_mem_multiplier",
    "jit",
    "join_collapse_limit",
    "log_duration",
    "log_min_duration_statement",
    "log_statement",
    "maintenance_work_mem",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "random_page_cost",
    "seq_page_cost",
    "temp_buffers",
    "track_activities",
    "vacuum_cost_delay",
    "wal_compression",
];

/// Whether a setting is only remembered.
pub(super) fn is_tuning(lower: &str) -> bool {
    lower.starts_with("enable_") || TUNING.contains(&lower)
}
