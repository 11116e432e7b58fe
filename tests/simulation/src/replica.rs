//! A core with its disk and what it applied.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kimberlite_consensus::core::{
    Action, BlockLimits, Commit, Core, Event, LogSource, RequestId, Settings, Start,
};
use kimberlite_consensus::members::{Peer, replica_of};
use kimberlite_consensus::registry::Registry;
use kimberlite_consensus::terms::TermStarts;
use kimberlite_storage::{
    Block, BlockKind, ChainHead, Hash32, Lineage, Result, StorageError, TenantHead, TenantId,
};

use crate::disk::Disk;
use crate::random::Random;
use crate::scenario::Mutation;

/// What blocks are applied to: a register for each key, and the heads of the tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// Index of the newest applied block.
    pub applied: u64,
    /// Its hash.
    pub hash: Hash32,
    /// The newest value written to each key.
    pub registers: BTreeMap<u64, u64>,
    /// The newest event of each tenant.
    pub tenants: BTreeMap<TenantId, TenantHead>,
    /// The changes of the members: index and body.
    pub controls: Vec<(u64, Vec<u8>)>,
}

impl Projection {
    /// Applies the next block.
    pub fn apply(&mut self, bytes: &[u8]) -> std::result::Result<(), String> {
        let block = Block::decode(bytes).map_err(|e| e.to_string())?;
        if block.header.index != self.applied + 1 {
            let (index, applied) = (block.header.index, self.applied);
            return Err(format!("block {index} applied after block {applied}"));
        }
        for event in &block.events {
            let head = self.tenants.entry(event.header.tenant).or_default();
            head.advance(&event.header, event.leaf())
                .map_err(|e| e.to_string())?;
            if block.header.kind == BlockKind::Config {
                self.controls
                    .push((block.header.index, event.body.to_vec()));
            }
            if let Some(write) = Written::of(event.body) {
                self.registers.insert(write.key, write.value);
            }
        }
        (self.applied, self.hash) = (block.header.index, block.header.block_hash);
        Ok(())
    }
}

/// A write of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Which one.
    pub key: u64,
    /// Its value from then on.
    pub value: u64,
    /// The value it had when the transaction read it, 0 for none, if it did: the new one
    /// is made of it, so nothing may have come between.
    pub seen: Option<u64>,
}

impl Written {
    /// The body of an event.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let verb: &[u8] = match self.seen {
            None => b"set ",
            Some(_) => b"add ",
        };
        let words = [self.key, self.value, self.seen.unwrap_or_default()];
        let words: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        [verb, &words].concat()
    }

    /// The write in the body of an event.
    #[must_use]
    pub fn of(body: &[u8]) -> Option<Self> {
        let (verb, rest) = body.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let (seen, _) = rest.split_first_chunk()?;
        let seen = u64::from_le_bytes(*seen);
        let seen = match verb {
            b"set " => None,
            b"add " => Some(seen),
            _ => return None,
        };
        Some(Self {
            key: u64::from_le_bytes(*key),
            value: u64::from_le_bytes(*value),
            seen,
        })
    }
}

/// What survives a crash: the medium, and the projection, which may be older.
pub struct Medium {
    /// The log and the vote.
    pub disk: Disk,
    /// The projection.
    pub projection: Projection,
    /// The projection as it is on the medium, which may be older.
    pub flushed: Projection,
    /// Which reads of a core fail: once in so many, 0 is never.
    pub unreadable: (Random, u64),
}

impl Medium {
    /// A core reads something.
    ///
    /// # Errors
    /// When this is one of the reads that fail.
    fn read(&mut self) -> Result<()> {
        let (random, once_in) = &mut self.unreadable;
        match random.once_in(*once_in) {
            true => Err(StorageError::Closed("simulated: it cannot be read".into())),
            false => Ok(()),
        }
    }

    /// Whether the projection belongs to the log.
    fn fits(&self) -> bool {
        let Some(place) = self.projection.applied.checked_sub(1) else {
            return true;
        };
        let block = self.disk.log.get(place as usize);
        block.is_some_and(|block| block.header.block_hash == self.projection.hash)
    }
}

/// Reads a replica's own medium.
pub struct Source(Arc<Mutex<Medium>>);

