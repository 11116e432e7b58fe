//! Tables that are divided into partitions, and tables that inherit from others.
//!
//! A partitioned table holds no rows: its leaves do. A table with children that
//! inherit from it holds rows of its own beside theirs. Both are one thing to a
//! statement that names the table: a root and its members ([`Catalog::members`]).

use serde::{Deserialize, Serialize};

use super::descriptor::{TableDescriptor, type_code};
use super::snapshot::Catalog;
use crate::error::SqlError;
use crate::types::{Datum, PgType, SessionFormat, key, text_in};
use std::cmp::Ordering;
use std::sync::Arc;

/// What a table has to do with other tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// How it is divided, if it is a partitioned table.
    #[serde(default)]
    pub partition_by: Option<PartitionBy>,
    /// The tables it inherits from, in order; the only one of a partition.
    #[serde(default)]
    pub parents: Vec<u32>,
    /// Which rows it takes, if it is a partition.
    #[serde(default)]
    pub bound: Option<Bound>,
    /// The primary key of the parent that its own is a part of.
    #[serde(default)]
    pub key_parent: Option<u32>,
}

/// Where a column or a CHECK constraint comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heritage {
    /// How many parents have it.
    #[serde(default)]
    pub parents: u16,
    /// Whether the table itself does not define it.
    #[serde(default)]
    pub not_local: bool,
}

impl Heritage {
    /// What comes from one parent.
    pub fn inherited() -> Self {
        Self {
            parents: 1,
            not_local: true,
        }
    }
}

/// How a partitioned table is divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionBy {
    /// By what kind of bounds.
    pub strategy: Strategy,
    /// By which values.
    pub keys: Vec<PartitionKey>,
}

/// The kind of a table's partition bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Lists of values.
    List,
    /// Ranges.
    Range,
    /// Remainders of hash values.
    Hash,
}

impl Strategy {
    /// The word messages and definitions have for it, in small letters.
    pub fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Range => "range",
            Self::Hash => "hash",
        }
    }
}

/// A value by which a table is divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionKey {
    /// The column, by `attnum`; none for an expression.
    #[serde(default)]
    pub column: Option<u16>,
    /// The expression as SQL text, with bare column names.
    #[serde(default)]
    pub expression: Option<String>,
    /// The columns that it is made of, by `attnum`.
    pub columns: Vec<u16>,
    /// Its type.
    #[serde(with = "type_code")]
    pub ty: PgType,
}

/// Which rows a partition takes. Values are in PostgreSQL's text form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Those that no other takes.
    Default,
    /// Those with one of these values.
    List(Vec<Option<String>>),
    /// Those from the first bound on that come before the second.
    Range(Vec<Edge>, Vec<Edge>),
    /// Those whose hash value has this remainder.
    Hash {
        /// What it is divided by.
        modulus: u32,
        /// What remains.
        remainder: u32,
    },
}

/// One value of the bound of a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// Before every value.
    Least,
    /// A value.
    Value(String),
    /// After every value.
    Greatest,
}

/// An edge that can be compared: values as ordered bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKey {
    /// Before every value.
    Least,
    /// A value.
    Value(Vec<u8>),
    /// After every value.
    Greatest,
}

/// A bound that can be compared with others and with rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundKey {
    /// What no other takes.
    Default,
    /// Values, in order, and whether NULL is one of them.
    List(Vec<Vec<u8>>, bool),
    /// From the first on, before the second.
    Range(Vec<EdgeKey>, Vec<EdgeKey>),
    /// Modulus and remainder.
    Hash(u32, u32),
}

/// How many tables may be above each other.
const DEPTH_MAX: usize = 64;

/// A value as ordered bytes.
///
/// # Errors
/// 54000 when it is too long for a key.
pub fn value_key(value: &Datum) -> Result<Vec<u8>, SqlError> {
    let mut bytes = Vec::with_capacity(16);
    key::encode(value, &mut bytes)?;
    Ok(bytes)
}

