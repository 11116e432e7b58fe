//! What must hold.

use std::collections::{BTreeMap, BTreeSet};

use kimberlite_storage::Hash32;

use crate::replica::Written;

/// A rule that does not hold, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A finished write of a register.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    key: u64,
    value: u64,
    index: u64,
}

/// What everybody has to agree about.
#[derive(Debug, Default)]
pub struct Checker {
    /// The hash of each committed block, as the first replica that applied it had it.
    chosen: Vec<Hash32>,
    /// What each committed block writes.
    writes: Vec<Vec<(u64, u64)>>,
    /// The newest value of each key.
    newest: BTreeMap<u64, u64>,
    acknowledged: Vec<Acknowledged>,
    refused: Vec<u64>,
    leaders: BTreeMap<u64, u64>,
    /// For each key, the position of the newest finished operation.
    finished: BTreeMap<u64, u64>,
}

impl Checker {
    /// A replica applies a block: all replicas apply the same ones.
    ///
    /// # Errors
    /// When another block was applied at this index.
    pub fn applied(
        &mut self,
        replica: u64,
        index: u64,
        hash: Hash32,
        writes: &[Written],
    ) -> Result<(), Violation> {
        let place = index as usize - 1;
        match self.chosen.get(place) {
            Some(chosen) if *chosen == hash => Ok(()),
            Some(_) => Err(Violation(format!(
                "replica {replica} applied another block {index} than others"
            ))),
            None if place == self.chosen.len() => {
                self.chosen.push(hash);
                let pairs = writes.iter().map(|write| (write.key, write.value));
                self.writes.push(pairs.collect());
                writes.iter().try_for_each(|write| self.follows(write))
            }
            None => Err(Violation(format!(
                "replica {replica} applied block {index} before its predecessors were committed"
            ))),
        }
    }

    /// A write that is made of the value before it follows that value: nothing that was
    /// committed between is lost.
    fn follows(&mut self, write: &Written) -> Result<(), Violation> {
        let before = self.newest.insert(write.key, write.value).unwrap_or(0);
        match write.seen {
            Some(seen) if seen != before => Err(Violation(format!(
                "register {} was {before} and became {}, which was made of {seen}",
                write.key, write.value
            ))),
            _ => Ok(()),
        }
    }

    /// A replica believes that another one, or itself, leads in a term: there is one
    /// leader in a term.
    ///
    /// # Errors
    /// When somebody believes otherwise.
    pub fn leads(&mut self, term: u64, leader: u64) -> Result<(), Violation> {
        if leader == 0 {
            return Ok(());
        }
        let known = *self.leaders.entry(term).or_insert(leader);
        if known == leader {
            return Ok(());
        }
        Err(Violation(format!(
            "in term {term} both replica {known} and replica {leader} lead"
        )))
    }

    /// How many blocks are committed.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.chosen.len() as u64
    }

    /// How many writes were acknowledged.
    #[must_use]
    pub fn acknowledgements(&self) -> usize {
        self.acknowledged.len()
    }

    /// Where the newest finished operation on a key took place: one that begins now has
    /// to come after.
    #[must_use]
    pub fn position(&self, key: u64) -> u64 {
        self.finished.get(&key).copied().unwrap_or(0)
    }

    /// A write is told to be committed at `index`; when it began, `began` was the
    /// [`Self::position`].
    ///
    /// # Errors
    /// When it is not there, or before an operation that had finished when it began.
    pub fn acknowledge(
        &mut self,
        key: u64,
        value: u64,
        index: u64,
        began: u64,
    ) -> Result<(), Violation> {
        let there = self
            .writes
            .get(index as usize - 1)
            .is_some_and(|writes| writes.contains(&(key, value)));
        if !there {
            return Err(Violation(format!(
                "the write of {value} was acknowledged in block {index}, which has it not"
            )));
        }
        if index < began {
            return Err(Violation(format!(
                "the write of {value} went into block {index}, after one in block {began} had finished"
            )));
        }
        self.acknowledged.push(Acknowledged { key, value, index });
        self.finish(key, index);
        Ok(())
    }

    /// A read found `value` in a projection of `index` blocks; when it began, `began` was
    /// the [`Self::position`].
    ///
    /// # Errors
    /// When it did not see an operation that had finished when it began.
    pub fn read(
        &mut self,
        key: u64,
        value: Option<u64>,
        index: u64,
        began: u64,
    ) -> Result<(), Violation> {
        let blocks = self.writes.get(..index as usize).unwrap_or_default();
        let mut writes = blocks.iter().flatten().filter(|(k, _)| *k == key);
        let newest = writes.next_back().map(|(_, value)| *value);
        if newest != value {
            return Err(Violation(format!(
                "register {key} was read as {value:?} after {index} blocks, which say {newest:?}"
            )));
        }
        if index < began {
            return Err(Violation(format!(
                "a read of register {key} saw {index} blocks; an operation in block {began} had finished"
            )));
        }
        self.finish(key, index);
        Ok(())
    }

    fn finish(&mut self, key: u64, index: u64) {
        let newest = self.finished.entry(key).or_default();
        *newest = (*newest).max(index);
    }

    /// A write was told to be certainly not committed.
    pub fn refused(&mut self, value: u64) {
        self.refused.push(value);
    }

    /// Everything that was acknowledged is in the log, and nothing that was refused.
    ///
    /// # Errors
    /// For the first write that is not.
    pub fn nothing_lost(&self) -> Result<(), Violation> {
        for write in &self.acknowledged {
            let there = self
                .writes
                .get(write.index as usize - 1)
                .is_some_and(|writes| writes.contains(&(write.key, write.value)));
            if !there {
                return Err(Violation(format!(
                    "the acknowledged write of {} in block {} is gone",
                    write.value, write.index
                )));
            }
        }
        let written = self.writes.iter().flatten().map(|(_, value)| *value);
        let written: BTreeSet<u64> = written.collect();
        match self.refused.iter().find(|value| written.contains(value)) {
            Some(value) => Err(Violation(format!(
                "the write of {value} was refused, and is there"
            ))),
            None => Ok(()),
        }
    }
}
