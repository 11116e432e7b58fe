//! Sessions that insert or merge the same keys at the same time: an upsert never
//! fails with a duplicate, and no change is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::future::Future;
use std::sync::Arc;

use support::{Client, PATIENCE, Server, connect};
use tokio::sync::Barrier;

const SESSIONS: usize = 12;
const ROUNDS: i32 = 15;

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
async fn together<F, W>(server: &Server, work: W)
where
    F: Future<Output = ()> + Send,
    W: Fn(Client, i32) -> F + Send + Sync + Clone + 'static,
{
    let barrier = Arc::new(Barrier::new(SESSIONS));
    let mut tasks = Vec::new();
    for session in (0_i32..).take(SESSIONS) {
        let client = connect(&server.url).await.unwrap();
        let (barrier, work) = (Arc::clone(&barrier), work.clone());
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            work(client, session).await;
        }));
    }
    for task in tasks {
        bounded(task).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_upserts_count_every_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute(
            "CREATE TABLE p (id int PRIMARY KEY, n int8 NOT NULL);
             CREATE TABLE u (k text UNIQUE, n int8 NOT NULL)",
        )
        .await
        .unwrap();
    together(&server, |client, session| async move {
        let text =
            "INSERT INTO u VALUES ($1, 1) ON CONFLICT (k) DO UPDATE SET n = u.n + excluded.n";
        let by_text = client.prepare(text).await.unwrap();
        for round in 0..ROUNDS {
            // Every session takes its own way through the same keys.
            let key = (round + session) % 5;
            let simple = format!(
                "INSERT INTO p VALUES ({key}, 1) ON CONFLICT (id) DO UPDATE SET n = p.n + 1"
            );
            client.batch_execute(&simple).await.unwrap();
            let name = format!("k{key}");
            assert_eq!(client.execute(&by_text, &[&name]).await.unwrap(), 1);
            let all = "INSERT INTO p VALUES (1000, 1) ON CONFLICT DO NOTHING";
            client.batch_execute(all).await.unwrap();
        }
    })
    .await;
    let total = i64::from(ROUNDS) * i64::try_from(SESSIONS).unwrap();
    let counted = "SELECT sum(n)::int8 FROM p WHERE id < 1000";
    assert_eq!(number(&client, counted).await, total);
    assert_eq!(number(&client, "SELECT sum(n)::int8 FROM u").await, total);
    assert_eq!(number(&client, "SELECT count(*) FROM u").await, 5);
    assert_eq!(number(&client, "SELECT n FROM p WHERE id = 1000").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upsert_waits_for_the_row_in_its_way() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute("CREATE TABLE p (id int PRIMARY KEY, n int8 NOT NULL)")
        .await
        .unwrap();
    client.batch_execute("BEGIN").await.unwrap();
    client
        .batch_execute("INSERT INTO p VALUES (1, 5)")
        .await
        .unwrap();
    for (end, expected) in [("COMMIT", 6), ("ROLLBACK", 1)] {
        let other = connect(&server.url).await.unwrap();
        let waiting = tokio::spawn(async move {
            let upsert = "INSERT INTO p VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = p.n + excluded.n RETURNING n";
            other.query_one(upsert, &[]).await.unwrap().get::<_, i64>(0)
        });
        // Whoever comes first, the row counts only when it was committed.
        client.batch_execute(end).await.unwrap();
        assert_eq!(bounded(waiting).await.unwrap(), expected);
        for next in ["DELETE FROM p", "BEGIN", "INSERT INTO p VALUES (1, 5)"] {
            client.batch_execute(next).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_merges_lose_no_change() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute(
            "CREATE TABLE t (id int PRIMARY KEY, n int8 NOT NULL);
             INSERT INTO t SELECT g, 0 FROM generate_series(0, 4) g",
        )
        .await
        .unwrap();
    together(&server, |client, session| async move {
        for round in 0..ROUNDS {
            let key = (round + session) % 5;
            let merge = format!(
                "MERGE INTO t USING (SELECT {key} AS k) s ON t.id = s.k
                 WHEN MATCHED THEN UPDATE SET n = t.n + 1
                 WHEN NOT MATCHED THEN INSERT VALUES (s.k, 1)"
            );
            client.batch_execute(&merge).await.unwrap();
        }
    })
    .await;
    let total = i64::from(ROUNDS) * i64::try_from(SESSIONS).unwrap();
    assert_eq!(number(&client, "SELECT sum(n)::int8 FROM t").await, total);
}

/// What became of two rows while another session changed them: how many an UPDATE
/// with FROM changed, and what they are now. `pause` is how long, in questions to the
/// server, the other session waits before it commits.
async fn race(server: &Server, client: &Client, pause: u32) -> (u64, Vec<String>) {
    for statement in [
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 1, 'old'), (2, 1, 'old')",
        "BEGIN",
        "UPDATE t SET g = 2 WHERE id = 1",
        "UPDATE t SET n = 'new' WHERE id = 2",
    ] {
        client.batch_execute(statement).await.unwrap();
    }
    let other = connect(&server.url).await.unwrap();
    let waiting = tokio::spawn(async move {
        let update = "UPDATE t SET n = n || s.v FROM s WHERE s.g = t.g";
        other.execute(update, &[]).await.unwrap()
    });
    for _ in 0..pause {
        client.batch_execute("SELECT 1").await.unwrap();
    }
    client.batch_execute("COMMIT").await.unwrap();
    let changed = bounded(waiting).await.unwrap();
    let rows = client.query("SELECT n FROM t ORDER BY id", &[]);
    let rows = bounded(rows).await.unwrap();
    (changed, rows.iter().map(|row| row.get(0)).collect())
}

/// A target row that changed meanwhile is joined only with the rows that it was
/// joined with before, at READ COMMITTED.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joined_row_is_looked_at_again_with_its_partner() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute(
            "CREATE TABLE t (id int PRIMARY KEY, g int, n text);
             CREATE TABLE s (g int, v text);
             INSERT INTO s VALUES (1, 'one'), (2, 'two')",
        )
        .await
        .unwrap();
    let mut met = false;
    for attempt in 0..60 {
        match race(&server, &client, attempt * 5).await {
            // Row 1 no longer fits the row it was joined with; row 2 does, and gets its
            // new value from its new state.
            (1, rows) => {
                assert_eq!(rows, ["old", "newone"]);
                met = true;
                break;
            }
            // It began only after the other had committed.
            (changed, rows) => {
                assert_eq!((changed, rows), (2, vec!["oldtwo".into(), "newone".into()]))
            }
        }
    }
    assert!(met, "the two sessions never met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_find_their_types() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY, n int8, v text)")
        .await
        .unwrap();
    let upsert = "INSERT INTO t VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET n = t.n + $4, v = excluded.v || $5 WHERE t.n < $6
        RETURNING n + $7";
    for expected in [11, 13] {
        let row = client
            .query_one(
                upsert,
                &[&1_i32, &1_i64, &"a", &2_i64, &"b", &100_i64, &10_i64],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), expected);
    }
    let with = "WITH new AS (INSERT INTO t VALUES ($1, $2, $3) RETURNING id, n)
        SELECT id + $4, n FROM new";
    let with = client.prepare(with).await.unwrap();
    for id in [2_i32, 3] {
        let row = client
            .query_one(&with, &[&id, &7_i64, &"w", &100_i32])
            .await
            .unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, i64>(1)), (id + 100, 7));
    }
    let merge = "MERGE INTO t USING (SELECT $1::int AS id) s ON t.id = s.id
        WHEN MATCHED AND t.n > $2 THEN DELETE
        WHEN MATCHED THEN UPDATE SET v = $3
        WHEN NOT MATCHED THEN INSERT VALUES (s.id, $4, DEFAULT)";
    let merge = client.prepare(merge).await.unwrap();
    for (id, many) in [(1_i32, 5_i64), (2, 0), (9, 0)] {
        let changed = client.execute(&merge, &[&id, &many, &"m", &3_i64]).await;
        assert_eq!(changed.unwrap(), 1);
    }
    let rows = client
        .query("SELECT id, n, v FROM t ORDER BY id", &[])
        .await
        .unwrap();
    let rows: Vec<(i32, i64, Option<String>)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let expected = [(1, 3, Some("m")), (3, 7, Some("w")), (9, 3, None)];
    let expected = expected.map(|(id, n, v)| (id, n, v.map(str::to_owned)));
    assert_eq!(rows, expected);
}
