//! A replica whose own log is not what it has to be ends, and says why.

use super::*;
use kimberlite_storage::StorageError;

/// What the log's files give.
#[derive(Clone)]
enum Broken {
    /// These blocks, and no tenant.
    Blocks(Vec<Bytes>),
    /// These blocks the first time; they are not to be read again.
    Once(std::cell::RefCell<Vec<Bytes>>),
    /// Nothing can be read.
    Nothing,
}

fn gone() -> StorageError {
    StorageError::Closed("the medium is gone".into())
}

impl LogSource for Broken {
    fn blocks(&self, from: u64, to: u64, _: u64) -> Result<Vec<Bytes>> {
        let of = |blocks: &[Bytes]| {
            let last = blocks.len().min(to as usize - 1);
            blocks[from as usize - 1..last].to_vec()
        };
        match self {
            Self::Blocks(blocks) => Ok(of(blocks)),
            Self::Once(blocks) => match std::mem::take(&mut *blocks.borrow_mut()) {
                blocks if blocks.is_empty() => Err(gone()),
                blocks => Ok(of(&blocks)),
            },
            Self::Nothing => Err(gone()),
        }
    }

    fn tenant(&self, _: TenantId) -> Result<TenantHead> {
        Err(gone())
    }
}

/// Starts one of three with a log that is committed and not applied.
fn started(
    log: &[KeptBlock],
    source: Broken,
) -> std::result::Result<(Core<Broken>, Vec<Action>), StartError> {
    let settings = Settings {
        replica: 2,
        heartbeat_ticks: 2,
        election_ticks: 10,
        seed: 1,
        block: BlockLimits::default(),
    };
    let mut terms = TermStarts::default();
    for block in log {
        terms.push(block.header.index, block.header.term);
    }
    let genesis = ChainHead::genesis(LINEAGE);
    let start = Start {
        committed: log.last().map_or(genesis, |b| ChainHead::of(&b.header)),
        blocks: Vec::new(),
        terms,
        vote: Vote { term: 2, vote: 0 },
        applied: 0,
        members: Members::first([1, 2, 3]),
        registry: named(&[1, 2, 3]),
    };
    Core::start(settings, start, source, 0)
}

#[track_caller]
fn refused(log: &[KeptBlock], source: Broken, why: &str) {
    let Err(error) = started(log, source) else {
        panic!("it started");
    };
    assert!(error.to_string().contains(why), "{error}");
}

fn bytes(log: &[KeptBlock]) -> Vec<Bytes> {
    log.iter().map(|block| block.bytes.clone()).collect()
}

/// A block of kind config with any body.
fn config_block(head: &ChainHead, term: u64, body: &[u8]) -> KeptBlock {
    let newest = TenantHead::default();
    let made = queue::control_block(head, BlockKind::Config, term, 5, body.to_vec(), newest);
    KeptBlock::from(made.unwrap().0)
}

#[test]
fn committed_blocks_that_are_there_are_applied() {
    let log = blocks(ChainHead::genesis(LINEAGE), 2, &[1, 2, 3]);
    let (_, actions) = started(&log, Broken::Blocks(bytes(&log))).unwrap();
    let applied: Vec<u64> = commits(&actions).iter().map(|c| c.header.index).collect();
    assert_eq!(applied, [1, 2, 3]);
}

#[test]
fn committed_blocks_that_cannot_be_read_end_it() {
    let log = blocks(ChainHead::genesis(LINEAGE), 2, &[1, 2, 3]);
    refused(&log, Broken::Nothing, "the medium is gone");
    // What the protocol was given is read once more to be handed out.
    let once = Broken::Once(bytes(&log).into());
    refused(&log, once, "block 1 is committed and cannot be read");
}

#[test]
fn other_blocks_in_the_place_of_committed_ones_end_it() {
    let log = blocks(ChainHead::genesis(LINEAGE), 2, &[1, 2, 3]);
    let mut other = bytes(&log);
    other.rotate_left(1);
    refused(&log, Broken::Blocks(other), "cannot be read");
    let junk = vec![Bytes::from_static(b"no block"); 3];
    refused(&log, Broken::Blocks(junk), "cannot be read");
}

#[test]
fn a_change_of_the_members_that_does_not_read_ends_it() {
    let genesis = ChainHead::genesis(LINEAGE);
    let log = [config_block(&genesis, 2, b"no change")];
    refused(&log, Broken::Blocks(bytes(&log)), "block 1 changes");
}

#[test]
fn nothing_is_done_after_the_end() {
    let (mut core, log) = follower();
    let block = config_block(&ChainHead::of(&log[2].header), 2, b"no change");
    let mut message = append(3, 2, &[block]);
    message.commit = 4;
    let actions = core.handle(Event::Frame(frame(message)), 0);
    let number = writes(&actions)[0].number;
    let actions = core.handle(Event::Written(number), 0);
    let Some(Action::Fatal(why)) = actions.last() else {
        panic!("it goes on: {actions:?}");
    };
    assert!(why.contains("block 4 changes the members"), "{why}");
    assert!(commits(&actions).is_empty());
    for event in [
        Event::Submit(1, transaction(&[1])),
        Event::Read(2),
        Event::Frame(frame(message_of_term_9())),
    ] {
        assert!(core.handle(event, 0).is_empty());
    }
    for _ in 0..100 {
        assert!(core.handle(Event::Tick, 0).is_empty());
    }
}

fn message_of_term_9() -> Message {
    let mut vote = message(MessageType::MsgRequestVote, 9);
    (vote.index, vote.log_term) = (9, 8);
    vote
}

#[test]
fn a_leader_that_cannot_make_a_block_of_the_members_ends() {
    let settings = Settings {
        replica: 1,
        heartbeat_ticks: 2,
        election_ticks: 10,
        seed: 1,
        block: BlockLimits::default(),
    };
    let start = Start {
        committed: ChainHead::genesis(LINEAGE),
        blocks: Vec::new(),
        terms: TermStarts::default(),
        vote: Vote { term: 1, vote: 0 },
        applied: 0,
        members: Members::first([1]),
        registry: named(&[1]),
    };
    let (mut core, actions) = Core::start(settings, start, Broken::Nothing, 0).unwrap();
    for write in writes(&actions) {
        for write in writes(&core.handle(Event::Written(write.number), 0)) {
            core.handle(Event::Written(write.number), 0);
        }
    }
    assert_eq!(core.committed(), 1);
    let change = MemberChange::admit(4, peer(4));
    let actions = core.handle(Event::Change(8, change), 0);
    let Some(Action::Fatal(why)) = actions.last() else {
        panic!("it goes on: {actions:?}");
    };
    assert!(why.contains("block 2"), "{why}");
    assert!(writes(&actions).is_empty());
    assert!(core.handle(Event::Tick, 0).is_empty());
}
