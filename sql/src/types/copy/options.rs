//! What `COPY … WITH (…)` can say about the format.

use crate::error::{SqlError, SqlResult, state};

/// The three file formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyKind {
    /// Fields with delimiters, special characters behind backslashes.
    Text,
    /// Comma separated values.
    Csv,
    /// Lengths and binary values.
    Binary,
}

/// Whether the first line has column names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// It is data.
    Off,
    /// It is skipped when read, and written.
    On,
    /// It must have the right names (reading only).
    Match,
}

/// The format of a COPY file. The flags by column may be shorter than the
/// columns: what is missing is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFormat {
    /// Text, CSV or binary.
    pub kind: CopyKind,
    /// Between fields.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: String,
    /// The first line.
    pub header: Header,
    /// CSV: around fields.
    pub quote: u8,
    /// CSV: before a quote inside a field.
    pub escape: u8,
    /// CSV, writing: quote every value of all columns.
    pub force_quote_all: bool,
    /// CSV, writing: quote every value of these columns.
    pub force_quote: Vec<bool>,
    /// CSV, reading: the null text means NULL even in quotes.
    pub force_null: Vec<bool>,
    /// CSV, reading: the null text is never NULL.
    pub force_not_null: Vec<bool>,
}

impl CopyFormat {
    /// The defaults of a kind.
    pub fn new(kind: CopyKind) -> CopyFormat {
        let csv = kind == CopyKind::Csv;
        CopyFormat {
            kind,
            delimiter: if csv { b',' } else { b'\t' },
            null: if csv { "" } else { "\\N" }.to_owned(),
            header: Header::Off,
            quote: b'"',
            escape: b'"',
            force_quote_all: false,
            force_quote: Vec::new(),
            force_null: Vec::new(),
            force_not_null: Vec::new(),
        }
    }

    /// Refuses what cannot be read back, with PostgreSQL's errors (22023).
    pub fn validate(&self) -> SqlResult<()> {
        let csv = self.kind == CopyKind::Csv;
        let wrong = |message: &str| Err(SqlError::new(state::INVALID_PARAMETER_VALUE, message));
        if self.kind == CopyKind::Binary {
            return Ok(());
        }
        if matches!(self.delimiter, b'\r' | b'\n') {
            return wrong("COPY delimiter cannot be newline or carriage return");
        }
        if self.null.contains(['\r', '\n']) {
            return wrong("COPY null representation cannot use newline or carriage return");
        }
        let confusing = b"\\.abcdefghijklmnopqrstuvwxyz0123456789";
        if !csv && confusing.contains(&self.delimiter) {
            return wrong(&format!(
                "COPY delimiter cannot be \"{}\"",
                char::from(self.delimiter)
            ));
        }
        if csv && self.delimiter == self.quote {
            return wrong("COPY delimiter and quote must be different");
        }
        if self.null.as_bytes().contains(&self.delimiter) {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "COPY delimiter must not appear in the NULL specification",
            ));
        }
        if csv && self.null.as_bytes().contains(&self.quote) {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "CSV quote character must not appear in the NULL specification",
            ));
        }
        Ok(())
    }

    /// A one-byte option value ("delimiter", "quote", "escape").
    pub fn single_byte(option: &str, value: &str) -> SqlResult<u8> {
        match value.as_bytes() {
            [byte] => Ok(*byte),
            _ => Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                format!("COPY {option} must be a single one-byte character"),
            )),
        }
    }

    pub(crate) fn quotes(&self, column: usize) -> bool {
        self.force_quote_all || self.force_quote.get(column) == Some(&true)
    }
}
