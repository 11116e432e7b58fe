//! A flush that fails: nothing that was not flushed is acknowledged, the server
//! stops and says why, and what was acknowledged is there afterwards.
//!
//! The flushes fail in the system call itself (see `support::faults`). A row whose
//! answer was lost may be there or not, and stays what it turned out to be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::error::Error as _;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use support::faults::{Threads, Tracer, has_failed_flush, traced, with_failing_flushes};
use support::server::assert_verified;
use support::{Client, PATIENCE, Running, Server, connect, dev_command};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Sessions that insert at the same time.
const SESSIONS: usize = 6;

/// What the clients know.
#[derive(Default)]
struct Record {
    next: AtomicI64,
    acknowledged: Mutex<BTreeSet<i64>>,
    /// The answer was an error, or the connection ended before there was one.
    unknown: Mutex<BTreeSet<i64>>,
}

impl Record {
    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    fn unknown(&self) -> usize {
        self.unknown.lock().unwrap().len()
    }

    /// One row in a transaction of its own.
    async fn insert(&self, client: &Client) -> Result<(), Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let sql = "INSERT INTO t VALUES ($1, $2)";
        let inserted = client.execute(sql, &[&id, &word(id)]).await;
        let fate = match inserted {
            Ok(_) => &self.acknowledged,
            Err(_) => &self.unknown,
        };
        fate.lock().unwrap().insert(id);
        inserted.map(drop)
    }

    /// Compares the table with the record, and settles what was unknown.
    async fn check(&self, client: &Client) {
        let rows = client.query("SELECT id, word FROM t", &[]).await.unwrap();
        let mut found = BTreeSet::new();
        for row in &rows {
            let id: i64 = row.get(0);
            assert_eq!(row.get::<_, &str>(1), word(id));
            assert!(found.insert(id), "row {id} is there twice");
        }
        let mut acknowledged = self.acknowledged.lock().unwrap();
        let mut unknown = self.unknown.lock().unwrap();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
        let known = &*acknowledged | &*unknown;
        let strange: Vec<_> = found.difference(&known).collect();
        assert!(strange.is_empty(), "nobody inserted {strange:?}");
        *acknowledged = found;
        unknown.clear();
    }
}

fn word(id: i64) -> String {
    format!("word {id}")
}

/// A server with some acknowledged rows.
async fn serve(dir: &Path, record: &Record) -> (Server, Client) {
    let server = Server::dev(dir);
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute("CREATE TABLE t (id int8 PRIMARY KEY, word text NOT NULL)")
        .await
        .unwrap();
    for _ in 0..10 {
        record.insert(&client).await.unwrap();
    }
    (server, client)
}

/// The client is told that the outcome is not known, or that the server stops, or
/// loses the connection. Anything else would say more than is known.
fn assert_not_decided(error: &Error) {
    match error.code() {
        Some(state) if is_unknown(error) || *state == SqlState::ADMIN_SHUTDOWN => {}
        Some(state) => panic!("{state:?}: {error:?}"),
        None => {
            let broken = error
                .source()
                .is_some_and(|source| source.is::<io::Error>());
            assert!(error.is_closed() || broken, "{error:?}");
        }
    }
}

fn is_unknown(error: &Error) -> bool {
    error.code() == Some(&SqlState::TRANSACTION_RESOLUTION_UNKNOWN)
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("a client hangs after a failed flush")
}

