//! A result that is far larger than the server's memory may grow streams to a
//! client that reads slowly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::TcpStream;
use std::time::Duration;

use support::raw::{Raw, V3_0, bind, execute, parse, query, shown, sync};
use support::server::{code, text};
use support::{Server, psql};
use tokio::net::TcpSocket;

const MIB: u64 = 1 << 20;

/// Rows of a result; each has at least 300 bytes, and no two the same: equal ones
/// would share their memory.
fn rows() -> u64 {
    if std::env::var_os("KIMBERLITE_LONG_TESTS").is_some() {
        10_000_000
    } else {
        1_000_000
    }
}

/// A session over a socket that takes only a few KiB before its client reads.
fn slow_client(server: &Server) -> Raw {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let address = server.client;
    let socket = runtime.block_on(async move {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 << 10).unwrap();
        socket.connect(address).await.unwrap()
    });
    let socket: TcpStream = socket.into_std().unwrap();
    socket.set_nonblocking(false).unwrap();
    socket.set_nodelay(true).unwrap();
    Raw::over(socket).encrypt(server).logged_in(server, V3_0)
}

/// The most resident memory the server ever had, in bytes.
fn peak(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.running.pid());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

/// Reads a whole answer with pauses. Returns the rows, their bytes, and their
/// first columns' sum.
fn read_slowly(client: &mut Raw) -> (u64, u64, u64) {
    let (mut rows, mut bytes, mut sum) = (0, 0, 0);
    loop {
        let message = client.read().expect("the connection ended");
        match message.kind {
            b'D' => {
                // More pauses at the start, when a server that does not wait
                // would gather everything.
                if rows < 30 || rows % 50_000 == 0 {
                    std::thread::sleep(Duration::from_millis(20));
                }
                rows += 1;
                bytes += message.body.len() as u64;
                let length: [u8; 4] = message.body[2..6].try_into().unwrap();
                let end = 6 + u32::from_be_bytes(length) as usize;
                let first = std::str::from_utf8(&message.body[6..end]).unwrap();
                sum += first.parse::<u64>().unwrap();
            }
            b'E' => panic!("{}", shown(&[message])),
            b'Z' => return (rows, bytes, sum),
            _ => {}
        }
    }
}

/// Asks with `messages` and checks the answer and the memory it took.
fn stream(server: &Server, messages: &[Vec<u8>]) {
    let rows = rows();
    let mut client = slow_client(server);
    // What any query needs is there before.
    client.query("SELECT 1");
    let before = peak(server);
    client.send_all(messages);
    let (read, bytes, sum) = read_slowly(&mut client);
    assert_eq!(read, rows);
    assert_eq!(sum, rows * (rows + 1) / 2);
    assert!(bytes > 300 * rows, "{bytes} bytes");
    let after = peak(server);
    let grown = after - before;
    println!(
        "{} MiB streamed; {} MiB resident, {} MiB more than before",
        bytes / MIB,
        after / MIB,
        grown / MIB
    );
    assert!(after < 1024 * MIB, "{} MiB resident", after / MIB);
    assert!(grown < 200 * MIB, "{} MiB more", grown / MIB);
}

#[test]
fn a_series_streams_to_a_slow_client() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let sql = format!(
        "SELECT i, repeat('slow', 75) || i FROM generate_series(1, {}) AS t(i)",
        rows()
    );
    stream(&server, &[query(&sql)]);
}

#[test]
fn a_table_streams_to_a_slow_client() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let run = |sql: &str| {
        let output = psql(&server.url, sql);
        assert_eq!(code(&output), 0, "{}", text(&output));
    };
    run("CREATE TABLE t (id int8 PRIMARY KEY, word text NOT NULL)");
    let piece = 100_000;
    for first in (1..=rows()).step_by(piece) {
        let last = first + piece as u64 - 1;
        run(&format!(
            "INSERT INTO t SELECT i, 'word ' || i FROM generate_series({first}, {last}) AS s(i)"
        ));
    }
    // Loading may take memory; what is measured is reading.
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let server = Server::dev(dir.path());
    let sql = "SELECT id, word, repeat('slow', 75) || id FROM t";
    let messages = [parse("", sql), bind("", "", &[]), execute("", 0), sync()];
    stream(&server, &messages);
}
