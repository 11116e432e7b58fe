//! `kimberlite-cli` on real data: exit statuses, damage by name, JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use support::server::{code, text};
use support::{Server, kimberlite_cli, psql};

const MARKER: &str = "a row somebody would like to change";

/// A stopped data directory with a few committed transactions.
fn stopped() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let sql = format!(
        "CREATE TABLE t (id int PRIMARY KEY, word text); INSERT INTO t VALUES (1, '{MARKER}')"
    );
    let output = psql(&server.url, &sql);
    assert_eq!(code(&output), 0, "{}", text(&output));
    for id in 2..12 {
        psql(
            &server.url,
            &format!("INSERT INTO t VALUES ({id}, 'word {id}')"),
        );
    }
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    dir
}

fn cli(dir: &Path, arguments: &[&str]) -> Output {
    kimberlite_cli()
        .args(arguments)
        .arg("--data-dir")
        .arg(dir)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(output)))
}

fn first_segment(dir: &Path) -> PathBuf {
    let mut segments: Vec<_> = std::fs::read_dir(dir.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect();
    segments.sort();
    segments.into_iter().next().unwrap()
}

/// Changes one bit of the last block that holds something.
fn damage(dir: &Path) -> PathBuf {
    let path = first_segment(dir);
    let bytes = std::fs::read(&path).unwrap();
    let magic = b"KBLK";
    let at = bytes
        .windows(magic.len())
        .rposition(|window| window == magic)
        .expect("a block");
    // Past its header, inside its payload, and not in a byte that is zero-fill.
    let at = at + 300;
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[bytes[at] ^ 1], u64::try_from(at).unwrap())
        .unwrap();
    path
}

#[test]
fn verify_says_clean_with_and_without_keys() {
    let dir = stopped();
    for arguments in [
        &["storage", "verify"][..],
        &["storage", "verify", "--full-scan"],
    ] {
        let output = cli(dir.path(), arguments);
        assert_eq!(code(&output), 0, "{}", text(&output));
    }
    let output = cli(
        dir.path(),
        &["storage", "verify", "--full-scan", "--output", "json"],
    );
    assert_eq!(code(&output), 0, "{}", text(&output));
    let report = json(&output);
    assert_eq!(report["result"], "clean", "{report:#}");
    assert!(report["blocks"].as_u64().unwrap() > 10, "{report:#}");
    assert_eq!(
        report["head"]["hash"].as_str().unwrap().len(),
        64,
        "{report:#}"
    );
    assert!(
        !report["tenants"].as_array().unwrap().is_empty(),
        "{report:#}"
    );
    assert!(
        report["damage"].as_array().unwrap().is_empty(),
        "{report:#}"
    );
}

#[test]
fn verify_names_damage() {
    let dir = stopped();
    let segment = damage(dir.path());
    let name = segment.file_name().unwrap().to_str().unwrap();
    let output = cli(dir.path(), &["storage", "verify", "--full-scan"]);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains(name), "{}", text(&output));
    let output = cli(
        dir.path(),
        &["storage", "verify", "--full-scan", "--output", "json"],
    );
    assert_eq!(code(&output), 1, "{}", text(&output));
    let report = json(&output);
    assert_eq!(report["result"], "damaged");
    let first = &report["damage"][0];
    assert!(first["file"].as_str().unwrap().contains(name), "{report:#}");
    assert!(first["offset"].is_u64(), "{report:#}");
    assert!(first["block"].is_u64(), "{report:#}");
}

#[test]
fn a_damaged_log_is_not_served() {
    let dir = stopped();
    damage(dir.path());
    let output = support::dev_command(dir.path()).output().unwrap();
    assert_eq!(code(&output), 7, "{}", text(&output));
    assert!(
        text(&output).contains("kimberlite-cli storage verify"),
        "{}",
        text(&output)
    );
    assert!(text(&output).contains("block"), "{}", text(&output));
}

#[test]
fn verify_that_cannot_run_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("absent")] {
        let output = cli(&path, &["storage", "verify"]);
        assert_eq!(code(&output), 2, "{}", text(&output));
        let output = cli(&path, &["storage", "verify", "--output", "json"]);
        assert_eq!(code(&output), 2, "{}", text(&output));
        assert_eq!(json(&output)["result"], "could not run");
    }
}

#[test]
fn verify_with_the_wrong_key_could_not_run() {
    let dir = stopped();
    let key = dir.path().join("other.key");
    std::fs::copy(dir.path().join("dev/master.key"), &key).unwrap();
    std::fs::write(&key, format!("{}=\n", "A".repeat(43))).unwrap();
    let file = key.to_str().unwrap();
    let output = cli(
        dir.path(),
        &[
            "storage",
            "verify",
            "--full-scan",
            "--master-key-file",
            file,
        ],
    );
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("master key"), "{}", text(&output));
}

#[test]
fn inspect_needs_no_key_and_shows_no_content() {
    let dir = stopped();
    std::fs::remove_file(dir.path().join("dev/master.key")).unwrap();
    let output = cli(dir.path(), &["storage", "inspect"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(!text(&output).contains(MARKER));
    let output = cli(dir.path(), &["storage", "inspect", "--output", "json"]);
    let report = json(&output);
    assert!(
        report["segments"].as_array().is_some_and(|s| !s.is_empty()),
        "{report:#}"
    );
    assert!(report["blocks"].as_u64().unwrap() > 10, "{report:#}");
    assert!(report["events"].as_u64().unwrap() > 10, "{report:#}");
}

#[test]
fn a_rebuilt_projection_holds_the_same_rows() {
    let dir = stopped();
    std::fs::remove_dir_all(dir.path().join("projection")).unwrap();
    let output = cli(dir.path(), &["projection", "rebuild"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let server = Server::dev(dir.path());
    let output = psql(&server.url, "SELECT count(*), min(word) FROM t");
    let expected = format!("11|{MARKER}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        expected,
        "{}",
        text(&output)
    );
}

#[test]
fn a_running_server_keeps_its_projection() {
    let dir = tempfile::tempdir().unwrap();
    let _server = Server::dev(dir.path());
    let output = cli(dir.path(), &["projection", "rebuild"]);
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("in use"), "{}", text(&output));
}

#[test]
fn status_tells_ready_from_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let address = server.health.to_string();
    let ask = |output: &str| {
        kimberlite_cli()
            .args(["status", "--health-address", &address, "--output", output])
            .output()
            .unwrap()
    };
    let output = ask("text");
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("ready"), "{}", text(&output));
    let report = json(&ask("json"));
    assert_eq!(report["status"], "ready");
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["applied_index"].as_u64().unwrap() > 0, "{report:#}");
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let output = ask("text");
    assert_eq!(code(&output), 2, "{}", text(&output));
}
