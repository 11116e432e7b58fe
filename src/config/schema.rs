//! Every section and key there is, and which of them this version honours.
//!
//! The names are those of the deployment guide, so that a file written for a
//! later version is answered key by key ("not supported yet, because …") and
//! not as a list of typing errors.

/// Whether this version does what a key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// It does.
    Yes,
    /// It does not; the text says why or what to do instead.
    NotYet(&'static str),
    /// No version will; the text says why and what to do.
    Never(&'static str),
}

impl Support {
    /// Why it is refused, to follow the name; `None` if it is honoured.
    pub(super) fn refusal(self) -> Option<String> {
        match self {
            Self::Yes => None,
            Self::NotYet(reason) => Some(format!(" is not supported yet: {reason}")),
            Self::Never(reason) => Some(format!(" is not supported: {reason}")),
        }
    }
}

/// A key of a section.
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it is honoured.
    pub(super) support: Support,
}

/// A `[section]`.
pub(super) struct Section {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether any of it is honoured.
    pub(super) support: Support,
    /// Its keys; of an unsupported section only its name matters.
    pub(super) keys: &'static [Key],
}

const fn yes(name: &'static str) -> Key {
    Key {
        name,
        support: Support::Yes,
    }
}

const fn not_yet(name: &'static str, reason: &'static str) -> Key {
    Key {
        name,
        support: Support::NotYet(reason),
    }
}

const fn never(name: &'static str, reason: &'static str) -> Key {
    Key {
        name,
        support: Support::Never(reason),
    }
}

/// The keys of one replica in the lists of `[cluster]` and `[standby]`.
pub(super) const REPLICA: &[&str] = &["id", "address", "name"];

/// All sections.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "cluster",
        support: Support::Yes,
        keys: &[
            yes("replicas"),
            yes("replica_id"),
            yes("heartbeat_interval_ms"),
            yes("election_timeout_ms"),
            yes("max_batch_size"),
            yes("forward_writes"),
            never(
                "log_compaction_interval_hours",
                "the log is immutable and never compacted; remove the key",
            ),
        ],
    },
    Section {
        name: "standby",
        support: Support::Yes,
        keys: &[
            yes("replicas"),
            yes("auto_promote_on_failure"),
            yes("max_lag_ms"),
        ],
    },
    Section {
        name: "compliance",
        support: Support::NotYet(
            "classification, audit log and retention are not enforced by this version, and a \
             retention that is written down but not kept would mislead an auditor; remove the section",
        ),
        keys: &[],
    },
    Section {
        name: "auth",
        support: Support::NotYet(
            "every login is SCRAM-SHA-256 with a password in this version; remove the section",
        ),
        keys: &[],
    },
    Section {
        name: "storage",
        support: Support::Yes,
        keys: &[
            yes("data_dir"),
            not_yet(
                "wal_dir",
                "the log lives under data_dir, on the same file system; put data_dir on the disk \
                 that is meant for the log",
            ),
            yes("sync_on_write"),
            yes("scrub_interval_seconds"),
            yes("copy_directories"),
            not_yet(
                "max_log_size_gb",
                "the log is not bounded by this version; watch kimberlite_storage_log_size_bytes \
                 and kimberlite_storage_disk_usage_percent instead",
            ),
        ],
    },
    Section {
        name: "crypto",
        support: Support::Yes,
        keys: &[
            yes("master_key_source"),
            yes("master_key_id"),
            yes("algorithm"),
            yes("enforce_encryption_at_rest"),
            not_yet("key_rotation_days", "keys are not rotated by this version"),
        ],
    },
    Section {
        name: "monitoring",
        support: Support::Yes,
        keys: &[
            yes("metrics_address"),
            yes("health_check_address"),
            yes("log_level"),
            yes("log_format"),
            yes("log_output"),
        ],
    },
    Section {
        name: "security",
        support: Support::Yes,
        keys: &[
            yes("tls_enabled"),
            yes("tls_cert_path"),
            yes("tls_key_path"),
            yes("tls_ca_path"),
            yes("tls_client_auth"),
            yes("bind_address"),
            yes("cluster_tls_cert_path"),
            yes("cluster_tls_key_path"),
            yes("cluster_tls_ca_path"),
            yes("client_address"),
            yes("max_connections"),
            not_yet(
                "max_requests_per_second",
                "requests are not counted against a rate by this version; max_connections is enforced",
            ),
        ],
    },
];

/// The section called `name`.
pub(super) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|s| s.name == name)
}

impl Section {
    /// The key called `name`.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

/// The sections that honour a key called `name`.
pub(super) fn sections_with(name: &str) -> Vec<&'static str> {
    SECTIONS
        .iter()
        .filter(|s| s.key(name).is_some())
        .map(|s| s.name)
        .collect()
}

/// "did you mean" or, when nothing is near, the list of what there is.
pub(super) fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let nearest = known
        .clone()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&wrong.to_lowercase(), name),
                name,
            )
        })
        .min();
    match nearest {
        Some((distance, name)) if distance * 2 <= wrong.chars().count().max(name.len()) => {
            format!("did you mean `{name}`?")
        }
        _ => {
            let all: Vec<String> = known.map(|name| format!("`{name}`")).collect();
            format!("known here: {}", all.join(", "))
        }
    }
}
