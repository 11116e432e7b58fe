//! Where in a query string something stands, and the errors that say so.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::parse::RECURSION_LIMIT;
use crate::error::{SqlError, state};

/// Byte offset of a line and column (both from 1, columns in characters).
pub(super) fn byte_offset(sql: &str, location: Location) -> usize {
    let line_start = match usize::try_from(location.line.saturating_sub(1)) {
        Ok(0) | Err(_) => 0,
        Ok(line) => sql
            .match_indices('\n')
            .nth(line - 1)
            .map_or(sql.len(), |(at, _)| at + 1),
    };
    let column = usize::try_from(location.column.saturating_sub(1)).unwrap_or(0);
    sql.get(line_start..)
        .and_then(|line| line.char_indices().nth(column))
        .map_or(sql.len(), |(at, _)| line_start + at)
}

/// PostgreSQL's error position: characters from 1.
pub(crate) fn position_of(sql: &str, location: Location) -> u32 {
    let bytes = byte_offset(sql, location);
    let characters = sql.get(..bytes).map_or(0, |s| s.chars().count());
    u32::try_from(characters + 1).unwrap_or(u32::MAX)
}

pub(super) fn near(sql: &str, token: &TokenWithSpan) -> SqlError {
    if token.token == Token::EOF {
        let end = u32::try_from(sql.chars().count() + 1).unwrap_or(u32::MAX);
        return SqlError::new(state::SYNTAX_ERROR, "syntax error at end of input").position(end);
    }
    SqlError::new(
        state::SYNTAX_ERROR,
        format!("syntax error at or near \"{}\"", token.token),
    )
    .position(position_of(sql, token.span.start))
}

/// The error for what follows a statement.
pub(super) fn left_over(sql: &str, tokens: &[TokenWithSpan], rest: &TokenWithSpan) -> SqlError {
    match is_at_limit(tokens) {
        true => super::depth::too_deep(),
        false => near(sql, rest),
    }
}

/// At its limit the parser tries to read words as names, and fails at those.
pub(super) fn is_at_limit(tokens: &[TokenWithSpan]) -> bool {
    super::depth::nesting(tokens) + 10 > RECURSION_LIMIT
}

/// sqlparser puts the place into its message ("… at Line: 1, Column: 8").
pub(super) fn syntax_error(sql: &str, tokens: &[TokenWithSpan], error: ParserError) -> SqlError {
    let message = match error {
        ParserError::ParserError(m) | ParserError::TokenizerError(m) => m,
        ParserError::RecursionLimitExceeded => return super::depth::too_deep(),
    };
    if is_at_limit(tokens) {
        return super::depth::too_deep();
    }
    let Some(location) = location_in(&message) else {
        return near_end(sql, tokens, &message);
    };
    match tokens.iter().find(|t| t.span.start == location) {
        Some(token) => near(sql, token).with_internal(message),
        None => SqlError::new(state::SYNTAX_ERROR, message).position(position_of(sql, location)),
    }
}

fn near_end(sql: &str, tokens: &[TokenWithSpan], message: &str) -> SqlError {
    if message.contains("found: EOF") {
        let end = tokens.last().map_or(1, |t| position_of(sql, t.span.end));
        return SqlError::new(state::SYNTAX_ERROR, "syntax error at end of input")
            .position(end)
            .with_internal(message);
    }
    SqlError::new(state::SYNTAX_ERROR, message.to_owned())
}

fn location_in(message: &str) -> Option<Location> {
    let (_, tail) = message.rsplit_once("at Line: ")?;
    let (line, column) = tail.split_once(", Column: ")?;
    let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some(Location {
        line: line.trim().parse().ok()?,
        column: digits.parse().ok()?,
    })
}
