//! Finding the rows that refer to keys that are gone.

use std::collections::HashMap;

use super::link::{Children, Link, Wanted, comparable};
use crate::cancel::Cancellation;
use crate::error::SqlError;
use crate::exec::index_entry;
use crate::txn::{ReadView, prefix_end};
use crate::types::{Datum, key};

/// Referencing rows that are found at a time.
const CHUNK: usize = 1024;

/// Keys between two looks at the cancel flag.
const CHECK_EVERY: usize = 4_096;

/// A referencing row.
pub(super) struct Child {
    pub(super) key: Vec<u8>,
    pub(super) csn: u64,
    pub(super) row: Vec<Datum>,
    /// Which of the keys it refers to.
    pub(super) which: usize,
}

/// A search for referencing rows, a chunk at a time.
pub(super) struct Search<'a> {
    link: &'a Link,
    view: &'a ReadView,
    cancel: &'a Cancellation,
    /// The keys, with the place of each.
    keys: HashMap<Vec<u8>, usize>,
    /// Where to go on, and where to stop; nothing when done.
    next: Option<Vec<u8>>,
    end: Option<Vec<u8>>,
}

impl<'a> Search<'a> {
    /// Looks for the rows that refer to one of `keys`. Several keys are for a
    /// link without an index only.
    pub(super) fn new<'k>(
        link: &'a Link,
        view: &'a ReadView,
        cancel: &'a Cancellation,
        keys: impl IntoIterator<Item = (usize, &'k [Datum])>,
    ) -> Result<Self, SqlError> {
        let mut by_bytes = HashMap::new();
        let mut next = Some(Vec::new());
        let mut end = None;
        for (which, key) in keys {
            by_bytes.insert(comparable(key)?, which);
            if let Children::Prefix(_, positions) = &link.children {
                next = prefix(link, positions, key)?;
                end = next.as_deref().and_then(prefix_end);
            }
        }
        Ok(Self {
            link,
            view,
            cancel,
            keys: by_bytes,
            next,
            end,
        })
    }

    /// The next rows; none when there are no more.
    pub(super) fn chunk(&mut self) -> Result<Vec<Child>, SqlError> {
        let mut found = Vec::new();
        let Some(start) = self.next.take() else {
            return Ok(found);
        };
        let child = &self.link.child;
        let index = match &self.link.children {
            Children::Prefix(stream, _) => *stream,
            Children::Scan => None,
        };
        let stream = index.unwrap_or(child.rows);
        let mut scan = self.view.scan(stream, &start, self.end.as_deref(), false);
        let mut seen = 0_usize;
        let mut scratch = Vec::new();
        while let Some((entry, version)) = scan.next()? {
            seen += 1;
            if seen.is_multiple_of(CHECK_EVERY) {
                self.cancel.check()?;
            }
            if found.len() == CHUNK {
                self.next = Some(entry.to_vec());
                break;
            }
            let (key, csn, row) = if index.is_some() {
                let key = index_entry::row_key(entry, version.value)?.to_vec();
                let row = self.view.get(child.rows, &key, &mut scratch, |v| {
                    child.decode(v.value).map(|row| (v.csn, row))
                })?;
                let Some(row) = row else { continue };
                let (csn, row) = row?;
                (key, csn, row)
            } else {
                let row = child.decode(version.value)?;
                (entry.to_vec(), version.csn, row)
            };
            if let Some(which) = self.refers(&row)? {
                found.push(Child {
                    key,
                    csn,
                    row,
                    which,
                });
            }
        }
        Ok(found)
    }

    /// Which of the keys a row refers to.
    pub(super) fn refers(&self, row: &[Datum]) -> Result<Option<usize>, SqlError> {
        match self.link.wanted(row)? {
            Wanted::Key(key) => Ok(self.keys.get(&comparable(&key)?).copied()),
            _ => Ok(None),
        }
    }
}

/// The first bytes of the entries of rows that refer to `key`; nothing when no
/// row can.
fn prefix(link: &Link, positions: &[usize], key: &[Datum]) -> Result<Option<Vec<u8>>, SqlError> {
    let Some(values) = link.as_child_key(key) else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(16);
    for position in positions {
        let value = values.get(*position).unwrap_or(&Datum::Null);
        key::encode(value, &mut bytes)?;
    }
    Ok(Some(bytes))
}
