//! Sessions that one replica passes on to another.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/replica.rs"]
#[allow(dead_code, unreachable_pub)]
mod replica;
mod support;

use std::pin::pin;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::{SinkExt as _, TryStreamExt as _};
use kimberlite::verifier::scram_verifier;
use kimberlite::wire::WireConfig;
use replica::{DATABASE, PASSWORD, Pair, USER, runtime};
use support::raw::{
    Message, Raw, V3_0, cancel, copy_data, copy_done, message, query, shown, startup,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

fn pair() -> (tempfile::TempDir, Runtime, Pair) {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let pair = Pair::start(&runtime, dir.path());
    (dir, runtime, pair)
}

/// The answer to a startup packet and the right password, sent to a node.
fn began(address: std::net::SocketAddr, settings: &[(&str, &str)]) -> (Raw, Vec<Message>) {
    let mut raw = Raw::plain(address);
    let who = [("user", USER), ("database", DATABASE)];
    raw.send(&startup(V3_0, &[&who, settings].concat()));
    let answer = raw.authenticate(PASSWORD);
    (raw, answer)
}

/// A session of a node, without TLS.
fn login(address: std::net::SocketAddr) -> Raw {
    let (mut raw, answer) = began(address, &[]);
    assert_eq!(answer.last().unwrap().kind, b'Z', "{}", shown(&answer));
    let key = answer.iter().find(|message| message.kind == b'K').unwrap();
    let (pid, secret) = key.body.split_first_chunk::<4>().unwrap();
    raw.key = (i32::from_be_bytes(*pid), secret.to_vec());
    raw
}

/// The only message left, which must end the connection.
fn farewell(raw: &mut Raw) -> Message {
    let messages = raw.until(b'E');
    assert_eq!(messages.len(), 1, "{}", shown(&messages));
    assert!(raw.is_closed());
    fatal(&messages)
}

/// The error at the end of an answer.
fn fatal(messages: &[Message]) -> Message {
    let error = messages.last().unwrap().clone();
    assert_eq!(error.kind, b'E', "{}", shown(messages));
    assert_eq!(error.field(b'V').unwrap(), "FATAL");
    error
}

#[test]
fn a_session_is_served_where_the_leader_is() {
    let (_dir, runtime, pair) = pair();
    runtime.block_on(async {
        for tls in [false, true] {
            let client = pair.client(tls).await;
            client
                .batch_execute(
                    "DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, v text)",
                )
                .await
                .unwrap();
            let insert = client.prepare("INSERT INTO t VALUES ($1, $2)").await;
            let insert = insert.unwrap();
            for id in 0..50_i32 {
                let text = format!("row {id}");
                client.execute(&insert, &[&id, &text]).await.unwrap();
            }
            let rows = client
                .query("SELECT v FROM t WHERE id >= $1 ORDER BY id", &[&48_i32])
                .await
                .unwrap();
            let values: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(values, ["row 48", "row 49"]);
            let error = client.query("SELECT 1/0", &[]).await.unwrap_err();
            assert_eq!(error.code(), Some(&SqlState::DIVISION_BY_ZERO));

            let url = pair.url(&pair.leader, false);
            let there = support::connect(&url).await.unwrap();
            let count = there.query_one("SELECT count(*) FROM t", &[]).await;
            assert_eq!(count.unwrap().get::<_, i64>(0), 50);
        }
        assert_eq!(pair.way.opened.load(Ordering::Relaxed), 2);
    });
    // Both ends are given back when clients leave.
    pair.follower.wait_for_connections(0);
    pair.leader.wait_for_connections(0);
}

#[test]
fn who_only_wants_to_read_stays() {
    let (_dir, _runtime, pair) = pair();
    for setting in [
        ("options", "-c default_transaction_read_only=on"),
        ("kimberlite.read_consistency", "local"),
    ] {
        let (mut raw, answer) = began(pair.follower.address, &[setting]);
        assert!(shown(&answer).ends_with("Z(I)"), "{}", shown(&answer));
        assert_eq!(pair.way.opened.load(Ordering::Relaxed), 0);
        assert_eq!(
            raw.query("SELECT pg_is_in_recovery()"),
            "T D(t) C(SELECT 1) Z(I)"
        );
    }
    let mut raw = login(pair.follower.address);
    assert_eq!(
        raw.query("SELECT pg_is_in_recovery()"),
        "T D(f) C(SELECT 1) Z(I)"
    );
}

#[test]
fn what_a_client_asked_for_arrives_and_its_address_too() {
    let (_dir, _runtime, pair) = pair();
    let socket = std::net::TcpStream::connect(pair.follower.address).unwrap();
    let address = socket.local_addr().unwrap();
    let mut raw = Raw::over(socket);
    let parameters = [
        ("user", USER),
        ("database", DATABASE),
        ("application_name", "the \"ward\"\té"),
        ("options", "-c search_path=x,\\ y -c datestyle=German"),
        ("_pq_.magic", "1"),
    ];
    raw.send(&startup(V3_0 | 3, &parameters));
    assert_eq!(raw.read().unwrap().kind, b'v');
    let answer = raw.authenticate(PASSWORD);
    // AuthenticationOk and the key come once, no version is negotiated again.
    let kinds: Vec<u8> = answer.iter().map(|message| message.kind).collect();
    let count = |kind: u8| kinds.iter().filter(|other| **other == kind).count();
    assert_eq!((count(b'R'), count(b'K'), count(b'v')), (2, 1, 0));
    let key = answer.iter().find(|message| message.kind == b'K').unwrap();
    assert_eq!(key.body.len(), 4 + 32);
    let asked = "SELECT current_setting('application_name'), current_setting('search_path'), \
                 current_setting('datestyle'), client_addr FROM pg_stat_activity \
                 WHERE pid = pg_backend_pid()";
    assert_eq!(
        raw.query(asked),
        format!("T D(the \"ward\"\té,x, y,German, DMY,{address}) C(SELECT 1) Z(I)")
    );
}

#[test]
fn copies_go_both_ways() {
    let (_dir, runtime, pair) = pair();
    runtime.block_on(async {
        for tls in [false, true] {
            let client = pair.client(tls).await;
            client
                .batch_execute("DROP TABLE IF EXISTS t; CREATE TABLE t (id int, v text)")
                .await
                .unwrap();
            let mut sent: Vec<u8> = Vec::new();
            let sink = client.copy_in("COPY t FROM STDIN").await.unwrap();
            let mut sink = pin!(sink);
            for id in 0..2_000 {
                let line = format!("{id}\t{}\n", "v".repeat(500));
                sent.extend(line.as_bytes());
                sink.send(Bytes::from(line)).await.unwrap();
            }
            assert_eq!(sink.finish().await.unwrap(), 2_000);
            let rows = client.copy_out("COPY t TO STDOUT").await.unwrap();
            let rows: Vec<Bytes> = rows.try_collect().await.unwrap();
            assert!(rows.concat() == sent);
            assert_eq!(client.execute("DELETE FROM t", &[]).await.unwrap(), 2_000);
        }
    });
}

/// Makes `t` with one row, and holds the row's lock.
fn holder(pair: &Pair) -> Raw {
    let mut holder = login(pair.leader.address);
    holder.query("CREATE TABLE t (id int PRIMARY KEY, v int)");
    holder.query("INSERT INTO t VALUES (1, 0)");
    holder.query("BEGIN");
    assert_eq!(holder.query("UPDATE t SET v = 1"), "C(UPDATE 1) Z(T)");
    holder
}

#[test]
fn a_statement_is_cancelled_where_it_runs() {
    let (_dir, runtime, pair) = pair();
    let _holder = holder(&pair);
    runtime.block_on(async {
        for tls in [false, true] {
            let client = pair.client(tls).await;
            let mut waiting = pin!(client.execute("UPDATE t SET v = 2", &[]));
            let begun = std::time::Instant::now();
            // A request that comes before the statement is forgotten.
            let error = loop {
                let cancelling = async {
                    if tls {
                        let tls = support::client::tls(&pair.certificates.ca);
                        client.cancel_token().cancel_query(tls).await.unwrap();
                    } else {
                        client.cancel_token().cancel_query(NoTls).await.unwrap();
                    }
                };
                tokio::select! {
                    ended = &mut waiting => break ended.unwrap_err(),
                    () = cancelling => assert!(begun.elapsed() < support::PATIENCE),
                }
            };
            assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
            client.simple_query("SELECT 1").await.unwrap();
        }
    });
}

#[test]
fn only_a_key_that_is_not_known_is_passed_on() {
    let (_dir, _runtime, pair) = pair();
    let forwarded = login(pair.follower.address);
    let local = ("default_transaction_read_only", "on");
    let (_local, answer) = began(pair.follower.address, &[local]);
    let key = answer.iter().find(|message| message.kind == b'K').unwrap();
    let (pid, secret) = key.body.split_first_chunk::<4>().unwrap();
    cancel(pair.follower.address, i32::from_be_bytes(*pid), secret);
    assert_eq!(pair.way.cancels.load(Ordering::Relaxed), 0);
    let (pid, secret) = forwarded.key.clone();
    cancel(pair.follower.address, pid, &secret);
    assert_eq!(pair.way.cancels.load(Ordering::Relaxed), 1);
    let wrong: Vec<u8> = secret.iter().map(|byte| !byte).collect();
    assert!(!pair.leader.sessions.cancel(pid, &wrong));
    assert!(pair.leader.sessions.cancel(pid, &secret));
}

#[test]
fn what_came_right_behind_the_password_is_not_lost() {
    let (_dir, _runtime, pair) = pair();
    let much = "x".repeat(100_000);
    for asked in ["SELECT 7".to_owned(), format!("SELECT length('{much}')")] {
        let mut raw = Raw::plain(pair.follower.address);
        raw.send(&startup(V3_0, &[("user", USER), ("database", DATABASE)]));
        let answer = raw.authenticate_and_send(PASSWORD, &query(&asked));
        assert!(shown(&answer).ends_with("Z(I)"), "{}", shown(&answer));
        let answer = shown(&raw.until_ready());
        let expected = if asked == "SELECT 7" { "7" } else { "100000" };
        assert_eq!(answer, format!("T D({expected}) C(SELECT 1) Z(I)"));
    }
}

#[test]
fn a_client_hears_that_the_leader_is_gone() {
    let (_dir, _runtime, pair) = pair();
    let mut idle = login(pair.follower.address);
    let mut waiting = login(pair.follower.address);
    let holder = holder(&pair);
    waiting.send(&query("UPDATE t SET v = 2"));
    pair.way.cut();
    let error = farewell(&mut idle);
    assert_eq!(error.field(b'C').unwrap(), "57P01");
    assert_eq!(
        error.field(b'M').unwrap(),
        "the replica that led is gone: connect again"
    );
    assert!(error.field(b'H').unwrap().contains("COMMIT"));
    assert_eq!(farewell(&mut waiting).field(b'C').unwrap(), "57P01");
    // The other replica has noticed: the lock is the holder's alone.
    pair.leader.wait_for_connections(1);
    pair.follower.wait_for_connections(0);
    drop(holder);
    let mut raw = login(pair.follower.address);
    assert_eq!(raw.query("SELECT 1"), "T D(1) C(SELECT 1) Z(I)");
}

#[test]
fn nothing_is_put_into_a_message_that_is_cut() {
    let (_dir, _runtime, pair) = pair();
    let mut raw = login(pair.follower.address);
    raw.send(&query("SELECT repeat('x', 30000000)"));
    assert_eq!(raw.read().unwrap().kind, b'T');
    // Type and length of the row, number of columns, length of the column.
    let header: Vec<u8> = (0..11).map(|_| raw.byte().unwrap()).collect();
    assert_eq!(header[0], b'D');
    pair.way.cut();
    let rest = raw.rest();
    assert!(rest.len() < 30_000_000);
    assert!(rest.iter().all(|byte| *byte == b'x'));
    pair.follower.wait_for_connections(0);
    pair.leader.wait_for_connections(0);
}

#[test]
fn a_follower_that_stops_lets_a_copy_finish_and_ends_idle_sessions() {
    let (_dir, runtime, pair) = pair();
    let mut setup = login(pair.leader.address);
    setup.query("CREATE TABLE t (id int)");
    let mut copying = login(pair.follower.address);
    copying.send(&query("COPY t FROM STDIN"));
    assert_eq!(shown(&copying.until(b'G')), "G");
    let mut idle = login(pair.follower.address);
    pair.follower.stop();
    let error = farewell(&mut idle);
    assert_eq!(error.field(b'C').unwrap(), "57P01");
    assert!(error.field(b'M').unwrap().contains("administrator"));
    copying.send_all(&[copy_data("1\n"), copy_done()]);
    assert_eq!(shown(&copying.until_ready()), "C(COPY 1) Z(I)");
    assert_eq!(farewell(&mut copying).field(b'C').unwrap(), "57P01");
    pair.follower.stopped(&runtime);
    assert_eq!(setup.query("SELECT id FROM t"), "T D(1) C(SELECT 1) Z(I)");
    // The other replica's sessions are over as well.
    pair.leader.wait_for_connections(1);
}

#[test]
fn a_driver_that_has_copied_rests() {
    let (_dir, runtime, pair) = pair();
    let client = runtime.block_on(async {
        let client = pair.client(true).await;
        client
            .batch_execute("CREATE TABLE t (id int)")
            .await
            .unwrap();
        let sink = client.copy_in("COPY t FROM STDIN").await.unwrap();
        let mut sink = pin!(sink);
        sink.send(Bytes::from("1\n")).await.unwrap();
        sink.finish().await.unwrap();
        client
    });
    // Without this the session would look busy until the grace is over.
    pair.follower.stop();
    pair.follower.stopped(&runtime);
    assert!(runtime.block_on(client.simple_query("SELECT 1")).is_err());
}

#[test]
fn a_follower_that_stops_does_not_wait_for_ever() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let pair = Pair::start_impatient(&runtime, dir.path());
    let holder = holder(&pair);
    let mut waiting = login(pair.follower.address);
    waiting.send(&query("UPDATE t SET v = 2"));
    pair.follower.stop();
    assert_eq!(farewell(&mut waiting).field(b'C').unwrap(), "57P01");
    pair.follower.stopped(&runtime);
    pair.leader.wait_for_connections(1);
    drop(holder);
}

