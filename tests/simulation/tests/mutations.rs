//! Every promise that is broken on purpose is noticed within a stated number of seeds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kimberlite_simulation::scenario::{Mutation, Scenario, all};
use kimberlite_simulation::world::run;

/// Where a mutation shows, and how many seeds that may take.
const CAUGHT: [(Mutation, &str, u64); 17] = [
    (Mutation::EarlyDurable, "blackouts-bursts", 100),
    (Mutation::ForgetVote, "crash-loops", 200),
    (Mutation::ForgetCut, "blackouts-bursts", 50),
    (Mutation::LoseBlock, "crash-loops", 50),
    (Mutation::EarlyApply, "partitions", 10),
    (Mutation::EarlyAnswer, "partitions", 10),
    (Mutation::LocalReads, "partitions", 10),
    (Mutation::ApplyTwice, "calm", 1),
    (Mutation::SkipBlock, "calm", 5),
    (Mutation::EarlyAcknowledgement, "leader-crashes", 20),
    (Mutation::ForgetMembers, "members-lost-projections", 50),
    (Mutation::FreshDisk, "crash-loops", 20),
    (Mutation::ForgedBlock, "calm", 10),
    (Mutation::StandbyVotes, "everything-members", 200),
    (Mutation::AnyEpoch, "transfers-thinking", 10),
    (Mutation::EarlyEpoch, "everything-bursts", 10),
    (Mutation::AnyIncarnation, "wiped", 10),
];

fn scenario(name: &str, mutation: Mutation) -> Scenario {
    let mut scenario = all().into_iter().find(|s| s.name == name).unwrap();
    scenario.mutation = Some(mutation);
    scenario
}

#[test]
fn every_mutation_is_caught() {
    // Panics are caught and count; their text is in the violation.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for (mutation, name, seeds) in CAUGHT {
        let scenario = scenario(name, mutation);
        let found = (0..seeds).find_map(|seed| Some((seed, run(&scenario, seed).err()?)));
        match found {
            Some((seed, violation)) => println!("{mutation:?}: seed {seed}: {violation}"),
            None => missed.push(mutation),
        }
    }
    drop(std::panic::take_hook());
    assert_eq!(missed, []);
}

#[test]
fn every_mutation_has_its_scenario() {
    for mutation in Mutation::ALL {
        assert!(CAUGHT.iter().any(|(m, ..)| *m == mutation), "{mutation:?}");
    }
}
