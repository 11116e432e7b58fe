#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::ids::KeyPurpose;

prop_compose! {
    /// Any header that can be.
    fn headers()(
        kind in 1_u8..=6, redacted: bool, tenant: [u8; 16], tenant_seq: u64, timestamp_us: i64,
        sealed: bool, epoch: u32, salt: [u8; 32], nonce: [u8; 12],
        plaintext_len in 0..=EVENT_PLAINTEXT_LEN_MAX, tenant_prev: Hash32, ciphertext_sha256: Hash32,
    ) -> EventHeader {
        let key_id = if sealed { KeyId::new(KeyPurpose::Data, epoch) } else { KeyId::NONE };
        EventHeader {
            kind: EventKind::from_code(kind).unwrap(),
            flags: if redacted { EventFlags::REDACTED } else { EventFlags::NONE },
            tenant: TenantId(tenant),
            tenant_seq,
            timestamp_us,
            key_id,
            salt: if sealed { salt } else { [0; 32] },
            nonce: if sealed { nonce } else { [0; 12] },
            plaintext_len,
            ciphertext_len: plaintext_len + if sealed { TAG_LEN } else { 0 },
            tenant_prev,
            ciphertext_sha256,
        }
    }
}

proptest! {
    #[test]
    fn headers_read_back_as_written(header in headers()) {
        let bytes = header.encode();
        prop_assert_eq!(EventHeader::decode(&bytes), Ok(header));
    }

    #[test]
    fn what_decodes_is_written_the_same(bytes: [u8; EVENT_HEADER_LEN]) {
        // Two byte strings must never mean the same header: a leaf would have two
        // preimages that readers treat alike.
        let mut bytes = bytes;
        let start = [1, 1 + bytes[1] % 6, bytes[2] & 1, 0];
        bytes[..4].copy_from_slice(&start);
        let plaintext_len = u32::from_le_bytes([bytes[88], bytes[89], bytes[90], 0]);
        bytes[91] = 0;
        bytes[92..96].copy_from_slice(&(plaintext_len + TAG_LEN).to_le_bytes());
        if let Ok(header) = EventHeader::decode(&bytes) {
            prop_assert_eq!(header.encode(), bytes);
        } else {
            prop_assert!(plaintext_len > EVENT_PLAINTEXT_LEN_MAX);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = EventRef::decode(&bytes);
    }
}

#[test]
fn the_leaf_covers_every_bit_but_the_redaction_flag() {
    let event = SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Key, b"body".to_vec()).unwrap();
    let bytes = event.place(3, 4, [5; 32]).encode();
    for bit in 0..EVENT_HEADER_LEN * 8 {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        let same = leaf_of(&changed) == leaf_of(&bytes);
        assert_eq!(same, bit == 2 * 8, "bit {} of byte {}", bit % 8, bit / 8);
    }
}

#[test]
fn impossible_headers_are_refused() {
    let event = SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Key, b"body".to_vec()).unwrap();
    let good = event.place(0, 1, [0; 32]).encode();
    assert!(EventHeader::decode(&good).is_ok());
    let refused = |at: usize, byte: u8| {
        let mut bytes = good;
        bytes[at] = byte;
        EventHeader::decode(&bytes).unwrap_err()
    };
    assert!(matches!(
        refused(0, 2),
        FormatError::Version { found: 2, .. }
    ));
    assert!(matches!(
        refused(1, 0),
        FormatError::Field {
            what: "event kind",
            ..
        }
    ));
    assert!(matches!(
        refused(1, 7),
        FormatError::Field {
            what: "event kind",
            ..
        }
    ));
    assert!(matches!(
        refused(2, 2),
        FormatError::Field {
            what: "event flags",
            ..
        }
    ));
    assert!(matches!(refused(3, 1), FormatError::Field { .. }));
    assert!(
        matches!(refused(44, 1), FormatError::Field { .. }),
        "a salt without a key"
    );
    assert!(
        matches!(refused(76, 1), FormatError::Field { .. }),
        "a nonce without a key"
    );
    assert!(
        matches!(refused(88, 5), FormatError::Field { .. }),
        "lengths disagree"
    );
    assert!(
        matches!(refused(95, 1), FormatError::TooLarge { .. }),
        "16 MiB and 4 bytes"
    );
    assert!(matches!(
        EventHeader::decode(&good[..EVENT_HEADER_LEN - 1]),
        Err(FormatError::Truncated {
            needed: 160,
            have: 159,
            ..
        })
    ));
}

#[test]
fn a_body_that_is_cut_short_is_refused() {
    let event = SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Key, b"body".to_vec()).unwrap();
    let bytes = [&event.place(0, 1, [0; 32]).encode()[..], b"bod"].concat();
    assert!(matches!(
        EventRef::decode(&bytes),
        Err(FormatError::Truncated { .. })
    ));
}

#[test]
fn an_event_over_the_limit_is_refused() {
    let body = vec![0; EVENT_BODY_LEN_MAX as usize + 1];
    let refused = SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Control, body);
    assert!(matches!(
        refused,
        Err(FormatError::TooLarge {
            max: 16_777_216,
            ..
        })
    ));
}

#[test]
fn a_redacted_body_must_be_zeros() {
    let event = SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Key, b"body".to_vec()).unwrap();
    let mut header = event.place(0, 1, [0; 32]);
    let verify = |header: &EventHeader, body: &[u8]| {
        let bytes = [&header.encode()[..], body].concat();
        EventRef::decode(&bytes).unwrap().0.verify_body()
    };
    assert_eq!(verify(&header, b"body"), Ok(()));
    assert!(matches!(
        verify(&header, b"bodY"),
        Err(FormatError::Hash { .. })
    ));
    header.flags = EventFlags::REDACTED;
    assert_eq!(verify(&header, &[0; 4]), Ok(()));
    assert!(matches!(
        verify(&header, b"body"),
        Err(FormatError::Field { .. })
    ));
}
