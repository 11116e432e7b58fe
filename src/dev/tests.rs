#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    [
        "master.key",
        "password",
        "ca.crt",
        "server.crt",
        "server.key",
    ]
    .iter()
    .map(|name| {
        (
            (*name).to_owned(),
            std::fs::read(dir.join("dev").join(name)).unwrap(),
        )
    })
    .collect()
}

#[test]
fn a_second_start_reuses_everything() {
    let dir = tempfile::tempdir().unwrap();
    let first = DevDirectory::prepare(dir.path()).unwrap();
    let before = contents(dir.path());
    let password = first.password().to_owned();
    drop(first);
    let second = DevDirectory::prepare(dir.path()).unwrap();
    assert_eq!(second.password(), password);
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn everything_is_for_the_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let dev = DevDirectory::prepare(dir.path()).unwrap();
    let address = "127.0.0.1:7001".parse().unwrap();
    dev.publish_url(address).unwrap();
    dev.publish_addresses(address, address, address).unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(dir.path().join("dev")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode();
        assert_eq!(
            mode & 0o077,
            0,
            "{} has mode {mode:o}",
            entry.path().display()
        );
        files += 1;
    }
    assert_eq!(files, 8);
    let mode = std::fs::metadata(dir.path().join("dev")).unwrap().mode();
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn two_servers_cannot_have_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = DevDirectory::prepare(dir.path()).unwrap();
    first
        .publish_url("127.0.0.1:7001".parse().unwrap())
        .unwrap();
    let error = DevDirectory::prepare(dir.path()).expect_err("the first one runs");
    assert!(matches!(error, DevError::Locked(_)), "{error}");
    assert!(
        first.url_file().exists(),
        "the running server keeps its URL"
    );
    drop(first);
    DevDirectory::prepare(dir.path()).unwrap();
}

#[test]
fn a_url_left_by_a_killed_server_does_not_look_ready() {
    let dir = tempfile::tempdir().unwrap();
    let first = DevDirectory::prepare(dir.path()).unwrap();
    first
        .publish_url("127.0.0.1:7001".parse().unwrap())
        .unwrap();
    drop(first);
    let second = DevDirectory::prepare(dir.path()).unwrap();
    assert!(!second.url_file().exists());
}

#[test]
fn a_log_whose_key_is_gone_is_not_given_a_new_key() {
    let dir = tempfile::tempdir().unwrap();
    drop(DevDirectory::prepare(dir.path()).unwrap());
    std::fs::write(dir.path().join("superblock"), b"x").unwrap();
    std::fs::remove_file(dir.path().join("dev/master.key")).unwrap();
    let error = DevDirectory::prepare(dir.path()).expect_err("the log cannot be read");
    assert!(matches!(error, DevError::KeyMissing { .. }), "{error}");
    assert!(!dir.path().join("dev/master.key").exists());
}

#[test]
fn the_url_is_complete_and_escaped() {
    let dir = tempfile::Builder::new().prefix("a b%").tempdir().unwrap();
    let dev = DevDirectory::prepare(dir.path()).unwrap();
    dev.publish_url("127.0.0.1:50123".parse().unwrap()).unwrap();
    let url = std::fs::read_to_string(dev.url_file()).unwrap();
    let expected = format!(
        "postgresql://kimberlite:{}@localhost:50123/dev?",
        dev.password()
    );
    assert!(url.starts_with(&expected), "{url}");
    assert!(url.contains("sslmode=verify-full&sslrootcert=/"), "{url}");
    assert!(url.contains("a%20b%25"), "{url}");
    assert!(!url.trim_end().contains(' '), "{url}");
}

#[test]
fn the_certificate_verifies_against_its_authority_for_each_name() {
    let dir = tempfile::tempdir().unwrap();
    let dev = DevDirectory::prepare(dir.path()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(dir.path().join("dev/ca.crt")).unwrap();
    roots.add(authority.clone()).unwrap();
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
    let server = CertificateDer::from_pem_file(dev.tls().cert_path).unwrap();
    let verify = |certificate: &CertificateDer<'_>, name: &'static str| {
        let name = ServerName::try_from(name).unwrap();
        verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now())
    };
    for name in ["localhost", "127.0.0.1", "::1"] {
        verify(&server, name).unwrap();
    }
    verify(&server, "example.org").expect_err("not its name");
    verify(&authority, "localhost").expect_err("the authority is no server");
}

#[test]
fn only_loopback_is_listened_on() {
    assert_eq!(loopback("127.0.0.1:0").unwrap().port(), 0);
    assert_eq!(loopback("localhost:7001").unwrap().port(), 7001);
    assert!(loopback("[::1]:7001").is_ok());
    for open in ["0.0.0.0:7001", "[::]:7001", "192.0.2.1:7001"] {
        let error = loopback(open).expect_err("reachable by others");
        assert!(matches!(error, NotLoopback::Reachable(_)), "{error}");
    }
    assert!(matches!(
        loopback("127.0.0.2:1"),
        Err(NotLoopback::Unusual(_))
    ));
    assert!(matches!(
        loopback("7001"),
        Err(NotLoopback::NotAnAddress(_))
    ));
}
