//! What transactions that run at the same time may do to each other, level by
//! level: the anomalies of Hermitage, as PostgreSQL 15 answers them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use support::{Client, PATIENCE, Server, connect};

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

/// A server with a table of two rows, and two clients in a transaction each.
struct Pair {
    _dir: tempfile::TempDir,
    server: Server,
    a: Client,
    b: Client,
}

impl Pair {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::dev(dir.path());
        let a = connect(&server.url).await.unwrap();
        let b = connect(&server.url).await.unwrap();
        Self {
            _dir: dir,
            server,
            a,
            b,
        }
    }

    async fn begin(&self, level: &str) {
        run(&self.a, "DROP TABLE IF EXISTS test").await.unwrap();
        let rows = "CREATE TABLE test (id int PRIMARY KEY, value int); INSERT INTO test VALUES (1, 10), (2, 20)";
        run(&self.a, rows).await.unwrap();
        for client in [&self.a, &self.b] {
            run(client, &format!("BEGIN ISOLATION LEVEL {level}"))
                .await
                .unwrap();
        }
    }

    async fn end(&self) {
        for client in [&self.a, &self.b] {
            run(client, "ROLLBACK").await.unwrap();
        }
    }
}

/// Runs statements; the SQLSTATE when they fail.
async fn run(client: &Client, sql: &str) -> Result<(), String> {
    let done = tokio::time::timeout(PATIENCE, client.batch_execute(sql));
    done.await.expect("it hangs").map_err(|e| {
        let error = e.as_db_error().expect("an error of the server");
        error.code().code().to_owned()
    })
}

async fn values(client: &Client) -> Vec<i32> {
    let rows = client
        .query("SELECT value FROM test ORDER BY id", &[])
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn refused() -> Result<(), String> {
    Err("40001".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_what_is_rolled_back_or_overwritten() {
    let pair = Pair::new().await;
    for level in LEVELS {
        pair.begin(level).await;
        run(&pair.a, "UPDATE test SET value = 101 WHERE id = 1")
            .await
            .unwrap();
        assert_eq!(values(&pair.b).await, [10, 20], "{level}");
        run(&pair.a, "ROLLBACK").await.unwrap();
        assert_eq!(values(&pair.b).await, [10, 20], "{level}");
        pair.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_are_lost_at_read_committed_alone() {
    let pair = Pair::new().await;
    for level in LEVELS {
        pair.begin(level).await;
        assert_eq!(values(&pair.a).await, values(&pair.b).await);
        run(&pair.a, "UPDATE test SET value = 11 WHERE id = 1")
            .await
            .unwrap();
        let second = run(&pair.b, "UPDATE test SET value = 12 WHERE id = 1");
        let (first, second) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                run(&pair.a, "COMMIT").await
            },
            second
        );
        first.unwrap();
        let expected = if level == "READ COMMITTED" {
            Ok(())
        } else {
            refused()
        };
        assert_eq!(second, expected, "{level}");
        pair.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_one_moment_above_read_committed() {
    let pair = Pair::new().await;
    for level in LEVELS {
        pair.begin(level).await;
        assert_eq!(values(&pair.a).await, [10, 20]);
        run(&pair.b, "UPDATE test SET value = value + 2; COMMIT")
            .await
            .unwrap();
        let expected = if level == "READ COMMITTED" {
            [12, 22]
        } else {
            [10, 20]
        };
        assert_eq!(values(&pair.a).await, expected, "{level}");
        pair.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_skew_is_refused_by_serializable_alone() {
    let pair = Pair::new().await;
    for predicate in ["id IN (1, 2)", "value % 3 = 0"] {
        for level in LEVELS {
            pair.begin(level).await;
            let read = format!("SELECT * FROM test WHERE {predicate}");
            for client in [&pair.a, &pair.b] {
                client.query(&read, &[]).await.unwrap();
            }
            let (first, second) = match predicate {
                "id IN (1, 2)" => (
                    "UPDATE test SET value = 11 WHERE id = 1",
                    "UPDATE test SET value = 21 WHERE id = 2",
                ),
                _ => (
                    "INSERT INTO test VALUES (3, 30)",
                    "INSERT INTO test VALUES (4, 42)",
                ),
            };
            run(&pair.a, first).await.unwrap();
            let written = run(&pair.b, second).await;
            run(&pair.a, "COMMIT").await.unwrap();
            let ended = match written {
                Ok(()) => run(&pair.b, "COMMIT").await,
                failed => failed,
            };
            let expected = if level == "SERIALIZABLE" {
                refused()
            } else {
                Ok(())
            };
            assert_eq!(ended, expected, "{level} {predicate}");
            pair.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_rows_are_skipped_refused_or_waited_for() {
    let pair = Pair::new().await;
    pair.begin("READ COMMITTED").await;
    run(&pair.a, "SELECT * FROM test WHERE id = 1 FOR UPDATE")
        .await
        .unwrap();
    let skipping = "SELECT id FROM test ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1";
    let free: i32 = pair.b.query_one(skipping, &[]).await.unwrap().get(0);
    assert_eq!(free, 2);
    let refusal = run(
        &pair.b,
        "SELECT * FROM test WHERE id = 1 FOR KEY SHARE NOWAIT",
    )
    .await;
    assert_eq!(refusal, Err("55P03".to_owned()));
    run(&pair.b, "ROLLBACK; BEGIN").await.unwrap();
    run(&pair.a, "UPDATE test SET value = 5 WHERE id = 1")
        .await
        .unwrap();
    // It waits, and then sees what the row has become.
    let waiting = pair
        .b
        .query("SELECT value FROM test WHERE id = 1 FOR UPDATE", &[]);
    let (committed, rows) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            run(&pair.a, "COMMIT").await
        },
        waiting
    );
    committed.unwrap();
    let rows = rows.unwrap();
    assert_eq!(rows.iter().map(|r| r.get(0)).collect::<Vec<i32>>(), [5]);
    pair.end().await;
    drop(pair.server);
}
