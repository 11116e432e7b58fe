//! Removing a body without breaking the chain.

use super::{BLOCK_HEADER_LEN, Block, PAYLOAD_CRC_LEN};
use crate::error::FormatError;
use crate::event::{EVENT_HEADER_LEN, EventFlags};

/// Where the flags byte is in an event header.
const EVENT_FLAGS_AT: usize = 2;

/// Removes the body of event `ordinal` from an encoded block: overwrites it with
/// zeros, sets its redaction flag and renews the payload's checksum. No hash
/// changes. Returns the range of the body in `bytes`, for hole punching.
///
/// # Errors
/// [`FormatError`] when `bytes` is not exactly one intact block, or has no such
/// event.
pub fn redact(bytes: &mut [u8], ordinal: usize) -> Result<std::ops::Range<usize>, FormatError> {
    let block = Block::decode(bytes)?;
    let payload_end = BLOCK_HEADER_LEN + block.header.payload_len as usize;
    let before: usize = block
        .events
        .iter()
        .take(ordinal)
        .map(|e| e.header.event_len())
        .sum();
    let Some(event) = block.events.get(ordinal) else {
        let value = ordinal as u64;
        return Err(FormatError::Field {
            what: "ordinal of an event",
            value,
        });
    };
    let start = BLOCK_HEADER_LEN + before;
    let body = start + EVENT_HEADER_LEN..start + event.header.event_len();
    if let Some(flags) = bytes.get_mut(start + EVENT_FLAGS_AT) {
        *flags |= EventFlags::REDACTED.bits();
    }
    if let Some(room) = bytes.get_mut(body.clone()) {
        room.fill(0);
    }
    let crc = crc32fast::hash(bytes.get(BLOCK_HEADER_LEN..payload_end).unwrap_or_default());
    if let Some(room) = bytes.get_mut(payload_end..payload_end + PAYLOAD_CRC_LEN) {
        room.copy_from_slice(&crc.to_le_bytes());
    }
    Ok(body)
}
