//! The program as a person runs it: exit status, scoreboard, JSON, TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::Postgres;

fn slt(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kimberlite-sqllogictest"))
        .args(arguments)
        .env_remove("SLT_URL")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn exit_status_scoreboard_and_json() {
    let postgres = Postgres::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("good.slt"), "query I\nSELECT 1\n----\n1\n").unwrap();
    std::fs::write(
        path("bad.slt"),
        "query I\nSELECT 1\n----\n2\n\nstatement ok\nSELECT x\n",
    )
    .unwrap();

    let good = slt(&["--url", &postgres.url, &path("good.slt")]);
    assert_eq!(good.status.code(), Some(0), "{}", stdout(&good));
    assert!(
        stdout(&good).contains("1 of 1 as expected (100.000 %)"),
        "{}",
        stdout(&good)
    );

    let bad = slt(&[
        "--url",
        &postgres.url,
        "--json",
        &path("out.json"),
        &path(""),
    ]);
    assert_eq!(bad.status.code(), Some(1));
    let text = stdout(&bad);
    for part in [
        "1 of 3 as expected",
        "1  wrong result",
        "bad.slt:6",
        "42703",
    ] {
        assert!(text.contains(part), "{part} not in\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path("out.json")).unwrap()).unwrap();
    assert_eq!(json["totals"]["passed"], 1);
    assert_eq!(json["reasons"]["wrong_result"], 1);
    assert_eq!(json["files"][0]["misses"][0]["actual"], "1");
    assert_eq!(json["files"][0]["misses"][1]["sqlstate"], "42703");

    for arguments in [
        vec![
            "--url",
            "postgres://nobody@127.0.0.1:1/x",
            &path("good.slt"),
        ],
        vec!["--url", &postgres.url, &path("nothing.slt")],
        vec!["--url", "http://x", &path("good.slt")],
    ] {
        let output = slt(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

fn certificate(folder: &Path, name: &str, alternative: &str) -> (String, String) {
    let path = |ending: &str| {
        folder
            .join(format!("{name}.{ending}"))
            .display()
            .to_string()
    };
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args([
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test",
            "-addext",
            alternative,
        ])
        .args(["-keyout", &path("key"), "-out", &path("crt")])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (path("crt"), path("key"))
}

#[test]
fn tls_modes_mean_what_they_mean_to_libpq() {
    let folder = tempfile::tempdir().unwrap();
    let (crt, key) = certificate(folder.path(), "server", "subjectAltName=IP:127.0.0.1");
    let (other, _) = certificate(folder.path(), "other", "subjectAltName=IP:127.0.0.1");
    let postgres = Postgres::start(&["--tcp", "--tls", &crt, &key]);
    let file = folder.path().join("tls.slt").display().to_string();
    let text = "query T\nSELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()\n----\n";
    let expect = |encrypted: &str| std::fs::write(&file, format!("{text}{encrypted}\n")).unwrap();
    let status = |url: &str| slt(&["--url", url, &file]).status.code();
    let by_name = postgres.url.replace("127.0.0.1", "localhost");

    expect("t");
    assert_eq!(
        status(&format!("{}?sslmode=require", postgres.url)),
        Some(0)
    );
    assert_eq!(status(&postgres.url), Some(0), "prefer");
    assert_eq!(
        status(&format!(
            "{}?sslmode=verify-full&sslrootcert={crt}",
            postgres.url
        )),
        Some(0)
    );
    assert_eq!(
        status(&format!("{by_name}?sslmode=verify-full&sslrootcert={crt}")),
        Some(2)
    );
    assert_eq!(
        status(&format!("{by_name}?sslmode=verify-ca&sslrootcert={crt}")),
        Some(0)
    );
    assert_eq!(
        status(&format!(
            "{}?sslmode=verify-ca&sslrootcert={other}",
            postgres.url
        )),
        Some(2)
    );
    assert_eq!(
        status(&format!(
            "{}?sslmode=require&sslrootcert={other}",
            postgres.url
        )),
        Some(2)
    );
    expect("f");
    assert_eq!(
        status(&format!("{}?sslmode=disable", postgres.url)),
        Some(0)
    );
}
