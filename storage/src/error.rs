//! What can go wrong, by what the caller does about it.

use std::fmt;
use std::io;

use crate::ids::{Hash32, Hex, KeyId, TenantId};

/// The result of everything in this crate.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

/// An error of storage. The kinds are chosen by what the caller does about them.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system refused. Reading may be tried again; after a failed
    /// write or flush the log is closed.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, naming the file.
        context: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Stored bytes are not what was written. Do not serve them; repair.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// Another process has the data directory open.
    #[error("the data directory is in use by another process ({0}); stop it first")]
    Locked(String),
    /// The master key is not the one that the stored keys were wrapped with.
    #[error(
        "the master key ({provider}) does not open {what}: it is not the key this data directory \
         was created with. Check that the key file or KIMBERLITE_MASTER_KEY is the original one, \
         or restore it from where it is kept safe; without it the data cannot be read"
    )]
    WrongMasterKey {
        /// Where the key came from ([`crate::KeyProvider::describe`]).
        provider: String,
        /// What it was tried on.
        what: String,
    },
    /// The disk is full. Nothing was acknowledged; free space and start again.
    #[error("no space left: {context}")]
    Full {
        /// What was being done, naming the file.
        context: String,
    },
    /// The file system or the node does not accept writes.
    #[error("read-only: {context}")]
    ReadOnly {
        /// What was being done, naming the file.
        context: String,
    },
    /// Bytes that do not follow the format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The log was closed, by request or by a failed write. Whether a pending
    /// transaction was committed is unknown until the log is opened again.
    #[error(
        "the log is closed: {0}; the outcome of a pending transaction is unknown until restart"
    )]
    Closed(String),
    /// The transaction is certainly not committed, and may be tried again, here or on
    /// another replica.
    #[error("{0}; the transaction was not committed")]
    NotCommitted(String),
    /// Nobody knows yet whether the transaction is committed: the leader that took it was
    /// cut off before a majority had answered.
    #[error("{0}; whether the transaction is committed is not known")]
    Unknown(String),
    /// More than a bound allows. Split the work.
    #[error("{what} is {len} bytes, more than the limit of {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length in bytes.
        len: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// A key is missing, destroyed or does not fit.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The projection failed or is unreadable. It can be rebuilt from the log.
    #[error("projection: {0}")]
    Projection(String),
}

impl StorageError {
    /// Wraps an operating system error, telling a full disk and a read-only file
    /// system from the rest.
    pub fn io(context: impl Into<String>, source: io::Error) -> Self {
        let context = context.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { context },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { context },
            _ => Self::Io { context, source },
        }
    }

    /// Whether the medium itself failed (EIO): trying again or rebuilding what is
    /// derived does not help on it.
    #[must_use]
    pub fn is_medium_failure(&self) -> bool {
        let failed = rustix::io::Errno::IO.raw_os_error();
        matches!(self, Self::Io { source, .. } if source.raw_os_error() == Some(failed))
    }
}

impl From<Damage> for StorageError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

/// Why bytes are not a block, an event, a transaction or a key record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes end too early.
    #[error("{what} is cut short: {needed} bytes needed, {have} there")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// How many bytes it takes.
        needed: u64,
        /// How many bytes there are.
        have: u64,
    },
    /// The bytes do not begin with the magic number: not a block at all.
    #[error("no block begins here (magic number missing)")]
    Magic,
    /// A version this program does not know.
    #[error("{what} has version {found}; this program reads up to {newest}")]
    Version {
        /// What was being read.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest version understood.
        newest: u32,
    },
    /// A checksum does not match: the bytes changed after they were written.
    #[error("{what}: checksum {found:08x} found, {expected:08x} computed")]
    Checksum {
        /// What is protected by the checksum.
        what: &'static str,
        /// The checksum of the bytes that are there.
        expected: u32,
        /// The checksum that is stored.
        found: u32,
    },
    /// A hash does not match.
    #[error("{what}: hash {} stored, {} computed", Hex(found.as_slice()), Hex(expected.as_slice()))]
    Hash {
        /// What is protected by the hash.
        what: &'static str,
        /// The hash of the bytes that are there.
        expected: Box<Hash32>,
        /// The hash that is stored.
        found: Box<Hash32>,
    },
    /// A field holds a value that cannot be.
    #[error("{what}: {value} is not a value it can have")]
    Field {
        /// Which field.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// A length is over its hard limit.
    #[error("{what} is {len} bytes, more than the limit of {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The length it claims.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// The decompressed or decrypted message cannot be parsed.
    #[error("{what}: {detail}")]
    Message {
        /// Which message.
        what: &'static str,
        /// What the parser said.
        detail: String,
    },
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The tenant has no keys: it does not exist here, or they were destroyed.
    #[error("there are no keys for tenant {0}: it was never created, or its keys were destroyed")]
    NoTenant(TenantId),
    /// The tenant has no such key: its record was redacted or not loaded yet.
    #[error("tenant {tenant} has no key {key_id}: it was destroyed, or its record is not loaded")]
    NoKey {
        /// Whose key.
        tenant: TenantId,
        /// Which key.
        key_id: KeyId,
    },
    /// The event does not open: wrong key, or bytes changed.
    #[error(
        "an event of tenant {tenant} does not open with its key {key_id}: changed after sealing"
    )]
    DoesNotOpen {
        /// Whose event.
        tenant: TenantId,
        /// Under which key it was sealed.
        key_id: KeyId,
    },
    /// The body was removed from the log on purpose.
    #[error("the body of an event of tenant {0} was redacted")]
    Redacted(TenantId),
    /// A second, different record for a key that is already known.
    #[error("tenant {tenant} already has a different key {key_id}")]
    Conflict {
        /// Whose key.
        tenant: TenantId,
        /// Which key.
        key_id: KeyId,
    },
    /// A wrapped key does not unwrap under the tenant's wrapping key.
    #[error("key {key_id} of tenant {tenant} does not unwrap under the tenant's wrapping key")]
    DoesNotUnwrap {
        /// Whose key.
        tenant: TenantId,
        /// Which key.
        key_id: KeyId,
    },
    /// The key file or variable is not usable; says why and what to do.
    #[error("{0}")]
    Source(String),
    /// The cipher refused; the input is beyond what AES-GCM can take.
    #[error("the cipher refused: {0}")]
    Cipher(&'static str),
}

