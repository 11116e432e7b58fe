//! Finds the ends of lines in COPY data that arrives in pieces.

use crate::error::{SqlError, SqlResult, state};

/// How the lines of a file end; the first line decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Unknown,
    Newline,
    Return,
    Both,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A line: its bytes without the ending, and those with it.
    Line { length: usize, with_ending: usize },
    /// The end marker `\.`, after this many bytes of data.
    EndMarker { length: usize },
    /// The line is not complete yet.
    More,
}

/// Finds lines. It remembers how far it has looked, so that a long line that
/// comes in many pieces is looked at once.
#[derive(Debug)]
pub(super) struct LineFinder {
    csv: bool,
    quote: u8,
    escape: u8,
    ending: Ending,
    /// Bytes of the current line looked at.
    looked: usize,
    in_quote: bool,
    /// Lines inside quoted fields of the current line.
    pub(super) inner_lines: u64,
}

impl LineFinder {
    pub(super) fn new(csv: bool, quote: u8, escape: u8) -> LineFinder {
        LineFinder {
            csv,
            quote,
            escape,
            ending: Ending::Unknown,
            looked: 0,
            in_quote: false,
            inner_lines: 0,
        }
    }

    /// Looks for the end of the line that starts at `data`. `last`: no more
    /// data will come.
    pub(super) fn find(&mut self, data: &[u8], last: bool) -> SqlResult<Found> {
        let found = if self.csv {
            self.find_csv(data, last)
        } else {
            self.find_text(data, last)
        }?;
        if found != Found::More {
            self.looked = 0;
            self.in_quote = false;
            return Ok(found);
        }
        if last && !data.is_empty() {
            let length = data.len();
            (self.looked, self.in_quote) = (0, false);
            return Ok(Found::Line {
                length,
                with_ending: length,
            });
        }
        Ok(Found::More)
    }

    fn find_text(&mut self, data: &[u8], last: bool) -> SqlResult<Found> {
        loop {
            let rest = data.get(self.looked..).unwrap_or_default();
            let Some(at) = memchr::memchr3(b'\n', b'\r', b'\\', rest) else {
                self.looked = data.len();
                return Ok(Found::More);
            };
            self.looked += at;
            match rest.get(at..).unwrap_or_default() {
                [b'\\', b'.', after @ ..] => return self.marker(after, last),
                [b'\\', _, ..] => self.looked += 2,
                [b'\\'] => return Ok(Found::More),
                tail => {
                    if let Some(found) = self.ending(tail, last)? {
                        return Ok(found);
                    }
                    return Ok(Found::More);
                }
            }
        }
    }

    fn find_csv(&mut self, data: &[u8], last: bool) -> SqlResult<Found> {
        if self.looked == 0
            && let [b'\\', rest @ ..] = data
        {
            match rest {
                [] if !last => return Ok(Found::More),
                [b'.'] if !last => return Ok(Found::More),
                [b'.', b'\r'] if !last => return Ok(Found::More),
                [b'.', b'\n' | b'\r', ..] => return Ok(Found::EndMarker { length: 0 }),
                _ => {}
            }
        }
        loop {
            let rest = data.get(self.looked..).unwrap_or_default();
            let at = if self.in_quote {
                memchr::memchr3(self.quote, self.escape, self.line_byte(), rest)
            } else {
                memchr::memchr3(self.quote, b'\n', b'\r', rest)
            };
            let Some(at) = at else {
                self.looked = data.len();
                return Ok(Found::More);
            };
            self.looked += at;
            let tail = rest.get(at..).unwrap_or_default();
            let Some(byte) = tail.first() else {
                return Ok(Found::More);
            };
            if self.in_quote && *byte == self.escape && self.escape != self.quote {
                // The byte after an escape ends nothing.
                if tail.len() < 2 {
                    return Ok(Found::More);
                }
                self.looked += 2;
            } else if *byte == self.quote {
                self.in_quote = !self.in_quote;
                self.looked += 1;
            } else if self.in_quote {
                self.inner_lines += 1;
                self.looked += 1;
            } else {
                return Ok(self.ending(tail, last)?.unwrap_or(Found::More));
            }
        }
    }

    /// The byte that counts lines inside quotes.
    fn line_byte(&self) -> u8 {
        // Before the first ending is seen PostgreSQL counts this way, too.
        match self.ending {
            Ending::Newline => b'\n',
            _ => b'\r',
        }
    }

    /// `tail` starts with a carriage return or newline. `None`: the byte
    /// after it is needed.
    fn ending(&mut self, tail: &[u8], last: bool) -> SqlResult<Option<Found>> {
        let length = self.looked;
        let line = |bytes: usize| {
            Ok(Some(Found::Line {
                length,
                with_ending: length + bytes,
            }))
        };
        match (tail, self.ending) {
            ([b'\n', ..], Ending::Unknown | Ending::Newline) => {
                self.ending = Ending::Newline;
                line(1)
            }
            ([b'\n', ..], _) => Err(self.stray("newline", "\\n")),
            ([_], Ending::Unknown | Ending::Both) if !last => Ok(None),
            ([_, b'\n', ..], Ending::Unknown | Ending::Both) => {
                self.ending = Ending::Both;
                line(2)
            }
            (_, Ending::Unknown | Ending::Return) => {
                self.ending = Ending::Return;
                line(1)
            }
            _ => Err(self.stray("carriage return", "\\r")),
        }
    }

    /// `after` follows `\.`: the end of a line must.
    fn marker(&mut self, after: &[u8], last: bool) -> SqlResult<Found> {
        match after {
            [] | [b'\r'] if !last => Ok(Found::More),
            [b'\n' | b'\r', ..] => Ok(Found::EndMarker {
                length: self.looked,
            }),
            _ => Err(SqlError::new(
                state::BAD_COPY_FILE_FORMAT,
                "end-of-copy marker corrupt",
            )),
        }
    }

    #[cold]
    fn stray(&self, what: &str, escape: &str) -> SqlError {
        let (kind, hint) = if self.csv {
            (
                "unquoted",
                format!("Use quoted CSV field to represent {what}."),
            )
        } else {
            ("literal", format!("Use \"{escape}\" to represent {what}."))
        };
        SqlError::new(
            state::BAD_COPY_FILE_FORMAT,
            format!("{kind} {what} found in data"),
        )
        .hint(hint)
    }
}
