//! The grammar of DECLARE, FETCH, MOVE and CLOSE, and of WHERE CURRENT OF.

use sqlparser::ast::{Ident, Query, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use super::super::parse::{Command, is_meaningful, is_word, parse_sql};
use super::super::syntax_error::near;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// A command about cursors.
#[derive(Debug, Clone)]
pub(crate) enum CursorCommand {
    /// DECLARE.
    Declare(Box<Declare>),
    /// FETCH.
    Fetch(Fetch),
    /// MOVE.
    Move(Fetch),
    /// CLOSE; none is CLOSE ALL.
    Close(Option<String>),
}

/// DECLARE as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Declare {
    pub(super) name: String,
    pub(super) binary: bool,
    pub(super) insensitive: bool,
    /// SCROLL or NO SCROLL; none when neither is said.
    pub(super) scroll: Option<bool>,
    pub(super) hold: bool,
    pub(crate) query: Box<Query>,
    /// Whether the query mentions parameters.
    pub(crate) parameters: bool,
}

/// FETCH or MOVE as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    pub(crate) name: String,
    pub(super) direction: Direction,
}

/// Which rows a FETCH is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// So many rows ahead; none is all.
    Forward(Option<u64>),
    /// So many rows back; none is all.
    Backward(Option<u64>),
    /// The row of this number, from the end when it is negative.
    Absolute(i64),
    /// The row so far ahead or back.
    Relative(i64),
}

/// Reads a command about cursors; `None` for any other statement.
///
/// # Errors
/// 42601, 42P11.
pub(in super::super) fn parse(
    sql: &str,
    tokens: &[TokenWithSpan],
) -> Result<Option<CursorCommand>, SqlError> {
    let mut reader = Reader { sql, tokens, at: 0 };
    let command = match reader.next_word().as_deref() {
        Some("declare") => CursorCommand::Declare(Box::new(declare(&mut reader)?)),
        Some("fetch") => CursorCommand::Fetch(fetch(&mut reader)?),
        Some("move") => CursorCommand::Move(fetch(&mut reader)?),
        Some("close") => {
            let all = reader.takes(&["all"]);
            CursorCommand::Close(if all { None } else { Some(reader.name()?) })
        }
        _ => return Ok(None),
    };
    reader.end()?;
    Ok(Some(command))
}

/// Takes `WHERE CURRENT OF name` out of an UPDATE or DELETE.
pub(in super::super) fn take_current_of(tokens: &mut [TokenWithSpan]) -> Option<String> {
    let places: Vec<usize> = (0..tokens.len())
        .filter(|at| tokens.get(*at).is_some_and(is_meaningful))
        .collect();
    let token = |number: usize| places.get(number).and_then(|at| tokens.get(*at));
    let change = [Keyword::UPDATE, Keyword::DELETE];
    if !token(0).is_some_and(|t| change.iter().any(|k| is_word(t, *k))) {
        return None;
    }
    let first = (1..places.len()).find(|number| {
        let says = |ahead: usize, text| token(number + ahead).is_some_and(|t| is_plain(t, text));
        says(0, "where") && says(1, "current") && says(2, "of")
    })?;
    let name = match &token(first + 3)?.token {
        Token::Word(word) => folded(word),
        _ => return None,
    };
    for number in first..first + 4 {
        if let Some(token) = places.get(number).and_then(|at| tokens.get_mut(*at)) {
            token.token = Token::Whitespace(Whitespace::Space);
        }
    }
    Some(name)
}

fn folded(word: &Word) -> String {
    fold_identifier(&Ident {
        value: word.value.clone(),
        quote_style: word.quote_style,
        span: sqlparser::tokenizer::Span::empty(),
    })
}

