//! Cutting a transaction that is too large for one event.

use prost::Message;

use super::{StreamChanges, Txn};

/// What a change takes in its stream beyond its own fields, and a stream in its
/// transaction, at most: tag and length, stream number and space.
const FRAMING_LEN_MAX: usize = 24;

/// Cuts a transaction into messages of about `part_len` bytes or less, in order:
/// parts with changes only, and the closing message with everything else, the
/// last changes and the number of parts. A single change is never cut, so a part
/// with one change may be longer. A transaction that fits comes back alone.
#[must_use]
pub fn split(txn: Txn, part_len: usize) -> Vec<Txn> {
    if txn.encoded_len() <= part_len {
        return vec![txn];
    }
    let mut closing = Txn {
        streams: Vec::new(),
        ..txn
    };
    // The number of parts is not known yet; it takes no more than the framing.
    closing.part_count = 0;
    let closing_len = closing.encoded_len() + FRAMING_LEN_MAX;
    let mut parts = Cutter {
        part_len,
        done: Vec::new(),
        open: Vec::new(),
        open_len: 0,
    };
    for stream in txn.streams {
        parts.add(stream);
    }
    // The closing message has fields of its own beside the last changes.
    if parts.open_len + closing_len > part_len {
        parts.close();
    }
    closing.streams = parts.open;
    closing.part_count = u32::try_from(parts.done.len()).unwrap_or(u32::MAX);
    parts.done.push(closing);
    parts.done
}

struct Cutter {
    part_len: usize,
    done: Vec<Txn>,
    open: Vec<StreamChanges>,
    open_len: usize,
}

impl Cutter {
    fn add(&mut self, stream: StreamChanges) {
        let (number, space) = (stream.stream, stream.space);
        let mut begun = false;
        for change in stream.changes {
            let len = change.encoded_len() + FRAMING_LEN_MAX;
            if self.open_len > 0 && self.open_len + len > self.part_len {
                self.close();
                begun = false;
            }
            if !begun {
                self.open.push(StreamChanges {
                    stream: number,
                    space,
                    changes: Vec::new(),
                });
                begun = true;
            }
            if let Some(last) = self.open.last_mut() {
                last.changes.push(change);
            }
            self.open_len += len;
        }
    }

    fn close(&mut self) {
        let streams = std::mem::take(&mut self.open);
        self.open_len = 0;
        if !streams.is_empty() {
            self.done.push(Txn {
                streams,
                ..Txn::default()
            });
        }
    }
}
