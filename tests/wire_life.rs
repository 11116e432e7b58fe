//! Cancelling, leaving, and not reading.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::raw::{Raw, V3_0, bind, cancel, execute, parse, query, shown, sync};

fn server() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    (dir, server)
}

/// Waits for as long as [`holder`] lives.
const WAITING: &str = "UPDATE t SET v = v + 10 WHERE id = 1";

/// Makes `t` with one row and holds the row's lock.
fn holder(server: &Server) -> Raw {
    let mut holder = Raw::login(server);
    holder.query("CREATE TABLE t (id int PRIMARY KEY, v int)");
    holder.query("INSERT INTO t VALUES (1, 0)");
    holder.query("BEGIN");
    assert_eq!(
        holder.query("UPDATE t SET v = 1 WHERE id = 1"),
        "C(UPDATE 1) Z(T)"
    );
    holder
}

const ONE: &str = "T D(1) C(SELECT 1) Z(I)";

/// Cancels until the statement has begun and ended: a request that comes
/// before the statement is forgotten, as in PostgreSQL.
fn cancel_until_ready(server: &Server, raw: &mut Raw) -> String {
    let key = raw.key.clone();
    let address = server.client;
    let (done, stop) = std::sync::mpsc::channel::<()>();
    let canceller = std::thread::spawn(move || {
        let pause = std::time::Duration::from_millis(20);
        while stop.recv_timeout(pause).is_err() {
            cancel(address, key.0, &key.1);
        }
    });
    let answer = shown(&raw.until_ready());
    done.send(()).unwrap();
    canceller.join().unwrap();
    answer
}

#[test]
fn a_running_statement_can_be_cancelled() {
    let (_dir, server) = server();
    let mut holder = holder(&server);
    for version in [V3_0, V3_0 | 2] {
        let mut raw = Raw::login_version(&server, version);
        raw.send(&query(WAITING));
        assert_eq!(cancel_until_ready(&server, &mut raw), "E(57014) Z(I)");
        assert_eq!(raw.query("SELECT 1"), ONE);

        raw.send_all(&[
            parse("", WAITING),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]);
        let answer = cancel_until_ready(&server, &mut raw);
        assert!(answer.ends_with("E(57014) Z(I)"), "{answer}");
        assert_eq!(raw.query("SELECT 1"), ONE);
    }
    assert_eq!(holder.query("COMMIT"), "C(COMMIT) Z(I)");
    assert_eq!(holder.query("SELECT v FROM t"), "T D(1) C(SELECT 1) Z(I)");
}

#[test]
fn a_wrong_key_cancels_nothing() {
    let (_dir, server) = server();
    let mut raw = Raw::login(&server);
    raw.query("CREATE TABLE t (id int)");
    raw.send(&query("COPY t FROM STDIN"));
    assert_eq!(shown(&raw.until(b'G')), "G");
    let (pid, secret) = raw.key.clone();
    let wrong: Vec<u8> = secret.iter().map(|byte| !byte).collect();
    cancel(server.client, pid, &wrong);
    cancel(server.client, pid + 1, &secret);
    cancel(server.client, pid, &[&secret[..], b"x"].concat());
    // Each request was answered by closing: had one worked, it would have by now.
    raw.send_all(&[support::raw::copy_data("1\n"), support::raw::copy_done()]);
    assert_eq!(shown(&raw.until_ready()), "C(COPY 1) Z(I)");
}

#[test]
fn a_client_that_vanishes_gives_its_locks_back() {
    let (_dir, server) = server();
    let first = holder(&server);
    let mut second = Raw::login(&server);
    second.send(&query(WAITING));
    first.cut();
    assert_eq!(shown(&second.until_ready()), "C(UPDATE 1) Z(I)");
    assert_eq!(second.query("SELECT v FROM t"), "T D(10) C(SELECT 1) Z(I)");
}