#[test]
fn a_leader_that_stops_says_so_itself() {
    let (_dir, runtime, pair) = pair();
    let mut raw = login(pair.follower.address);
    pair.leader.stop();
    let error = farewell(&mut raw);
    assert_eq!(error.field(b'C').unwrap(), "57P01");
    assert!(error.field(b'M').unwrap().contains("administrator"));
    pair.leader.stopped(&runtime);
    // It takes nothing any more.
    let (mut raw, answer) = began(pair.follower.address, &[]);
    assert_eq!(fatal(&answer).field(b'C').unwrap(), "57P03");
    assert!(raw.is_closed());
}

#[test]
fn what_keeps_a_session_from_beginning_is_said() {
    let (_dir, _runtime, pair) = pair();
    let refused = |settings: &[(&str, &str)]| {
        let (mut raw, answer) = began(pair.follower.address, settings);
        let error = fatal(&answer);
        assert!(raw.is_closed());
        error
    };
    let error = refused(&[("datestyle", "Martian")]);
    assert_eq!(error.field(b'C').unwrap(), "22023");

    pair.leader.leads.store(false, Ordering::Relaxed);
    let error = refused(&[]);
    assert_eq!(error.field(b'C').unwrap(), "57P03");
    assert!(error.field(b'M').unwrap().contains("does not lead"));
    pair.leader.leads.store(true, Ordering::Relaxed);

    // A role that only the replica it logs in at has heard of.
    pair.follower.leads.store(true, Ordering::Relaxed);
    for (node, user) in [(&pair.follower, USER), (&pair.leader, "bob")] {
        let verifier = scram_verifier(PASSWORD);
        node.engine.bootstrap_role("ward", user, &verifier).unwrap();
    }
    let error = refused(&[("database", "ward")]);
    assert_eq!(error.field(b'C').unwrap(), "28000");

    pair.way.lead_to(None);
    let error = refused(&[]);
    assert_eq!(error.field(b'C').unwrap(), "57P03");
    assert!(error.field(b'M').unwrap().ends_with("nobody leads"));
    assert!(error.field(b'H').unwrap().contains("read_only"));
}

