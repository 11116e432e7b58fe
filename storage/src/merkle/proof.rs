//! Proofs that a leaf is in a tree and that a tree extends another.

use super::{empty_root, node_hash};
use crate::error::{Result, StorageError};
use crate::ids::Hash32;

/// Where the nodes of a tree are kept.
pub trait TreeNodes {
    /// The root of the complete subtree over the leaves from `index << level`,
    /// `1 << level` of them; level 0 is the leaves themselves. `None` when it is
    /// not kept: it is then computed from the level below, so only leaves are
    /// indispensable.
    ///
    /// # Errors
    /// When it cannot be read.
    fn node(&self, level: u32, index: u64) -> Result<Option<Hash32>>;
}

impl TreeNodes for [Hash32] {
    fn node(&self, level: u32, index: u64) -> Result<Option<Hash32>> {
        let leaf = usize::try_from(index)
            .ok()
            .and_then(|index| self.get(index));
        Ok(leaf.filter(|_| level == 0).copied())
    }
}

/// The largest power of two below `size`, which is at least 2.
const fn split_point(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The root of a complete subtree.
fn complete<N: TreeNodes + ?Sized>(nodes: &N, level: u32, index: u64) -> Result<Hash32> {
    if let Some(kept) = nodes.node(level, index)? {
        return Ok(kept);
    }
    let Some(below) = level.checked_sub(1) else {
        return Err(StorageError::Projection(format!(
            "leaf {index} of a tree is missing"
        )));
    };
    let left = complete(nodes, below, index << 1)?;
    let right = complete(nodes, below, index << 1 | 1)?;
    Ok(node_hash(&left, &right))
}

/// The root over `size` leaves from `start`, which is a multiple of the smallest
/// power of two that is not below `size`. MTH of the RFC.
fn range_root<N: TreeNodes + ?Sized>(nodes: &N, start: u64, size: u64) -> Result<Hash32> {
    if size == 0 {
        return Ok(empty_root());
    }
    if size.is_power_of_two() {
        let level = size.trailing_zeros();
        return complete(nodes, level, start >> level);
    }
    let split = split_point(size);
    let left = range_root(nodes, start, split)?;
    let right = range_root(nodes, start + split, size - split)?;
    Ok(node_hash(&left, &right))
}

/// The audit path of leaf `index` in the tree over the first `size` leaves, from
/// the leaf up. PATH of RFC 6962, section 2.1.1.
///
/// # Errors
/// [`StorageError::TooLarge`] when there is no such leaf, or when a node cannot be
/// read.
pub fn inclusion_proof<N: TreeNodes + ?Sized>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Vec<Hash32>> {
    if index >= size {
        let (len, max) = (index, size.saturating_sub(1));
        return Err(StorageError::TooLarge {
            what: "position of a leaf",
            len,
            max,
        });
    }
    // From the root down; the other side of each split is on the path.
    let mut path = Vec::new();
    let (mut start, mut size) = (0, size);
    while size > 1 {
        let split = split_point(size);
        if index - start < split {
            path.push(range_root(nodes, start + split, size - split)?);
            size = split;
        } else {
            path.push(range_root(nodes, start, split)?);
            start += split;
            size -= split;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree over the first `new_size` leaves begins with the tree
/// over the first `old_size`. PROOF of RFC 6962, section 2.1.2; empty when
/// `old_size` is 0 or equal to `new_size`.
///
/// # Errors
/// [`StorageError::TooLarge`] when `old_size` is the larger, or when a node cannot
/// be read.
pub fn consistency_proof<N: TreeNodes + ?Sized>(
    nodes: &N,
    old_size: u64,
    new_size: u64,
) -> Result<Vec<Hash32>> {
    if old_size > new_size {
        let (len, max) = (old_size, new_size);
        return Err(StorageError::TooLarge {
            what: "size of the older tree",
            len,
            max,
        });
    }
    let mut proof = Vec::new();
    if old_size == 0 || old_size == new_size {
        return Ok(proof);
    }
    // `known` says whether the verifier has the old tree's root as it is.
    let (mut start, mut size, mut old, mut known) = (0, new_size, old_size, true);
    while old != size {
        let split = split_point(size);
        if old <= split {
            proof.push(range_root(nodes, start + split, size - split)?);
            size = split;
        } else {
            proof.push(range_root(nodes, start, split)?);
            start += split;
            size -= split;
            old -= split;
            known = false;
        }
    }
    if !known {
        proof.push(range_root(nodes, start, size)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the tree of `size` leaves with this `root` has `leaf` at `index`.
/// The algorithm of RFC 9162, section 2.1.3.2.
#[must_use]
pub fn verify_inclusion(
    leaf: &Hash32,
    index: u64,
    size: u64,
    proof: &[Hash32],
    root: &Hash32,
) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // A node without a right sibling moves up unhashed.
            let skip = if node & 1 == 1 {
                0
            } else {
                node.trailing_zeros()
            };
            node = node.checked_shr(skip).unwrap_or(0);
            last = last.checked_shr(skip).unwrap_or(0);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Checks that the tree of `new_size` leaves with `new_root` begins with the tree
/// of `old_size` leaves with `old_root`. The algorithm of RFC 9162, section
/// 2.1.4.2; every tree begins with the empty one.
#[must_use]
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    proof: &[Hash32],
    old_root: &Hash32,
    new_root: &Hash32,
) -> bool {
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    if old_size > new_size {
        return false;
    }
    if old_size == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    // A complete old tree is itself the first node of the path.
    let mut path = proof.iter();
    let first = if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        path.next()
    };
    let Some(first) = first else { return false };
    let skip = (old_size - 1).trailing_ones();
    let mut node = (old_size - 1).checked_shr(skip).unwrap_or(0);
    let mut last = (new_size - 1).checked_shr(skip).unwrap_or(0);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            let skip = if node & 1 == 1 {
                0
            } else {
                node.trailing_zeros()
            };
            node = node.checked_shr(skip).unwrap_or(0);
            last = last.checked_shr(skip).unwrap_or(0);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// What the tests of this folder share.
#[cfg(test)]
pub(super) mod testing {
    #![allow(clippy::unwrap_used)]

    use sha2::{Digest, Sha256};

    use super::super::{empty_root, node_hash};
    use crate::ids::Hash32;

    /// The leaf hashes of the eight inputs that Certificate Transparency
    /// implementations share.
    pub(in crate::merkle) fn rfc_leaves() -> Vec<Hash32> {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        inputs
            .map(|input| Sha256::digest([&[0], input].concat()).into())
            .to_vec()
    }

    /// The definition of section 2.1, word by word.
    pub(in crate::merkle) fn naive_root(leaves: &[Hash32]) -> Hash32 {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let mut split = 1;
                while split * 2 < leaves.len() {
                    split *= 2;
                }
                let (left, right) = leaves.split_at(split);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
}
