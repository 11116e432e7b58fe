//! `kimberlite init` and `kimberlite start`: configuration, refusals, TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use support::server::{code, text};
use support::site::{PASSWORD, Site, ready};
use support::{Running, Server, kimberlite, psql};

#[test]
fn init_then_start_then_psql_then_again() {
    let site = Site::initialised();
    for _ in 0..2 {
        let running = Running::start(&mut site.start_command());
        let client = ready(&running);
        let output = psql(&site.url(client), "SELECT current_user");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "kimberlite\n",
            "{}",
            text(&output)
        );
        let (status, log) = running.terminate();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(!log.contains(PASSWORD), "{log}");
    }
}

#[test]
fn the_configuration_may_come_from_the_environment() {
    let site = Site::initialised();
    let moved = site.path("moved");
    std::fs::rename(site.path("data"), &moved).unwrap();
    let running = Running::start(
        kimberlite()
            .arg("start")
            .env("KIMBERLITE_CONFIG", site.config())
            .env("KIMBERLITE_DATA_DIR", &moved),
    );
    ready(&running);
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_name_and_the_line() {
    let site = Site::new();
    site.write(&site.text().replace("tls_enabled", "tls_enable"));
    let (status, output) = site.refused();
    assert_eq!(status, 2, "{output}");
    assert!(output.contains("line 14"), "{output}");
    assert!(output.contains("did you mean `tls_enabled`?"), "{output}");
}

#[test]
fn a_configuration_without_tls_does_not_start_and_says_why() {
    let site = Site::initialised();
    let open = site
        .text()
        .replace("tls_enabled = true", "tls_enabled = false");
    site.write(&open);
    let (status, output) = site.refused();
    assert_eq!(status, 2, "{output}");
    assert!(output.contains("tls_enabled: must be true"), "{output}");
}

#[test]
fn a_private_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let site = Site::initialised();
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&site.certificates.server_key, mode).unwrap();
    let (status, output) = site.refused();
    assert_eq!(status, 2, "{output}");
    assert!(output.contains("chmod 600"), "{output}");
}

#[test]
fn an_empty_directory_is_not_started() {
    let site = Site::new();
    let (status, output) = site.refused();
    assert_eq!(status, 5, "{output}");
    assert!(output.contains("kimberlite init"), "{output}");
    assert!(!site.path("data").exists());
}

#[test]
fn init_replaces_nothing() {
    let site = Site::initialised();
    let key = std::fs::read(site.path("master.key")).unwrap();
    let output = site.init();
    assert_eq!(code(&output), 5, "{}", text(&output));
    assert!(text(&output).contains("not empty"), "{}", text(&output));
    assert_eq!(std::fs::read(site.path("master.key")).unwrap(), key);
}

#[test]
fn init_refuses_a_short_password() {
    let site = Site::new();
    let output = kimberlite()
        .args(["init", "--create-master-key", "--config"])
        .arg(site.config())
        .env("KIMBERLITE_INIT_PASSWORD", "short")
        .output()
        .unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("12 characters"), "{}", text(&output));
    assert!(!site.path("data").exists());
    assert!(!site.path("master.key").exists());
}

#[test]
fn another_master_key_is_refused() {
    let site = Site::initialised();
    std::fs::write(site.path("master.key"), format!("{}=\n", "A".repeat(43))).unwrap();
    let (status, output) = site.refused();
    assert_eq!(status, 6, "{output}");
    assert!(output.contains("master key"), "{output}");
}

#[test]
fn a_missing_master_key_is_named() {
    let site = Site::initialised();
    std::fs::remove_file(site.path("master.key")).unwrap();
    let (status, output) = site.refused();
    assert_eq!(status, 6, "{output}");
    assert!(output.contains("master.key"), "{output}");
    assert!(
        !site.path("master.key").exists(),
        "a lost key is not replaced by a new one"
    );
}

#[test]
fn the_key_may_come_from_the_environment() {
    let site = Site::new();
    let source = format!("master_key_id = {:?}\n", site.path("master.key"));
    let text_with_env = site
        .text()
        .replace(&source, "")
        .replace("\"file\"", "\"env\"");
    site.write(&text_with_env);
    let key = format!("{}=", "B".repeat(42) + "A");
    let output = kimberlite()
        .args(["init", "--config"])
        .arg(site.config())
        .env("KIMBERLITE_INIT_PASSWORD", PASSWORD)
        .env("KIMBERLITE_MASTER_KEY", &key)
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let running = Running::start(site.start_command().env("KIMBERLITE_MASTER_KEY", &key));
    ready(&running);
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    let (status, output) = site.refused();
    assert_eq!(status, 6, "{output}");
    assert!(
        output.contains("KIMBERLITE_MASTER_KEY is not set"),
        "{output}"
    );
}

#[test]
fn a_development_directory_is_not_for_production() {
    let site = Site::new();
    let data = site.path("data");
    let (status, log) = Server::dev(&data).stop();
    assert_eq!(status.code(), Some(0), "{log}");
    std::fs::copy(data.join("dev/master.key"), site.path("master.key")).unwrap();
    let (status, output) = site.refused();
    assert_eq!(status, 5, "{output}");
    assert!(output.contains("kimberlite dev"), "{output}");
}

#[test]
fn two_nodes_cannot_have_one_directory() {
    let site = Site::initialised();
    let running = Running::start(&mut site.start_command());
    ready(&running);
    let (status, output) = site.refused();
    assert_eq!(status, 4, "{output}");
    assert!(output.contains("in use by another process"), "{output}");
}

#[test]
fn the_log_goes_to_the_file_that_is_named() {
    let site = Site::initialised();
    let log = site.path("server.log");
    let setting = format!("[monitoring]\nlog_output = {log:?}\nlog_level = \"info\"");
    site.write(&site.text().replace("[monitoring]", &setting));
    std::fs::remove_file(site.path("master.key")).unwrap();
    let (status, _) = site.refused();
    assert_eq!(status, 6);
    let text = std::fs::read_to_string(&log).unwrap();
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("one JSON object a line");
    }
    assert!(text.contains("master.key"), "{text}");
}

#[test]
fn clients_without_a_certificate_are_refused_where_one_is_required() {
    let site = Site::initialised();
    let setting = format!(
        "[security]\ntls_client_auth = \"require\"\ntls_ca_path = {:?}",
        site.certificates.ca
    );
    site.write(&site.text().replace("[security]", &setting));
    let running = Running::start(&mut site.start_command());
    let url = site.url(ready(&running));
    let output = psql(&url, "SELECT 1");
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("certificate"), "{}", text(&output));
    let with = |name: &str, path: &Path| format!("&{name}={}", path.display());
    let url = url
        + &with("sslcert", &site.certificates.client)
        + &with("sslkey", &site.certificates.client_key);
    let output = psql(&url, "SELECT 1");
    assert_eq!(code(&output), 0, "{}", text(&output));
}
