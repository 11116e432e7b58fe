#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::Cell;
use std::collections::HashMap;

use proptest::prelude::*;

use super::super::Frontier;
use super::testing::{naive_root, rfc_leaves};
use super::*;
use crate::ids::Hex;

fn hex(hashes: &[Hash32]) -> Vec<String> {
    hashes.iter().map(|hash| Hex(hash).to_string()).collect()
}

#[test]
fn the_paths_of_the_rfc_example() {
    // RFC 6962, section 2.1.3: seven leaves; the nodes are named as there.
    let leaves = &rfc_leaves()[..7];
    let [a, b, c, d, e, f, j]: [Hash32; 7] = leaves.try_into().unwrap();
    let (g, h, i) = (node_hash(&a, &b), node_hash(&c, &d), node_hash(&e, &f));
    let (k, l) = (node_hash(&g, &h), node_hash(&i, &j));
    let proof = |index| inclusion_proof(leaves, index, 7).unwrap();
    assert_eq!(proof(0), [b, h, l]);
    assert_eq!(proof(3), [c, g, l]);
    assert_eq!(proof(4), [f, j, k]);
    assert_eq!(proof(6), [i, k]);
    let proof = |old| consistency_proof(leaves, old, 7).unwrap();
    assert_eq!(proof(3), [c, d, g, l]);
    assert_eq!(proof(4), [l]);
    assert_eq!(proof(6), [i, j, k]);
}

#[test]
fn published_proofs_of_the_reference_leaves() {
    let leaves = rfc_leaves();
    let proof = inclusion_proof(leaves.as_slice(), 5, 8).unwrap();
    assert_eq!(
        hex(&proof),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    let proof = consistency_proof(leaves.as_slice(), 6, 8).unwrap();
    assert_eq!(
        hex(&proof),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
}

#[test]
fn every_proof_of_every_small_tree_holds_and_no_other_place_does() {
    let leaves: Vec<Hash32> = (0..34).map(|n| [n; 32]).collect();
    for size in 1..=leaves.len() {
        let root = naive_root(&leaves[..size]);
        let (size, all) = (size as u64, leaves.as_slice());
        for index in 0..size {
            let leaf = &leaves[index as usize];
            let proof = inclusion_proof(all, index, size).unwrap();
            assert!(
                verify_inclusion(leaf, index, size, &proof, &root),
                "{index} of {size}"
            );
            for other in (0..=size).filter(|other| *other != index) {
                assert!(!verify_inclusion(leaf, other, size, &proof, &root));
            }
        }
        for old in 0..=size {
            let old_root = naive_root(&leaves[..old as usize]);
            let proof = consistency_proof(all, old, size).unwrap();
            assert!(
                verify_consistency(old, size, &proof, &old_root, &root),
                "{old} of {size}"
            );
            if (1..size).contains(&old) {
                let forged = [0xEE; 32];
                assert!(!verify_consistency(old, size, &proof, &forged, &root));
                assert!(!verify_consistency(old, size, &proof, &old_root, &forged));
                assert!(!verify_consistency(
                    old,
                    size,
                    &proof[1..],
                    &old_root,
                    &root
                ));
            }
        }
    }
}

#[test]
fn there_is_no_proof_of_what_is_not_there() {
    let leaves = rfc_leaves();
    let leaves = leaves.as_slice();
    assert!(inclusion_proof(leaves, 8, 8).is_err());
    assert!(
        inclusion_proof(leaves, 0, 9).is_err(),
        "the ninth leaf is missing"
    );
    assert!(consistency_proof(leaves, 8, 7).is_err());
    assert!(!verify_inclusion(&[0; 32], 0, 0, &[], &empty_root()));
    assert!(
        !verify_consistency(0, 1, &[], &[7; 32], &[1; 32]),
        "not the empty tree's root"
    );
}

/// Nodes as `append_with` gave them, counting what is read.
#[derive(Default)]
struct Kept {
    nodes: HashMap<(u32, u64), Hash32>,
    reads: Cell<usize>,
}

impl TreeNodes for Kept {
    fn node(&self, level: u32, index: u64) -> Result<Option<Hash32>> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.nodes.get(&(level, index)).copied())
    }
}

#[test]
fn kept_nodes_make_proofs_cheap_and_do_not_change_them() {
    let leaves: Vec<Hash32> = (0..1000_u64)
        .map(|n| {
            let mut leaf = [0; 32];
            leaf[..8].copy_from_slice(&n.to_le_bytes());
            leaf
        })
        .collect();
    let mut kept = Kept::default();
    let mut frontier = Frontier::new();
    for leaf in &leaves {
        frontier.append_with(*leaf, |level, index, hash| {
            assert_eq!(
                kept.nodes.insert((level, index), *hash),
                None,
                "each node once"
            );
        });
    }
    for index in [0, 511, 512, 999] {
        kept.reads.set(0);
        let proof = inclusion_proof(&kept, index, 1000).unwrap();
        assert_eq!(
            proof,
            inclusion_proof(leaves.as_slice(), index, 1000).unwrap()
        );
        assert!(kept.reads.get() < 64, "{} nodes read", kept.reads.get());
    }
}

proptest! {
    #[test]
    fn verification_never_panics_and_never_passes_noise(
        leaf: Hash32, index: u64, size: u64, old: u64, root: Hash32,
        proof in prop::collection::vec(any::<Hash32>(), 0..70),
    ) {
        prop_assert!(!verify_inclusion(&leaf, index, size, &proof, &root));
        if old != size {
            prop_assert!(!verify_consistency(old, size, &proof, &leaf, &root));
        }
    }

    #[test]
    fn a_changed_proof_fails(size in 2_u64..300, at: prop::sample::Index, which: prop::sample::Index, bit in 0_usize..256) {
        let leaves: Vec<Hash32> = (0..size).map(|n| [n as u8; 32]).collect();
        let index = at.index(leaves.len());
        let mut proof = inclusion_proof(leaves.as_slice(), index as u64, size).unwrap();
        let node = which.index(proof.len());
        proof[node][bit / 8] ^= 1 << (bit % 8);
        let root = naive_root(&leaves);
        prop_assert!(!verify_inclusion(&leaves[index], index as u64, size, &proof, &root));
    }
}