/// Whether a token is this word, without quotes.
fn is_plain(token: &TokenWithSpan, text: &str) -> bool {
    matches!(&token.token, Token::Word(w)
        if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
}

/// The tokens of a statement, one after the other.
struct Reader<'a> {
    sql: &'a str,
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The meaningful token so many ahead, and its place.
    fn peek(&self, ahead: usize) -> Option<(usize, &'a TokenWithSpan)> {
        let rest = self.tokens.iter().enumerate().skip(self.at);
        rest.filter(|(_, t)| is_meaningful(t)).nth(ahead)
    }

    fn is(&self, ahead: usize, text: &str) -> bool {
        self.peek(ahead).is_some_and(|(_, t)| is_plain(t, text))
    }

    /// Goes on behind these words if they come next.
    fn takes(&mut self, words: &[&str]) -> bool {
        let come = words.iter().enumerate().all(|(i, text)| self.is(i, text));
        if come {
            self.skip(words.len());
        }
        come
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if let Some((at, _)) = self.peek(0) {
                self.at = at + 1;
            }
        }
    }

    fn next_word(&mut self) -> Option<String> {
        let (at, token) = self.peek(0)?;
        match &token.token {
            Token::Word(word) if word.quote_style.is_none() => {
                self.at = at + 1;
                Some(word.value.to_ascii_lowercase())
            }
            _ => None,
        }
    }

    fn unexpected(&self) -> SqlError {
        let end = TokenWithSpan::wrap(Token::EOF);
        near(self.sql, self.peek(0).map_or(&end, |(_, token)| token))
    }

    fn name(&mut self) -> Result<String, SqlError> {
        match self.peek(0) {
            Some((at, token)) => match &token.token {
                Token::Word(word) => {
                    self.at = at + 1;
                    Ok(folded(word))
                }
                _ => Err(self.unexpected()),
            },
            None => Err(self.unexpected()),
        }
    }

    /// A whole number with a sign, if one comes next.
    fn number(&mut self) -> Result<Option<i64>, SqlError> {
        let sign = match self.peek(0).map(|(_, t)| &t.token) {
            Some(Token::Minus) => Some(-1),
            Some(Token::Plus) => Some(1),
            _ => None,
        };
        let digits = match self.peek(usize::from(sign.is_some())) {
            Some((_, token)) => match &token.token {
                Token::Number(digits, _) => digits.parse::<i32>().ok(),
                _ => None,
            },
            None => None,
        };
        match (sign, digits) {
            (None, None) => match self.peek(0).map(|(_, t)| &t.token) {
                Some(Token::Number(..)) => Err(self.unexpected()),
                _ => Ok(None),
            },
            (Some(_), None) => Err(self.unexpected()),
            (sign, Some(digits)) => {
                self.skip(1 + usize::from(sign.is_some()));
                Ok(Some(i64::from(digits) * sign.unwrap_or(1)))
            }
        }
    }

    fn end(&self) -> Result<(), SqlError> {
        match self.peek(0) {
            None => Ok(()),
            Some(_) => Err(self.unexpected()),
        }
    }
}

fn declare(reader: &mut Reader<'_>) -> Result<Declare, SqlError> {
    let name = reader.name()?;
    let (mut binary, mut insensitive, mut asensitive) = (false, false, false);
    let (mut scroll, mut no_scroll) = (false, false);
    loop {
        if reader.takes(&["no", "scroll"]) {
            no_scroll = true;
        } else if reader.takes(&["scroll"]) {
            scroll = true;
        } else if reader.takes(&["binary"]) {
            binary = true;
        } else if reader.takes(&["insensitive"]) {
            insensitive = true;
        } else if reader.takes(&["asensitive"]) {
            asensitive = true;
        } else {
            break;
        }
    }
    if !reader.takes(&["cursor"]) {
        return Err(reader.unexpected());
    }
    let hold = reader.takes(&["with", "hold"]);
    if !hold {
        reader.takes(&["without", "hold"]);
    }
    if !reader.takes(&["for"]) {
        return Err(reader.unexpected());
    }
    let rest = reader.tokens.get(reader.at..).unwrap_or_default();
    let starts = ["select", "values", "with", "table"];
    let query_follows = match reader.peek(0) {
        Some((_, token)) => {
            token.token == Token::LParen || starts.iter().any(|word| is_plain(token, word))
        }
        None => false,
    };
    if !query_follows {
        return Err(reader.unexpected());
    }
    let Command::Sql(statement) = parse_sql(reader.sql, rest)? else {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "SELECT ... INTO is not allowed here",
        ));
    };
    let Statement::Query(query) = *statement else {
        return Err(reader.unexpected());
    };
    reader.at = reader.tokens.len();
    conflict(scroll && no_scroll, "SCROLL", "NO SCROLL")?;
    conflict(insensitive && asensitive, "ASENSITIVE", "INSENSITIVE")?;
    Ok(Declare {
        name,
        binary,
        insensitive,
        scroll: match (scroll, no_scroll) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        },
        hold,
        query,
        parameters: rest
            .iter()
            .any(|t| matches!(t.token, Token::Placeholder(_))),
    })
}

fn conflict(both: bool, first: &str, second: &str) -> Result<(), SqlError> {
    if both {
        return Err(SqlError::new(
            state::INVALID_CURSOR_DEFINITION,
            format!("cannot specify both {first} and {second}"),
        ));
    }
    Ok(())
}

