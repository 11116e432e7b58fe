//! The options of COPY as sqlparser's grammar wants them.
//!
//! PostgreSQL takes a word, a string or a number for any option's value, and has values
//! that the grammar lacks (`HEADER MATCH`, `FORCE_QUOTE *`), which are written as ones
//! that no SQL text can produce.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::parse::{is_meaningful, is_word};
use crate::error::{SqlError, state};

/// The encoding that stands for `HEADER MATCH`.
pub(super) const HEADER_MATCH: &str = "\u{1f}match";
/// The column that stands for all of them.
pub(super) const ALL_COLUMNS: &str = "\u{1f}all";

const OPTIONS: [&str; 11] = [
    "format",
    "freeze",
    "delimiter",
    "null",
    "header",
    "quote",
    "escape",
    "force_quote",
    "force_not_null",
    "force_null",
    "encoding",
];

/// An option given twice.
pub(super) fn redundant() -> SqlError {
    SqlError::new(state::SYNTAX_ERROR, "conflicting or redundant options")
}

/// Adapts a COPY. FROM STDIN ends with a semicolon: data never follows it in the
/// protocol.
///
/// # Errors
/// 42601 for options that are unknown, given twice or have no such value.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) -> Result<(), SqlError> {
    if let Some((start, end)) = option_list(tokens) {
        let inner: Vec<TokenWithSpan> = tokens
            .get(start..end)
            .unwrap_or_default()
            .iter()
            .filter(|t| is_meaningful(t))
            .cloned()
            .collect();
        let adapted = adapt_list(&inner)?;
        tokens.splice(start..end, adapted);
    } else if let Some(target) = target_end(tokens) {
        adapt_words(tokens, target)?;
    }
    if tokens.iter().any(|t| is_word(t, Keyword::STDIN)) {
        tokens.push(TokenWithSpan::wrap(Token::SemiColon));
    }
    Ok(())
}

/// Where what follows the target begins.
fn target_end(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut directed = false;
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            Token::Word(word) if matches!(word.keyword, Keyword::FROM | Keyword::TO) => {
                directed = true;
            }
            Token::Word(word) if matches!(word.keyword, Keyword::STDIN | Keyword::STDOUT) => {
                return directed.then_some(index + 1);
            }
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) if directed => {
                return Some(index + 1);
            }
            _ => {}
        }
    }
    None
}

/// Options without parentheses that the grammar lacks: FREEZE, which is about
/// PostgreSQL's row headers, and ENCODING.
fn adapt_words(tokens: &mut Vec<TokenWithSpan>, target: usize) -> Result<(), SqlError> {
    let mut at = target;
    while let Some(token) = tokens.get(at) {
        if is_word(token, Keyword::FREEZE) {
            tokens.remove(at);
        } else if is_word(token, Keyword::WHERE) {
            return Err(SqlError::unsupported("COPY FROM with WHERE"));
        } else if is_word(token, Keyword::ENCODING) {
            let behind = tokens.get(at + 1..).unwrap_or_default();
            let value = behind.iter().position(is_meaningful).map(|n| at + 1 + n);
            match value.and_then(|value| tokens.get(value)).map(|t| &t.token) {
                Some(Token::SingleQuotedString(name)) => check_encoding(name)?,
                _ => return Ok(()),
            }
            if let Some(value) = value {
                tokens.drain(at..=value);
            }
        } else {
            at += 1;
        }
    }
    Ok(())
}

/// Only UTF-8 is read and written.
pub(super) fn check_encoding(name: &str) -> Result<(), SqlError> {
    let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
    if matches!(plain.as_str(), "utf8" | "unicode") {
        return Ok(());
    }
    Err(SqlError::unsupported(format!("COPY with encoding {name}")))
}

/// Where the options in parentheses are: those after the target.
fn option_list(tokens: &[TokenWithSpan]) -> Option<(usize, usize)> {
    let (mut depth, mut directed, mut target) = (0usize, false, false);
    let mut start = None;
    for (index, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => {
                if depth == 0 && target {
                    start = Some(index + 1);
                }
                depth += 1;
            }
            Token::RParen => {
                depth = depth.checked_sub(1)?;
                if let (0, Some(start)) = (depth, start) {
                    return Some((start, index));
                }
            }
            _ if depth > 0 => {}
            Token::Word(word) if matches!(word.keyword, Keyword::FROM | Keyword::TO) => {
                directed = true;
            }
            Token::Word(word) if matches!(word.keyword, Keyword::STDIN | Keyword::STDOUT) => {
                target = directed;
            }
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => target = directed,
            _ => {}
        }
    }
    None
}

