//! The grammar of CREATE SCHEMA and ALTER SCHEMA.

use sqlparser::ast::Ident;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::super::ObjectCommand;
use super::super::schema::{CreateSchema, SchemaChange};
use super::{Fault, Reader};
use crate::error::{SqlError, state};
use crate::session::parse::{is_meaningful, is_word, parse_one};

/// Reads what follows CREATE SCHEMA; the rest are statements of their own.
pub(super) fn create(
    r: &mut Reader<'_>,
    sql: &str,
    tokens: &[TokenWithSpan],
) -> Result<ObjectCommand, Fault> {
    let if_not_exists = r.words(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = match r.words(&[Keyword::AUTHORIZATION]) {
        true => None,
        false => Some(r.ident()?),
    };
    let has_owner = name.is_none() || r.words(&[Keyword::AUTHORIZATION]);
    let owner = match has_owner {
        true => Some(r.ident()?),
        false => None,
    };
    let mut elements = Vec::new();
    for element in elements_of(tokens) {
        refuse_temporary(element)?;
        elements.push(parse_one(&sql.into(), element)?);
    }
    if !elements.is_empty() {
        // What is left was read as statements.
        while r.parser.peek_token().token != Token::EOF {
            r.parser.advance_token();
        }
    }
    Ok(ObjectCommand::CreateSchema(CreateSchema {
        name,
        owner,
        if_not_exists,
        elements,
    }))
}

/// What is in a schema is not temporary.
fn refuse_temporary(element: &[TokenWithSpan]) -> Result<(), SqlError> {
    let mut words = element.iter().filter(|t| is_meaningful(t)).skip(1).take(3);
    let is_temporary =
        |t: &TokenWithSpan| is_word(t, Keyword::TEMP) || is_word(t, Keyword::TEMPORARY);
    if words.any(is_temporary) {
        return Err(SqlError::new(
            state::INVALID_TABLE_DEFINITION,
            "cannot create temporary relation in non-temporary schema",
        ));
    }
    Ok(())
}

/// The statements that a CREATE SCHEMA has in it.
fn elements_of(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut starts = Vec::new();
    let mut depth = 0_i32;
    let mut first = true;
    for (at, token) in tokens.iter().enumerate().filter(|(_, t)| is_meaningful(t)) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        let begins = is_word(token, Keyword::CREATE) || is_word(token, Keyword::GRANT);
        if !first && depth == 0 && begins {
            starts.push(at);
        }
        first = false;
    }
    let ends = starts.iter().skip(1).copied().chain([tokens.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| tokens.get(*start..end))
        .collect()
}

/// Reads what follows ALTER SCHEMA.
pub(super) fn alter(r: &mut Reader<'_>) -> Result<ObjectCommand, Fault> {
    let name: Ident = r.ident()?;
    let change = if r.words(&[Keyword::RENAME, Keyword::TO]) {
        SchemaChange::Rename(r.ident()?)
    } else if r.words(&[Keyword::OWNER, Keyword::TO]) {
        SchemaChange::Owner(r.ident()?)
    } else {
        return Err(r.unexpected());
    };
    Ok(ObjectCommand::AlterSchema { name, change })
}
