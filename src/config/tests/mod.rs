#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cluster;
mod hosts;
mod membership;
mod replication;
mod samples;

use super::*;

const GOOD: &str = r#"
[storage]
data_dir = "/var/lib/kimberlite/data"
sync_on_write = true

[crypto]
master_key_source = "file"
master_key_id = "/etc/kimberlite/master.key"
algorithm = "AES-256-GCM"
enforce_encryption_at_rest = true

[monitoring]
metrics_address = "0.0.0.0:9090"
health_check_address = "0.0.0.0:8080"
log_level = "info"
log_format = "json"
log_output = "/var/log/kimberlite/server.log"

[security]
tls_enabled = true
tls_cert_path = "/etc/kimberlite/certs/server.crt"
tls_key_path = "/etc/kimberlite/certs/server.key"
tls_ca_path = "/etc/kimberlite/certs/ca.crt"
tls_client_auth = "require"
client_address = "0.0.0.0:7001"
max_connections = 10000
"#;

fn parse_in(text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    Config::parse(Path::new("kimberlite.toml"), text, environment)
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_in(text, &Environment::default())
}

/// The only problem of a text that must have exactly one.
fn only_problem(text: &str) -> Problem {
    let problems = parse(text).expect_err("must be refused").problems;
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.into_iter().next().unwrap()
}

/// The only problem of a text, and that it is the one of the line with `needle`.
fn problem_of_line(text: &str, needle: &str) -> String {
    let problem = only_problem(text);
    assert_eq!(
        problem.line,
        Some(line_of(text, needle)),
        "{}",
        problem.message
    );
    problem.message
}

fn line_of(text: &str, needle: &str) -> usize {
    1 + text.lines().position(|l| l.contains(needle)).unwrap()
}

#[test]
fn reads_every_supported_key() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.mode, Mode::Production);
    assert_eq!(
        config.storage.data_dir,
        Path::new("/var/lib/kimberlite/data")
    );
    assert_eq!(
        config.crypto.master_key,
        MasterKeySource::File("/etc/kimberlite/master.key".into())
    );
    assert_eq!(config.monitoring.metrics_address.port(), 9090);
    assert_eq!(config.monitoring.health_check_address.port(), 8080);
    assert_eq!(config.monitoring.log.level, LogLevel::Info);
    assert_eq!(config.monitoring.log.format, LogFormat::Json);
    assert_eq!(
        config.monitoring.log.output,
        LogOutput::File("/var/log/kimberlite/server.log".into())
    );
    assert_eq!(config.security.client_address.port(), 7001);
    assert_eq!(config.security.max_connections, 10_000);
    let tls = config.security.tls.unwrap();
    assert_eq!(
        tls.client_ca_path,
        Some("/etc/kimberlite/certs/ca.crt".into())
    );
}

#[test]
fn unknown_key_names_the_nearest_and_its_line() {
    for (wrong, right) in [
        ("tls_enable = true", "tls_enabled"),
        ("max_connection = 5", "max_connections"),
        ("client_adress = \"x\"", "client_address"),
        ("tls_client_auht = \"none\"", "tls_client_auth"),
    ] {
        let text = format!("{GOOD}\n{wrong}\n");
        let problem = only_problem(&text);
        assert_eq!(problem.line, Some(line_of(&text, wrong)));
        let wanted = format!("did you mean `{right}`?");
        assert!(problem.message.contains(&wanted), "{}", problem.message);
    }
}

#[test]
fn unknown_section_names_the_nearest() {
    let text = format!("{GOOD}\n[montoring]\nlog_level = \"info\"\n");
    let problem = only_problem(&text);
    assert_eq!(problem.line, Some(line_of(&text, "[montoring]")));
    assert!(
        problem.message.contains("did you mean `monitoring`?"),
        "{}",
        problem.message
    );
}

#[test]
fn a_key_nothing_resembles_lists_what_there_is() {
    let problem = only_problem(&format!("{GOOD}\nzzzzzzzzzzzzzzzzzz = 1\n"));
    assert!(
        problem.message.contains("known here: `tls_enabled`"),
        "{}",
        problem.message
    );
}

