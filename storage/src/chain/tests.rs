#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::block::BlockBuilder;
use crate::event::EventKind;
use crate::ids::TenantId;

const LINEAGE: Lineage = Lineage([3; 16]);

fn next(head: &ChainHead, term: u64, now_us: i64) -> BlockHeader {
    BlockBuilder::after(head, BlockKind::Noop, term, now_us)
        .finish()
        .header
}

#[test]
fn blocks_follow_each_other_from_genesis() {
    let mut head = ChainHead::genesis(LINEAGE);
    let first = next(&head, 1, 50);
    assert_eq!((first.index, first.prev_hash), (1, NO_HASH));
    head.advance(&first).unwrap();
    let second = next(&head, 1, 60);
    assert_eq!((second.index, second.prev_hash), (2, first.block_hash));
    head.advance(&second).unwrap();
    assert_eq!(head, ChainHead::of(&second));
}

#[test]
fn the_clock_of_the_log_never_goes_back() {
    let mut head = ChainHead::genesis(LINEAGE);
    head.advance(&next(&head, 1, 100)).unwrap();
    assert_eq!(next(&head, 1, 40).timestamp_us, 100);
}

#[test]
fn each_broken_rule_is_named_and_the_head_stays() {
    let mut head = ChainHead::genesis(LINEAGE);
    head.advance(&next(&head, 5, 100)).unwrap();
    let good = next(&head, 5, 100);
    let before = head;
    let mut refused = |change: &dyn Fn(&mut BlockHeader)| {
        let mut header = good.clone();
        change(&mut header);
        let error = head.advance(&header).unwrap_err();
        assert_eq!(head, before);
        error
    };
    let error = refused(&|header| header.index = 3);
    assert_eq!(
        error,
        ChainError::Index {
            expected: 2,
            found: 3
        }
    );
    let other = Lineage([4; 16]);
    let error = refused(&|header| header.lineage = other);
    assert_eq!(
        error,
        ChainError::Lineage {
            expected: LINEAGE,
            found: other
        }
    );
    let error = refused(&|header| header.term = 4);
    assert_eq!(
        error,
        ChainError::Term {
            previous: 5,
            found: 4
        }
    );
    let error = refused(&|header| header.timestamp_us = 99);
    assert_eq!(
        error,
        ChainError::Time {
            previous_us: 100,
            found_us: 99
        }
    );
    let error = refused(&|header| header.prev_hash = NO_HASH);
    assert!(matches!(error, ChainError::PrevHash { found: NO_HASH, .. }));
    head.advance(&good).unwrap();
}

#[test]
fn only_a_fork_begins_a_new_lineage() {
    let mut head = ChainHead::genesis(LINEAGE);
    let mut fork = next(&head, 1, 1);
    fork.lineage = Lineage([9; 16]);
    fork.kind = BlockKind::Fork;
    head.advance(&fork).unwrap();
    assert_eq!(head.lineage, fork.lineage);
}

#[test]
fn a_tenants_events_follow_each_other() {
    let event = |body: &[u8]| {
        SealedEvent::unsealed(TenantId::SYSTEM, EventKind::Control, body.to_vec()).unwrap()
    };
    let mut head = TenantHead::default();
    let first = head.place(&event(b"1"), 10);
    head.advance(&first, first.leaf()).unwrap();
    let second = head.place(&event(b"2"), 11);
    assert_eq!((second.tenant_seq, second.tenant_prev), (1, first.leaf()));

    // The first again; an event left out; an event exchanged.
    let again = head.advance(&first, first.leaf());
    assert_eq!(
        again,
        Err(ChainError::TenantSeq {
            expected: 1,
            found: 0
        })
    );
    let mut ahead = second.clone();
    ahead.tenant_seq = 2;
    let ahead = head.advance(&ahead, ahead.leaf());
    assert_eq!(
        ahead,
        Err(ChainError::TenantSeq {
            expected: 1,
            found: 2
        })
    );
    let mut other = second.clone();
    other.tenant_prev = [1; 32];
    let other = head.advance(&other, other.leaf());
    assert_eq!(
        other,
        Err(ChainError::TenantPrev {
            expected: first.leaf(),
            found: [1; 32]
        })
    );
    head.advance(&second, second.leaf()).unwrap();
    assert_eq!(head.next_seq, 2);
}

#[test]
fn the_order_of_leaves_matters() {
    let (a, b) = ([1; 32], [2; 32]);
    assert_ne!(payload_hash(&[a, b]), payload_hash(&[b, a]));
    assert_ne!(payload_hash(&[a]), payload_hash(&[]));
}