/// Kinds of damage to a stored log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// The end of the log was being written when the machine stopped; nothing in
    /// it was acknowledged.
    TornTail,
    /// A checksum does not match: bytes changed on the medium.
    Checksum,
    /// A hash does not match although checksums do: bytes were changed on purpose.
    Hash,
    /// A block does not follow its predecessor.
    Chain,
    /// An event does not follow its tenant's previous event.
    TenantChain,
    /// A body is gone and no later event authorises it.
    Redaction,
    /// A body does not open under its key.
    Unopenable,
    /// The bytes do not follow the format.
    Format,
    /// A file that should be there is not.
    Missing,
    /// Two places that should agree do not (ident table, superblock, projection).
    Mismatch,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TornTail => "torn tail",
            Self::Checksum => "checksum mismatch",
            Self::Hash => "hash mismatch",
            Self::Chain => "chain broken",
            Self::TenantChain => "tenant chain broken",
            Self::Redaction => "unexplained redaction",
            Self::Unopenable => "body does not open",
            Self::Format => "malformed",
            Self::Missing => "missing",
            Self::Mismatch => "mismatch",
        })
    }
}

/// Where a stored log is damaged, as exactly as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What kind of damage.
    pub kind: DamageKind,
    /// The file, as a path relative to the data directory.
    pub file: String,
    /// Byte offset in the file at which the damaged thing begins.
    pub offset: u64,
    /// Index of the block, when known.
    pub block_index: Option<u64>,
    /// The hash that should be there, when known.
    pub expected: Option<Hash32>,
    /// The hash that is there, when it could be computed.
    pub found: Option<Hash32>,
    /// Tenants whose events are touched, when their headers could be read.
    pub tenants: Vec<TenantId>,
    /// What was seen, in words.
    pub detail: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} at byte {}", self.kind, self.file, self.offset)?;
        if let Some(index) = self.block_index {
            write!(f, ", block {index}")?;
        }
        write!(f, ": {}", self.detail)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {}", Hex(expected))?;
        }
        if let Some(found) = &self.found {
            write!(f, "; found {}", Hex(found))?;
        }
        if !self.tenants.is_empty() {
            f.write_str("; tenants")?;
            self.tenants
                .iter()
                .try_for_each(|tenant| write!(f, " {tenant}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let full = StorageError::io("write x", io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(full, StorageError::Full { .. }));
        let ro = StorageError::io(
            "write x",
            io::Error::from(io::ErrorKind::ReadOnlyFilesystem),
        );
        assert!(matches!(ro, StorageError::ReadOnly { .. }));
        let other = StorageError::io("write x", io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(other, StorageError::Io { .. }));
    }

    #[test]
    fn damage_says_where_what_and_whose() {
        let damage = Damage {
            kind: DamageKind::Checksum,
            file: "log/00000000000000000001.seg".into(),
            offset: 4096,
            block_index: Some(17),
            expected: Some([0xAA; 32]),
            found: None,
            tenants: vec![TenantId::SYSTEM],
            detail: "payload checksum".into(),
        };
        let text = damage.to_string();
        assert!(text.contains("block 17"), "{text}");
        assert!(text.contains("at byte 4096"), "{text}");
        assert!(text.contains(&"aa".repeat(32)), "{text}");
        assert!(text.contains(&TenantId::SYSTEM.to_string()), "{text}");
    }
}
