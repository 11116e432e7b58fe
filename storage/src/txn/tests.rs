#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn change(n: usize, value_len: usize) -> Change {
    Change {
        op: Op::Insert as i32,
        key: Bytes::from(n.to_be_bytes().to_vec()),
        value: Bytes::from(vec![n as u8; value_len]),
        changed: vec![],
    }
}

fn txn_of(changes: Vec<Change>) -> Txn {
    Txn {
        principal: "alice".into(),
        time_us: -1,
        statements: vec!["insert into t values ($1)".into()],
        streams: vec![StreamChanges {
            stream: 42,
            space: Space::Rows as i32,
            changes,
        }],
        part_count: 0,
    }
}

prop_compose! {
    fn changes()(
        op in 1_i32..=3,
        key in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::collection::vec(any::<u8>(), 0..200),
        changed in prop::collection::vec(any::<u32>(), 0..4),
    ) -> Change {
        Change { op, key: key.into(), value: value.into(), changed }
    }
}

prop_compose! {
    fn streams()(
        stream: u64,
        space in 1_i32..=3,
        changes in prop::collection::vec(changes(), 0..20),
    ) -> StreamChanges {
        StreamChanges { stream, space, changes }
    }
}

prop_compose! {
    fn txns()(
        principal: String,
        time_us: i64,
        statements in prop::collection::vec(any::<String>(), 0..4),
        streams in prop::collection::vec(streams(), 0..4),
        part_count: u32,
    ) -> Txn {
        Txn { principal, time_us, statements, streams, part_count }
    }
}

/// Every change with its stream and space, in order.
fn flat(txns: &[Txn]) -> Vec<(u64, i32, Change)> {
    let streams = txns.iter().flat_map(|txn| &txn.streams);
    let changes = streams.flat_map(|stream| {
        stream
            .changes
            .iter()
            .map(|change| (stream.stream, stream.space, change.clone()))
    });
    changes.collect()
}

proptest! {
    #[test]
    fn transactions_read_back(txn in txns()) {
        prop_assert_eq!(decode(encode(&txn).unwrap()).unwrap(), txn);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        compression in 0_u8..3, claimed in 0_u32..2000,
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = decode(rest.clone());
        let len = if compression == 1 { claimed } else { rest.len() as u32 };
        let bytes = [&[VERSION, compression][..], &len.to_le_bytes(), &rest].concat();
        let _ = decode(bytes);
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(txn in txns(), at: prop::sample::Index, byte: u8) {
        let mut bytes = encode(&txn).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(bytes);
    }

    #[test]
    fn splitting_keeps_every_change_in_order(txn in txns(), part_len in 1_usize..2000) {
        let parts = split(txn.clone(), part_len);
        prop_assert_eq!(flat(&parts), flat(std::slice::from_ref(&txn)));
        let (closing, parts) = parts.split_last().unwrap();
        if parts.is_empty() && txn.encoded_len() <= part_len {
            prop_assert_eq!(closing, &txn);
        } else {
            prop_assert_eq!(closing.part_count as usize, parts.len());
        }
        prop_assert_eq!((&closing.principal, closing.time_us), (&txn.principal, txn.time_us));
        prop_assert_eq!(&closing.statements, &txn.statements);
        let closing_fits = closing.streams.is_empty() || closing.encoded_len() <= part_len;
        prop_assert!(closing_fits, "{} bytes", closing.encoded_len());
        for part in parts {
            let changes: usize = part.streams.iter().map(|stream| stream.changes.len()).sum();
            prop_assert!(changes == 1 || part.encoded_len() <= part_len);
            prop_assert!(changes > 0 && part.principal.is_empty() && part.statements.is_empty());
        }
    }
}

#[test]
fn what_is_small_is_stored_as_it_is_and_what_is_large_is_compressed() {
    let small = encode(&txn_of(vec![change(1, 100)])).unwrap();
    assert_eq!(small[..2], [1, 0]);
    let txn = txn_of((0..1000).map(|n| change(n, 100)).collect());
    let large = encode(&txn).unwrap();
    assert_eq!(large[..2], [1, 1]);
    assert!(large.len() * 4 < txn.encoded_len(), "{} bytes", large.len());
    assert_eq!(decode(large).unwrap(), txn);
}

#[test]
fn what_does_not_shrink_is_not_compressed() {
    let entropy = crate::env::fixed::FixedEntropy::new(1);
    let mut value = vec![0; 5000];
    crate::env::Entropy::fill(&entropy, &mut value);
    let mut noise = change(1, 0);
    noise.value = value.into();
    let txn = txn_of(vec![noise]);
    let bytes = encode(&txn).unwrap();
    assert_eq!(bytes[..2], [1, 0]);
    assert_eq!(decode(bytes).unwrap(), txn);
}

#[test]
fn the_bytes_of_a_small_transaction() {
    let bytes = encode(&Txn {
        principal: "al".into(),
        time_us: -2,
        statements: vec!["s".into()],
        streams: vec![StreamChanges {
            stream: 300,
            space: Space::Index as i32,
            changes: vec![Change {
                op: Op::Delete as i32,
                key: Bytes::from_static(b"k"),
                value: Bytes::from_static(b"v"),
                changed: vec![1, 2],
            }],
        }],
        part_count: 9,
    });
    // Written by hand after the encoding rules of Protocol Buffers: field number
    // and wire type, then a varint or a length and that many bytes.
    let change = [0x08, 3, 0x12, 1, b'k', 0x1A, 1, b'v', 0x22, 2, 1, 2];
    let stream = [&[0x08, 0xAC, 2, 0x10, 2, 0x1A, 12][..], &change].concat();
    let txn = [
        &[0x0A, 2, b'a', b'l', 0x10, 3, 0x1A, 1, b's', 0x22, 19],
        &stream[..],
        &[0x28, 9],
    ];
    let expected = [&[1, 0, 32, 0, 0, 0][..], &txn.concat()].concat();
    assert_eq!(bytes.unwrap(), expected);
}

#[test]
fn a_decompression_bomb_is_refused() {
    let zeros = zstd::bulk::compress(&vec![0; 100 << 20], 1).unwrap();
    assert!(zeros.len() < 100_000);
    let bomb = |claimed: u32| [&[1, 1][..], &claimed.to_le_bytes(), &zeros].concat();
    let over = decode(bomb(100 << 20)).unwrap_err();
    assert!(
        matches!(
            over,
            StorageError::Format(FormatError::TooLarge {
                max: 67_108_864,
                ..
            })
        ),
        "{over}"
    );
    let zeros = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
    let lie = decode([&[1, 1][..], &1000_u32.to_le_bytes(), &zeros].concat()).unwrap_err();
    assert!(
        matches!(lie, StorageError::Format(FormatError::Message { .. })),
        "{lie}"
    );
}

#[test]
fn a_wrong_length_version_or_compression_is_refused() {
    let good = encode(&txn_of(vec![])).unwrap();
    let refused = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        decode(bytes).unwrap_err()
    };
    let error = refused(0, 2);
    assert!(matches!(
        error,
        StorageError::Format(FormatError::Version { found: 2, .. })
    ));
    let error = refused(1, 2);
    assert!(matches!(
        error,
        StorageError::Format(FormatError::Field { value: 2, .. })
    ));
    let error = refused(2, 0);
    assert!(matches!(
        error,
        StorageError::Format(FormatError::Field { .. })
    ));
    let cut = decode(good[..5].to_vec()).unwrap_err();
    assert!(matches!(
        cut,
        StorageError::Format(FormatError::Truncated { .. })
    ));
}

