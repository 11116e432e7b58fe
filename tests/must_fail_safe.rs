//! When something goes wrong: a clear refusal or a clean stop, and nothing that
//! was acknowledged is missing afterwards. A disk that fills under load, and
//! starts that are refused on a directory that holds rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::SinkExt as _;
use sha2::{Digest as _, Sha256};
use support::namespace::{in_mount_namespace, make_read_only, make_writable, mount_small, resize};
use support::server::{assert_verified, code, dev_arguments, text, verified};
use support::{Client, PATIENCE, Running, Server, connect, dev_command, kimberlite, psql};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Rows of one COPY.
const LINES: i64 = 200;

/// What the clients know: ids that were acknowledged and ids that were refused.
#[derive(Default)]
struct Record {
    next: AtomicI64,
    acknowledged: Mutex<BTreeSet<i64>>,
    refused: Mutex<BTreeSet<i64>>,
}

/// Text that does not compress.
fn noise(length: usize) -> String {
    (0..length)
        .map(|_| char::from(b'0' + rand::random::<u8>() % 64).to_ascii_lowercase())
        .map(|c| if c == '\\' { '/' } else { c })
        .collect()
}

/// Whether a transaction with this error left nothing for certain.
fn refused(error: &Error) -> bool {
    match error.code() {
        Some(state) if *state == SqlState::DISK_FULL => true,
        // The log failed while it was being committed; it may be durable.
        Some(state) if *state == SqlState::TRANSACTION_RESOLUTION_UNKNOWN => false,
        // It was not its turn yet when the server stopped.
        Some(state) if state.code().starts_with("57P") => false,
        None => false,
        Some(_) => panic!("{error:?}"),
    }
}

/// Inserts, each in a transaction, until something goes wrong.
async fn insert(client: Client, record: Arc<Record>) -> Error {
    loop {
        let id = record.next.fetch_add(1, Ordering::Relaxed);
        let sql = "INSERT INTO t VALUES ($1, 0, $2)";
        match client.execute(sql, &[&id, &noise(50_000)]).await {
            Ok(_) => record.acknowledged.lock().unwrap().insert(id),
            Err(error) => {
                if refused(&error) {
                    record.refused.lock().unwrap().insert(id);
                }
                return error;
            }
        };
    }
}

/// The COPY has a COMMIT of its own: the driver's COPY is over when the rows
/// were taken, and says nothing about an error of the commit at the Sync after.
async fn copy_one(client: &Client, id: i64) -> Result<(), Error> {
    client.batch_execute("BEGIN").await?;
    let sink = client.copy_in("COPY t FROM STDIN").await?;
    let mut sink = std::pin::pin!(sink);
    for line in 0..LINES {
        let row = format!("{id}\t{line}\t{}\n", noise(5_000));
        sink.send(Bytes::from(row)).await?;
    }
    sink.finish().await?;
    client.batch_execute("COMMIT").await
}

/// Copies, 1 MB each, until something goes wrong.
async fn copy(client: Client, record: Arc<Record>) -> Error {
    loop {
        let id = record.next.fetch_add(1, Ordering::Relaxed);
        match copy_one(&client, id).await {
            Ok(_) => record.acknowledged.lock().unwrap().insert(id),
            Err(error) => {
                if refused(&error) {
                    record.refused.lock().unwrap().insert(id);
                }
                return error;
            }
        };
    }
}

#[test]
fn a_disk_that_fills_under_load_loses_nothing() {
    in_mount_namespace("a_disk_that_fills_under_load_loses_nothing", || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
            .block_on(fill_under_load());
    });
}

