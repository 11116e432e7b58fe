//! The grammar of what ALTER COLUMN says about identity and generation expressions.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::super::sequence_options::SequenceOption;
use super::sequence::{option, options};
use super::{Fault, Reader};
use crate::catalog::Identity;
use crate::error::{SqlError, state};
use crate::session::syntax_error::near;

/// What happens to the identity or the generation expression of a column.
#[derive(Debug, Clone)]
pub(in crate::session) enum ColumnChange {
    /// ADD GENERATED … AS IDENTITY.
    AddIdentity(Identity, Vec<SequenceOption>),
    /// SET GENERATED, SET options, RESTART.
    SetIdentity(Option<Identity>, Vec<SequenceOption>),
    /// DROP IDENTITY, with IF EXISTS.
    DropIdentity(bool),
    /// DROP EXPRESSION, with IF EXISTS.
    DropExpression(bool),
}

/// Reads what follows the name of a column.
///
/// # Errors
/// 42601.
pub(in crate::session) fn column_change(text: &str) -> Result<ColumnChange, SqlError> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize_with_location()
        .map_err(|e| SqlError::new(state::SYNTAX_ERROR, e.message))?;
    let mut reader = Reader::new(text, &tokens);
    let change = change(&mut reader).map_err(|fault| fault.error(text, &tokens))?;
    let rest = reader.parser.peek_token();
    match rest.token {
        Token::EOF => Ok(change),
        _ => Err(near(text, &rest)),
    }
}

fn change(r: &mut Reader<'_>) -> Result<ColumnChange, Fault> {
    if r.words(&[Keyword::DROP]) {
        let is_identity = r.words(&[Keyword::IDENTITY]);
        if !is_identity {
            // EXPRESSION is no keyword of the parser.
            r.ident()?;
        }
        let if_exists = r.words(&[Keyword::IF, Keyword::EXISTS]);
        return Ok(match is_identity {
            true => ColumnChange::DropIdentity(if_exists),
            false => ColumnChange::DropExpression(if_exists),
        });
    }
    if r.words(&[Keyword::ADD]) {
        let kind = generated(r)?;
        r.parser.expect_keyword_is(Keyword::AS)?;
        r.parser.expect_keyword_is(Keyword::IDENTITY)?;
        let mut said = Vec::new();
        if r.parser.consume_token(&Token::LParen) {
            said = options(r)?;
            r.parser.expect_token(&Token::RParen)?;
        }
        return Ok(ColumnChange::AddIdentity(kind, said));
    }
    let mut kind = None;
    let mut said = Vec::new();
    while r.parser.peek_token().token != Token::EOF {
        let set = r.words(&[Keyword::SET]);
        let at_generated = matches!(r.parser.peek_token().token,
            Token::Word(word) if word.keyword == Keyword::GENERATED);
        if set && at_generated {
            if kind.replace(generated(r)?).is_some() {
                return Err(redundant().into());
            }
            continue;
        }
        match option(r)? {
            Some(option @ SequenceOption::Restart(_)) => said.push(option),
            Some(option) if set => said.push(option),
            _ => return Err(r.unexpected()),
        }
    }
    Ok(ColumnChange::SetIdentity(kind, said))
}

fn redundant() -> SqlError {
    SqlError::new(state::SYNTAX_ERROR, "conflicting or redundant options")
}

fn generated(r: &mut Reader<'_>) -> Result<Identity, Fault> {
    r.parser.expect_keyword_is(Keyword::GENERATED)?;
    if r.words(&[Keyword::ALWAYS]) {
        return Ok(Identity::Always);
    }
    if r.words(&[Keyword::BY, Keyword::DEFAULT]) {
        return Ok(Identity::ByDefault);
    }
    Err(r.unexpected())
}
