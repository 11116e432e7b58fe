//! The applier thread: durable blocks into the projection, then the callbacks.

use super::Shared;
use super::sequencer::{Content, Durable, PlacedEvent};
use crate::apply::{ApplySink, EventOpener, LogParts, apply_block};
use crate::error::Result;
use crate::projection::{AppliedBlock, OpenedEvent};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Runs until the writer is gone and every block it sent is applied.
pub(crate) fn run(
    shared: &Shared,
    sink: &dyn ApplySink,
    opener: EventOpener,
    mut parts: LogParts,
    receive: Receiver<Durable>,
) {
    shared.guard("applier", || {
        for block in &receive {
            apply(shared, sink, &opener, &mut parts, block);
        }
    });
    // After a panic: nobody may wait for ever.
    for block in receive {
        give_up(shared, block);
    }
}

fn apply(
    shared: &Shared,
    sink: &dyn ApplySink,
    opener: &EventOpener,
    parts: &mut LogParts,
    mut block: Durable,
) {
    if shared.apply_failed() {
        return give_up(shared, block);
    }
    let start_us = shared.clock.now_us();
    let waiters = std::mem::take(&mut block.waiters);
    let index = block.index;
    let applied = opened(opener, block).and_then(|block| {
        apply_block(sink, parts, &block)?;
        sink.publish()
    });
    match applied {
        Ok(()) => {
            shared
                .metrics
                .apply_us
                .record_between(start_us, shared.clock.now_us());
            shared.metrics.applied_index.set(index);
            for (waiter, committed) in waiters {
                waiter.committed(shared, committed);
            }
        }
        Err(error) => {
            shared.fail_apply(&format!(
                "block {index} is durable but could not be applied: {error}"
            ));
            for (waiter, _) in waiters {
                waiter.failed(shared, shared.queue.refused());
            }
        }
    }
}

fn give_up(shared: &Shared, block: Durable) {
    for (waiter, _) in block.waiters {
        waiter.failed(shared, shared.queue.refused());
    }
}

fn opened(opener: &EventOpener, block: Durable) -> Result<AppliedBlock> {
    let events = block.events.into_iter().map(|event| open(opener, event));
    Ok(AppliedBlock {
        index: block.index,
        hash: block.hash,
        timestamp_us: block.timestamp_us,
        events: events.collect::<Result<_>>()?,
    })
}

fn open(opener: &EventOpener, event: PlacedEvent) -> Result<OpenedEvent> {
    let PlacedEvent {
        ordinal,
        header,
        leaf,
        content,
    } = event;
    match content {
        Content::Body(body) => opener.open(ordinal, &header, leaf, &body),
        Content::Left => Ok(EventOpener::unopened(ordinal, &header, leaf)),
        Content::Plain(txn) => {
            let mut opened = EventOpener::unopened(ordinal, &header, leaf);
            opened.txn = Some(Arc::unwrap_or_clone(txn));
            Ok(opened)
        }
    }
}
