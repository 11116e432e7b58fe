//! Reads arrays (`{1,NULL,"a b"}`, `[0:1]={{1},{2}}`) and vectors (`1 2 3`).

use super::{ArrayValue, Dimension, MAX_DIMENSIONS, element_count, too_many_dimensions};
use crate::error::{SqlError, SqlResult, state};
use crate::types::datum::Datum;
use crate::types::format::SessionFormat;
use crate::types::numeric::is_space;
use crate::types::pg_type::PgType;
use crate::types::text_in::text_in;

/// Reads an array with this element type.
pub(crate) fn parse_array(element: PgType, text: &str, format: &SessionFormat) -> SqlResult<Datum> {
    let mut reader = Reader {
        text,
        rest: text.trim_start_matches(is_space),
    };
    let declared = reader.bounds()?;
    if reader.peek() != Some('{') {
        return Err(malformed(
            text,
            if declared.is_empty() {
                "Array value must start with \"{\" or dimension information."
            } else {
                "Array contents must start with \"{\"."
            },
        ));
    }
    let mut contents = Contents::default();
    reader.contents(&mut contents, |item| text_in(element, item, format))?;
    if reader.skip_blanks().is_some() {
        return Err(malformed(text, "Junk after closing right brace."));
    }
    let dimensions = if declared.is_empty() {
        contents.lengths.iter().map(|l| from_one(*l)).collect()
    } else {
        let lengths: Vec<i32> = declared.iter().map(|d| d.length).collect();
        if contents.lengths != lengths {
            return Err(malformed(
                text,
                "Specified array dimensions do not match array contents.",
            ));
        }
        declared
    };
    if contents.values.is_empty() {
        return Ok(ArrayValue::empty(element).datum());
    }
    if element_count(&dimensions)? != contents.values.len() {
        return Err(malformed(text, UNEVEN));
    }
    Ok(ArrayValue::new(element, dimensions, contents.values)?.datum())
}

const UNEVEN: &str = "Multidimensional arrays must have sub-arrays with matching dimensions.";

fn from_one(length: i32) -> Dimension {
    Dimension { lower: 1, length }
}

/// Reads an `int2vector` or `oidvector`.
pub(crate) fn parse_vector(
    element: PgType,
    text: &str,
    format: &SessionFormat,
) -> SqlResult<Datum> {
    let values: SqlResult<Vec<Datum>> = text
        .split(is_space)
        .filter(|item| !item.is_empty())
        .map(|item| text_in(element, item, format))
        .collect();
    Ok(ArrayValue::vector(element, values?).datum())
}

/// What was read between the outermost braces.
#[derive(Default)]
struct Contents {
    /// Length of each dimension, as the first row of each depth has it.
    lengths: Vec<i32>,
    values: Vec<Datum>,
}

