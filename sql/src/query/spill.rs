//! Temporary files of sorts, joins and aggregations, encrypted.
//!
//! Files are AES-256-CTR under a key that is random for each process and never
//! stored: after a restart nobody can read them. The counter block of a file is
//! `file number (u64, big-endian) ‖ block number (u64, big-endian)`; numbers are
//! never reused in a process. A file is unlinked as soon as it is open, so that
//! a crash leaves nothing behind. Nothing is authenticated: the file belongs to
//! this process alone and what it holds is gone with it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aes::Aes256;
use bytes::Bytes;
use ctr::Ctr64BE;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;
use parking_lot::Mutex;

use super::error::{external, from_datafusion};
use crate::error::{SqlError, state};

/// What DataFusion calls the files of the queues between partitions, which are not
/// allowed to spill: see [`super::memory`].
const QUEUE: &str = "SpillPool";
/// Bytes read at a time.
const READ_BYTES: usize = 256 << 10;

/// Makes encrypted temporary files in one directory.
pub(super) struct EncryptedSpill {
    directory: PathBuf,
    key: [u8; 32],
    next_file: AtomicU64,
    used: Arc<Quota>,
}

/// Bytes of temporary files that exist, and how many may.
struct Quota {
    used: AtomicU64,
    limit: u64,
}

impl EncryptedSpill {
    /// Files go to `directory`, which must exist; together they may have
    /// `limit` bytes.
    pub(super) fn new(directory: PathBuf, key: [u8; 32], limit: u64) -> Self {
        Self {
            directory,
            key,
            next_file: AtomicU64::new(0),
            used: Arc::new(Quota {
                used: AtomicU64::new(0),
                limit,
            }),
        }
    }

    /// A file of a session, for rows that it keeps.
    pub(super) fn scratch(&self) -> std::result::Result<ScratchFile, SqlError> {
        self.open().map(ScratchFile).map_err(failed)
    }

    fn open(&self) -> io::Result<Arc<Inner>> {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        let path = self
            .directory
            .join(format!("spill-{}-{number}", std::process::id()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Arc::new(Inner {
            file,
            key: self.key,
            number,
            length: AtomicU64::new(0),
            append: Mutex::new(()),
            quota: Arc::clone(&self.used),
        }))
    }
}

fn failed(error: io::Error) -> SqlError {
    from_datafusion(DataFusionError::IoError(error))
}

/// A temporary file that is read at any place. Clones share it.
#[derive(Clone)]
pub(crate) struct ScratchFile(Arc<Inner>);

impl ScratchFile {
    /// Appends bytes; where they are.
    ///
    /// # Errors
    /// 53400 when temporary files have reached their limit, 58030.
    pub(crate) async fn append(&self, bytes: Vec<u8>) -> std::result::Result<u64, SqlError> {
        let inner = Arc::clone(&self.0);
        let append = move || {
            // One owner writes: nobody else appends in between.
            let offset = inner.length.load(Ordering::Relaxed);
            inner.append(&bytes).map(|()| offset)
        };
        in_background(append).await
    }

    /// The bytes at a place.
    ///
    /// # Errors
    /// 58030.
    pub(crate) async fn read(
        &self,
        offset: u64,
        length: usize,
    ) -> std::result::Result<Vec<u8>, SqlError> {
        let inner = Arc::clone(&self.0);
        in_background(move || inner.read_exact(offset, length)).await
    }
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> std::result::Result<T, SqlError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(failed),
        Err(error) => Err(SqlError::internal(format!("a temporary file: {error}"))),
    }
}

impl TempFileFactory for EncryptedSpill {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        if description == QUEUE {
            return Err(DataFusionError::ResourcesExhausted(
                "rows between partitions do not fit in memory".to_owned(),
            ));
        }
        let inner = self.open()?;
        Ok(Arc::new(EncryptedFile { inner }))
    }
}

struct Inner {
    file: File,
    key: [u8; 32],
    number: u64,
    /// Bytes that are written and may be read.
    length: AtomicU64,
    append: Mutex<()>,
    quota: Arc<Quota>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let length = self.length.load(Ordering::Relaxed);
        self.quota.used.fetch_sub(length, Ordering::Relaxed);
    }
}

impl Inner {
    /// Encrypts or decrypts bytes that stand at `offset`.
    fn apply(&self, offset: u64, bytes: &mut [u8]) {
        let mut block = [0; 16];
        let (number, _) = block.split_at_mut(8);
        number.copy_from_slice(&self.number.to_be_bytes());
        let mut cipher = Ctr64BE::<Aes256>::new(&self.key.into(), &block.into());
        cipher.seek(offset);
        cipher.apply_keystream(bytes);
    }

