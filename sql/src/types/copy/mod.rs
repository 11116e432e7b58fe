//! COPY's file formats: text, CSV and binary, as PostgreSQL 15 reads and
//! writes them.

mod binary_reader;
mod fields;
mod lines;
pub mod options;
pub mod reader;
#[cfg(test)]
mod tests;
pub mod writer;

pub use options::{CopyFormat, CopyKind, Header};
pub use reader::{CopyReader, CopyRow};
pub use writer::{CopyWriter, copy_data_message};
