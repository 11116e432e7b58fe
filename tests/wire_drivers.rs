//! A real driver, tokio-postgres, over TLS: what it relies on.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::{Bytes, BytesMut};
use futures::{SinkExt as _, TryStreamExt as _};
use support::{Client, Server, connect};
use tokio_postgres::error::SqlState;

async fn start() -> (tempfile::TempDir, Server, Client) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    (dir, server, client)
}

#[tokio::test]
async fn values_come_back_in_binary() {
    let (_dir, _server, client) = start().await;
    client
        .batch_execute("CREATE TABLE t (id int8 PRIMARY KEY, name text, score float8, ok bool)")
        .await
        .unwrap();
    let insert = client
        .prepare("INSERT INTO t VALUES ($1, $2, $3, $4)")
        .await
        .unwrap();
    let rows = [
        (1_i64, Some("é"), 1.5, true),
        (2, None, f64::NEG_INFINITY, false),
    ];
    for (id, name, score, ok) in &rows {
        let changed = client
            .execute(&insert, &[id, name, score, ok])
            .await
            .unwrap();
        assert_eq!(changed, 1);
    }
    let found = client
        .query("SELECT * FROM t WHERE id >= $1 ORDER BY id", &[&1_i64])
        .await
        .unwrap();
    let found: Vec<(i64, Option<&str>, f64, bool)> = found
        .iter()
        .map(|row| (row.get(0), row.get("name"), row.get(2), row.get(3)))
        .collect();
    assert_eq!(found, rows);
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back() {
    let (_dir, _server, mut client) = start().await;
    client
        .batch_execute("CREATE TABLE t (id int4)")
        .await
        .unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("INSERT INTO t VALUES (1)", &[])
        .await
        .unwrap();
    drop(transaction);
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("INSERT INTO t VALUES (2)", &[])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let row = client.query_one("SELECT id FROM t", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 2);
}

#[tokio::test]
async fn a_portal_is_read_in_pieces() {
    let (_dir, _server, mut client) = start().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction
        .bind("SELECT * FROM generate_series(1, 2500)", &[])
        .await
        .unwrap();
    let mut sizes = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, 1000).await.unwrap();
        sizes.push(rows.len());
        if rows.len() < 1000 {
            break;
        }
    }
    assert_eq!(sizes, [1000, 1000, 500]);
}

#[tokio::test]
async fn pipelined_queries_do_not_mix() {
    let (_dir, _server, client) = start().await;
    let statement = client.prepare("SELECT $1::int4 + 1").await.unwrap();
    let client = &client;
    let statement = &statement;
    let answers = (0..500).map(|n| async move {
        let row = client.query_one(statement, &[&n]).await.unwrap();
        row.get::<_, i32>(0)
    });
    let answers = futures::future::join_all(answers).await;
    assert_eq!(answers, (1..=500).collect::<Vec<i32>>());
}

#[tokio::test]
async fn an_error_in_a_pipeline_is_its_own() {
    let (_dir, _server, client) = start().await;
    let statement = client.prepare("SELECT 10 / $1::int4").await.unwrap();
    let (two, zero, five) = futures::join!(
        client.query_one(&statement, &[&2]),
        client.query_one(&statement, &[&0]),
        client.query_one(&statement, &[&5]),
    );
    assert_eq!(two.unwrap().get::<_, i32>(0), 5);
    assert_eq!(zero.unwrap_err().code(), Some(&SqlState::DIVISION_BY_ZERO));
    assert_eq!(five.unwrap().get::<_, i32>(0), 2);
}

#[tokio::test]
async fn copy_goes_both_ways() {
    let (_dir, _server, client) = start().await;
    client
        .batch_execute("CREATE TABLE t (id int4, v text)")
        .await
        .unwrap();
    let sink = client.copy_in("COPY t FROM STDIN").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    for chunk in 0..100 {
        let lines: String = (0..100)
            .map(|line| format!("{}\tvalue {line}\n", chunk * 100 + line))
            .collect();
        sink.send(Bytes::from(lines)).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 10_000);
    let stream = client
        .copy_out("COPY (SELECT id, v FROM t ORDER BY id) TO STDOUT")
        .await
        .unwrap();
    let text: BytesMut = stream.try_collect::<Vec<Bytes>>().await.unwrap().concat()[..].into();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 10_000);
    assert_eq!(text.lines().last(), Some("9999\tvalue 99"));
}

