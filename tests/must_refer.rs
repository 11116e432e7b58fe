//! Foreign keys between sessions: of a deletion and a new reference, made at the
//! same time, one is refused, and nothing is left that refers to nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use support::{Client, PATIENCE, Server, connect};
use tokio::sync::Barrier;
use tokio_postgres::error::SqlState;

/// How long a session that has to wait is watched while it does.
const MOMENT: Duration = Duration::from_millis(150);

/// Fails instead of hanging.
async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("it hangs")
}

/// A server, two clients, a referenced table with two rows and two referencing ones.
async fn start() -> (tempfile::TempDir, Server, Client, Arc<Client>) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let a = connect(&server.url).await.unwrap();
    a.batch_execute(
        "CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE, x int);
         CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
         CREATE TABLE owned (id int PRIMARY KEY, name text REFERENCES parent (name)
             ON DELETE CASCADE ON UPDATE CASCADE);
         INSERT INTO parent VALUES (1, 'one', 0), (2, 'two', 0)",
    )
    .await
    .unwrap();
    let b = Arc::new(connect(&server.url).await.unwrap());
    (dir, server, a, b)
}

type Answer = Result<(), tokio_postgres::Error>;

/// Sends `sql` and makes sure that it waits.
async fn waits(client: &Arc<Client>, sql: &'static str) -> tokio::task::JoinHandle<Answer> {
    let client = Arc::clone(client);
    let mut task = tokio::spawn(async move { client.batch_execute(sql).await });
    let early = tokio::time::timeout(MOMENT, &mut task).await;
    assert!(early.is_err(), "{sql} does not wait: {early:?}");
    task
}

async fn run(client: &Client, sql: &str) {
    bounded(client.batch_execute(sql)).await.unwrap();
}

async fn ended(task: tokio::task::JoinHandle<Answer>) -> Option<SqlState> {
    let answer = bounded(task).await.unwrap();
    answer.err().map(|e| e.code().unwrap().clone())
}

async fn number(client: &Client, sql: &str) -> i64 {
    bounded(client.query_one(sql, &[])).await.unwrap().get(0)
}

const LEVELS: [&str; 2] = ["READ COMMITTED", "REPEATABLE READ"];

