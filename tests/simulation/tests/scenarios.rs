//! Every scenario under a few seeds; under many with `KIMBERLITE_LONG_TESTS=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::thread::{available_parallelism, scope};

use kimberlite_simulation::scenario::{Scenario, all};
use kimberlite_simulation::table;
use kimberlite_simulation::world::{Summary, run};

/// Seeds of each scenario: more than 500 runs in all, and more than 20,000.
const SEEDS: u64 = 10;
const SEEDS_LONG: u64 = 400;

fn long() -> bool {
    std::env::var_os("KIMBERLITE_LONG_TESTS").is_some()
}

/// Runs a scenario; what was violated, and how to see it again.
fn violations(scenario: &Scenario, seeds: u64) -> Vec<String> {
    let mut total = Summary::default();
    let mut found = Vec::new();
    for seed in 0..seeds {
        match run(scenario, seed) {
            Ok(summary) => total.add(&summary),
            Err(violation) => found.push(format!(
                "{violation}\n  again: cargo run -p kimberlite-simulation -- --scenario {} --first {seed} --seeds 1",
                scenario.name
            )),
        }
    }
    println!("{}", table::result(scenario, &total));
    if total.acknowledged == 0 || total.reads == 0 {
        found.push(format!("{}: nothing was done", scenario.name));
    }
    found
}

#[test]
fn nothing_is_violated() {
    let seeds = if long() { SEEDS_LONG } else { SEEDS };
    println!("seeds 0 to {} of each scenario", seeds - 1);
    let waiting = Mutex::new(all().into_iter());
    let found = Mutex::new(Vec::new());
    scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().next();
                    let Some(scenario) = next else { break };
                    let violations = violations(&scenario, seeds);
                    found.lock().unwrap().extend(violations);
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_run_in_another_process() {
    let of_a_process = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simulate"));
        command.args(["--first", "3", "--seeds", "1"]);
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let mut here = String::new();
    for scenario in all() {
        let mut total = Summary::default();
        total.add(&run(&scenario, 3).unwrap());
        here.push_str(&format!("{}\n", table::result(&scenario, &total)));
    }
    assert_eq!(of_a_process(), here);
    assert_eq!(of_a_process(), here);
}

#[test]
fn scenarios_differ_in_what_they_break() {
    let scenarios = all();
    assert!(scenarios.len() >= 49, "{} scenarios", scenarios.len());
    let mut seen = BTreeSet::new();
    for scenario in scenarios {
        let name = scenario.name;
        let nameless = Scenario {
            name: "",
            what: "",
            ..scenario
        };
        assert!(
            seen.insert(format!("{nameless:?}")),
            "{name} is another one"
        );
    }
}

#[test]
fn the_readme_has_the_table() {
    let readme = include_str!("../README.md");
    assert!(
        readme.ends_with(&table::table(&all())),
        "write what `simulate --table` prints at the end of the README"
    );
}
