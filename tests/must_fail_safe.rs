//! A disk that fills under load: a clear refusal or a clean stop, and nothing
//! that was acknowledged is missing afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::SinkExt as _;
use support::namespace::{in_mount_namespace, mount_small, resize};
use support::{Client, PATIENCE, Server, connect};
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
    match client.query("SELECT 1 FROM t WHERE id = 0", &[]).await {
        Ok(_) => {
            check(&client, &record).await;
            server.kill();
        }
        Err(_) => {
            let (status, log) = server.running.wait();
            assert_eq!(status.code(), Some(8), "{log}");
            assert!(log.to_lowercase().contains("no space left"), "{log}");
        }
    }
    resize(dir.path(), 1 << 30);
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    check(&client, &record).await;
    // There is room again.
    let id = record.next.fetch_add(1, Ordering::Relaxed);
    copy_one(&client, id).await.unwrap();
    record.acknowledged.lock().unwrap().insert(id);
    check(&client, &record).await;
}

async fn check(client: &Client, record: &Record) {
    let rows = client
        .query("SELECT id, count(*) FROM t GROUP BY id", &[])
        .await
        .unwrap();
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
