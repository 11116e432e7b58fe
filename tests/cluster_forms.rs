//! A cluster of real processes: how it comes to be, what it lets in and what it does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use support::cluster::TestCluster;

#[tokio::test(flavor = "multi_thread")]
async fn replicas_with_empty_directories_join_and_the_log_is_the_same_everywhere() {
    let mut cluster = TestCluster::start(3, 1);
    let leader = cluster.leader();
    let client = cluster.connect(leader).await;
    client
        .batch_execute("CREATE TABLE t (k int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 500) n")
        .await
        .unwrap();
    // Read on every replica what was just written on one: linearizable by default.
    for at in 0..cluster.replicas.len() {
        let (mut config, ca) = support::client::parse(cluster.url(at).as_str());
        config.options("-c default_transaction_read_only=on");
        let (client, connection) = config
            .connect(support::client::tls(&ca.unwrap()))
            .await
            .unwrap();
        tokio::spawn(connection);
        let row = client
            .query_one("SELECT count(*), pg_is_in_recovery() FROM t", &[])
            .await;
        let row = row.unwrap_or_else(|e| panic!("replica at {at}: {e:?}"));
        assert_eq!(row.get::<_, i64>(0), 500, "replica at {at}");
        assert_eq!(row.get::<_, bool>(1), at != leader, "replica at {at}");
    }
    let (status, answer) = cluster.cli(1, &["cluster", "status"]);
    assert_eq!(status, 0, "{answer:#}");
    assert_eq!(answer["status"], "healthy");
    assert_eq!(answer["replicas"].as_array().unwrap().len(), 3);
    assert_eq!(answer["standbys"][0]["replica_id"], 100);
    let (status, answer) = cluster.cli(0, &["standby", "status", "--replica-id", "100"]);
    assert_eq!(
        (status, &answer["promotion_eligible"]),
        (0, &true.into()),
        "{answer:#}"
    );
    drop(client);
    cluster.stop_and_compare();
}

/// A client that only reads, served by the replica it connects to.
async fn reader(cluster: &TestCluster, at: usize, options: &str) -> support::Client {
    let (mut config, ca) = support::client::parse(&cluster.url(at));
    config.options(options);
    let tls = support::client::tls(&ca.unwrap());
    let (client, connection) = config.connect(tls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_alone_acknowledges_nothing_and_says_why() {
    let mut cluster = TestCluster::start(3, 0);
    let leader = cluster.leader();
    let client = cluster.connect(leader).await;
    client
        .batch_execute("CREATE TABLE t (k int PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    for at in others {
        cluster.kill(at);
    }
    // The leader steps down when no majority answers; until then nothing is acknowledged.
    let refused = client.execute("INSERT INTO t VALUES (2)", &[]).await;
    let error = refused.unwrap_err();
    let code = error.code().map(|code| code.code().to_owned());
    assert!(
        matches!(code.as_deref(), Some("08007" | "40001" | "25006")),
        "{error:?}"
    );
    cluster.until("the replica to say that it is alone", || {
        let answer = cluster.readiness(leader).unwrap_or_default();
        answer.contains("503") && answer.contains("no majority of the replicas answers")
    });
    let (status, answer) = cluster.cli(leader, &["cluster", "status"]);
    assert_eq!(
        (status, &answer["status"]),
        (1, &"unavailable".into()),
        "{answer:#}"
    );
    // What it has can be read by who says that this is enough.
    let local = reader(&cluster, leader, "-c kimberlite.read_consistency=local").await;
    let row = local
        .query_one("SELECT count(*) FROM t WHERE k = 1", &[])
        .await;
    assert_eq!(row.unwrap().get::<_, i64>(0), 1);
    let linear = reader(&cluster, leader, "-c default_transaction_read_only=on").await;
    let error = linear
        .query_one("SELECT count(*) FROM t", &[])
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "40001", "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_belong_is_not_let_in() {
    let mut cluster = TestCluster::files(3, 0);
    cluster.init(0);
    // Its certificate names another replica.
    cluster.write_files(2, "replica-7");
    for at in 0..3 {
        cluster.launch(at);
    }
    cluster.until("the wrong name to be noticed", || {
        let said = |at: usize| cluster.replicas[at].running.as_ref().unwrap().log();
        said(2).contains("waiting to join the cluster") && said(0).contains("replica-7")
    });
    // Two of three that may vote are not the cluster that the configuration wants.
    assert!(cluster.readiness(0).unwrap().contains("503"));
    // With the right certificate it joins; nothing has to be started again.
    cluster.write_files(2, "replica-2");
    for at in 0..3 {
        cluster.wait_ready(at);
    }
    // A replica that lost its disk is not let in under its old id.
    cluster.kill(2);
    std::fs::remove_dir_all(cluster.replicas[2].data_dir()).unwrap();
    cluster.launch(2);
    cluster.until("the old id to be refused", || {
        let log = cluster.replicas[2].running.as_ref().unwrap().log();
        log.contains("is a member already, with another data directory")
    });
    let (status, answer) = cluster.cli(0, &["cluster", "status"]);
    assert_eq!(
        (status, &answer["status"]),
        (1, &"degraded".into()),
        "{answer:#}"
    );
    // Another cluster cannot come to be beside this one: a first replica of its own is refused.
    cluster.kill(2);
    std::fs::remove_dir_all(cluster.replicas[2].data_dir()).unwrap();
    cluster.init(2);
    cluster.launch(2);
    cluster.until("the other cluster to be refused", || {
        let log = cluster.replicas[0].running.as_ref().unwrap().log();
        log.contains("different clusters")
    });
    assert!(cluster.readiness(2).unwrap().contains("503"));
}
