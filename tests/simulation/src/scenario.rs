//! Named mixes of faults.

mod table;

pub use self::table::all;

/// How often things go wrong. Every `…_in` is "once in so many ticks of a replica"; 0 is
/// never. Times are milliseconds of the simulated clock.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it breaks.
    pub what: &'static str,
    /// Voters at the begin.
    pub replicas: u64,
    /// Replicas that may become members.
    pub spares: u64,
    /// How long faults happen.
    pub duration: u64,
    /// Frames.
    pub network: Network,
    /// Writes.
    pub disk: DiskFaults,
    /// Processes.
    pub processes: Processes,
    /// Clocks.
    pub clocks: Clocks,
    /// What operators do.
    pub operators: Operators,
    /// What clients do.
    pub clients: Clients,
    /// What is broken on purpose, to see that it is noticed.
    pub mutation: Option<Mutation>,
}

/// What happens to frames. Here `…_in` is "once in so many frames".
#[derive(Clone, Debug)]
pub struct Network {
    /// Frames that get lost.
    pub loss_in: u64,
    /// Frames that come again, late.
    pub twice_in: u64,
    /// Longest delay.
    pub delay_max: u64,
    /// Frames that come very late.
    pub ancient_in: u64,
    /// New partitions, per tick; each ends when the next would come.
    pub partition_in: u64,
    /// Links between two replicas that break, per tick, for a while.
    pub link_in: u64,
    /// Whether partitions and broken links may be of one direction.
    pub one_way: bool,
}

/// What happens to writes.
#[derive(Clone, Debug)]
pub struct DiskFaults {
    /// Longest time until a write is durable.
    pub write_max: u64,
    /// Writes that take a hundred times as long, once in so many.
    pub stuck_in: u64,
    /// Flushes that fail, once in so many writes: the process ends.
    pub fail_in: u64,
    /// Disks that fill up for a while.
    pub full_in: u64,
    /// Reads of the log and of the projection, once in so many, that fail while a core
    /// waits for them: it may have to end.
    pub unreadable_in: u64,
    /// Whether a crash takes the projection.
    pub lose_projection: bool,
    /// Whether a crash leaves an older projection.
    pub old_projection: bool,
}

/// What happens to processes.
#[derive(Clone, Debug)]
pub struct Processes {
    /// Crashes.
    pub crash_in: u64,
    /// Processes that are killed: what they wrote can be read, and need not be durable.
    pub kill_in: u64,
    /// Crashes of a replica that leads.
    pub crash_leader_in: u64,
    /// All replicas lose power at once.
    pub blackout_in: u64,
    /// Longest time until a restart.
    pub down_max: u64,
    /// Processes that stand still for a while and then go on.
    pub pause_in: u64,
}

/// What happens to clocks.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// Ticks that are missed, once in so many.
    pub skip_in: u64,
    /// Ticks that come twice, once in so many.
    pub fast_in: u64,
    /// Jumps of the time of day, forwards and backwards.
    pub jump_in: u64,
}

/// What operators do.
#[derive(Clone, Debug)]
pub struct Operators {
    /// Transfers of leadership.
    pub transfer_in: u64,
    /// Changes of the members.
    pub change_in: u64,
    /// Whether changes are of two replicas at once.
    pub joint: bool,
    /// Whether whoever leads may have to leave, too.
    pub leader_leaves: bool,
    /// Members whose data directory is lost: they come back under their old id with a new
    /// one, and operators try to have them taken back.
    pub wipe_in: u64,
}

/// What clients do.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Longest time between two operations.
    pub pause_max: u64,
    /// Operations at once.
    pub burst: u64,
    /// Operations that are writes, of a hundred.
    pub writes: u64,
    /// Operations that read a register and write what they make of it, of a hundred: they
    /// are begun where somebody serves.
    pub adds: u64,
    /// Longest time between the read and the write of those.
    pub think_max: u64,
    /// Writes that take several blocks, once in so many.
    pub large_in: u64,
    /// Keys they use.
    pub keys: u64,
}

/// A promise that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Disks say that a write is durable before it is.
    EarlyDurable,
    /// Votes do not survive a crash.
    ForgetVote,
    /// What is cut off is there again after a crash.
    ForgetCut,
    /// A crash takes the newest durable block.
    LoseBlock,
    /// Blocks are applied when they are written, not when they are committed.
    EarlyApply,
    /// Clients are told before their write is committed.
    EarlyAnswer,
    /// Reads are answered without asking anybody.
    LocalReads,
    /// Blocks are applied twice.
    ApplyTwice,
    /// A block is left out.
    SkipBlock,
    /// The sender of an acknowledgement says it has more than it has.
    EarlyAcknowledgement,
    /// Changes of the members are not written.
    ForgetMembers,
    /// A replica that lost its disk starts again under its old id.
    FreshDisk,
    /// A frame's block is changed on its way, and its checksums with it.
    ForgedBlock,
    /// A restarted replica takes standbys for voters.
    StandbyVotes,
    /// Transactions are put in the log in whatever term.
    AnyEpoch,
    /// Nobody looks at incarnations: a replica comes back under its old id with an empty
    /// data directory.
    AnyIncarnation,
    /// Transactions begin as soon as somebody leads, whatever is applied.
    EarlyEpoch,
}

impl Mutation {
    /// Every mutation.
    pub const ALL: [Self; 17] = [
        Self::EarlyDurable,
        Self::ForgetVote,
        Self::ForgetCut,
        Self::LoseBlock,
        Self::EarlyApply,
        Self::EarlyAnswer,
        Self::LocalReads,
        Self::ApplyTwice,
        Self::SkipBlock,
        Self::EarlyAcknowledgement,
        Self::ForgetMembers,
        Self::FreshDisk,
        Self::ForgedBlock,
        Self::StandbyVotes,
        Self::AnyEpoch,
        Self::EarlyEpoch,
        Self::AnyIncarnation,
    ];
}

impl Scenario {
    /// Nothing goes wrong.
    #[must_use]
    pub const fn calm(name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            what,
            replicas: 3,
            spares: 0,
            duration: 20_000,
            network: Network {
                loss_in: 0,
                twice_in: 0,
                delay_max: 5,
                ancient_in: 0,
                partition_in: 0,
                link_in: 0,
                one_way: false,
            },
            disk: DiskFaults {
                write_max: 5,
                stuck_in: 0,
                fail_in: 0,
                full_in: 0,
                unreadable_in: 0,
                lose_projection: false,
                old_projection: false,
            },
            processes: Processes {
                crash_in: 0,
                kill_in: 0,
                crash_leader_in: 0,
                blackout_in: 0,
                down_max: 600,
                pause_in: 0,
            },
            clocks: Clocks {
                skip_in: 0,
                fast_in: 0,
                jump_in: 0,
            },
            operators: Operators {
                transfer_in: 0,
                change_in: 0,
                joint: false,
                leader_leaves: false,
                wipe_in: 0,
            },
            clients: Clients {
                pause_max: 20,
                burst: 1,
                writes: 50,
                adds: 20,
                think_max: 30,
                large_in: 0,
                keys: 8,
            },
            mutation: None,
        }
    }

    /// The size of the log's segments in bytes: small, so that there are many, unless
    /// blocks are large.
    #[must_use]
    pub const fn segment_bytes(&self) -> u64 {
        match self.clients.large_in {
            0 => 64 << 10,
            _ => 4 << 20,
        }
    }

    /// The same with other numbers.
    #[must_use]
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
