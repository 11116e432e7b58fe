//! Stopping: what runs finishes, nothing new begins, the status is 0.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use rustix::process::Signal;
use support::server::{code, text};
use support::{Server, connect, psql};

#[test]
fn both_signals_stop_with_status_zero() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::dev(dir.path());
        server.running.signal(signal);
        let (status, log) = server.running.wait();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}

#[tokio::test]
async fn an_idle_client_is_told_why_its_connection_ends() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let (config, ca) = support::client::parse(&server.url);
    let tls = support::client::tls(&ca.unwrap());
    let (_client, connection) = config.connect(tls).await.unwrap();
    server.running.signal(Signal::TERM);
    let error = connection.await.expect_err("the server ends it");
    assert_eq!(error.code().map(|c| c.code()), Some("57P01"), "{error:?}");
    let (status, log) = server.running.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test]
async fn an_acknowledged_row_is_there_after_a_stop_and_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");

    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute("INSERT INTO t VALUES (2)")
        .await
        .unwrap();
    server.kill();

    let server = Server::dev(dir.path());
    let output = psql(&server.url, "SELECT id FROM t ORDER BY id");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "1\n2\n",
        "{}",
        text(&output)
    );
    assert_eq!(code(&output), 0);
}

#[tokio::test]
async fn an_open_transaction_is_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY)")
        .await
        .unwrap();
    client
        .batch_execute("BEGIN; INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let server = Server::dev(dir.path());
    let output = psql(&server.url, "SELECT count(*) FROM t");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "0\n",
        "{}",
        text(&output)
    );
}
