//! Who read what whom wrote later: serializable snapshot isolation.
//!
//! The rules are those of Cahill and of Ports and Grittner ("Serializable Snapshot
//! Isolation in PostgreSQL", VLDB 2012). A history of snapshots that is not
//! serializable has a transaction with a read-write conflict in and one out, where
//! the last of the three commits first. Such a structure costs one of the
//! transactions its life; some die for nothing, none that must die lives.

use std::collections::{BTreeMap, BTreeSet};

use super::super::layer::{Layer, StreamKey};
use super::super::lock::TransactionId;
use super::coverage::{Coverage, Span};
use crate::error::{SqlError, state};

/// Transactions that are remembered at most.
const MOST: usize = 8_192;

/// Number of a serializable transaction.
pub(super) type Number = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Active,
    /// It will commit, unless the log fails.
    Prepared {
        prepared: u64,
    },
    Committed {
        prepared: u64,
        committed: u64,
        /// The block it is in.
        index: u64,
    },
}

#[derive(Debug)]
struct Member {
    owner: TransactionId,
    /// Last block that its snapshot shows.
    snapshot: u64,
    read_only: bool,
    phase: Phase,
    doomed: bool,
    /// No anomaly can involve it any more: nothing of it is tracked.
    safe: bool,
    /// A writer that it overlaps with made its snapshot unsafe.
    spoiled: bool,
    /// Writers that may still make its snapshot unsafe.
    awaits: BTreeSet<Number>,
    reads: Coverage,
    writes: Coverage,
    /// Transactions that wrote what this one had read in an older version.
    out: BTreeSet<Number>,
    /// Transactions that read what this one wrote in an older version.
    into: BTreeSet<Number>,
    /// When the first of `out` that had committed before this one did.
    earliest_out: Option<(u64, u64)>,
}

impl Member {
    fn prepared(&self) -> Option<u64> {
        match self.phase {
            Phase::Active => None,
            Phase::Prepared { prepared } | Phase::Committed { prepared, .. } => Some(prepared),
        }
    }

    fn committed(&self) -> Option<u64> {
        match self.phase {
            Phase::Committed { committed, .. } => Some(committed),
            _ => None,
        }
    }

    fn visible_at(&self, snapshot: u64) -> bool {
        matches!(self.phase, Phase::Committed { index, .. } if index <= snapshot)
    }
}

/// What one tenant's serializable transactions did to each other.
#[derive(Debug, Default)]
pub(super) struct Graph {
    last: u64,
    sequence: u64,
    members: BTreeMap<Number, Member>,
}

/// The error for a transaction that has to give way.
fn failure(reason: &str) -> SqlError {
    SqlError::new(
        state::T_R_SERIALIZATION_FAILURE,
        "could not serialize access due to read/write dependencies among transactions",
    )
    .detail(format!("Reason code: Canceled on {reason}."))
    .hint("The transaction might succeed if retried.")
}

impl Graph {
    /// Enters a transaction whose snapshot shows blocks up to `snapshot`.
    pub(super) fn enter(&mut self, owner: TransactionId, snapshot: u64, read_only: bool) -> Number {
        self.last += 1;
        let awaits: BTreeSet<Number> = if read_only {
            self.members
                .iter()
                .filter(|(_, m)| m.committed().is_none() && !m.read_only)
                .map(|(number, _)| *number)
                .collect()
        } else {
            BTreeSet::new()
        };
        let member = Member {
            owner,
            snapshot,
            read_only,
            phase: Phase::Active,
            doomed: false,
            safe: read_only && awaits.is_empty(),
            spoiled: false,
            awaits,
            reads: Coverage::default(),
            writes: Coverage::default(),
            out: BTreeSet::new(),
            into: BTreeSet::new(),
            earliest_out: None,
        };
        self.members.insert(self.last, member);
        if self.members.len() > MOST {
            self.doom_oldest();
        }
        self.last
    }

    /// The oldest active transaction keeps the memory of all that came after it.
    fn doom_oldest(&mut self) {
        let oldest = self
            .members
            .iter()
            .filter(|(_, m)| m.phase == Phase::Active && !m.doomed && !m.safe)
            .min_by_key(|(_, m)| m.snapshot)
            .map(|(number, _)| *number);
        if let Some(number) = oldest {
            if let Some(member) = self.members.get_mut(&number) {
                member.doomed = true;
                member.reads.clear();
                member.writes.clear();
            }
            self.forget_edges(number);
            self.tidy();
        }
    }

    fn check_doomed(&self, me: Number, when: &str) -> Result<(), SqlError> {
        if self.members.get(&me).is_some_and(|m| m.doomed) {
            return Err(failure(&format!(
                "identification as a pivot, during {when}"
            )));
        }
        Ok(())
    }

