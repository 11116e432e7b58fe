//! What a client stores is in no file of the server and in no line of its log,
//! neither while it runs nor afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use futures::SinkExt as _;
use support::{Client, Server, connect, dev_command};

/// Random letters that begin every marker. They are long enough that random
/// bytes do not contain them: 16^12 to 1.
fn random_tag() -> String {
    (0..12)
        .map(|_| char::from(b'a' + rand::random::<u8>() % 16))
        .collect()
}

/// What the tag would look like in a file.
fn forms(tag: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = tag.bytes().map(|b| format!("{b:02x}")).collect();
    let utf16 = |to: fn(u16) -> [u8; 2]| tag.encode_utf16().flat_map(to).collect();
    let mut forms = vec![
        ("text", tag.as_bytes().to_vec()),
        ("upper case", tag.to_ascii_uppercase().into_bytes()),
        ("UTF-16, little-endian", utf16(u16::to_le_bytes)),
        ("UTF-16, big-endian", utf16(u16::to_be_bytes)),
        ("upper-case hexadecimal", hex.to_ascii_uppercase().into()),
        ("hexadecimal", hex.into_bytes()),
        ("backwards", tag.bytes().rev().collect()),
    ];
    // Base64 has three forms, by the place of the first byte in its group; the
    // characters at the ends depend on the neighbours.
    for place in 0..3 {
        let text = STANDARD_NO_PAD.encode([&b"..."[..place], tag.as_bytes()].concat());
        let inner = text[if place == 0 { 0 } else { 4 }..text.len() - 2].to_owned();
        forms.push(("base64", inner.into_bytes()));
    }
    forms
}

/// Where `needle` is in `bytes` (Boyer, Moore and Horspool's search).
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let length = needle.len();
    let mut shifts = [length; 256];
    for (at, byte) in needle[..length - 1].iter().enumerate() {
        shifts[usize::from(*byte)] = length - 1 - at;
    }
    let mut at = 0;
    while let Some(window) = bytes.get(at..at + length) {
        if window == needle {
            return Some(at);
        }
        at += shifts[usize::from(window[length - 1])];
    }
    None
}

/// What was looked at, and where the tag was found.
#[derive(Default)]
struct Scan {
    files: usize,
    bytes: usize,
    spilled: usize,
    found: Vec<String>,
}

impl Scan {
    fn bytes(&mut self, name: &str, bytes: &[u8], forms: &[(&str, Vec<u8>)]) {
        self.bytes += bytes.len();
        for (form, needle) in forms {
            if let Some(at) = find(bytes, needle) {
                self.found.push(format!("{name}: at {at}, as {form}"));
            }
        }
    }

    fn file(&mut self, name: &str, path: &Path, forms: &[(&str, Vec<u8>)]) -> usize {
        match std::fs::read(path) {
            Ok(bytes) => {
                self.files += 1;
                self.bytes(name, &bytes, forms);
                bytes.len()
            }
            // RocksDB deletes files while it runs.
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => panic!("{name}: {error}"),
        }
    }

    /// Every file below `dir`, names included.
    fn folder(&mut self, dir: &Path, forms: &[(&str, Vec<u8>)]) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.display().to_string();
            self.bytes(&format!("name of {name}"), name.as_bytes(), forms);
            if entry.file_type().unwrap().is_dir() {
                self.folder(&path, forms);
            } else {
                self.file(&name, &path, forms);
            }
        }
    }

    /// Files that a process has open and that have no name any more.
    fn unlinked(&mut self, pid: u32, forms: &[(&str, Vec<u8>)]) {
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let path = entry.unwrap().path();
            // The descriptor may be closed by now.
            let Ok(target) = std::fs::read_link(&path) else {
                continue;
            };
            let name = target.display().to_string();
            if name.ends_with(" (deleted)") {
                let length = self.file(&name, &path, forms);
                if name.contains("spill") {
                    self.spilled += length;
                }
            }
        }
    }
}

/// Puts the tag wherever a client can put something.
async fn plant(client: &Client, tag: &str) {
    let hex: String = tag.bytes().map(|b| format!("{b:02x}")).collect();
    let database = format!("CREATE DATABASE {tag}_database");
    client.batch_execute(&database).await.unwrap();
    client
        .batch_execute(&format!(
            "CREATE TABLE {tag}_table (
                 id int PRIMARY KEY, {tag}_column text DEFAULT '{tag} default',
                 name text UNIQUE, j json, jb jsonb, b bytea, c char(40), v varchar(60));
             CREATE INDEX {tag}_index ON {tag}_table (v);
             CREATE SCHEMA {tag}_schema;
             INSERT INTO {tag}_table (id, name, j, jb, b, c, v) VALUES
                 (1, '{tag} name', '{{\"{tag}\": \"{tag} json\"}}', '[\"{tag} jsonb\"]',
                  '\\x{hex}', '{tag} char', '{tag} varchar'),
                 (2, '{tag} second', NULL, NULL, NULL, NULL, repeat('{tag}', 5));
             UPDATE {tag}_table SET name = '{tag} renamed', v = '{tag} again' WHERE id = 1;
             DELETE FROM {tag}_table WHERE id = 2;
             CREATE TABLE big (id int, filler text);"
        ))
        .await
        .unwrap();
    let sql = format!("INSERT INTO {tag}_table (id, b, name) VALUES ($1, $2, $3)");
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&3, &tag.as_bytes(), &format!("{tag} parameter")];
    client.execute(&sql, &values).await.unwrap();
    let sink = client.copy_in("COPY big FROM STDIN").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    for first in (0..20_000).step_by(500) {
        let lines: String = (first..first + 500)
            .map(|n| {
                format!(
                    "{n}\t{:05} {tag} copied {n}{}\n",
                    n * 7919 % 20_000,
                    "-".repeat(200)
                )
            })
            .collect();
        sink.send(Bytes::from(lines)).await.unwrap();
    }
    sink.finish().await.unwrap();
}

