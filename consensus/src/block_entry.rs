//! Blocks as entries of the protocol: one entry is one block, its data are the block's
//! bytes.

use bytes::Bytes;
use kimberlite_storage::{BlockHeader, BlockKind, EncodedBlock};
use raft::eraftpb::{Entry, EntryType};

/// A block of the log in memory.
#[derive(Clone, Debug)]
pub struct KeptBlock {
    /// Its header.
    pub header: BlockHeader,
    /// The whole block, header to checksum.
    pub bytes: Bytes,
}

impl KeptBlock {
    pub(crate) fn entry(&self) -> Entry {
        entry_of(&self.header, self.bytes.clone())
    }
}

impl From<EncodedBlock> for KeptBlock {
    fn from(block: EncodedBlock) -> Self {
        Self {
            header: block.header,
            bytes: block.bytes.into(),
        }
    }
}

/// The entry whose block has this header and these bytes.
pub(crate) fn entry_of(header: &BlockHeader, bytes: Bytes) -> Entry {
    let mut entry = Entry::default();
    entry.set_entry_type(match header.kind {
        BlockKind::Config => EntryType::EntryConfChangeV2,
        _ => EntryType::EntryNormal,
    });
    entry.term = header.term;
    entry.index = header.index;
    entry.data = bytes;
    entry
}
