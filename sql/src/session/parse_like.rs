//! `LIKE table [INCLUDING …]` among the columns of CREATE TABLE, of which sqlparser
//! reads only a list with nothing else in it.
//!
//! Before parsing, such an element becomes a column whose name carries what was
//! written; CREATE TABLE finds it there ([`carried_like`]).

use super::dialect::Postgres;
use sqlparser::ast::{ColumnDef, ObjectName};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::parse::{is_meaningful, is_word, token_text};
use super::syntax_error::near;
use crate::error::SqlError;

/// Begins the name of such a column; no SQL text has it.
const MARK: &str = "\u{1f}like\u{1f}";

/// An element `LIKE table`.
#[derive(Debug)]
pub(super) struct Like {
    /// The table as it is written.
    pub(super) source: ObjectName,
    pub(super) copies: Copies,
}

/// What else is copied besides columns.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Copies {
    pub(super) comments: bool,
    pub(super) constraints: bool,
    pub(super) defaults: bool,
    pub(super) generated: bool,
    pub(super) identity: bool,
    pub(super) indexes: bool,
}

impl Copies {
    fn set(&mut self, word: &str, on: bool) -> bool {
        match word {
            "COMMENTS" => self.comments = on,
            "CONSTRAINTS" => self.constraints = on,
            "DEFAULTS" => self.defaults = on,
            "GENERATED" => self.generated = on,
            "IDENTITY" => self.identity = on,
            "INDEXES" => self.indexes = on,
            // How values are kept on disk is one way for all here.
            "COMPRESSION" | "STATISTICS" | "STORAGE" => {}
            "ALL" => {
                *self = Self {
                    comments: on,
                    constraints: on,
                    defaults: on,
                    generated: on,
                    identity: on,
                    indexes: on,
                };
            }
            _ => return false,
        }
        true
    }
}

/// Makes columns of the LIKE elements of a CREATE TABLE.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) {
    let meaningful: Vec<usize> = (0..tokens.len())
        .filter(|at| tokens.get(*at).is_some_and(is_meaningful))
        .collect();
    let word = |n: usize, keyword| {
        let token = meaningful.get(n).and_then(|at| tokens.get(*at));
        token.is_some_and(|t| is_word(t, keyword))
    };
    if !word(0, Keyword::CREATE) || !(1..5).any(|n| word(n, Keyword::TABLE)) {
        return;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut depth = 0_i32;
    let mut begins = false;
    let mut rest = tokens.iter().peekable();
    while let Some(token) = rest.next() {
        if depth == 1 && begins && is_word(token, Keyword::LIKE) {
            let mut text = String::new();
            let mut inner = 0_i32;
            while let Some(next) = rest.peek() {
                match next.token {
                    Token::LParen => inner += 1,
                    Token::RParen if inner == 0 => break,
                    Token::RParen => inner -= 1,
                    Token::Comma if inner == 0 => break,
                    _ => {}
                }
                text.push_str(&token_text(&next.token));
                rest.next();
            }
            out.push(TokenWithSpan::new(
                Token::Word(Word {
                    value: format!("{MARK}{text}"),
                    quote_style: Some('"'),
                    keyword: Keyword::NoKeyword,
                }),
                token.span,
            ));
            out.push(TokenWithSpan::wrap(Token::make_keyword("INT")));
            begins = false;
            continue;
        }
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if is_meaningful(token) {
            begins = depth == 1 && matches!(token.token, Token::LParen | Token::Comma);
        }
        out.push(token.clone());
    }
    *tokens = out;
}

/// The LIKE that a column stands for, if it does.
///
/// # Errors
/// 42601 when it is not written as it has to be.
pub(super) fn carried_like(column: &ColumnDef) -> Result<Option<Like>, SqlError> {
    let Some(text) = column.name.value.strip_prefix(MARK) else {
        return Ok(None);
    };
    let dialect = Postgres;
    let unreadable = |parser: &Parser<'_>| near(text, &parser.peek_token());
    let mut parser = Parser::new(&dialect)
        .try_with_sql(text)
        .map_err(|e| SqlError::new(crate::error::state::SYNTAX_ERROR, e.to_string()))?;
    let Ok(source) = parser.parse_object_name(false) else {
        return Err(unreadable(&parser));
    };
    let mut copies = Copies::default();
    while parser.peek_token().token != Token::EOF {
        let on = parser.parse_keyword(Keyword::INCLUDING);
        if !on && !parser.parse_keyword(Keyword::EXCLUDING) {
            return Err(unreadable(&parser));
        }
        let known = match parser.peek_token().token {
            Token::Word(word) => copies.set(&word.value.to_ascii_uppercase(), on),
            _ => false,
        };
        if !known {
            return Err(unreadable(&parser));
        }
        parser.advance_token();
    }
    Ok(Some(Like { source, copies }))
}