#[test]
fn a_client_that_vanishes_does_not_have_to_take_its_result() {
    let (_dir, server) = server();
    let mut first = holder(&server);
    first.send(&query("SELECT * FROM generate_series(1, 10000000)"));
    assert_eq!(first.read().unwrap().kind, b'T');
    first.cut();
    let mut second = Raw::login(&server);
    assert_eq!(second.query(WAITING), "C(UPDATE 1) Z(I)");
    assert_eq!(second.query("SELECT v FROM t"), "T D(10) C(SELECT 1) Z(I)");
}

#[test]
fn a_waiting_statement_ends_with_its_client() {
    let (_dir, server) = server();
    let mut holder = holder(&server);
    let mut waiter = Raw::login(&server);
    // What came after it is not carried on either.
    waiter.send_all(&[query(WAITING), query("INSERT INTO t VALUES (2, 2)")]);
    waiter.cut();
    // Gone although the lock it waited for was never free.
    wait_for_connections(&server, 1);
    assert_eq!(holder.query("COMMIT"), "C(COMMIT) Z(I)");
    assert_eq!(holder.query("SELECT v FROM t"), "T D(1) C(SELECT 1) Z(I)");
}

/// Waits until so many clients are connected.
fn wait_for_connections(server: &Server, wanted: usize) {
    let start = std::time::Instant::now();
    loop {
        let (_, metrics) = support::http::get(server.metrics, "/metrics").unwrap();
        let active = support::http::sample(&metrics, "kimberlite_connections_active");
        if active == Some(wanted as f64) {
            return;
        }
        assert!(start.elapsed() < support::PATIENCE, "{active:?}");
    }
}

#[test]
fn a_slow_client_costs_no_memory() {
    let (_dir, server) = server();
    let mut raw = Raw::login(&server);
    let mut other = Raw::login(&server);
    // The first result makes room for itself; it is not what is measured.
    raw.query("SELECT * FROM generate_series(1, 100000)");
    let before = server.resident_bytes();
    raw.send(&query("SELECT * FROM generate_series(1, 10000000)"));
    // The server goes on until the socket is full, and then waits.
    assert_eq!(raw.read().unwrap().kind, b'T');
    let mut most = 0;
    for _ in 0..200 {
        assert_eq!(other.query("SELECT 1"), ONE);
        most = most.max(server.resident_bytes());
    }
    // All rows together take 189 MB on the wire.
    assert!(most < before + (100 << 20), "from {before} to {most}");
    for _ in 0..100_000 {
        assert_eq!(raw.read().unwrap().kind, b'D');
    }
    raw.cut();
    assert_eq!(other.query("SELECT 1"), ONE);
}

#[test]
fn a_shutdown_lets_a_running_copy_finish_and_ends_idle_sessions() {
    let (dir, server) = server();
    let mut copying = Raw::login(&server);
    copying.query("CREATE TABLE t (id int)");
    copying.send(&query("COPY t FROM STDIN"));
    assert_eq!(shown(&copying.until(b'G')), "G");
    let mut idle = Raw::login(&server);
    server.running.signal(rustix::process::Signal::TERM);
    let farewell = idle.until(b'E');
    assert_eq!(shown(&farewell), "E(57P01)");
    assert_eq!(farewell[0].field(b'V').unwrap(), "FATAL");
    assert!(idle.is_closed());

    copying.send_all(&[support::raw::copy_data("1\n"), support::raw::copy_done()]);
    let finished = shown(&copying.until_ready());
    assert_eq!(finished, "C(COPY 1) Z(I)");
    assert_eq!(shown(&copying.until(b'E')), "E(57P01)");
    let (status, log) = server.running.wait();
    assert!(status.success(), "{log}");

    let server = Server::dev(dir.path());
    let mut raw = Raw::login(&server);
    assert_eq!(
        raw.query("SELECT count(*) FROM t"),
        "T D(1) C(SELECT 1) Z(I)"
    );
}