fn fetch(reader: &mut Reader<'_>) -> Result<Fetch, SqlError> {
    let direction = direction(reader)?;
    if !reader.takes(&["from"]) {
        reader.takes(&["in"]);
    }
    let name = reader.name()?;
    Ok(Fetch { name, direction })
}

/// The direction, which may be left out; then the next row is meant.
fn direction(reader: &mut Reader<'_>) -> Result<Direction, SqlError> {
    let ahead = |count: i64| match count {
        0 => Direction::Relative(0),
        1.. => Direction::Forward(Some(count.unsigned_abs())),
        _ => Direction::Backward(Some(count.unsigned_abs())),
    };
    if let Some(count) = reader.number()? {
        return Ok(ahead(count));
    }
    // A word that stands alone is the name of the cursor.
    if reader.peek(1).is_none() {
        return Ok(Direction::Forward(Some(1)));
    }
    let counted = |reader: &mut Reader<'_>| -> Result<i64, SqlError> {
        reader.number()?.ok_or_else(|| reader.unexpected())
    };
    if reader.takes(&["next"]) {
        return Ok(Direction::Forward(Some(1)));
    }
    if reader.takes(&["prior"]) {
        return Ok(Direction::Backward(Some(1)));
    }
    if reader.takes(&["first"]) {
        return Ok(Direction::Absolute(1));
    }
    if reader.takes(&["last"]) {
        return Ok(Direction::Absolute(-1));
    }
    if reader.takes(&["absolute"]) {
        return Ok(Direction::Absolute(counted(reader)?));
    }
    if reader.takes(&["relative"]) {
        return Ok(Direction::Relative(counted(reader)?));
    }
    if reader.takes(&["all"]) {
        return Ok(Direction::Forward(None));
    }
    let forward = reader.takes(&["forward"]);
    if !forward && !reader.takes(&["backward"]) {
        return Ok(Direction::Forward(Some(1)));
    }
    if reader.takes(&["all"]) {
        return Ok(match forward {
            true => Direction::Forward(None),
            false => Direction::Backward(None),
        });
    }
    let count = reader.number()?.unwrap_or(1);
    Ok(ahead(if forward { count } else { -count }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use crate::session::parse::parse as parse_string;

    fn fetched(sql: &str) -> (String, Direction) {
        match parse_string(sql).unwrap().remove(0).command {
            Command::Cursor(command) => match *command {
                CursorCommand::Fetch(f) | CursorCommand::Move(f) => (f.name, f.direction),
                other => panic!("{sql}: {other:?}"),
            },
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn directions() {
        use Direction::{Absolute, Backward, Forward, Relative};
        for (sql, name, direction) in [
            ("fetch c", "c", Forward(Some(1))),
            ("FETCH next", "next", Forward(Some(1))),
            ("fetch from \"C d\"", "C d", Forward(Some(1))),
            ("fetch next in c", "c", Forward(Some(1))),
            ("fetch -3 c", "c", Backward(Some(3))),
            ("fetch 0 c", "c", Relative(0)),
            ("move all c", "c", Forward(None)),
            ("move forward all in c", "c", Forward(None)),
            ("fetch forward -2 c", "c", Backward(Some(2))),
            ("fetch backward c", "c", Backward(Some(1))),
            ("fetch backward -2 c", "c", Forward(Some(2))),
            ("fetch backward all c", "c", Backward(None)),
            ("fetch first c", "c", Absolute(1)),
            ("fetch last c", "c", Absolute(-1)),
            ("fetch absolute -2 from c", "c", Absolute(-2)),
            ("fetch relative +2 c", "c", Relative(2)),
        ] {
            assert_eq!(fetched(sql), (name.to_owned(), direction), "{sql}");
        }
        for sql in [
            "fetch",
            "fetch absolute c",
            "fetch 1.5 c",
            "fetch 99999999999 c",
            "fetch c d",
            "close",
            "declare c cursor",
            "declare c cursor for update t set a = 1",
        ] {
            assert_eq!(parse_string(sql).unwrap_err().sqlstate(), "42601", "{sql}");
        }
    }

    #[test]
    fn a_change_at_a_cursor_loses_its_condition() {
        let sql = "update t set a = 1 where current of \"C\" returning a";
        match parse_string(sql).unwrap().remove(0).command {
            Command::CurrentOf(statement, name) => {
                assert_eq!(name, "C");
                assert_eq!(statement.to_string(), "UPDATE t SET a = 1 RETURNING a");
            }
            other => panic!("{other:?}"),
        }
    }
}
