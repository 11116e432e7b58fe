//! The log's files and the projection, as the core reads them.

use std::sync::Arc;

use bytes::Bytes;
use kimberlite_storage::log::LogReader;
use kimberlite_storage::{ApplySink, BlockKind, Result, StorageError, TenantHead, TenantId};

use crate::block_entry::KeptBlock;
use crate::core::LogSource;

/// Reads this replica's own files.
#[derive(Clone)]
pub(super) struct Files {
    pub(super) reader: Arc<LogReader>,
    pub(super) sink: Arc<dyn ApplySink>,
}

impl Files {
    /// Blocks from `from` to before `to`; fewer when they would have more than `bytes_max`
    /// bytes, but one at least.
    pub(super) fn read(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<KeptBlock>> {
        let mut found: Vec<KeptBlock> = Vec::new();
        let mut bytes_read = 0;
        let mut blocks = self.reader.blocks(from)?;
        for index in from..to {
            let Some((block, bytes, _)) = blocks.next()? else {
                let gone = format!("block {index} is not in the log");
                return Err(StorageError::Closed(gone));
            };
            bytes_read += bytes.len() as u64;
            if bytes_read > bytes_max && !found.is_empty() {
                break;
            }
            found.push(KeptBlock {
                header: block.header.clone(),
                bytes: Bytes::copy_from_slice(bytes),
            });
        }
        Ok(found)
    }

    /// The kind of a block.
    pub(super) fn kind(&self, index: u64) -> Result<BlockKind> {
        self.reader
            .with_block(index, |block, _, _| Ok(block.header.kind))
    }

    /// The term of a block.
    pub(super) fn term(&self, index: u64) -> Result<u64> {
        self.reader
            .with_block(index, |block, _, _| Ok(block.header.term))
    }
}

impl LogSource for Files {
    fn blocks(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<Bytes>> {
        let blocks = self.read(from, to, bytes_max)?.into_iter();
        Ok(blocks.map(|block| block.bytes).collect())
    }

    fn tenant(&self, tenant: TenantId) -> Result<TenantHead> {
        self.sink.tenant_head(tenant)
    }
}