#[test]
fn a_key_in_the_wrong_section_is_sent_home() {
    let problem = only_problem(&format!("{GOOD}\nlog_level = \"info\"\n"));
    assert!(
        problem.message.contains("but in [monitoring]"),
        "{}",
        problem.message
    );
    let problem = only_problem(&format!("max_connections = 5\n{GOOD}"));
    assert!(
        problem.message.contains("belongs under [security]"),
        "{}",
        problem.message
    );
}

#[test]
fn what_is_not_honoured_is_refused_not_ignored() {
    for key in [
        ("[storage]", "wal_dir = \"/wal\""),
        ("[storage]", "max_log_size_gb = 1000"),
        ("[crypto]", "key_rotation_days = 90"),
        ("[security]", "max_requests_per_second = 50000"),
    ] {
        let text = GOOD.replace(key.0, &format!("{}\n{}", key.0, key.1));
        let problem = only_problem(&text);
        assert!(
            problem.message.contains("not supported yet"),
            "{}",
            problem.message
        );
        assert_eq!(problem.line, Some(line_of(&text, key.1)));
    }
    for section in ["compliance", "auth"] {
        let problem = only_problem(&format!("{GOOD}\n[{section}]\nanything = 1\n"));
        assert!(
            problem.message.contains("not supported yet"),
            "{}",
            problem.message
        );
    }
}

#[test]
fn safety_cannot_be_switched_off() {
    for (on, off) in [
        ("sync_on_write = true", "sync_on_write = false"),
        (
            "enforce_encryption_at_rest = true",
            "enforce_encryption_at_rest = false",
        ),
        ("\"AES-256-GCM\"", "\"AES-128-ECB\""),
    ] {
        only_problem(&GOOD.replace(on, off));
    }
}

const PLAINTEXT: &str = "[storage]\ndata_dir = \"/d\"\n[crypto]\nmaster_key_source = \"env\"\n";

#[test]
fn production_without_tls_does_not_start_and_says_why() {
    let problem = only_problem(PLAINTEXT);
    assert!(
        problem.message.contains("tls_enabled: must be true"),
        "{}",
        problem.message
    );
}

#[test]
fn development_allows_plaintext_on_loopback_only() {
    let development = Environment {
        env: Some("development".into()),
        ..Environment::default()
    };
    let config = parse_in(PLAINTEXT, &development).unwrap();
    assert_eq!(config.mode, Mode::Development);
    assert_eq!(config.security.tls, None);
    assert!(config.security.client_address.ip().is_loopback());

    let open = format!("{PLAINTEXT}[security]\nclient_address = \"0.0.0.0:7001\"\n");
    parse_in(&open, &development).expect_err("an open port without TLS");
}

#[test]
fn a_misspelt_mode_is_not_a_default() {
    let environment = Environment {
        env: Some("Production".into()),
        ..Environment::default()
    };
    let error = parse_in(GOOD, &environment).expect_err("must be refused");
    assert!(error.to_string().contains("KIMBERLITE_ENV"), "{error}");
}

#[test]
fn environment_overrides_the_file() {
    let environment = Environment {
        data_dir: Some("/elsewhere".into()),
        log_level: Some("debug".into()),
        client_address: Some("10.0.0.1:5432".into()),
        ..Environment::default()
    };
    let config = parse_in(GOOD, &environment).unwrap();
    assert_eq!(
        config.security.client_address,
        "10.0.0.1:5432".parse().unwrap()
    );
    assert_eq!(config.storage.data_dir, Path::new("/elsewhere"));
    assert_eq!(config.monitoring.log.level, LogLevel::Debug);
}

