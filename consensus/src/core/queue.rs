//! Transactions on their way into blocks.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use kimberlite_storage::event::EventHeader;
use kimberlite_storage::{
    BlockBuilder, BlockKind, ChainHead, Committed, EncodedBlock, EventKind, FormatError, Result,
    SealedEvent, SealedTransaction, StorageError, TenantHead, TenantId,
};

use super::action::RequestId;

/// A block is closed when its events reach this many bytes.
pub const BLOCK_PAYLOAD_BYTES: usize = 1 << 20;

/// Most events of a block: an ordinal has 16 bits.
pub const BLOCK_EVENTS_MAX: usize = 1 << 16;

/// How much goes into one block.
#[derive(Clone, Copy, Debug)]
pub struct BlockLimits {
    /// Bytes of events, unless one has more; at most [`BLOCK_PAYLOAD_BYTES`], and less
    /// where segments are small.
    pub payload_bytes: usize,
    /// Transactions.
    pub transactions: usize,
}

impl Default for BlockLimits {
    fn default() -> Self {
        Self {
            payload_bytes: BLOCK_PAYLOAD_BYTES,
            transactions: BLOCK_EVENTS_MAX,
        }
    }
}

/// A transaction that waits, or what is left of one that takes several blocks.
struct Waiting {
    id: RequestId,
    events: VecDeque<SealedEvent>,
    bytes: usize,
}

/// Transactions in the order in which they came.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
}

/// A block made of waiting transactions.
pub(super) struct Filled {
    pub(super) block: EncodedBlock,
    /// The newest event of each tenant in it.
    pub(super) tenants: HashMap<TenantId, TenantHead>,
    /// Whose transactions are complete with it, and the ordinals of their last events.
    done: Vec<(RequestId, u16)>,
}

impl Filled {
    /// Where the transactions are that are complete with the block.
    pub(super) fn committed(&self) -> Vec<(RequestId, Committed)> {
        let header = &self.block.header;
        let place = |(id, ordinal): &(RequestId, u16)| {
            let committed = Committed {
                index: header.index,
                ordinal: *ordinal,
                timestamp_us: header.timestamp_us,
            };
            (*id, committed)
        };
        self.done.iter().map(place).collect()
    }
}

impl Queue {
    pub(super) fn push(&mut self, id: RequestId, txn: SealedTransaction) {
        let bytes = txn.events_len();
        self.waiting.push_back(Waiting {
            id,
            events: txn.events.into(),
            bytes,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes everything that waits.
    pub(super) fn drain(&mut self) -> Vec<RequestId> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|waiting| waiting.id).collect()
    }

    /// Fills the block after `head`. Whole transactions go into one block; one that is
    /// larger than a block gets blocks of its own.
    ///
    /// # Errors
    /// When an event fits in no block, which [`SealedTransaction::check`] excludes; with
    /// the transactions that are lost with the block.
    pub(super) fn fill(
        &mut self,
        mut builder: BlockBuilder,
        limits: BlockLimits,
        newest: impl Fn(TenantId) -> Result<TenantHead>,
    ) -> std::result::Result<Filled, (Vec<RequestId>, StorageError)> {
        let mut tenants = HashMap::new();
        let mut done: Vec<(RequestId, u16)> = Vec::new();
        while let Some(next) = self.waiting.front_mut() {
            let (bytes, events) = (builder.payload_len(), builder.event_count());
            let fits = bytes + next.bytes <= limits.payload_bytes
                && done.len() < limits.transactions
                && events + next.events.len() <= BLOCK_EVENTS_MAX;
            if !fits && events > 0 {
                break;
            }
            let id = next.id;
            if let Err(error) = place(next, &mut builder, limits, &mut tenants, &newest) {
                self.waiting.pop_front();
                let mut lost: Vec<RequestId> = done.into_iter().map(|(id, _)| id).collect();
                lost.push(id);
                return Err((lost, error));
            }
            if !next.events.is_empty() {
                break;
            }
            // A transaction has events, and ordinals have 16 bits like their number.
            done.push((id, (builder.event_count() - 1) as u16));
            self.waiting.pop_front();
        }
        Ok(Filled {
            block: builder.finish(),
            tenants,
            done,
        })
    }
}

/// Places the events of a transaction, as many as the block takes: one at least.
fn place(
    waiting: &mut Waiting,
    builder: &mut BlockBuilder,
    limits: BlockLimits,
    tenants: &mut HashMap<TenantId, TenantHead>,
    newest: &impl Fn(TenantId) -> Result<TenantHead>,
) -> Result<()> {
    while let Some(event) = waiting.events.front() {
        let (bytes, events) = (builder.payload_len(), builder.event_count());
        let fits = bytes + event.event_len() <= limits.payload_bytes && events < BLOCK_EVENTS_MAX;
        if !fits && events > 0 {
            return Ok(());
        }
        let head = match tenants.entry(event.tenant) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(newest(event.tenant)?),
        };
        let header: EventHeader = head.place(event, builder.timestamp_us());
        let leaf = builder.push(&header, &event.body)?;
        *head = TenantHead {
            next_seq: header.tenant_seq + 1,
            prev: leaf,
        };
        waiting.bytes -= event.event_len();
        waiting.events.pop_front();
    }
    Ok(())
}

/// The block after `head` that holds one control event of the system tenant, whose
/// newest event is `newest`; and what it is then.
///
/// # Errors
/// When `body` is longer than an event's.
pub(super) fn control_block(
    head: &ChainHead,
    kind: BlockKind,
    term: u64,
    now_us: i64,
    body: Vec<u8>,
    newest: TenantHead,
) -> std::result::Result<(EncodedBlock, TenantHead), FormatError> {
    let event = SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Control, body)?;
    let mut builder = BlockBuilder::after(head, kind, term, now_us);
    let header = newest.place(&event, builder.timestamp_us());
    let leaf = builder.push(&header, &event.body)?;
    let newest = TenantHead {
        next_seq: header.tenant_seq + 1,
        prev: leaf,
    };
    Ok((builder.finish(), newest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use kimberlite_storage::Lineage;

    use super::*;

    fn queue(transactions: u64) -> Queue {
        let mut queue = Queue::default();
        for id in 0..transactions {
            let event =
                SealedEvent::unsealed(TenantId([1; 16]), EventKind::Audit, vec![0; 100]).unwrap();
            let txn = SealedTransaction {
                tenant: event.tenant,
                events: vec![event],
                plain: None,
                epoch: 0,
            };
            queue.push(id, txn);
        }
        queue
    }

    fn fill(queue: &mut Queue, limits: BlockLimits) -> usize {
        let head = ChainHead::genesis(Lineage([1; 16]));
        let builder = BlockBuilder::after(&head, BlockKind::Data, 1, 5);
        let newest = |_| {
            Ok(TenantHead {
                next_seq: 0,
                prev: [0; 32],
            })
        };
        queue.fill(builder, limits, newest).unwrap().done.len()
    }

    #[test]
    fn a_block_takes_no_more_than_its_limits() {
        let none = BlockLimits::default();
        assert_eq!(fill(&mut queue(9), none), 9);
        let mut waiting = queue(9);
        let few = BlockLimits {
            transactions: 4,
            ..none
        };
        assert_eq!([(); 3].map(|()| fill(&mut waiting, few)), [4, 4, 1]);
        let short = BlockLimits {
            payload_bytes: 600,
            ..none
        };
        let fits = fill(&mut queue(9), short);
        assert!((1..6).contains(&fits), "{fits}");
    }
}
