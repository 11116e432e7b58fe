//! Histories of transactions that append to lists and read them, and what is wrong
//! with them.
//!
//! Every appended value is unique, so a list that is read tells in which order its
//! values were appended, and who of two transactions came first: that is a graph
//! ([`graph`]). Its cycles, and lists that no order explains ([`lists`]), are
//! anomalies in the sense of Adya's "Weak Consistency"; each isolation level forbids
//! some of them. The method is that of Elle (Kingsbury and Alvaro, VLDB 2020).

mod graph;
mod lists;
#[cfg(test)]
mod tests;
mod workload;

use std::fmt;

pub use workload::{Planned, Statement, plan};

/// An item of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A value is appended to the list of a key.
    Append {
        /// The list.
        key: u64,
        /// The value: nobody else appends the same one to this list.
        value: u64,
    },
    /// A list is read.
    Read {
        /// The list.
        key: u64,
        /// What it held.
        list: Vec<u64>,
    },
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is there.
    Committed,
    /// It never was.
    RolledBack,
    /// The connection ended before the answer to COMMIT came.
    Open,
}

/// A transaction as its client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// What it did, in order.
    pub ops: Vec<Op>,
    /// How it ended.
    pub outcome: Outcome,
}

/// An isolation level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// READ COMMITTED
    ReadCommitted,
    /// REPEATABLE READ, which is snapshot isolation
    RepeatableRead,
    /// SERIALIZABLE
    Serializable,
}

impl Level {
    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [
        Self::ReadCommitted,
        Self::RepeatableRead,
        Self::Serializable,
    ];

    /// As BEGIN names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }

    /// Whether a history of this level must not have an anomaly.
    pub fn forbids(self, kind: Kind) -> bool {
        match kind {
            Kind::Garbage
            | Kind::Twice
            | Kind::Lost
            | Kind::NoOrder
            | Kind::OwnWrites
            | Kind::G0
            | Kind::G1a
            | Kind::G1b
            | Kind::G1c => true,
            Kind::GSingle | Kind::GNonadjacent => self != Self::ReadCommitted,
            Kind::G2Item => self == Self::Serializable,
        }
    }
}

/// Kinds of anomalies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A value was read that nobody appended.
    Garbage,
    /// A value is in a list twice.
    Twice,
    /// A value that was committed is not in the list at the end.
    Lost,
    /// Two reads of a list contradict each other.
    NoOrder,
    /// A transaction does not see what it did itself.
    OwnWrites,
    /// Writes in a cycle.
    G0,
    /// A value was read that was rolled back.
    G1a,
    /// A list was read as it was in the middle of a transaction.
    G1b,
    /// Writes and reads of them in a cycle.
    G1c,
    /// A cycle with one read of an older version: read skew, a lost update.
    GSingle,
    /// A cycle with several, of which no two follow each other.
    GNonadjacent,
    /// Any other cycle: write skew.
    G2Item,
}

impl Kind {
    /// Its name in the literature, or what it is.
    pub fn name(self) -> &'static str {
        match self {
            Self::Garbage => "a value that nobody wrote",
            Self::Twice => "a value written twice",
            Self::Lost => "a lost append",
            Self::NoOrder => "reads without an order",
            Self::OwnWrites => "own writes not seen",
            Self::G0 => "G0",
            Self::G1a => "G1a",
            Self::G1b => "G1b",
            Self::G1c => "G1c",
            Self::GSingle => "G-single",
            Self::GNonadjacent => "G-nonadjacent",
            Self::G2Item => "G2-item",
        }
    }
}

/// Something that is wrong, or only allowed at a weak level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// What it is.
    pub kind: Kind,
    /// The transactions that show it, and how.
    pub story: String,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.story)
    }
}

/// Finds what is wrong with a history. Of each kind of cycle one is shown. The last
/// transaction has to read all lists after everything is done, so that their order is
/// known.
pub fn check(history: &[Transaction]) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let orders = lists::orders(history, &mut found);
    let graph = graph::Graph::of(history, &orders);
    graph.cycles(history, &mut found);
    found
}
