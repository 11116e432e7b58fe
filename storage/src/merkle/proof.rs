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
mod tests;