/// The server stopped by itself, at once, and said what it could not do.
fn assert_stopped(running: Running, what: &str) {
    let (status, log) = running.wait();
    assert_eq!(status.code(), Some(8), "{log}");
    assert!(log.contains("the log cannot be written"), "{log}");
    assert!(log.contains("stopping at once"), "{log}");
    assert!(log.contains(what), "{log}");
    assert!(log.contains("Input/output error"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

/// With flushes that work, the next start finds what was acknowledged, takes new
/// rows, and finds the same once more.
async fn assert_whole(dir: &Path, record: &Record) {
    let server = Server::dev(dir);
    let client = connect(&server.url).await.unwrap();
    record.check(&client).await;
    for _ in 0..3 {
        record.insert(&client).await.unwrap();
    }
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_verified(dir);
    let server = Server::dev(dir);
    let client = connect(&server.url).await.unwrap();
    record.check(&client).await;
}

#[tokio::test]
async fn nothing_is_acknowledged_after_a_flush_failed() {
    let dir = tempfile::tempdir().unwrap();
    let record = Arc::new(Record::default());
    let (server, client) = serve(dir.path(), &record).await;
    let mut clients = vec![client];
    for _ in 1..SESSIONS {
        clients.push(connect(&server.url).await.unwrap());
    }
    let before = record.acknowledged();
    let tracer = Tracer::fail_flushes(server.running.pid(), Threads::Named("log-writer"));
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let record = Arc::clone(&record);
            tokio::spawn(async move { record.insert(&client).await })
        })
        .collect();
    let mut told = 0;
    for task in tasks {
        let error = bounded(task).await.unwrap().expect_err("acknowledged");
        assert_not_decided(&error);
        told += usize::from(is_unknown(&error));
    }
    assert!(told > 0, "nobody was told what became of their row");
    assert_eq!(record.acknowledged(), before);
    assert_eq!(record.unknown(), SESSIONS);
    assert_stopped(server.running, "write block");
    let trace = tracer.finish();
    assert!(has_failed_flush(&trace), "{trace}");
    assert_whole(dir.path(), &record).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_fails_under_load_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let record = Arc::new(Record::default());
    let (server, _client) = serve(dir.path(), &record).await;
    let (progress, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for _ in 0..SESSIONS {
        let client = connect(&server.url).await.unwrap();
        let (record, progress) = (Arc::clone(&record), progress.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                match record.insert(&client).await {
                    Ok(()) => progress.send(()).unwrap(),
                    Err(error) => return error,
                }
            }
        }));
    }
    for _ in 0..50 {
        bounded(acknowledged.recv()).await.unwrap();
    }
    let pid = server.running.pid();
    let tracer = tokio::task::spawn_blocking(move || Tracer::fail_flushes(pid, Threads::All))
        .await
        .unwrap();
    for task in tasks {
        assert_not_decided(&bounded(task).await.unwrap());
    }
    assert_eq!(record.unknown(), SESSIONS);
    // The superblock may have been the first that was not flushed.
    assert_stopped(server.running, "write ");
    let trace = tracer.finish();
    assert!(has_failed_flush(&trace), "{trace}");
    assert_whole(dir.path(), &record).await;
}

#[tokio::test]
async fn a_superblock_that_cannot_be_flushed_stops_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let record = Record::default();
    let (server, client) = serve(dir.path(), &record).await;
    let keeper = Threads::Named("superblock-keeper");
    let tracer = Tracer::fail_flushes(server.running.pid(), keeper);
    // It is written soon after a commit, which it does not hold up.
    let before = record.acknowledged();
    let error = bounded(async {
        loop {
            if let Err(error) = record.insert(&client).await {
                return error;
            }
        }
    })
    .await;
    assert_not_decided(&error);
    println!("{} rows later", record.acknowledged() - before);
    assert_stopped(server.running, "write superblock");
    let trace = tracer.finish();
    assert!(has_failed_flush(&trace), "{trace}");
    assert_whole(dir.path(), &record).await;
}

