//! The grammar of CREATE SEQUENCE and ALTER SEQUENCE.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::super::ObjectCommand;
use super::super::sequence::{CreateSequence, SequenceChange};
use super::super::sequence_options::{SequenceOption, integer};
use super::{Fault, Reader};

/// Reads what follows CREATE SEQUENCE.
pub(super) fn create(r: &mut Reader<'_>, temporary: bool) -> Result<ObjectCommand, Fault> {
    let if_not_exists = r.words(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    Ok(ObjectCommand::CreateSequence(CreateSequence {
        temporary,
        if_not_exists,
        name: r.name()?,
        options: options(r)?,
    }))
}

/// Reads what follows ALTER SEQUENCE.
pub(super) fn alter(r: &mut Reader<'_>) -> Result<ObjectCommand, Fault> {
    let if_exists = r.words(&[Keyword::IF, Keyword::EXISTS]);
    let name = r.name()?;
    let change = if r.words(&[Keyword::RENAME, Keyword::TO]) {
        SequenceChange::Rename(r.ident()?)
    } else if r.words(&[Keyword::SET, Keyword::SCHEMA]) {
        SequenceChange::SetSchema(r.ident()?)
    } else if r.words(&[Keyword::OWNER, Keyword::TO]) {
        SequenceChange::Owner(r.ident()?)
    } else {
        let options = options(r)?;
        if options.is_empty() {
            return Err(r.unexpected());
        }
        SequenceChange::Options(options)
    };
    Ok(ObjectCommand::AlterSequence {
        name,
        if_exists,
        change,
    })
}

/// Reads options, in any order.
pub(super) fn options(r: &mut Reader<'_>) -> Result<Vec<SequenceOption>, Fault> {
    let mut options = Vec::new();
    while let Some(option) = option(r)? {
        options.push(option);
    }
    Ok(options)
}

/// Reads one option, if there is one.
pub(super) fn option(r: &mut Reader<'_>) -> Result<Option<SequenceOption>, Fault> {
    Ok(Some(if r.words(&[Keyword::AS]) {
        SequenceOption::As(r.parser.parse_data_type()?)
    } else if r.words(&[Keyword::INCREMENT]) {
        r.words(&[Keyword::BY]);
        SequenceOption::Increment(number(r)?)
    } else if r.words(&[Keyword::MINVALUE]) {
        SequenceOption::Min(Some(number(r)?))
    } else if r.words(&[Keyword::NO, Keyword::MINVALUE]) {
        SequenceOption::Min(None)
    } else if r.words(&[Keyword::MAXVALUE]) {
        SequenceOption::Max(Some(number(r)?))
    } else if r.words(&[Keyword::NO, Keyword::MAXVALUE]) {
        SequenceOption::Max(None)
    } else if r.words(&[Keyword::START]) {
        r.words(&[Keyword::WITH]);
        SequenceOption::Start(number(r)?)
    } else if r.words(&[Keyword::RESTART]) {
        let with = r.words(&[Keyword::WITH]);
        let value = with || is_number(&r.parser.peek_token().token);
        SequenceOption::Restart(if value { Some(number(r)?) } else { None })
    } else if r.words(&[Keyword::CACHE]) {
        SequenceOption::Cache(number(r)?)
    } else if r.words(&[Keyword::CYCLE]) {
        SequenceOption::Cycle(true)
    } else if r.words(&[Keyword::NO, Keyword::CYCLE]) {
        SequenceOption::Cycle(false)
    } else if r.words(&[Keyword::OWNED, Keyword::BY]) {
        SequenceOption::OwnedBy(match r.words(&[Keyword::NONE]) {
            true => None,
            false => Some(r.name()?),
        })
    } else {
        return Ok(None);
    }))
}

fn is_number(token: &Token) -> bool {
    matches!(token, Token::Number(..) | Token::Minus | Token::Plus)
}

fn number(r: &mut Reader<'_>) -> Result<i64, Fault> {
    let negative = r.parser.consume_token(&Token::Minus);
    if !negative {
        let _ = r.parser.consume_token(&Token::Plus);
    }
    let digits = r.parser.parse_number_value()?.to_string();
    let sign = if negative { "-" } else { "" };
    Ok(integer(&format!("{sign}{digits}"))?)
}
