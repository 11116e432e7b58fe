//! Merkle trees of RFC 6962, section 2.1, over the leaves of a tenant's events.
//!
//! A tenant's tree has the leaf of its event `tenant_seq` at that position, so a
//! tenant can check that an event is in its history ([`inclusion_proof`]) and that
//! the history it sees only grew ([`consistency_proof`]), without seeing anyone
//! else's events.
//!
//! - Leaves come in hashed: `SHA-256(0x00 ‖ event header)`, as
//!   [`event`](crate::event) says; the RFC's leaf input is the event header.
//! - An interior node is `SHA-256(0x01 ‖ left ‖ right)`.
//! - The root of the empty tree is `SHA-256()`.
//!
//! A block's hash begins with `0x01` too, over 120 bytes; an interior node's input
//! is always 64 bytes after the `0x01`. Inputs of different lengths are different
//! inputs, so a block hash can pass for an interior node, or the other way
//! around, only if SHA-256 collides; and no verifier reads one where it expects
//! the other.

mod proof;

use sha2::{Digest, Sha256};

pub use proof::{
    TreeNodes, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion,
};

use crate::error::FormatError;
use crate::fields::Fields;
use crate::ids::Hash32;

/// The hash of an interior node.
#[must_use]
pub fn node_hash(left: &Hash32, right: &Hash32) -> Hash32 {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of the tree without leaves.
#[must_use]
pub fn empty_root() -> Hash32 {
    Sha256::digest([]).into()
}

/// All that is needed to append to a tree and know its root: the roots of its
/// complete subtrees, one for each bit that is set in its size; at most 64.
///
/// # Bytes
///
/// | offset | size | field |
/// |---:|---:|---|
/// | 0 | 8 | size: number of leaves, little-endian |
/// | 8 | 32 × set bits of size | roots of the complete subtrees, largest first |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash32>,
}

impl Frontier {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            size: 0,
            peaks: Vec::new(),
        }
    }

    /// How many leaves there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn append(&mut self, leaf: Hash32) {
        self.append_with(leaf, |_, _, _| {});
    }

    /// Appends a leaf and tells `store` every node that this completes: level (0
    /// for the leaf itself), index within the level, hash. Storing them makes
    /// proofs cheap ([`TreeNodes`]).
    pub fn append_with(&mut self, leaf: Hash32, mut store: impl FnMut(u32, u64, &Hash32)) {
        store(0, self.size, &leaf);
        let mut node = leaf;
        let mut index = self.size;
        // Every set bit at the low end of the size is a complete subtree that the
        // new one completes to one of twice the size.
        for level in 1..=self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            node = node_hash(&left, &node);
            index >>= 1;
            store(level, index, &node);
        }
        self.peaks.push(node);
        self.size = self.size.wrapping_add(1);
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else {
            return empty_root();
        };
        peaks.fold(*smallest, |right, left| node_hash(left, &right))
    }

    /// Writes the bytes described [above](Self).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + 32 * self.peaks.len());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend(self.peaks.iter().flatten());
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`FormatError`] when the length does not fit the size. The content is not
    /// checked: it needs a root to be checked against.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new("tree frontier", bytes);
        let size = fields.u64()?;
        let peaks = (0..size.count_ones())
            .map(|_| fields.array())
            .collect::<Result<_, _>>()?;
        if !fields.rest().is_empty() {
            let value = bytes.len() as u64;
            return Err(FormatError::Field {
                what: "length of a tree frontier",
                value,
            });
        }
        Ok(Self { size, peaks })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use proptest::prelude::*;

    use super::proof::testing::{naive_root, rfc_leaves};
    use super::*;
    use crate::ids::Hex;

    #[test]
    fn roots_of_the_reference_leaves() {
        // The eight inputs that Certificate Transparency implementations share
        // and the roots of their first n, for n from 0.
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::new();
        let mut leaves = rfc_leaves().into_iter();
        for root in roots {
            assert_eq!(
                Hex(&frontier.root()).to_string(),
                root,
                "size {}",
                frontier.size()
            );
            if let Some(leaf) = leaves.next() {
                frontier.append(leaf);
            }
        }
    }

    #[test]
    fn a_frontier_of_the_wrong_length_is_refused() {
        let mut frontier = Frontier::new();
        rfc_leaves()
            .into_iter()
            .take(7)
            .for_each(|leaf| frontier.append(leaf));
        let bytes = frontier.to_bytes();
        assert_eq!(bytes.len(), 8 + 3 * 32);
        assert!(Frontier::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(Frontier::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        assert!(Frontier::from_bytes(&bytes[..7]).is_err());
        assert!(Frontier::from_bytes(&[0xFF; 8]).is_err());
    }

    proptest! {
        #[test]
        fn frontier_agrees_with_the_definition(leaves in prop::collection::vec(any::<[u8; 32]>(), 0..200)) {
            let mut frontier = Frontier::new();
            leaves.iter().for_each(|leaf| frontier.append(*leaf));
            prop_assert_eq!(frontier.root(), naive_root(&leaves));
            prop_assert_eq!(Frontier::from_bytes(&frontier.to_bytes()), Ok(frontier));
        }
    }
}