#[tokio::test]
async fn a_stop_that_cannot_flush_is_no_clean_stop() {
    let dir = tempfile::tempdir().unwrap();
    let record = Record::default();
    let (server, client) = serve(dir.path(), &record).await;
    let tracer = Tracer::fail_flushes(server.running.pid(), Threads::All);
    drop(client);
    server.running.signal(Signal::TERM);
    let (status, log) = server.running.wait();
    // The superblock may have been the first that was not flushed.
    assert!(matches!(status.code(), Some(5 | 8)), "{status}: {log}");
    assert!(log.contains("Input/output error"), "{log}");
    assert!(!log.contains("projection rebuild"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    let trace = tracer.finish();
    assert!(has_failed_flush(&trace), "{trace}");
    assert_whole(dir.path(), &record).await;
}

/// Half a megabyte that does not compress.
fn noise() -> Vec<u8> {
    (0..1 << 16)
        .flat_map(|_| rand::random::<u64>().to_le_bytes())
        .collect()
}

/// The next segment is made ready before it is a part of the log. When that fails,
/// either the transaction that needs it is refused, for certain, and the server
/// goes on; or nobody knows, and the server stops.
#[tokio::test]
async fn a_segment_that_cannot_be_flushed_is_refused_or_stops_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let record = Record::default();
    let (server, client) = serve(dir.path(), &record).await;
    let sql = "CREATE TABLE large (id int8 PRIMARY KEY, filler bytea)";
    client.batch_execute(sql).await.unwrap();
    let prepares = Threads::Named("segment-prepare");
    let tracer = Tracer::fail_flushes(server.running.pid(), prepares);
    let insert = "INSERT INTO large VALUES ($1, $2)";
    let mut stored = 0_i64;
    let error = bounded(async {
        loop {
            assert!(stored < 200, "100 MB fit in a segment of 64");
            match client.execute(insert, &[&stored, &noise()]).await {
                Ok(_) => stored += 1,
                Err(error) => return error,
            }
        }
    })
    .await;
    println!("{error:?}");
    let certain = error.code() == Some(&SqlState::IO_ERROR);
    if certain {
        tracer.detach();
        let inserted = client.execute(insert, &[&stored, &noise()]).await;
        assert_eq!(inserted.unwrap(), 1);
        stored += 1;
        let (status, log) = server.stop();
        assert_eq!(status.code(), Some(0), "{log}");
    } else {
        assert_not_decided(&error);
        assert_stopped(server.running, "prepare a segment");
    }
    assert_whole(dir.path(), &record).await;
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    let sql = "SELECT count(*) FROM large WHERE length(filler) = 524288";
    let found: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    let unknown = i64::from(!certain);
    assert!((stored..=stored + unknown).contains(&found), "{found}");
}

/// Every flush of a first start fails in its turn, each time on what the start
/// before left behind; then one goes through.
#[tokio::test]
async fn a_start_that_cannot_flush_says_so_and_leaves_nothing_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut refused = 0;
    // Flushes are counted by thread.
    for first in 1.. {
        let trace = folder.path().join(format!("trace-{first}"));
        let mut command = with_failing_flushes(&dev_command(dir.path()), &trace, first);
        let running = Running::start(&mut command);
        if running
            .stdout_line_or_end(|line| line.contains("psql "))
            .is_some()
        {
            running.kill();
            break;
        }
        let (status, log) = running.wait();
        let trace = std::fs::read_to_string(trace).unwrap();
        assert!(has_failed_flush(&trace), "flush {first}: {log}\n{trace}");
        println!("flush {first}: {status}: {log}");
        let code = status.code();
        assert!(code.is_some_and(|code| code > 0), "{status}: {log}");
        assert!(!log.contains("projection rebuild"), "flush {first}: {log}");
        assert!(log.contains("Input/output error"), "flush {first}: {log}");
        assert!(!log.contains("panicked"), "flush {first}: {log}");
        refused += 1;
    }
    println!("{refused} starts refused");
    assert!(
        refused > 3,
        "a first start flushes more than {refused} times"
    );
    let record = Record::default();
    let (server, _client) = serve(dir.path(), &record).await;
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_whole(dir.path(), &record).await;
}

/// Where a trace has a call on a file whose name ends so.
fn call(trace: &str, name: &str, file: &str) -> Option<usize> {
    let (name, file) = (format!(" {name}("), format!("{file}>"));
    let mut lines = trace.lines();
    lines.position(|line| line.contains(&name) && line.contains(&file))
}

/// Where the newer half of a superblock begins. A start writes it again as it is;
/// what it says next goes to the other half.
fn newest_half(dir: &Path) -> u64 {
    const HALF: usize = 2 * 4096;
    let bytes = std::fs::read(dir.join("superblock")).unwrap();
    let sequence = |at: usize| u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap());
    if sequence(0) > sequence(HALF) {
        0
    } else {
        HALF as u64
    }
}