/// Begins a transaction that has its snapshot already.
async fn begin(client: &Client, level: &str) {
    run(client, &format!("BEGIN ISOLATION LEVEL {level}; SELECT 1")).await;
    number(client, "SELECT count(*) FROM parent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_reference_keeps_its_key_there() {
    let (_dir, _server, a, b) = start().await;
    for level in LEVELS {
        begin(&a, level).await;
        begin(&b, level).await;
        run(&a, "INSERT INTO child VALUES (1, 1)").await;
        // Other columns than the key may change meanwhile.
        run(&b, "UPDATE parent SET x = x + 1 WHERE id = 1").await;
        run(&b, "ROLLBACK").await;
        begin(&b, level).await;
        let delete = waits(&b, "DELETE FROM parent WHERE id = 1").await;
        run(&a, "COMMIT").await;
        let refused = Some(SqlState::FOREIGN_KEY_VIOLATION);
        assert_eq!(ended(delete).await, refused, "{level}");
        run(&b, "ROLLBACK").await;
        assert_eq!(number(&a, "SELECT count(*) FROM parent").await, 2);
        run(&a, "DELETE FROM child").await;
        // Rolled back, the reference is in nobody's way.
        begin(&a, level).await;
        run(&a, "INSERT INTO child VALUES (1, 1)").await;
        begin(&b, level).await;
        let delete = waits(&b, "DELETE FROM parent WHERE id = 1").await;
        run(&a, "ROLLBACK").await;
        assert_eq!(ended(delete).await, None, "{level}");
        run(&b, "ROLLBACK").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_keeps_references_out() {
    let (_dir, _server, a, b) = start().await;
    for (level, refused) in LEVELS.into_iter().zip([
        SqlState::FOREIGN_KEY_VIOLATION,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ]) {
        begin(&a, level).await;
        run(&a, "DELETE FROM parent WHERE id = 1").await;
        begin(&b, level).await;
        let insert = waits(&b, "INSERT INTO child VALUES (1, 1)").await;
        run(&a, "COMMIT").await;
        assert_eq!(ended(insert).await, Some(refused), "{level}");
        run(&b, "ROLLBACK").await;
        run(&a, "INSERT INTO parent VALUES (1, 'one', 0)").await;
        begin(&a, level).await;
        run(&a, "DELETE FROM parent WHERE id = 1").await;
        begin(&b, level).await;
        let insert = waits(&b, "INSERT INTO child VALUES (1, 1)").await;
        run(&a, "ROLLBACK").await;
        assert_eq!(ended(insert).await, None, "{level}");
        run(&b, "ROLLBACK").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_sees_references_that_came_while_it_waited() {
    let (_dir, _server, a, b) = start().await;
    begin(&a, "READ COMMITTED").await;
    run(&a, "INSERT INTO owned VALUES (1, 'one'), (2, 'two')").await;
    let delete = waits(&b, "DELETE FROM parent WHERE id = 1").await;
    run(&a, "COMMIT").await;
    assert_eq!(ended(delete).await, None);
    assert_eq!(number(&a, "SELECT sum(id) FROM owned").await, 2);
    begin(&a, "READ COMMITTED").await;
    run(&a, "INSERT INTO owned VALUES (3, 'two')").await;
    let rename = waits(&b, "UPDATE parent SET name = 'zwei' WHERE id = 2").await;
    run(&a, "COMMIT").await;
    assert_eq!(ended(rename).await, None);
    let renamed = "SELECT count(*) FROM owned WHERE name = 'zwei'";
    assert_eq!(number(&a, renamed).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_does_not_see_keys_that_came_later() {
    let (_dir, _server, a, b) = start().await;
    begin(&b, "REPEATABLE READ").await;
    run(&a, "INSERT INTO parent VALUES (3, 'three', 0)").await;
    let later = b.batch_execute("INSERT INTO child VALUES (1, 3)").await;
    let code = later.unwrap_err().code().unwrap().clone();
    assert_eq!(code, SqlState::FOREIGN_KEY_VIOLATION);
    run(&b, "ROLLBACK").await;
    // Nor may it delete a row that others, whom it cannot see, refer to.
    for (reference, refused) in [
        (
            "INSERT INTO child VALUES (2, 2)",
            SqlState::FOREIGN_KEY_VIOLATION,
        ),
        (
            "DELETE FROM child; INSERT INTO owned VALUES (2, 'two')",
            SqlState::T_R_SERIALIZATION_FAILURE,
        ),
    ] {
        begin(&b, "REPEATABLE READ").await;
        run(&a, reference).await;
        let delete = b.batch_execute("DELETE FROM parent WHERE id = 2").await;
        let code = delete.unwrap_err().code().unwrap().clone();
        assert_eq!(code, refused, "{reference}");
        run(&b, "ROLLBACK").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_crowd_nothing_refers_to_nothing() {
    const SESSIONS: usize = 8;
    const ROUNDS: i32 = 25;
    let (_dir, server, a, _b) = start().await;
    let barrier = Arc::new(Barrier::new(SESSIONS));
    let mut tasks = Vec::new();
    for session in 0..SESSIONS {
        let client = connect(&server.url).await.unwrap();
        let barrier = Arc::clone(&barrier);
        let number = i32::try_from(session).unwrap();
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            for round in 0..ROUNDS {
                let key = 100 + (round * 7 + number) % 5;
                let sql = match session % 4 {
                    0 => format!("INSERT INTO parent VALUES ({key}, 'n{key}', 0)"),
                    1 => format!("DELETE FROM parent WHERE id = {key}"),
                    2 => format!(
                        "INSERT INTO child VALUES ({}, {key})",
                        number * 1000 + round
                    ),
                    _ => format!(
                        "INSERT INTO owned VALUES ({}, 'n{key}')",
                        number * 1000 + round
                    ),
                };
                if let Err(error) = client.batch_execute(&sql).await {
                    let code = error.code().unwrap();
                    let expected = [SqlState::FOREIGN_KEY_VIOLATION, SqlState::UNIQUE_VIOLATION];
                    assert!(expected.contains(code), "{sql}: {error:?}");
                }
            }
        }));
    }
    for task in tasks {
        bounded(task).await.unwrap();
    }
    let lost = "SELECT (SELECT count(*) FROM child c LEFT JOIN parent p ON p.id = c.parent
                        WHERE p.id IS NULL)
                     + (SELECT count(*) FROM owned o LEFT JOIN parent p ON p.name = o.name
                        WHERE p.name IS NULL)";
    assert_eq!(number(&a, lost).await, 0);
}
