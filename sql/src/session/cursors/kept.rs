//! Rows of a cursor that were read already, by number.
//!
//! Those of a cursor that may go back stay, in memory up to a bound and beyond it
//! in a temporary file, which is encrypted as all of them are.

use std::io::Cursor;

use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;

use crate::error::SqlError;
use crate::query::{QueryEngine, ScratchFile, compacted};

/// Bytes of rows that a cursor keeps in memory, besides those it stands on.
const MEMORY_BYTES: usize = 1 << 20;

/// The rows.
#[derive(Default)]
pub(super) struct Kept {
    pieces: Vec<Piece>,
    /// How many rows were read.
    rows: u64,
    memory: usize,
    file: Option<ScratchFile>,
    /// A piece that was read back, by its place among them.
    loaded: Option<(usize, RecordBatch)>,
}

/// Rows that follow each other.
struct Piece {
    /// The number of the first, from 1.
    first: u64,
    rows: u64,
    place: Place,
}

enum Place {
    Memory(RecordBatch),
    File { offset: u64, length: usize },
}

fn broken(error: ArrowError) -> SqlError {
    SqlError::internal(format!("rows of a cursor: {error}"))
}

impl Kept {
    /// How many rows were read.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Forgets the rows, not how many they were.
    pub(super) fn forget(&mut self) {
        self.pieces.clear();
        self.loaded = None;
        self.memory = 0;
    }

    /// Adds rows; those that are too many in memory go to the temporary file.
    ///
    /// # Errors
    /// 53400 when temporary files have reached their limit, 58030.
    pub(super) async fn push(
        &mut self,
        batch: &RecordBatch,
        engine: &QueryEngine,
    ) -> Result<(), SqlError> {
        let batch = compacted(batch)?;
        let (rows, bytes) = (batch.num_rows() as u64, batch.get_array_memory_size());
        if self.memory > 0 && self.memory + bytes > MEMORY_BYTES {
            self.spill(engine).await?;
        }
        self.pieces.push(Piece {
            first: self.rows + 1,
            rows,
            place: Place::Memory(batch),
        });
        self.rows += rows;
        self.memory += bytes;
        Ok(())
    }

    /// Moves what is in memory to the file.
    async fn spill(&mut self, engine: &QueryEngine) -> Result<(), SqlError> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self.file.insert(engine.scratch_file()?).clone(),
        };
        for piece in &mut self.pieces {
            if let Place::Memory(batch) = &piece.place {
                let bytes = encoded(batch).map_err(broken)?;
                let length = bytes.len();
                let offset = file.append(bytes).await?;
                piece.place = Place::File { offset, length };
            }
        }
        self.memory = 0;
        Ok(())
    }

    /// The rows among which the one of this number is: the number of their first,
    /// and they.
    ///
    /// # Errors
    /// XX000 when the row is not kept, 58030.
    pub(super) async fn around(&mut self, number: u64) -> Result<(u64, &RecordBatch), SqlError> {
        let at = self.pieces.partition_point(|p| p.first + p.rows <= number);
        let missing = || SqlError::internal("a row of a cursor is gone");
        let piece = self.pieces.get(at).ok_or_else(missing)?;
        if piece.first > number {
            return Err(missing());
        }
        if let Place::File { offset, length } = piece.place
            && self.loaded.as_ref().is_none_or(|(loaded, _)| *loaded != at)
        {
            let file = self.file.as_ref().ok_or_else(missing)?;
            let bytes = file.read(offset, length).await?;
            self.loaded = Some((at, decoded(&bytes)?));
        }
        match (&piece.place, &self.loaded) {
            (Place::Memory(batch), _) | (Place::File { .. }, Some((_, batch))) => {
                Ok((piece.first, batch))
            }
            (Place::File { .. }, None) => Err(missing()),
        }
    }
}

fn encoded(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

fn decoded(bytes: &[u8]) -> Result<RecordBatch, SqlError> {
    let mut reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(broken)?;
    match reader.next() {
        Some(batch) => batch.map_err(broken),
        None => Err(SqlError::internal("rows of a cursor: nothing was written")),
    }
}
