//! Segment files: where blocks lie, and the table that tells a torn write from
//! rot.
//!
//! `log/<index of the first block, 20 digits>.seg`. A segment is written full of
//! zeroes before it is used, so that committing changes no metadata. All numbers
//! are little-endian.
//!
//! | Region | From | Length |
//! |---|---|---|
//! | header | 0 | 4,096 |
//! | ident table | 4,096 | 64 × capacity |
//! | data | next multiple of 4,096 | up to the end of the file |
//!
//! The capacity of the ident table is 1/32 of the segment's size (at least 64
//! entries, rounded to whole pages), so a segment is rolled when the next block
//! does not fit in the data region *or* the table is full: the place of every
//! block is a function of the blocks before it, and segments of two replicas with
//! the same log are equal byte by byte.
//!
//! Header:
//!
//! | Offset | Bytes | Field |
//! |---:|---:|---|
//! | 0 | 4 | magic `KSEG` |
//! | 4 | 2 | version, 1 |
//! | 6 | 2 | zero |
//! | 8 | 16 | lineage of the first block's predecessor (of the log, for block 1) |
//! | 24 | 8 | index of the first block |
//! | 32 | 32 | hash of the block before it |
//! | 64 | 8 | segment size in bytes |
//! | 72 | 8 | capacity of the ident table |
//! | 80 | 8 | offset of the data region |
//! | 88 | 4 | CRC32 of the 88 bytes before |
//!
//! Ident entry number n belongs to the n-th block of the segment. All zero = not
//! used. It never straddles a sector, so it is there whole or not at all.
//!
//! | Offset | Bytes | Field |
//! |---:|---:|---|
//! | 0 | 8 | index |
//! | 8 | 8 | term |
//! | 16 | 32 | block hash |
//! | 48 | 8 | offset of the block in the file |
//! | 56 | 4 | length of the block in bytes |
//! | 60 | 4 | CRC32 of the 60 bytes before |
//!
//! Data: blocks begin at multiples of [`BLOCK_ALIGN`]; the gap after a block is
//! filled with [`PAD`], which is not zero, so that no sector of a block that was
//! wholly written is all zeroes. Everything after the last block is zero.

use crate::disk::{Disk, DiskFile, OpenMode, read_exact_at};
use crate::error::{Damage, DamageKind, FormatError, Result, StorageError};
use crate::fields::{FieldWriter, Fields};
use crate::ids::{Hash32, Lineage};
use std::path::Path;

/// Directory of the segments in the data directory.
pub const LOG_DIR: &str = "log";
/// Blocks begin at multiples of this.
pub const BLOCK_ALIGN: u64 = 64;
/// What fills the gap after a block.
pub const PAD: u8 = 0xA5;
/// Length of an ident entry in bytes.
pub const IDENT_BYTES: usize = 64;
/// Length of the header region in bytes; also the page that writes are rounded to.
pub const PAGE_BYTES: u64 = 4096;
/// Smallest segment.
pub const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Largest segment.
pub const SEGMENT_BYTES_MAX: u64 = 4 << 30;
/// Size of segments unless configured otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 256 << 20;

const MAGIC: [u8; 4] = *b"KSEG";
const VERSION: u16 = 1;
pub(crate) const HEADER_BYTES: usize = 92;

/// Rounds up to a multiple of [`BLOCK_ALIGN`].
#[must_use]
pub const fn align(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK_ALIGN)
}

/// Name of the segment whose first block has this index.
#[must_use]
pub fn file_name(first_index: u64) -> String {
    format!("{first_index:020}.seg")
}

/// The index in a segment's name.
#[must_use]
pub fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let plain = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// First indexes of the segments there are, ascending.
///
/// # Errors
/// [`StorageError::Io`].
pub fn list(disk: &dyn Disk, data_dir: &Path) -> Result<Vec<u64>> {
    let dir = data_dir.join(LOG_DIR);
    let names = disk
        .list(&dir)
        .map_err(|e| StorageError::io(format!("list {}", dir.display()), e))?;
    Ok(names.iter().filter_map(|name| parse_name(name)).collect())
}

/// What a segment's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The history the segment continues.
    pub lineage: Lineage,
    /// Index of its first block.
    pub first_index: u64,
    /// Hash of the block before the first.
    pub prev_hash: Hash32,
    /// Size of the file in bytes.
    pub segment_bytes: u64,
    /// Entries in the ident table.
    pub ident_capacity: u64,
    /// Where blocks begin.
    pub data_offset: u64,
}

impl SegmentHeader {
    /// The header of a segment of `segment_bytes` bytes.
    #[must_use]
    pub fn new(lineage: Lineage, first_index: u64, prev_hash: Hash32, segment_bytes: u64) -> Self {
        let table = (segment_bytes / 32).next_multiple_of(PAGE_BYTES);
        Self {
            lineage,
            first_index,
            prev_hash,
            segment_bytes,
            ident_capacity: table / IDENT_BYTES as u64,
            data_offset: PAGE_BYTES + table,
        }
    }

