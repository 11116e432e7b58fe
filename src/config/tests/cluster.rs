//! `[cluster]` and `[standby]`: the pace and which replica this is.

use super::*;

/// The second of three replicas.
pub(super) const THREE: &str = r#"
[cluster]
replicas = [
    { id = 0, address = "replica-0.example.com:7000" },
    { id = 1, address = "replica-1.example.com:7000" },
    { id = 2, address = "10.0.0.12:7000", name = "replica-2.example.com" },
]
replica_id = 1

[standby]
replicas = [
    { id = 100, address = "[fd00::100]:7000" },
]

[storage]
data_dir = "/var/lib/kimberlite/data"

[crypto]
master_key_source = "env"

[security]
tls_enabled = true
tls_cert_path = "/server.crt"
tls_key_path = "/server.key"
tls_ca_path = "/ca.crt"
bind_address = "0.0.0.0:7000"
"#;

/// The cluster of a good text.
pub(super) fn cluster_of(text: &str) -> Cluster {
    parse(text).unwrap().cluster.unwrap()
}

/// The environment that calls this process `id`.
pub(super) fn called(id: &str) -> Environment {
    Environment {
        replica_id: Some(id.into()),
        ..Environment::default()
    }
}

/// `THREE` with more lines in `[cluster]`.
fn with(lines: &str) -> String {
    THREE.replace("replica_id = 1\n", &format!("replica_id = 1\n{lines}\n"))
}

/// `THREE` with more lines in `[standby]`.
fn with_standby(lines: &str) -> String {
    THREE.replace("[standby]\n", &format!("[standby]\n{lines}\n"))
}

#[test]
fn a_file_without_a_cluster_is_one_node() {
    assert_eq!(parse(GOOD).unwrap().cluster, None);
}

#[test]
fn a_cluster_has_defaults() {
    let cluster = cluster_of(THREE);
    assert_eq!(cluster.replica_id, 1);
    assert_eq!(cluster.heartbeat, Duration::from_millis(100));
    assert_eq!(cluster.election_timeout, Duration::from_secs(1));
    assert_eq!(cluster.max_batch_size, 1000);
    assert!(cluster.forward_writes);
    assert_eq!(cluster.max_standby_lag, Duration::from_millis(100));
}

#[test]
fn every_setting_of_a_cluster_is_read() {
    let text = with(
        "heartbeat_interval_ms = 20\nelection_timeout_ms = 100\nmax_batch_size = 7\n\
                     forward_writes = false",
    );
    let cluster = cluster_of(&text);
    assert_eq!(cluster.heartbeat, Duration::from_millis(20));
    assert_eq!(cluster.election_timeout, Duration::from_millis(100));
    assert_eq!(cluster.max_batch_size, 7);
    assert!(!cluster.forward_writes);
    let text = with_standby("max_lag_ms = 5000\nauto_promote_on_failure = false");
    assert_eq!(cluster_of(&text).max_standby_lag, Duration::from_secs(5));
}

#[test]
fn settings_have_limits() {
    for good in [
        "heartbeat_interval_ms = 10",
        "heartbeat_interval_ms = 10_000\nelection_timeout_ms = 50_000",
        "election_timeout_ms = 100_000",
        "max_batch_size = 1",
        "max_batch_size = 65_535",
    ] {
        parse(&with(good)).unwrap();
    }
    for (wrong, limits) in [
        ("heartbeat_interval_ms = 9", "between 10 and 10000"),
        ("heartbeat_interval_ms = 10_001", "between 10 and 10000"),
        ("election_timeout_ms = 100_001", "between 50 and 100000"),
        ("max_batch_size = 0", "between 1 and 65535"),
        ("max_batch_size = 65_536", "between 1 and 65535"),
        ("max_batch_size = \"many\"", "whole number"),
        ("forward_writes = 1", "true or false"),
    ] {
        let message = problem_of_line(&with(wrong), wrong);
        assert!(message.contains(limits), "{message}");
    }
    for wrong in ["max_lag_ms = 0", "max_lag_ms = 3_600_001"] {
        let message = problem_of_line(&with_standby(wrong), wrong);
        assert!(message.contains("between 1 and 3600000"), "{message}");
    }
}

