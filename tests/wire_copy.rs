//! COPY between client and server, message by message.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::raw::{
    Raw, bind, cancel, copy_data, copy_done, copy_fail, execute, flush, parse, query, shown, sync,
};

fn login() -> (tempfile::TempDir, Server, Raw) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let mut raw = Raw::login(&server);
    assert_eq!(raw.query("CREATE TABLE t (id int)"), "C(CREATE TABLE) Z(I)");
    (dir, server, raw)
}

fn count(raw: &mut Raw) -> String {
    raw.send(&query("SELECT count(*) FROM t"));
    let messages = raw.until_ready();
    assert_eq!(messages[1].kind, b'D', "{}", shown(&messages));
    messages[1].columns()[0].clone().unwrap()
}

const COPY: &str = "COPY t FROM STDIN";

#[test]
fn rows_come_in_however_the_data_is_cut() {
    let (_dir, _server, mut raw) = login();
    raw.send(&query(COPY));
    let start = raw.read().unwrap();
    assert_eq!((start.kind, &start.body[..]), (b'G', &[0, 0, 1, 0, 0][..]));
    for part in ["1", "0\n2", "", "\n3\n"] {
        raw.send(&copy_data(part));
    }
    raw.send(&copy_done());
    assert_eq!(shown(&raw.until_ready()), "C(COPY 3) Z(I)");
    assert_eq!(
        raw.query("SELECT id FROM t ORDER BY id"),
        "T D(2) D(3) D(10) C(SELECT 3) Z(I)"
    );
}

#[test]
fn small_and_large_messages_keep_their_order() {
    let (_dir, _server, mut raw) = login();
    raw.send(&query(COPY));
    let (mut stream, mut next) = (Vec::new(), 0);
    for rows in [1, 1, 3, 5_000, 1, 20_000, 1, 2, 40_000, 1] {
        let lines: String = (next..next + rows).map(|id| format!("{id}\n")).collect();
        next += rows;
        stream.extend(copy_data(&lines));
    }
    for _ in 0..20_000 {
        stream.extend(copy_data(&format!("{next}\n")));
        next += 1;
    }
    // A row across messages of both kinds.
    stream.extend(copy_data("1"));
    stream.extend(copy_data(&format!("23\n{}", "7\n".repeat(10_000))));
    stream.extend(copy_done());
    raw.send(&stream);
    let expected = format!("G C(COPY {}) Z(I)", next + 10_001);
    assert_eq!(shown(&raw.until_ready()), expected);
    assert_eq!(
        raw.query("SELECT count(*) FROM t WHERE id = 123"),
        "T D(2) C(SELECT 1) Z(I)"
    );
    assert_eq!(
        raw.query("SELECT min(id), max(id) FROM t"),
        format!("T D(0,{}) C(SELECT 1) Z(I)", next - 1)
    );
}

#[test]
fn flush_and_sync_within_the_data_are_ignored() {
    let (_dir, _server, mut raw) = login();
    let answer = raw.ask(&[
        query(COPY),
        copy_data("1\n"),
        flush(),
        sync(),
        copy_data("2\n"),
        copy_done(),
    ]);
    assert_eq!(answer, "G C(COPY 2) Z(I)");
    assert_eq!(count(&mut raw), "2");
}

#[test]
fn a_copy_can_be_pipelined_in_the_extended_protocol() {
    let (_dir, _server, mut raw) = login();
    let answer = raw.ask(&[
        parse("", COPY),
        bind("", "", &[]),
        execute("", 0),
        sync(),
        copy_data("1\n"),
        copy_done(),
        sync(),
    ]);
    assert_eq!(answer, "1 2 G C(COPY 1) Z(I)");
    assert_eq!(count(&mut raw), "1");
}

#[test]
fn a_client_can_give_up() {
    let (_dir, _server, mut raw) = login();
    raw.send_all(&[query(COPY), copy_data("1\n"), copy_fail("changed my mind")]);
    let messages = raw.until_ready();
    assert_eq!(shown(&messages), "G E(57014) Z(I)");
    assert_eq!(
        messages[1].field(b'M').unwrap(),
        "COPY from stdin failed: changed my mind"
    );
    assert_eq!(count(&mut raw), "0");
}

#[test]
fn bad_data_undoes_the_copy_and_the_rest_of_it_is_ignored() {
    let (_dir, _server, mut raw) = login();
    let answer = raw.ask(&[
        query(COPY),
        copy_data("1\n"),
        copy_data("x\n"),
        copy_data("3\n"),
        copy_done(),
    ]);
    assert_eq!(answer, "G E(22P02) Z(I)");
    // Never CopyFail, which is the client's message: the line above has none.
    assert_eq!(count(&mut raw), "0");
}

#[test]
fn bad_data_in_the_extended_protocol_skips_to_sync() {
    let (_dir, _server, mut raw) = login();
    raw.send_all(&[parse("", COPY), bind("", "", &[]), execute("", 0), flush()]);
    assert_eq!(shown(&raw.until(b'G')), "1 2 G");
    raw.send_all(&[copy_data("x\n"), copy_done(), query("SELECT 1"), sync()]);
    assert_eq!(shown(&raw.until_ready()), "E(22P02) Z(I)");
    assert_eq!(count(&mut raw), "0");
}