async fn fill_under_load() {
    let dir = tempfile::tempdir().unwrap();
    mount_small(dir.path(), 200 << 20);
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute("CREATE TABLE t (id int8, line int8, filler text, PRIMARY KEY (id, line))")
        .await
        .unwrap();
    let record = Arc::new(Record::default());
    let mut tasks = Vec::new();
    for session in 0..6 {
        let client = connect(&server.url).await.unwrap();
        let record = Arc::clone(&record);
        tasks.push(tokio::spawn(async move {
            match session {
                0 | 1 => copy(client, record).await,
                _ => insert(client, record).await,
            }
        }));
    }
    for task in tasks {
        let error = tokio::time::timeout(PATIENCE, task).await;
        let error = error.expect("a client hangs on a full disk").unwrap();
        println!("{error:?}");
    }
    assert!(record.acknowledged.lock().unwrap().len() > 10);

    // The node either serves on, reading at least, or stopped and said why.
    match check(&client, &record).await {
        Ok(()) => server.kill(),
        Err(_) => {
            let (status, log) = server.running.wait();
            assert_eq!(status.code(), Some(8), "{log}");
            assert!(log.to_lowercase().contains("no space left"), "{log}");
        }
    }
    resize(dir.path(), 1 << 30);
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    check(&client, &record).await.unwrap();
    // There is room again.
    let id = record.next.fetch_add(1, Ordering::Relaxed);
    copy_one(&client, id).await.unwrap();
    record.acknowledged.lock().unwrap().insert(id);
    check(&client, &record).await.unwrap();
}

/// Compares what is there with what clients know; an error when nobody answers.
async fn check(client: &Client, record: &Record) -> Result<(), Error> {
    let rows = client
        .query("SELECT id, count(*) FROM t GROUP BY id", &[])
        .await?;
    let found: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let acknowledged = record.acknowledged.lock().unwrap();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
    let refused = record.refused.lock().unwrap();
    let there: Vec<_> = refused.intersection(&found).collect();
    assert!(there.is_empty(), "refused and there: {there:?}");
    for row in &rows {
        let (id, count): (i64, i64) = (row.get(0), row.get(1));
        assert!(count == 1 || count == LINES, "{id} has {count} rows");
    }
    Ok(())
}

#[test]
fn a_sort_that_fills_the_disk_fails_alone() {
    in_mount_namespace("a_sort_that_fills_the_disk_fails_alone", || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
            .block_on(sort_without_room());
    });
}

async fn sort_without_room() {
    let dir = tempfile::tempdir().unwrap();
    // One segment, and a little.
    mount_small(dir.path(), 160 << 20);
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY); SET work_mem = '2MB'")
        .await
        .unwrap();
    // 250 MB to sort.
    let sort = "SELECT md5(i::text) || repeat(md5(i::text), 7) AS filler
                FROM generate_series(1, 1000000) AS s(i) ORDER BY filler";
    let error = tokio::time::timeout(PATIENCE, client.query(sort, &[])).await;
    let error = error.expect("the sort hangs").expect_err("it fit");
    assert_eq!(error.code(), Some(&SqlState::DISK_FULL), "{error:?}");
    // The room is given back, and everybody goes on.
    let inserted = client.execute("INSERT INTO t VALUES (1)", &[]).await;
    assert_eq!(inserted.unwrap(), 1);
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    let rows = client.query("SELECT id FROM t", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
}

/// Rows of a directory on which starts are refused.
const ROWS: i64 = 20;

/// A user without rights, for when the tests run as root.
const NOBODY: u32 = 65_534;

/// Lets a server make a table with rows in `dir`, and stops it.
fn fill(mut command: Command, dir: &Path) {
    let server = Server::from_command(&mut command, dir);
    let sql = format!(
        "CREATE TABLE t (id int8 PRIMARY KEY, word text UNIQUE);
         INSERT INTO t SELECT i, 'word ' || i FROM generate_series(1, {ROWS}) AS s(i)"
    );
    let output = psql(&server.url, &sql);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// Every row is there once, and one more fits.
fn assert_rows(url: &str) {
    let expected = format!("{ROWS}|{ROWS}|{}\n", ROWS * (ROWS + 1) / 2);
    let sql = "SELECT count(*), count(DISTINCT word), sum(id) FROM t";
    let output = psql(url, sql);
    let found = String::from_utf8_lossy(&output.stdout);
    assert_eq!(found, expected, "{}", text(&output));
    // Two transactions: one that leaves nothing is not written.
    for sql in [
        "INSERT INTO t VALUES (0, 'one more')",
        "DELETE FROM t WHERE id = 0",
    ] {
        let output = psql(url, sql);
        assert_eq!(code(&output), 0, "{}", text(&output));
    }
}

/// The next start serves every row.
fn assert_serves(mut command: Command, dir: &Path) {
    let server = Server::from_command(&mut command, dir);
    assert_rows(&server.url);
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// What everything else is derived from: log, superblock and keys, by name.
fn authority(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in ["superblock", "log", "keys", "dev"] {
        digests(&dir.join(name), &mut files);
    }
    assert!(files.len() > 5, "{:?}", files.keys());
    files
}

fn digests(path: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            digests(&entry.unwrap().path(), files);
        }
    } else {
        let digest = Sha256::digest(std::fs::read(path).unwrap());
        files.insert(path.to_owned(), digest.to_vec());
    }
}