fn adapt_list(tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut seen: Vec<&'static str> = Vec::new();
    let mut adapted = Vec::with_capacity(tokens.len());
    for option in options(tokens) {
        let Some((first, value)) = option.split_first() else {
            // An empty place is the grammar's to refuse.
            return Ok(tokens.to_vec());
        };
        let Token::Word(word) = &first.token else {
            return Ok(tokens.to_vec());
        };
        let given = word.value.to_lowercase();
        let name = OPTIONS.into_iter().find(|name| *name == given);
        let name = name.ok_or_else(|| {
            SqlError::new(
                state::SYNTAX_ERROR,
                format!("option \"{given}\" not recognized"),
            )
        })?;
        if seen.contains(&name) {
            return Err(redundant());
        }
        seen.push(name);
        if !adapted.is_empty() {
            adapted.push(Token::Comma);
        }
        write(name, value, &mut adapted)?;
    }
    Ok(adapted.into_iter().map(TokenWithSpan::wrap).collect())
}

/// The options of a list: what is between its commas.
fn options(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut depth = 0usize;
    tokens
        .split(|token| {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.token == Token::Comma
        })
        .collect()
}

/// One option.
fn write(name: &str, value: &[TokenWithSpan], out: &mut Vec<Token>) -> Result<(), SqlError> {
    let rest = || value.iter().map(|t| t.token.clone());
    match name {
        "freeze" | "header" => {
            let on = switch(name, value)?;
            match on {
                Some(on) => {
                    out.push(Token::make_keyword(&name.to_uppercase()));
                    out.push(Token::make_keyword(if on { "TRUE" } else { "FALSE" }));
                }
                None => {
                    out.push(Token::make_keyword("ENCODING"));
                    out.push(Token::SingleQuotedString(HEADER_MATCH.to_owned()));
                }
            }
        }
        "format" => {
            out.push(Token::make_keyword("FORMAT"));
            out.push(Token::make_word(&text(name, value)?, Some('"')));
        }
        "delimiter" | "quote" | "escape" => {
            let text = text(name, value)?;
            if text.len() != 1 {
                return Err(SqlError::new(
                    state::FEATURE_NOT_SUPPORTED,
                    format!("COPY {name} must be a single one-byte character"),
                ));
            }
            out.push(Token::make_keyword(&name.to_uppercase()));
            out.push(Token::SingleQuotedString(text));
        }
        "null" | "encoding" => {
            out.push(Token::make_keyword(&name.to_uppercase()));
            out.push(Token::SingleQuotedString(text(name, value)?));
        }
        _ => {
            out.push(Token::make_keyword(&name.to_uppercase()));
            match value {
                [star] if star.token == Token::Mul && name == "force_quote" => {
                    out.push(Token::LParen);
                    out.push(Token::make_word(ALL_COLUMNS, Some('"')));
                    out.push(Token::RParen);
                }
                [open, ..] if open.token == Token::LParen => out.extend(rest()),
                _ => {
                    return Err(SqlError::new(
                        state::INVALID_PARAMETER_VALUE,
                        format!("argument to option \"{name}\" must be a list of column names"),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// The text of a value.
fn text(name: &str, value: &[TokenWithSpan]) -> Result<String, SqlError> {
    match value {
        [] => Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("{name} requires a parameter"),
        )),
        [token] => match &token.token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => Ok(text.clone()),
            Token::Word(word) if word.quote_style.is_some() => Ok(word.value.clone()),
            Token::Word(word) => Ok(word.value.to_lowercase()),
            Token::Number(digits, _) => Ok(digits.clone()),
            other => Err(unexpected(other)),
        },
        [_, second, ..] => Err(unexpected(&second.token)),
    }
}

fn unexpected(token: &Token) -> SqlError {
    SqlError::new(
        state::SYNTAX_ERROR,
        format!("syntax error at or near \"{token}\""),
    )
}

/// A truth value; `None` for `match`.
fn switch(name: &str, value: &[TokenWithSpan]) -> Result<Option<bool>, SqlError> {
    if value.is_empty() {
        return Ok(Some(true));
    }
    let text = text(name, value)?.to_lowercase();
    match text.as_str() {
        "true" | "on" | "1" => Ok(Some(true)),
        "false" | "off" | "0" => Ok(Some(false)),
        "match" if name == "header" => Ok(None),
        _ => {
            let or_match = if name == "header" {
                " or \"match\""
            } else {
                ""
            };
            Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("{name} requires a Boolean value{or_match}"),
            ))
        }
    }
}
