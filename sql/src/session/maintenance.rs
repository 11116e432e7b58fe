//! VACUUM, ANALYZE and REINDEX: what they name must be there, and there is nothing to
//! do. Storage keeps itself compact, statistics are live, and an index is never apart
//! from its table.

use sqlparser::ast::{Ident, ObjectName};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Session;
use super::dialect::Postgres;
use super::parse::is_meaningful;
use super::syntax_error::{left_over, syntax_error};
use crate::catalog::{QualifiedName, RelationEntry, fold_identifier};
use crate::error::{SqlError, state};

/// A command that asks for work on storage.
#[derive(Debug, Clone)]
pub(crate) struct Maintenance {
    /// Its tag.
    pub(super) tag: &'static str,
    on: Target,
}

/// What it is about.
#[derive(Debug, Clone)]
enum Target {
    /// Tables and columns of each; none is all tables.
    Tables(Vec<(ObjectName, Vec<Ident>)>),
    /// REINDEX INDEX.
    Index(ObjectName),
    /// REINDEX SCHEMA.
    Schema(Ident),
    /// REINDEX DATABASE and SYSTEM.
    Database(Ident),
}

/// Reads one of the commands; `None` for any other.
///
/// # Errors
/// 42601.
pub(super) fn parse(sql: &str, tokens: &[TokenWithSpan]) -> Result<Option<Maintenance>, SqlError> {
    let own: Vec<TokenWithSpan> = tokens
        .iter()
        .filter(|t| is_meaningful(t))
        .cloned()
        .collect();
    let first = match own.first().map(|t| &t.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
        _ => return Ok(None),
    };
    let dialect = Postgres;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(own);
    parser.advance_token();
    let read = match first.as_str() {
        "vacuum" => vacuum(&mut parser),
        "analyze" | "analyse" => analyze(&mut parser),
        "reindex" => reindex(&mut parser),
        _ => return Ok(None),
    };
    let command = read.map_err(|e| syntax_error(sql, tokens, e))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(left_over(sql, tokens, &rest));
    }
    Ok(Some(command))
}

type Read<T> = Result<T, ParserError>;

fn vacuum(parser: &mut Parser<'_>) -> Read<Maintenance> {
    if !options(parser)? {
        for word in ["full", "freeze", "verbose", "analyze"] {
            take(parser, word);
        }
    }
    tables(parser, "VACUUM")
}

fn analyze(parser: &mut Parser<'_>) -> Read<Maintenance> {
    if !options(parser)? {
        take(parser, "verbose");
    }
    tables(parser, "ANALYZE")
}

fn tables(parser: &mut Parser<'_>, tag: &'static str) -> Read<Maintenance> {
    let tables = match parser.peek_token().token {
        Token::EOF => Vec::new(),
        _ => parser.parse_comma_separated(|parser| {
            let name = parser.parse_object_name(false)?;
            let columns = match parser.consume_token(&Token::LParen) {
                true => {
                    let columns = parser.parse_comma_separated(Parser::parse_identifier)?;
                    parser.expect_token(&Token::RParen)?;
                    columns
                }
                false => Vec::new(),
            };
            Ok((name, columns))
        })?,
    };
    let on = Target::Tables(tables);
    Ok(Maintenance { tag, on })
}

fn reindex(parser: &mut Parser<'_>) -> Read<Maintenance> {
    options(parser)?;
    let kind = parser.expect_one_of_keywords(&[
        Keyword::INDEX,
        Keyword::TABLE,
        Keyword::SCHEMA,
        Keyword::DATABASE,
        Keyword::SYSTEM,
    ])?;
    take(parser, "concurrently");
    let on = match kind {
        Keyword::INDEX => Target::Index(parser.parse_object_name(false)?),
        Keyword::TABLE => Target::Tables(vec![(parser.parse_object_name(false)?, Vec::new())]),
        Keyword::SCHEMA => Target::Schema(parser.parse_identifier()?),
        _ => Target::Database(parser.parse_identifier()?),
    };
    let tag = "REINDEX";
    Ok(Maintenance { tag, on })
}

/// Passes options in parentheses; whether there are any.
fn options(parser: &mut Parser<'_>) -> Read<bool> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(false);
    }
    parser.parse_comma_separated(|parser| {
        parser.parse_identifier()?;
        if !matches!(parser.peek_token().token, Token::Comma | Token::RParen) {
            parser.parse_value()?;
        }
        Ok(())
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(true)
}

/// Passes a word, if it is the next.
fn take(parser: &mut Parser<'_>, wanted: &str) {
    if matches!(&parser.peek_token().token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
    {
        parser.advance_token();
    }
}

impl Session {
    /// Checks what a command names.
    ///
    /// # Errors
    /// 42P01, 42703, 42809, 3F000 and 0A000 as in PostgreSQL; 25001 for VACUUM in a
    /// transaction block.
    pub(super) fn maintenance(&mut self, command: &Maintenance) -> Result<String, SqlError> {
        if command.tag == "VACUUM" {
            self.not_in_block(command.tag)?;
        }
        match &command.on {
            Target::Tables(tables) => {
                for (name, columns) in tables {
                    self.check_table(name, columns)?;
                }
            }
            Target::Index(name) => self.check_index(name)?,
            Target::Schema(name) => {
                let name = fold_identifier(name);
                if self.catalog()?.schema(&name).is_none() {
                    return Err(SqlError::new(
                        state::INVALID_SCHEMA_NAME,
                        format!("schema \"{name}\" does not exist"),
                    ));
                }
            }
            Target::Database(name) => {
                if fold_identifier(name) != self.database {
                    return Err(SqlError::new(
                        state::FEATURE_NOT_SUPPORTED,
                        "can only reindex the currently open database",
                    ));
                }
            }
        }
        Ok(command.tag.to_owned())
    }

    fn check_table(&self, name: &ObjectName, columns: &[Ident]) -> Result<(), SqlError> {
        let name = QualifiedName::from_ast(name, &self.database)?;
        let catalog = self.catalog()?;
        match catalog.table(&name, self.settings.search_path()) {
            Ok(table) => columns.iter().try_for_each(|column| {
                let column = fold_identifier(column);
                if table.column(&column).is_some() {
                    return Ok(());
                }
                Err(SqlError::new(
                    state::UNDEFINED_COLUMN,
                    format!(
                        "column \"{column}\" of relation \"{}\" does not exist",
                        table.name
                    ),
                ))
            }),
            Err(error) if error.sqlstate() == state::UNDEFINED_TABLE => Err(error),
            // PostgreSQL passes by what is no table.
            Err(_) => Ok(()),
        }
    }

    fn check_index(&self, name: &ObjectName) -> Result<(), SqlError> {
        let name = QualifiedName::from_ast(name, &self.database)?;
        let catalog = self.catalog()?;
        match catalog.find_relation(&name, self.settings.search_path()) {
            Some(RelationEntry::Index(_)) => Ok(()),
            Some(_) => Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not an index", name.name),
            )),
            None => Err(SqlError::new(
                state::UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist"),
            )),
        }
    }
}
