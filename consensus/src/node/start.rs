//! From what the disk says to running threads.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use kimberlite_storage::apply::LogParts;
use kimberlite_storage::block::{BLOCK_HEADER_LEN, PAYLOAD_CRC_LEN};
use kimberlite_storage::segment::SegmentHeader;
use kimberlite_storage::superblock::Superblock;
use kimberlite_storage::{BlockKind, ChainHead, ReplicaParts, Result, StorageError};

use super::applier::Applier;
use super::engine::Engine;
use super::files::Files;
use super::shared::Shared;
use super::writer::{BLOCK_BYTES, Writer};
use super::{Node, NodeParts, Threads, inputs, keeper, spawn};
use crate::core::{BLOCK_PAYLOAD_BYTES, BlockLimits, Core, Settings, Start, Vote};
use crate::members::Members;
use crate::registry::Registry;
use crate::terms::TermStarts;

pub(super) fn start(parts: NodeParts) -> Result<Node> {
    let NodeParts {
        replica,
        outbox,
        pace,
        batch_max,
        rests,
    } = parts;
    let ReplicaParts {
        mut writer,
        reader,
        sink,
        opener,
        mut superblock,
        clock,
        metrics,
        on_fatal,
        seed,
    } = replica;
    let head = *writer.head();
    let files = Files {
        reader: Arc::clone(&reader),
        sink: Arc::clone(&sink),
    };
    let begin = begin(superblock.get(), &head, &files)?;
    let (committed, applied) = (begin.committed, begin.applied);
    let replica_id = superblock.get().replica_id;
    let alone = begin.members.is_only(replica_id);
    let block_bytes_max = block_bytes_max(superblock.get());
    let settings = Settings {
        replica: replica_id,
        heartbeat_ticks: pace.heartbeat_ticks,
        election_ticks: pace.election_ticks,
        seed,
        block: BlockLimits {
            payload_bytes: payload_bytes(block_bytes_max),
            transactions: batch_max.max(1),
        },
    };
    if alone {
        // Its first block is written before anybody could be told that there is no room.
        writer.reserve(BLOCK_BYTES.min(block_bytes_max))?;
    }
    // From here on the end of the log is not known from the superblock alone.
    superblock.update(|s| {
        s.clean = false;
        s.configuration = begin.members.encode();
        (s.verified_index, s.verified_hash) = (committed.index, committed.hash);
    })?;
    metrics.durable_index.set(head.index);
    metrics.applied_index.set(applied);
    let now_us = clock.now_us();
    let shared = Arc::new(Shared::new(clock, metrics, on_fatal));
    let (core, first) = Core::start(settings, begin, files.clone(), now_us)
        .map_err(|e| StorageError::Closed(e.to_string()))?;
    let superblock = Arc::new(Mutex::new(superblock));
    let (tell, told) = inputs();
    let (to_writer, writer_jobs) = channel();
    let (to_applier, applier_jobs) = channel();
    let log_writer = Writer {
        shared: Arc::clone(&shared),
        log: writer,
        files: files.clone(),
        superblock: Arc::clone(&superblock),
        tell: tell.clone(),
        block_bytes_max,
    };
    let applier = Applier {
        shared: Arc::clone(&shared),
        sink: Arc::clone(&sink),
        parts: LogParts::new(reader, opener.clone()),
        opener,
        tell: tell.clone(),
        applied,
        reads: BTreeMap::new(),
    };
    let mut engine = Engine::new(
        Arc::clone(&shared),
        core,
        files,
        to_writer,
        to_applier,
        outbox,
        pace.tick,
    );
    engine.rests = rests;
    let threads = Threads {
        keeper: {
            let (shared, superblock) = (Arc::clone(&shared), Arc::clone(&superblock));
            spawn("superblock-keeper", move || {
                keeper::run(&shared, &superblock)
            })?
        },
        applier: spawn("applier", move || applier.run(&applier_jobs))?,
        writer: spawn("log-writer", move || log_writer.run(&writer_jobs))?,
        engine: spawn("consensus", move || engine.run(&told, first))?,
        sink,
        superblock,
    };
    let node = Node {
        replica: replica_id,
        block_bytes_max,
        shared,
        inputs: tell,
        threads: Mutex::new(Some(threads)),
    };
    if alone && !rests {
        node.shared
            .wait_status(|status| status.leadership.leader == replica_id)?;
    }
    Ok(node)
}

/// Bytes of events in a block: a block has to fit into a segment.
fn payload_bytes(block_bytes_max: u64) -> usize {
    let around = (BLOCK_HEADER_LEN + PAYLOAD_CRC_LEN) as u64;
    let most = block_bytes_max.saturating_sub(around);
    usize::try_from(most).map_or(BLOCK_PAYLOAD_BYTES, |most| most.min(BLOCK_PAYLOAD_BYTES))
}

fn block_bytes_max(superblock: &Superblock) -> u64 {
    let hash = superblock.verified_hash;
    SegmentHeader::new(superblock.lineage, 1, hash, superblock.segment_bytes).block_bytes_max()
}

/// The members as the superblock has them; a new data directory is alone.
fn members(superblock: &Superblock) -> Result<Members> {
    let members = Members::decode(&superblock.configuration)?;
    if members.voters.is_empty() && members.as_of == 0 {
        return Ok(Members::first([superblock.replica_id]));
    }
    Ok(members)
}

/// How far the log is known to be committed.
pub(super) fn committed(superblock: &Superblock, head: &ChainHead, projected: u64) -> Result<u64> {
    // What is durable on the only voter is committed.
    if members(superblock)?.is_only(superblock.replica_id) {
        return Ok(head.index);
    }
    Ok(superblock.commit_floor.max(projected))
}

/// What the core begins with.
fn begin(superblock: &Superblock, head: &ChainHead, files: &Files) -> Result<Start> {
    let members = members(superblock)?;
    let registry = registry(&members, files)?;
    // What contradicts the log the core refuses.
    let members = registry.newest(members.clone()).unwrap_or(members);
    let applied = files.sink.applied()?.map_or(0, |(index, _)| index);
    let index = committed(superblock, head, applied)?;
    let committed = match index {
        0 => ChainHead::genesis(head.lineage),
        _ if index == head.index => *head,
        _ => files
            .reader
            .with_block(index, |block, _, _| Ok(ChainHead::of(&block.header)))?,
    };
    let blocks = match index < head.index {
        true => files.read(index + 1, head.index + 1, u64::MAX)?,
        false => Vec::new(),
    };
    Ok(Start {
        committed,
        blocks,
        terms: TermStarts::find(index, |index| files.term(index))?,
        vote: Vote {
            term: superblock.term,
            vote: superblock.vote,
        },
        applied,
        members,
        registry,
    })
}

/// What the applied blocks say of the replicas.
fn registry(members: &Members, files: &Files) -> Result<Registry> {
    let mut bodies = Vec::new();
    for (index, _, body) in files.sink.controls()? {
        if files.kind(index)? == BlockKind::Config {
            bodies.push((index, body));
        }
    }
    let bodies = bodies.iter().map(|(index, body)| (*index, body.as_slice()));
    Ok(Registry::replay(&members.first, bodies)?)
}
