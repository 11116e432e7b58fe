//! Every crate we link is under a licence that `deny.toml` allows, and none of
//! the crates it bans is among them.
//!
//! The same file serves `cargo deny`; this test needs neither that program nor
//! a network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{MetadataCommand, Package};

struct Policy {
    allow: BTreeSet<String>,
    exceptions: BTreeSet<(String, String)>,
    /// Banned crates, and those that may use them all the same.
    banned: BTreeMap<String, BTreeSet<String>>,
}

fn strings(value: &toml::Value) -> impl Iterator<Item = String> + '_ {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap().to_owned())
}

fn policy() -> Policy {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let path = std::path::Path::new(&folder).join("deny.toml");
    let deny: toml::Value = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let licences = &deny["licenses"];
    let mut exceptions = BTreeSet::new();
    for exception in licences["exceptions"].as_array().unwrap() {
        let name = exception["crate"].as_str().unwrap();
        exceptions.extend(strings(&exception["allow"]).map(|l| (name.to_owned(), l)));
    }
    let banned = deny["bans"]["deny"].as_array().unwrap().iter();
    Policy {
        allow: strings(&licences["allow"]).collect(),
        exceptions,
        banned: banned
            .map(|ban| {
                let name = ban["name"].as_str().unwrap().to_owned();
                let wrappers = ban.get("wrappers").into_iter();
                (name, wrappers.flat_map(strings).collect())
            })
            .collect(),
    }
}

/// Whether an SPDX expression can be met with allowed licences. `AND` binds
/// tighter than `OR`; the old `/` means `OR`.
fn is_met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let text = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "cannot read licence {expression}");
    met
}

fn any(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let word = words[*at];
    *at += 1;
    if word == "(" {
        let met = any(words, at, allowed);
        *at += 1;
        return met;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
        return allowed(&format!("{word} WITH {}", words[*at - 1]));
    }
    allowed(word)
}

/// The crates that are linked, and the names of those that use each.
fn linked_packages() -> Vec<(Package, BTreeSet<String>)> {
    let metadata = MetadataCommand::new()
        .other_options(
            ["--offline", "--filter-platform", "x86_64-unknown-linux-gnu"].map(String::from),
        )
        .exec()
        .unwrap();
    let names: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|p| (p.id.clone(), p.name.to_string()))
        .collect();
    let mut users: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for node in metadata.resolve.unwrap().nodes {
        users.entry(node.id.clone()).or_default();
        for used in node.dependencies {
            users
                .entry(used)
                .or_default()
                .insert(names[&node.id].clone());
        }
    }
    let packages = metadata.packages.into_iter();
    packages
        .filter(|p| p.source.is_some())
        .filter_map(|p| users.remove(&p.id).map(|users| (p, users)))
        .collect()
}

#[test]
fn every_crate_is_allowed() {
    let policy = policy();
    let packages = linked_packages();
    assert!(packages.len() > 200, "only {} crates found", packages.len());
    for (package, users) in packages {
        let name = package.name.to_string();
        if let Some(wrappers) = policy.banned.get(&name) {
            assert!(
                !users.is_empty() && users.is_subset(wrappers),
                "{name} is banned in deny.toml, and used by {users:?}"
            );
        }
        let licence = package.license.as_deref().unwrap_or("none");
        let allowed = |l: &str| {
            policy.allow.contains(l) || policy.exceptions.contains(&(name.clone(), l.to_owned()))
        };
        assert!(
            is_met(licence, &allowed),
            "{name} {}: {licence}",
            package.version
        );
    }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let mit = |l: &str| l == "MIT" || l == "Apache-2.0 WITH LLVM-exception";
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 AND ISC OR MIT", true),
        ("MIT AND (GPL-3.0 OR ISC)", false),
        ("Apache-2.0 WITH LLVM-exception AND MIT", true),
        ("Apache-2.0", false),
    ] {
        assert_eq!(is_met(expression, &mit), met, "{expression}");
    }
}
