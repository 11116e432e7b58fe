//! LISTEN and NOTIFY between sessions, and sessions that stay silent.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::raw::{Message, Raw, query};

fn sessions() -> (tempfile::TempDir, Server, Raw, Raw) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let (a, b) = (Raw::login(&server), Raw::login(&server));
    (dir, server, a, b)
}

/// Channel and payload of a NotificationResponse.
fn told(message: &Message) -> (String, String) {
    assert_eq!(message.kind, b'A');
    let texts: Vec<String> = message.body[4..]
        .split(|byte| *byte == 0)
        .map(|text| String::from_utf8(text.to_vec()).unwrap())
        .collect();
    (texts[0].clone(), texts[1].clone())
}

/// The next notification, which nobody asked for.
fn next(session: &mut Raw) -> String {
    let (channel, payload) = told(&session.read().unwrap());
    format!("{channel}:{payload}")
}

/// The notifications in the answer to a statement.
fn answered(session: &mut Raw, sql: &str) -> Vec<String> {
    session.send(&query(sql));
    let messages = session.until_ready();
    let notifications = messages.iter().filter(|message| message.kind == b'A');
    notifications.map(|message| told(message).1).collect()
}

#[test]
fn a_silent_session_hears_what_another_commits_in_order() {
    let (_dir, _server, mut a, mut b) = sessions();
    assert_eq!(a.query("LISTEN news"), "C(LISTEN) Z(I)");
    b.query("BEGIN; NOTIFY news, 'undone'; ROLLBACK");
    b.query("BEGIN; NOTIFY news, 'one'; NOTIFY other, 'not for a'; NOTIFY news, 'two'; NOTIFY news, 'one'");
    b.query("SAVEPOINT s; NOTIFY news, 'lost'; ROLLBACK TO s; COMMIT");
    b.query("NOTIFY news");
    assert_eq!(next(&mut a), "news:one");
    assert_eq!(next(&mut a), "news:two");
    assert_eq!(next(&mut a), "news:");
    assert_eq!(a.query("UNLISTEN news"), "C(UNLISTEN) Z(I)");
    b.query("NOTIFY news, 'unheard'");
    assert!(answered(&mut a, "SELECT 1").is_empty());
}

#[test]
fn a_session_in_a_transaction_hears_at_its_end() {
    let (_dir, _server, mut a, mut b) = sessions();
    a.query("LISTEN news");
    a.query("BEGIN");
    b.query("NOTIFY news, 'while busy'");
    assert!(answered(&mut a, "SELECT 1").is_empty());
    assert!(answered(&mut a, "SELECT pg_notify('news', 'own')").is_empty());
    assert_eq!(answered(&mut a, "COMMIT"), ["while busy", "own"]);
}

#[test]
fn a_session_that_stays_silent_in_a_transaction_is_ended() {
    let (_dir, _server, mut a, mut b) = sessions();
    b.query("CREATE TABLE t (a int)");
    a.query("SET idle_in_transaction_session_timeout = '50ms'");
    assert_eq!(a.query("SELECT 1"), "T D(1) C(SELECT 1) Z(I)");
    a.query("BEGIN; LOCK TABLE t");
    let last = a.read().unwrap();
    assert_eq!(last.field(b'C').unwrap(), "25P03");
    assert!(a.is_closed());
    // Its locks are gone with it.
    assert_eq!(b.query("INSERT INTO t VALUES (1)"), "C(INSERT 0 1) Z(I)");
    b.query("SET idle_session_timeout = '50ms'");
    assert_eq!(b.read().unwrap().field(b'C').unwrap(), "57P05");
}
