//! Reading a segment from front to back in large pieces.

use crate::block::{BLOCK_HEADER_LEN, Block, BlockHeader};
use crate::disk::DiskFile;
use crate::error::{FormatError, Result, StorageError};

/// How much is read at once. Large enough that reading is as fast as the medium,
/// small enough to stay in a core's second-level cache while it is hashed.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// A window over a file that moves forward.
pub struct Cursor<'f> {
    file: &'f dyn DiskFile,
    name: &'f str,
    buffer: Vec<u8>,
    start: u64,
    len: usize,
}

/// What lies at an offset.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// A block whose checksums and structure are good. Hashes are not checked.
    Block {
        /// The block, parsed.
        block: Block<'a>,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Zeroes, or the end of the file: no block was written here.
    Nothing,
    /// Bytes that are not a block.
    Bad {
        /// What is wrong with them.
        error: FormatError,
        /// The header, when at least that is good.
        header: Option<BlockHeader>,
    },
}

impl<'f> Cursor<'f> {
    /// A cursor over `file`; `name` appears in errors.
    #[must_use]
    pub fn new(file: &'f dyn DiskFile, name: &'f str) -> Self {
        Self {
            file,
            name,
            buffer: Vec::new(),
            start: 0,
            len: 0,
        }
    }

    /// Up to `want` bytes at `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn window(&mut self, offset: u64, want: usize) -> Result<&[u8]> {
        let covered = offset >= self.start
            && offset.saturating_add(want as u64) <= self.start + self.len as u64;
        if !covered {
            self.buffer.resize(want.max(CHUNK_BYTES), 0);
            self.len = 0;
            self.start = offset;
            self.len = self
                .file
                .read_at(&mut self.buffer, offset)
                .map_err(|e| StorageError::io(format!("read {}", self.name), e))?;
        }
        let from = (offset - self.start) as usize;
        let to = (from + want).min(self.len);
        Ok(self.buffer.get(from..to).unwrap_or_default())
    }

    /// Forgets what was read, so that the next look sees what the file holds now.
    pub fn forget(&mut self) {
        self.len = 0;
    }

    /// Reads what lies at `offset`.
    ///
    /// # Errors
    /// [`StorageError::Io`]; whatever is wrong with the bytes is not an error but
    /// [`Parsed::Bad`].
    pub fn parse(&mut self, offset: u64) -> Result<Parsed<'_>> {
        let head = self.window(offset, BLOCK_HEADER_LEN)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(Parsed::Nothing);
        }
        let header = match BlockHeader::decode(head) {
            Ok(header) => header,
            Err(error) => {
                return Ok(Parsed::Bad {
                    error,
                    header: None,
                });
            }
        };
        let bytes = self.window(offset, header.block_len())?;
        Ok(match Block::decode(bytes) {
            Ok(block) => Parsed::Block { block, bytes },
            Err(error) => Parsed::Bad {
                error,
                header: Some(header),
            },
        })
    }

    /// Whether bytes from `from` up to `to` (or the end of the file) are all
    /// zero; if not, the offset of the first that is not.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn first_nonzero(&mut self, from: u64, to: u64) -> Result<Option<u64>> {
        let mut offset = from;
        while offset < to {
            let want = (to - offset).min(CHUNK_BYTES as u64) as usize;
            let piece = self.window(offset, want)?;
            if piece.is_empty() {
                break;
            }
            if !is_zero(piece) {
                let at = piece.iter().position(|byte| *byte != 0).unwrap_or(0);
                return Ok(Some(offset + at as u64));
            }
            offset += piece.len() as u64;
        }
        Ok(None)
    }
}

/// Whether all bytes are zero; as fast as memory, since it looks at many at once.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(4096)
        .all(|chunk| chunk.iter().fold(0, |seen, byte| seen | byte) == 0)
}
