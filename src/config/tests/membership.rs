//! The lists of replicas.

use super::cluster::{THREE, cluster_of};
use super::*;

const FIRST: &str = r#"{ id = 0, address = "replica-0.example.com:7000" }"#;
const STANDBY: &str = r#"{ id = 100, address = "[fd00::100]:7000" }"#;

/// `THREE` with another first replica.
fn with_first(table: &str) -> String {
    THREE.replace(FIRST, table)
}

/// `THREE` with so many voters.
fn of_voters(count: usize) -> String {
    let start = THREE.find("replicas = [").unwrap();
    let end = THREE.find("replica_id").unwrap();
    let voters = list(count, 0);
    format!(
        "{}replicas = [{voters}]\n{}",
        &THREE[..start],
        &THREE[end..]
    )
}

/// So many replicas, with ids from `from`.
fn list(count: usize, from: usize) -> String {
    (from..from + count)
        .map(|id| format!("{{ id = {id}, address = \"host-{id}:7000\" }}, "))
        .collect()
}

#[test]
fn replicas_are_read_in_their_order() {
    let cluster = cluster_of(THREE);
    let replica = |id: u32, address: &str, name: &str| Replica {
        id,
        address: address.to_owned(),
        name: name.to_owned(),
    };
    let voters = [
        replica(0, "replica-0.example.com:7000", "replica-0.example.com"),
        replica(1, "replica-1.example.com:7000", "replica-1.example.com"),
        replica(2, "10.0.0.12:7000", "replica-2.example.com"),
    ];
    assert_eq!(cluster.voters, voters);
    let standby = replica(100, "[fd00::100]:7000", "fd00::100");
    assert_eq!(cluster.standbys, [standby]);
    let hosts: Vec<&str> = cluster.replicas().map(Replica::host).collect();
    let expected = [
        "replica-0.example.com",
        "replica-1.example.com",
        "10.0.0.12",
        "fd00::100",
    ];
    assert_eq!(hosts, expected);
    assert!(cluster.replicas().all(|replica| replica.port() == 7000));
}

#[test]
fn a_list_may_be_written_as_tables() {
    let start = THREE.find("replicas = [").unwrap();
    let end = THREE.find("replica_id").unwrap();
    let tables = "[[cluster.replicas]]\nid = 1\naddress = \"h:7000\"\n";
    let text = format!(
        "{}{}{}\n{tables}",
        &THREE[..start],
        "replica_id = 1\n",
        THREE[end..].replace("replica_id = 1\n", "")
    );
    assert_eq!(cluster_of(&text).voters.len(), 1);
    let wrong = text.replace("h:7000", "h");
    let message = problem_of_line(&wrong, "address = \"h\"");
    assert!(
        message.contains("no port") || message.contains("host:port"),
        "{message}"
    );
}

#[test]
fn voters_are_an_odd_number_up_to_nine() {
    for count in [3, 5, 7, 9] {
        assert_eq!(cluster_of(&of_voters(count)).voters.len(), count);
    }
    for (count, why) in [
        (0, "is empty"),
        (2, "has 2, and an even number"),
        (4, "has 4, and an even number"),
        (10, "at most 9"),
        (11, "at most 9"),
    ] {
        let error = parse(&of_voters(count)).expect_err("must be refused");
        let problem = error.problems.first().unwrap();
        assert_eq!(problem.line, Some(3));
        assert!(problem.message.contains(why), "{error}");
    }
}

#[test]
fn standbys_are_limited() {
    let with = |count| parse(&THREE.replace(&format!("{STANDBY},"), &list(count, 200)));
    assert_eq!(with(32).unwrap().cluster.unwrap().standbys.len(), 32);
    assert_eq!(with(0).unwrap().cluster.unwrap().standbys.len(), 0);
    let error = with(33).unwrap_err().to_string();
    assert!(error.contains("at most 32"), "{error}");
}

