//! Forms of ALTER COLUMN that sqlparser has no grammar for: identity, generation
//! expressions.
//!
//! Before parsing, such a form becomes SET NOT NULL (or DROP NOT NULL, when it takes
//! something away) of a column whose name carries what was written; ALTER TABLE finds
//! it there ([`carried_change`]).

use sqlparser::ast::Ident;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::objects::{ColumnChange, column_change};
use super::parse::{is_meaningful, is_word};
use crate::catalog::fold_identifier;
use crate::error::SqlError;

/// Separates the column from what is done with it; no SQL text has it.
const MARK: &str = "\u{1f}alter\u{1f}";

/// Makes names of the forms of ALTER COLUMN that sqlparser does not read.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    let meaningful: Vec<TokenWithSpan> = tokens
        .iter()
        .filter(|t| is_meaningful(t))
        .cloned()
        .collect();
    let alters = meaningful
        .first()
        .is_some_and(|t| is_word(t, Keyword::ALTER))
        && meaningful
            .get(1)
            .is_some_and(|t| is_word(t, Keyword::TABLE));
    if !alters {
        return;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(meaningful.len());
    let mut at = 0;
    while let Some(token) = meaningful.get(at) {
        out.push(token.clone());
        at += 1;
        if at < 3 || !is_word(token, Keyword::ALTER) {
            continue;
        }
        if let Some(word) = meaningful.get(at)
            && is_word(word, Keyword::COLUMN)
        {
            out.push(word.clone());
            at += 1;
        }
        let (Some(column), Some(rest)) = (meaningful.get(at), meaningful.get(at + 1..)) else {
            continue;
        };
        let Token::Word(name) = &column.token else {
            continue;
        };
        let Some(drops) = carried(rest) else {
            continue;
        };
        let length = operation_length(rest);
        let text: Vec<String> = rest
            .iter()
            .take(length)
            .map(|t| t.token.to_string())
            .collect();
        let name = fold_identifier(&name.clone().into_ident(column.span));
        out.push(TokenWithSpan::new(
            Token::Word(Word {
                value: format!("{name}{MARK}{}", text.join(" ")),
                quote_style: Some('"'),
                keyword: Keyword::NoKeyword,
            }),
            column.span,
        ));
        let verb = if drops { "DROP" } else { "SET" };
        for word in [verb, "NOT", "NULL"] {
            out.push(TokenWithSpan::new(Token::make_keyword(word), column.span));
        }
        at += 1 + length;
    }
    *tokens = out;
}

/// Whether what follows a column's name is to be carried, and whether it takes
/// something away.
fn carried(rest: &[TokenWithSpan]) -> Option<bool> {
    let word = |at: usize| match rest.get(at).map(|t| &t.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    match (word(0).as_str(), word(1).as_str()) {
        ("DROP", "IDENTITY" | "EXPRESSION") => Some(true),
        ("ADD", "GENERATED")
        | ("RESTART", _)
        | (
            "SET",
            "GENERATED" | "START" | "INCREMENT" | "MINVALUE" | "MAXVALUE" | "NO" | "CACHE"
            | "CYCLE" | "RESTART",
        ) => Some(false),
        _ => None,
    }
}

/// How many tokens belong to the operation: up to the next comma.
fn operation_length(rest: &[TokenWithSpan]) -> usize {
    let mut depth = 0_i32;
    for (at, token) in rest.iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::Comma | Token::EOF if depth == 0 => return at,
            _ => {}
        }
    }
    rest.len()
}

/// What the name of a column carries: the column itself and what is done with it.
///
/// # Errors
/// 42601 when that is not written as it has to be.
pub(super) fn carried_change(name: &Ident) -> Result<Option<(Ident, ColumnChange)>, SqlError> {
    match name.value.split_once(MARK) {
        None => Ok(None),
        Some((column, text)) => {
            let change = column_change(text)?;
            Ok(Some((Ident::with_quote('"', column), change)))
        }
    }
}
