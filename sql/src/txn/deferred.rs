//! Constraint checks that a transaction has put off.

use std::collections::BTreeMap;

use crate::error::{SqlError, state};
use crate::types::Datum;

/// Bytes of checks that may wait at a time.
const MAX_PENDING_BYTES: usize = 256 << 20;

/// Something that a foreign key or a deferrable constraint has to look at, when the statement that caused it
/// is done or later.
#[derive(Debug, Clone)]
pub(crate) enum KeyEvent {
    /// A row may refer to a key that is not there.
    Refers {
        /// The referencing table.
        table: u32,
        /// The foreign key.
        key: u32,
        /// The row's key in its table.
        row: Box<[u8]>,
    },
    /// A row may have the same key as another one in a deferrable unique index.
    Unique {
        /// The table.
        table: u32,
        /// The index.
        index: u32,
        /// The row's key in its table.
        row: Box<[u8]>,
    },
    /// A key that rows may refer to is not there any more.
    Gone {
        /// The referencing table.
        table: u32,
        /// The foreign key.
        key: u32,
        /// The referenced table.
        referenced: u32,
        /// What happens to referencing rows.
        action: crate::catalog::KeyAction,
        /// The key that was, in the order of the foreign key's columns.
        old: Box<[Datum]>,
        /// The key that the row has now; none when it was deleted.
        new: Option<Box<[Datum]>>,
    },
}

impl KeyEvent {
    /// The constraint.
    pub(crate) fn key(&self) -> u32 {
        match self {
            Self::Unique { index, .. } => *index,
            Self::Refers { key, .. } | Self::Gone { key, .. } => *key,
        }
    }

    /// The table whose change caused it.
    pub(crate) fn origin(&self) -> u32 {
        match self {
            Self::Refers { table, .. } | Self::Unique { table, .. } => *table,
            Self::Gone { referenced, .. } => *referenced,
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        let values = match self {
            Self::Refers { row, .. } | Self::Unique { row, .. } => row.len(),
            Self::Gone { old, new, .. } => {
                let columns = old.len() + new.as_ref().map_or(0, |new| new.len());
                columns * (size_of::<Datum>() + 16)
            }
        };
        size_of::<Self>() + values
    }
}

/// Refuses more waiting checks than fit the memory for them.
///
/// # Errors
/// 53200.
pub(crate) fn check_pending(bytes: usize) -> Result<(), SqlError> {
    if bytes > MAX_PENDING_BYTES {
        return Err(SqlError::new(
            state::OUT_OF_MEMORY,
            format!(
                "the constraint checks that wait take more than {} MiB",
                MAX_PENDING_BYTES >> 20
            ),
        )
        .hint("Change fewer rows at a time, or do not defer the checks."));
    }
    Ok(())
}

/// Which constraints `SET CONSTRAINTS` has spoken about.
#[derive(Debug, Clone, Default)]
struct Modes {
    all: Option<bool>,
    named: BTreeMap<u32, bool>,
}

/// What to go back to with a savepoint.
#[derive(Debug, Clone)]
struct Mark {
    events: usize,
    modes: Modes,
}

/// The checks that wait for the end of the transaction.
#[derive(Debug, Default)]
pub(crate) struct Deferred {
    /// Each with the number of savepoints that were open when it was done.
    events: Vec<(KeyEvent, Option<usize>)>,
    /// How many of them are done.
    done: usize,
    bytes: usize,
    modes: Modes,
    marks: Vec<Mark>,
}

impl Deferred {
    /// Whether a deferrable constraint is checked at the end only.
    pub(crate) fn is_deferred(&self, constraint: u32, initially: bool) -> bool {
        self.modes
            .named
            .get(&constraint)
            .copied()
            .or(self.modes.all)
            .unwrap_or(initially)
    }

    /// `SET CONSTRAINTS ALL`.
    pub(crate) fn set_all(&mut self, deferred: bool) {
        self.modes = Modes {
            all: Some(deferred),
            named: BTreeMap::new(),
        };
    }

