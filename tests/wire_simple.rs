//! The simple query protocol, byte by byte.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::raw::{Raw, copy_data, copy_done, copy_fail, message, query, shown};

fn login() -> (tempfile::TempDir, Server, Raw) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let raw = Raw::login(&server);
    (dir, server, raw)
}

const ONE: &str = "T D(1) C(SELECT 1) Z(I)";

#[test]
fn every_statement_of_a_string_is_answered() {
    let (_dir, _server, mut raw) = login();
    assert_eq!(
        raw.query("SELECT 1; BEGIN; SELECT 2; COMMIT"),
        "T D(1) C(SELECT 1) C(BEGIN) T D(2) C(SELECT 1) C(COMMIT) Z(I)"
    );
}

#[test]
fn an_error_ends_the_string_and_undoes_it() {
    let (_dir, _server, mut raw) = login();
    assert_eq!(raw.query("CREATE TABLE t (id int)"), "C(CREATE TABLE) Z(I)");
    assert_eq!(
        raw.query("INSERT INTO t VALUES (1); SELECT nonsense; INSERT INTO t VALUES (2)"),
        "C(INSERT 0 1) E(42703) Z(I)"
    );
    assert_eq!(
        raw.query("SELECT count(*) FROM t"),
        "T D(0) C(SELECT 1) Z(I)"
    );
}

#[test]
fn statements_before_an_explicit_transaction_belong_to_it() {
    let (_dir, _server, mut raw) = login();
    raw.query("CREATE TABLE t (id int)");
    assert_eq!(
        raw.query("INSERT INTO t VALUES (1); BEGIN; INSERT INTO t VALUES (2)")
            .split(' ')
            .next_back(),
        Some("Z(T)")
    );
    assert_eq!(raw.query("ROLLBACK"), "C(ROLLBACK) Z(I)");
    assert_eq!(
        raw.query("SELECT count(*) FROM t"),
        "T D(0) C(SELECT 1) Z(I)"
    );
}

#[test]
fn an_empty_string_is_answered() {
    let (_dir, _server, mut raw) = login();
    for sql in ["", " \n", ";", "-- nothing\n"] {
        assert_eq!(raw.query(sql), "I Z(I)", "{sql:?}");
    }
}

#[test]
fn a_failed_transaction_says_so_until_it_ends() {
    let (_dir, _server, mut raw) = login();
    assert_eq!(raw.query("BEGIN"), "C(BEGIN) Z(T)");
    assert_eq!(raw.query("SELECT nonsense"), "E(42703) Z(E)");
    assert_eq!(raw.query("SELECT 1"), "E(25P02) Z(E)");
    assert_eq!(raw.query("COMMIT"), "C(ROLLBACK) Z(I)");
    assert_eq!(raw.query("SELECT 1"), ONE);
}

#[test]
fn a_syntax_error_points_at_its_place() {
    let (_dir, _server, mut raw) = login();
    raw.send(&query("SELECT 'é' FORM t x"));
    let messages = raw.until_ready();
    assert_eq!(shown(&messages), "E(42601) Z(I)");
    assert_eq!(messages[0].field(b'S').unwrap(), "ERROR");
    assert_eq!(messages[0].field(b'V').unwrap(), "ERROR");
    let position: usize = messages[0].field(b'P').unwrap().parse().unwrap();
    assert!((12..=19).contains(&position), "{position}");
}

#[test]
fn text_that_is_not_utf8_is_refused_and_the_session_goes_on() {
    let (_dir, _server, mut raw) = login();
    raw.send(&message(b'Q', b"SELECT '\xe9\xe8'\0"));
    let messages = raw.until_ready();
    assert_eq!(shown(&messages), "E(22021) Z(I)");
    assert_eq!(
        messages[0].field(b'M').unwrap(),
        "invalid byte sequence for encoding \"UTF8\": 0xe9 0xe8 0x27"
    );
    assert_eq!(raw.query("SELECT 1"), ONE);
}

