//! Two databases are two tenants: nothing of one is readable, writable or
//! lockable from the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::future::Future;

use futures::TryStreamExt as _;
use support::server::{code, text};
use support::{Client, PATIENCE, Server, connect, kimberlite_cli};
use tokio_postgres::error::SqlState;

/// A server with the databases `dev` and `other`, and a session in each.
async fn start(dir: &std::path::Path) -> (Server, Client, Client) {
    let server = Server::dev(dir);
    let dev = connect(&server.url).await.unwrap();
    dev.batch_execute("CREATE DATABASE other").await.unwrap();
    let other = connect(&server.url_of("other")).await.unwrap();
    (server, dev, other)
}

/// The same names in both, different rows, and different columns.
async fn fill(dev: &Client, other: &Client) {
    dev.batch_execute(
        "CREATE TABLE patient (id int PRIMARY KEY, name text);
         CREATE INDEX patient_name ON patient (name);
         INSERT INTO patient VALUES (1, 'Ada of dev'), (2, 'Bob of dev')",
    )
    .await
    .unwrap();
    other
        .batch_execute(
            "CREATE TABLE patient (id int PRIMARY KEY, ward int, name text UNIQUE);
             CREATE TABLE only_other (id int);
             INSERT INTO patient VALUES (1, 7, 'Eve of other');
             INSERT INTO only_other VALUES (1)",
        )
        .await
        .unwrap();
}

/// The names, by every way of reading them.
async fn names(client: &Client) -> Vec<String> {
    let scan = "SELECT name FROM patient ORDER BY name";
    let by_scan: Vec<String> = client
        .query(scan, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let stream = client
        .copy_out("COPY (SELECT name FROM patient ORDER BY name) TO STDOUT")
        .await
        .unwrap();
    let copied = stream.try_collect::<Vec<_>>().await.unwrap().concat();
    let copied: Vec<&str> = std::str::from_utf8(&copied).unwrap().lines().collect();
    assert_eq!(copied, by_scan);
    for name in &by_scan {
        let by_index = "SELECT name FROM patient WHERE name = $1";
        let row = client.query_one(by_index, &[name]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), name);
    }
    by_scan
}

async fn assert_apart(dev: &Client, other: &Client) {
    assert_eq!(names(dev).await, ["Ada of dev", "Bob of dev"]);
    assert_eq!(names(other).await, ["Eve of other"]);
    // The key and the index entry of the other tenant are not found either.
    for sql in [
        "SELECT 1 FROM patient WHERE name = 'Eve of other'",
        "SELECT 1 FROM patient WHERE id > 2",
    ] {
        assert!(dev.query(sql, &[]).await.unwrap().is_empty(), "{sql}");
    }
    let sql = "SELECT 1 FROM patient WHERE id = 2 OR name LIKE '%dev'";
    assert!(other.query(sql, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_names_mean_different_things() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, dev, other) = start(dir.path()).await;
    fill(&dev, &other).await;
    assert_apart(&dev, &other).await;
    for (client, name) in [(&dev, "dev"), (&other, "other")] {
        let row = client.query_one("SELECT current_database()", &[]).await;
        assert_eq!(row.unwrap().get::<_, &str>(0), name);
    }
    // Changes of one do not show in the other.
    let changed = dev.execute("DELETE FROM patient WHERE id = 1", &[]).await;
    assert_eq!(changed.unwrap(), 1);
    assert_eq!(names(&other).await, ["Eve of other"]);
    other.batch_execute("TRUNCATE patient").await.unwrap();
    assert_eq!(names(&dev).await, ["Bob of dev"]);
    other.batch_execute("DROP TABLE patient").await.unwrap();
    assert_eq!(names(&dev).await, ["Bob of dev"]);
}

#[tokio::test]
async fn no_statement_reaches_across() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, dev, other) = start(dir.path()).await;
    fill(&dev, &other).await;
    for sql in [
        "SELECT * FROM other.public.patient",
        "SELECT * FROM patient p JOIN other.public.patient o ON p.id = o.id",
        "INSERT INTO other.public.patient VALUES (9, 9, 'x')",
        "INSERT INTO patient SELECT id + 10, name FROM other.public.patient",
        "UPDATE other.public.patient SET name = 'x'",
        "DELETE FROM other.public.patient",
        "TRUNCATE other.public.patient",
        "DROP TABLE other.public.patient",
        "ALTER TABLE other.public.patient ADD COLUMN x int",
        "CREATE TABLE other.public.t (id int)",
        "CREATE INDEX i ON other.public.patient (name)",
        "COPY other.public.patient TO STDOUT",
        "COPY other.public.patient FROM STDIN",
    ] {
        let error = dev.batch_execute(sql).await.expect_err(sql);
        let state = error.code().unwrap_or_else(|| panic!("{sql}: {error:?}"));
        assert_eq!(state, &SqlState::FEATURE_NOT_SUPPORTED, "{sql}");
    }
    for sql in [
        "SELECT * FROM only_other",
        "SELECT * FROM public.only_other",
        "SELECT ward FROM patient",
        "DELETE FROM only_other",
        "DROP TABLE only_other",
    ] {
        let error = dev.batch_execute(sql).await.expect_err(sql);
        let state = error.code().unwrap_or_else(|| panic!("{sql}: {error:?}"));
        let missing = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN];
        assert!(missing.contains(state), "{sql}: {error:?}");
    }
    assert_apart(&dev, &other).await;
    // What is one's own may be named in full.
    let own = dev.query("SELECT id FROM dev.public.patient", &[]).await;
    assert_eq!(own.unwrap().len(), 2);
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("one tenant waits for the other")
}

