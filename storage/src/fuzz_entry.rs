//! One function for every decoder of this crate, for fuzzing.
//!
//! Each takes any bytes and must return: no panic, no unbounded memory. What can
//! be checked about a result is checked with `assert!`, which is what a fuzzer
//! looks for; nothing in production calls these. The targets that call them are in
//! `storage/fuzz`, and a test runs them on damaged forms of the committed vectors.

#![allow(clippy::missing_panics_doc)]

use crate::block::{BLOCK_HEADER_LEN, Block, BlockHeader, redact};
use crate::crypto::{EnvKeyProvider, KeyRecord};
use crate::event::{EVENT_HEADER_LEN, EventHeader, EventRef};
use crate::ids::Hash32;
use crate::merkle::{Frontier, verify_consistency, verify_inclusion};
use crate::txn;

/// [`EventHeader::decode`] and [`EventRef::decode`].
pub fn event(bytes: &[u8]) {
    if let Ok(header) = EventHeader::decode(bytes) {
        let again = header.encode();
        assert_eq!(
            bytes.get(..EVENT_HEADER_LEN),
            Some(again.as_slice()),
            "one form only"
        );
        assert_eq!(
            header.leaf(),
            EventHeader {
                flags: Default::default(),
                ..header
            }
            .leaf()
        );
    }
    if let Ok((event, rest)) = EventRef::decode(bytes) {
        assert_eq!(event.header.event_len() + rest.len(), bytes.len());
        let _ = event.verify_body();
    }
}

/// [`BlockHeader::decode`], [`Block::decode`], verification and redaction.
pub fn block(bytes: &[u8]) {
    if let Ok(header) = BlockHeader::decode(bytes) {
        let again = header.encode();
        assert_eq!(
            bytes.get(..BLOCK_HEADER_LEN),
            Some(again.as_slice()),
            "one form only"
        );
    }
    let Ok(block) = Block::decode(bytes) else {
        return;
    };
    let verified = block.verify();
    let mut redacted = bytes.to_vec();
    if redact(&mut redacted, 0).is_ok() {
        let again = Block::decode(&redacted).map(|again| again.verify() == verified);
        assert_eq!(again, Ok(true), "redaction changes no hash");
    }
}

/// [`block`], reached past the checksums: they are made right first.
pub fn block_mended(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let Some(payload_len) = bytes.len().checked_sub(BLOCK_HEADER_LEN + 4) else {
        return;
    };
    let (Some(header), Ok(len)) = (
        bytes.first_chunk_mut::<BLOCK_HEADER_LEN>(),
        u32::try_from(payload_len),
    ) else {
        return;
    };
    header[..4].copy_from_slice(b"KBLK");
    header[4..6].copy_from_slice(&1_u16.to_le_bytes());
    header[52..56].copy_from_slice(&len.to_le_bytes());
    let crc = crc32fast::hash(&header[..152]);
    header[152..].copy_from_slice(&crc.to_le_bytes());
    // The last four bytes are the payload's checksum.
    let payload = bytes.get(BLOCK_HEADER_LEN..BLOCK_HEADER_LEN + payload_len);
    let crc = crc32fast::hash(payload.unwrap_or_default());
    if let Some(room) = bytes.last_chunk_mut::<4>() {
        *room = crc.to_le_bytes();
    }
    block(&bytes);
}

/// [`txn::decode`]; what it accepts must survive being written again.
pub fn transaction(bytes: &[u8]) {
    let Ok(txn) = txn::decode(bytes.to_vec()) else {
        return;
    };
    let again = txn::encode(&txn).and_then(txn::decode);
    assert!(again.is_ok_and(|again| again == txn));
}

/// [`KeyRecord::from_bytes`].
pub fn key_record(bytes: &[u8]) {
    let Ok(record) = KeyRecord::from_bytes(bytes) else {
        return;
    };
    assert_eq!(KeyRecord::from_bytes(&record.to_bytes()), Ok(record));
}

/// [`EnvKeyProvider::new`].
pub fn master_key(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = EnvKeyProvider::new(text);
    }
}

/// [`Frontier::from_bytes`].
pub fn frontier(bytes: &[u8]) {
    let Ok(mut frontier) = Frontier::from_bytes(bytes) else {
        return;
    };
    assert_eq!(frontier.to_bytes(), bytes);
    let _ = frontier.root();
    frontier.append([1; 32]);
    let _ = frontier.root();
}

/// [`verify_inclusion`] and [`verify_consistency`].
pub fn proof(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<16>() else {
        return;
    };
    let [a @ .., _, _, _, _, _, _, _, _] = *head;
    let [_, _, _, _, _, _, _, _, b @ ..] = *head;
    let (a, b) = (u64::from_le_bytes(a), u64::from_le_bytes(b));
    let (path, _): (&[Hash32], _) = rest.as_chunks();
    let _ = verify_inclusion(&[0; 32], a, b, path, &[1; 32]);
    let _ = verify_consistency(a, b, path, &[0; 32], &[1; 32]);
}
