//! What operators order of a cluster of real processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use serde_json::{Value, json};
use support::Client;
use support::cluster::TestCluster;

async fn prepared(cluster: &TestCluster) -> Client {
    let client = cluster.connect(cluster.leader()).await;
    client
        .batch_execute("CREATE TABLE t (k int PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    client
}

/// Gives an order that has to be carried out.
fn order(cluster: &TestCluster, at: usize, arguments: &[&str]) -> Value {
    let (status, answer) = cluster.cli(at, arguments);
    assert_eq!(status, 0, "{arguments:?}: {answer:#}\n{}", cluster.logs());
    answer
}

/// Gives an order that has to be refused; why it is.
fn refused(cluster: &TestCluster, at: usize, arguments: &[&str]) -> String {
    let (status, answer) = cluster.cli(at, arguments);
    assert_eq!(status, 2, "{arguments:?}: {answer:#}");
    answer["error"].as_str().unwrap().to_owned()
}

/// The ids of those that vote.
fn voters(cluster: &TestCluster, at: usize) -> Vec<u64> {
    let (_, answer) = cluster.cli(at, &["cluster", "status"]);
    let replicas = answer["replicas"].as_array().unwrap();
    replicas
        .iter()
        .map(|replica| replica["replica_id"].as_u64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_come_and_go() {
    let mut cluster = TestCluster::start(3, 0);
    let client = prepared(&cluster).await;
    let at = cluster.add(3);
    cluster.launch(at);
    let address = cluster.replicas[at].replication.to_string();
    let add = [
        "cluster",
        "reconfig",
        "add-replica",
        "--replica-id",
        "3",
        "--name",
        "replica-3",
        "--address",
        &address,
    ];
    let answer = order(&cluster, 1, &add);
    assert_eq!(answer["voters"], json!([0, 1, 2, 3]));
    cluster.wait_ready(at);
    client
        .execute("INSERT INTO t VALUES (2)", &[])
        .await
        .unwrap();
    // One that follows is taken out, and stays out.
    let leader = cluster.leader();
    let gone = (0..3).find(|at| *at != leader).unwrap();
    let id = gone.to_string();
    let remove = ["cluster", "reconfig", "remove-replica", "--replica-id", &id];
    let answer = order(&cluster, leader, &remove);
    assert_eq!(answer["voters"].as_array().unwrap().len(), 3);
    assert!(!voters(&cluster, leader).contains(&(gone as u64)));
    let again = [
        "cluster",
        "reconfig",
        "add-replica",
        "--replica-id",
        &id,
        "--address",
        "127.0.0.1:1",
    ];
    assert!(refused(&cluster, leader, &again).contains("ids are not given again"));
    client
        .execute("INSERT INTO t VALUES (3)", &[])
        .await
        .unwrap();
    let id = leader.to_string();
    let remove = ["cluster", "reconfig", "remove-replica", "--replica-id", &id];
    assert!(refused(&cluster, leader, &remove).contains("pass leadership on first"));
    let unknown = [
        "cluster",
        "reconfig",
        "promote-standby",
        "--replica-id",
        "77",
    ];
    assert!(refused(&cluster, leader, &unknown).contains("is no member"));
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_passed_on_and_a_standby_can_be_promoted() {
    let cluster = TestCluster::start(3, 1);
    drop(prepared(&cluster).await);
    let to = (cluster.leader() + 1) % 3;
    let id = to.to_string();
    let answer = order(
        &cluster,
        0,
        &["cluster", "transfer-leader", "--replica-id", &id],
    );
    assert_eq!(answer["leader_id"], to);
    assert_eq!(cluster.leader(), to);
    let standby = ["cluster", "transfer-leader", "--replica-id", "100"];
    assert!(refused(&cluster, 0, &standby).contains("only one that votes can lead"));
    let promote = [
        "cluster",
        "reconfig",
        "promote-standby",
        "--replica-id",
        "100",
        "--new-primary",
    ];
    let answer = order(&cluster, 0, &promote);
    assert_eq!(answer["role"], "leader", "{answer:#}");
    assert_eq!(cluster.leader(), 3);
    let client = cluster.connect(0).await;
    client
        .execute("INSERT INTO t VALUES (2)", &[])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_keeps_out_and_comes_back() {
    let mut cluster = TestCluster::start(3, 0);
    let client = prepared(&cluster).await;
    let leader = cluster.leader();
    let other = (leader + 1) % 3;
    let id = other.to_string();
    let answer = order(&cluster, leader, &["replica", "pause", "--replica-id", &id]);
    assert_eq!(answer["phase"], "paused");
    client
        .execute("INSERT INTO t VALUES (2)", &[])
        .await
        .unwrap();
    let (status, answer) = cluster.cli(other, &["replica", "status"]);
    assert_eq!(
        (status, &answer["phase"]),
        (1, &"paused".into()),
        "{answer:#}"
    );
    assert!(cluster.readiness(other).unwrap().contains("503"));
    order(&cluster, other, &["replica", "resume"]);
    cluster.wait_ready(other);
    let isolate = [
        "replica",
        "isolate",
        "--replica-id",
        &id,
        "--reason",
        "a look at its disk",
    ];
    order(&cluster, leader, &isolate);
    // A restart does not end it.
    cluster.kill(other);
    cluster.launch(other);
    cluster.until("the isolated replica to say so", || {
        let (status, answer) = cluster.cli(other, &["replica", "status"]);
        status == 1 && answer["phase"] == "isolated" && answer["detail"] == "a look at its disk"
    });
    assert!(refused(&cluster, other, &["replica", "resume"]).contains("rejoin"));
    order(&cluster, other, &["replica", "rejoin", "--replica-id", &id]);
    cluster.wait_ready(other);
    // One that leads passes leadership on first.
    let leader = cluster.leader();
    let id = leader.to_string();
    order(&cluster, leader, &["replica", "pause", "--replica-id", &id]);
    let next = cluster.leader();
    assert_ne!(next, leader);
    let client = cluster.connect(next).await;
    client
        .execute("INSERT INTO t VALUES (3)", &[])
        .await
        .unwrap();
    order(&cluster, leader, &["replica", "resume"]);
    cluster.wait_ready(leader);
    cluster.stop_and_compare();
}
