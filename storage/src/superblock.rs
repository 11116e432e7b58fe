//! The superblock: who this replica is and how far its log was seen to be good.
//!
//! File `superblock`, four copies of [`COPY_BYTES`] each, little-endian:
//!
//! | Offset | Bytes | Field |
//! |---:|---:|---|
//! | 0 | 4 | magic `KSUP` |
//! | 4 | 2 | version, 1 |
//! | 6 | 1 | number of this copy, 0 to 3 |
//! | 7 | 1 | 1 when the log was closed in good order |
//! | 8 | 8 | sequence number of this write |
//! | 16 | 16 | cluster id |
//! | 32 | 16 | lineage |
//! | 48 | 8 | replica id |
//! | 56 | 8 | term |
//! | 64 | 8 | vote (a replica id, 0 = none) |
//! | 72 | 8 | commit floor: the log is committed at least up to this index |
//! | 80 | 8 | verified head: index (0 = the log has no block yet) |
//! | 88 | 32 | verified head: block hash |
//! | 120 | 8 | segment size in bytes |
//! | 128 | 8 | creation time, µs since 1970 |
//! | 136 | 4 | length of the configuration |
//! | 140 | 2048 | configuration, opaque here, then zeroes |
//! | 4064 | 32 | SHA-256 of the 4,064 bytes before |
//!
//! A write with an even sequence number replaces copies 0 and 1, one with an odd
//! number copies 2 and 3, and is followed by one barrier: whatever a crash does
//! to the pair being written, the other pair still holds the state before.
//! Reading takes the valid copy with the highest sequence number. The verified
//! head may therefore be older than the log's true head, never newer than what
//! is durable: it is only written after the blocks it covers were.
//!
//! Opening writes the newest pair again before anything else: the process before
//! may have ended between writing it and the barrier, and then the pair can be
//! read and is not on the medium. Replacing the other pair first would risk both.

use crate::disk::{Disk, DiskFile, OpenMode, read_exact_at};
use crate::error::{Damage, DamageKind, FormatError, Result, StorageError};
use crate::ids::{Hash32, Lineage};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "superblock";
/// Length of one copy.
pub const COPY_BYTES: usize = 4096;
/// Number of copies.
pub const COPIES: usize = 4;
/// Longest configuration.
pub const CONFIGURATION_BYTES_MAX: usize = 2048;

const MAGIC: &[u8; 4] = b"KSUP";
const VERSION: u16 = 1;
const CONFIGURATION_AT: usize = 140;
const CHECKSUM_AT: usize = COPY_BYTES - 32;

/// What the superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Counts writes, from 1.
    pub sequence: u64,
    /// Identity of the cluster, drawn at creation.
    pub cluster_id: [u8; 16],
    /// Identity of the history this log holds.
    pub lineage: Lineage,
    /// Identity of this replica in the cluster.
    pub replica_id: u64,
    /// Latest term this replica has seen.
    pub term: u64,
    /// Whom it voted for in that term; 0 for nobody.
    pub vote: u64,
    /// The log is committed at least up to this index.
    pub commit_floor: u64,
    /// The last block that was read back or written, durable, and in the chain.
    pub verified_index: u64,
    /// Its hash.
    pub verified_hash: Hash32,
    /// Size of new segments in bytes.
    pub segment_bytes: u64,
    /// When the data directory was created, µs since 1970.
    pub created_us: i64,
    /// Whether the log was closed in good order after its last write.
    pub clean: bool,
    /// Membership, opaque here; at most [`CONFIGURATION_BYTES_MAX`].
    pub configuration: Vec<u8>,
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(target) = out.get_mut(at..at + bytes.len()) {
        target.copy_from_slice(bytes);
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], FormatError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .ok_or(FormatError::Truncated {
            what: "superblock",
            needed: (at + N) as u64,
            have: bytes.len() as u64,
        })
}

fn word(bytes: &[u8], at: usize) -> Result<u64, FormatError> {
    array(bytes, at).map(u64::from_le_bytes)
}