/// What came last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Open,
    Close,
    Element,
    CommaAfterElement,
    CommaAfterClose,
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn skip_blanks(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches(is_space);
        self.peek()
    }

    fn advance(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    fn fault(&self, detail: impl AsRef<str>) -> SqlError {
        malformed(self.text, detail.as_ref())
    }

    fn unexpected(&self, c: char) -> SqlError {
        self.fault(format!("Unexpected \"{c}\" character."))
    }

    /// `[l:u]…=`, if that is how the text begins.
    fn bounds(&mut self) -> SqlResult<Vec<Dimension>> {
        let mut bounds = Vec::new();
        while self.skip_blanks() == Some('[') {
            if bounds.len() >= MAX_DIMENSIONS {
                return Err(too_many_dimensions(bounds.len() + 1));
            }
            self.advance();
            let first =
                self.integer("\"[\" must introduce explicitly-specified array dimensions.")?;
            let (lower, upper) = if self.peek() == Some(':') {
                self.advance();
                (first, self.integer("Missing array dimension value.")?)
            } else {
                (1, first)
            };
            if self.peek() != Some(']') {
                return Err(self.fault("Missing \"]\" after array dimensions."));
            }
            self.advance();
            if upper < lower {
                return Err(SqlError::new(
                    state::ARRAY_SUBSCRIPT_ERROR,
                    "upper bound cannot be less than lower bound",
                ));
            }
            let length = upper
                .checked_sub(lower)
                .and_then(|n| n.checked_add(1))
                .ok_or_else(super::too_big)?;
            bounds.push(Dimension { lower, length });
        }
        if !bounds.is_empty() {
            if self.peek() != Some('=') {
                return Err(self.fault("Missing \"=\" after array dimensions."));
            }
            self.advance();
            self.skip_blanks();
        }
        Ok(bounds)
    }

    fn integer(&mut self, missing: &str) -> SqlResult<i32> {
        let end = self
            .rest
            .bytes()
            .position(|b| !(b.is_ascii_digit() || matches!(b, b'-' | b'+')))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        if digits.is_empty() {
            return Err(self.fault(missing));
        }
        let value = digits.parse().map_err(|_| {
            SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                "array bound is out of integer range",
            )
        })?;
        self.rest = rest;
        Ok(value)
    }

    /// Everything from the first brace to the one that closes it.
    fn contents(
        &mut self,
        contents: &mut Contents,
        read: impl Fn(&str) -> SqlResult<Datum>,
    ) -> SqlResult<()> {
        // Members of the open braces, from outside in.
        let mut open: Vec<i32> = Vec::new();
        let mut last = Last::CommaAfterClose;
        // The depth elements are at, once one was seen.
        let mut depth = None;
        loop {
            let Some(c) = self.skip_blanks() else {
                return Err(self.fault("Unexpected end of input."));
            };
            match c {
                '{' => {
                    if !matches!(last, Last::Open | Last::CommaAfterClose) {
                        return Err(self.unexpected('{'));
                    }
                    if open.len() >= MAX_DIMENSIONS {
                        return Err(too_many_dimensions(open.len() + 1));
                    }
                    self.advance();
                    open.push(0);
                    last = Last::Open;
                }
                '}' => {
                    let empty = last == Last::Open && open.len() == 1;
                    if !empty && !matches!(last, Last::Element | Last::Close) {
                        return Err(self.unexpected('}'));
                    }
                    self.advance();
                    self.close(&mut open, contents)?;
                    if open.is_empty() {
                        return Ok(());
                    }
                    last = Last::Close;
                }
                ',' => {
                    last = match last {
                        Last::Element => Last::CommaAfterElement,
                        Last::Close => Last::CommaAfterClose,
                        _ => return Err(self.unexpected(',')),
                    };
                    self.advance();
                }
                _ => {
                    if !matches!(last, Last::Open | Last::CommaAfterElement)
                        || depth.is_some_and(|depth| depth != open.len())
                    {
                        return Err(self.fault("Unexpected array element."));
                    }
                    depth = Some(open.len());
                    let value = match self.element()? {
                        Some(item) => read(&item)?,
                        None => Datum::Null,
                    };
                    contents.values.push(value);
                    if contents.values.len() > super::MAX_ELEMENTS {
                        return Err(super::too_big());
                    }
                    if let Some(count) = open.last_mut() {
                        *count = count.saturating_add(1);
                    }
                    last = Last::Element;
                }
            }
        }
    }

    /// A closing brace: every row of a dimension has as many members.
    fn close(&self, open: &mut Vec<i32>, contents: &mut Contents) -> SqlResult<()> {
        let count = open.pop().unwrap_or(0);
        let depth = open.len();
        if count > 0 || depth > 0 {
            if contents.lengths.len() <= depth {
                contents.lengths.resize(depth + 1, 0);
            }
            if let Some(length) = contents.lengths.get_mut(depth) {
                if *length != 0 && *length != count {
                    return Err(self.fault(UNEVEN));
                }
                *length = count;
            }
        }
        if let Some(parent) = open.last_mut() {
            *parent = parent.saturating_add(1);
        }
        Ok(())
    }

    /// One element; `None` is NULL.
    fn element(&mut self) -> SqlResult<Option<String>> {
        if self.peek() == Some('"') {
            let item = self.quoted()?;
            return match self.skip_blanks() {
                Some(',' | '}') | None => Ok(Some(item)),
                Some('{') => Err(self.unexpected('{')),
                Some('\\') => Err(self.unexpected('\\')),
                Some(_) => Err(self.fault("Unexpected array element.")),
            };
        }
        self.bare()
    }

    fn quoted(&mut self) -> SqlResult<String> {
        self.advance();
        let mut out = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => match chars.next() {
                    Some(c) => out.push(c),
                    None => return Err(self.fault("Unexpected end of input.")),
                },
                Some(c) => out.push(c),
                None => return Err(self.fault("Unexpected end of input.")),
            }
        }
        self.rest = chars.as_str();
        Ok(out)
    }

    fn bare(&mut self) -> SqlResult<Option<String>> {
        let mut out = String::new();
        // Bytes up to the last character that must be kept; blanks after it
        // belong to the separator, unless they are escaped.
        let mut keep = 0;
        let mut escaped = false;
        let mut chars = self.rest.chars();
        loop {
            let before = chars.as_str();
            match chars.next() {
                Some(',' | '}') => {
                    self.rest = before;
                    break;
                }
                Some('\\') => match chars.next() {
                    Some(c) => {
                        out.push(c);
                        keep = out.len();
                        escaped = true;
                    }
                    None => return Err(self.fault("Unexpected end of input.")),
                },
                Some('"') => return Err(self.fault("Unexpected array element.")),
                Some('{') => return Err(self.unexpected('{')),
                Some(c) => {
                    out.push(c);
                    if !is_space(c) {
                        keep = out.len();
                    }
                }
                None => return Err(self.fault("Unexpected end of input.")),
            }
        }
        out.truncate(keep);
        Ok((escaped || !out.eq_ignore_ascii_case("null")).then_some(out))
    }
}

#[cold]
fn malformed(text: &str, detail: &str) -> SqlError {
    SqlError::new(
        state::INVALID_TEXT_REPRESENTATION,
        format!("malformed array literal: \"{text}\""),
    )
    .detail(detail)
}
