//! The grammar of CREATE, REFRESH and ALTER MATERIALIZED VIEW.

use sqlparser::keywords::Keyword;
use sqlparser::parser::IsOptional;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::super::ObjectCommand;
use super::super::create_as::{CreateTableAs, Source};
use super::super::materialized::Refresh;
use super::{Fault, Reader};
use crate::error::SqlError;
use crate::session::parse::{is_meaningful, parse_one};

/// Reads what follows CREATE MATERIALIZED VIEW.
pub(super) fn create(r: &mut Reader<'_>) -> Result<ObjectCommand, Fault> {
    let if_not_exists = r.words(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = r.name()?;
    let columns = r
        .parser
        .parse_parenthesized_column_list(IsOptional::Optional, false)?;
    if r.words(&[Keyword::USING]) {
        let method = r.ident()?;
        if !method.value.eq_ignore_ascii_case("heap") {
            return Err(SqlError::unsupported(format!("the access method {method}")).into());
        }
    }
    let options = r.parser.parse_options(Keyword::WITH)?;
    if let Some(option) = options.first() {
        return Err(SqlError::unsupported(format!("the option {option}")).into());
    }
    r.parser.expect_keyword_is(Keyword::AS)?;
    let start = r.offset();
    let query = r.parser.parse_query()?;
    let text = r.sql.get(start..r.end()).unwrap_or_default().to_owned();
    Ok(ObjectCommand::CreateTableAs(CreateTableAs {
        temporary: false,
        if_not_exists,
        name,
        columns,
        on_commit: None,
        source: Source::Query(query),
        with_data: r.take_with_data(),
        materialized: Some(text),
    }))
}

/// Reads REFRESH MATERIALIZED VIEW.
pub(super) fn refresh(r: &mut Reader<'_>) -> Result<Option<ObjectCommand>, Fault> {
    r.parser.advance_token();
    r.parser.expect_keyword_is(Keyword::MATERIALIZED)?;
    r.parser.expect_keyword_is(Keyword::VIEW)?;
    let concurrently = r.words(&[Keyword::CONCURRENTLY]);
    let name = r.name()?;
    Ok(Some(ObjectCommand::Refresh(Refresh {
        concurrently,
        name,
        with_data: r.take_with_data(),
    })))
}

/// Reads ALTER MATERIALIZED VIEW, which is an ALTER TABLE but for its name.
pub(super) fn alter(
    r: &mut Reader<'_>,
    sql: &str,
    tokens: &[TokenWithSpan],
) -> Result<ObjectCommand, Fault> {
    let mut words = tokens.iter().filter(|t| is_meaningful(t)).cloned();
    let mut as_table: Vec<TokenWithSpan> = words.by_ref().take(1).collect();
    as_table.extend(words.by_ref().take(1).map(|token| TokenWithSpan {
        token: Token::make_keyword("TABLE"),
        span: token.span,
    }));
    as_table.extend(words.skip(1));
    let statement = parse_one(&sql.into(), &as_table)?;
    while r.parser.peek_token().token != Token::EOF {
        r.parser.advance_token();
    }
    Ok(ObjectCommand::AlterMaterialized(Box::new(statement)))
}
