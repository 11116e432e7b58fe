//! SIGKILL at random moments under a pgbench-like load: what was acknowledged is
//! there exactly once, and nothing is half there.
//!
//! The load keeps a record of its own. A change whose COMMIT was never sent must
//! be absent, one that was acknowledged must be there, and one whose answer was
//! lost must be whole or absent, and stay what it turned out to be.
//!
//! `KIMBERLITE_SEED=n` replays the choices of a run that printed `seed n`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt as _;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use support::server::{code, text};
use support::{Client, PATIENCE, Running, Server, connect, dev_command, kimberlite_cli};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;

const BRANCHES: i64 = 2;
const TELLERS: i64 = 20;
const ACCOUNTS: i64 = 1000;
/// Sessions that run TPC-B; one more copies, one more never commits.
const SESSIONS: usize = 6;
const COPY_LINES: i64 = 1500;

/// Values of a prepared statement.
type Parameters<'a, const N: usize> = [&'a (dyn ToSql + Sync); N];

/// What one transaction moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Transfer {
    account: i64,
    teller: i64,
    branch: i64,
    delta: i64,
}

/// How far a change got, as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its COMMIT was not sent, or it was found missing after a crash.
    Absent,
    /// The answer to its COMMIT did not arrive.
    Unknown,
    /// Acknowledged, or found after a crash.
    Present,
}

/// The record of the clients.
#[derive(Default)]
struct Record {
    next: AtomicI64,
    transfers: Mutex<BTreeMap<i64, (Transfer, Fate)>>,
    copies: Mutex<BTreeMap<i64, Fate>>,
}