#[tokio::test]
async fn neither_waits_for_the_locks_of_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, dev, other) = start(dir.path()).await;
    fill(&dev, &other).await;
    dev.batch_execute(
        "BEGIN;
         UPDATE patient SET name = 'locked' WHERE id = 1;
         INSERT INTO patient VALUES (50, 'fifty');
         ALTER TABLE patient ADD COLUMN extra int",
    )
    .await
    .unwrap();
    bounded(other.batch_execute(
        "BEGIN;
         UPDATE patient SET name = 'mine' WHERE id = 1;
         INSERT INTO patient VALUES (50, 1, 'fifty');
         ALTER TABLE patient DROP COLUMN ward;
         COMMIT",
    ))
    .await
    .unwrap();
    dev.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(names(&dev).await, ["Ada of dev", "Bob of dev"]);
    assert_eq!(names(&other).await, ["fifty", "mine"]);
}

#[tokio::test]
async fn a_crash_and_a_rebuild_keep_them_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (server, dev, other) = start(dir.path()).await;
    fill(&dev, &other).await;
    server.kill();
    let server = Server::dev(dir.path());
    let dev = connect(&server.url).await.unwrap();
    let other = connect(&server.url_of("other")).await.unwrap();
    assert_apart(&dev, &other).await;
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let output = kimberlite_cli()
        .args(["projection", "rebuild", "--data-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let server = Server::dev(dir.path());
    let dev = connect(&server.url).await.unwrap();
    let other = connect(&server.url_of("other")).await.unwrap();
    assert_apart(&dev, &other).await;
}

#[tokio::test]
async fn a_wrong_password_opens_neither() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _dev, _other) = start(dir.path()).await;
    for database in ["dev", "other", "absent"] {
        let url = server.url_of(database);
        let (before, after) = url.split_once('@').unwrap();
        let (name, _) = before.rsplit_once(':').unwrap();
        let error = connect(&format!("{name}:wrong@{after}"))
            .await
            .expect_err(database);
        // The same for a database that is not there: nobody learns which are.
        let state = error.code();
        assert_eq!(state, Some(&SqlState::INVALID_PASSWORD), "{error:?}");
    }
}

#[tokio::test]
async fn a_dropped_database_is_gone_and_the_other_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (server, dev, other) = start(dir.path()).await;
    fill(&dev, &other).await;
    let error = other
        .batch_execute("DROP DATABASE other")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::OBJECT_IN_USE), "{error:?}");
    assert_eq!(names(&other).await, ["Eve of other"]);
    drop(other);
    // The server may not have noticed yet that the session is over.
    let drop_database = async {
        loop {
            match dev.batch_execute("DROP DATABASE other").await {
                Ok(()) => return,
                Err(error) => assert_eq!(error.code(), Some(&SqlState::OBJECT_IN_USE)),
            }
        }
    };
    bounded(drop_database).await;
    assert!(connect(&server.url_of("other")).await.is_err());
    assert_eq!(names(&dev).await, ["Ada of dev", "Bob of dev"]);
    // One of the same name is another tenant, and empty.
    dev.batch_execute("CREATE DATABASE other").await.unwrap();
    let other = connect(&server.url_of("other")).await.unwrap();
    let error = other.query("SELECT * FROM patient", &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_TABLE));
}
