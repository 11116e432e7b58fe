//! Our own suites against the built server. `sqllogictest/tests/suites.rs`
//! holds the same files against PostgreSQL 15: what passes there and fails here
//! is our bug.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use kimberlite_sqllogictest::run::{Options, find_files, run};
use kimberlite_sqllogictest::scoreboard::{first_misses, scoreboard};
use kimberlite_sqllogictest::target::Target;
use support::{Server, manifest_dir};

#[tokio::test(flavor = "multi_thread")]
async fn the_server_passes_every_suite() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let suites = manifest_dir().join("sqllogictest/suites");
    let options = Options::new(Target::parse(&server.url).unwrap());
    let report = run(find_files(&[suites]).unwrap(), options).await.unwrap();
    assert!(
        report.is_clean(),
        "{}{}",
        scoreboard(&report),
        first_misses(&report, 30)
    );
    assert!(
        report.totals.records >= 1000,
        "only {} records",
        report.totals.records
    );
}
