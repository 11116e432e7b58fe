//! The log on disk: reading, writing, and opening it after anything happened.
//!
//! **One flush, one block.** The writer writes a block's bytes and its ident
//! entry, waits for one barrier over both, and only then writes the next block.
//! So at most the last block of a log can be torn, and everything about opening
//! ([`recovery`]) follows from that.

mod cursor;
mod describe;
mod reader;
pub mod recovery;
mod segments;
mod writer;

pub(crate) use cursor::is_zero;
pub use cursor::{Cursor, Parsed};
pub(crate) use describe::next_block_after;
pub use describe::{Evidence, describe};
pub use reader::{Blocks, LogReader, ReadBlock};
pub use segments::{InlineSegments, PreparedSegment, SegmentSource, ThreadedSegments};
pub use writer::{LogWriter, Tail};
