//! The medium of a replica: the real log and superblock, over a disk in memory.
//!
//! Writes are carried out when they are due, by the code that the server uses: what is cut
//! off, each block with its flush, then vote and members in the superblock. A crash strikes
//! within what is being written, tears sectors, loses names of files that no barrier had
//! reached, and the replica opens what is left as a server would.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kimberlite_consensus::KeptBlock;
use kimberlite_consensus::core::{Vote, Write};
use kimberlite_consensus::members::Members;
use kimberlite_storage::log::recovery::recover;
use kimberlite_storage::log::{InlineSegments, LogReader, LogWriter};
use kimberlite_storage::segment::LOG_DIR;
use kimberlite_storage::superblock::{Superblock, SuperblockFile};
use kimberlite_storage::{
    ChainHead, Disk as _, EncodedBlock, Fault, Hash32, MemDisk, Result, StorageError,
};

use crate::random::Random;
use crate::replica::LINEAGE;
use crate::scenario::Mutation;

/// More than any block of a scenario without large writes; a segment takes one.
const BLOCK_BYTES_MAX: u64 = 32 << 10;

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The machine loses power.
    PowerCut,
    /// The process is killed: the next one can read what it wrote, durable or not.
    Killed,
}

/// A replica's log and superblock.
pub struct Disk {
    medium: MemDisk,
    open: Option<Open>,
    /// The log: block `n` at `n - 1`, as the medium has it.
    pub log: Vec<KeptBlock>,
    /// Writes on their way, and when they are durable.
    pending: VecDeque<(u64, Write)>,
    mutation: Option<Mutation>,
    /// For [`Mutation::ForgetCut`]: the medium before the log was cut.
    uncut: Option<MemDisk>,
}

struct Open {
    writer: LogWriter,
    superblock: SuperblockFile,
}

fn dir() -> PathBuf {
    PathBuf::from("/replica")
}

fn io(error: std::io::Error) -> StorageError {
    StorageError::Io {
        context: "simulated disk".into(),
        source: error,
    }
}

impl Disk {
    /// A fresh disk.
    ///
    /// # Errors
    /// Never, as nothing fails yet.
    pub fn new(
        replica: u64,
        members: &Members,
        segment_bytes: u64,
        mutation: Option<Mutation>,
    ) -> Result<Self> {
        let medium = MemDisk::new();
        let tmp = dir().join("tmp");
        medium.create_dir(&dir().join(LOG_DIR)).map_err(io)?;
        medium.create_dir(&tmp).map_err(io)?;
        let superblock = Superblock {
            sequence: 1,
            cluster_id: [1; 16],
            lineage: LINEAGE,
            replica_id: replica,
            term: 1,
            vote: 0,
            commit_floor: 0,
            verified_index: 0,
            verified_hash: [0; 32],
            segment_bytes,
            created_us: 0,
            clean: false,
            configuration: members.encode(),
        };
        SuperblockFile::create(&medium, &dir(), &tmp, superblock)?;
        Ok(Self {
            medium,
            open: None,
            log: Vec::new(),
            pending: VecDeque::new(),
            mutation,
            uncut: None,
        })
    }

    /// Opens what is there, as after any crash.
    ///
    /// # Errors
    /// What opening a data directory refuses.
    pub fn open(&mut self) -> Result<(Vote, Members)> {
        let superblock = SuperblockFile::open(&self.medium, &dir())?;
        let known = superblock.get().clone();
        let tmp = dir().join("tmp");
        self.medium.remove_dir_all(&tmp).map_err(io)?;
        self.medium.create_dir(&tmp).map_err(io)?;
        let recovered = recover(&self.medium, &dir(), &known, &|_| {})?;
        self.log = read_all(&self.medium, &dir(), &recovered.head)?;
        let shared: Arc<dyn kimberlite_storage::Disk> = Arc::new(self.medium.clone());
        let source = InlineSegments::new(Arc::clone(&shared), tmp, known.segment_bytes);
        let writer = LogWriter::open(
            shared,
            &dir(),
            known.segment_bytes,
            Box::new(source),
            recovered.head,
            recovered.tail,
        )?;
        self.open = Some(Open { writer, superblock });
        let vote = Vote {
            term: known.term,
            vote: known.vote,
        };
        Ok((vote, Members::decode(&known.configuration)?))
    }

    /// Takes a write that takes until `due`, or until the one before is durable; returns
    /// when it is.
    pub fn write(&mut self, write: Write, due: u64) -> u64 {
        let before = self.pending.back().map_or(0, |(due, _)| *due);
        let due = due.max(before);
        self.pending.push_back((due, write));
        due
    }

    /// Carries out the writes that are durable now, of which the next flush may fail;
    /// returns the number of the newest.
    ///
    /// # Errors
    /// When the log refuses one, or cannot be flushed.
    pub fn settle(&mut self, now: u64, fails: bool) -> Result<Option<u64>> {
        if fails {
            let next = self.medium.syncs() + 1;
            self.medium.inject(Fault::FailSync(next));
        }
        let mut number = None;
        while let Some((due, mut write)) = self.pending.pop_front_if(|(due, _)| *due <= now) {
            match self.keep(&mut write) {
                Err(StorageError::Full { .. }) => {
                    // Nobody else leads with it: it waits until there is room.
                    self.pending.push_front((due, write));
                    break;
                }
                kept => kept?,
            }
            number = Some(write.number);
        }
        // There may have been nothing to flush.
        self.medium.clear_faults();
        Ok(number)
    }