#[test]
fn unknown_operations_and_spaces_are_refused() {
    for bad in [0, 4, -1] {
        let mut txn = txn_of(vec![change(1, 1)]);
        txn.streams[0].changes[0].op = bad;
        assert!(decode(encode(&txn).unwrap()).is_err(), "operation {bad}");
        let mut txn = txn_of(vec![change(1, 1)]);
        txn.streams[0].space = bad;
        assert!(decode(encode(&txn).unwrap()).is_err(), "space {bad}");
    }
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let txn = txn_of(vec![change(1, MESSAGE_LEN_MAX)]);
    let refused = encode(&txn).unwrap_err();
    assert!(
        matches!(
            refused,
            StorageError::TooLarge {
                max: 67_108_864,
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn keys_and_values_share_the_decoded_buffer() {
    let bytes = Bytes::from(encode(&txn_of(vec![change(1, 50)])).unwrap());
    let range = bytes.as_ptr_range();
    let txn = decode(bytes.clone()).unwrap();
    assert!(
        range.contains(&txn.streams[0].changes[0].value.as_ptr()),
        "the value was copied"
    );
}

#[test]
fn the_documented_messages_are_the_messages() {
    // Field numbers and names of proto/event.proto against what the derived code
    // says about itself when it is given a field of a wrong type.
    let text = include_str!("../../proto/event.proto");
    let field_names = |message: &str| -> Vec<(u32, String)> {
        let start = text.find(&format!("message {message} {{")).unwrap();
        let body = text[start..]
            .split_once('{')
            .unwrap()
            .1
            .split_once('}')
            .unwrap()
            .0;
        let lines = body.lines().filter_map(|line| line.split_once(';'));
        lines
            .map(|(field, _)| {
                let (name, number) = field.split_once('=').unwrap();
                let name = name.split_whitespace().last().unwrap();
                (number.trim().parse().unwrap(), name.to_owned())
            })
            .collect()
    };
    let check = |message: &str, decode: &dyn Fn(&[u8]) -> String| {
        let fields = field_names(message);
        assert!(!fields.is_empty());
        for (number, name) in fields {
            // Wire type 5 (32 bits) is used by no field.
            let wrong = [(number << 3 | 5) as u8, 0, 0, 0, 0];
            let error = decode(&wrong);
            assert!(
                error.contains(&format!("{message}.{name}")),
                "{message}.{name}: {error}"
            );
        }
        // One more number would be an unknown field, which is skipped.
        let beyond = field_names(message).len() as u32 + 1;
        assert_eq!(
            decode(&[(beyond << 3 | 5) as u8, 0, 0, 0, 0]),
            "",
            "undocumented field"
        );
    };
    fn error_of<M: Message + Default>(bytes: &[u8]) -> String {
        M::decode(bytes)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }
    check("Txn", &error_of::<Txn>);
    check("StreamChanges", &error_of::<StreamChanges>);
    check("Change", &error_of::<Change>);
    check("KeyRecord", &error_of::<crate::KeyRecord>);
}
