//! The key that the projection's files are encrypted under.
//!
//! It is random, belongs to one replica, and is stored wrapped by the master key
//! in `keys/replica.key`:
//!
//! | Offset | Bytes | Field |
//! |---|---|---|
//! | 0 | 8 | magic `KBREPKY1` (the digit is the version) |
//! | 8 | 4 | length `n` of the wrapped key, u32 LE |
//! | 12 | `n` | the wrapped key |
//! | 12 + `n` | 4 | CRC32 of everything before, u32 LE |
//!
//! Losing the file loses nothing but the projection, which is rebuilt from the
//! log under a new key.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::crypto::{Key, KeyProvider};
use crate::env::Entropy;
use crate::error::{FormatError, Result, StorageError};
use crate::fields::Fields;

/// The file's name in the `keys` directory.
pub const REPLICA_KEY_FILE: &str = "replica.key";

const MAGIC: [u8; 8] = *b"KBREPKY1";
const WHAT: &str = "the replica key file";

/// Longest file that is read, in bytes; key services return a few hundred.
const FILE_LEN_MAX: u64 = 64 << 10;

/// What the wrapped key is bound to.
const CONTEXT: &[u8] = b"replica key";

/// Makes a new replica key and stores it in `dir` (`keys` of the data
/// directory), over one that may be there. On return it is on the disk.
///
/// # Errors
/// When the master key cannot be used or the file cannot be written.
pub fn create_replica_key(
    dir: &Path,
    provider: &dyn KeyProvider,
    entropy: &dyn Entropy,
) -> Result<Key> {
    let key = Key::random(entropy);
    let wrapped = provider.wrap(CONTEXT, &key, entropy)?;
    write_whole(dir, &encode(&wrapped)?)?;
    Ok(key)
}

/// Reads the replica key; `None` when there is none yet.
///
/// # Errors
/// [`StorageError::WrongMasterKey`] when it was wrapped by another master key,
/// [`StorageError::Format`] when the file is damaged.
pub fn load_replica_key(dir: &Path, provider: &dyn KeyProvider) -> Result<Option<Key>> {
    let path = dir.join(REPLICA_KEY_FILE);
    let doing = || format!("read {}", path.display());
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io(doing(), error)),
    };
    let mut stored = Vec::new();
    let mut file = file.take(FILE_LEN_MAX + 1);
    file.read_to_end(&mut stored)
        .map_err(|error| StorageError::io(doing(), error))?;
    let key = provider
        .unwrap(CONTEXT, decode(&stored)?)
        .map_err(|error| match error {
            StorageError::WrongMasterKey { provider, .. } => StorageError::WrongMasterKey {
                provider,
                what: path.display().to_string(),
            },
            other => other,
        })?;
    Ok(Some(key))
}

fn encode(wrapped: &[u8]) -> Result<Vec<u8>> {
    let too_large = || StorageError::TooLarge {
        what: "a wrapped replica key",
        len: wrapped.len() as u64,
        max: FILE_LEN_MAX - 16,
    };
    let len = u32::try_from(wrapped.len()).map_err(|_| too_large())?;
    if u64::from(len) > FILE_LEN_MAX - 16 {
        return Err(too_large());
    }
    let mut file = [MAGIC.as_slice(), &len.to_le_bytes(), wrapped].concat();
    let crc = crc32fast::hash(&file);
    file.extend_from_slice(&crc.to_le_bytes());
    Ok(file)
}