impl Superblock {
    /// The bytes of copy number `copy`.
    #[must_use]
    pub fn encode(&self, copy: u8) -> Vec<u8> {
        let mut out = vec![0; COPY_BYTES];
        put(&mut out, 0, MAGIC);
        put(&mut out, 4, &VERSION.to_le_bytes());
        put(&mut out, 6, &[copy, u8::from(self.clean)]);
        put(&mut out, 8, &self.sequence.to_le_bytes());
        put(&mut out, 16, &self.cluster_id);
        put(&mut out, 32, &self.lineage.0);
        put(&mut out, 48, &self.replica_id.to_le_bytes());
        put(&mut out, 56, &self.term.to_le_bytes());
        put(&mut out, 64, &self.vote.to_le_bytes());
        put(&mut out, 72, &self.commit_floor.to_le_bytes());
        put(&mut out, 80, &self.verified_index.to_le_bytes());
        put(&mut out, 88, &self.verified_hash);
        put(&mut out, 120, &self.segment_bytes.to_le_bytes());
        put(&mut out, 128, &self.created_us.to_le_bytes());
        let configuration = self
            .configuration
            .get(..CONFIGURATION_BYTES_MAX)
            .unwrap_or(&self.configuration);
        put(&mut out, 136, &(configuration.len() as u32).to_le_bytes());
        put(&mut out, CONFIGURATION_AT, configuration);
        let checksum: Hash32 = Sha256::digest(out.get(..CHECKSUM_AT).unwrap_or_default()).into();
        put(&mut out, CHECKSUM_AT, &checksum);
        out
    }

    /// Reads one copy.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that are not a superblock copy as written.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let stored: Hash32 = array(bytes, CHECKSUM_AT)?;
        if bytes.first_chunk() != Some(MAGIC) {
            return Err(FormatError::Magic);
        }
        let computed: Hash32 = Sha256::digest(bytes.get(..CHECKSUM_AT).unwrap_or_default()).into();
        if stored != computed {
            return Err(FormatError::Hash {
                what: "superblock copy",
                expected: Box::new(computed),
                found: Box::new(stored),
            });
        }
        let version = u16::from_le_bytes(array(bytes, 4)?);
        if version != VERSION {
            return Err(FormatError::Version {
                what: "superblock",
                found: version.into(),
                newest: VERSION.into(),
            });
        }
        let [_, clean] = array(bytes, 6)?;
        let len = u32::from_le_bytes(array(bytes, 136)?) as usize;
        let configuration = bytes
            .get(CONFIGURATION_AT..CONFIGURATION_AT + len.min(CONFIGURATION_BYTES_MAX + 1))
            .filter(|_| len <= CONFIGURATION_BYTES_MAX)
            .ok_or(FormatError::TooLarge {
                what: "superblock configuration",
                len: len as u64,
                max: CONFIGURATION_BYTES_MAX as u64,
            })?;
        Ok(Self {
            sequence: word(bytes, 8)?,
            cluster_id: array(bytes, 16)?,
            lineage: Lineage(array(bytes, 32)?),
            replica_id: word(bytes, 48)?,
            term: word(bytes, 56)?,
            vote: word(bytes, 64)?,
            commit_floor: word(bytes, 72)?,
            verified_index: word(bytes, 80)?,
            verified_hash: array(bytes, 88)?,
            segment_bytes: word(bytes, 120)?,
            created_us: i64::from_le_bytes(array(bytes, 128)?),
            clean: clean == 1,
            configuration: configuration.to_vec(),
        })
    }
}

/// The newest valid copy, and what is wrong with the others.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The newest valid copy.
    pub superblock: Superblock,
    /// Copies that do not decode, with the reason.
    pub damaged_copies: Vec<(usize, FormatError)>,
}

/// Reads the superblock of a data directory.
///
/// # Errors
/// [`StorageError::Damaged`] when no copy is valid, [`StorageError::Io`].
pub fn load(disk: &dyn Disk, data_dir: &Path) -> Result<Loaded> {
    let path = data_dir.join(FILE_NAME);
    let file = disk
        .open(&path, OpenMode::Read)
        .map_err(|e| StorageError::io(format!("open {}", path.display()), e))?;
    load_from(file.as_ref())
}