fn lock(medium: &Mutex<Medium>) -> MutexGuard<'_, Medium> {
    medium.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogSource for Source {
    fn blocks(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<Bytes>> {
        let mut medium = lock(&self.0);
        medium.read()?;
        let mut bytes = 0;
        let blocks = medium.disk.log.iter().skip(from as usize - 1);
        let blocks = blocks.take_while(|block| {
            let first = bytes == 0;
            bytes += block.bytes.len() as u64;
            block.header.index < to && (first || bytes <= bytes_max)
        });
        Ok(blocks.map(|block| block.bytes.clone()).collect())
    }

    fn tenant(&self, tenant: TenantId) -> Result<TenantHead> {
        let mut medium = lock(&self.0);
        medium.read()?;
        let known = medium.projection.tenants.get(&tenant);
        Ok(known.copied().unwrap_or_default())
    }
}

/// A member of the cluster, running or not.
pub struct Replica {
    /// Its id.
    pub id: u64,
    medium: Arc<Mutex<Medium>>,
    /// Of its data directory.
    pub incarnation: [u8; 16],
    /// It lost its data directory, and was given a new one under its old id.
    pub wiped: bool,
    /// `None` while it is down.
    pub core: Option<Core<Source>>,
    boots: u64,
    /// Committed blocks that are not applied yet.
    pub commits: Vec<Commit>,
    /// Which register is locked by which transaction. Nobody else knows: what began here
    /// ends when this replica leads no more.
    pub locks: BTreeMap<u64, RequestId>,
}

impl Replica {
    /// A member with a fresh disk, not running, and the reads of its core that fail.
    #[must_use]
    pub fn new(id: u64, disk: Disk, unreadable: (Random, u64)) -> Self {
        let projection = Projection::default();
        Self {
            id,
            medium: Arc::new(Mutex::new(Medium {
                disk,
                flushed: projection.clone(),
                projection,
                unreadable,
            })),
            incarnation: incarnation(id, 0),
            wiped: false,
            core: None,
            boots: 0,
            commits: Vec::new(),
            locks: BTreeMap::new(),
        }
    }

    /// Gives it a fresh disk.
    pub fn wipe(&mut self, disk: Disk) {
        let mut medium = self.medium();
        medium.disk = disk;
        medium.projection = Projection::default();
        medium.flushed = Projection::default();
        drop(medium);
        self.wiped = true;
        self.incarnation = incarnation(self.id, 1);
    }

    /// How others speak with it.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer {
            incarnation: self.incarnation,
            address: format!("replica-{}:7000", replica_of(self.id)),
            name: format!("replica {}", replica_of(self.id)),
        }
    }

    /// Its medium.
    pub fn medium(&self) -> MutexGuard<'_, Medium> {
        lock(&self.medium)
    }

    /// Starts it with what its medium says.
    ///
    /// # Errors
    /// When the core refuses that.
    pub fn start(
        &mut self,
        seed: u64,
        now_us: i64,
        mutation: Option<Mutation>,
    ) -> std::result::Result<Vec<Action>, String> {
        self.boots += 1;
        let mut start = self.start_of().map_err(|e| e.to_string())?;
        if mutation == Some(Mutation::StandbyVotes) {
            let standbys = std::mem::take(&mut start.members.standbys);
            start.members.voters.extend(standbys);
        }
        let settings = Settings {
            replica: self.id,
            heartbeat_ticks: 2,
            election_ticks: 10,
            seed: seed ^ (self.id << 32) ^ self.boots,
            block: BlockLimits::default(),
        };
        let source = Source(Arc::clone(&self.medium));
        let (core, actions) =
            Core::start(settings, start, source, now_us).map_err(|e| e.to_string())?;
        self.core = Some(core);
        Ok(actions)
    }

    fn start_of(&self) -> Result<Start> {
        let mut medium = self.medium();
        let (vote, members) = medium.disk.open()?;
        if !medium.fits() {
            // As when a data directory is opened: it is made again from the log.
            medium.projection = Projection::default();
        }
        let applied = medium.projection.applied;
        let (before, after) = medium.disk.log.split_at(applied as usize);
        let mut terms = TermStarts::default();
        for block in before {
            terms.push(block.header.index, block.header.term);
        }
        let controls = medium.projection.controls.iter();
        let controls = controls.map(|(index, body)| (*index, body.as_slice()));
        let registry = Registry::replay(&members.first, controls)?;
        Ok(Start {
            registry,
            committed: match before.last() {
                Some(block) => ChainHead::of(&block.header),
                None => ChainHead::genesis(LINEAGE),
            },
            blocks: after.to_vec(),
            terms,
            vote,
            applied,
            members,
        })
    }

    /// Hands an event to the core, if it runs.
    pub fn handle(&mut self, event: Event, now_us: i64) -> Vec<Action> {
        match &mut self.core {
            Some(core) => core.handle(event, now_us),
            None => Vec::new(),
        }
    }

    /// Reads durable blocks.
    #[must_use]
    pub fn read(&self, from: u64, to: u64, bytes_max: u64) -> Vec<Bytes> {
        let source = Source(Arc::clone(&self.medium));
        source.blocks(from, to, bytes_max).unwrap_or_default()
    }
}

fn incarnation(id: u64, times: u64) -> [u8; 16] {
    let mut random = Random::new(id << 8 | times);
    let mut incarnation = [0; 16];
    for byte in &mut incarnation {
        *byte = random.next() as u8;
    }
    incarnation
}

/// The history of every simulated log.
pub const LINEAGE: Lineage = Lineage(*b"simulated-lineag");
