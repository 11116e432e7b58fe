#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]
use super::super::tests::{bytes_of, heartbeat, large};
use super::*;
use proptest::prelude::*;

/// Takes a batch apart as the receiver does.
fn frames(mut bytes: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_first_chunk().unwrap();
        match Head::decode(*head).unwrap() {
            Head::Beat => bytes = rest,
            Head::Plain(len) => {
                frames.push((rest[..len].to_vec(), false));
                bytes = &rest[len..];
            }
            Head::Compressed(len) => {
                let (field, _) = rest.split_first_chunk().unwrap();
                let plain = plain_len(*field, len).unwrap();
                frames.push((decompress(&rest[4..len], plain).unwrap(), true));
                bytes = &rest[len..];
            }
        }
    }
    frames
}

async fn added(batch: &mut Batch, frame: Frame, waiting: bool) -> bool {
    let bytes = bytes_of(&frame);
    batch.clear();
    batch.add(frame, bytes.len(), waiting).await;
    let found = frames(batch.bytes());
    assert_eq!(found.len(), 1);
    assert!(found[0].0 == bytes, "another frame");
    found[0].1
}

#[tokio::test]
async fn large_frames_that_shrink_are_compressed_when_others_wait() {
    let mut batch = Batch::default();
    assert!(added(&mut batch, large(1, 2, 100_000, false), true).await);
    assert!(!added(&mut batch, large(1, 2, 100_000, false), false).await);
    assert!(!added(&mut batch, large(1, 2, 60_000, false), true).await);
}

#[tokio::test]
async fn after_one_that_did_not_shrink_32_are_not_tried() {
    let mut batch = Batch::default();
    assert!(!added(&mut batch, large(1, 2, 100_000, true), true).await);
    for turn in 0..32 {
        let shrinks = large(1, 2, 100_000, false);
        assert!(!added(&mut batch, shrinks, true).await, "{turn}");
    }
    assert!(added(&mut batch, large(1, 2, 100_000, false), true).await);
}

#[tokio::test]
async fn small_frames_share_a_write() {
    let mut batch = Batch::default();
    let sent: Vec<_> = (0..100).map(|n| heartbeat(1, 2, n)).collect();
    batch.beat();
    for frame in &sent {
        batch.add(frame.clone(), frame.encoded_len(), true).await;
    }
    batch.beat();
    let expected: Vec<_> = sent.iter().map(|f| (bytes_of(f), false)).collect();
    assert_eq!(frames(batch.bytes()), expected);
}

#[test]
fn what_is_longer_than_it_says_is_no_frame() {
    let compressed = zstd::bulk::compress(&[0; 100_000], 1).unwrap();
    assert!(decompress(&compressed, 99_999).is_err());
    assert!(decompress(&compressed, 100_001).is_err());
    assert!(decompress(&compressed, 100_000).is_ok());
    assert!(decompress(&compressed[..compressed.len() - 1], 100_000).is_err());
}

proptest! {
    #[test]
    fn heads_are_bounded(head in any::<[u8; 5]>(), len in any::<[u8; 4]>(), flags in 0_u8..3) {
        for head in [head, [len[0], len[1], len[2], len[3], flags]] {
            if let Ok(Head::Plain(len) | Head::Compressed(len)) = Head::decode(head) {
                prop_assert!(len <= FRAME_LEN_MAX && head[4] <= 1);
            }
        }
        if let Ok(plain) = plain_len(len, 10) {
            prop_assert!(plain <= FRAME_LEN_MAX);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), len in 0_usize..100_000) {
        drop(decompress(&bytes, len));
        let mut magic = vec![0x28, 0xb5, 0x2f, 0xfd];
        magic.extend_from_slice(&bytes);
        drop(decompress(&magic, len));
    }
}
