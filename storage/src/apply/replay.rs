//! Applying blocks that the projection does not have yet.

use super::{ApplySink, EventOpener, LogParts};
use crate::chain::ChainHead;
use crate::error::{Damage, DamageKind, Result, StorageError};
use crate::ids::{Hash32, NO_HASH};
use crate::log::LogReader;
use crate::projection::AppliedBlock;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Opened blocks that may wait for being applied.
const AHEAD_BLOCKS_MAX: usize = 8;

/// What to replay.
pub struct Replay<'a> {
    /// Where to read.
    pub reader: &'a Arc<LogReader>,
    /// Opens events.
    pub opener: &'a EventOpener,
    /// The newest block of the log: replay ends there.
    pub head: &'a ChainHead,
    /// Called with the index of each block applied.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// Applies everything between the sink's position and the head. Reading and
/// opening run on a second thread, ahead of applying.
///
/// # Errors
/// [`StorageError::Damaged`] for a block that is not good or does not continue
/// the chain; errors of the sink.
pub fn replay(work: &Replay<'_>, sink: &dyn ApplySink) -> Result<u64> {
    let (applied, hash) = sink.applied()?.unwrap_or((0, NO_HASH));
    if applied >= work.head.index {
        return Ok(0);
    }
    let count = std::thread::scope(|scope| {
        let (send, receive) = sync_channel(AHEAD_BLOCKS_MAX);
        let reading = scope.spawn(move || read_ahead(work, applied, hash, &send));
        let applying = apply_all(work, sink, receive);
        let reading = reading
            .join()
            .unwrap_or_else(|_| Err(StorageError::Closed("replay stopped unexpectedly".into())));
        // When applying failed, reading only saw a closed channel.
        applying.and_then(|count| reading.map(|()| count))
    })?;
    sink.publish()?;
    Ok(count)
}

fn read_ahead(
    work: &Replay<'_>,
    applied: u64,
    hash: Hash32,
    send: &SyncSender<AppliedBlock>,
) -> Result<()> {
    let mut prev = hash;
    let mut blocks = work.reader.blocks(applied + 1)?;
    for index in applied + 1..=work.head.index {
        let Some((block, _, leaves)) = blocks.next()? else {
            return Err(broken(index, None, None, "the block is gone"));
        };
        if block.header.prev_hash != prev {
            let found = Some(block.header.prev_hash);
            return Err(broken(index, Some(prev), found, "the chain is broken here"));
        }
        prev = block.header.block_hash;
        let mut events = Vec::with_capacity(block.events.len());
        for (ordinal, (event, leaf)) in block.events.iter().zip(leaves).enumerate() {
            let opened = work
                .opener
                .open(ordinal as u16, &event.header, leaf, event.body)?;
            events.push(opened);
        }
        let opened = AppliedBlock {
            index,
            hash: prev,
            timestamp_us: block.header.timestamp_us,
            events,
        };
        if send.send(opened).is_err() {
            return Ok(());
        }
    }
    if prev != work.head.hash {
        let head = work.head;
        return Err(broken(
            head.index,
            Some(head.hash),
            Some(prev),
            "not the log's head",
        ));
    }
    Ok(())
}

fn apply_all(
    work: &Replay<'_>,
    sink: &dyn ApplySink,
    receive: Receiver<AppliedBlock>,
) -> Result<u64> {
    let mut parts = LogParts::new(work.reader.clone(), work.opener.clone());
    let mut count = 0;
    for block in receive {
        apply_block(sink, &mut parts, &block)?;
        (work.progress)(block.index);
        count += 1;
    }
    Ok(count)
}

/// Applies one block, with the parts it closes.
///
/// # Errors
/// As [`ApplySink::apply`] and [`ApplySink::apply_bulk`].
pub fn apply_block(sink: &dyn ApplySink, parts: &mut LogParts, block: &AppliedBlock) -> Result<()> {
    block
        .events
        .iter()
        .for_each(|event| parts.note(block.index, event));
    if block.closes_parts() {
        sink.apply_bulk(block, parts)?;
    } else {
        sink.apply(block)?;
    }
    block.events.iter().for_each(|event| parts.applied(event));
    Ok(())
}

fn broken(
    index: u64,
    expected: Option<Hash32>,
    found: Option<Hash32>,
    detail: &str,
) -> StorageError {
    Damage {
        kind: DamageKind::Chain,
        file: format!("{}/", crate::segment::LOG_DIR),
        offset: 0,
        block_index: Some(index),
        expected,
        found,
        tenants: Vec::new(),
        detail: detail.into(),
    }
    .into()
}
