//! Noise: clients that send damaged, shuffled and invented messages. Whatever
//! they send, the server answers or hangs up, and serves the others.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::raw::{
    CANCEL_REQUEST, GSSENC_REQUEST, Raw, SSL_REQUEST, V3_0, bind, bind_formats, close, copy_data,
    copy_done, copy_fail, describe, execute, flush, message, packet, parse, query, startup, sync,
};

/// The sequence of a seed (xorshift64*), so that a failure can be repeated.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Changes, removes or adds a few bytes, sometimes.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(3) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[at] = self.next() as u8,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, self.next() as u8),
                _ => bytes[at] ^= 1 << self.below(8),
            }
        }
    }
}

/// Nothing went wrong inside, and others are served.
fn assert_well(server: &Server) {
    let mut raw = Raw::login(server);
    assert_eq!(raw.query("SELECT 1"), "T D(1) C(SELECT 1) Z(I)");
    let (_, metrics) = support::http::get(server.metrics, "/metrics").unwrap();
    let panics = support::http::sample(&metrics, "kimberlite_connection_panics_total");
    assert_eq!(panics, Some(0.0));
}

#[test]
fn noise_before_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let packets = [
        packet(SSL_REQUEST, b""),
        packet(GSSENC_REQUEST, b""),
        packet(CANCEL_REQUEST, b"\0\0\0\x01abcd"),
        startup(V3_0, &[("user", "kimberlite"), ("options", "-c a=b")]),
        startup(V3_0 | 2, &[("user", "kimberlite"), ("_pq_.x", "y")]),
        startup(2 << 16, &[("user", "x")]),
        message(b'p', b"SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=abcd"),
        query("SELECT 1"),
        vec![0xff; 40],
        Vec::new(),
    ];
    let mut noise = Noise(20_261_122);
    for _ in 0..600 {
        let mut raw = Raw::plain(server.client);
        for _ in 0..=noise.below(3) {
            let mut bytes = noise.pick(&packets).clone();
            noise.damage(&mut bytes);
            // The server may have hung up at the one before.
            let _ = raw.try_send(&bytes);
        }
        raw.finish();
    }
    assert_well(&server);
}

#[test]
fn noise_before_the_session_and_inside_tls() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let firsts: [&[u8]; 6] = [
        b"n,,n=,r=abcdef",
        b"p=tls-server-end-point,,n=,r=abcdef",
        b"y,,n=,r=abcdef",
        b"n,a=x,n=,r=abcdef",
        b"n,,m=x,n=,r=abcdef",
        b",,,,,",
    ];
    let finals: [&[u8]; 4] = [b"c=biws,r=abcdef,p=AAAA", b"c=,r=,p=", b",p=", b"\xff\xfe"];
    let mut noise = Noise(7);
    for _ in 0..150 {
        let mut raw = Raw::encrypted(&server);
        raw.send(&startup(V3_0, &[("user", "kimberlite")]));
        let mut first = noise.pick(&firsts).to_vec();
        noise.damage(&mut first);
        let mechanism = *noise.pick(&[&b"SCRAM-SHA-256\0"[..], b"SCRAM-SHA-256-PLUS\0", b"\0"]);
        let length = (first.len() as u32).to_be_bytes();
        let _ = raw.try_send(&message(b'p', &[mechanism, &length[..], &first].concat()));
        let mut last = noise.pick(&finals).to_vec();
        noise.damage(&mut last);
        let _ = raw.try_send(&message(b'p', &last));
        raw.finish();
    }
    assert_well(&server);
}

#[test]
fn noise_in_a_session() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    Raw::login(&server).query("CREATE TABLE t (id int)");
    let messages = [
        query("SELECT 1"),
        query("BEGIN"),
        query("COMMIT"),
        query("SELECT * FROM generate_series(1, 100)"),
        query("COPY t FROM STDIN"),
        query("COPY t TO STDOUT"),
        query(""),
        parse("", "SELECT $1::int"),
        parse("s", "SELECT * FROM generate_series(1, 10)"),
        parse("", "COPY t FROM STDIN"),
        parse("", "INSERT INTO t VALUES (1)"),
        bind("", "", &["1"]),
        bind("p", "s", &[]),
        bind_formats("", "", &[1], &["abcd"], &[1]),
        describe(b'S', ""),
        describe(b'P', "p"),
        execute("", 0),
        execute("p", 3),
        close(b'S', "s"),
        close(b'P', "p"),
        flush(),
        sync(),
        copy_data("1\n"),
        copy_data("x"),
        copy_done(),
        copy_fail("no"),
        message(b'F', &[0; 10]),
    ];
    let mut noise = Noise(42);
    for _ in 0..150 {
        let mut raw = Raw::login(&server);
        let mut stream = Vec::new();
        for _ in 0..noise.below(40) {
            let mut bytes = noise.pick(&messages).clone();
            if noise.below(8) == 0 {
                // Damage within the body keeps the rest readable.
                let mut body = bytes.split_off(5);
                noise.damage(&mut body);
                bytes = message(bytes[0], &body);
            }
            if noise.below(60) == 0 {
                noise.damage(&mut bytes);
            }
            stream.extend(bytes);
        }
        let _ = raw.try_send(&stream);
        raw.finish();
    }
    assert_well(&server);
}
