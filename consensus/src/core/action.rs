//! What happens to a core, and what it wants done.

use bytes::Bytes;
use kimberlite_storage::{BlockHeader, Committed, SealedTransaction};

use crate::block_entry::KeptBlock;
use crate::frame::Frame;
use crate::members::{MemberChange, Members, replica_of};

/// Names something a core was asked for, in the answer. The driver chooses; no two that
/// are open at once may be equal.
pub type RequestId = u64;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A tick of the clock passed.
    Tick,
    /// A peer sent this. That it is the peer it says is the transport's to check.
    Frame(Frame),
    /// A transaction wants its place in the log. It gets one in the term in which it began
    /// ([`SealedTransaction::epoch`]), or none.
    Submit(RequestId, SealedTransaction),
    /// Everything up to this [`Write`] is durable.
    Written(u64),
    /// There is room for the next block again.
    Room,
    /// There is no room for another block: what waits is refused, and room is asked for
    /// when more comes.
    Full,
    /// Blocks that were [`Action::Fetch`]ed; none when they could not be read.
    Fetched(u64, Vec<Bytes>),
    /// Blocks up to this index are in the projection.
    Applied(u64),
    /// Somebody wants to read what is committed now.
    Read(RequestId),
    /// The members are to change.
    Change(RequestId, MemberChange),
    /// Another replica is to lead. Only the one that leads does anything about it.
    Transfer(u64),
    /// A peer could not be reached.
    Unreachable(u64),
}

/// Something to do. Actions are done in the order they are given, except that writing,
/// fetching and applying may take their time.
#[derive(Debug)]
pub enum Action {
    /// Send this to [`Frame::to`]; it may get lost.
    Send(Frame),
    /// Make this durable, in the order of the numbers, and say so with
    /// [`Event::Written`].
    Write(Write),
    /// Make sure that the next block has room, and say [`Event::Room`] or [`Event::Full`].
    Reserve,
    /// Read blocks and give them back with [`Event::Fetched`].
    Fetch(Fetch),
    /// Apply a committed block. The blocks come in order.
    Apply(Commit),
    /// The transaction is certainly not committed.
    Refused(RequestId, Refusal),
    /// Whether the transaction is committed is not known, and may not be for long: this
    /// replica led when it took it, and is cut off.
    Unknown(RequestId),
    /// A read sees enough when the block at this index is applied.
    ReadAt(RequestId, u64),
    /// The change of the members is in the log, or it will not be.
    Changed(RequestId, Result<u64, Refusal>),
    /// Who leads, or that this replica does, has changed.
    Leader(Leadership),
    /// Something that must not be; the core goes on without what caused it.
    Alarm(Alarm),
    /// This replica's own log is not what it has to be, for the reason given: the core
    /// does nothing any more, and the replica has to end. What it did not answer is
    /// unknown.
    Fatal(String),
}

/// What to make durable, in this order: what is to be cut off, the blocks, the vote.
#[derive(Debug, Default)]
pub struct Write {
    /// Counts writes, ascending.
    pub number: u64,
    /// Blocks after this index are not part of the log any more.
    pub truncate_after: Option<u64>,
    /// Blocks that follow what is there then.
    pub blocks: Vec<KeptBlock>,
    /// Term and vote.
    pub vote: Option<Vote>,
    /// The members, as of a block that is committed.
    pub members: Option<Box<Members>>,
}

/// For whom this replica voted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vote {
    /// The newest term it has seen.
    pub term: u64,
    /// For whom it voted in that term; 0 for nobody.
    pub vote: u64,
}

/// Blocks to read.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetch {
    /// For [`Event::Fetched`].
    pub number: u64,
    /// The first.
    pub from: u64,
    /// The one after the last.
    pub to: u64,
    /// How many bytes at most, unless the first has more.
    pub bytes_max: u64,
}

/// A block that is committed.
#[derive(Debug)]
pub struct Commit {
    /// Its header.
    pub header: BlockHeader,
    /// The whole block.
    pub bytes: Bytes,
    /// Whose transactions are complete with it, and where they are.
    pub done: Vec<(RequestId, Committed)>,
}

/// Why something will not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another replica leads, or nobody does.
    #[error("this replica does not lead")]
    NotLeader {
        /// Who does; 0 when that is not known.
        leader: u64,
    },
    /// Leadership is being passed on.
    #[error("leadership is being passed on")]
    Transferring,
    /// Another replica came to lead before the block was committed.
    #[error("another replica came to lead before the transaction was committed")]
    Superseded,
    /// The transaction began while another replica led, or in another term of this one:
    /// what it read may have changed since, and nobody holds its locks.
    #[error("the transaction began under another leader")]
    OtherEpoch,
    /// The members may change once the change before is complete.
    #[error("another change of the members is not complete yet")]
    ChangeOpen,
    /// The change of the members cannot be made, or not safely now; the reason is in
    /// words for operators.
    #[error("{0}")]
    Unsafe(String),
    /// There is no room for it.
    #[error("there is no room for another block")]
    Full,
    /// The transaction is not one.
    #[error("{0}")]
    Invalid(String),
}

/// Who leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// In which term.
    pub term: u64,
    /// The leader; 0 for nobody.
    pub leader: u64,
}

/// Something that must not be. In words, replicas are called as operators call them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alarm {
    /// A frame of another history.
    #[error("replica {} has another lineage", replica_of(*.from))]
    Lineage {
        /// The sender, a member.
        from: u64,
    },
    /// A block whose hashes do not match.
    #[error("replica {} sent block {index}, which is damaged: {why}", replica_of(*.from))]
    Block {
        /// The sender, a member.
        from: u64,
        /// The block's index.
        index: u64,
        /// What is wrong.
        why: String,
    },
    /// The same index and term, and another hash: one of two logs was changed.
    #[error(
        "block {index} of replica {} does not continue this replica's log",
        replica_of(*.from)
    )]
    Chain {
        /// The sender, a member.
        from: u64,
        /// The index of the first block that does not.
        index: u64,
    },
    /// A peer takes for committed what this log has not, or has otherwise.
    #[error(
        "replica {} counts on block {index}, which this replica's log has lost",
        replica_of(*.from)
    )]
    Lost {
        /// The sender, a member.
        from: u64,
        /// The index it counts on.
        index: u64,
    },
    /// A frame that no replica sends.
    #[error("replica {} sent a frame that makes no sense", replica_of(*.from))]
    Malformed {
        /// The sender, a member.
        from: u64,
    },
    /// A peer acknowledges what nobody sent it.
    #[error(
        "replica {} acknowledges block {index}, which nobody has sent",
        replica_of(*.from)
    )]
    Invented {
        /// The sender, a member.
        from: u64,
        /// The index it acknowledges.
        index: u64,
    },
}
