//! The log as the protocol sees it: the newest blocks in memory, older ones in the log's
//! files.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::Bytes;
use kimberlite_storage::{
    BlockHeader, ChainHead, Hash32, Result as StorageResult, TenantHead, TenantId,
};
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};

use crate::block_entry::{KeptBlock, entry_of};
use crate::terms::TermStarts;

/// What a core reads: durable blocks of the log's files, and what was applied.
pub trait LogSource: Send {
    /// Durable blocks from `from` on, in order and without gaps: one at least, and no
    /// further one that would reach `to` or make them more than `bytes_max` bytes.
    ///
    /// # Errors
    /// When the first of them cannot be told to be good.
    fn blocks(&self, from: u64, to: u64, bytes_max: u64) -> StorageResult<Vec<Bytes>>;

    /// The newest event of a tenant in an applied block.
    ///
    /// # Errors
    /// When that cannot be read.
    fn tenant(&self, tenant: TenantId) -> StorageResult<TenantHead>;
}

/// Blocks that the protocol wants to send and that are not in memory.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) bytes_max: u64,
    pub(super) context: GetEntriesContext,
}

pub(super) struct LogView<S> {
    source: S,
    initial: RaftState,
    /// The block before the first one in memory.
    before: ChainHead,
    terms: TermStarts,
    kept: VecDeque<KeptBlock>,
    kept_bytes: usize,
    wanted: RefCell<Vec<Wanted>>,
    fetched: Vec<Entry>,
    /// Why blocks that the protocol cannot do without were not to be read.
    failure: RefCell<Option<String>>,
}

impl<S: LogSource> LogView<S> {
    /// A log whose newest block is `head`, none of it in memory.
    pub(super) fn new(source: S, head: ChainHead, terms: TermStarts) -> Self {
        Self {
            source,
            initial: RaftState::default(),
            before: head,
            terms,
            kept: VecDeque::new(),
            kept_bytes: 0,
            wanted: RefCell::new(Vec::new()),
            fetched: Vec::new(),
            failure: RefCell::new(None),
        }
    }

    /// The newest block.
    pub(super) fn head(&self) -> ChainHead {
        self.kept
            .back()
            .map_or(self.before, |block| ChainHead::of(&block.header))
    }

    /// A block that is in memory.
    pub(super) fn block(&self, index: u64) -> Option<&KeptBlock> {
        let first = self.before.index + 1;
        self.kept
            .get(usize::try_from(index.checked_sub(first)?).ok()?)
    }

    pub(super) const fn source(&self) -> &S {
        &self.source
    }

    /// The blocks in memory, in order.
    pub(super) fn kept(&self) -> impl Iterator<Item = &KeptBlock> {
        self.kept.iter()
    }

    /// The hash of a block that is in memory, or of the one before those.
    pub(super) fn hash(&self, index: u64) -> Option<Hash32> {
        if index == self.before.index {
            return Some(self.before.hash);
        }
        self.block(index).map(|block| block.header.block_hash)
    }

    /// The term of a block.
    pub(super) fn term_of(&self, index: u64) -> Option<u64> {
        if index > self.head().index {
            return None;
        }
        self.terms.term(index)
    }

    /// Adds the next block. False when it does not follow the newest one.
    #[must_use]
    pub(super) fn push(&mut self, block: KeptBlock) -> bool {
        let follows = self.head().advance(&block.header).is_ok();
        if follows {
            self.kept_bytes += block.bytes.len();
            self.terms.push(block.header.index, block.header.term);
            self.kept.push_back(block);
        }
        follows
    }

    /// Takes away the blocks after `index`. False when some are not in memory: nothing
    /// that was committed can be taken away, and what was not is always there.
    #[must_use]
    pub(super) fn truncate(&mut self, index: u64) -> bool {
        if index < self.before.index {
            return false;
        }
        while let Some(block) = self.kept.pop_back_if(|block| block.header.index > index) {
            self.kept_bytes -= block.bytes.len();
        }
        self.terms.truncate(index);
        true
    }

    /// Forgets the oldest blocks in memory, up to `index`, while there are more than
    /// `bytes_max` bytes.
    pub(super) fn forget(&mut self, index: u64, bytes_max: usize) {
        while self.kept_bytes > bytes_max
            && let Some(block) = self.kept.pop_front_if(|block| block.header.index <= index)
        {
            self.kept_bytes -= block.bytes.len();
            self.before = ChainHead::of(&block.header);
        }
    }

