//! The extended query protocol, message by message.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::raw::{
    Raw, bind, bind_formats, close, describe, execute, flush, message, parse, query, shown, sync,
};

fn login() -> (tempfile::TempDir, Server, Raw) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let raw = Raw::login(&server);
    (dir, server, raw)
}

const ROWS: &str = "SELECT * FROM generate_series(1, 5)";
const ONE: &str = "T D(1) C(SELECT 1) Z(I)";

#[test]
fn a_pipeline_is_answered_in_order() {
    let (_dir, _server, mut raw) = login();
    let answer = raw.ask(&[
        parse("", "SELECT 1"),
        describe(b'S', ""),
        bind("", "", &[]),
        describe(b'P', ""),
        execute("", 0),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(answer, "1 t T 2 T D(1) C(SELECT 1) 2 D(1) C(SELECT 1) Z(I)");
}

#[test]
fn a_statement_without_rows_is_described_as_such() {
    let (_dir, _server, mut raw) = login();
    raw.query("CREATE TABLE t (id int, v text)");
    raw.send_all(&[
        parse("ins", "INSERT INTO t VALUES ($1, $2)"),
        describe(b'S', "ins"),
        bind("", "ins", &["7", "x"]),
        describe(b'P', ""),
        execute("", 0),
        sync(),
    ]);
    let messages = raw.until_ready();
    assert_eq!(shown(&messages), "1 t n 2 n C(INSERT 0 1) Z(I)");
    assert_eq!(messages[1].body, [0, 2, 0, 0, 0, 23, 0, 0, 0, 25]);
    assert_eq!(raw.query("SELECT * FROM t"), "T D(7,x) C(SELECT 1) Z(I)");
}

#[test]
fn after_an_error_everything_is_skipped_to_the_next_sync() {
    let (_dir, _server, mut raw) = login();
    let answer = raw.ask(&[
        parse("", "SELECT nonsense"),
        bind("", "", &[]),
        execute("", 0),
        flush(),
        query("SELECT 1"),
        parse("kept", "SELECT 1"),
        sync(),
    ]);
    assert_eq!(answer, "E(42703) Z(I)");
    assert_eq!(raw.ask(&[bind("", "kept", &[]), sync()]), "E(26000) Z(I)");
    assert_eq!(raw.query("SELECT 1"), ONE);
}

#[test]
fn statements_up_to_sync_are_one_transaction() {
    let (_dir, _server, mut raw) = login();
    raw.query("CREATE TABLE t (id int)");
    let insert = |id: &str| {
        [
            parse("", &format!("INSERT INTO t VALUES ({id})")),
            bind("", "", &[]),
            execute("", 0),
        ]
        .concat()
    };
    let failed = raw.ask(&[insert("1"), insert("nonsense"), sync()]);
    assert_eq!(failed, "1 2 C(INSERT 0 1) E(42703) Z(I)");
    assert_eq!(
        raw.query("SELECT count(*) FROM t"),
        "T D(0) C(SELECT 1) Z(I)"
    );
    raw.ask(&[insert("1"), insert("2"), sync()]);
    assert_eq!(
        raw.query("SELECT count(*) FROM t"),
        "T D(2) C(SELECT 1) Z(I)"
    );
}

#[test]
fn flush_brings_answers_without_ending_the_transaction() {
    let (_dir, _server, mut raw) = login();
    raw.send_all(&[
        parse("", "SELECT 1"),
        bind("", "", &[]),
        execute("", 0),
        flush(),
    ]);
    assert_eq!(shown(&raw.until(b'C')), "1 2 D(1) C(SELECT 1)");
    // The unnamed portal is still there, and at its end.
    assert_eq!(raw.ask(&[execute("", 0), sync()]), "C(SELECT 0) Z(I)");
}

#[test]
fn a_portal_stops_at_its_limit_and_goes_on() {
    let (_dir, _server, mut raw) = login();
    let answer = raw.ask(&[
        parse("", ROWS),
        bind("p", "", &[]),
        execute("p", 2),
        execute("p", 2),
        execute("p", 2),
        execute("p", 2),
        sync(),
    ]);
    let expected = "1 2 D(1) D(2) s D(3) D(4) s D(5) C(SELECT 1) C(SELECT 0) Z(I)";
    assert_eq!(answer, expected);
}

#[test]
fn any_limit_below_one_means_all_rows() {
    let (_dir, _server, mut raw) = login();
    for limit in [0, -1, i32::MIN, i32::MAX] {
        let answer = raw.ask(&[
            parse("", ROWS),
            bind("", "", &[]),
            execute("", limit),
            sync(),
        ]);
        let expected = "1 2 D(1) D(2) D(3) D(4) D(5) C(SELECT 5) Z(I)";
        assert_eq!(answer, expected, "{limit}");
    }
}

#[test]
fn portals_end_with_their_transaction() {
    let (_dir, _server, mut raw) = login();
    let open = [
        parse("s", ROWS),
        bind("p", "s", &[]),
        execute("p", 1),
        sync(),
    ];
    assert_eq!(raw.ask(&open), "1 2 D(1) s Z(I)");
    assert_eq!(raw.ask(&[execute("p", 1), sync()]), "E(34000) Z(I)");

    raw.query("BEGIN");
    let open = [bind("p", "s", &[]), execute("p", 1), sync()];
    assert_eq!(raw.ask(&open), "2 D(1) s Z(T)");
    assert_eq!(raw.ask(&[execute("p", 1), sync()]), "D(2) s Z(T)");
    raw.query("COMMIT");
    assert_eq!(raw.ask(&[execute("p", 1), sync()]), "E(34000) Z(I)");

    // The statement is still there.
    let again = raw.ask(&[bind("", "s", &[]), execute("", 1), sync()]);
    assert_eq!(again, "2 D(1) s Z(I)");
}

#[test]
fn a_commit_in_the_pipeline_ends_portals_too() {
    let (_dir, _server, mut raw) = login();
    raw.query("BEGIN");
    let answer = raw.ask(&[
        parse("", ROWS),
        bind("p", "", &[]),
        execute("p", 1),
        parse("", "COMMIT"),
        bind("", "", &[]),
        execute("", 0),
        execute("p", 1),
        sync(),
    ]);
    assert_eq!(answer, "1 2 D(1) s 1 2 C(COMMIT) E(34000) Z(I)");
}

#[test]
fn names_are_taken_once() {
    let (_dir, _server, mut raw) = login();
    raw.query("BEGIN");
    assert_eq!(raw.ask(&[parse("s", "SELECT 1"), sync()]), "1 Z(T)");
    assert_eq!(raw.ask(&[bind("p", "s", &[]), sync()]), "2 Z(T)");
    assert_eq!(raw.ask(&[bind("p", "s", &[]), sync()]), "E(42P03) Z(E)");
    raw.query("ROLLBACK");
    assert_eq!(raw.ask(&[parse("s", "SELECT 2"), sync()]), "E(42P05) Z(I)");
    let closed = raw.ask(&[close(b'S', "s"), parse("s", "SELECT 2"), sync()]);
    assert_eq!(closed, "3 1 Z(I)");
    // Unnamed ones are replaced.
    let unnamed = raw.ask(&[
        parse("", "SELECT 1"),
        parse("", "SELECT 2"),
        bind("", "", &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(unnamed, "1 1 2 2 D(2) C(SELECT 1) Z(I)");
}

#[test]
fn what_does_not_exist_is_named_and_may_be_closed() {
    let (_dir, _server, mut raw) = login();
    for (request, answer) in [
        (bind("", "none", &[]), "E(26000) Z(I)"),
        (bind("", "", &[]), "E(26000) Z(I)"),
        (describe(b'S', "none"), "E(26000) Z(I)"),
        (describe(b'P', "none"), "E(34000) Z(I)"),
        (execute("none", 0), "E(34000) Z(I)"),
        (close(b'S', "none"), "3 Z(I)"),
        (close(b'P', "none"), "3 Z(I)"),
    ] {
        assert_eq!(raw.ask(&[request, sync()]), answer);
    }
}

#[test]
fn a_simple_query_takes_the_unnamed_statement() {
    let (_dir, _server, mut raw) = login();
    raw.ask(&[parse("", "SELECT 1"), parse("s", "SELECT 1"), sync()]);
    raw.query("SELECT 1");
    assert_eq!(raw.ask(&[bind("", "", &[]), sync()]), "E(26000) Z(I)");
    assert_eq!(raw.ask(&[bind("", "s", &[]), sync()]), "2 Z(I)");
}

#[test]
fn deallocate_all_and_discard_all_forget_statements() {
    let (_dir, _server, mut raw) = login();
    for sql in ["DEALLOCATE ALL", "DISCARD ALL"] {
        assert_eq!(
            raw.ask(&[parse("s", "SELECT 1"), sync()]),
            "1 Z(I)",
            "{sql}"
        );
        raw.query(sql);
        assert_eq!(
            raw.ask(&[bind("", "s", &[]), sync()]),
            "E(26000) Z(I)",
            "{sql}"
        );
    }
}

#[test]
fn sql_and_the_protocol_share_the_names_of_statements() {
    let (_dir, _server, mut raw) = login();
    assert_eq!(
        raw.ask(&[parse("p", "SELECT $1::int + 1"), sync()]),
        "1 Z(I)"
    );
    assert_eq!(raw.query("EXECUTE p(41)"), "T D(42) C(SELECT 1) Z(I)");
    assert_eq!(raw.query("PREPARE p AS SELECT 1"), "E(42P05) Z(I)");
    assert_eq!(raw.query("DEALLOCATE p"), "C(DEALLOCATE) Z(I)");
    assert_eq!(raw.query("EXECUTE p(41)"), "E(26000) Z(I)");
    assert_eq!(raw.ask(&[bind("", "p", &["1"]), sync()]), "E(26000) Z(I)");

    assert_eq!(
        raw.query("PREPARE q (int) AS SELECT $1 * 2"),
        "C(PREPARE) Z(I)"
    );
    assert_eq!(raw.ask(&[parse("q", "SELECT 1"), sync()]), "E(42P05) Z(I)");
    let answer = raw.ask(&[
        describe(b'S', "q"),
        bind("", "q", &["21"]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(answer, "t T 2 D(42) C(SELECT 1) Z(I)");
    assert_eq!(raw.ask(&[close(b'S', "q"), sync()]), "3 Z(I)");
    assert_eq!(raw.query("EXECUTE q(1)"), "E(26000) Z(I)");
}

#[test]
fn execute_is_described_as_what_it_executes() {
    let (_dir, _server, mut raw) = login();
    raw.query("PREPARE two (int) AS SELECT $1, 2");
    let answer = raw.ask(&[
        parse("", "EXECUTE two(1)"),
        describe(b'S', ""),
        bind("", "", &[]),
        describe(b'P', ""),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(answer, "1 t T 2 T D(1,2) C(SELECT 1) Z(I)");
    // It is known when it runs that there is none of that name.
    let answer = raw.ask(&[
        parse("", "EXECUTE nobody"),
        describe(b'S', ""),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(answer, "1 t n 2 E(26000) Z(I)");
}

#[test]
fn names_of_statements_keep_their_case() {
    let (_dir, _server, mut raw) = login();
    raw.ask(&[parse("Kept", "SELECT 1"), sync()]);
    assert_eq!(raw.query("EXECUTE Kept"), "E(26000) Z(I)");
    assert_eq!(raw.query("EXECUTE \"Kept\""), ONE);
    assert_eq!(raw.query("DEALLOCATE kept"), "E(26000) Z(I)");
    assert_eq!(raw.query("DEALLOCATE \"Kept\""), "C(DEALLOCATE) Z(I)");
}

#[test]
fn statements_outlive_the_transaction_that_prepared_them() {
    let (_dir, _server, mut raw) = login();
    raw.query("BEGIN");
    raw.ask(&[parse("s", "SELECT 1"), sync()]);
    raw.query("ROLLBACK");
    assert_eq!(raw.query("EXECUTE s"), ONE);
    raw.query("BEGIN; DEALLOCATE s; ROLLBACK");
    assert_eq!(raw.ask(&[bind("", "s", &[]), sync()]), "E(26000) Z(I)");
}

#[test]
fn a_statement_cannot_execute_itself() {
    let (_dir, _server, mut raw) = login();
    assert_eq!(raw.ask(&[parse("s", "EXECUTE s"), sync()]), "1 Z(I)");
    assert_eq!(raw.query("EXECUTE s"), "E(0A000) Z(I)");
    assert_eq!(
        raw.ask(&[bind("", "s", &[]), execute("", 0), sync()]),
        "2 E(0A000) Z(I)"
    );
    assert_eq!(raw.query("PREPARE t AS EXECUTE t"), "E(42601) Z(I)");
    assert_eq!(raw.query("SELECT 1"), ONE);
}

#[test]
fn counts_in_a_bind_must_fit() {
    let (_dir, _server, mut raw) = login();
    raw.ask(&[parse("s", "SELECT $1::int, $2::int"), sync()]);
    let cases = [
        (bind("", "s", &["1"]), "08P01"),
        (bind("", "s", &["1", "2", "3"]), "08P01"),
        (bind_formats("", "s", &[0, 0, 0], &["1", "2"], &[]), "08P01"),
        (bind_formats("", "s", &[], &["1", "2"], &[0, 0, 0]), "08P01"),
        (bind_formats("", "s", &[2], &["1", "2"], &[]), "22023"),
        (bind_formats("", "s", &[], &["1", "2"], &[0, -1]), "22023"),
    ];
    for (request, state) in cases {
        let answer = raw.ask(&[request, execute("", 0), sync()]);
        assert_eq!(answer, format!("E({state}) Z(I)"));
    }
    for formats in [&[][..], &[0], &[0, 0]] {
        let fits = bind_formats("", "s", formats, &["1", "2"], formats);
        let answer = raw.ask(&[fits, execute("", 0), sync()]);
        assert_eq!(answer, "2 D(1,2) C(SELECT 1) Z(I)");
    }
}

#[test]
fn result_formats_show_in_the_description_of_the_portal() {
    let (_dir, _server, mut raw) = login();
    raw.send_all(&[
        parse("", "SELECT 1, 2"),
        bind_formats("", "", &[], &[], &[1, 0]),
        describe(b'P', ""),
        execute("", 0),
        sync(),
    ]);
    let messages = raw.until_ready();
    let format = |field: &[u8]| field[field.len() - 1];
    let fields = &messages[2].body;
    assert_eq!(messages[2].kind, b'T');
    // The last byte is the second column's format; before its name and
    // eighteen bytes of fields ends the first column.
    assert_eq!(format(fields), 0);
    let first_end = 2 + fields[2..].iter().position(|byte| *byte == 0).unwrap() + 1 + 18;
    assert_eq!(format(&fields[..first_end]), 1);
    assert_eq!(messages[3].body, b"\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x012");
}

#[test]
fn damaged_messages_are_refused_and_the_session_goes_on() {
    let (_dir, _server, mut raw) = login();
    let whole = bind_formats("", "", &[0], &["1"], &[0]);
    let mut damaged: Vec<Vec<u8>> = (0..whole.len() - 5)
        .map(|length| message(b'B', &whole[5..5 + length]))
        .collect();
    damaged.push(message(b'P', b"s"));
    damaged.push(message(b'P', b"s\0SELECT 1\0\0\x05"));
    damaged.push(message(b'P', b"s\0SELECT 1\0\xff\xff"));
    damaged.push(message(b'E', b"\0\0"));
    damaged.push(message(b'D', b"X\0"));
    damaged.push(message(b'C', b""));
    damaged.push(message(b'H', b"x"));
    damaged.push(message(b'S', b"x"));
    for request in damaged {
        let answer = raw.ask(&[request.clone(), sync()]);
        assert_eq!(answer, "E(08P01) Z(I)", "{request:?}");
        if request[0] == b'S' {
            // A damaged Sync is one, too.
            assert_eq!(shown(&raw.until_ready()), "Z(I)");
        }
    }
    let not_utf8 = message(b'P', b"\0SELECT '\xff'\0\0\0");
    assert_eq!(raw.ask(&[not_utf8, sync()]), "E(22021) Z(I)");
    assert_eq!(raw.query("SELECT 1"), ONE);
}

#[test]
fn portals_and_statements_are_bounded() {
    let (_dir, _server, mut raw) = login();
    raw.query("BEGIN");
    raw.ask(&[parse("s", "SELECT 1"), sync()]);
    let portals: Vec<_> = (0..256).map(|n| bind(&format!("p{n}"), "s", &[])).collect();
    raw.send_all(&portals);
    let bound = raw.ask(&[sync()]);
    assert_eq!(bound.matches('2').count(), 256, "{bound}");
    assert_eq!(raw.ask(&[bind("p256", "s", &[]), sync()]), "E(54000) Z(E)");
    raw.query("ROLLBACK");

    let mut statements: Vec<_> = (1..4096)
        .map(|n| parse(&format!("s{n}"), "SELECT 1"))
        .collect();
    statements.push(sync());
    let parsed = raw.ask(&statements);
    assert_eq!(parsed.matches('1').count(), 4095);
    assert_eq!(
        raw.ask(&[parse("s4096", "SELECT 1"), sync()]),
        "E(54000) Z(I)"
    );
    let after = raw.ask(&[close(b'S', "s1"), parse("s4096", "SELECT 1"), sync()]);
    assert_eq!(after, "3 1 Z(I)");
}

#[test]
fn a_command_is_not_run_twice() {
    let (_dir, _server, mut raw) = login();
    raw.query("CREATE TABLE t (id int)");
    let answer = raw.ask(&[
        parse("", "INSERT INTO t VALUES (1)"),
        bind("p", "", &[]),
        execute("p", 0),
        execute("p", 0),
        sync(),
    ]);
    assert_eq!(answer, "1 2 C(INSERT 0 1) E(55000) Z(I)");
    assert_eq!(
        raw.query("SELECT count(*) FROM t"),
        "T D(0) C(SELECT 1) Z(I)"
    );
}

#[test]
fn an_empty_statement_is_answered() {
    let (_dir, _server, mut raw) = login();
    let answer = raw.ask(&[
        parse("", ""),
        bind("", "", &[]),
        describe(b'P', ""),
        execute("", 0),
        sync(),
    ]);
    assert_eq!(answer, "1 2 n I Z(I)");
}

#[test]
fn many_executions_in_one_write_need_no_flush() {
    let (_dir, _server, mut raw) = login();
    raw.ask(&[parse("s", "SELECT $1::int"), sync()]);
    let mut pipeline = Vec::new();
    for n in 0..5_000 {
        pipeline.extend(bind("", "s", &[&n.to_string()]));
        pipeline.extend(execute("", 0));
    }
    pipeline.extend(sync());
    raw.send(&pipeline);
    let messages = raw.until_ready();
    let rows: Vec<_> = messages
        .iter()
        .filter(|message| message.kind == b'D')
        .collect();
    assert_eq!(rows.len(), 5_000);
    assert_eq!(rows[4_999].columns(), vec![Some("4999".to_owned())]);
}
