//! What the catalog says about an index.

use serde::{Deserialize, Serialize};

use super::descriptor::type_code;
use crate::types::PgType;

/// The order that a key column of an index was declared with. Entries are kept
/// in ascending order whatever it says: it is what definitions show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyOrder {
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`, written or implied by `DESC`.
    pub nulls_first: bool,
}

/// A part of an index that is computed from the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexExpression {
    /// The expression as SQL text, with bare column names.
    pub text: String,
    /// Columns that it names, by `attnum`.
    pub columns: Vec<u16>,
    /// Its type.
    #[serde(with = "type_code")]
    pub ty: PgType,
    /// The name that the index's column goes by.
    #[serde(default)]
    pub name: String,
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
    /// Indexed columns, by `attnum`, in key order; 0 stands for an expression.
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
    /// The expressions of the key, one for each 0 among the columns.
    #[serde(default)]
    pub expressions: Vec<IndexExpression>,
    /// `WHERE`: rows for which it does not hold have no entry.
    #[serde(default)]
    pub predicate: Option<IndexExpression>,
    /// `DEFERRABLE`: entries never exclude each other, and whether keys are unique
    /// is looked at when a statement or the transaction ends.
    #[serde(default)]
    pub deferrable: bool,
    /// `INITIALLY DEFERRED`.
    #[serde(default)]
    pub deferred: bool,
    /// Whether the constraint is a PRIMARY KEY that does not key the rows, because
    /// it is deferrable.
    #[serde(default)]
    pub primary: bool,
}

impl IndexDescriptor {
    /// The declared order of the key column at `position`, from 0.
    pub fn order(&self, position: usize) -> KeyOrder {
        self.orders.get(position).copied().unwrap_or_default()
    }

    /// Whether the index has the column in its key or carries it.
    pub fn mentions(&self, attnum: u16) -> bool {
        self.needs(attnum) || self.include.contains(&attnum)
    }

    /// Whether an entry may change when the column does.
    pub fn needs(&self, attnum: u16) -> bool {
        self.columns.contains(&attnum) || self.computed().any(|part| part.columns.contains(&attnum))
    }

    /// The parts that are computed: the expressions of the key, then the condition.
    pub fn computed(&self) -> impl Iterator<Item = &IndexExpression> {
        self.expressions.iter().chain(&self.predicate)
    }

    /// The parts that are computed, to be changed.
    pub fn computed_mut(&mut self) -> impl Iterator<Item = &mut IndexExpression> {
        self.expressions.iter_mut().chain(&mut self.predicate)
    }

    /// Whether at every moment no two rows have the same key, NULLs apart.
    pub fn is_exclusive(&self) -> bool {
        self.unique && !self.deferrable
    }

    /// Whether the key is nothing but columns, and every row has an entry.
    pub fn is_plain(&self) -> bool {
        self.expressions.is_empty() && self.predicate.is_none()
    }
}