    /// Bytes of the blocks after `index`.
    pub(super) fn bytes_after(&self, index: u64) -> usize {
        let newest = self.kept.iter().rev();
        let after = newest.take_while(|block| block.header.index > index);
        after.map(|block| block.bytes.len()).sum()
    }

    /// Bytes of the blocks after `index`; `None` when some are not in memory.
    pub(super) fn bytes_behind(&self, index: u64) -> Option<usize> {
        (index >= self.before.index).then(|| self.bytes_after(index))
    }

    /// What the protocol starts with.
    pub(super) fn set_initial(&mut self, hard: HardState, members: ConfState) {
        self.initial = RaftState::new(hard, members);
    }

    pub(super) fn take_wanted(&mut self) -> Vec<Wanted> {
        std::mem::take(self.wanted.get_mut())
    }

    /// Why the protocol was given no blocks where it asked for some, if so: what it did
    /// since counts for nothing.
    pub(super) fn take_failure(&mut self) -> Option<String> {
        self.failure.get_mut().take()
    }

    /// Takes blocks that were wanted, from one on; they are there until the next ones come.
    pub(super) fn set_fetched(&mut self, from: u64, blocks: &[Bytes]) {
        self.fetched = entries(from, blocks);
    }

    fn in_memory(&self, low: u64, high: u64, bytes_max: u64) -> Vec<Entry> {
        let skipped = low.saturating_sub(self.before.index + 1) as usize;
        let blocks = self.kept.iter().skip(skipped);
        let blocks = blocks.take_while(|block| block.header.index < high);
        limited(blocks.map(KeptBlock::entry), bytes_max)
    }
}

/// Entries up to a number of bytes, one at least.
fn limited(entries: impl Iterator<Item = Entry>, bytes_max: u64) -> Vec<Entry> {
    let mut bytes = 0;
    let fits = |entry: &Entry| {
        let first = bytes == 0;
        bytes += entry.data.len() as u64;
        first || bytes <= bytes_max
    };
    entries.take_while(fits).collect()
}

/// Blocks of our own log from `low` on, up to the first that is none.
fn entries(low: u64, blocks: &[Bytes]) -> Vec<Entry> {
    let entry = |(index, bytes): (u64, &Bytes)| {
        let header = BlockHeader::decode(bytes).ok()?;
        (header.index == index).then(|| entry_of(&header, bytes.clone()))
    };
    (low..).zip(blocks).map_while(entry).collect()
}

const fn unavailable() -> Error {
    Error::Store(StorageError::Unavailable)
}

impl<S: LogSource> Storage for LogView<S> {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(self.initial.clone())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        let bytes_max = max_size.into().unwrap_or(u64::MAX);
        if low > self.before.index {
            return Ok(self.in_memory(low, high, bytes_max));
        }
        let fetched = self.fetched.iter().skip_while(|entry| entry.index < low);
        let fetched = fetched.take_while(|entry| entry.index < high).cloned();
        let fetched = limited(fetched, bytes_max);
        if fetched.first().is_some_and(|entry| entry.index == low) {
            return Ok(fetched);
        }
        let to = high.min(self.before.index + 1);
        if context.can_async() {
            self.wanted.borrow_mut().push(Wanted {
                from: low,
                to,
                bytes_max,
                context,
            });
            return Err(Error::Store(StorageError::LogTemporarilyUnavailable));
        }
        let blocks = self.source.blocks(low, to, bytes_max);
        let found = entries(low, blocks.as_deref().unwrap_or_default());
        if found.is_empty() {
            // An error would end the protocol with a panic.
            let why = blocks.err().map_or_else(
                || "it does not read back".to_owned(),
                |error| error.to_string(),
            );
            let why = format!("block {low} of this replica's own log cannot be read: {why}");
            self.failure.replace(Some(why));
        }
        Ok(found)
    }

    fn term(&self, index: u64) -> Result<u64> {
        if index == 0 {
            return Ok(0);
        }
        self.term_of(index).ok_or(unavailable())
    }

    fn first_index(&self) -> Result<u64> {
        Ok(1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.head().index)
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> Result<Snapshot> {
        // The whole log is kept, so nobody ever needs one.
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
