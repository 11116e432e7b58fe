//! Reading a range of keys without copying them.

use std::sync::Arc;

use rocksdb::DBRawIterator;
use self_cell::self_cell;

use super::engine::failed;
use super::snapshot::Snapshot;
use crate::error::Result;

/// A stored key and what is stored there.
pub type Entry<'a> = (&'a [u8], &'a [u8]);

/// How a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    /// From the end to the start.
    pub reverse: bool,
    /// Keep the blocks that are read in the cache. Off for scans so large that
    /// they would only push out what point reads need.
    pub fill_cache: bool,
    /// Bytes to read ahead of the scan; 0 lets it grow with the scan's length.
    pub readahead: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            reverse: false,
            fill_cache: true,
            readahead: 0,
        }
    }
}

/// Where a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first entry.
    Start,
    /// At an entry that was returned.
    Entry,
    /// At an entry that was not returned yet.
    Sought,
    /// Past the last entry, or failed.
    End,
}

/// A range being read. Lends each entry until the next is asked for.
pub struct Scan<'a> {
    iterator: DBRawIterator<'a>,
    reverse: bool,
    at: At,
}

impl<'a> Scan<'a> {
    pub(super) fn new(iterator: DBRawIterator<'a>, options: ScanOptions) -> Self {
        Self {
            iterator,
            reverse: options.reverse,
            at: At::Start,
        }
    }

    /// The next entry: the physical key, and what is stored as
    /// [`Snapshot::get`](super::Snapshot::get) gives it. `None` at the end, and
    /// from then on.
    ///
    /// # Errors
    /// When the database cannot be read; the scan has then ended.
    #[allow(clippy::should_implement_trait)] // an Iterator cannot lend
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        match (self.at, self.reverse) {
            (At::Start, false) => self.iterator.seek_to_first(),
            (At::Start, true) => self.iterator.seek_to_last(),
            (At::Entry, false) => self.iterator.next(),
            (At::Entry, true) => self.iterator.prev(),
            (At::Sought, _) => {}
            (At::End, _) => return Ok(None),
        }
        if self.iterator.valid() {
            self.at = At::Entry;
            return Ok(self.iterator.item());
        }
        self.at = At::End;
        self.iterator
            .status()
            .map_err(|error| failed("scan", &error))?;
        Ok(None)
    }

    /// Goes to the first entry at or after `key` (in reverse: at or before),
    /// within the range; [`Self::next`] returns it.
    pub fn seek(&mut self, key: &[u8]) {
        if self.reverse {
            self.iterator.seek_for_prev(key);
        } else {
            self.iterator.seek(key);
        }
        self.at = At::Sought;
    }
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan")
            .field("reverse", &self.reverse)
            .field("at", &self.at)
            .finish()
    }
}

self_cell!(
    struct Held {
        owner: Arc<Snapshot>,

        #[covariant]
        dependent: Scan,
    }
);

/// A [`Scan`] that holds its snapshot.
pub struct OwnedScan {
    held: Held,
}

impl OwnedScan {
    pub(super) fn start(
        snapshot: Arc<Snapshot>,
        scan: impl for<'s> FnOnce(&'s Arc<Snapshot>) -> Scan<'s>,
    ) -> Self {
        Self {
            held: Held::new(snapshot, scan),
        }
    }

    /// As [`Scan::next`].
    ///
    /// # Errors
    /// As [`Scan::next`].
    #[allow(clippy::should_implement_trait)] // an Iterator cannot lend
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        self.held.with_dependent_mut(|_, scan| scan.next())
    }

    /// As [`Scan::seek`].
    pub fn seek(&mut self, key: &[u8]) {
        self.held.with_dependent_mut(|_, scan| scan.seek(key));
    }

    /// The snapshot that is read.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        self.held.borrow_owner()
    }
}

impl std::fmt::Debug for OwnedScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnedScan")
            .field("scan", self.held.borrow_dependent())
            .finish()
    }
}