fn text_key(text: &str, ty: PgType) -> Result<Vec<u8>, SqlError> {
    value_key(&text_in(ty, text, &SessionFormat::default())?)
}

impl Bound {
    /// The bound as it is compared, for keys of these types.
    ///
    /// # Errors
    /// XX001 when a stored value cannot be read.
    pub fn compared(&self, by: &PartitionBy) -> Result<BoundKey, SqlError> {
        let first = by.keys.first().map_or(PgType::Text, |key| key.ty);
        Ok(match self {
            Self::Default => BoundKey::Default,
            Self::Hash { modulus, remainder } => BoundKey::Hash(*modulus, *remainder),
            Self::List(values) => {
                let mut keys = values
                    .iter()
                    .flatten()
                    .map(|text| text_key(text, first))
                    .collect::<Result<Vec<_>, _>>()?;
                keys.sort();
                BoundKey::List(keys, values.contains(&None))
            }
            Self::Range(from, to) => BoundKey::Range(edges(from, by)?, edges(to, by)?),
        })
    }
}

/// After MINVALUE or MAXVALUE no further value matters.
fn edges(edges: &[Edge], by: &PartitionBy) -> Result<Vec<EdgeKey>, SqlError> {
    let mut keys = Vec::with_capacity(edges.len());
    for (edge, key) in edges.iter().zip(&by.keys) {
        let last = match edge {
            Edge::Least => EdgeKey::Least,
            Edge::Greatest => EdgeKey::Greatest,
            Edge::Value(text) => EdgeKey::Value(text_key(text, key.ty)?),
        };
        let ends = !matches!(last, EdgeKey::Value(_));
        keys.push(last);
        if ends {
            break;
        }
    }
    Ok(keys)
}

impl BoundKey {
    /// The order in which partitions are listed and read.
    pub fn order(&self, other: &Self) -> Ordering {
        let rank = |bound: &Self| match bound {
            Self::Default => 2,
            Self::List(values, _) if values.is_empty() => 1,
            _ => 0,
        };
        rank(self)
            .cmp(&rank(other))
            .then_with(|| match (self, other) {
                (Self::List(a, _), Self::List(b, _)) => a.first().cmp(&b.first()),
                (Self::Range(a, _), Self::Range(b, _)) => a.cmp(b),
                (Self::Hash(m, r), Self::Hash(n, s)) => (m, r).cmp(&(n, s)),
                _ => Ordering::Equal,
            })
    }
}

impl TableDescriptor {
    /// Whether it is divided into partitions, and holds no rows of its own.
    pub fn is_partitioned(&self) -> bool {
        self.family.partition_by.is_some()
    }

    /// Whether it is a partition of another table.
    pub fn is_partition(&self) -> bool {
        self.family.bound.is_some()
    }
}

impl Catalog {
    /// The tables that inherit from a table directly: partitions in the order of
    /// their bounds, others in the order of their identifiers.
    pub fn children(&self, parent: u32) -> Vec<&Arc<TableDescriptor>> {
        let mut children: Vec<&Arc<TableDescriptor>> = self.children_of(parent).collect();
        let by = self
            .table_by_oid(parent)
            .and_then(|table| table.family.partition_by.as_ref());
        if let Some(by) = by {
            children.sort_by_cached_key(|child| Listed(compared(child, by)));
        }
        children
    }

    /// Whether any table inherits from a table.
    pub fn has_children(&self, parent: u32) -> bool {
        self.children_of(parent).next().is_some()
    }

    /// A table and all that inherit from it, each once; a parent comes before its
    /// children.
    pub fn members(&self, root: u32) -> Vec<Arc<TableDescriptor>> {
        let mut found: Vec<Arc<TableDescriptor>> = Vec::new();
        if let Some(table) = self.table_by_oid(root) {
            if table.is_partitioned() {
                self.add_partitions(table, &mut found);
                return found;
            }
            found.push(Arc::clone(table));
        }
        let mut at = 0;
        while let Some(oid) = found.get(at).map(|t| t.oid) {
            at += 1;
            for child in self.children(oid) {
                if found.iter().all(|t| t.oid != child.oid) {
                    found.push(Arc::clone(child));
                }
            }
        }
        found
    }