    /// The bytes at the beginning of the file.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let fields = FieldWriter::new()
            .put(&MAGIC)
            .put(&VERSION.to_le_bytes())
            .put(&[0, 0])
            .put(&self.lineage.0)
            .put(&self.first_index.to_le_bytes())
            .put(&self.prev_hash)
            .put(&self.segment_bytes.to_le_bytes())
            .put(&self.ident_capacity.to_le_bytes())
            .put(&self.data_offset.to_le_bytes());
        let crc = crc32fast::hash(fields.written());
        fields.put(&crc.to_le_bytes()).done()
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that are not a segment header as written.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new("segment header", bytes);
        let covered = Fields::new("segment header", bytes).slice(HEADER_BYTES - 4)?;
        if fields.array()? != MAGIC {
            return Err(FormatError::Magic);
        }
        let version = fields.u16()?;
        fields.u16()?;
        let header = Self {
            lineage: Lineage(fields.array()?),
            first_index: fields.u64()?,
            prev_hash: fields.array()?,
            segment_bytes: fields.u64()?,
            ident_capacity: fields.u64()?,
            data_offset: fields.u64()?,
        };
        let (expected, found) = (crc32fast::hash(covered), fields.u32()?);
        if expected != found {
            return Err(FormatError::Checksum {
                what: "segment header",
                expected,
                found,
            });
        }
        if version != VERSION {
            return Err(FormatError::Version {
                what: "a segment",
                found: version.into(),
                newest: VERSION.into(),
            });
        }
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), FormatError> {
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return Err(FormatError::Field {
                what: "segment size",
                value: self.segment_bytes,
            });
        }
        let expected = Self::new(
            self.lineage,
            self.first_index,
            self.prev_hash,
            self.segment_bytes,
        );
        if *self != expected || self.first_index == 0 {
            return Err(FormatError::Field {
                what: "layout of a segment",
                value: self.data_offset,
            });
        }
        Ok(())
    }

    /// Offset of the ident entry of block `index`; `None` when it cannot be in
    /// this segment.
    #[must_use]
    pub fn ident_offset(&self, index: u64) -> Option<u64> {
        let slot = index.checked_sub(self.first_index)?;
        (slot < self.ident_capacity).then(|| PAGE_BYTES + slot * IDENT_BYTES as u64)
    }

    /// Whether a block of `len` bytes can lie at `offset`.
    #[must_use]
    pub fn fits(&self, offset: u64, len: u64) -> bool {
        align(len)
            .checked_add(offset)
            .is_some_and(|end| end <= self.segment_bytes)
    }

    /// Longest block that an empty segment of this size takes.
    #[must_use]
    pub const fn block_bytes_max(&self) -> u64 {
        self.segment_bytes - self.data_offset
    }
}

/// An ident entry: what is known of a block apart from the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident {
    /// Index of the block.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// Its hash.
    pub hash: Hash32,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length in bytes, padding not counted.
    pub len: u32,
}

/// A place in the ident table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentSlot {
    /// All zero: no block was written.
    Empty,
    /// An entry as it was written, for the block that belongs in this place.
    Valid(Ident),
    /// Anything else.
    Damaged,
}

impl Ident {
    /// The bytes of the entry.
    #[must_use]
    pub fn encode(&self) -> [u8; IDENT_BYTES] {
        let fields = FieldWriter::new()
            .put(&self.index.to_le_bytes())
            .put(&self.term.to_le_bytes())
            .put(&self.hash)
            .put(&self.offset.to_le_bytes())
            .put(&self.len.to_le_bytes());
        let crc = crc32fast::hash(fields.written());
        fields.put(&crc.to_le_bytes()).done()
    }

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new("ident entry", bytes);
        let covered = Fields::new("ident entry", bytes).slice(IDENT_BYTES - 4)?;
        let ident = Self {
            index: fields.u64()?,
            term: fields.u64()?,
            hash: fields.array()?,
            offset: fields.u64()?,
            len: fields.u32()?,
        };
        let (expected, found) = (crc32fast::hash(covered), fields.u32()?);
        if expected == found {
            return Ok(ident);
        }
        Err(FormatError::Checksum {
            what: "ident entry",
            expected,
            found,
        })
    }
}

impl IdentSlot {
    /// Reads the entry that should belong to block `index` of a segment.
    #[must_use]
    pub fn decode(bytes: &[u8], index: u64, header: &SegmentHeader) -> Self {
        if bytes.iter().all(|b| *b == 0) {
            return Self::Empty;
        }
        let plausible = |ident: &Ident| {
            ident.index == index
                && ident.offset.is_multiple_of(BLOCK_ALIGN)
                && ident.offset >= header.data_offset
                && header.fits(ident.offset, ident.len.into())
        };
        match Ident::decode(bytes) {
            Ok(ident) if plausible(&ident) => Self::Valid(ident),
            _ => Self::Damaged,
        }
    }
}

/// An open segment.
pub struct Segment {
    /// Its file.
    pub file: Box<dyn DiskFile>,
    /// Its header.
    pub header: SegmentHeader,
    /// Its path, relative to the data directory.
    pub name: String,
}