    /// Lets the superblock say that a block is there and committed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_committed(&mut self, index: u64, hash: Hash32) -> Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        // Only what is durable is applied; the writer may be at work on what follows.
        open.superblock.update(|s| {
            (s.verified_index, s.verified_hash) = (index, hash);
            s.commit_floor = index;
        })
    }

    /// The process ends, within what is being written.
    pub fn end(&mut self, how: End, random: &mut Random) {
        let pending = std::mem::take(&mut self.pending);
        let operations: u64 = pending.iter().map(|(_, write)| operations(write)).sum();
        let strikes = self.medium.operations() + 1 + random.below(operations + 1);
        self.medium.inject(Fault::CrashAt(strikes));
        for (_, mut write) in pending {
            if self.keep(&mut write).is_err() {
                break;
            }
        }
        self.open = None;
        let uncut = self.uncut.take();
        self.medium = match (how, uncut) {
            (_, Some(uncut)) => uncut.killed(),
            (End::PowerCut, None) => self.medium.crash(random.next()),
            (End::Killed, None) => self.medium.killed(),
        };
    }

    /// For [`Mutation::LoseBlock`], after a crash: the newest block is gone.
    pub fn lose_block(&mut self) {
        let Ok(_) = self.open() else { return };
        let kept = self.log.len().saturating_sub(2);
        let head = match self.log.get(kept) {
            Some(block) if self.log.len() > 1 => ChainHead::of(&block.header),
            _ => ChainHead::genesis(LINEAGE),
        };
        if let Some(open) = &mut self.open {
            let cut = open.writer.cut(head);
            let forgotten = open.superblock.update(|s| {
                (s.verified_index, s.verified_hash) = (0, [0; 32]);
                s.commit_floor = 0;
            });
            drop((cut, forgotten));
        }
        self.open = None;
    }

    /// Fills the medium up, or clears it.
    pub fn set_full(&mut self, full: bool) {
        self.medium.set_free_bytes(full.then_some(0));
    }

    /// Whether the next block is sure to have room.
    ///
    /// # Errors
    /// [`StorageError::Full`] when it is not, others when the medium fails.
    pub fn reserve(&mut self) -> Result<()> {
        match &mut self.open {
            Some(open) => open.writer.reserve(BLOCK_BYTES_MAX),
            None => Ok(()),
        }
    }

    /// When the next write is to be tried again, if one waits for room.
    #[must_use]
    pub fn waits(&self, now: u64) -> bool {
        self.pending.front().is_some_and(|(due, _)| *due <= now)
    }

    /// Carries out a write; what is done of it is taken away from it.
    fn keep(&mut self, write: &mut Write) -> Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if let Some(index) = write.truncate_after.take() {
            if self.mutation == Some(Mutation::ForgetCut) {
                self.uncut = Some(self.medium.copy());
            }
            let head = match index.checked_sub(1) {
                Some(place) => self
                    .log
                    .get(place as usize)
                    .map(|b| ChainHead::of(&b.header)),
                None => None,
            };
            open.writer
                .cut(head.unwrap_or(ChainHead::genesis(LINEAGE)))?;
            self.log.truncate(index as usize);
        }
        while let Some(block) = write.blocks.first() {
            open.writer.append(&mut EncodedBlock {
                header: block.header.clone(),
                bytes: block.bytes.to_vec(),
                leaves: Vec::new(),
            })?;
            self.log.push(write.blocks.remove(0));
        }
        let vote = write
            .vote
            .filter(|_| self.mutation != Some(Mutation::ForgetVote));
        let members = write
            .members
            .as_ref()
            .filter(|_| self.mutation != Some(Mutation::ForgetMembers));
        if vote.is_none() && members.is_none() {
            return Ok(());
        }
        open.superblock.update(|s| {
            if let Some(vote) = vote {
                (s.term, s.vote) = (vote.term, vote.vote);
            }
            if let Some(members) = members {
                s.configuration = members.encode();
            }
        })
    }
}

/// About how many operations of the medium a write takes.
fn operations(write: &Write) -> u64 {
    let superblock = write.vote.is_some() || write.members.is_some();
    let cut = if write.truncate_after.is_some() { 6 } else { 0 };
    cut + 3 * write.blocks.len() as u64 + if superblock { 2 } else { 0 }
}

fn read_all(medium: &MemDisk, dir: &Path, head: &ChainHead) -> Result<Vec<KeptBlock>> {
    let mut log = Vec::new();
    if head.index == 0 {
        return Ok(log);
    }
    let reader = LogReader::new(Arc::new(medium.clone()), dir);
    let mut blocks = reader.blocks(1)?;
    while let Some((block, bytes, _)) = blocks.next()? {
        log.push(KeptBlock {
            header: block.header.clone(),
            bytes: bytes.to_vec().into(),
        });
    }
    Ok(log)
}
