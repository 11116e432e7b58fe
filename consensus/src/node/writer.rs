//! The writer thread: makes durable what the core wants durable, in its order.

use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kimberlite_storage::log::LogWriter;
use kimberlite_storage::superblock::SuperblockFile;
use kimberlite_storage::{ChainHead, EncodedBlock, Result, StorageError};

use super::engine::Input;
use super::files::Files;
use super::shared::Shared;
use crate::block_entry::KeptBlock;
use crate::core::{BLOCK_PAYLOAD_BYTES, Write};

/// Room that is made sure of for the next block, unless a segment is smaller.
pub(super) const BLOCK_BYTES: u64 = BLOCK_PAYLOAD_BYTES as u64 + (64 << 10);

/// Pause before a follower's write is tried again that found no room.
const FULL_PAUSE: Duration = Duration::from_millis(200);

/// What the writer is told.
pub(super) enum Job {
    Write(Write),
    Reserve,
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) log: LogWriter,
    pub(super) files: Files,
    pub(super) superblock: Arc<Mutex<SuperblockFile>>,
    pub(super) tell: Sender<Input>,
    /// The longest block a segment takes.
    pub(super) block_bytes_max: u64,
}

impl Writer {
    /// Runs until nobody tells it anything more, or a write fails.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let shared = Arc::clone(&self.shared);
        shared.guard("log-writer", || {
            for job in jobs {
                if let Err(error) = self.job(job) {
                    return self.shared.fail(&error.to_string());
                }
            }
        });
    }

    fn job(&mut self, job: Job) -> Result<()> {
        match job {
            Job::Reserve => {
                if self.reserve()? {
                    self.answer(Input::Room);
                }
                Ok(())
            }
            Job::Write(write) => {
                let number = write.number;
                self.write(write)?;
                // Before the core may propose the next block.
                self.reserve()?;
                self.answer(Input::Written(number));
                Ok(())
            }
        }
    }

    fn answer(&self, input: Input) {
        // When nobody listens any more, the replica is being closed.
        drop(self.tell.send(input));
    }

    /// Makes sure of room for the next block; tells when there is none.
    fn reserve(&mut self) -> Result<bool> {
        match self.log.reserve(BLOCK_BYTES.min(self.block_bytes_max)) {
            Ok(()) => Ok(true),
            Err(StorageError::Full { context }) => {
                self.answer(Input::Full(context));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, write: Write) -> Result<()> {
        if let Some(index) = write.truncate_after {
            self.cut(index)?;
        }
        for block in write.blocks {
            self.append(block)?;
        }
        if write.vote.is_none() && write.members.is_none() {
            return Ok(());
        }
        let mut superblock = self
            .superblock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        superblock.update(|s| {
            if let Some(vote) = write.vote {
                (s.term, s.vote) = (vote.term, vote.vote);
            }
            if let Some(members) = write.members {
                s.configuration = members.encode();
            }
        })
    }

    fn cut(&mut self, index: u64) -> Result<()> {
        let head = match index {
            0 => ChainHead::genesis(self.log.head().lineage),
            _ => self
                .files
                .reader
                .with_block(index, |block, _, _| Ok(ChainHead::of(&block.header)))?,
        };
        self.log.cut(head)?;
        self.files.reader.forget();
        Ok(())
    }

    fn append(&mut self, block: KeptBlock) -> Result<()> {
        let mut block = EncodedBlock {
            header: block.header,
            bytes: block.bytes.into(),
            leaves: Vec::new(),
        };
        let start_us = self.shared.clock.now_us();
        loop {
            match self.log.append(&mut block) {
                // Only a follower gets here: it has nothing to say until there is room.
                Err(StorageError::Full { .. }) if self.shared.failure().is_none() => {
                    std::thread::sleep(FULL_PAUSE);
                }
                appended => break appended?,
            }
        }
        let metrics = &self.shared.metrics;
        let end_us = self.shared.clock.now_us();
        metrics.fsync_us.record_between(start_us, end_us);
        metrics.blocks.add(1);
        let len = block.bytes.len() as u64;
        metrics.log_bytes_appended.add(len);
        metrics
            .log_bytes
            .add(kimberlite_storage::segment::align(len));
        metrics.durable_index.set(block.header.index);
        Ok(())
    }
}
