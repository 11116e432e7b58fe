//! The crates may only know each other in one direction.
//!
//! `storage` knows nobody; `consensus` and `sql` know `storage` and never each
//! other (they meet through the `CommitLog` trait that `storage` defines); the
//! server knows all three; the test runner stands alone and
//! the conformance run is built on it; the simulation knows what it simulates. `storage` is
//! synchronous: no async runtime may be among what it links.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

const ALLOWED: [(&str, &[&str]); 7] = [
    ("kimberlite-storage", &[]),
    ("kimberlite-consensus", &["kimberlite-storage"]),
    ("kimberlite-sql", &["kimberlite-storage"]),
    ("kimberlite-conformance", &["kimberlite-sqllogictest"]),
    ("kimberlite-sqllogictest", &[]),
    (
        "kimberlite-simulation",
        &["kimberlite-consensus", "kimberlite-storage"],
    ),
    (
        "kimberlite",
        &[
            "kimberlite-consensus",
            "kimberlite-sql",
            "kimberlite-storage",
        ],
    ),
];

/// Crates of ours that a crate's tests may use besides what it links.
const ALLOWED_IN_TESTS: [(&str, &[&str]); 2] = [
    (
        "kimberlite",
        &["kimberlite-conformance", "kimberlite-sqllogictest"],
    ),
    // A store has to be opened with something that commits.
    ("kimberlite-sql", &["kimberlite-consensus"]),
];

/// Crates that bring an async runtime, a clock of their own or an event loop.
const NOT_IN_STORAGE: [&str; 6] = ["async-std", "futures", "mio", "smol", "tokio", "tokio-util"];

type Edges = BTreeMap<String, BTreeSet<(String, bool)>>;

/// What each of our crates names as dependency, and whether for tests only.
fn edges(metadata: &Metadata) -> Edges {
    let packages = metadata.workspace_packages();
    packages
        .iter()
        .map(|package| {
            let dependencies = package
                .dependencies
                .iter()
                .map(|d| (d.name.to_string(), d.kind == DependencyKind::Development))
                .collect();
            (package.name.to_string(), dependencies)
        })
        .collect()
}

fn allowed(table: &[(&str, &[&str])], from: &str, to: &str) -> bool {
    table
        .iter()
        .any(|(name, targets)| *name == from && targets.contains(&to))
}

/// Every edge that breaks the rule, as a sentence.
fn violations(edges: &Edges) -> Vec<String> {
    let mut found = Vec::new();
    for (from, dependencies) in edges {
        if !ALLOWED.iter().any(|(name, _)| name == from) {
            found.push(format!("{from} is a new crate: say here whom it may know"));
        }
        for (to, tests_only) in dependencies {
            let fine = !edges.contains_key(to)
                || allowed(&ALLOWED, from, to)
                || (*tests_only && allowed(&ALLOWED_IN_TESTS, from, to));
            if !fine {
                found.push(format!("{from} must not depend on {to}"));
            }
            if from == "kimberlite-storage" && !tests_only && NOT_IN_STORAGE.contains(&to.as_str())
            {
                found.push(format!("{from} is synchronous and must not depend on {to}"));
            }
        }
    }
    found
}

fn of_this_workspace() -> Edges {
    // No dependencies resolved: needs neither network nor a full registry.
    edges(&MetadataCommand::new().no_deps().exec().unwrap())
}

#[test]
fn crates_know_only_whom_they_may() {
    let edges = of_this_workspace();
    assert_eq!(
        edges.len(),
        ALLOWED.len(),
        "crates of the workspace: {:?}",
        edges.keys()
    );
    assert_eq!(violations(&edges), Vec::<String>::new());
}

#[test]
fn a_broken_rule_is_named() {
    for (from, to, tests_only, complaint) in [
        (
            "kimberlite-sql",
            "kimberlite-consensus",
            false,
            "must not depend on kimberlite-consensus",
        ),
        (
            "kimberlite-consensus",
            "kimberlite-sql",
            false,
            "must not depend on kimberlite-sql",
        ),
        (
            "kimberlite-storage",
            "kimberlite-sql",
            true,
            "must not depend on kimberlite-sql",
        ),
        ("kimberlite-storage", "tokio", false, "is synchronous"),
        (
            "kimberlite",
            "kimberlite-sqllogictest",
            false,
            "must not depend on kimberlite-sqllogictest",
        ),
        ("kimberlite-new", "serde", false, "is a new crate"),
    ] {
        let mut edges = of_this_workspace();
        edges
            .entry(from.to_owned())
            .or_default()
            .insert((to.to_owned(), tests_only));
        let found = violations(&edges);
        assert!(
            found
                .iter()
                .any(|v| v.starts_with(from) && v.contains(complaint)),
            "{from} → {to}: {found:?}"
        );
    }
}