#[tokio::test]
async fn a_copy_that_is_dropped_leaves_nothing() {
    let (_dir, _server, client) = start().await;
    client
        .batch_execute("CREATE TABLE t (id int4)")
        .await
        .unwrap();
    {
        let sink = client.copy_in("COPY t FROM STDIN").await.unwrap();
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from_static(b"1\n")).await.unwrap();
    }
    let row = client
        .query_one("SELECT count(*) FROM t", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn errors_carry_their_details() {
    let (_dir, _server, client) = start().await;
    client
        .batch_execute("CREATE TABLE t (id int4 PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let error = client
        .execute("INSERT INTO t VALUES (1)", &[])
        .await
        .unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code(), &SqlState::UNIQUE_VIOLATION);
    assert_eq!(error.schema(), Some("public"));
    assert_eq!(error.table(), Some("t"));
    assert_eq!(error.constraint(), Some("t_pkey"));
    assert_eq!(error.detail(), Some("Key (id)=(1) already exists."));
}

#[tokio::test]
async fn constraint_errors_name_schema_and_table() {
    let (_dir, _server, client) = start().await;
    client
        .batch_execute(
            "CREATE SCHEMA s; CREATE TABLE s.t (id int4 NOT NULL, v int4);
             INSERT INTO s.t VALUES (1, NULL), (1, NULL)",
        )
        .await
        .unwrap();
    for (statement, code, column, constraint) in [
        (
            "INSERT INTO s.t VALUES (NULL, 1)",
            SqlState::NOT_NULL_VIOLATION,
            Some("id"),
            None,
        ),
        (
            "ALTER TABLE s.t ALTER v SET NOT NULL",
            SqlState::NOT_NULL_VIOLATION,
            Some("v"),
            None,
        ),
        (
            "ALTER TABLE s.t ADD PRIMARY KEY (id)",
            SqlState::UNIQUE_VIOLATION,
            None,
            Some("t_pkey"),
        ),
        (
            "CREATE UNIQUE INDEX one ON s.t (id)",
            SqlState::UNIQUE_VIOLATION,
            None,
            Some("one"),
        ),
        // The table is known to this transaction only.
        (
            "BEGIN; CREATE SCHEMA own; CREATE TABLE own.t (id int4 PRIMARY KEY);
             INSERT INTO own.t VALUES (1), (1)",
            SqlState::UNIQUE_VIOLATION,
            None,
            Some("t_pkey"),
        ),
    ] {
        let error = client.batch_execute(statement).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        let schema = if statement.contains("own") {
            "own"
        } else {
            "s"
        };
        assert_eq!(error.code(), &code, "{statement}");
        assert_eq!(error.schema(), Some(schema), "{statement}");
        assert_eq!(error.table(), Some("t"), "{statement}");
        assert_eq!(error.column(), column, "{statement}");
        assert_eq!(error.constraint(), constraint, "{statement}");
    }
}

/// What a statement does that waits for `first` to commit: rows of `t` afterwards.
async fn after_waiting(setup: &str, first: &str, second: &str) -> Vec<(i32, i32)> {
    let (_dir, server, client) = start().await;
    client.batch_execute(setup).await.unwrap();
    let other = connect(&server.url).await.unwrap();
    other
        .batch_execute(&format!("BEGIN; {first}"))
        .await
        .unwrap();
    let waiting = client.batch_execute(second);
    let commit = async {
        // Long enough for the other to come to the locked row; were it not, it
        // would see the change at once and the test would prove nothing.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        other.batch_execute("COMMIT").await
    };
    let (waited, committed) = futures::join!(waiting, commit);
    waited.unwrap();
    committed.unwrap();
    let rows = client.query("SELECT id, n FROM t ORDER BY id", &[]).await;
    let rows = rows.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

const TWO_ROWS: &str =
    "CREATE TABLE t (id int4 PRIMARY KEY, n int4); INSERT INTO t VALUES (1, 10), (2, 20)";

#[tokio::test]
async fn only_the_target_of_an_update_shows_its_new_version() {
    let rows = after_waiting(
        TWO_ROWS,
        "UPDATE t SET n = n + 1",
        "UPDATE t SET n = t.n * 100 + o.n + (SELECT max(n) FROM t) \
         FROM t o WHERE t.id = 1 AND o.id = 2",
    )
    .await;
    assert_eq!(rows, [(1, 1140), (2, 21)]);
}

#[tokio::test]
async fn a_row_joined_with_itself_has_an_old_and_a_new_version() {
    let rows = after_waiting(
        TWO_ROWS,
        "UPDATE t SET n = n + 1",
        "UPDATE t SET n = t.n * 100 + o.n FROM t o WHERE t.id = o.id",
    )
    .await;
    assert_eq!(rows, [(1, 1110), (2, 2120)]);
}

#[tokio::test]
async fn only_the_target_of_a_delete_shows_its_new_version() {
    let rows = after_waiting(
        TWO_ROWS,
        "UPDATE t SET n = n + 1 WHERE id = 1",
        "DELETE FROM t USING t o WHERE t.id = 1 AND o.id = 2 AND t.n < o.n",
    )
    .await;
    assert_eq!(rows, [(2, 20)]);
}

#[tokio::test]
async fn a_changed_row_is_checked_against_what_the_statement_saw() {
    let rows = after_waiting(
        "CREATE TABLE t (id int4 PRIMARY KEY, n int4); CREATE TABLE most (n int4);
         INSERT INTO t VALUES (1, 0); INSERT INTO most VALUES (5)",
        "UPDATE t SET n = 1; UPDATE most SET n = 0",
        "UPDATE t SET n = n + 10 WHERE n < (SELECT n FROM most)",
    )
    .await;
    assert_eq!(rows, [(1, 11)]);
}
