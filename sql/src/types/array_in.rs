//! Reads one-dimensional arrays (`{1,NULL,"a b"}`) and vectors (`1 2 3`).

use crate::error::{SqlError, SqlResult, state};
use crate::types::datum::{ArrayValue, Datum};
use crate::types::format::SessionFormat;
use crate::types::numeric::is_space;
use crate::types::pg_type::PgType;
use crate::types::text_in::text_in;

/// Reads an array with this element type.
pub(crate) fn parse_array(element: PgType, text: &str, format: &SessionFormat) -> SqlResult<Datum> {
    let trimmed = text.trim_matches(is_space);
    if trimmed.starts_with('[') {
        return Err(SqlError::unsupported("an array literal with bounds"));
    }
    let Some(body) = trimmed.strip_prefix('{') else {
        return Err(malformed(
            text,
            "Array value must start with \"{\" or dimension information.",
        ));
    };
    let mut reader = Reader { text, rest: body };
    let mut values = Vec::new();
    if reader.skip_blanks() == Some('}') {
        reader.advance();
    } else {
        loop {
            let value = match reader.element()? {
                Some(item) => text_in(element, &item, format)?,
                None => Datum::Null,
            };
            values.push(value);
            match reader.skip_blanks() {
                Some(',') => reader.advance(),
                Some('}') => {
                    reader.advance();
                    break;
                }
                Some(_) => return Err(malformed(text, "Unexpected array element.")),
                None => return Err(malformed(text, "Unexpected end of input.")),
            }
        }
    }
    if reader.skip_blanks().is_some() {
        return Err(malformed(text, "Junk after closing right brace."));
    }
    Ok(Datum::Array(Box::new(ArrayValue { element, values })))
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
    Ok(Datum::Array(Box::new(ArrayValue {
        element,
        values: values?,
    })))
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_blanks(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches(is_space);
        self.rest.chars().next()
    }

    fn advance(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    /// One element; `None` is NULL.
    fn element(&mut self) -> SqlResult<Option<String>> {
        match self.skip_blanks() {
            None => Err(malformed(self.text, "Unexpected end of input.")),
            Some(c @ (',' | '}')) => Err(malformed(
                self.text,
                &format!("Unexpected \"{c}\" character."),
            )),
            Some('{') => Err(SqlError::unsupported("arrays of several dimensions")),
            Some('"') => self.quoted().map(Some),
            Some(_) => self.bare(),
        }
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
                    None => return Err(malformed(self.text, "Unexpected end of input.")),
                },
                Some(c) => out.push(c),
                None => return Err(malformed(self.text, "Unexpected end of input.")),
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
                    None => return Err(malformed(self.text, "Unexpected end of input.")),
                },
                Some('"') => return Err(malformed(self.text, "Unexpected array element.")),
                Some('{') => {
                    return Err(malformed(self.text, "Unexpected \"{\" character."));
                }
                Some(c) => {
                    out.push(c);
                    if !is_space(c) {
                        keep = out.len();
                    }
                }
                None => return Err(malformed(self.text, "Unexpected end of input.")),
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