#[test]
fn another_statement_within_the_data_ends_the_connection() {
    let (_dir, server, mut raw) = login();
    raw.send_all(&[query(COPY), copy_data("1\n"), query("SELECT 1")]);
    let messages = raw.until(b'E');
    assert_eq!(shown(&messages), "G E(08P01)");
    assert_eq!(messages[1].field(b'V').unwrap(), "FATAL");
    assert!(raw.is_closed());
    assert_eq!(count(&mut Raw::login(&server)), "0");
}

#[test]
fn a_client_that_vanishes_leaves_nothing_behind() {
    let (_dir, server, mut raw) = login();
    raw.send_all(&[query(COPY), copy_data("1\n")]);
    assert_eq!(shown(&raw.until(b'G')), "G");
    raw.cut();
    let mut other = Raw::login(&server);
    // Waits for the lock of the copy, if it were still there.
    assert_eq!(other.query("TRUNCATE t"), "C(TRUNCATE TABLE) Z(I)");
    assert_eq!(count(&mut other), "0");
}

#[test]
fn a_copy_that_waits_for_data_can_be_cancelled() {
    let (_dir, server, mut raw) = login();
    raw.send_all(&[query(COPY), copy_data("1\n")]);
    assert_eq!(shown(&raw.until(b'G')), "G");
    cancel(server.client, raw.key.0, &raw.key.1);
    assert_eq!(shown(&raw.until_ready()), "E(57014) Z(I)");
    assert_eq!(count(&mut raw), "0");
}

#[test]
fn statements_around_a_copy_belong_to_its_string() {
    let (_dir, _server, mut raw) = login();
    let string = format!("INSERT INTO t VALUES (1); {COPY}; INSERT INTO t VALUES (3)");
    let answer = raw.ask(&[query(&string), copy_data("2\n"), copy_done()]);
    assert_eq!(answer, "C(INSERT 0 1) G C(COPY 1) C(INSERT 0 1) Z(I)");
    assert_eq!(count(&mut raw), "3");
    let answer = raw.ask(&[query(&string), copy_fail("no")]);
    assert_eq!(answer, "C(INSERT 0 1) G E(57014) Z(I)");
    assert_eq!(count(&mut raw), "3");
}

#[test]
fn rows_go_out_one_message_each() {
    let (_dir, _server, mut raw) = login();
    raw.query("INSERT INTO t VALUES (1), (2)");
    raw.send(&query("COPY t TO STDOUT"));
    let messages = raw.until_ready();
    assert_eq!(shown(&messages), "H d d c C(COPY 2) Z(I)");
    assert_eq!(messages[0].body, [0, 0, 1, 0, 0]);
    assert_eq!(
        [&messages[1].body[..], &messages[2].body].concat(),
        b"1\n2\n"
    );
}

#[test]
fn a_file_on_the_server_is_read_from_directories_that_are_open() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    std::fs::create_dir(&open).unwrap();
    let many: String = (0..50_000).map(|id| format!("{id}\n")).collect();
    std::fs::write(open.join("many"), many).unwrap();
    std::fs::write(open.join("wrong"), "1\n2\nthree\n").unwrap();
    std::fs::write(dir.path().join("closed"), "1\n").unwrap();

    let data = dir.path().join("data");
    let mut command = support::dev_command(&data);
    let server = Server::from_command(command.arg("--copy-directory").arg(&open), &data);
    let mut raw = Raw::login(&server);
    raw.query("CREATE TABLE t (id int)");
    let copy = |name: &str| format!("COPY t FROM '{}'", dir.path().join(name).display());
    assert_eq!(raw.query(&copy("open/many")), "C(COPY 50000) Z(I)");
    assert_eq!(count(&mut raw), "50000");

    raw.query("BEGIN");
    raw.query("SAVEPOINT before");
    assert_eq!(raw.query(&copy("open/wrong")), "E(22P02) Z(E)");
    raw.query("ROLLBACK TO before");
    assert_eq!(raw.query(&copy("open/many")), "C(COPY 50000) Z(T)");
    raw.query("ROLLBACK");
    assert_eq!(count(&mut raw), "50000");

    assert_eq!(raw.query(&copy("closed")), "E(42501) Z(I)");
    assert_eq!(raw.query(&copy("open/absent")), "E(58P01) Z(I)");
    assert_eq!(raw.query("COPY t FROM 'open/many'"), "E(42602) Z(I)");
    let out = format!("COPY t TO '{}'", open.join("out").display());
    assert_eq!(raw.query(&out), "E(0A000) Z(I)");
    assert!(!open.join("out").exists());
}

#[test]
fn no_file_on_the_server_is_read_unless_a_directory_is_open() {
    let (dir, _server, mut raw) = login();
    let file = dir.path().join("rows");
    std::fs::write(&file, "1\n").unwrap();
    let copy = format!("COPY t FROM '{}'", file.display());
    assert_eq!(raw.query(&copy), "E(0A000) Z(I)");
    assert_eq!(count(&mut raw), "0");
}
