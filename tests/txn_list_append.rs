//! Sixteen sessions append to lists and read them, in random transactions at each
//! isolation level. What they saw must have no anomaly that the level forbids.
//!
//! A run prints its seed; to use it again:
//! `KIMBERLITE_SEED=… cargo test --test txn_list_append`. Statements are the same
//! then, who comes first between sessions is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kimberlite_conformance::history::{
    Kind, Level, Op, Outcome, Planned, Statement, Transaction, check, plan,
};
use kimberlite_conformance::random::Chance;
use support::{Client, Server, connect};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

const SESSIONS: u64 = 16;
const SHORT: u64 = 300;
const LONG: u64 = 10_000;
/// Fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

fn seed() -> u64 {
    match std::env::var("KIMBERLITE_SEED") {
        Ok(seed) => seed.parse().expect("KIMBERLITE_SEED is a number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            now.as_secs() % 1_000_000
        }
    }
}

fn transactions() -> u64 {
    match std::env::var_os("KIMBERLITE_LONG_TESTS") {
        Some(_) => LONG,
        None => SHORT,
    }
}

/// Runs a statement; the lists that it gives, or why it failed.
async fn ask(client: &Client, sql: &str) -> Result<BTreeMap<u64, Vec<u64>>, SqlState> {
    let answer = tokio::time::timeout(PATIENCE, client.simple_query(sql)).await;
    let messages = answer
        .unwrap_or_else(|_| panic!("it hangs: {sql}"))
        .map_err(|error| {
            error
                .code()
                .cloned()
                .unwrap_or_else(|| panic!("{sql}: {error}"))
        })?;
    let mut lists = BTreeMap::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            let values = row.get(1).unwrap().split(' ');
            let list = values.map(|v| v.parse().unwrap()).collect();
            lists.insert(row.get(0).unwrap().parse().unwrap(), list);
        }
    }
    Ok(lists)
}

/// What a statement did.
fn ops(statement: &Statement, mut lists: BTreeMap<u64, Vec<u64>>) -> Vec<Op> {
    let wanted = match statement {
        Statement::Append { key, value } => {
            return vec![Op::Append {
                key: *key,
                value: *value,
            }];
        }
        Statement::Read { key } => std::slice::from_ref(key),
        Statement::ReadSome { keys } | Statement::ReadGroup { keys, .. } => keys,
    };
    for key in wanted {
        lists.entry(*key).or_default();
    }
    let reads = lists.into_iter();
    reads.map(|(key, list)| Op::Read { key, list }).collect()
}

/// Carries a transaction out.
async fn carry_out(client: &Client, planned: &Planned, level: Level, number: u64) -> Transaction {
    let mut chance = Chance::new(number);
    let mut done = Vec::new();
    let begin = format!("BEGIN ISOLATION LEVEL {}", level.name());
    ask(client, &begin).await.unwrap();
    let mut result = Ok(BTreeMap::new());
    for statement in &planned.statements {
        match ask(client, &statement.sql()).await {
            Ok(lists) => done.extend(ops(statement, lists)),
            Err(state) => {
                result = Err(state);
                if matches!(statement, Statement::Append { .. }) {
                    // Nobody may see it.
                    done.extend(ops(statement, BTreeMap::new()));
                }
                break;
            }
        }
        if chance.once_in(2) {
            tokio::time::sleep(Duration::from_micros(chance.below(3_000) as u64)).await;
        }
    }
    if result.is_ok() && !planned.rolls_back {
        result = ask(client, "COMMIT").await;
        if result.is_ok() {
            return Transaction {
                ops: done,
                outcome: Outcome::Committed,
            };
        }
    }
    if let Err(state) = &result {
        let expected = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ];
        assert!(expected.contains(state), "{planned:?} ended with {state:?}");
    }
    ask(client, "ROLLBACK").await.unwrap();
    Transaction {
        ops: done,
        outcome: Outcome::RolledBack,
    }
}

/// Runs the workload; everything that happened, a read of all lists last.
async fn history(server: &Server, level: Level, seed: u64, count: u64) -> Vec<Transaction> {
    let client = connect(&server.url).await.unwrap();
    let table = "DROP TABLE IF EXISTS lists;
        CREATE TABLE lists (id int PRIMARY KEY, part int, items text);
        CREATE INDEX ON lists (part)";
    client.batch_execute(table).await.unwrap();
    let next = Arc::new(AtomicU64::new(0));
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let client = connect(&server.url).await.unwrap();
        client
            .batch_execute("SET deadlock_timeout = '20ms'")
            .await
            .unwrap();
        let next = Arc::clone(&next);
        sessions.push(tokio::spawn(async move {
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return done;
                }
                let planned = plan(seed, number);
                done.push(carry_out(&client, &planned, level, number).await);
            }
        }));
    }
    let mut history = Vec::new();
    for session in sessions {
        history.extend(session.await.unwrap());
    }
    let lists = ask(&client, "SELECT id, items FROM lists").await.unwrap();
    let reads = lists.into_iter().map(|(key, list)| Op::Read { key, list });
    history.push(Transaction {
        ops: reads.collect(),
        outcome: Outcome::Committed,
    });
    history
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_level_shows_what_it_forbids() {
    let (seed, count) = (seed(), transactions());
    println!("KIMBERLITE_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    for level in Level::ALL {
        let history = history(&server, level, seed, count).await;
        let committed = history
            .iter()
            .filter(|t| t.outcome == Outcome::Committed)
            .count();
        let found = check(&history);
        let kinds: Vec<Kind> = found.iter().map(|a| a.kind).collect();
        println!("{}: {committed} committed, {kinds:?}", level.name());
        if let Some(anomaly) = found.iter().find(|a| level.forbids(a.kind)) {
            panic!("KIMBERLITE_SEED={seed}, {}: {anomaly}", level.name());
        }
        // Otherwise there was nothing to find.
        let least = usize::try_from(count / 10).unwrap();
        assert!(committed > least, "only {committed} were committed");
        let expected = match level {
            Level::ReadCommitted => Some(Kind::GSingle),
            Level::RepeatableRead => Some(Kind::G2Item),
            Level::Serializable => None,
        };
        if count == LONG
            && let Some(expected) = expected
        {
            assert!(
                kinds.contains(&expected),
                "the load is too light: {kinds:?}"
            );
        }
    }
}
