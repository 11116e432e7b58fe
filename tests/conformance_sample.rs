//! A few of PostgreSQL's regression topics, as `make conformance` runs them all:
//! what passed when the scoreboard was written passes today.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::PathBuf;

use kimberlite_conformance::archives::{Archive, unpack};
use kimberlite_conformance::differ::Limits;
use kimberlite_conformance::parts::regress;
use kimberlite_conformance::scoreboard::Scoreboard;
use kimberlite_conformance::servers::{Node, Postgres};

/// Small, quick, and of different kinds.
const TOPICS: [&str; 3] = ["boolean", "int4", "select_having"];

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
    let Some(unpacked) = unpack(&archives(), Archive::Regress).await.unwrap() else {
        println!("left out: no archives in {}", archives().display());
        return;
    };
    let board = Scoreboard::read(&root().join("conformance/scoreboard.json")).unwrap();
    let (postgres, witness) = tokio::try_join!(Postgres::start(), Postgres::start()).unwrap();
    let mut node = Node::start(env!("CARGO_BIN_EXE_kimberlite").into())
        .await
        .unwrap();
    let mut servers = regress::Servers {
        postgres: &postgres,
        witness: &witness,
        node: &mut node,
    };
    let scores = regress::run(
        unpacked.path(),
        &TOPICS.map(str::to_owned),
        &mut servers,
        Limits::default(),
        &indicatif::ProgressBar::hidden(),
    )
    .await
    .unwrap();
    assert_eq!(scores.len(), TOPICS.len());
    for score in &scores {
        assert!(board.regress.contains_key(&score.name), "{}", score.name);
    }
    assert_eq!(board.regress_regressions(&scores), Vec::<String>::new());
    node.stop().await;
    tokio::join!(postgres.stop(), witness.stop());
}
