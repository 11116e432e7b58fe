//! A transaction is put in the log in the term in which it began.

use super::*;

fn of_epoch(epoch: u64) -> SealedTransaction {
    SealedTransaction {
        epoch,
        ..transaction(&[10])
    }
}

#[test]
fn a_leader_serves_once_it_applied_the_first_block_of_its_term() {
    let mut core = leader();
    let mut reply = message(MessageType::MsgAppendResponse, 3);
    reply.index = 4;
    let actions = core.handle(Event::Frame(frame(reply)), 0);
    assert_eq!(core.committed(), 4);
    assert_eq!(commits(&actions).last().unwrap().header.index, 4);
    for applied in [0, 2, 3] {
        core.handle(Event::Applied(applied), 0);
        assert_eq!(core.serving(), None, "{applied} blocks applied");
    }
    core.handle(Event::Applied(4), 0);
    assert_eq!(core.serving(), Some(3));
    let beat = message(MessageType::MsgHeartbeat, 4);
    core.handle(Event::Frame(frame(beat)), 0);
    assert_eq!(core.serving(), None);
}

#[test]
fn a_transaction_of_another_epoch_is_refused() {
    let mut core = alone();
    core.handle(Event::Applied(1), 0);
    let epoch = core.serving().unwrap();
    for (id, other) in [(1, epoch - 1), (2, epoch + 1), (3, u64::MAX)] {
        let actions = core.handle(Event::Submit(id, of_epoch(other)), 0);
        let why = Refusal::OtherEpoch;
        assert!(matches!(&actions[..], [Action::Refused(i, r)] if (*i, r) == (id, &why)));
    }
    for (id, good) in [(4, epoch), (5, 0)] {
        let actions = core.handle(Event::Submit(id, of_epoch(good)), 0);
        let actions = core.handle(Event::Written(writes(&actions)[0].number), 0);
        assert_eq!(commits(&actions)[0].done[0].0, id);
    }
}

#[test]
fn who_does_not_lead_serves_nobody() {
    let (mut core, _) = follower();
    core.handle(Event::Applied(2), 0);
    assert_eq!(core.serving(), None);
    let actions = core.handle(Event::Submit(1, of_epoch(2)), 0);
    let refused = Refusal::NotLeader { leader: 1 };
    assert!(matches!(&actions[..], [Action::Refused(1, why)] if *why == refused));
}
