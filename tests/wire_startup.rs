//! Everything a client may send before it has a session.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::raw::{
    GSSENC_REQUEST, Login, Message, Raw, SSL_REQUEST, V3_0, message, packet, query, shown, startup,
};

fn server() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    (dir, server)
}

/// The only message left, which must end the connection.
fn farewell(raw: &mut Raw) -> Message {
    let messages = raw.until(b'E');
    assert_eq!(messages.len(), 1, "{}", shown(&messages));
    let error = messages[0].clone();
    assert_eq!(error.field(b'V').unwrap(), "FATAL");
    assert!(raw.is_closed());
    error
}

#[test]
fn plaintext_smuggled_in_before_tls_is_refused() {
    let (_dir, server) = server();
    let login = Login::of(&server);
    let smuggled = startup(V3_0, &[("user", &login.user)]);
    let mut raw = Raw::plain(server.client);
    raw.send(&[packet(SSL_REQUEST, b""), smuggled].concat());
    let error = farewell(&mut raw);
    assert_eq!(error.field(b'C').unwrap(), "08P01");
    assert_eq!(
        error.field(b'M').unwrap(),
        "received unencrypted data after SSL request"
    );
}

#[test]
fn a_session_without_tls_is_refused() {
    let (_dir, server) = server();
    let mut raw = Raw::plain(server.client);
    raw.send(&startup(V3_0, &[("user", "somebody")]));
    let error = farewell(&mut raw);
    assert_eq!(error.field(b'C').unwrap(), "28000");
    assert!(error.field(b'H').unwrap().contains("sslmode=require"));
}

#[test]
fn gss_is_declined_and_tls_may_follow() {
    let (_dir, server) = server();
    let login = Login::of(&server);
    let mut raw = Raw::plain(server.client);
    raw.send(&packet(GSSENC_REQUEST, b""));
    assert_eq!(raw.byte(), Some(b'N'));
    raw.send(&packet(SSL_REQUEST, b""));
    assert_eq!(raw.byte(), Some(b'S'));
    raw.start_tls(&login.ca);
    raw.send(&startup(
        V3_0,
        &[("user", &login.user), ("database", &login.database)],
    ));
    let answer = shown(&raw.authenticate(&login.password));
    assert!(answer.ends_with("Z(I)"), "{answer}");
}

#[test]
fn encryption_is_asked_for_once() {
    let (_dir, server) = server();
    let mut raw = Raw::encrypted(&server);
    raw.send(&packet(SSL_REQUEST, b""));
    assert_eq!(farewell(&mut raw).field(b'C').unwrap(), "08P01");
}

#[test]
fn what_is_not_the_protocol_gets_no_answer() {
    let (_dir, server) = server();
    let too_long = [&10_001_u32.to_be_bytes()[..], &[0; 64]].concat();
    let too_short = 7_u32.to_be_bytes().to_vec();
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), too_long, too_short] {
        let mut raw = Raw::plain(server.client);
        raw.send(&bytes);
        assert!(raw.is_closed(), "{bytes:?}");
    }
    Raw::login(&server);
}

#[test]
fn another_major_version_is_named() {
    let (_dir, server) = server();
    let mut raw = Raw::encrypted(&server);
    raw.send(&startup(2 << 16, &[("user", "u")]));
    let error = farewell(&mut raw);
    assert_eq!(error.field(b'C').unwrap(), "0A000");
    assert!(error.field(b'M').unwrap().contains("2.0"));
}

#[test]
fn a_newer_minor_version_is_negotiated_down() {
    let (_dir, server) = server();
    let login = Login::of(&server);
    let mut raw = Raw::encrypted(&server);
    let parameters = [
        ("user", &*login.user),
        ("database", &*login.database),
        ("_pq_.magic", "on"),
    ];
    raw.send(&startup(V3_0 | 9999, &parameters));
    let negotiated = raw.read().unwrap();
    assert_eq!(negotiated.kind, b'v');
    let expected = [
        &(V3_0 | 2).to_be_bytes()[..],
        &1_u32.to_be_bytes(),
        b"_pq_.magic\0",
    ];
    assert_eq!(negotiated.body, expected.concat());
    let answer = shown(&raw.authenticate(&login.password));
    assert!(answer.ends_with("Z(I)"), "{answer}");
}

