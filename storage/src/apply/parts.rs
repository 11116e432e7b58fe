//! Reading the parts of a large transaction back from the log.

use super::EventOpener;
use crate::error::{FormatError, Result};
use crate::event::EventKind;
use crate::ids::TenantId;
use crate::log::LogReader;
use crate::projection::{OpenedEvent, PartSource};
use crate::txn::Txn;
use std::collections::HashMap;
use std::sync::Arc;

/// Finds and opens parts. It remembers where the parts lie that were applied
/// since it was made, 16 bytes each; for others it looks back through the log.
pub struct LogParts {
    reader: Arc<LogReader>,
    opener: EventOpener,
    /// Of each tenant, block and `tenant_seq` of the parts since its last event
    /// of another kind.
    pending: HashMap<TenantId, Vec<(u64, u64)>>,
}

impl LogParts {
    /// Reads from `reader`.
    #[must_use]
    pub fn new(reader: Arc<LogReader>, opener: EventOpener) -> Self {
        Self {
            reader,
            opener,
            pending: HashMap::new(),
        }
    }

    /// Takes note of the parts in a block, before it is applied.
    pub fn note(&mut self, index: u64, event: &OpenedEvent) {
        if event.kind == EventKind::TxnPart {
            let parts = self.pending.entry(event.tenant).or_default();
            parts.push((index, event.tenant_seq));
        }
    }

    /// Forgets the parts of a tenant after an event of another kind was applied.
    pub fn applied(&mut self, event: &OpenedEvent) {
        if event.kind != EventKind::TxnPart {
            self.pending.remove(&event.tenant);
        }
    }

    /// Index of the block with the first of the parts.
    fn first_block(&self, index: u64, close: &OpenedEvent, first_seq: u64) -> Result<u64> {
        let known = self.pending.get(&close.tenant).into_iter().flatten();
        if let Some((block, _)) = known.clone().find(|(_, seq)| *seq == first_seq) {
            return Ok(*block);
        }
        // Noted before this process started: they lie before the first known one.
        let mut at = known.map(|(block, _)| *block).min().unwrap_or(index);
        loop {
            let found = self.reader.with_block(at, |block, _, _| {
                let mut events = block.events.iter().map(|event| &event.header);
                Ok(events.any(|e| e.tenant == close.tenant && e.tenant_seq == first_seq))
            })?;
            match at.checked_sub(1) {
                _ if found => return Ok(at),
                Some(before) if before > 0 => at = before,
                _ => return Err(incomplete(close).into()),
            }
        }
    }
}

fn incomplete(close: &OpenedEvent) -> FormatError {
    FormatError::Field {
        what: "part count of a transaction",
        value: close.part_count().into(),
    }
}

impl PartSource for LogParts {
    fn for_each_part(
        &mut self,
        index: u64,
        close: &OpenedEvent,
        each: &mut dyn FnMut(Txn) -> Result<()>,
    ) -> Result<()> {
        let count = u64::from(close.part_count());
        if count == 0 {
            return Ok(());
        }
        let first_seq = close.tenant_seq.checked_sub(count);
        let mut next_seq = first_seq.ok_or_else(|| incomplete(close))?;
        let mut blocks = self
            .reader
            .blocks(self.first_block(index, close, next_seq)?)?;
        while next_seq < close.tenant_seq {
            let Some((block, _, _)) = blocks.next()? else {
                return Err(incomplete(close).into());
            };
            if block.header.index > index {
                return Err(incomplete(close).into());
            }
            for event in &block.events {
                let header = &event.header;
                if header.tenant != close.tenant || header.tenant_seq != next_seq {
                    continue;
                }
                if next_seq == close.tenant_seq {
                    break;
                }
                if header.kind != EventKind::TxnPart {
                    return Err(incomplete(close).into());
                }
                each(self.opener.open_txn(header, event.body)?)?;
                next_seq += 1;
            }
        }
        Ok(())
    }
}