    /// Notes that `me` reads a key or a range.
    pub(super) fn read(
        &mut self,
        me: Number,
        stream: StreamKey,
        what: Read<'_>,
    ) -> Result<(), SqlError> {
        self.check_doomed(me, "conflict out checking")?;
        let Some(member) = self.members.get_mut(&me) else {
            return Ok(());
        };
        if member.safe {
            return Ok(());
        }
        let new = match what {
            Read::Point(key) => member.reads.add_point(stream, key),
            Read::Range(span) => member.reads.add_range(stream, span),
        };
        let (snapshot, read_only) = (member.snapshot, member.read_only);
        // Known reads have been compared with what is there, and writes compare
        // themselves with what was read.
        if !new {
            return Ok(());
        }
        let writers: Vec<Number> = self
            .members
            .iter()
            .filter(|(number, m)| {
                **number != me
                    && !m.read_only
                    && !m.visible_at(snapshot)
                    && match what {
                        Read::Point(key) => m.writes.has(stream, key),
                        Read::Range(span) => m.writes.touches(stream, span),
                    }
                    // One that only reads runs before this writer.
                    && !(read_only
                        && m.committed().is_some()
                        && m.earliest_out.is_none_or(|(_, index)| index > snapshot))
            })
            .map(|(number, _)| *number)
            .collect();
        for writer in writers {
            self.flag(me, writer, me)?;
        }
        Ok(())
    }

    /// Notes what a statement of `me` wrote.
    pub(super) fn write(&mut self, me: Number, layer: &Layer) -> Result<(), SqlError> {
        self.check_doomed(me, "conflict in checking")?;
        let Some(member) = self.members.get_mut(&me) else {
            return Ok(());
        };
        let snapshot = member.snapshot;
        for (stream, changes) in layer.streams() {
            for key in changes.keys() {
                member.writes.add_point(*stream, key);
            }
        }
        self.flag_readers(me, snapshot, |reads| {
            let mut streams = layer.streams();
            streams.any(|(stream, changes)| changes.keys().any(|key| reads.has(*stream, key)))
        })
    }

    /// Looks at a write of `me` that will not happen, because the key is taken: what
    /// it would be in conflict with is the reason rather than the key.
    pub(super) fn would_write(
        &mut self,
        me: Number,
        stream: StreamKey,
        key: &[u8],
    ) -> Result<(), SqlError> {
        self.check_doomed(me, "conflict in checking")?;
        let Some(member) = self.members.get(&me) else {
            return Ok(());
        };
        let snapshot = member.snapshot;
        self.flag_readers(me, snapshot, |reads| reads.has(stream, key))
    }

    /// Notes that `me` empties or drops what is kept in streams.
    pub(super) fn write_all(&mut self, me: Number, streams: &[StreamKey]) -> Result<(), SqlError> {
        self.check_doomed(me, "conflict in checking")?;
        let Some(member) = self.members.get_mut(&me) else {
            return Ok(());
        };
        let snapshot = member.snapshot;
        streams
            .iter()
            .for_each(|stream| member.writes.add_all(*stream));
        self.flag_readers(me, snapshot, |reads| {
            streams.iter().any(|stream| reads.has_any(*stream))
        })
    }

    /// Flags those whose reads `me`, whose snapshot is `snapshot`, has written over.
    fn flag_readers(
        &mut self,
        me: Number,
        snapshot: u64,
        meets: impl Fn(&Coverage) -> bool,
    ) -> Result<(), SqlError> {
        let readers: Vec<Number> = self
            .members
            .iter()
            .filter(|(number, m)| {
                **number != me && !m.doomed && !m.safe && !m.visible_at(snapshot) && meets(&m.reads)
            })
            .map(|(number, _)| *number)
            .collect();
        for reader in readers {
            self.flag(reader, me, me)?;
        }
        Ok(())
    }

    /// Notes that `reader` read what `writer` wrote, in an older version. `me` is
    /// the one of them that found out.
    fn flag(&mut self, reader: Number, writer: Number, me: Number) -> Result<(), SqlError> {
        let known = self
            .members
            .get(&reader)
            .is_none_or(|r| r.out.contains(&writer));
        if known {
            return Ok(());
        }
        if self.is_dangerous(reader, writer) {
            if me == writer {
                return Err(failure("identification as a pivot, during write"));
            }
            if self
                .members
                .get(&writer)
                .is_some_and(|w| w.prepared().is_some())
            {
                return Err(failure("conflict out to pivot, during read"));
            }
            if let Some(writer) = self.members.get_mut(&writer) {
                writer.doomed = true;
            }
        }
        if let Some(member) = self.members.get_mut(&reader) {
            member.out.insert(writer);
        }
        if let Some(member) = self.members.get_mut(&writer) {
            member.into.insert(reader);
        }
        Ok(())
    }

    /// Whether a conflict from `reader` to `writer` completes a structure whose
    /// last transaction commits first.
    fn is_dangerous(&self, reader: Number, writer: Number) -> bool {
        let (Some(r), Some(w)) = (self.members.get(&reader), self.members.get(&writer)) else {
            return false;
        };
        // The writer has committed, after one that it conflicts out to.
        if w.committed().is_some() && w.earliest_out.is_some() {
            return true;
        }
        let before = |at: u64, other: &Member| other.committed().is_none_or(|c| at <= c);
        // The writer is a pivot whose out side committed first.
        let pivot = w.out.iter().filter_map(|n| self.members.get(n)).any(|t2| {
            t2.prepared()
                .is_some_and(|at| before(at, r) && before(at, w))
                && (!r.read_only || t2.visible_at(r.snapshot))
        });
        if pivot {
            return true;
        }
        // The reader is a pivot, and the writer committed first.
        let Some(prepared) = w.prepared().filter(|_| !r.read_only) else {
            return false;
        };
        r.into.iter().filter_map(|n| self.members.get(n)).any(|t0| {
            !t0.doomed
                && t0.committed().is_none_or(|at| at >= prepared)
                && (!t0.read_only || w.visible_at(t0.snapshot))
        })
    }