    /// Partitions below each other are read in the order of their bounds.
    fn add_partitions(&self, table: &Arc<TableDescriptor>, found: &mut Vec<Arc<TableDescriptor>>) {
        found.push(Arc::clone(table));
        for child in self.children(table.oid) {
            self.add_partitions(child, found);
        }
    }

    /// The tables that a table inherits from, nearest first, each once.
    pub fn ancestors(&self, oid: u32) -> Vec<Arc<TableDescriptor>> {
        let mut found: Vec<Arc<TableDescriptor>> = Vec::new();
        let mut next = vec![oid];
        while let Some(oid) = next.pop() {
            for parent in self
                .table_by_oid(oid)
                .iter()
                .flat_map(|t| &t.family.parents)
            {
                if found.iter().any(|t| t.oid == *parent) {
                    continue;
                }
                if let Some(table) = self.table_by_oid(*parent) {
                    found.push(Arc::clone(table));
                    next.insert(0, *parent);
                }
            }
        }
        found
    }

    /// Whether a table below `parent`, with what is below itself, is deeper than
    /// families may be: what goes through them is not to run out of stack.
    pub fn is_too_deep(&self, parent: u32, child: Option<u32>) -> bool {
        let mut depth = self.ancestors(parent).len() + 1;
        let mut level: Vec<u32> = child.into_iter().collect();
        while !level.is_empty() && depth <= DEPTH_MAX {
            depth += 1;
            let mut below = Vec::new();
            for oid in level {
                for table in self.children_of(oid) {
                    if !below.contains(&table.oid) {
                        below.push(table.oid);
                    }
                }
            }
            level = below;
        }
        depth > DEPTH_MAX
    }

    /// The partitioned tables that a table is a part of, nearest first.
    pub fn partitioned_above(&self, oid: u32) -> Vec<Arc<TableDescriptor>> {
        let mut found: Vec<Arc<TableDescriptor>> = Vec::new();
        let mut oid = oid;
        while let Some(table) = self.table_by_oid(oid).filter(|t| t.is_partition()) {
            let Some(parent) = table
                .family
                .parents
                .first()
                .and_then(|p| self.table_by_oid(*p))
            else {
                break;
            };
            oid = parent.oid;
            found.push(Arc::clone(parent));
        }
        found
    }

    /// The default partition of a table.
    pub fn default_partition(&self, parent: u32) -> Option<&Arc<TableDescriptor>> {
        self.children_of(parent)
            .find(|child| child.family.bound == Some(Bound::Default))
    }
}

fn compared(child: &TableDescriptor, by: &PartitionBy) -> BoundKey {
    let bound = child.family.bound.as_ref();
    bound
        .and_then(|bound| bound.compared(by).ok())
        .unwrap_or(BoundKey::Default)
}

/// Bounds in the order in which partitions are listed.
#[derive(PartialEq, Eq)]
struct Listed(BoundKey);

impl Ord for Listed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.order(&other.0)
    }
}

impl PartialOrd for Listed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// For each attribute of `root`, the attribute of `member` that it is there.
pub fn attribute_map(root: &TableDescriptor, member: &TableDescriptor) -> Vec<Option<u16>> {
    root.columns
        .iter()
        .map(|column| {
            if column.dropped {
                return None;
            }
            if root.oid == member.oid {
                return Some(column.attnum);
            }
            member.column(&column.name).map(|c| c.attnum)
        })
        .collect()
}

/// Attribute numbers of `root` as those of `member`; nothing when one is missing.
pub fn mapped(map: &[Option<u16>], attnums: &[u16]) -> Option<Vec<u16>> {
    attnums
        .iter()
        .map(|attnum| map.get(usize::from(*attnum).checked_sub(1)?).copied()?)
        .collect()
}