#[test]
fn the_leader_has_limits_of_its_own() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let config = WireConfig {
        max_connections: 1,
        ..WireConfig::default()
    };
    let pair = Pair::configured(&runtime, dir.path(), config);
    let first = login(pair.follower.address);
    assert_eq!(pair.leader.metrics.connections_active(), 1);
    let (_, answer) = began(pair.follower.address, &[]);
    assert_eq!(fatal(&answer).field(b'C').unwrap(), "53300");
    assert_eq!(pair.leader.metrics.connections_refused(), 1);
    drop(first);
    pair.leader.wait_for_connections(0);
    login(pair.follower.address);
}

#[test]
fn what_is_no_session_is_refused() {
    let (_dir, runtime, pair) = pair();
    let packets: [&[u8]; 3] = [
        b"\0\0\0\x07\x01{}",
        b"\0\0\0\x07\x02{}",
        b"\xff\xff\xff\xff\x01{}",
    ];
    for packet in packets {
        let (mut near, far) = tokio::io::duplex(1 << 10);
        pair.leader
            .sessions
            .serve_forwarded(Box::new(far), "a test");
        let answer = runtime.block_on(async {
            near.write_all(packet).await.unwrap();
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            answer
        });
        assert_eq!(answer.first(), Some(&b'E'));
        assert!(answer.windows(6).any(|text| text == b"C08P01"));
    }
}

#[test]
fn a_client_that_hangs_up_ends_its_session() {
    let (_dir, _runtime, pair) = pair();
    let holder = holder(&pair);
    let mut waiting = login(pair.follower.address);
    waiting.send(&query("UPDATE t SET v = 2"));
    // Half a connection is no reason to wait for a lock.
    waiting.finish();
    pair.leader.wait_for_connections(1);
    let mut broken = login(pair.follower.address);
    // The other replica refuses it, and says so.
    broken.send(&message(b'!', b""));
    assert_eq!(farewell(&mut broken).field(b'C').unwrap(), "08P01");
    login(pair.follower.address).cut();
    pair.leader.wait_for_connections(1);
    pair.follower.wait_for_connections(0);
    drop(holder);
}