#[test]
fn an_address_in_the_environment_is_checked() {
    let environment = Environment {
        client_address: Some("localhost:5432".into()),
        ..Environment::default()
    };
    let error = parse_in(GOOD, &environment).expect_err("must be refused");
    let expected = "KIMBERLITE_CLIENT_ADDRESS is `localhost:5432`";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn missing_essentials_are_all_reported_at_once() {
    let error = parse("").expect_err("must be refused").to_string();
    for name in ["data_dir", "master_key_source", "tls_enabled"] {
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn wrong_types_and_syntax_are_located() {
    let text = GOOD.replace("max_connections = 10000", "max_connections = \"many\"");
    let problem = only_problem(&text);
    assert_eq!(problem.line, Some(line_of(&text, "max_connections")));
    let text = GOOD.replace("[crypto]", "[crypto");
    let problem = only_problem(&text);
    assert_eq!(problem.line, Some(line_of(&text, "[crypto")));
    assert!(problem.message.contains("not TOML"), "{}", problem.message);
}

#[test]
fn key_sources_of_later_versions_are_named_as_such() {
    let text = GOOD.replace("\"file\"", "\"aws-kms\"");
    let message = only_problem(&text).message;
    assert!(message.contains("not supported yet"), "{message}");
    let text = GOOD.replace("\"file\"", "\"fiel\"");
    let message = only_problem(&text).message;
    assert!(message.contains("did you mean `file`?"), "{message}");
}

#[test]
fn client_certificates_need_an_authority_and_the_reverse() {
    let text = GOOD.replace("tls_ca_path = \"/etc/kimberlite/certs/ca.crt\"\n", "");
    assert!(only_problem(&text).message.contains("tls_ca_path"));
    let text = GOOD.replace(
        "tls_client_auth = \"require\"",
        "tls_client_auth = \"none\"",
    );
    assert!(only_problem(&text).message.contains("has no effect"));
}

#[test]
fn an_unreadable_file_is_an_error_that_names_it() {
    let error = Config::load(Path::new("/nonexistent/k.toml"), &Environment::default())
        .expect_err("must fail")
        .to_string();
    assert!(error.contains("/nonexistent/k.toml"), "{error}");
}

proptest::proptest! {
    /// Whatever the file holds, the answer is a configuration or a list of
    /// problems with lines that exist.
    #[test]
    fn no_text_makes_it_panic(
        at in 0..GOOD.len(),
        remove in 0..40usize,
        insert in "[\\[\\]a-z_\"'=.{}\\\\0-9 \n]{0,20}",
    ) {
        let end = (at + remove).min(GOOD.len());
        let text = format!("{}{insert}{}", &GOOD[..at], &GOOD[end..]);
        if let Err(error) = parse(&text) {
            proptest::prop_assert!(!error.problems.is_empty());
            let lines = text.split('\n').count();
            for problem in &error.problems {
                proptest::prop_assert!(problem.line.is_none_or(|l| (1..=lines).contains(&l)));
            }
        }
    }

    /// The same for a cluster.
    #[test]
    fn no_cluster_makes_it_panic(
        at in 0..cluster::THREE.len(),
        remove in 0..40usize,
        insert in "[\\[\\]a-z_\"'=.:,{}\\\\0-9 \n-]{0,20}",
    ) {
        let end = (at + remove).min(cluster::THREE.len());
        let text = format!("{}{insert}{}", &cluster::THREE[..at], &cluster::THREE[end..]);
        let lines = text.split('\n').count();
        if let Err(error) = parse(&text) {
            proptest::prop_assert!(!error.problems.is_empty());
            for problem in &error.problems {
                proptest::prop_assert!(problem.line.is_none_or(|l| (1..=lines).contains(&l)));
            }
        }
    }

    /// The same for text that is not a configuration at all.
    #[test]
    fn no_noise_makes_it_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }
}

#[test]
fn directories_open_to_copy_are_absolute() {
    let with = |value: &str| {
        let line = format!("sync_on_write = true\ncopy_directories = {value}");
        parse(&GOOD.replace("sync_on_write = true", &line))
    };
    let storage = with(r#"["/srv/import", "/srv/more"]"#).unwrap().storage;
    let expected = ["/srv/import", "/srv/more"].map(PathBuf::from);
    assert_eq!(storage.copy_directories, expected);
    assert!(parse(GOOD).unwrap().storage.copy_directories.is_empty());
    for wrong in [r#"["import"]"#, r#""/srv/import""#, "[1]"] {
        let error = with(wrong).unwrap_err().to_string();
        assert!(error.contains("copy_directories"), "{error}");
    }
}
