//! From a document to a [`Config`]: one function or file a section.

mod cluster;
mod replicas;
mod replication;
mod security;
mod tls_keys;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use self::replicas::Size;
use self::tls_keys::TlsKeys;
use self::values::address;
use super::document::Document;
use super::environment::{Environment, Mode};
use super::problem::Problem;
use super::{
    Config, Crypto, HEALTH_ADDRESS_DEFAULT, LogFormat, LogLevel, LogOutput, LogSettings,
    METRICS_ADDRESS_DEFAULT, MasterKeySource, Monitoring, Storage, schema,
};
use crate::scrub::SCRUB_INTERVAL_DEFAULT;

/// Reads every section and returns either the configuration or every problem.
pub(super) fn config(text: &str, environment: &Environment) -> Result<Config, Vec<Problem>> {
    let mut doc = Document::parse(text).map_err(|problem| vec![problem])?;
    let mode = environment.mode().unwrap_or_else(|message| {
        doc.problems.push(Problem::of_file(message));
        Mode::Production
    });
    let storage = storage(&mut doc, environment);
    let crypto = crypto(&mut doc);
    let monitoring = monitoring(&mut doc, environment);
    let keys = TlsKeys::read(&mut doc);
    let members = replicas::read(&mut doc);
    let size = members.size;
    let security = security::read(&mut doc, environment, mode, size, &keys);
    let port = replication::read(&mut doc, environment, size, &keys);
    let cluster = cluster::read(&mut doc, environment, members, port);
    // `None` inside: one node, which is right where there is no [cluster].
    let cluster = (cluster.is_some() || size == Size::OneNode).then_some(cluster);

    let mut problems = doc.problems;
    match (storage, crypto, monitoring, security, cluster) {
        (Some(storage), Some(crypto), Some(monitoring), Some(security), Some(cluster))
            if problems.is_empty() =>
        {
            Ok(Config {
                mode,
                storage,
                crypto,
                monitoring,
                security,
                cluster,
            })
        }
        _ => {
            // Problems without a line (something is missing) come last.
            problems.sort_by_key(|p| p.line.unwrap_or(usize::MAX));
            Err(problems)
        }
    }
}

fn storage(doc: &mut Document<'_>, environment: &Environment) -> Option<Storage> {
    if doc.boolean("storage", "sync_on_write") == Some(false) {
        doc.refuse(
            "storage",
            "sync_on_write",
            "false would acknowledge commits that a power cut can lose; every commit is flushed, \
             and flushes are shared between the sessions that commit at one time",
        );
    }
    let scrub_interval = doc
        .number("storage", "scrub_interval_seconds")
        .map_or(SCRUB_INTERVAL_DEFAULT, Duration::from_secs);
    let copy_directories = copy_directories(doc);
    let from_file = doc.string("storage", "data_dir").map(PathBuf::from);
    let data_dir = environment.data_dir.clone().or(from_file);
    match data_dir {
        Some(path) if path.as_os_str().is_empty() => {
            doc.refuse("storage", "data_dir", "is empty");
            None
        }
        Some(data_dir) => Some(Storage {
            data_dir,
            scrub_interval,
            copy_directories,
        }),
        None => {
            if doc.line("storage", "data_dir").is_none() {
                doc.refuse(
                    "storage",
                    "data_dir",
                    "is missing: name the directory for the log (or set KIMBERLITE_DATA_DIR)",
                );
            }
            None
        }
    }
}

fn copy_directories(doc: &mut Document<'_>) -> Vec<PathBuf> {
    let names = doc.strings("storage", "copy_directories");
    let directories: Vec<PathBuf> = names
        .unwrap_or_default()
        .into_iter()
        .map(PathBuf::from)
        .collect();
    if directories.iter().any(|path| !path.is_absolute()) {
        let why = "every directory must be an absolute path";
        doc.refuse("storage", "copy_directories", why);
    }
    directories
}

