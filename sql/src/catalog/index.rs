//! What the catalog says about an index.

use serde::{Deserialize, Serialize};

/// The order that a key column of an index was declared with. Entries are kept
/// in ascending order whatever it says: it is what definitions show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyOrder {
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`, written or implied by `DESC`.
    pub nulls_first: bool,
}

/// A secondary index, or the index behind a UNIQUE constraint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IndexDescriptor {
    /// Object identifier.
    pub oid: u32,
    /// Index (and constraint) name.
    pub name: String,
    /// Stream of the index entries.
    pub stream: u64,
    /// Indexed columns, by `attnum`, in key order.
    pub columns: Vec<u16>,
    /// Whether two rows may not have equal keys.
    pub unique: bool,
    /// Whether the index belongs to a UNIQUE constraint of the same name.
    pub constraint: bool,
    /// Declared orders of the key columns; empty when all are the usual one.
    #[serde(default)]
    pub orders: Vec<KeyOrder>,
    /// Columns of `INCLUDE`, by `attnum`. Entries do not carry them.
    #[serde(default)]
    pub include: Vec<u16>,
    /// Whether two NULLs in the key are equal.
    #[serde(default)]
    pub nulls_not_distinct: bool,
    /// The index of the partitioned table that it is a part of.
    #[serde(default)]
    pub parent: Option<u32>,
}

impl IndexDescriptor {
    /// The declared order of the key column at `position`, from 0.
    pub fn order(&self, position: usize) -> KeyOrder {
        self.orders.get(position).copied().unwrap_or_default()
    }

    /// Whether the index has the column in its key or carries it.
    pub fn mentions(&self, attnum: u16) -> bool {
        self.columns.contains(&attnum) || self.include.contains(&attnum)
    }
}