impl Segment {
    /// Opens the segment whose first block is `first_index`.
    ///
    /// # Errors
    /// [`StorageError::Io`]; [`StorageError::Damaged`] when the header is not
    /// good or the file is shorter than it says.
    pub fn open(
        disk: &dyn Disk,
        data_dir: &Path,
        first_index: u64,
        mode: OpenMode,
    ) -> Result<Self> {
        let name = format!("{LOG_DIR}/{}", file_name(first_index));
        let path = data_dir.join(&name);
        let file = disk
            .open(&path, mode)
            .map_err(|e| StorageError::io(format!("open {}", path.display()), e))?;
        let mut bytes = [0; HEADER_BYTES];
        file.read_at(&mut bytes, 0)
            .map_err(|e| StorageError::io(format!("read {}", path.display()), e))?;
        let header = SegmentHeader::decode(&bytes);
        let header = header.map_err(|error| header_damage(&name, first_index, &error))?;
        let len = file
            .len()
            .map_err(|e| StorageError::io(format!("read {}", path.display()), e))?;
        if header.first_index != first_index || len != header.segment_bytes {
            let detail = format!(
                "the header says first block {} and {} bytes; the name says {first_index} and the \
                 file has {len} bytes",
                header.first_index, header.segment_bytes
            );
            return Err(header_damage(&name, first_index, &detail));
        }
        Ok(Self { file, header, name })
    }

    fn io(&self, source: std::io::Error) -> StorageError {
        StorageError::io(format!("read {}", self.name), source)
    }

    /// The ident entry of block `index`; `Empty` when the table has no such place.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn ident(&self, index: u64) -> Result<IdentSlot> {
        let Some(offset) = self.header.ident_offset(index) else {
            return Ok(IdentSlot::Empty);
        };
        let mut bytes = [0; IDENT_BYTES];
        read_exact_at(self.file.as_ref(), &mut bytes, offset).map_err(|e| self.io(e))?;
        Ok(IdentSlot::decode(&bytes, index, &self.header))
    }

    /// The whole ident table: entry n is that of block `first_index + n`.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn idents(&self) -> Result<Vec<IdentSlot>> {
        let mut bytes = vec![0; self.header.ident_capacity as usize * IDENT_BYTES];
        read_exact_at(self.file.as_ref(), &mut bytes, PAGE_BYTES).map_err(|e| self.io(e))?;
        let entries = bytes
            .chunks_exact(IDENT_BYTES)
            .zip(self.header.first_index..);
        Ok(entries
            .map(|(entry, index)| IdentSlot::decode(entry, index, &self.header))
            .collect())
    }
}

fn header_damage(name: &str, first_index: u64, detail: &dyn std::fmt::Display) -> StorageError {
    Damage {
        kind: DamageKind::Format,
        file: name.to_owned(),
        offset: 0,
        block_index: Some(first_index),
        expected: None,
        found: None,
        tenants: Vec::new(),
        detail: format!("segment header: {detail}"),
    }
    .into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn names_read_back_and_others_are_ignored() {
        assert_eq!(file_name(17), "00000000000000000017.seg");
        assert_eq!(parse_name(&file_name(u64::MAX)), Some(u64::MAX));
        for name in [
            "17.seg",
            "0000000000000000001x.seg",
            "+0000000000000000017.seg",
            "x",
        ] {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }

    #[test]
    fn headers_and_idents_notice_every_changed_bit() {
        let header = SegmentHeader::new(Lineage([7; 16]), 9, [3; 32], 1 << 20);
        let good = header.encode();
        assert_eq!(SegmentHeader::decode(&good).unwrap(), header);
        let ident = Ident {
            index: 12,
            term: 1,
            hash: [4; 32],
            offset: header.data_offset + 64,
            len: 100,
        };
        let entry = ident.encode();
        assert_eq!(
            IdentSlot::decode(&entry, 12, &header),
            IdentSlot::Valid(ident)
        );
        assert_eq!(IdentSlot::decode(&entry, 13, &header), IdentSlot::Damaged);
        assert_eq!(IdentSlot::decode(&[0; 64], 12, &header), IdentSlot::Empty);
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bad).is_err(), "bit {bit}");
        }
        for bit in 0..IDENT_BYTES * 8 {
            let mut bad = entry;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                IdentSlot::decode(&bad, 12, &header),
                IdentSlot::Damaged,
                "bit {bit}"
            );
        }
    }

    #[test]
    fn the_regions_do_not_overlap() {
        for bytes in [SEGMENT_BYTES_MIN, 1 << 20, SEGMENT_BYTES_DEFAULT] {
            let header = SegmentHeader::new(Lineage([7; 16]), 5, [3; 32], bytes);
            let last = header.ident_offset(5 + header.ident_capacity - 1).unwrap();
            assert!(last + IDENT_BYTES as u64 <= header.data_offset);
            assert!(header.ident_capacity >= 64);
            assert_eq!(header.ident_offset(5 + header.ident_capacity), None);
            assert_eq!(header.ident_offset(4), None);
            assert!(header.fits(header.data_offset, header.block_bytes_max()));
            assert!(!header.fits(header.data_offset, header.block_bytes_max() + 1));
        }
    }
}
