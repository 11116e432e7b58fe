//! What is checked of a frame before the protocol sees it.
//!
//! The protocol trusts its peers: a commit index beyond the log, or a conflict with what
//! is committed, ends it. Here such a frame is an alarm, and is not looked at.

use kimberlite_storage::{Block, ChainHead, Hash32};
use raft::eraftpb::{Entry, MessageType};

use super::action::Alarm;
use super::log_view::{LogSource, LogView};
use crate::frame::Frame;

/// Checks a frame against the log of a replica that leads in a term, or does not.
///
/// # Errors
/// Why the frame must not be looked at.
pub(super) fn check<S: LogSource>(
    frame: &Frame,
    log: &LogView<S>,
    committed: u64,
    leads_in: Option<u64>,
) -> Result<(), Alarm> {
    let head = log.head();
    let from = frame.from();
    if frame.lineage() != head.lineage {
        return Err(Alarm::Lineage { from });
    }
    let message = frame.message();
    match message.get_msg_type() {
        // Only this one is of no term.
        ty if (ty == MessageType::MsgReadIndex) != (message.term == 0) => {
            Err(Alarm::Malformed { from })
        }
        MessageType::MsgHeartbeat if message.commit > head.index => Err(Alarm::Lost {
            from,
            index: message.commit,
        }),
        MessageType::MsgAppendResponse
            if leads_in == Some(message.term) && !message.reject && message.index > head.index =>
        {
            Err(Alarm::Invented {
                from,
                index: message.index,
            })
        }
        // For the raft crate a block that is not there is of term 0, like the one before
        // the first.
        MessageType::MsgAppend if (message.log_term == 0) != (message.index == 0) => {
            Err(Alarm::Malformed { from })
        }
        MessageType::MsgAppend => {
            check_blocks(from, head.lineage, message.index, &message.entries)?;
            check_chain(frame, log, committed)
        }
        _ => Ok(()),
    }
}

/// The blocks by themselves: their hashes, and that each continues the one before.
fn check_blocks(
    from: u64,
    lineage: kimberlite_storage::Lineage,
    index: u64,
    entries: &[Entry],
) -> Result<(), Alarm> {
    let mut before: Option<ChainHead> = None;
    for (index, entry) in (index + 1..).zip(entries) {
        let damaged = |why: String| Alarm::Block { from, index, why };
        let block = Block::decode(&entry.data).map_err(|e| damaged(e.to_string()))?;
        block.verify_full().map_err(|e| damaged(e.to_string()))?;
        let mut head = before.unwrap_or(ChainHead {
            lineage,
            index: index - 1,
            term: 0,
            timestamp_us: i64::MIN,
            hash: block.header.prev_hash,
        });
        if head.advance(&block.header).is_err() {
            return Err(Alarm::Chain { from, index });
        }
        before = Some(head);
    }
    Ok(())
}

/// Where the sender's log and ours agree about a term, they have to agree about hashes.
fn check_chain<S: LogSource>(frame: &Frame, log: &LogView<S>, committed: u64) -> Result<(), Alarm> {
    let message = frame.message();
    let from = frame.from();
    // The protocol answers such a message without looking at its entries.
    if message.index < committed || log.term_of(message.index).unwrap_or(0) != message.log_term {
        return Ok(());
    }
    let mut prev: Option<Hash32> = log.hash(message.index);
    for entry in &message.entries {
        let header = kimberlite_storage::BlockHeader::decode(&entry.data);
        let Ok(header) = header else {
            return Ok(());
        };
        let index = header.index;
        if prev.is_some_and(|prev| prev != header.prev_hash) {
            return Err(Alarm::Chain { from, index });
        }
        let ours = log.term_of(index);
        if ours == Some(header.term) && log.hash(index) != Some(header.block_hash) {
            return Err(Alarm::Chain { from, index });
        }
        if index <= committed && ours != Some(header.term) {
            return Err(Alarm::Lost { from, index });
        }
        prev = Some(header.block_hash);
    }
    Ok(())
}