#[test]
fn cancel_keys_have_the_length_of_their_version() {
    let (_dir, server) = server();
    assert_eq!(Raw::login(&server).key.1.len(), 4);
    assert_eq!(Raw::login_version(&server, V3_0 | 2).key.1.len(), 32);
}

#[test]
fn nobody_learns_which_roles_and_databases_exist() {
    let (_dir, server) = server();
    let login = Login::of(&server);
    let fail = |user: &str, database: &str, password: &str| {
        let mut raw = Raw::encrypted(&server);
        raw.send(&startup(V3_0, &[("user", user), ("database", database)]));
        let answer = raw.authenticate(password);
        assert_eq!(shown(&answer), "E(28P01)");
        assert!(raw.is_closed());
        answer[0].field(b'M').unwrap().replace(user, "?")
    };
    let wrong_password = fail(&login.user, &login.database, "wrong");
    let no_role = fail("nobody", &login.database, "wrong");
    let no_database = fail(&login.user, "nowhere", &login.password);
    assert_eq!(
        wrong_password,
        "password authentication failed for user \"?\""
    );
    assert_eq!(wrong_password, no_role);
    assert_eq!(wrong_password, no_database);
}

#[test]
fn nothing_but_the_password_is_taken_before_the_session() {
    let (_dir, server) = server();
    let login = Login::of(&server);
    let mut raw = Raw::encrypted(&server);
    raw.send(&startup(V3_0, &[("user", &login.user)]));
    assert_eq!(raw.read().unwrap().kind, b'R');
    raw.send(&query("SELECT 1"));
    let error = farewell(&mut raw);
    assert_eq!(error.field(b'C').unwrap(), "08P01");
    assert_eq!(
        error.field(b'M').unwrap(),
        "expected SASL response, got message type 81"
    );
}

#[test]
fn an_unauthenticated_client_cannot_make_the_server_wait_for_a_large_message() {
    let (_dir, server) = server();
    let login = Login::of(&server);
    let mut raw = Raw::encrypted(&server);
    raw.send(&startup(V3_0, &[("user", &login.user)]));
    assert_eq!(raw.read().unwrap().kind, b'R');
    // Announced, never sent: the answer must not wait for it.
    raw.send(&[&b"p"[..], &(65_541_u32).to_be_bytes()].concat());
    assert_eq!(farewell(&mut raw).field(b'C').unwrap(), "08P01");
}

#[test]
fn a_mechanism_that_was_not_offered_is_refused() {
    let (_dir, server) = server();
    let login = Login::of(&server);
    let mut raw = Raw::encrypted(&server);
    raw.send(&startup(V3_0, &[("user", &login.user)]));
    let offer = raw.read().unwrap();
    let offered = String::from_utf8(offer.body[4..].to_vec()).unwrap();
    assert_eq!(offered, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    raw.send(&message(b'p', b"PLAIN\0\0\0\0\x05\0u\0pw"));
    assert_eq!(farewell(&mut raw).field(b'C').unwrap(), "08P01");
}

#[test]
fn channel_binding_that_was_offered_cannot_be_argued_away() {
    let (_dir, server) = server();
    let login = Login::of(&server);
    let mut raw = Raw::encrypted(&server);
    raw.send(&startup(V3_0, &[("user", &login.user)]));
    assert_eq!(raw.read().unwrap().kind, b'R');
    // "y": the client could bind and believes that the server cannot.
    let first = b"y,,n=,r=abc";
    let length = (first.len() as u32).to_be_bytes();
    raw.send(&message(
        b'p',
        &[b"SCRAM-SHA-256\0", &length[..], first].concat(),
    ));
    assert_eq!(farewell(&mut raw).field(b'C').unwrap(), "28000");
}

#[test]
fn parameters_are_reported_at_the_start() {
    let (_dir, server) = server();
    let raw = Raw::login(&server);
    let value = |name: &str| {
        let found = raw.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    assert_eq!(value("client_encoding"), "UTF8");
    assert_eq!(value("standard_conforming_strings"), "on");
    assert!(value("server_version").starts_with("15"));
}