fn load_from(file: &dyn DiskFile) -> Result<Loaded> {
    let mut newest: Option<Superblock> = None;
    let mut damaged_copies = Vec::new();
    for number in 0..COPIES {
        let mut bytes = vec![0; COPY_BYTES];
        match read_exact_at(file, &mut bytes, (number * COPY_BYTES) as u64) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(StorageError::io("read superblock", error)),
        }
        match Superblock::decode(&bytes) {
            Ok(copy) if newest.as_ref().is_some_and(|n| n.sequence >= copy.sequence) => {}
            Ok(copy) => newest = Some(copy),
            Err(FormatError::Version {
                what,
                found,
                newest,
            }) => {
                return Err(FormatError::Version {
                    what,
                    found,
                    newest,
                }
                .into());
            }
            Err(error) => damaged_copies.push((number, error)),
        }
    }
    match newest {
        Some(superblock) => Ok(Loaded {
            superblock,
            damaged_copies,
        }),
        None => Err(Damage {
            kind: DamageKind::Checksum,
            file: FILE_NAME.into(),
            offset: 0,
            block_index: None,
            expected: None,
            found: None,
            tenants: Vec::new(),
            detail: "none of the four copies is valid; restore the file from a backup of this \
                     data directory"
                .into(),
        }
        .into()),
    }
}

/// The open superblock of a running store.
pub struct SuperblockFile {
    file: Box<dyn DiskFile>,
    current: Superblock,
}

impl SuperblockFile {
    /// Creates the file with all copies equal, in `tmp_dir` first and then under
    /// its name: a data directory has a superblock whole or not at all.
    ///
    /// # Errors
    /// [`StorageError::Io`], [`StorageError::Full`].
    pub fn create(
        disk: &dyn Disk,
        data_dir: &Path,
        tmp_dir: &Path,
        superblock: Superblock,
    ) -> Result<Self> {
        let fresh = tmp_dir.join("superblock.new");
        let path = data_dir.join(FILE_NAME);
        let make = || {
            if disk.exists(&fresh)? {
                disk.remove(&fresh)?;
            }
            let file = disk.open(&fresh, OpenMode::CreateNew)?;
            let copies = (0..COPIES as u8).flat_map(|n| superblock.encode(n));
            file.write_at(&copies.collect::<Vec<u8>>(), 0)?;
            file.sync_data()?;
            disk.sync_dir(tmp_dir)?;
            disk.rename(&fresh, &path)?;
            disk.sync_dir(data_dir)?;
            Ok(file)
        };
        let file = make().map_err(|e| StorageError::io("create superblock", e))?;
        Ok(Self {
            file,
            current: superblock,
        })
    }

    /// Opens the file, makes what it says durable and damaged copies good again.
    ///
    /// # Errors
    /// As [`load`], and [`StorageError::Io`] when it cannot be written.
    pub fn open(disk: &dyn Disk, data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(FILE_NAME);
        let file = disk
            .open(&path, OpenMode::ReadWrite)
            .map_err(|e| StorageError::io(format!("open {}", path.display()), e))?;
        let loaded = load_from(file.as_ref())?;
        let mut this = Self {
            file,
            current: loaded.superblock,
        };
        this.write(&this.current)?;
        disk.sync_dir(data_dir)
            .map_err(|e| StorageError::io(format!("write {}", data_dir.display()), e))?;
        if !loaded.damaged_copies.is_empty() {
            // Twice: each write replaces one pair.
            this.update(|_| {})?;
            this.update(|_| {})?;
        }
        Ok(this)
    }

    /// What the superblock says now.
    #[must_use]
    pub fn get(&self) -> &Superblock {
        &self.current
    }

    /// Changes the superblock and returns when the change is durable.
    ///
    /// # Errors
    /// [`StorageError::Io`]: the change may or may not be there after a restart;
    /// the store must stop.
    pub fn update(&mut self, change: impl FnOnce(&mut Superblock)) -> Result<()> {
        let mut next = self.current.clone();
        change(&mut next);
        next.sequence = self.current.sequence + 1;
        self.write(&next)?;
        self.current = next;
        Ok(())
    }