/// Where a trace has the first write that changes what the superblock says.
fn superblock_changes(trace: &str, newest_half: u64) -> Option<usize> {
    let again = format!(", {newest_half}) ");
    let mut lines = trace.lines();
    lines.position(|line| {
        line.contains(" pwrite64(") && line.contains("/superblock>") && !line.contains(&again)
    })
}

/// Lets the next start say whether it takes the block that was written and not
/// flushed. If it does, the block must be flushed before the superblock names it
/// as the head. Otherwise a power cut leaves a superblock whose block is not on the
/// medium, and the log is refused together with everything after the block.
async fn assert_flushed_before_it_counts(dir: &Path, record: &Record, write_again: bool) {
    let before = record.acknowledged();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    let calls = ["-e", "trace=pwrite64,pwritev,fsync,fdatasync"];
    let mut command = traced(&dev_command(dir), &path, &calls);
    let newest_half = newest_half(dir);
    let server = Server::from_command(&mut command, dir);
    let client = connect(&server.url).await.unwrap();
    record.check(&client).await;
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let trace = std::fs::read_to_string(path).unwrap();
    let named = superblock_changes(&trace, newest_half).expect("the superblock is written");
    if record.acknowledged() == before {
        // It was removed instead, which is as good.
        return;
    }
    let written = call(&trace, "pwrite64", ".seg");
    let flushed = call(&trace, "fdatasync", ".seg");
    assert!(
        flushed.is_some_and(|flushed| flushed < named),
        "the block counts without being flushed:\n{trace}"
    );
    assert!(
        !write_again || written.is_some_and(|written| Some(written) < flushed),
        "the kernel takes the block for clean, so it has to be written again:\n{trace}"
    );
}

/// After a failed flush the block is in the kernel's cache, where the next start
/// reads it, but not on the medium; and the kernel takes it for clean.
#[tokio::test]
async fn a_block_whose_flush_failed_is_flushed_before_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let record = Record::default();
    let (server, client) = serve(dir.path(), &record).await;
    let tracer = Tracer::fail_flushes(server.running.pid(), Threads::Named("log-writer"));
    let error = bounded(record.insert(&client)).await.unwrap_err();
    assert_not_decided(&error);
    assert_stopped(server.running, "write block");
    tracer.finish();
    assert_flushed_before_it_counts(dir.path(), &record, true).await;
    assert_whole(dir.path(), &record).await;
}

/// A server that is killed between writing a block and flushing it.
#[tokio::test]
async fn a_block_that_a_kill_left_unflushed_is_flushed_before_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let record = Record::default();
    let (server, client) = serve(dir.path(), &record).await;
    let tracer = Tracer::kill_at_flush(server.running.pid(), Threads::Named("log-writer"));
    let error = bounded(record.insert(&client)).await.unwrap_err();
    assert_not_decided(&error);
    let (status, log) = server.running.wait();
    assert_eq!(status.signal(), Some(9), "{log}");
    tracer.finish();
    assert_flushed_before_it_counts(dir.path(), &record, false).await;
    assert_whole(dir.path(), &record).await;
}

/// A master key that exists only in the kernel's cache must not seal a log: a
/// power cut would take the key and leave the log.
#[test]
fn a_master_key_whose_flush_failed_is_not_used_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = dir.path().join("dev/master.key");
    let path = folder.path().join("first");
    let mut command = with_failing_flushes(&dev_command(dir.path()), &path, 1);
    let (status, log) = Running::start(&mut command).wait();
    // The disk is to blame and not the key.
    assert_eq!(status.code(), Some(5), "{log}");
    let trace = std::fs::read_to_string(&path).unwrap();
    let failed = call(&trace, "fsync", "master.key");
    assert!(failed.is_some(), "not the key's flush failed:\n{trace}");
    let left = std::fs::read(&key).ok();

    let path = folder.path().join("second");
    let calls = ["-e", "trace=fsync,fdatasync"];
    let mut command = traced(&dev_command(dir.path()), &path, &calls);
    let (status, log) = Server::from_command(&mut command, dir.path()).stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let trace = std::fs::read_to_string(&path).unwrap();
    let flushed = call(&trace, "fsync", "master.key").is_some();
    let same = left == std::fs::read(&key).ok();
    assert!(!same || flushed, "the key that was left is used:\n{trace}");
}