#[test]
fn a_query_without_its_zero_or_with_two_is_refused() {
    let (_dir, _server, mut raw) = login();
    for body in [&b"SELECT 1"[..], b"SELECT 1\0\0", b""] {
        raw.send(&message(b'Q', body));
        assert_eq!(shown(&raw.until_ready()), "E(08P01) Z(I)");
    }
    assert_eq!(raw.query("SELECT 1"), ONE);
}

#[test]
fn a_function_call_is_refused_by_name() {
    let (_dir, _server, mut raw) = login();
    raw.send(&message(b'F', &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    let messages = raw.until_ready();
    assert_eq!(shown(&messages), "E(0A000) Z(I)");
    assert!(messages[0].field(b'M').unwrap().contains("function call"));
    assert_eq!(raw.query("SELECT 1"), ONE);
}

#[test]
fn what_cannot_be_a_message_ends_the_connection() {
    let (_dir, server, _) = login();
    let large = (256_u32 << 20) + 5;
    let frames = [
        message(b'!', b""),
        message(b'p', b"password\0"),
        b"Q\0\0\0\x03".to_vec(),
        b"Q\xff\xff\xff\xff".to_vec(),
        [&b"Q"[..], &large.to_be_bytes()].concat(),
        message(b'S', &[0; 20_000])[..100].to_vec(),
    ];
    for frame in frames {
        let mut raw = Raw::login(&server);
        raw.send(&frame);
        let messages = raw.until(b'E');
        assert_eq!(shown(&messages), "E(08P01)", "{:?}", &frame[..5]);
        assert_eq!(messages[0].field(b'S').unwrap(), "FATAL");
        assert!(raw.is_closed());
    }
}

#[test]
fn what_is_left_of_a_copy_is_ignored() {
    let (_dir, _server, mut raw) = login();
    raw.send_all(&[copy_data("1\n"), copy_done(), copy_fail("no")]);
    assert_eq!(raw.query("SELECT 1"), ONE);
}

#[test]
fn queries_sent_together_are_answered_one_by_one() {
    let (_dir, _server, mut raw) = login();
    raw.send_all(&[query("SELECT 1"), query(""), query("SELECT 1")]);
    for expected in [ONE, "I Z(I)", ONE] {
        assert_eq!(shown(&raw.until_ready()), expected);
    }
}

#[test]
fn a_query_that_arrives_byte_by_byte_is_one_query() {
    let (_dir, _server, mut raw) = login();
    for byte in query("SELECT 1") {
        raw.send(&[byte]);
    }
    assert_eq!(shown(&raw.until_ready()), ONE);
}

#[test]
fn a_query_of_a_few_megabytes_is_taken() {
    let (_dir, _server, mut raw) = login();
    let sql = format!("SELECT 1 /* {} */", "x".repeat(5 << 20));
    assert_eq!(raw.query(&sql), ONE);
    assert_eq!(raw.query("SELECT 1"), ONE);
}

#[test]
fn a_result_larger_than_every_buffer_comes_whole() {
    let (_dir, _server, mut raw) = login();
    raw.send(&query("SELECT * FROM generate_series(1, 200000)"));
    let messages = raw.until_ready();
    assert_eq!(messages.len(), 200_003);
    // Parts of a query run side by side: only ORDER BY would order its rows.
    let mut numbers: Vec<u32> = messages[1..200_001]
        .iter()
        .map(|row| row.columns()[0].clone().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=200_000).collect::<Vec<u32>>());
    assert_eq!(shown(&messages[200_001..]), "C(SELECT 200000) Z(I)");
}

#[test]
fn a_change_of_a_reported_setting_is_told_before_ready() {
    let (_dir, _server, mut raw) = login();
    raw.send(&query("SET application_name = 'a test'"));
    let messages = raw.until_ready();
    assert_eq!(shown(&messages), "C(SET) S Z(I)");
    assert_eq!(messages[1].body, b"application_name\0a test\0");
}

#[test]
fn a_warning_comes_before_its_command_is_complete() {
    let (_dir, _server, mut raw) = login();
    raw.send(&query("COMMIT"));
    let messages = raw.until_ready();
    assert_eq!(shown(&messages), "N(25P01) C(COMMIT) Z(I)");
    assert_eq!(messages[0].field(b'V').unwrap(), "WARNING");
}
