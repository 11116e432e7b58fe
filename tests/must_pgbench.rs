//! pgbench as PostgreSQL ships it, unmodified: it loads and runs without an
//! error, and the balances add up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Command, Output};

use support::server::{code, text};
use support::{Server, psql};

/// 1 branch is 10 tellers and 100,000 accounts.
fn scale() -> u32 {
    if std::env::var_os("KIMBERLITE_LONG_TESTS").is_some() {
        10
    } else {
        1
    }
}

fn pgbench(server: &Server, arguments: &[&str]) -> Output {
    Command::new("pgbench")
        .args(arguments)
        .arg(&server.url)
        .env_remove("PGPASSWORD")
        .env_remove("PGSSLMODE")
        .output()
        .expect("pgbench is installed (see scripts/setup)")
}

fn value(server: &Server, sql: &str) -> String {
    let output = psql(&server.url, sql);
    assert_eq!(code(&output), 0, "{}", text(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Runs `clients` × `transactions` of pgbench's TPC-B and reads its verdict.
fn tpc_b(server: &Server, protocol: &str, clients: u32, transactions: u32) -> u32 {
    let (c, t) = (clients.to_string(), transactions.to_string());
    let output = pgbench(server, &["-M", protocol, "-c", &c, "-j", "2", "-t", &t]);
    let said = text(&output);
    assert_eq!(code(&output), 0, "{said}");
    let all = clients * transactions;
    for line in [
        format!("number of transactions actually processed: {all}/{all}\n"),
        "number of failed transactions: 0 (0.000%)\n".to_owned(),
    ] {
        assert!(said.contains(&line), "no {line:?} in:\n{said}");
    }
    assert!(!said.to_lowercase().contains("error"), "{said}");
    all
}

#[test]
fn pgbench_runs_unmodified() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let output = pgbench(&server, &["-i", "-s", &scale().to_string()]);
    let said = text(&output);
    assert_eq!(code(&output), 0, "{said}");
    assert!(!said.to_lowercase().contains("error"), "{said}");
    let loaded = value(
        &server,
        "SELECT (SELECT count(*) FROM pgbench_branches),
                (SELECT count(*) FROM pgbench_tellers),
                (SELECT count(DISTINCT aid) FROM pgbench_accounts)",
    );
    let scale = scale();
    let expected = format!("{scale}|{}|{}", 10 * scale, 100_000 * scale);
    assert_eq!(loaded, expected);

    let mut transactions = 0;
    for protocol in ["simple", "extended", "prepared"] {
        transactions += tpc_b(&server, protocol, 8, 50 * scale);
    }
    transactions += tpc_b(&server, "simple", 32, 20 * scale);
    transactions += tpc_b(&server, "prepared", 32, 20 * scale);

    // pgbench empties the history before each run.
    let history = value(&server, "SELECT count(*) FROM pgbench_history");
    assert_eq!(history, (32 * 20 * scale).to_string());
    assert!(transactions > 32 * 20 * scale);
    let sums = value(
        &server,
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts),
                (SELECT sum(tbalance) FROM pgbench_tellers),
                (SELECT sum(bbalance) FROM pgbench_branches)",
    );
    let sums: Vec<&str> = sums.split('|').collect();
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");

    // A run that keeps the history: its deltas are what the balances moved by.
    let before: i64 = sums[0].parse().unwrap();
    let sum = "SELECT coalesce(sum(delta), 0) FROM pgbench_history";
    let history_before: i64 = value(&server, sum).parse().unwrap();
    let output = pgbench(&server, &["-n", "-c", "8", "-j", "2", "-t", "25"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let history: i64 = value(&server, sum).parse().unwrap();
    let moved = value(&server, "SELECT sum(abalance) FROM pgbench_accounts");
    assert_eq!(
        moved.parse::<i64>().unwrap() - before,
        history - history_before
    );
    let log = server.running.log();
    assert!(!log.contains("ERROR"), "{log}");
}
