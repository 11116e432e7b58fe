//! The grammar of CREATE, ALTER and DROP of types and domains.

use super::super::super::dialect::Postgres;
use sqlparser::ast::{Expr, Ident};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::super::super::parse::RECURSION_LIMIT;
use super::super::ObjectCommand;
use super::super::user_type::{TypeChange, TypeCommand};
use super::{Fault, Reader};
use crate::error::SqlError;

/// Reads what follows CREATE TYPE.
pub(super) fn create(r: &mut Reader<'_>) -> Result<ObjectCommand, Fault> {
    let name = r.name()?;
    if !r.words(&[Keyword::AS]) {
        let what = match r.parser.peek_token().token {
            Token::EOF => "shell types",
            Token::LParen => "base types",
            _ => return Err(r.unexpected()),
        };
        return Err(SqlError::unsupported(what).into());
    }
    if r.words(&[Keyword::ENUM]) {
        r.parser.expect_token(&Token::LParen)?;
        let mut labels = Vec::new();
        if !r.parser.consume_token(&Token::RParen) {
            loop {
                labels.push(r.parser.parse_literal_string()?);
                if !r.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            r.parser.expect_token(&Token::RParen)?;
        }
        return Ok(ObjectCommand::Type(TypeCommand::Enum(name, labels)));
    }
    if r.words(&[Keyword::RANGE]) {
        return Err(SqlError::unsupported("CREATE TYPE … AS RANGE").into());
    }
    r.parser.expect_token(&Token::LParen)?;
    let mut attributes = Vec::new();
    if !r.parser.consume_token(&Token::RParen) {
        loop {
            let attribute = r.ident()?;
            attributes.push((attribute, r.parser.parse_data_type()?));
            refuse_collation(r)?;
            if !r.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        r.parser.expect_token(&Token::RParen)?;
    }
    Ok(ObjectCommand::Type(TypeCommand::Composite(
        name, attributes,
    )))
}

fn refuse_collation(r: &mut Reader<'_>) -> Result<(), Fault> {
    if r.words(&[Keyword::COLLATE]) {
        return Err(SqlError::unsupported("COLLATE of an attribute").into());
    }
    Ok(())
}

/// Reads what follows CREATE DOMAIN: the rest is written as a column is.
pub(super) fn create_domain(r: &mut Reader<'_>) -> Result<ObjectCommand, Fault> {
    let name = r.name()?;
    r.words(&[Keyword::AS]);
    let mut tokens = vec![TokenWithSpan::wrap(Token::make_word("value", Some('"')))];
    loop {
        let token = r.parser.next_token();
        if token.token == Token::EOF {
            break;
        }
        tokens.push(token);
        // The places of tokens are looked up by the error alone.
        tokens.push(TokenWithSpan::wrap(Token::Whitespace(
            sqlparser::tokenizer::Whitespace::Space,
        )));
    }
    let mut parser = Parser::new(&Postgres)
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(tokens);
    let definition = parser.parse_column_def()?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(super::near(r.sql, &rest).into());
    }
    Ok(ObjectCommand::Type(TypeCommand::Domain(
        name,
        Box::new(definition),
    )))
}

/// Reads what follows ALTER TYPE or ALTER DOMAIN.
pub(super) fn alter(r: &mut Reader<'_>, domain: bool) -> Result<ObjectCommand, Fault> {
    let name = r.name()?;
    let common = if r.words(&[Keyword::RENAME, Keyword::TO]) {
        Some(TypeChange::Rename(r.ident()?))
    } else if r.words(&[Keyword::SET, Keyword::SCHEMA]) {
        Some(TypeChange::SetSchema(r.ident()?))
    } else if r.words(&[Keyword::OWNER, Keyword::TO]) {
        Some(TypeChange::Owner(r.ident()?))
    } else {
        None
    };
    let change = match common {
        Some(change) => change,
        None if domain => alter_domain(r)?,
        None => alter_type(r)?,
    };
    Ok(ObjectCommand::Type(TypeCommand::Alter {
        domain,
        name,
        change: Box::new(change),
    }))
}

/// Whether this word comes next, which is no keyword; it is then read.
fn word(r: &mut Reader<'_>, text: &str) -> bool {
    let next = r.parser.peek_token();
    let is = matches!(&next.token, Token::Word(w)
        if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text));
    if is {
        r.parser.next_token();
    }
    is
}