fn crypto(doc: &mut Document<'_>) -> Option<Crypto> {
    if doc.boolean("crypto", "enforce_encryption_at_rest") == Some(false) {
        doc.refuse(
            "crypto",
            "enforce_encryption_at_rest",
            "cannot be turned off: everything on disk is encrypted",
        );
    }
    if let Some(algorithm) = doc.string("crypto", "algorithm")
        && algorithm != "AES-256-GCM"
    {
        let why = format!("`{algorithm}` is not supported; the algorithm is \"AES-256-GCM\"");
        doc.refuse("crypto", "algorithm", &why);
    }
    let id = doc.string("crypto", "master_key_id");
    let has_source = doc.line("crypto", "master_key_source").is_some();
    let source = doc.string("crypto", "master_key_source");
    let master_key = match (source.as_deref(), id) {
        (Some("file"), Some(path)) if !path.is_empty() => {
            Some(MasterKeySource::File(PathBuf::from(path)))
        }
        (Some("file"), _) => {
            doc.refuse(
                "crypto",
                "master_key_id",
                "must be the path of the key file when master_key_source is \"file\"",
            );
            None
        }
        (Some("env"), None) => Some(MasterKeySource::Env),
        (Some("env"), Some(id)) if id == "KIMBERLITE_MASTER_KEY" => Some(MasterKeySource::Env),
        (Some("env"), Some(_)) => {
            doc.refuse(
                "crypto",
                "master_key_id",
                "the key is read from KIMBERLITE_MASTER_KEY when master_key_source is \"env\"; \
                 remove this key",
            );
            None
        }
        (Some(other), _) => {
            let why = unknown_key_source(other);
            doc.refuse("crypto", "master_key_source", &why);
            None
        }
        (None, _) => {
            if !has_source {
                doc.refuse(
                    "crypto",
                    "master_key_source",
                    "is missing: \"file\" (with master_key_id = its path) or \"env\" \
                     (KIMBERLITE_MASTER_KEY); nothing is stored unencrypted",
                );
            }
            None
        }
    };
    Some(Crypto {
        master_key: master_key?,
    })
}

fn unknown_key_source(name: &str) -> String {
    const LATER: [&str; 4] = ["aws-kms", "aws-secrets-manager", "vault", "pkcs11"];
    if LATER.contains(&name) {
        return format!("\"{name}\" is not supported yet; this version has \"file\" and \"env\"");
    }
    let known = ["file", "env"].into_iter().chain(LATER);
    format!(
        "unknown source \"{name}\"; {}",
        schema::suggestion(name, known)
    )
}

fn monitoring(doc: &mut Document<'_>, environment: &Environment) -> Option<Monitoring> {
    let metrics_address = address(
        doc,
        "monitoring",
        "metrics_address",
        METRICS_ADDRESS_DEFAULT,
    );
    let health_check_address = address(
        doc,
        "monitoring",
        "health_check_address",
        HEALTH_ADDRESS_DEFAULT,
    );
    let level = log_level(doc, environment);
    let format = match doc.string("monitoring", "log_format").as_deref() {
        None | Some("json") => LogFormat::Json,
        Some("text") => LogFormat::Text,
        Some(other) => {
            let why = format!("`{other}` is neither \"json\" nor \"text\"");
            doc.refuse("monitoring", "log_format", &why);
            LogFormat::Json
        }
    };
    let output = match doc.string("monitoring", "log_output").as_deref() {
        None | Some("stderr") => LogOutput::Stderr,
        Some("stdout") => LogOutput::Stdout,
        Some("") => {
            doc.refuse(
                "monitoring",
                "log_output",
                "is empty: a path, \"stderr\" or \"stdout\"",
            );
            LogOutput::Stderr
        }
        Some(path) => LogOutput::File(PathBuf::from(path)),
    };
    Some(Monitoring {
        metrics_address: metrics_address?,
        health_check_address: health_check_address?,
        log: LogSettings {
            level: level?,
            format,
            output,
        },
    })
}

fn log_level(doc: &mut Document<'_>, environment: &Environment) -> Option<LogLevel> {
    let from_file = doc.string("monitoring", "log_level");
    if let Some(name) = &environment.log_level {
        let level = LogLevel::from_name(name);
        if level.is_none() {
            let hint = schema::suggestion(name, LogLevel::NAMES.into_iter());
            let message = format!("KIMBERLITE_LOG_LEVEL is `{name}`; {hint}");
            doc.problems.push(Problem::of_file(message));
        }
        return level;
    }
    let Some(name) = from_file else {
        return Some(LogLevel::Info);
    };
    let level = LogLevel::from_name(&name);
    if level.is_none() {
        let hint = schema::suggestion(&name, LogLevel::NAMES.into_iter());
        doc.refuse(
            "monitoring",
            "log_level",
            &format!("unknown level `{name}`; {hint}"),
        );
    }
    level
}
