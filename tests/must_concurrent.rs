//! Sessions that change the same rows at the same time: nothing is lost, and
//! only what PostgreSQL refuses is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use support::{Client, PATIENCE, Server, connect};
use tokio::sync::Barrier;
use tokio_postgres::error::SqlState;

const SESSIONS: usize = 16;

/// A server, and one client.
async fn start() -> (tempfile::TempDir, Server, Client) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    (dir, server, client)
}

/// Fails instead of hanging.
async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("it hangs")
}

async fn number(client: &Client, sql: &str) -> i64 {
    bounded(client.query_one(sql, &[])).await.unwrap().get(0)
}

/// Runs `work` in [`SESSIONS`] sessions of their own, which begin together.
async fn together<T, F, W>(server: &Server, setting: &str, work: W) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send,
    W: Fn(Client, usize) -> F + Send + Sync + Clone + 'static,
{
    let barrier = Arc::new(Barrier::new(SESSIONS));
    let mut tasks = Vec::new();
    for session in 0..SESSIONS {
        let client = connect(&server.url).await.unwrap();
        client.batch_execute(setting).await.unwrap();
        let (barrier, work) = (Arc::clone(&barrier), work.clone());
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            work(client, session).await
        }));
    }
    let mut results = Vec::new();
    for task in tasks {
        results.push(bounded(task).await.unwrap());
    }
    results
}