#[test]
fn an_election_waits_for_five_heartbeats() {
    let least = "at least 5 times";
    let message = problem_of_line(&with("election_timeout_ms = 499"), "election_timeout_ms");
    assert!(message.contains(least), "{message}");
    parse(&with("election_timeout_ms = 500")).unwrap();
    // The default is too short as well.
    let message = problem_of_line(&with("heartbeat_interval_ms = 201"), "heartbeat");
    assert!(message.contains("election_timeout_ms (1000)"), "{message}");
    parse(&with("heartbeat_interval_ms = 200")).unwrap();
}

#[test]
fn the_log_is_never_compacted() {
    let setting = "log_compaction_interval_hours = 24";
    let message = problem_of_line(&with(setting), setting);
    assert!(message.contains("the log is immutable"), "{message}");
    assert!(!message.contains("not supported yet"), "{message}");
}

#[test]
fn no_standby_promotes_itself() {
    let setting = "auto_promote_on_failure = true";
    let message = problem_of_line(&with_standby(setting), setting);
    assert!(message.contains("a person's decision"), "{message}");
}

#[test]
fn the_environment_says_which_replica_this_is() {
    for (text, id) in [
        ("0", 0),
        ("2", 2),
        ("kimberlite-2", 2),
        ("my-kimberlite-0", 0),
        ("standby-100", 100),
    ] {
        let cluster = parse_in(THREE, &called(text)).unwrap().cluster.unwrap();
        assert_eq!(cluster.replica_id, id);
        assert_eq!(cluster.is_standby(), id == 100);
    }
    for wrong in [
        "",
        "-1",
        "+1",
        "kimberlite",
        "kimberlite-",
        "kimberlite-x",
        "kimberlite-1 ",
        "kimberlite-2147483648",
        "99999999999",
    ] {
        let error = parse_in(THREE, &called(wrong)).expect_err(wrong);
        assert_eq!(error.problems.len(), 1, "{error}");
        let expected = format!("KIMBERLITE_REPLICA_ID is `{wrong}`");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[test]
fn this_replica_is_one_of_those_listed() {
    let text = THREE.replace("replica_id = 1", "replica_id = 7");
    let message = problem_of_line(&text, "replica_id = 7");
    assert!(message.contains("there are 0, 1, 2, 100"), "{message}");
    let error = parse_in(THREE, &called("kimberlite-7")).expect_err("no such replica");
    let expected = "KIMBERLITE_REPLICA_ID is 7";
    assert!(error.to_string().contains(expected), "{error}");
    // What the environment says counts, and the file is asked no more.
    parse_in(&text, &called("2")).unwrap();
}

#[test]
fn which_replica_this_is_must_be_said() {
    let text = THREE.replace("replica_id = 1", "");
    let problem = only_problem(&text);
    for way in [
        "KIMBERLITE_REPLICA_ID",
        "or by replica_id",
        "alone in [cluster]",
    ] {
        assert!(problem.message.contains(way), "{}", problem.message);
    }
    let text = THREE.replace("replica_id = 1", "replica_id = \"1\"");
    let message = problem_of_line(&text, "replica_id");
    assert!(message.contains("whole number"), "{message}");
}

#[test]
fn the_only_replica_is_this_one() {
    let alone = "[cluster]\nreplicas = [{ id = 5, address = \"h:7000\" }]\n";
    let cluster = cluster_of(&format!("{GOOD}{alone}"));
    assert_eq!(cluster.replica_id, 5);
    // A standby that is not told must not take itself for the voter.
    let standby = "[standby]\nreplicas = [{ id = 6, address = \"i:7000\" }]\n";
    let text = format!("{GOOD}bind_address = \"0.0.0.0:7000\"\n{alone}{standby}");
    let message = only_problem(&text).message;
    assert!(message.contains("KIMBERLITE_REPLICA_ID"), "{message}");
}
