//! The settings there are.

/// The PostgreSQL release whose behaviour is followed.
pub const SERVER_VERSION: &str = "15.14";

/// The same as a number, as `server_version_num` gives it.
pub const SERVER_VERSION_NUM: &str = "150014";

/// Settings that are not PostgreSQL's, that a session cannot set, or that start with
/// another value here: name as PostgreSQL spells it, value.
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("is_superuser", "on"),
    ("kimberlite.fast_path", "on"),
    ("kimberlite.read_consistency", "linearizable"),
    ("max_identifier_length", "63"),
    ("role", "none"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", SERVER_VERSION_NUM),
    ("session_authorization", ""),
    ("TimeZone", "UTC"),
    ("work_mem", "64MB"),
];

/// Whether a session's replica only reads.
pub(super) const IN_HOT_STANDBY: &str = "in_hot_standby";

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
    "role",
    "server_encoding",
    "server_version",
    "server_version_num",
    "session_authorization",
];
