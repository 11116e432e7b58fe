//! Foreign keys, on both of their sides.
//!
//! A statement that writes a referencing row looks for the key that it refers to
//! at once, and keeps the row that has it with a KEY SHARE lock. What is not
//! there yet may still come in the same statement: such a row is looked at again
//! when the statement is done, or, when the constraint is deferred, at COMMIT.
//!
//! A statement that takes a key away leaves a note for each foreign key that
//! refers to it. When the statement is done, [`StatementWriter::finish`] deals
//! with the notes one after the other: referencing rows are refused, or changed
//! in a statement of their own, whose notes come before the rest.
//!
//! Deleting a row takes its FOR UPDATE lock before referencing rows are looked
//! for, and both sides look at the newest committed state after they have their
//! lock. So of a deletion and a new reference, made at the same time, the later
//! one sees the other.
//!
//! [`StatementWriter::finish`]: super::write::StatementWriter::finish

mod action;
mod check;
mod children;
pub(crate) mod define;
mod link;
mod parent;
mod settle;
mod validate;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::table::TableInfo;
use crate::error::SqlError;
use crate::txn::{KeyEvent, LockMode, check_pending};
use link::Link;

pub(crate) use validate::validate;

/// Referenced keys that a statement remembers to be there.
const MAX_PRESENT: usize = 1 << 16;

/// What a statement knows about foreign keys.
#[derive(Debug, Default)]
pub(crate) struct KeyWork {
    /// What is to be looked at when the statement is done.
    events: Vec<KeyEvent>,
    /// About how many bytes the events take.
    bytes: usize,
    /// Foreign keys by object identifier; none for one that is not there any more.
    links: HashMap<u32, Option<Arc<Link>>>,
    /// Tables that the statement has locked.
    tables: HashMap<(u32, u8), ()>,
    /// Tables by object identifier.
    infos: HashMap<u32, Arc<TableInfo>>,
    /// Keys, each of a foreign key, that are there and locked.
    present: HashSet<(u32, Box<[u8]>)>,
}

impl KeyWork {
    pub(super) fn push(&mut self, event: KeyEvent) -> Result<(), SqlError> {
        self.bytes += event.weight();
        check_pending(self.bytes)?;
        self.events.push(event);
        Ok(())
    }

    /// Takes the notes out.
    fn take_events(&mut self) -> Vec<KeyEvent> {
        self.bytes = 0;
        std::mem::take(&mut self.events)
    }

    fn is_present(&self, key: u32, value: &[u8]) -> bool {
        // A set of pairs cannot be asked with a borrowed half.
        !self.present.is_empty() && self.present.contains(&(key, Box::from(value)))
    }

    fn note_present(&mut self, key: u32, value: Vec<u8>) {
        if self.present.len() >= MAX_PRESENT {
            self.present.clear();
        }
        self.present.insert((key, value.into_boxed_slice()));
    }

    fn knows_lock(&self, table: u32, mode: LockMode) -> bool {
        self.tables.contains_key(&(table, mode as u8))
    }
}
