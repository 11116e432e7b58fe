//! Our own suites say what PostgreSQL 15 does: every record must pass there,
//! or the suite is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use kimberlite_sqllogictest::run::{find_files, run};
use kimberlite_sqllogictest::scoreboard::{first_misses, scoreboard};
use support::{Postgres, manifest_dir};

#[tokio::test]
async fn postgresql_passes_every_suite() {
    let postgres = Postgres::start(&[]);
    let suites = manifest_dir().join("suites");
    let report = run(find_files(&[suites]).unwrap(), postgres.options())
        .await
        .unwrap();
    assert!(
        report.is_clean(),
        "{}{}",
        scoreboard(&report),
        first_misses(&report, 20)
    );
    // A suite that silently shrinks would pass too.
    assert!(
        report.totals.records >= 1000,
        "only {} records",
        report.totals.records
    );
}
