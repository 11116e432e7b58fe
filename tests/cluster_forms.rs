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
