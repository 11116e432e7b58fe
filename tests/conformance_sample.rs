//! A little of everything that `make conformance` runs: what passed when the
//! scoreboard was written passes today.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::PathBuf;

use kimberlite_conformance::differ::Limits;
use kimberlite_conformance::scoreboard::Scoreboard;
use kimberlite_conformance::whole::{Part, Plan, Servers, lost, run};

/// Topics, specs and files: small, quick, and of different kinds.
const SAMPLE: [&str; 8] = [
    "boolean",
    "int4",
    "select_having",
    "total-cash",
    "two-ids",
    "evidence/in1.test",
    "evidence/in2.test",
    "evidence/slt_lang_aggfunc.test",
];

fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap().into()
}

/// The folder of the collections, as the program finds it.
fn archives() -> PathBuf {
    match std::env::var_os("CONFORMANCE_ARCHIVES") {
        Some(folder) => folder.into(),
        None => root().join("../shared/conformance"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_passed_is_lost() {
    let plan = Plan {
        parts: vec![Part::Isolation, Part::Regress, Part::Random, Part::Logic],
        archives: archives(),
        suites: root().join("sqllogictest/suites"),
        only: SAMPLE.map(str::to_owned).to_vec(),
        limits: Limits::default(),
        first: 0,
        count: 200,
        show: 0,
        progress: false,
    };
    let mut servers = Servers::start(env!("CARGO_BIN_EXE_kimberlite").into())
        .await
        .unwrap();
    let measured = run(&plan, &mut servers).await.unwrap();
    servers.stop().await;
    // Without the archives this says what was left out.
    println!("{}", measured.text);
    if let Some(scores) = &measured.regress {
        assert_eq!(scores.len(), 3);
        assert!(scores.iter().all(|s| s.statements > 20));
    }
    let board = Scoreboard::read(&root().join("conformance/scoreboard.json")).unwrap();
    assert!(!board.regress.is_empty());
    assert_eq!(lost(&measured, &board), Vec::<String>::new());
}