const BOTH_PATHS: [&str; 2] = [
    "SET kimberlite.fast_path = on",
    "SET kimberlite.fast_path = off",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_are_never_lost_and_never_fail() {
    const TIMES: i64 = 20;
    let (_dir, server, client) = start().await;
    client
        .batch_execute("CREATE TABLE c (id int PRIMARY KEY, x int8 NOT NULL)")
        .await
        .unwrap();
    for (id, setting) in (0_i32..).zip(BOTH_PATHS) {
        let insert = format!("INSERT INTO c VALUES ({id}, 0)");
        client.batch_execute(&insert).await.unwrap();
        together(&server, setting, move |client, session| async move {
            let update = format!("UPDATE c SET x = x + 1 WHERE id = {id}");
            let prepared = client
                .prepare("UPDATE c SET x = x + 1 WHERE id = $1")
                .await
                .unwrap();
            for _ in 0..TIMES {
                // As a statement of its own, prepared, and in a transaction.
                match session % 3 {
                    0 => client.batch_execute(&update).await.unwrap(),
                    1 => assert_eq!(client.execute(&prepared, &[&id]).await.unwrap(), 1),
                    _ => {
                        client.batch_execute("BEGIN").await.unwrap();
                        assert_eq!(client.execute(&prepared, &[&id]).await.unwrap(), 1);
                        client.batch_execute("COMMIT").await.unwrap();
                    }
                }
            }
        })
        .await;
        let x = number(&client, &format!("SELECT x FROM c WHERE id = {id}")).await;
        assert_eq!(x, TIMES * i64::try_from(SESSIONS).unwrap(), "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_is_checked_again_on_the_newest_row() {
    let (_dir, server, client) = start().await;
    client
        .batch_execute("CREATE TABLE c (id int PRIMARY KEY, x int8 NOT NULL)")
        .await
        .unwrap();
    for (id, setting) in (0_i32..).zip(BOTH_PATHS) {
        let insert = format!("INSERT INTO c VALUES ({id}, 0)");
        client.batch_execute(&insert).await.unwrap();
        let changed = together(&server, setting, move |client, _| async move {
            let update = "UPDATE c SET x = x + 1 WHERE id = $1 AND x < 100";
            let mut changed = 0;
            for _ in 0..10 {
                changed += client.execute(update, &[&id]).await.unwrap();
            }
            changed
        })
        .await;
        // 160 tries, 100 tickets.
        assert_eq!(changed.iter().sum::<u64>(), 100, "{setting}");
        let x = number(&client, &format!("SELECT x FROM c WHERE id = {id}")).await;
        assert_eq!(x, 100, "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unique_key_has_one_winner() {
    const KEYS: i32 = 12;
    let (_dir, server, client) = start().await;
    client
        .batch_execute(
            "CREATE TABLE p (id int PRIMARY KEY, who int NOT NULL);
             CREATE TABLE u (id int PRIMARY KEY, name text UNIQUE)",
        )
        .await
        .unwrap();
    for (round, setting) in (0_i32..).zip(BOTH_PATHS) {
        let won = together(&server, setting, move |client, session| async move {
            let session = i32::try_from(session).unwrap();
            let (mut primary, mut unique) = (Vec::new(), Vec::new());
            for key in round * KEYS..(round + 1) * KEYS {
                let insert = "INSERT INTO p VALUES ($1, $2)";
                let inserted = client.execute(insert, &[&key, &session]).await;
                primary.extend(winner(inserted).then_some(key));
                let (id, name) = (key * 1000 + session, format!("name {key}"));
                let insert = "INSERT INTO u VALUES ($1, $2)";
                let inserted = client.execute(insert, &[&id, &name]).await;
                unique.extend(winner(inserted).then_some(key));
            }
            (primary, unique)
        })
        .await;
        let (primary, unique): (Vec<_>, Vec<_>) = won.into_iter().unzip();
        let expected: Vec<i32> = (round * KEYS..(round + 1) * KEYS).collect();
        for keys in [primary, unique] {
            let mut keys = keys.concat();
            keys.sort_unstable();
            assert_eq!(keys, expected, "{setting}");
        }
    }
    let both = i64::from(2 * KEYS);
    assert_eq!(number(&client, "SELECT count(*) FROM p").await, both);
    assert_eq!(number(&client, "SELECT count(*) FROM u").await, both);
}

/// Whether an INSERT did it; anything but a duplicate is a failure.
fn winner(inserted: Result<u64, tokio_postgres::Error>) -> bool {
    match inserted {
        Ok(rows) => {
            assert_eq!(rows, 1);
            true
        }
        Err(error) => {
            assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION), "{error:?}");
            false
        }
    }
}

/// Two sessions and two rows.
async fn two_sessions() -> (tempfile::TempDir, Server, Client, Client) {
    let (dir, server, a) = start().await;
    a.batch_execute(
        "CREATE TABLE c (id int PRIMARY KEY, x int8 NOT NULL);
         INSERT INTO c VALUES (1, 0), (2, 0)",
    )
    .await
    .unwrap();
    let b = connect(&server.url).await.unwrap();
    (dir, server, a, b)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_ends_one_and_the_other_goes_on() {
    let (_dir, _server, a, b) = two_sessions().await;
    for setting in BOTH_PATHS {
        for (client, first) in [(&a, 1), (&b, 2)] {
            let sql = format!("{setting}; BEGIN; UPDATE c SET x = x + 1 WHERE id = {first}");
            bounded(client.batch_execute(&sql)).await.unwrap();
        }
        // Each now wants the other's row.
        let (of_a, of_b) = bounded(async {
            futures::join!(
                a.batch_execute("UPDATE c SET x = x + 1 WHERE id = 2"),
                b.batch_execute("UPDATE c SET x = x + 1 WHERE id = 1"),
            )
        })
        .await;
        let (winner, loser, error) = match (of_a, of_b) {
            (Ok(()), Err(error)) => (&a, &b, error),
            (Err(error), Ok(())) => (&b, &a, error),
            both => panic!("one of two was to fail: {both:?}"),
        };
        assert_eq!(error.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED));
        let refused = loser.batch_execute("SELECT 1").await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
        winner.batch_execute("COMMIT").await.unwrap();
        loser.batch_execute("ROLLBACK").await.unwrap();
    }
    // Of each pair only the winner's two changes are there.
    assert_eq!(number(&a, "SELECT sum(x)::int8 FROM c").await, 4);
    assert_eq!(number(&a, "SELECT min(x) FROM c").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeatable_read_refuses_a_row_that_changed() {
    let (_dir, _server, a, b) = two_sessions().await;
    for setting in BOTH_PATHS {
        a.batch_execute(setting).await.unwrap();
        a.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            .await
            .unwrap();
        let seen = number(&a, "SELECT x FROM c WHERE id = 1").await;
        b.batch_execute("UPDATE c SET x = x + 1 WHERE id = 1")
            .await
            .unwrap();
        assert_eq!(number(&a, "SELECT x FROM c WHERE id = 1").await, seen);
        let error = bounded(a.batch_execute("UPDATE c SET x = x + 1 WHERE id = 1"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE));
        a.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(number(&a, "SELECT x FROM c WHERE id = 1").await, seen + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeatable_read_refuses_a_row_that_changes_while_it_waits() {
    let (_dir, _server, a, b) = two_sessions().await;
    for setting in BOTH_PATHS {
        b.batch_execute("BEGIN; UPDATE c SET x = x + 1 WHERE id = 2")
            .await
            .unwrap();
        let begin = format!("{setting}; BEGIN ISOLATION LEVEL REPEATABLE READ");
        a.batch_execute(&begin).await.unwrap();
        number(&a, "SELECT x FROM c WHERE id = 2").await;
        let mut update = std::pin::pin!(a.batch_execute("UPDATE c SET x = x + 1 WHERE id = 2"));
        // It waits for the lock: no answer comes while the other holds it.
        let waited = tokio::time::timeout(Duration::from_millis(100), &mut update).await;
        assert!(waited.is_err(), "it did not wait: {waited:?}");
        b.batch_execute("COMMIT").await.unwrap();
        let error = bounded(update).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE));
        a.batch_execute("ROLLBACK").await.unwrap();
    }
}
