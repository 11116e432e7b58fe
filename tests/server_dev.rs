//! `kimberlite dev`: one command from nothing to psql, and again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::fs::MetadataExt as _;

use support::server::{code, text};
use support::{Server, connect, dev_command, http, psql};

#[test]
fn the_url_works_in_psql_as_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let output = psql(&server.url, "SELECT 1 + 1");
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "2");
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test]
async fn a_driver_verifies_the_certificate_and_binds_the_channel() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    let row = client.query_one("SELECT 42", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
}

#[tokio::test]
async fn a_connection_without_tls_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let plain = server.url.split('?').next().unwrap();
    let error = connect(plain).await.expect_err("plaintext must be refused");
    assert_eq!(error.code().map(|c| c.code()), Some("28000"), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let password = std::fs::read_to_string(dir.path().join("dev/password")).unwrap();
    let url = server.url.replace(password.trim(), "wrong");
    let error = connect(&url).await.expect_err("must be refused");
    assert_eq!(error.code().map(|c| c.code()), Some("28P01"), "{error:?}");
}

#[test]
fn a_second_start_finds_everything_again() {
    let dir = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read(dir.path().join("dev").join(name)).unwrap();
    let files = [
        "password",
        "master.key",
        "ca.crt",
        "server.crt",
        "server.key",
    ];

    let first = Server::dev(dir.path());
    let sql = "CREATE TABLE kept (id int PRIMARY KEY, word text); \
               INSERT INTO kept VALUES (1, 'still here')";
    let output = psql(&first.url, sql);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let before: Vec<_> = files.iter().map(|name| read(name)).collect();
    let (status, log) = first.stop();
    assert_eq!(status.code(), Some(0), "{log}");

    let second = Server::dev(dir.path());
    let after: Vec<_> = files.iter().map(|name| read(name)).collect();
    assert!(before == after, "keys, password or certificate changed");
    let output = psql(&second.url, "SELECT word FROM kept WHERE id = 1");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "still here",
        "{}",
        text(&output)
    );
}

#[test]
fn the_url_exists_only_while_the_server_accepts() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let url = dir.path().join("dev/url");
    assert_eq!(std::fs::metadata(&url).unwrap().mode() & 0o777, 0o600);
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!url.exists());
}

#[test]
fn both_databases_of_the_role_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    for database in ["dev", "kimberlite"] {
        let output = psql(
            &server.url_of(database),
            "SELECT current_database(), current_user",
        );
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            format!("{database}|kimberlite"),
            "{}",
            text(&output)
        );
    }
    let output = psql(&server.url_of("absent"), "SELECT 1");
    assert_eq!(code(&output), 2, "{}", text(&output));
}

#[test]
fn addresses_of_a_network_are_refused() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let dir = tempfile::tempdir().unwrap();
        let output = support::kimberlite()
            .args(["dev", "--client-address", address, "--data-dir"])
            .arg(dir.path().join("data"))
            .output()
            .unwrap();
        assert_eq!(code(&output), 2);
        assert!(
            text(&output).contains("reached from other machines"),
            "{}",
            text(&output)
        );
        assert!(
            !dir.path().join("data").exists(),
            "refused before anything is made"
        );
    }
}