    fn append(&self, plain: &[u8]) -> io::Result<()> {
        let more = plain.len() as u64;
        let before = self.quota.used.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > self.quota.limit {
            self.quota.used.fetch_sub(more, Ordering::Relaxed);
            return Err(io::Error::other(external(
                SqlError::new(
                    state::CONFIGURATION_LIMIT_EXCEEDED,
                    "temporary files exceed their limit",
                )
                .hint("Make the query smaller or raise the limit of temporary files."),
            )));
        }
        let _one_at_a_time = self.append.lock();
        let offset = self.length.load(Ordering::Relaxed);
        let mut sealed = plain.to_vec();
        self.apply(offset, &mut sealed);
        let written = self.file.write_all_at(&sealed, offset);
        match written {
            // Only now: a reader may be right behind.
            Ok(()) => self.length.store(offset + more, Ordering::Release),
            Err(_) => {
                self.quota.used.fetch_sub(more, Ordering::Relaxed);
            }
        }
        written
    }

    fn read(&self, offset: u64) -> io::Result<Bytes> {
        let left = self.length.load(Ordering::Acquire).saturating_sub(offset);
        let size = READ_BYTES.min(usize::try_from(left).unwrap_or(READ_BYTES));
        self.read_exact(offset, size).map(Bytes::from)
    }

    fn read_exact(&self, offset: u64, size: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, offset)?;
        self.apply(offset, &mut bytes);
        Ok(bytes)
    }
}

struct EncryptedFile {
    inner: Arc<Inner>,
}

impl SpillFile for EncryptedFile {
    fn size(&self) -> Option<u64> {
        Some(self.inner.length.load(Ordering::Relaxed))
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let inner = Arc::clone(&self.inner);
        Ok(Box::pin(futures::stream::try_unfold(0u64, move |offset| {
            let inner = Arc::clone(&inner);
            async move {
                if offset >= inner.length.load(Ordering::Acquire) {
                    return Ok(None);
                }
                let bytes = tokio::task::spawn_blocking(move || inner.read(offset))
                    .await
                    .map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
                let next = offset + bytes.len() as u64;
                Ok(Some((bytes, next)))
            }
        })))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(EncryptedWriter {
            inner: Arc::clone(&self.inner),
            buffer: Vec::with_capacity(WRITE_BYTES),
        }))
    }
}

/// Bytes collected before they are encrypted and written.
const WRITE_BYTES: usize = 64 << 10;

struct EncryptedWriter {
    inner: Arc<Inner>,
    buffer: Vec<u8>,
}

impl Write for EncryptedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > WRITE_BYTES {
            self.flush()?;
        }
        if bytes.len() >= WRITE_BYTES {
            self.inner.append(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.inner.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl SpillWriter for EncryptedWriter {
    fn finish(&mut self) -> Result<()> {
        self.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use futures::TryStreamExt;

    fn factory(limit: u64) -> (tempfile::TempDir, EncryptedSpill) {
        let directory = tempfile::tempdir().unwrap();
        let spill = EncryptedSpill::new(directory.path().to_owned(), [7; 32], limit);
        (directory, spill)
    }

    #[tokio::test]
    async fn what_is_written_is_read_back_but_not_in_the_clear() {
        let (directory, spill) = factory(u64::MAX);
        let plain: Vec<u8> = (0..700_000u32).flat_map(|i| i.to_le_bytes()).collect();
        let number = spill.next_file.load(Ordering::Relaxed);
        let file = spill.create_temp_file("test").unwrap();
        let mut writer = file.open_writer().unwrap();
        for piece in plain.chunks(33_333) {
            writer.write_all(piece).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(file.size(), Some(plain.len() as u64));
        let read: Vec<Bytes> = file.read_stream().unwrap().try_collect().await.unwrap();
        assert!(read.concat() == plain);
        assert_eq!(number, 0);
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "unlinked"
        );
    }

    #[test]
    fn the_file_holds_ciphertext_and_no_two_files_share_a_key_stream() {
        let (_directory, spill) = factory(u64::MAX);
        let inner = |number| Inner {
            file: tempfile::tempfile().unwrap(),
            key: spill.key,
            number,
            length: AtomicU64::new(0),
            append: Mutex::new(()),
            quota: Arc::clone(&spill.used),
        };
        let (a, b) = (inner(1), inner(2));
        a.append(&[0; 64]).unwrap();
        b.append(&[0; 64]).unwrap();
        let raw = |file: &Inner| {
            let mut bytes = [0; 64];
            file.file.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        assert_ne!(raw(&a), [0; 64]);
        assert_ne!(raw(&a), raw(&b));
        assert_eq!(&a.read(0).unwrap()[..], &[0; 64]);
    }

    #[test]
    fn the_limit_holds_over_all_files_and_is_given_back() {
        let (_directory, spill) = factory(100);
        let first = spill.create_temp_file("a").unwrap();
        let mut writer = first.open_writer().unwrap();
        writer.write_all(&[1; 80]).unwrap();
        writer.finish().unwrap();
        let second = spill.create_temp_file("b").unwrap();
        let mut other = second.open_writer().unwrap();
        other.write_all(&[1; 30]).unwrap();
        assert!(other.finish().is_err());
        drop(writer);
        drop(first);
        other.finish().unwrap();
    }
}
