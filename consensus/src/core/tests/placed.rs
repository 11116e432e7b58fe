//! What becomes of transactions whose leader was replaced.

use super::*;

fn refusals(actions: &[Action]) -> Vec<(RequestId, &Refusal)> {
    let refused = actions.iter().filter_map(|action| match action {
        Action::Refused(id, why) => Some((*id, why)),
        _ => None,
    });
    refused.collect()
}

#[test]
fn a_transaction_is_superseded_when_another_block_is_committed_in_its_place() {
    let mut core = leader();
    let before = core.head();
    let actions = core.handle(Event::Submit(7, transaction(&[10])), 0);
    settle(&mut core, &actions);
    assert_eq!(core.head().index, 5);
    // The next leader has another block 5. That it may still lose, to one that has ours.
    let other = blocks(before, 4, &[9]);
    let actions = core.handle(Event::Frame(frame(append(4, 3, &other))), 0);
    assert_eq!(writes(&actions)[0].truncate_after, Some(4));
    assert_eq!(refusals(&actions), []);
    settle(&mut core, &actions);
    let mut beat = message(MessageType::MsgHeartbeat, 4);
    beat.commit = 5;
    let actions = core.handle(Event::Frame(frame(beat)), 0);
    assert_eq!(commits(&actions).last().unwrap().header.index, 5);
    assert!(
        commits(&actions)
            .iter()
            .all(|commit| commit.done.is_empty())
    );
    assert_eq!(refusals(&actions), [(7, &Refusal::Superseded)]);
}

#[test]
fn a_transaction_that_the_next_leader_has_is_committed() {
    let mut core = leader();
    let actions = core.handle(Event::Submit(7, transaction(&[10])), 0);
    settle(&mut core, &actions);
    let ours = core.head();
    let next = blocks(ours, 4, &[9]);
    let mut message = append(5, 3, &next);
    message.commit = 6;
    let mut actions = core.handle(Event::Frame(frame(message)), 0);
    let number = writes(&actions)[0].number;
    actions.extend(core.handle(Event::Written(number), 0));
    let done: Vec<_> = commits(&actions).iter().flat_map(|c| &c.done).collect();
    assert_eq!((done[0].0, done[0].1.index), (7, 5));
    assert_eq!(refusals(&actions), []);
}