    /// Writes the pair of copies that belongs to the sequence number.
    fn write(&self, superblock: &Superblock) -> Result<()> {
        let first = if superblock.sequence.is_multiple_of(2) {
            0
        } else {
            2
        };
        let mut bytes = superblock.encode(first);
        bytes.extend_from_slice(&superblock.encode(first + 1));
        self.file
            .write_at(&bytes, u64::from(first) * COPY_BYTES as u64)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| StorageError::io("write superblock", e))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use crate::disk::{Fault, MemDisk};

    fn sample() -> Superblock {
        Superblock {
            sequence: 1,
            cluster_id: [1; 16],
            lineage: Lineage([2; 16]),
            replica_id: 3,
            term: 4,
            vote: 5,
            commit_floor: 6,
            verified_index: 7,
            verified_hash: [8; 32],
            segment_bytes: 9,
            created_us: -10,
            clean: true,
            configuration: vec![11; 100],
        }
    }

    fn disk() -> MemDisk {
        let disk = MemDisk::new();
        disk.create_dir(Path::new("/d/tmp")).unwrap();
        disk
    }

    fn create(disk: &MemDisk) -> SuperblockFile {
        SuperblockFile::create(disk, Path::new("/d"), Path::new("/d/tmp"), sample()).unwrap()
    }

    #[test]
    fn a_copy_reads_back() {
        assert_eq!(Superblock::decode(&sample().encode(3)).unwrap(), sample());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let good = sample().encode(0);
        for at in 0..COPY_BYTES {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(Superblock::decode(&bad).is_err(), "byte {at}");
        }
        assert!(Superblock::decode(&good[..4000]).is_err());
        assert!(Superblock::decode(&[]).is_err());
    }

    #[test]
    fn a_crash_while_writing_leaves_the_old_or_the_new() {
        for seed in 0..200 {
            let disk = disk();
            let mut file = create(&disk);
            file.update(|s| s.term = 50).unwrap();
            disk.inject(Fault::CrashAt(disk.operations() + 1 + seed % 2));
            assert!(file.update(|s| s.term = 51).is_err());
            let after = disk.crash(seed);
            let term = load(&after, Path::new("/d")).unwrap().superblock.term;
            assert!(term == 50 || term == 51, "term {term} at seed {seed}");
        }
    }

    #[test]
    fn a_copy_that_was_never_flushed_is_before_the_other_pair_is_replaced() {
        for seed in 0..200 {
            let disk = disk();
            let mut file = create(&disk);
            file.update(|s| s.term = 50).unwrap();
            disk.inject(Fault::FailSync(disk.syncs() + 1));
            assert!(file.update(|s| s.term = 51).is_err());
            let disk = disk.killed();
            disk.inject(Fault::CrashAt(disk.operations() + 1 + seed % 5));
            let updated = SuperblockFile::open(&disk, Path::new("/d"))
                .and_then(|mut file| file.update(|s| s.term = 52));
            let after = load(&disk.crash(seed), Path::new("/d"));
            let term = after.unwrap().superblock.term;
            assert!(term >= if updated.is_ok() { 52 } else { 50 }, "{term}");
        }
    }

    #[test]
    fn two_lost_copies_are_replaced_and_four_are_an_error() {
        let disk = disk();
        create(&disk).update(|s| s.term = 50).unwrap();
        let path = Path::new("/d/superblock");
        // The pair that the update did not write.
        disk.corrupt(path, |b| b[2 * COPY_BYTES..].fill(0)).unwrap();
        let file = SuperblockFile::open(&disk, Path::new("/d")).unwrap();
        assert_eq!(file.get().term, 50);
        assert!(
            load(&disk, Path::new("/d"))
                .unwrap()
                .damaged_copies
                .is_empty()
        );
        // The newest pair lost: the state before is what is left.
        disk.corrupt(path, |b| b[..2 * COPY_BYTES].fill(7)).unwrap();
        let before = load(&disk, Path::new("/d")).unwrap();
        assert_eq!(
            (before.superblock.term, before.damaged_copies.len()),
            (50, 2)
        );
        disk.corrupt(path, |b| b.truncate(10)).unwrap();
        let error = load(&disk, Path::new("/d")).unwrap_err();
        assert!(matches!(error, StorageError::Damaged(_)), "{error}");
    }
}