#[test]
fn a_list_must_be_there_and_be_one() {
    for section in ["[cluster]", "[standby]"] {
        let text = format!("{GOOD}\n[cluster]\nreplicas = [{}]\n", list(1, 0));
        let text = match section {
            "[cluster]" => format!("{GOOD}\n[cluster]\n"),
            _ => format!("{text}[standby]\n"),
        };
        let message = only_problem(&text).message;
        let expected = format!("{section} replicas: is missing");
        assert!(message.contains(&expected), "{message}");
    }
    for wrong in ["3", "[\"host:7000\"]", "{ id = 0 }"] {
        let text = format!("{GOOD}\n[cluster]\nreplicas = {wrong}\n");
        let message = problem_of_line(&text, "replicas = ");
        assert!(message.contains("list of tables"), "{message}");
    }
}

#[test]
fn a_standby_needs_a_cluster() {
    let text = format!("{GOOD}\n[standby]\nreplicas = [{STANDBY}]\n");
    let message = problem_of_line(&text, "[standby]");
    assert!(message.contains("no effect without [cluster]"), "{message}");
}

#[test]
fn what_is_wrong_with_a_replica_is_said_in_its_line() {
    for (table, why) in [
        (r#"{ address = "a:1" }"#, "id: is missing"),
        ("{ id = 0 }", "address: is missing"),
        (r#"{ id = "0", address = "a:1" }"#, "id: must be a whole"),
        (r#"{ id = -1, address = "a:1" }"#, "id: must be a whole"),
        (
            r#"{ id = 2147483648, address = "a:1" }"#,
            "between 0 and 2147483647",
        ),
        ("{ id = 0, address = 7000 }", "address: must be a string"),
        (r#"{ id = 0, address = "a" }"#, "`a` is not host:port"),
        (r#"{ id = 0, address = "a:0" }"#, "between 1 and 65535"),
        (
            r#"{ id = 0, address = "fd00::1:7000" }"#,
            "stands in brackets",
        ),
        (r#"{ id = 0, address = "0.0.0.0:7000" }"#, "names no host"),
        (
            r#"{ id = 0, address = "a:1", name = "" }"#,
            "name: `` holds",
        ),
        (
            r#"{ id = 0, address = "a:1", nam = "b" }"#,
            "did you mean `name`?",
        ),
        (r#"{ id = 0, addr = "a:1", address = "a:1" }"#, "`addr` in"),
    ] {
        let message = problem_of_line(&with_first(table), table);
        assert!(message.contains(why), "{message}");
    }
    parse(&with_first(r#"{ id = 2147483647, address = "a:1" }"#)).unwrap();
}

#[test]
fn everything_wrong_with_replicas_is_said_at_once() {
    let text = with_first("{ id = -1, address = 7000, colour = 1 }").replace("fd00::100]", "x]");
    let problems = parse(&text).unwrap_err().problems;
    assert_eq!(problems.len(), 4, "{problems:#?}");
}

#[test]
fn ids_are_unique_in_both_lists() {
    for (from, to) in [("id = 0,", "id = 2,"), ("id = 100,", "id = 2,")] {
        let text = THREE.replace(from, to);
        let (line, other) = match from {
            "id = 0," => (6, 4),
            _ => (12, 6),
        };
        let problem = only_problem(&text);
        assert_eq!(problem.line, Some(line));
        let expected = format!("2 is the id of the replica in line {other}");
        assert!(problem.message.contains(&expected), "{}", problem.message);
    }
}

#[test]
fn addresses_are_unique_in_both_lists() {
    for (from, to) in [
        ("replica-1.example.com", "Replica-0.Example.com"),
        ("[fd00::100]:7000\"", "10.0.0.12:7000\", name = \"other\""),
    ] {
        let text = THREE.replace(from, to);
        let message = problem_of_line(&text, to);
        let expected = "address: is that of the replica in line";
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn names_tell_replicas_apart() {
    // Other ports of one host.
    let text = THREE.replace("replica-1.example.com:7000", "replica-0.example.com:7001");
    let message = problem_of_line(&text, "7001");
    assert!(message.contains("give each a `name`"), "{message}");
    let named = text.replace(":7001\"", ":7001\", name = \"replica-1\"");
    assert_eq!(cluster_of(&named).voters[1].name, "replica-1");
    // In other letters, and in the other list.
    let text = THREE.replace(
        STANDBY,
        r#"{ id = 100, address = "a:1", name = "REPLICA-2.example.com" }"#,
    );
    let message = problem_of_line(&text, "REPLICA-2");
    assert!(message.contains("could not tell"), "{message}");
}
