//! A summary of a data directory, without keys.

use crate::disk::{Disk, OpenMode};
use crate::error::Result;
use crate::ids::{Hash32, Lineage};
use crate::log::{Cursor, Parsed};
use crate::segment::{self, IdentSlot, Segment};
use crate::superblock::{self, Superblock};
use std::path::Path;

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInspection {
    /// Path relative to the data directory.
    pub file: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Bytes used by blocks.
    pub used_bytes: u64,
    /// Index of the first block.
    pub first_index: u64,
    /// Blocks in it.
    pub blocks: u64,
    /// Events in them.
    pub events: u64,
    /// Timestamps of the first and the last block, µs since 1970 UTC.
    pub time_us: Option<(i64, i64)>,
    /// Hash of the last block.
    pub last_hash: Option<Hash32>,
}

/// What is in a data directory.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The superblock.
    pub superblock: Superblock,
    /// Which history.
    pub lineage: Lineage,
    /// The segments in order.
    pub segments: Vec<SegmentInspection>,
}

impl Inspection {
    /// Blocks in all segments.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.segments.iter().map(|s| s.blocks).sum()
    }

    /// Events in all segments.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.segments.iter().map(|s| s.events).sum()
    }

    /// Index and hash of the newest block.
    #[must_use]
    pub fn head(&self) -> Option<(u64, Hash32)> {
        let last = self.segments.iter().rev().find(|s| s.blocks > 0)?;
        Some((last.first_index + last.blocks - 1, last.last_hash?))
    }
}

/// Looks through a data directory without checking more than checksums; works
/// while a node is running.
///
/// # Errors
/// When it cannot be read; blocks behind damage are not counted.
pub fn inspect(disk: &dyn Disk, data_dir: &Path) -> Result<Inspection> {
    let superblock = superblock::load(disk, data_dir)?.superblock;
    let firsts = segment::list(disk, data_dir)?;
    let segments = firsts
        .into_iter()
        .map(|first| inspect_segment(disk, data_dir, first));
    Ok(Inspection {
        lineage: superblock.lineage,
        superblock,
        segments: segments.collect::<Result<_>>()?,
    })
}

fn inspect_segment(disk: &dyn Disk, data_dir: &Path, first: u64) -> Result<SegmentInspection> {
    let segment = Segment::open(disk, data_dir, first, OpenMode::Read)?;
    let mut cursor = Cursor::new(segment.file.as_ref(), &segment.name);
    let mut result = SegmentInspection {
        file: segment.name.clone(),
        bytes: segment.header.segment_bytes,
        used_bytes: 0,
        first_index: first,
        blocks: 0,
        events: 0,
        time_us: None,
        last_hash: None,
    };
    for slot in segment.idents()? {
        let IdentSlot::Valid(ident) = slot else { break };
        let Parsed::Block { block, .. } = cursor.parse(ident.offset)? else {
            break;
        };
        let time_us = block.header.timestamp_us;
        let (begin, _) = result.time_us.unwrap_or((time_us, time_us));
        result.time_us = Some((begin, time_us));
        result.blocks += 1;
        result.events += u64::from(block.header.event_count);
        result.used_bytes = ident.offset + u64::from(ident.len) - segment.header.data_offset;
        result.last_hash = Some(block.header.block_hash);
    }
    Ok(result)
}