    /// Decides that `me` may commit.
    pub(super) fn prepare(&mut self, me: Number) -> Result<(), SqlError> {
        self.check_doomed(me, "commit attempt")?;
        let nears: Vec<Number> = match self.members.get(&me) {
            Some(member) => member.into.iter().copied().collect(),
            None => return Ok(()),
        };
        for near in nears {
            let Some(pivot) = self.members.get(&near) else {
                continue;
            };
            if pivot.committed().is_some() || pivot.doomed {
                continue;
            }
            let closes = pivot.into.iter().any(|far| {
                *far == me
                    || self
                        .members
                        .get(far)
                        .is_some_and(|f| f.committed().is_none() && !f.read_only && !f.doomed)
            });
            if !closes {
                continue;
            }
            if pivot.prepared().is_some() {
                return Err(failure(
                    "commit attempt with conflict in from prepared pivot",
                ));
            }
            if let Some(pivot) = self.members.get_mut(&near) {
                pivot.doomed = true;
            }
        }
        self.sequence += 1;
        let prepared = self.sequence;
        if let Some(member) = self.members.get_mut(&me) {
            member.phase = Phase::Prepared { prepared };
        }
        Ok(())
    }

    /// Notes that `me` has committed, in block `index`.
    pub(super) fn committed(&mut self, me: Number, index: u64) {
        self.sequence += 1;
        let committed = self.sequence;
        let Some(member) = self.members.get(&me) else {
            return;
        };
        let earliest = member
            .out
            .iter()
            .filter_map(|n| match self.members.get(n)?.phase {
                Phase::Committed {
                    prepared, index, ..
                } => Some((prepared, index)),
                _ => None,
            })
            .min();
        let prepared = member.prepared().unwrap_or(committed);
        if let Some(member) = self.members.get_mut(&me) {
            if !member.read_only {
                member.earliest_out = earliest;
            }
            member.phase = Phase::Committed {
                prepared,
                committed,
                index,
            };
        }
        self.settle_readers(me, earliest.map(|(_, index)| index));
        self.tidy();
    }

    /// Tells those that only read that a writer they overlap with is done;
    /// `out` is the block of the first that it conflicts out to.
    fn settle_readers(&mut self, done: Number, out: Option<u64>) {
        for member in self.members.values_mut() {
            if !member.awaits.remove(&done) {
                continue;
            }
            if out.is_some_and(|index| index <= member.snapshot) {
                member.spoiled = true;
            }
            if member.awaits.is_empty() && !member.spoiled {
                member.safe = true;
                member.reads.clear();
            }
        }
    }

    /// Forgets a transaction that was rolled back.
    pub(super) fn rolled_back(&mut self, me: Number) {
        self.members.remove(&me);
        self.forget_edges(me);
        self.settle_readers(me, None);
        self.tidy();
    }

    fn forget_edges(&mut self, gone: Number) {
        for member in self.members.values_mut() {
            member.out.remove(&gone);
            member.into.remove(&gone);
        }
    }

    /// Forgets what nobody overlaps with any more.
    fn tidy(&mut self) {
        let oldest = self
            .members
            .values()
            .filter(|m| m.committed().is_none() && !m.safe && !m.doomed)
            .map(|m| m.snapshot)
            .min();
        let gone: Vec<Number> = self
            .members
            .iter()
            .filter(|(_, m)| oldest.is_none_or(|oldest| m.visible_at(oldest)))
            .filter(|(_, m)| m.committed().is_some())
            .map(|(number, _)| *number)
            .collect();
        for number in gone {
            self.members.remove(&number);
            self.forget_edges(number);
        }
    }

    /// Whether the snapshot of one that only reads is known to be safe, or not to
    /// be; `None` while that is open.
    pub(super) fn is_safe(&self, me: Number) -> Option<bool> {
        let member = self.members.get(&me)?;
        if member.spoiled {
            return Some(false);
        }
        member.safe.then_some(true)
    }

    /// The owners of writers that an owner waits for to have a safe snapshot.
    pub(super) fn awaited(&self, owner: TransactionId) -> Vec<TransactionId> {
        let Some(member) = self.members.values().find(|m| m.owner == owner) else {
            return Vec::new();
        };
        let awaited = member.awaits.iter().filter_map(|n| self.members.get(n));
        awaited.map(|m| m.owner).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }
}

/// What is read.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Read<'a> {
    /// One key.
    Point(&'a [u8]),
    /// All keys between two.
    Range(Span<'a>),
}