/// Mistakes whose reports to the client hold what it sent.
async fn provoke(client: &Client, tag: &str) {
    for sql in [
        format!("INSERT INTO {tag}_table (id, name) VALUES (4, '{tag} renamed')"),
        format!("SELECT '{tag}'::int"),
        format!("SELECT * FROM {tag}_missing"),
        format!("SELECT {tag}_missing FROM {tag}_table"),
        format!("SELECT '{tag}' FROM WHERE '{tag}'"),
        format!("SELECT ('{tag}' '{tag}' ("),
        format!("SELECT '{tag}"),
        format!("{tag} '{tag}'"),
        format!("INSERT INTO {tag}_table (id, j) VALUES (5, '{{{tag}')"),
        format!("SELECT json '{tag}'"),
        format!("SELECT {tag}_function('{tag}')"),
        format!("SELECT 1 / (length('{tag}') - 12)"),
        format!("SET search_path TO \"{tag}\"; SET {tag} = '{tag}'"),
    ] {
        client.batch_execute(&sql).await.expect_err(&sql);
    }
    let copy = format!("COPY {tag}_table FROM STDIN");
    let sink = client.copy_in(&copy).await.unwrap();
    let mut sink = std::pin::pin!(sink);
    sink.send(Bytes::from(format!("{tag}\t{tag}\n")))
        .await
        .unwrap();
    sink.finish().await.unwrap_err();
}

#[tokio::test]
async fn what_is_stored_is_in_no_file_and_in_no_log() {
    let tag = random_tag();
    let forms = forms(&tag);
    let dir = tempfile::tempdir().unwrap();
    let mut command = dev_command(dir.path());
    let server = Server::from_command(command.env("KIMBERLITE_LOG_LEVEL", "info"), dir.path());
    let mut client = connect(&server.url).await.unwrap();
    plant(&client, &tag).await;
    provoke(&client, &tag).await;

    // A large sort, half way through its result: what it spilled is open, and
    // has no name.
    client.batch_execute("SET work_mem = '1MB'").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let sort = format!(
        "SELECT md5(i::text) || repeat('{tag}', 20) AS filler
         FROM generate_series(1, 300000) AS s(i) ORDER BY filler DESC"
    );
    let portal = transaction.bind(&sort, &[]).await.unwrap();
    let first = transaction.query_portal(&portal, 10).await.unwrap();
    assert_eq!(first.len(), 10);
    assert!(first[0].get::<_, &str>(0).contains(&tag));
    let mut running = Scan::default();
    running.folder(dir.path(), &forms);
    running.unlinked(server.running.pid(), &forms);
    assert!(running.found.is_empty(), "{:#?}", running.found);
    assert!(running.spilled > 10 << 20, "{} bytes", running.spilled);
    drop(portal);
    transaction.rollback().await.unwrap();

    // A stop writes what was in memory only; so does a crash, at the next start.
    drop(client);
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let server = Server::from_command(&mut command, dir.path());
    let client = connect(&server.url).await.unwrap();
    let found = client
        .query_one(
            &format!("SELECT count(*) FROM big WHERE filler LIKE '%{tag}%'"),
            &[],
        )
        .await
        .unwrap();
    assert_eq!(found.get::<_, i64>(0), 20_000);
    client.batch_execute("DROP TABLE big").await.unwrap();
    let second_log = server.running.log();
    server.kill();
    let mut stopped = Scan::default();
    stopped.folder(dir.path(), &forms);
    stopped.bytes("the log", log.as_bytes(), &forms);
    stopped.bytes("the second log", second_log.as_bytes(), &forms);
    assert!(stopped.found.is_empty(), "{:#?}", stopped.found);
    // It was all there to be found: 20,000 lines of 200 bytes.
    assert!(stopped.bytes > 1 << 20, "{} bytes read", stopped.bytes);
    println!(
        "{} files, {} MiB, {} MiB spilled",
        running.files + stopped.files,
        (running.bytes + stopped.bytes) >> 20,
        running.spilled >> 20
    );
}

#[test]
fn the_search_finds_every_form() {
    let tag = random_tag();
    let forms = forms(&tag);
    let dir = tempfile::tempdir().unwrap();
    for around in ["", "x", "yy", "zzz"] {
        let marker = format!("{around}{tag}{around} ");
        let hex: String = marker.bytes().map(|b| format!("{b:02x}")).collect();
        let utf16 = |to: fn(u16) -> [u8; 2]| marker.encode_utf16().flat_map(to).collect();
        for (name, bytes) in [
            ("text", marker.clone().into_bytes()),
            ("little", utf16(u16::to_le_bytes)),
            ("big", utf16(u16::to_be_bytes)),
            ("hex", hex.into_bytes()),
            ("base64", STANDARD_NO_PAD.encode(&marker).into_bytes()),
        ] {
            let path = dir.path().join(name);
            let filler = vec![b'q'; 5000];
            std::fs::write(&path, [&filler, &bytes[..], &filler].concat()).unwrap();
            let mut scan = Scan::default();
            scan.folder(dir.path(), &forms);
            assert!(!scan.found.is_empty(), "{name} with {around:?} around it");
            std::fs::remove_file(&path).unwrap();
        }
    }
    std::fs::create_dir(dir.path().join(&tag)).unwrap();
    let mut scan = Scan::default();
    scan.folder(dir.path(), &forms);
    assert_eq!(scan.found.len(), 1, "{:?}", scan.found);
}