fn alter_type(r: &mut Reader<'_>) -> Result<TypeChange, Fault> {
    if r.words(&[Keyword::ADD, Keyword::VALUE]) {
        let if_not_exists = r.words(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        let label = r.parser.parse_literal_string()?;
        let place = if r.words(&[Keyword::BEFORE]) {
            Some((true, r.parser.parse_literal_string()?))
        } else if r.words(&[Keyword::AFTER]) {
            Some((false, r.parser.parse_literal_string()?))
        } else {
            None
        };
        return Ok(TypeChange::AddValue {
            label,
            if_not_exists,
            place,
        });
    }
    if r.words(&[Keyword::RENAME, Keyword::VALUE]) {
        let old = r.parser.parse_literal_string()?;
        r.parser.expect_keyword_is(Keyword::TO)?;
        return Ok(TypeChange::RenameValue(
            old,
            r.parser.parse_literal_string()?,
        ));
    }
    if r.words(&[Keyword::RENAME]) && word(r, "attribute") {
        let old = r.ident()?;
        r.parser.expect_keyword_is(Keyword::TO)?;
        let change = TypeChange::RenameAttribute(old, r.ident()?);
        let _ = r.words(&[Keyword::CASCADE]) || r.words(&[Keyword::RESTRICT]);
        return Ok(change);
    }
    if r.words(&[Keyword::ADD]) && word(r, "attribute") {
        let name = r.ident()?;
        let change = TypeChange::AddAttribute(name, r.parser.parse_data_type()?);
        refuse_collation(r)?;
        let _ = r.words(&[Keyword::CASCADE]) || r.words(&[Keyword::RESTRICT]);
        return Ok(change);
    }
    Err(SqlError::unsupported("this kind of ALTER TYPE").into())
}

fn alter_domain(r: &mut Reader<'_>) -> Result<TypeChange, Fault> {
    Ok(if r.words(&[Keyword::SET, Keyword::DEFAULT]) {
        TypeChange::Default(Some(expr(r)?))
    } else if r.words(&[Keyword::DROP, Keyword::DEFAULT]) {
        TypeChange::Default(None)
    } else if r.words(&[Keyword::SET, Keyword::NOT, Keyword::NULL]) {
        TypeChange::NotNull(true)
    } else if r.words(&[Keyword::DROP, Keyword::NOT, Keyword::NULL]) {
        TypeChange::NotNull(false)
    } else if r.words(&[Keyword::DROP, Keyword::CONSTRAINT]) {
        let if_exists = r.words(&[Keyword::IF, Keyword::EXISTS]);
        let name = r.ident()?;
        let _ = r.words(&[Keyword::CASCADE]) || r.words(&[Keyword::RESTRICT]);
        TypeChange::DropCheck(name, if_exists)
    } else if r.words(&[Keyword::RENAME, Keyword::CONSTRAINT]) {
        let old = r.ident()?;
        r.parser.expect_keyword_is(Keyword::TO)?;
        TypeChange::RenameCheck(old, r.ident()?)
    } else if r.words(&[Keyword::VALIDATE, Keyword::CONSTRAINT]) {
        TypeChange::Validate(r.ident()?)
    } else if r.words(&[Keyword::ADD]) {
        let name: Option<Ident> = match r.words(&[Keyword::CONSTRAINT]) {
            true => Some(r.ident()?),
            false => None,
        };
        if r.words(&[Keyword::NOT, Keyword::NULL]) {
            return Ok(TypeChange::NotNull(true));
        }
        r.parser.expect_keyword_is(Keyword::CHECK)?;
        r.parser.expect_token(&Token::LParen)?;
        let condition = expr(r)?;
        r.parser.expect_token(&Token::RParen)?;
        let not_valid = r.words(&[Keyword::NOT]) && word(r, "valid");
        TypeChange::AddCheck(name, condition, not_valid)
    } else {
        return Err(r.unexpected());
    })
}

fn expr(r: &mut Reader<'_>) -> Result<Expr, Fault> {
    Ok(r.parser.parse_expr()?)
}

/// Reads DROP TYPE and DROP DOMAIN.
pub(super) fn drop(r: &mut Reader<'_>) -> Result<Option<ObjectCommand>, Fault> {
    if r.words(&[Keyword::DROP, Keyword::FUNCTION]) {
        return super::function::drop(r).map(Some);
    }
    let domain = if r.words(&[Keyword::DROP, Keyword::TYPE]) {
        false
    } else if r.words(&[Keyword::DROP, Keyword::DOMAIN]) {
        true
    } else {
        return Ok(None);
    };
    let if_exists = r.words(&[Keyword::IF, Keyword::EXISTS]);
    let names = r
        .parser
        .parse_comma_separated(|p| p.parse_object_name(false))?;
    let cascade = r.words(&[Keyword::CASCADE]);
    if !cascade {
        r.words(&[Keyword::RESTRICT]);
    }
    Ok(Some(ObjectCommand::Type(TypeCommand::Drop {
        domain,
        names,
        if_exists,
        cascade,
    })))
}
