//! Takes a line of COPY data apart.

use crate::error::{SqlError, SqlResult, state};
use crate::types::copy::options::{CopyFormat, CopyKind};

/// Where the bytes of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Null,
    /// In the line itself.
    Raw {
        start: usize,
        end: usize,
    },
    /// Among the bytes whose escapes were resolved.
    Resolved {
        start: usize,
        end: usize,
    },
}

/// The fields of one line; reused for the next.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) list: Vec<Field>,
    pub(super) resolved: Vec<u8>,
}

impl Fields {
    /// Splits a line. It stops after `limit` fields and one more.
    pub(super) fn split(
        &mut self,
        line: &[u8],
        format: &CopyFormat,
        limit: usize,
    ) -> SqlResult<()> {
        self.list.clear();
        self.resolved.clear();
        match format.kind {
            CopyKind::Csv => self.split_csv(line, format, limit),
            _ => {
                self.split_text(line, format, limit);
                Ok(())
            }
        }
    }

    fn split_text(&mut self, line: &[u8], format: &CopyFormat, limit: usize) {
        let null = format.null.as_bytes();
        if memchr::memchr(b'\\', line).is_none() {
            let mut start = 0;
            for end in memchr::memchr_iter(format.delimiter, line) {
                self.push_raw(line, start, end, null);
                start = end + 1;
                if self.list.len() > limit {
                    return;
                }
            }
            self.push_raw(line, start, line.len(), null);
            return;
        }
        let mut start = 0;
        loop {
            let end = text_field_end(line, start, format.delimiter);
            let raw = line.get(start..end).unwrap_or_default();
            if raw == null {
                self.list.push(Field::Null);
            } else if memchr::memchr(b'\\', raw).is_none() {
                self.list.push(Field::Raw { start, end });
            } else {
                let from = self.resolved.len();
                resolve_text(raw, &mut self.resolved);
                self.list.push(Field::Resolved {
                    start: from,
                    end: self.resolved.len(),
                });
            }
            if end >= line.len() || self.list.len() > limit {
                return;
            }
            start = end + 1;
        }
    }

    #[inline]
    fn push_raw(&mut self, line: &[u8], start: usize, end: usize, null: &[u8]) {
        let is_null = end - start == null.len() && line.get(start..end) == Some(null);
        self.list.push(if is_null {
            Field::Null
        } else {
            Field::Raw { start, end }
        });
    }

    fn split_csv(&mut self, line: &[u8], format: &CopyFormat, limit: usize) -> SqlResult<()> {
        let mut start = 0;
        loop {
            let column = self.list.len();
            let rest = line.get(start..).unwrap_or_default();
            let stop = memchr::memchr2(format.delimiter, format.quote, rest);
            let plain = stop.is_none_or(|at| rest.get(at) == Some(&format.delimiter));
            let end = if plain {
                let end = stop.map_or(line.len(), |at| start + at);
                let is_null = line.get(start..end) == Some(format.null.as_bytes())
                    && format.force_not_null.get(column) != Some(&true);
                self.list.push(if is_null {
                    Field::Null
                } else {
                    Field::Raw { start, end }
                });
                end
            } else {
                self.quoted_field(line, start, format, column)?
            };
            if end >= line.len() || self.list.len() > limit {
                return Ok(());
            }
            start = end + 1;
        }
    }

    /// A field with a quote somewhere in it; answers where it ends.
    fn quoted_field(
        &mut self,
        line: &[u8],
        start: usize,
        format: &CopyFormat,
        column: usize,
    ) -> SqlResult<usize> {
        let from = self.resolved.len();
        let at = self.unquote(line, start, format)?;
        let end = self.resolved.len();
        let is_null = format.force_null.get(column) == Some(&true)
            && self.resolved.get(from..end) == Some(format.null.as_bytes());
        self.list.push(if is_null {
            Field::Null
        } else {
            Field::Resolved { start: from, end }
        });
        Ok(at)
    }

    /// Takes the quotes off a field's text; answers where it ends.
    fn unquote(&mut self, line: &[u8], start: usize, format: &CopyFormat) -> SqlResult<usize> {
        let (mut at, mut in_quote) = (start, false);
        while let Some(byte) = line.get(at).copied() {
            if !in_quote {
                if byte == format.delimiter {
                    break;
                }
                in_quote = byte == format.quote;
                if !in_quote {
                    self.resolved.push(byte);
                }
                at += 1;
                continue;
            }
            if byte == format.escape
                && let Some(next) = line.get(at + 1)
                && (*next == format.escape || *next == format.quote)
            {
                self.resolved.push(*next);
                at += 2;
                continue;
            }
            if byte == format.quote {
                in_quote = false;
                at += 1;
                continue;
            }
            let rest = line.get(at..).unwrap_or_default();
            let run = memchr::memchr2(format.quote, format.escape, rest)
                .unwrap_or(rest.len())
                .max(1);
            self.resolved
                .extend_from_slice(rest.get(..run).unwrap_or_default());
            at += run;
        }
        if in_quote {
            return Err(SqlError::new(
                state::BAD_COPY_FILE_FORMAT,
                "unterminated CSV quoted field",
            ));
        }
        Ok(at)
    }
}

/// Where the field that starts at `start` ends: at a delimiter that is not
/// behind a backslash.
fn text_field_end(line: &[u8], start: usize, delimiter: u8) -> usize {
    let mut at = start;
    loop {
        let rest = line.get(at..).unwrap_or_default();
        match memchr::memchr2(delimiter, b'\\', rest) {
            None => return line.len(),
            Some(found) if rest.get(found) == Some(&b'\\') => at += found + 2,
            Some(found) => return at + found,
        }
    }
}

/// Appends a field with its backslash sequences resolved.
fn resolve_text(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match escape {
            [_, digit @ b'0'..=b'7', after @ ..] => {
                let mut value = u32::from(digit - b'0');
                let mut after = after;
                for _ in 0..2 {
                    let [digit @ b'0'..=b'7', tail @ ..] = after else {
                        break;
                    };
                    value = value * 8 + u32::from(digit - b'0');
                    after = tail;
                }
                // PostgreSQL keeps the low eight bits.
                out.push((value & 0xff) as u8);
                after
            }
            [_, b'x', after @ ..] => match hex(after) {
                Some((value, after)) => {
                    out.push(value);
                    after
                }
                None => {
                    out.push(b'x');
                    after
                }
            },
            [_, byte, after @ ..] => {
                out.push(match byte {
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 0x0b,
                    other => *other,
                });
                after
            }
            // A backslash at the very end stands for nothing.
            _ => &[],
        };
    }
    out.extend_from_slice(rest);
}

/// One or two hexadecimal digits.
fn hex(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: Option<&u8>| {
        let value = char::from(*byte?).to_digit(16)?;
        u8::try_from(value).ok()
    };
    let first = digit(bytes.first())?;
    match digit(bytes.get(1)) {
        Some(second) => Some((first * 16 + second, bytes.get(2..)?)),
        None => Some((first, bytes.get(1..)?)),
    }
}
