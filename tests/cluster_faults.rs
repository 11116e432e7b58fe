//! A cluster of real processes under load, while its replicas are killed and stopped: what
//! was acknowledged is there, what was refused is not, and the logs are the same.
//!
//! `KIMBERLITE_LONG_TESTS=1` runs a hundred rounds, `KIMBERLITE_TEST_SEED` another order of
//! faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;
use support::cluster::{ELECTION_MS, TestCluster};
use support::{Client, connect};

/// Sessions that write at the same time.
const WRITERS: usize = 8;

/// What the writers were told.
#[derive(Default)]
struct Told {
    next: AtomicU64,
    acknowledged: Mutex<BTreeSet<i64>>,
    /// Certainly not committed.
    refused: Mutex<BTreeSet<i64>>,
    /// When something was acknowledged last.
    newest: Mutex<Option<Instant>>,
    ended: AtomicBool,
}

/// Writes numbers, one a transaction, to whichever replica takes them, until told to end.
async fn write(told: Arc<Told>, urls: Vec<String>, first: usize) {
    let mut at = first;
    let mut client: Option<Client> = None;
    while !told.ended.load(Ordering::SeqCst) {
        let connected = match client.take() {
            Some(client) => client,
            None => {
                at += 1;
                let attempt = connect(&urls[at % urls.len()]);
                match tokio::time::timeout(Duration::from_secs(2), attempt).await {
                    Ok(Ok(client)) => client,
                    _ => continue,
                }
            }
        };
        let number = told.next.fetch_add(1, Ordering::SeqCst) as i64;
        let text = format!("INSERT INTO numbers VALUES ({number})");
        let insert = connected.batch_execute(&text);
        match tokio::time::timeout(Duration::from_secs(8), insert).await {
            Ok(Ok(_)) => {
                told.acknowledged.lock().insert(number);
                *told.newest.lock() = Some(Instant::now());
                client = Some(connected);
            }
            Ok(Err(error)) => {
                // 40001 and 25006 say that nothing was committed; of all others nobody knows.
                let code = error.code().map(|code| code.code().to_owned());
                if matches!(code.as_deref(), Some("40001" | "25006")) {
                    told.refused.lock().insert(number);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(_) => {}
        }
    }
}

/// Something that happens to the cluster.
#[derive(Debug, Clone, Copy)]
enum Blow {
    KillLeader,
    KillFollower,
    StopLeader,
    Transfer,
}

const BLOWS: [Blow; 4] = [
    Blow::KillLeader,
    Blow::StopLeader,
    Blow::KillFollower,
    Blow::Transfer,
];

/// Waits until writers are told of something new that was begun after `since`.
fn until_written(cluster: &TestCluster, told: &Told, since: Instant) -> Duration {
    let mut at = since;
    cluster.until("a write after the blow", || {
        let newest = *told.newest.lock();
        at = newest.unwrap_or(since);
        at > since
    });
    at - since
}

fn strike(cluster: &mut TestCluster, told: &Told, blow: Blow) -> Option<Duration> {
    let leader = cluster.leader();
    let count = cluster.replicas.len();
    match blow {
        Blow::KillLeader => {
            cluster.kill(leader);
            let gap = until_written(cluster, told, Instant::now());
            cluster.launch(leader);
            cluster.wait_ready(leader);
            Some(gap)
        }
        Blow::KillFollower => {
            let follower = (leader + 1) % count;
            cluster.kill(follower);
            until_written(cluster, told, Instant::now());
            cluster.launch(follower);
            cluster.wait_ready(follower);
            None
        }
        Blow::StopLeader => {
            let running = cluster.replicas[leader].running.as_ref().unwrap();
            running.signal(Signal::STOP);
            let gap = until_written(cluster, told, Instant::now());
            let running = cluster.replicas[leader].running.as_ref().unwrap();
            running.signal(Signal::CONT);
            cluster.wait_ready(leader);
            Some(gap)
        }
        Blow::Transfer => {
            let (status, answer) = cluster.cli(leader, &["cluster", "transfer-leader"]);
            assert_eq!(status, 0, "{answer:#}");
            until_written(cluster, told, Instant::now());
            None
        }
    }
}

fn rounds() -> usize {
    match std::env::var("KIMBERLITE_LONG_TESTS") {
        Ok(_) => 100,
        Err(_) => 6,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_acknowledged_is_lost() {
    let seed: u64 = std::env::var("KIMBERLITE_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("KIMBERLITE_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut cluster = TestCluster::start(3, 0);
    let client = cluster.connect(0).await;
    client
        .batch_execute("CREATE TABLE numbers (n bigint PRIMARY KEY)")
        .await
        .unwrap();
    drop(client);
    let urls: Vec<String> = (0..3).map(|at| cluster.url(at)).collect();
    let told = Arc::new(Told::default());
    let writers: Vec<_> = (0..WRITERS)
        .map(|first| tokio::spawn(write(Arc::clone(&told), urls.clone(), first)))
        .collect();
    until_written(&cluster, &told, Instant::now());
    let mut gaps = Vec::new();
    for round in 0..rounds() {
        // Each of them once, then any.
        let any = BLOWS[random.random_range(0..BLOWS.len())];
        let blow = BLOWS.get(round).copied().unwrap_or(any);
        let gap = tokio::task::block_in_place(|| strike(&mut cluster, &told, blow));
        println!("round {round}: {blow:?} {gap:?}");
        gaps.extend(gap);
    }
    told.ended.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    gaps.sort();
    let median = gaps[gaps.len() / 2];
    println!(
        "{} blows to a leader: writes resumed after {:?} (median), {:?} to {:?}; election timeout \
         {ELECTION_MS} ms; {} acknowledged, {} refused",
        gaps.len(),
        median,
        gaps[0],
        gaps[gaps.len() - 1],
        told.acknowledged.lock().len(),
        told.refused.lock().len(),
    );
    check(&mut cluster, &told).await;
}

/// Every replica has everything that was acknowledged, nothing that was refused, and the
/// same log.
async fn check(cluster: &mut TestCluster, told: &Told) {
    let acknowledged = told.acknowledged.lock().clone();
    let refused = told.refused.lock().clone();
    let tried = 0..told.next.load(Ordering::SeqCst) as i64;
    for at in 0..cluster.replicas.len() {
        let (mut config, ca) = support::client::parse(&cluster.url(at));
        config.options("-c default_transaction_read_only=on");
        let tls = support::client::tls(&ca.unwrap());
        let (client, connection) = config.connect(tls).await.unwrap();
        tokio::spawn(connection);
        let rows = client.query("SELECT n FROM numbers", &[]).await.unwrap();
        let there: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "replica at {at} has lost {lost:?}");
        let extra: Vec<_> = there.intersection(&refused).collect();
        assert!(
            extra.is_empty(),
            "replica at {at} has what was refused: {extra:?}"
        );
        assert!(there.iter().all(|n| tried.contains(n)));
    }
    cluster.stop_and_compare();
}