impl Record {
    fn next(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn transfer(&self, id: i64, transfer: Transfer, fate: Fate) {
        self.transfers.lock().unwrap().insert(id, (transfer, fate));
    }

    fn copy(&self, id: i64, fate: Fate) {
        self.copies.lock().unwrap().insert(id, fate);
    }
}

fn seed() -> u64 {
    let seed = match std::env::var("KIMBERLITE_SEED") {
        Ok(text) => text.parse().expect("KIMBERLITE_SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("seed {seed}");
    seed
}

fn rounds() -> u32 {
    match std::env::var_os("KIMBERLITE_LONG_TESTS") {
        Some(_) => 200,
        None => 10,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_leave_nothing_half_done() {
    let mut rng = SmallRng::seed_from_u64(seed());
    let dir = tempfile::tempdir().unwrap();
    let record = Arc::new(Record::default());
    prepare(dir.path()).await;
    for round in 0..rounds() {
        interrupt_starts(dir.path(), &mut rng);
        let server = Server::dev(dir.path());
        check(&server, &record).await;
        run_and_kill(server, &record, &mut rng).await;
        println!("round {round}: {}", summary(&record));
    }
    let server = Server::dev(dir.path());
    check(&server, &record).await;
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    verify(dir.path());
}

async fn prepare(dir: &Path) {
    let server = Server::dev(dir);
    let client = connect(&server.url).await.unwrap();
    let sql = format!(
        "CREATE TABLE branches (bid int8 PRIMARY KEY, balance int8 NOT NULL, filler text);
         CREATE TABLE tellers (tid int8 PRIMARY KEY, bid int8, balance int8 NOT NULL);
         CREATE TABLE accounts (aid int8 PRIMARY KEY, bid int8, balance int8 NOT NULL);
         CREATE INDEX accounts_balance ON accounts (balance);
         CREATE TABLE history (id int8, tid int8, bid int8, aid int8, delta int8);
         CREATE TABLE copied (id int8, line int8, filler text);
         CREATE TABLE never (id int8);
         INSERT INTO branches SELECT g, 0 FROM generate_series(1, {BRANCHES}) AS t(g);
         INSERT INTO tellers SELECT g, 0, 0 FROM generate_series(1, {TELLERS}) AS t(g);
         INSERT INTO accounts VALUES (-1, 0, 0);
         INSERT INTO accounts SELECT g, 0, 0 FROM generate_series(1, {ACCOUNTS}) AS t(g);"
    );
    client.batch_execute(&sql).await.unwrap();
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// Now and then the server dies while it recovers.
fn interrupt_starts(dir: &Path, rng: &mut SmallRng) {
    while rng.random_range(0..4) == 0 {
        let running = Running::start(&mut dev_command(dir));
        std::thread::sleep(Duration::from_millis(rng.random_range(0..200)));
        running.kill();
    }
}

/// Loads the server until a random number of commits were acknowledged, kills it
/// a random moment later, and waits for every client to notice.
async fn run_and_kill(server: Server, record: &Arc<Record>, rng: &mut SmallRng) {
    let open = connect(&server.url).await.unwrap();
    open.batch_execute(
        "BEGIN;
         INSERT INTO never SELECT g FROM generate_series(1, 500) AS t(g);
         UPDATE accounts SET balance = balance + 1000000 WHERE aid = -1;
         SAVEPOINT s;
         DELETE FROM never WHERE id < 100",
    )
    .await
    .unwrap();
    let (acknowledged, mut commits) = unbounded_channel();
    let mut clients = Vec::new();
    for session in 0..SESSIONS {
        let client = connect(&server.url).await.unwrap();
        let rng = SmallRng::seed_from_u64(rng.random());
        let (record, done) = (Arc::clone(record), acknowledged.clone());
        clients.push(tokio::spawn(async move {
            match session % 3 {
                0 => batches(&client, &record, rng, &done).await,
                1 => statements(&client, &record, rng, &done).await,
                _ => pipelines(&client, &record, rng, &done).await,
            }
        }));
    }
    let client = connect(&server.url).await.unwrap();
    let copies = Arc::clone(record);
    clients.push(tokio::spawn(async move { copy(&client, &copies).await }));
    drop(acknowledged);

    wait_for(&mut commits, rng.random_range(1..120)).await;
    tokio::time::sleep(Duration::from_micros(rng.random_range(0..20_000))).await;
    server.kill();
    for client in clients {
        let ended = tokio::time::timeout(PATIENCE, client).await;
        let error = ended.expect("a client does not notice").unwrap();
        let error = error.unwrap_err();
        // The server never refused anything; it went away.
        assert_eq!(error.code(), None, "{error:?}");
    }
    drop(open);
}

async fn wait_for(commits: &mut UnboundedReceiver<()>, count: u32) {
    let waiting = async {
        for _ in 0..count {
            commits.recv().await.expect("every client stopped");
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("no commits");
}

fn transfer(rng: &mut SmallRng) -> Transfer {
    Transfer {
        account: rng.random_range(1..=ACCOUNTS),
        teller: rng.random_range(1..=TELLERS),
        branch: rng.random_range(1..=BRANCHES),
        delta: rng.random_range(-5000..=5000),
    }
}

/// TPC-B as text, with the COMMIT in the same message as everything else.
async fn batches(
    client: &Client,
    record: &Record,
    mut rng: SmallRng,
    done: &UnboundedSender<()>,
) -> Result<(), Error> {
    loop {
        let (id, t) = (record.next(), transfer(&mut rng));
        let Transfer {
            account,
            teller,
            branch,
            delta,
        } = t;
        record.transfer(id, t, Fate::Unknown);
        let sql = format!(
            "BEGIN;
             UPDATE accounts SET balance = balance + {delta} WHERE aid = {account};
             SELECT balance FROM accounts WHERE aid = {account};
             UPDATE tellers SET balance = balance + {delta} WHERE tid = {teller};
             UPDATE branches SET balance = balance + {delta} WHERE bid = {branch};
             INSERT INTO history VALUES ({id}, {teller}, {branch}, {account}, {delta});
             COMMIT"
        );
        client.batch_execute(&sql).await?;
        record.transfer(id, t, Fate::Present);
        // Nobody listens any more once the kill is on its way.
        let _ = done.send(());
    }
}

/// TPC-B as pgbench sends it, one statement after the other.
async fn statements(
    client: &Client,
    record: &Record,
    mut rng: SmallRng,
    done: &UnboundedSender<()>,
) -> Result<(), Error> {
    loop {
        let (id, t) = (record.next(), transfer(&mut rng));
        let Transfer {
            account,
            teller,
            branch,
            delta,
        } = t;
        record.transfer(id, t, Fate::Absent);
        for sql in [
            "BEGIN".to_owned(),
            format!("UPDATE accounts SET balance = balance + {delta} WHERE aid = {account}"),
            format!("SELECT balance FROM accounts WHERE aid = {account}"),
            format!("UPDATE tellers SET balance = balance + {delta} WHERE tid = {teller}"),
            format!("UPDATE branches SET balance = balance + {delta} WHERE bid = {branch}"),
            format!("INSERT INTO history VALUES ({id}, {teller}, {branch}, {account}, {delta})"),
        ] {
            client.batch_execute(&sql).await?;
        }
        record.transfer(id, t, Fate::Unknown);
        client.batch_execute("COMMIT").await?;
        record.transfer(id, t, Fate::Present);
        let _ = done.send(());
    }
}

/// TPC-B with prepared statements whose answers are not waited for one by one.
async fn pipelines(
    client: &Client,
    record: &Record,
    mut rng: SmallRng,
    done: &UnboundedSender<()>,
) -> Result<(), Error> {
    let update = |table: &str, key: &str| {
        format!("UPDATE {table} SET balance = balance + $1 WHERE {key} = $2")
    };
    let account = client.prepare(&update("accounts", "aid")).await?;
    let teller = client.prepare(&update("tellers", "tid")).await?;
    let branch = client.prepare(&update("branches", "bid")).await?;
    let history = client
        .prepare("INSERT INTO history VALUES ($1, $2, $3, $4, $5)")
        .await?;
    loop {
        let (id, t) = (record.next(), transfer(&mut rng));
        record.transfer(id, t, Fate::Unknown);
        let begin = client.batch_execute("BEGIN");
        let row_a: Parameters<'_, 2> = [&t.delta, &t.account];
        let accounts = client.execute(&account, &row_a);
        let row_t: Parameters<'_, 2> = [&t.delta, &t.teller];
        let tellers = client.execute(&teller, &row_t);
        let row_b: Parameters<'_, 2> = [&t.delta, &t.branch];
        let branches = client.execute(&branch, &row_b);
        let row_h: Parameters<'_, 5> = [&id, &t.teller, &t.branch, &t.account, &t.delta];
        let history = client.execute(&history, &row_h);
        let commit = client.batch_execute("COMMIT");
        // Polled in this order, which is the order in which they are sent.
        futures::try_join!(begin, accounts, tellers, branches, history, commit)?;
        record.transfer(id, t, Fate::Present);
        let _ = done.send(());
    }
}

/// One COPY after the other.
async fn copy(client: &Client, record: &Record) -> Result<(), Error> {
    loop {
        let id = record.next();
        record.copy(id, Fate::Absent);
        let sink = client.copy_in("COPY copied FROM STDIN").await?;
        let mut sink = std::pin::pin!(sink);
        for first in (0..COPY_LINES).step_by(100) {
            let lines: String = (first..first + 100)
                .map(|line| format!("{id}\t{line}\tfiller of line {line}\n"))
                .collect();
            sink.send(Bytes::from(lines)).await?;
        }
        record.copy(id, Fate::Unknown);
        sink.finish().await?;
        record.copy(id, Fate::Present);
    }
}

/// Compares everything in the database with the record, and settles what was
/// unknown.
async fn check(server: &Server, record: &Record) {
    let client = connect(&server.url).await.unwrap();
    check_transfers(&client, record).await;
    check_copies(&client, record).await;
    let row = client
        .query_one(
            "SELECT (SELECT count(*) FROM never),
                    (SELECT balance FROM accounts WHERE aid = -1)",
            &[],
        )
        .await
        .unwrap();
    let found: (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(found, (0, 0), "a transaction without COMMIT left something");
}

async fn check_transfers(client: &Client, record: &Record) {
    let rows = client
        .query("SELECT id, aid, tid, bid, delta FROM history", &[])
        .await
        .unwrap();
    let mut found = BTreeMap::new();
    for row in rows {
        let transfer = Transfer {
            account: row.get(1),
            teller: row.get(2),
            branch: row.get(3),
            delta: row.get(4),
        };
        let id: i64 = row.get(0);
        let twice = found.insert(id, transfer);
        assert_eq!(twice, None, "transaction {id} is there twice");
    }
    let mut accounts = BTreeMap::from([(-1, 0)]);
    let mut tellers = BTreeMap::new();
    let mut branches = BTreeMap::new();
    accounts.extend((1..=ACCOUNTS).map(|aid| (aid, 0)));
    tellers.extend((1..=TELLERS).map(|tid| (tid, 0)));
    branches.extend((1..=BRANCHES).map(|bid| (bid, 0)));
    for (id, (transfer, fate)) in record.transfers.lock().unwrap().iter_mut() {
        let there = found.remove(id);
        match fate {
            Fate::Absent => assert_eq!(there, None, "transaction {id} was not committed"),
            Fate::Present => assert_eq!(there, Some(*transfer), "transaction {id} is lost"),
            Fate::Unknown if there.is_none() => *fate = Fate::Absent,
            Fate::Unknown => {
                assert_eq!(there, Some(*transfer));
                *fate = Fate::Present;
            }
        }
        if *fate == Fate::Present {
            *accounts.get_mut(&transfer.account).unwrap() += transfer.delta;
            *tellers.get_mut(&transfer.teller).unwrap() += transfer.delta;
            *branches.get_mut(&transfer.branch).unwrap() += transfer.delta;
        }
    }
    assert!(found.is_empty(), "nobody sent {found:?}");
    // Not only do the sums agree: every balance is what its history says.
    for (table, key, expected) in [
        ("accounts", "aid", accounts),
        ("tellers", "tid", tellers),
        ("branches", "bid", branches),
    ] {
        let sql = format!("SELECT {key}, balance FROM {table}");
        let rows = client.query(&sql, &[]).await.unwrap();
        let balances: BTreeMap<i64, i64> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
        assert_eq!(rows.len(), expected.len(), "{table}");
        assert!(
            balances == expected,
            "{table}, there and expected: {:?}",
            balances
                .iter()
                .zip(&expected)
                .filter(|(a, b)| a != b)
                .collect::<Vec<_>>()
        );
    }
}

async fn check_copies(client: &Client, record: &Record) {
    let rows = client
        .query(
            "SELECT id, count(*), count(DISTINCT line) FROM copied GROUP BY id",
            &[],
        )
        .await
        .unwrap();
    let mut found: BTreeMap<i64, (i64, i64)> = rows
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect();
    let whole = Some((COPY_LINES, COPY_LINES));
    for (id, fate) in record.copies.lock().unwrap().iter_mut() {
        let there = found.remove(id);
        match fate {
            Fate::Absent => assert_eq!(there, None, "COPY {id} was not finished"),
            Fate::Present => assert_eq!(there, whole, "COPY {id}"),
            Fate::Unknown if there.is_none() => *fate = Fate::Absent,
            Fate::Unknown => {
                assert_eq!(there, whole, "COPY {id}");
                *fate = Fate::Present;
            }
        }
    }
    assert!(found.is_empty(), "nobody copied {found:?}");
}

fn summary(record: &Record) -> String {
    let transfers = record.transfers.lock().unwrap();
    let copies = record.copies.lock().unwrap();
    let count = |fate| transfers.values().filter(|(_, f)| *f == fate).count();
    format!(
        "{} transactions acknowledged, {} unknown, {} copies",
        count(Fate::Present),
        count(Fate::Unknown),
        copies.values().filter(|f| **f == Fate::Present).count()
    )
}

/// The log proves itself, and the projection is what a rebuild makes of it.
fn verify(dir: &Path) {
    let output = kimberlite_cli()
        .args(["storage", "verify", "--full-scan", "--output", "json"])
        .arg("--data-dir")
        .arg(dir)
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["result"], "clean", "{report:#}");
    assert_eq!(report["with_keys"], true, "{report:#}");
    assert_eq!(report["projection_equal"], true, "{report:#}");
}
