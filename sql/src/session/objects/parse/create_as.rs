//! The grammar of CREATE TABLE AS.

use sqlparser::keywords::Keyword;
use sqlparser::parser::{IsOptional, Parser};
use sqlparser::tokenizer::Token;

use super::super::ObjectCommand;
use super::super::create_as::{CreateTableAs, Source};
use super::{Fault, Reader};
use crate::catalog::OnCommit;

/// Reads what follows CREATE TABLE; `None` when it is no CREATE TABLE AS.
pub(super) fn create(r: &mut Reader<'_>, temporary: bool) -> Result<Option<ObjectCommand>, Fault> {
    let if_not_exists = r.words(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let Ok(name) = r.name() else {
        return Ok(None);
    };
    let Ok(columns) = r
        .parser
        .parse_parenthesized_column_list(IsOptional::Optional, false)
    else {
        return Ok(None);
    };
    let on_commit = on_commit(r);
    if !r.words(&[Keyword::AS]) {
        return Ok(None);
    }
    let source = if r.words(&[Keyword::EXECUTE]) {
        let name = r.parser.parse_identifier()?;
        let mut arguments = Vec::new();
        if r.parser.consume_token(&Token::LParen) {
            arguments = r.parser.parse_comma_separated(Parser::parse_expr)?;
            r.parser.expect_token(&Token::RParen)?;
        }
        Source::Execute(name, arguments)
    } else if begins_query(r) {
        let mut query = r.parser.parse_query()?;
        super::super::super::only::settle(&mut query);
        Source::Query(query)
    } else {
        return Ok(None);
    };
    Ok(Some(ObjectCommand::CreateTableAs(CreateTableAs {
        temporary,
        if_not_exists,
        name,
        columns,
        on_commit,
        source,
        with_data: r.take_with_data(),
        materialized: None,
    })))
}

/// Reads ON COMMIT, if it is there.
pub(super) fn on_commit(r: &mut Reader<'_>) -> Option<OnCommit> {
    if r.words(&[Keyword::ON, Keyword::COMMIT, Keyword::DROP]) {
        return Some(OnCommit::Drop);
    }
    if r.words(&[Keyword::ON, Keyword::COMMIT, Keyword::DELETE, Keyword::ROWS]) {
        return Some(OnCommit::DeleteRows);
    }
    r.words(&[
        Keyword::ON,
        Keyword::COMMIT,
        Keyword::PRESERVE,
        Keyword::ROWS,
    ]);
    None
}

fn begins_query(r: &Reader<'_>) -> bool {
    match &r.parser.peek_token().token {
        Token::LParen => true,
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::TABLE
        ),
        _ => false,
    }
}
