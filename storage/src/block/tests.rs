#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::header::CRC_AT;
use super::*;
use crate::chain::{ChainHead, TenantHead};
use crate::event::{EVENT_HEADER_LEN, EventKind, SealedEvent};
use crate::ids::{Lineage, TenantId};

const LINEAGE: Lineage = Lineage([0x4C; 16]);

/// A block of one event for each body, alternating between two tenants.
fn block_of(bodies: &[&[u8]]) -> EncodedBlock {
    let head = ChainHead::genesis(LINEAGE);
    let mut builder = BlockBuilder::after(&head, BlockKind::Data, 1, 1_000);
    let mut heads = [TenantHead::default(); 2];
    for (n, body) in bodies.iter().enumerate() {
        let tenant = TenantId([n as u8 % 2; 16]);
        let event = SealedEvent::unsealed(tenant, EventKind::Control, body.to_vec()).unwrap();
        let tenant_head = &mut heads[n % 2];
        let header = tenant_head.place(&event, builder.timestamp_us());
        let leaf = builder.push(&header, body).unwrap();
        tenant_head.advance(&header, leaf).unwrap();
    }
    builder.finish()
}

/// Makes both checksums right again, as someone would who changes bytes on
/// purpose.
fn mend(bytes: &mut [u8]) {
    let end = bytes.len() - PAYLOAD_CRC_LEN;
    let crc = crc32fast::hash(&bytes[..CRC_AT]);
    bytes[CRC_AT..BLOCK_HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[BLOCK_HEADER_LEN..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_block_reads_back_as_built() {
    let built = block_of(&[b"one", b"", b"three"]);
    assert_eq!(built.bytes.len(), built.header.block_len());
    let mut followed = built.bytes.clone();
    followed.extend_from_slice(b"whatever comes next in the segment");
    let block = Block::decode(&followed).unwrap();
    assert_eq!(block.header, built.header);
    assert_eq!(block.verify_full().unwrap(), built.leaves);
    let bodies: Vec<&[u8]> = block.events.iter().map(|event| event.body).collect();
    assert_eq!(bodies, [&b"one"[..], b"", b"three"]);
    assert_eq!(
        block.events[2].header.tenant_prev, built.leaves[0],
        "the tenant's chain"
    );
}

#[test]
fn a_block_without_events_is_a_block() {
    let built = block_of(&[]);
    assert_eq!(built.bytes.len(), 160);
    assert_eq!(
        Block::decode(&built.bytes).unwrap().verify_full(),
        Ok(vec![])
    );
}

#[test]
fn checksums_catch_every_changed_bit() {
    let built = block_of(&[b"first", b"second"]);
    for bit in 0..built.bytes.len() * 8 {
        let mut bytes = built.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(
            Block::decode(&bytes).is_err(),
            "bit {} of byte {}",
            bit % 8,
            bit / 8
        );
    }
}

#[test]
fn hashes_catch_every_changed_bit_when_checksums_are_mended() {
    let built = block_of(&[b"first", b"second"]);
    let payload_end = built.bytes.len() - PAYLOAD_CRC_LEN;
    let covered = (0..CRC_AT).chain(BLOCK_HEADER_LEN..payload_end);
    for bit in covered.flat_map(|byte| byte * 8..byte * 8 + 8) {
        let mut bytes = built.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        mend(&mut bytes);
        let seen = Block::decode(&bytes).and_then(|block| block.verify_full());
        assert!(seen.is_err(), "bit {} of byte {}", bit % 8, bit / 8);
    }
}

#[test]
fn every_cut_is_seen() {
    let built = block_of(&[b"first", b"second"]);
    for len in 0..built.bytes.len() {
        let cut = Block::decode(&built.bytes[..len]);
        assert!(
            matches!(cut, Err(FormatError::Truncated { .. })),
            "{len}: {cut:?}"
        );
    }
}

#[test]
fn redaction_changes_no_hash() {
    let built = block_of(&[b"keep", b"remove me", b"keep too"]);
    let mut bytes = built.bytes.clone();
    let body = redact(&mut bytes, 1).unwrap();
    assert_eq!(&built.bytes[body.clone()], b"remove me");
    assert_eq!(&bytes[body], &[0; 9]);
    let block = Block::decode(&bytes).unwrap();
    assert_eq!(block.header, built.header);
    assert_eq!(block.verify_full().unwrap(), built.leaves);
    let redacted: Vec<bool> = block
        .events
        .iter()
        .map(|e| e.header.flags.redacted())
        .collect();
    assert_eq!(redacted, [false, true, false]);
    assert!(!bytes.windows(6).any(|window| window == b"remove"));
    // Again changes nothing, and there is no fourth event.
    let before = bytes.clone();
    redact(&mut bytes, 1).unwrap();
    assert_eq!(bytes, before);
    assert!(matches!(
        redact(&mut bytes, 3),
        Err(FormatError::Field { .. })
    ));
    assert_eq!(bytes, before);
}

#[test]
fn lengths_are_bounded_before_they_are_believed() {
    let mut header = block_of(&[]).header;
    header.payload_len = PAYLOAD_LEN_MAX + 1;
    let refused = BlockHeader::decode(&header.encode());
    assert!(matches!(
        refused,
        Err(FormatError::TooLarge {
            max: 67_108_864,
            ..
        })
    ));
    header.payload_len = EVENT_HEADER_LEN as u32;
    header.event_count = u32::MAX;
    assert!(matches!(
        BlockHeader::decode(&header.encode()),
        Err(FormatError::Field { .. })
    ));
    header.event_count = 0;
    assert!(matches!(
        BlockHeader::decode(&header.encode()),
        Err(FormatError::Field { .. })
    ));
}

#[test]
fn a_block_ends_with_its_last_event() {
    let mut built = block_of(&[b"first", b"second"]);
    built.header.event_count = 1;
    built.header.block_hash = built.header.compute_hash();
    built.bytes[..BLOCK_HEADER_LEN].copy_from_slice(&built.header.encode());
    let refused = Block::decode(&built.bytes).unwrap_err();
    assert!(
        matches!(refused, FormatError::Field { value: 166, .. }),
        "{refused}"
    );
}

#[test]
fn unknown_versions_kinds_and_flags_are_refused() {
    let good = block_of(&[]).bytes;
    let refused = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        mend(&mut bytes);
        BlockHeader::decode(&bytes).unwrap_err()
    };
    assert_eq!(refused(0, b'X'), FormatError::Magic);
    assert!(matches!(
        refused(4, 2),
        FormatError::Version {
            found: 2,
            newest: 1,
            ..
        }
    ));
    assert!(matches!(
        refused(6, 0),
        FormatError::Field {
            what: "block kind",
            ..
        }
    ));
    assert!(matches!(
        refused(6, 6),
        FormatError::Field {
            what: "block kind",
            ..
        }
    ));
    assert!(matches!(
        refused(7, 1),
        FormatError::Field {
            what: "block flags",
            ..
        }
    ));
    assert_eq!(
        BlockHeader::decode(&[0; 4096]),
        Err(FormatError::Magic),
        "unused space"
    );
}

#[test]
fn a_body_of_another_length_is_not_added() {
    let head = ChainHead::genesis(LINEAGE);
    let mut builder = BlockBuilder::after(&head, BlockKind::Data, 1, 5);
    let event = SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Key, b"12".to_vec()).unwrap();
    let header = event.place(0, 5, [0; 32]);
    assert!(matches!(
        builder.push(&header, b"1"),
        Err(FormatError::Field { .. })
    ));
    assert_eq!((builder.event_count(), builder.payload_len()), (0, 0));
}

#[test]
fn a_block_does_not_grow_over_its_limit() {
    let head = ChainHead::genesis(LINEAGE);
    let mut builder = BlockBuilder::after(&head, BlockKind::Data, 1, 5);
    let body = vec![7; 16 << 20];
    let event = SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Control, body).unwrap();
    let header = event.place(0, 5, [0; 32]);
    for _ in 0..3 {
        builder.push(&header, &event.body).unwrap();
    }
    assert!(matches!(
        builder.push(&header, &event.body),
        Err(FormatError::TooLarge { .. })
    ));
    assert_eq!(builder.event_count(), 3);
    let built = builder.finish();
    assert_eq!(Block::decode(&built.bytes).unwrap().events.len(), 3);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = bytes;
        let _ = Block::decode(&bytes);
        if bytes.len() >= BLOCK_HEADER_LEN + PAYLOAD_CRC_LEN {
            // Past the cheap checks, so that the structure is reached.
            let payload_len = (bytes.len() - BLOCK_HEADER_LEN - PAYLOAD_CRC_LEN) as u32;
            bytes[..8].copy_from_slice(&[b'K', b'B', b'L', b'K', 1, 0, 2, 0]);
            bytes[48..52].copy_from_slice(&(payload_len / 160).to_le_bytes());
            bytes[52..56].copy_from_slice(&payload_len.to_le_bytes());
            mend(&mut bytes);
            if let Ok(block) = Block::decode(&bytes) {
                prop_assert!(block.verify().is_err(), "noise with a right hash");
            }
        }
    }

    #[test]
    fn blocks_read_back(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let built = block_of(&bodies);
        let block = Block::decode(&built.bytes).unwrap();
        prop_assert_eq!(block.verify_full().unwrap(), built.leaves);
        let read: Vec<&[u8]> = block.events.iter().map(|event| event.body).collect();
        prop_assert_eq!(read, bodies);
    }
}