fn decode(stored: &[u8]) -> Result<&[u8], FormatError> {
    if stored.len() as u64 > FILE_LEN_MAX {
        return Err(FormatError::TooLarge {
            what: WHAT,
            len: stored.len() as u64,
            max: FILE_LEN_MAX,
        });
    }
    let (checked, crc) = stored
        .split_last_chunk::<4>()
        .ok_or(FormatError::Truncated {
            what: WHAT,
            needed: 16,
            have: stored.len() as u64,
        })?;
    let (expected, found) = (crc32fast::hash(checked), u32::from_le_bytes(*crc));
    if expected != found {
        return Err(FormatError::Checksum {
            what: WHAT,
            expected,
            found,
        });
    }
    let mut fields = Fields::new(WHAT, checked);
    if fields.array()? != MAGIC {
        return Err(FormatError::Magic);
    }
    let len = fields.u32()?;
    if fields.rest().len() as u64 != u64::from(len) {
        return Err(FormatError::Field {
            what: "length of a wrapped key",
            value: u64::from(len),
        });
    }
    Ok(fields.rest())
}

/// Replaces the file so that a crash leaves the old one or the new one.
fn write_whole(dir: &Path, bytes: &[u8]) -> Result<()> {
    let (path, fresh) = (dir.join(REPLICA_KEY_FILE), dir.join("replica.key.new"));
    let doing = || format!("write {}", path.display());
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(dir)?;
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|error| StorageError::io(doing(), error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

    use proptest::prelude::*;

    use super::*;
    use crate::env::fixed::FixedEntropy;

    /// Wraps by exclusive or, and knows its own wraps by a tag.
    struct Xor(u8);

    impl KeyProvider for Xor {
        fn wrap(&self, context: &[u8], key: &Key, _: &dyn Entropy) -> Result<Vec<u8>> {
            let body = key.expose().iter().map(|byte| byte ^ self.0);
            Ok([self.0]
                .into_iter()
                .chain(context.iter().copied())
                .chain(body)
                .collect())
        }

        fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Key> {
            let wrong = || StorageError::WrongMasterKey {
                provider: self.describe(),
                what: String::new(),
            };
            let tagged = wrapped.strip_prefix(&[self.0]).ok_or_else(wrong)?;
            let body = tagged.strip_prefix(context).ok_or_else(wrong)?;
            let plain: Vec<u8> = body.iter().map(|byte| byte ^ self.0).collect();
            Key::from_slice(&plain).ok_or_else(wrong)
        }

        fn describe(&self) -> String {
            format!("test key {}", self.0)
        }
    }

    #[test]
    fn what_was_created_is_loaded_and_a_wrong_master_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        assert!(load_replica_key(&keys, &Xor(5)).unwrap().is_none());
        let made = create_replica_key(&keys, &Xor(5), &FixedEntropy::new(1)).unwrap();
        let loaded = load_replica_key(&keys, &Xor(5)).unwrap().unwrap();
        assert_eq!(made.expose(), loaded.expose());
        let wrong = load_replica_key(&keys, &Xor(6)).unwrap_err();
        let StorageError::WrongMasterKey { what, .. } = &wrong else {
            panic!("{wrong}")
        };
        assert!(what.ends_with("keys/replica.key"), "{what}");
    }

    #[test]
    fn the_file_is_private_and_replaced_as_a_whole() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let first = create_replica_key(dir.path(), &Xor(5), &FixedEntropy::new(1)).unwrap();
        // What a crash before the rename leaves.
        fs::write(dir.path().join("replica.key.new"), b"half").unwrap();
        let second = create_replica_key(dir.path(), &Xor(5), &FixedEntropy::new(2)).unwrap();
        assert_ne!(first.expose(), second.expose());
        let loaded = load_replica_key(dir.path(), &Xor(5)).unwrap().unwrap();
        assert_eq!(loaded.expose(), second.expose());
        let mode = fs::metadata(dir.path().join(REPLICA_KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let good = encode(b"wrapped key").unwrap();
        assert_eq!(decode(&good).unwrap(), b"wrapped key");
        for at in 0..good.len() {
            assert!(decode(&good[..at]).is_err(), "cut at {at}");
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert!(decode(&bad).is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let crc = crc32fast::hash(&bytes).to_le_bytes();
            let _ = decode(&[bytes.as_slice(), &crc].concat());
        }
    }
}
