//! The target of ON CONFLICT, of which sqlparser reads only names of columns.
//!
//! A target that is more than that becomes one name that carries what was written,
//! which is read as the key of an index is ([`carried_target`]).

use super::dialect::Postgres;
use sqlparser::ast::{Expr, Ident, IndexColumn, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::parse::{is_meaningful, token_text};
use crate::error::{SqlError, state};

/// Begins the name that carries a target; no SQL text has it.
const MARK: &str = "\u{1f}target\u{1f}";

/// Makes a name of a target that is more than names of columns.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 0;
    while let Some(start) = find_target(tokens, at) {
        at = start;
        let Some(end) = end_of_target(tokens, start) else {
            return;
        };
        let target = tokens.get(start..end).unwrap_or_default();
        if is_plain(target) {
            continue;
        }
        let text: String = target.iter().map(|t| token_text(&t.token)).collect();
        let Some(span) = target.first().map(|t| t.span) else {
            return;
        };
        let carrier = Token::Word(Word {
            value: format!("{MARK}{text}"),
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        });
        let space = Token::Whitespace(sqlparser::tokenizer::Whitespace::Space);
        let made = [Token::LParen, carrier, Token::RParen, space];
        let made = made.map(|token| TokenWithSpan::new(token, span));
        tokens.splice(start..end, made);
    }
}

/// Where the parenthesis of the next `ON CONFLICT (` is.
fn find_target(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    let places: Vec<usize> = (from..tokens.len())
        .filter(|at| tokens.get(*at).is_some_and(is_meaningful))
        .collect();
    let is_at = |at: usize, keyword| tokens.get(at).is_some_and(|t| is(&t.token, keyword));
    places.windows(3).find_map(|three| match three {
        [on, conflict, open]
            if is_at(*on, Keyword::ON)
                && is_at(*conflict, Keyword::CONFLICT)
                && tokens.get(*open).is_some_and(|t| t.token == Token::LParen) =>
        {
            Some(*open)
        }
        _ => None,
    })
}

/// Where the DO after a target is.
fn end_of_target(tokens: &[TokenWithSpan], start: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            word if depth == 0 && is(word, Keyword::DO) => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether a target is nothing but names in parentheses.
fn is_plain(target: &[TokenWithSpan]) -> bool {
    let mut tokens = target.iter().filter(|t| is_meaningful(t)).map(|t| &t.token);
    let mut name_expected = true;
    if tokens.next() != Some(&Token::LParen) {
        return false;
    }
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(_) if name_expected => name_expected = false,
            Token::Comma if !name_expected => name_expected = true,
            Token::RParen if !name_expected => return tokens.next().is_none(),
            _ => return false,
        }
    }
    false
}

fn is(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// The key of a target and its condition.
pub(crate) type CarriedTarget = (Vec<IndexColumn>, Option<Expr>);

/// The key and the condition that a target carries, if it does.
///
/// # Errors
/// 42601 when it is not written as it has to be.
pub(crate) fn carried_target(names: &[Ident]) -> Result<Option<CarriedTarget>, SqlError> {
    let [name] = names else {
        return Ok(None);
    };
    let Some(text) = name.value.strip_prefix(MARK) else {
        return Ok(None);
    };
    let wrong = |message: String| SqlError::new(state::SYNTAX_ERROR, message);
    let statements = Parser::new(&Postgres)
        .with_recursion_limit(super::parse::RECURSION_LIMIT)
        .try_with_sql(&format!("CREATE INDEX ON t {text}"))
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|e| wrong(e.to_string()))?;
    match statements.into_iter().next() {
        Some(Statement::CreateIndex(index)) => Ok(Some((index.columns, index.predicate))),
        _ => Err(wrong("syntax error in ON CONFLICT".to_owned())),
    }
}