/// The start is refused with this status and says all of this.
fn assert_refused(command: &mut Command, status: i32, words: &[&str]) {
    let output = command.output().unwrap();
    let said = text(&output);
    assert_eq!(code(&output), status, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_port_in_use_leaves_the_rows_alone() {
    let (dir, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(dev_command(dir.path()), dir.path());
    let before = authority(dir.path());
    let other = Server::dev(others.path());
    for (option, taken) in [
        ("--client-address", other.client),
        ("--metrics-address", other.metrics),
        ("--health-address", other.health),
    ] {
        let taken = taken.to_string();
        let mut command = kimberlite();
        command.arg("dev").arg("--data-dir").arg(dir.path());
        for name in ["--client-address", "--metrics-address", "--health-address"] {
            let address = if name == option {
                taken.as_str()
            } else {
                "127.0.0.1:0"
            };
            command.arg(name).arg(address);
        }
        let words = [
            taken.as_str(),
            "another program listens on port",
            "ss -ltnp",
        ];
        assert_refused(&mut command, 3, &words);
        assert!(
            authority(dir.path()) == before,
            "{option}: something changed"
        );
    }
    // The one that has the ports is none the worse for it.
    let output = psql(&other.url, "SELECT 1");
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_serves(dev_command(dir.path()), dir.path());
    assert_verified(dir.path());
}

#[test]
fn a_wrong_master_key_leaves_the_rows_alone() {
    let dir = tempfile::tempdir().unwrap();
    fill(dev_command(dir.path()), dir.path());
    let before = authority(dir.path());
    let key = dir.path().join("dev/master.key");
    let right = std::fs::read(&key).unwrap();
    let another = format!("{}=\n", "A".repeat(43));
    for (content, words) in [
        (another.as_str(), ["is not the key", "master.key"]),
        ("", ["does not hold a master key", "master.key"]),
        ("not a key\n", ["does not hold a master key", "master.key"]),
    ] {
        std::fs::write(&key, content).unwrap();
        assert_refused(&mut dev_command(dir.path()), 6, &words);
        assert_eq!(std::fs::read_to_string(&key).unwrap(), content);
    }
    std::fs::remove_file(&key).unwrap();
    let words = ["master.key", "is missing", "Restore the key"];
    assert_refused(&mut dev_command(dir.path()), 6, &words);
    assert!(!key.exists(), "a lost key is not replaced by a new one");

    std::fs::write(&key, right).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(authority(dir.path()) == before, "something changed");
    assert_serves(dev_command(dir.path()), dir.path());
    assert_verified(dir.path());
}

#[test]
fn a_second_server_changes_nothing_under_the_first() {
    let dir = tempfile::tempdir().unwrap();
    fill(dev_command(dir.path()), dir.path());
    let first = Server::dev(dir.path());
    for _ in 0..3 {
        let words = ["in use by another", dir.path().to_str().unwrap()];
        assert_refused(&mut dev_command(dir.path()), 4, &words);
        assert_rows(&first.url);
    }
    // Even when the first one has no time to put anything in order.
    first.kill();
    assert_serves(dev_command(dir.path()), dir.path());
    assert_verified(dir.path());
}

#[test]
fn of_servers_that_start_at_once_one_gets_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    fill(dev_command(dir.path()), dir.path());
    for _ in 0..3 {
        let starts: Vec<_> = (0..4)
            .map(|_| Running::start(&mut dev_command(dir.path())))
            .collect();
        let mut accepting = Vec::new();
        for running in starts {
            if running
                .stdout_line_or_end(|line| line.contains("psql "))
                .is_some()
            {
                accepting.push(running);
                continue;
            }
            let (status, log) = running.wait();
            assert_eq!(status.code(), Some(4), "{log}");
            assert!(log.contains("in use by another"), "{log}");
        }
        assert_eq!(accepting.len(), 1);
        let url = std::fs::read_to_string(dir.path().join("dev/url")).unwrap();
        assert_rows(url.trim());
        accepting.pop().unwrap().kill();
    }
    assert_serves(dev_command(dir.path()), dir.path());
    assert_verified(dir.path());
}

#[test]
fn a_read_only_file_system_leaves_the_rows_alone() {
    in_mount_namespace("a_read_only_file_system_leaves_the_rows_alone", || {
        let dir = tempfile::tempdir().unwrap();
        mount_small(dir.path(), 1 << 30);
        fill(dev_command(dir.path()), dir.path());
        let before = authority(dir.path());
        make_read_only(dir.path());
        let words = ["ead-only file system", "must be writable"];
        assert_refused(&mut dev_command(dir.path()), 5, &words);
        make_writable(dir.path());
        assert!(authority(dir.path()) == before, "something changed");
        assert_serves(dev_command(dir.path()), dir.path());
        assert_verified(dir.path());
    });
}

/// A copy that nobody can change is what an auditor verifies: nothing is left out
/// because the file system is read-only.
fn assert_verified_read_only(dir: &Path) {
    let writable = verified(dir);
    make_read_only(dir);
    let read_only = verified(dir);
    for name in ["blocks", "events", "head", "tenants"] {
        assert_eq!(read_only[name], writable[name], "{name}: {read_only:#}");
    }
}

#[test]
fn a_read_only_log_is_verified() {
    in_mount_namespace("a_read_only_log_is_verified", || {
        let dir = tempfile::tempdir().unwrap();
        mount_small(dir.path(), 1 << 30);
        fill(dev_command(dir.path()), dir.path());
        assert_verified_read_only(dir.path());
    });
}

/// The newest block is acknowledged as all others are.
#[test]
fn a_read_only_log_of_a_killed_server_is_verified_to_its_end() {
    in_mount_namespace(
        "a_read_only_log_of_a_killed_server_is_verified_to_its_end",
        || {
            let dir = tempfile::tempdir().unwrap();
            mount_small(dir.path(), 1 << 30);
            fill(dev_command(dir.path()), dir.path());
            let server = Server::dev(dir.path());
            assert_rows(&server.url);
            server.kill();
            assert_verified_read_only(dir.path());
        },
    );
}

/// `kimberlite dev` as a user to whom permissions apply. The program is started
/// through a descriptor, because that user may not be able to reach its folder.
fn unprivileged(dir: &Path, program: &File) -> Command {
    if !rustix::process::geteuid().is_root() {
        return dev_command(dir);
    }
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    dev_arguments(&mut command, dir);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

/// Takes everybody's right to write away from `path` and what is below it, or
/// gives it back to the owner.
fn set_writable(path: &Path, writable: bool) {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    let mode = metadata.permissions().mode();
    let mode = if writable {
        mode | 0o200
    } else {
        mode & !0o222
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            set_writable(&entry.unwrap().path(), writable);
        }
    }
}

#[test]
fn a_directory_that_may_not_be_written_leaves_the_rows_alone() {
    let dir = tempfile::tempdir().unwrap();
    let program = File::open(env!("CARGO_BIN_EXE_kimberlite")).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let data = dir.path().join("data");
    fill(unprivileged(&data, &program), &data);
    let before = authority(&data);
    // All of it, then only what storage keeps: the folder `dev` is looked at first.
    for (path, hint) in [
        (data.clone(), "must be writable"),
        (data.join("superblock"), "may not write"),
        (data.join("LOCK"), "may not write"),
    ] {
        set_writable(&path, false);
        let words = ["ermission denied", path.to_str().unwrap(), hint];
        assert_refused(&mut unprivileged(&data, &program), 5, &words);
        set_writable(&path, true);
        assert!(authority(&data) == before, "{}", path.display());
    }
    assert_serves(unprivileged(&data, &program), &data);
    assert_verified(&data);
}