    /// `SET CONSTRAINTS name`.
    pub(crate) fn set(&mut self, constraint: u32, deferred: bool) {
        self.modes.named.insert(constraint, deferred);
    }

    /// Puts a check off.
    ///
    /// # Errors
    /// 53200 when there are too many.
    pub(crate) fn push(&mut self, event: KeyEvent) -> Result<(), SqlError> {
        self.bytes += event.weight();
        check_pending(self.bytes)?;
        self.events.push((event, None));
        Ok(())
    }

    /// Whether a check waits that changes of this table caused.
    pub(crate) fn concerns(&self, table: u32) -> bool {
        self.events
            .iter()
            .any(|(event, done)| done.is_none() && event.origin() == table)
    }

    /// Takes the checks of those constraints that `due` names.
    pub(crate) fn take(&mut self, due: impl Fn(u32) -> bool) -> Vec<KeyEvent> {
        let depth = self.marks.len();
        let mut taken = Vec::new();
        for (event, done) in &mut self.events {
            if done.is_none() && due(event.key()) {
                taken.push(event.clone());
                *done = Some(depth);
                self.done += 1;
            }
        }
        if depth == 0 {
            self.events.retain(|(_, done)| done.is_none());
            self.done = 0;
            self.bytes = self.events.iter().map(|(e, _)| e.weight()).sum();
        }
        taken
    }

    /// A savepoint is established.
    pub(crate) fn mark(&mut self) {
        self.marks.push(Mark {
            events: self.events.len(),
            modes: self.modes.clone(),
        });
    }

    /// The savepoint at `at` and those after it are forgotten; what was done
    /// since stays done.
    pub(crate) fn release(&mut self, at: usize) {
        self.marks.truncate(at);
        if self.done > 0 {
            for (_, done) in &mut self.events {
                *done = done.map(|depth| depth.min(at));
            }
        }
    }

    /// Goes back to the savepoint at `at`, which stays.
    pub(crate) fn rollback_to(&mut self, at: usize) {
        self.marks.truncate(at + 1);
        let Some(mark) = self.marks.last() else {
            return;
        };
        self.modes = mark.modes.clone();
        self.events.truncate(mark.events);
        for (_, done) in &mut self.events {
            if done.is_some_and(|depth| depth > at) {
                *done = None;
            }
        }
        self.done = self.events.iter().filter(|(_, d)| d.is_some()).count();
        self.bytes = self.events.iter().map(|(e, _)| e.weight()).sum();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn refers(key: u32) -> KeyEvent {
        KeyEvent::Refers {
            table: 1,
            key,
            row: Box::from(*b"row"),
        }
    }

    fn keys(events: &[KeyEvent]) -> Vec<u32> {
        events.iter().map(KeyEvent::key).collect()
    }

    #[test]
    fn savepoints_bring_back_what_was_done_after_them() {
        let mut deferred = Deferred::default();
        deferred.push(refers(1)).unwrap();
        deferred.mark();
        deferred.push(refers(2)).unwrap();
        assert_eq!(keys(&deferred.take(|_| true)), [1, 2]);
        assert!(!deferred.concerns(1));
        deferred.rollback_to(0);
        assert!(deferred.concerns(1) && !deferred.concerns(2));
        assert_eq!(keys(&deferred.take(|_| true)), [1]);
        deferred.release(0);
        assert!(deferred.take(|_| true).is_empty());
    }

    #[test]
    fn a_name_wins_over_all_until_all_is_said_again() {
        let mut deferred = Deferred::default();
        assert!(deferred.is_deferred(1, true) && !deferred.is_deferred(1, false));
        deferred.set_all(true);
        deferred.set(1, false);
        assert!(!deferred.is_deferred(1, true) && deferred.is_deferred(2, false));
        deferred.mark();
        deferred.set_all(true);
        assert!(deferred.is_deferred(1, false));
        deferred.rollback_to(0);
        assert!(!deferred.is_deferred(1, true));
    }
}