#[test]
fn health_ready_and_metrics_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let sql = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)";
    let output = psql(&server.url, sql);
    assert_eq!(code(&output), 0, "{}", text(&output));

    assert_eq!(http::get(server.health, "/health").unwrap().0, 200);
    let (code, body) = http::get(server.health, "/ready").unwrap();
    assert_eq!((code, body.contains("\"ready\"")), (200, true), "{body}");

    let (code, metrics) = http::get(server.metrics, "/metrics").unwrap();
    assert_eq!(code, 200);
    let value = |name: &str| {
        http::sample(&metrics, name).unwrap_or_else(|| panic!("{name} is missing in\n{metrics}"))
    };
    for positive in [
        "kimberlite_storage_log_size_bytes",
        "kimberlite_storage_disk_usage_percent",
        "kimberlite_storage_fsync_latency_seconds_count",
        "kimberlite_storage_fsync_latency_seconds_sum",
        "kimberlite_consensus_commits_total",
        "kimberlite_consensus_commit_latency_seconds_count",
        "kimberlite_encryption_operations_total{operation=\"encrypt\"}",
        "kimberlite_connections_total",
        "process_resident_memory_bytes",
    ] {
        assert!(value(positive) > 0.0, "{positive} in\n{metrics}");
    }
    assert!((0.0..=100.0).contains(&value("kimberlite_storage_disk_usage_percent")));
    let infinite = "kimberlite_storage_fsync_latency_seconds_bucket{le=\"+Inf\"}";
    let count = value("kimberlite_storage_fsync_latency_seconds_count");
    assert!((value(infinite) - count).abs() < f64::EPSILON);
    value("kimberlite_hash_chain_verifications_total{result=\"success\"}");
    let failures = value("kimberlite_hash_chain_verifications_total{result=\"failure\"}");
    assert!(failures.abs() < f64::EPSILON);
    value("kimberlite_encryption_operations_total{operation=\"decrypt\"}");
}

#[test]
fn commits_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let commits = || {
        let (_, metrics) = http::get(server.metrics, "/metrics").unwrap();
        http::sample(&metrics, "kimberlite_consensus_commits_total").unwrap()
    };
    psql(&server.url, "CREATE TABLE t (id int PRIMARY KEY)");
    let before = commits();
    for id in 0..3 {
        let output = psql(&server.url, &format!("INSERT INTO t VALUES ({id})"));
        assert_eq!(code(&output), 0, "{}", text(&output));
    }
    assert!((commits() - before - 3.0).abs() < f64::EPSILON);
}

#[test]
fn two_servers_cannot_have_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::dev(dir.path());
    let output = dev_command(dir.path()).output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(
        text(&output).contains("in use by another"),
        "{}",
        text(&output)
    );
    // The first one is none the worse for it.
    let output = psql(&first.url, "SELECT 1");
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(dir.path().join("dev/url").exists());
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--client-address", "--metrics-address", "--health-address"] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = support::kimberlite();
        command.arg("dev").arg("--data-dir").arg(dir.path());
        for other in ["--client-address", "--metrics-address", "--health-address"] {
            let value = if other == option {
                address.as_str()
            } else {
                "127.0.0.1:0"
            };
            command.arg(other).arg(value);
        }
        let output = command.output().unwrap();
        assert_eq!(code(&output), 3, "{}", text(&output));
        assert!(text(&output).contains(&address), "{}", text(&output));
        assert!(
            text(&output).contains("another program"),
            "{}",
            text(&output)
        );
        assert!(
            !dir.path().join("superblock").exists(),
            "refused before the store opens"
        );
    }
}

#[test]
fn a_wrong_master_key_is_named_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (status, log) = Server::dev(dir.path()).stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let key = dir.path().join("dev/master.key");
    let right = std::fs::read(&key).unwrap();
    // Another valid key: 32 zero bytes in base64.
    std::fs::write(&key, format!("{}=\n", "A".repeat(43))).unwrap();
    let output = dev_command(dir.path()).output().unwrap();
    assert_eq!(code(&output), 6, "{}", text(&output));
    assert!(text(&output).contains("master key"), "{}", text(&output));
    std::fs::write(&key, right).unwrap();
    let server = Server::dev(dir.path());
    let output = psql(&server.url, "SELECT 1");
    assert_eq!(code(&output), 0, "{}", text(&output));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    Server::dev(dir.path()).stop();
    let key = dir.path().join("dev/master.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = dev_command(dir.path()).output().unwrap();
    assert_eq!(code(&output), 6, "{}", text(&output));
    assert!(text(&output).contains("chmod 600"), "{}", text(&output));
}
