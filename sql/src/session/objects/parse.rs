//! The grammar of commands about objects.

mod column;
mod comment;
mod create_as;
mod function;
mod materialized;
mod schema;
mod sequence;
mod user_type;

use sqlparser::ast::{Ident, ObjectName, SetExpr};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{IsOptional, Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::super::dialect::Postgres;
use super::super::parse::{RECURSION_LIMIT, is_meaningful, is_word, join_strings};
use super::super::syntax_error::{byte_offset, near, syntax_error};
use super::{CreateView, ObjectCommand, ViewChange};
use crate::catalog::CheckOption;
use crate::error::{SqlError, state};

pub(in super::super) use column::{ColumnChange, column_change};

/// Reads a command about an object; `None` for any other statement.
///
/// # Errors
/// 42601.
pub(in super::super) fn parse(
    sql: &str,
    tokens: &[TokenWithSpan],
) -> Result<Option<ObjectCommand>, SqlError> {
    let first = tokens.iter().find(|t| is_meaningful(t));
    let reads: fn(&mut Reader<'_>) -> Result<Option<ObjectCommand>, Fault> = match first {
        Some(word) if is_word(word, Keyword::COMMENT) => comment::comment,
        Some(word) if is_named(word, "refresh") => materialized::refresh,
        Some(word) if is_word(word, Keyword::CREATE) => create,
        Some(word) if is_word(word, Keyword::ALTER) => alter,
        Some(word) if is_word(word, Keyword::DROP) => user_type::drop,
        _ => return Ok(None),
    };
    let mut reader = Reader::new(sql, tokens);
    if reader.words(&[Keyword::CREATE, Keyword::SCHEMA]) {
        let created = schema::create(&mut reader, sql, tokens);
        let created = created.map_err(|fault| fault.error(sql, tokens))?;
        let rest = reader.parser.peek_token();
        return match rest.token {
            Token::EOF => Ok(Some(created)),
            _ => Err(near(sql, &rest)),
        };
    }
    if reader.words(&[Keyword::ALTER, Keyword::MATERIALIZED, Keyword::VIEW]) {
        let altered = materialized::alter(&mut reader, sql, tokens);
        return altered.map(Some).map_err(|fault| fault.error(sql, tokens));
    }
    let command = reads(&mut reader).map_err(|fault| fault.error(sql, tokens))?;
    if command.is_some() {
        if reader.check.is_some() || reader.with_data.is_some() {
            let what = "syntax error at or near \"WITH\"";
            return Err(SqlError::new(state::SYNTAX_ERROR, what));
        }
        let rest = reader.parser.peek_token();
        if rest.token != Token::EOF {
            return Err(near(sql, &rest));
        }
    }
    Ok(command)
}

/// Whether a token is this word, which the parser may not know.
fn is_named(token: &TokenWithSpan, text: &str) -> bool {
    matches!(&token.token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
}

/// What keeps a command from being read.
enum Fault {
    Syntax(ParserError),
    Other(SqlError),
}

impl Fault {
    fn error(self, sql: &str, tokens: &[TokenWithSpan]) -> SqlError {
        match self {
            Self::Syntax(error) => syntax_error(sql, tokens, error),
            Self::Other(error) => error,
        }
    }
}

impl From<ParserError> for Fault {
    fn from(error: ParserError) -> Self {
        Self::Syntax(error)
    }
}

impl From<SqlError> for Fault {
    fn from(error: SqlError) -> Self {
        Self::Other(error)
    }
}

/// A statement being read.
struct Reader<'a> {
    sql: &'a str,
    parser: Parser<'a>,
    /// What stands at the end of a CREATE VIEW.
    check: Option<CheckOption>,
    /// What WITH DATA or WITH NO DATA says, until it is taken.
    with_data: Option<bool>,
}

impl<'a> Reader<'a> {
    fn new(sql: &'a str, tokens: &[TokenWithSpan]) -> Self {
        let mut tokens = join_strings(tokens);
        super::super::only::adapt(&mut tokens);
        let check = take_check_option(&mut tokens);
        let with_data = take_with_data(&mut tokens);
        super::super::select_tokens::adapt(&mut tokens);
        let parser = Parser::new(&Postgres)
            .with_recursion_limit(RECURSION_LIMIT)
            .with_tokens_with_locations(tokens);
        Self {
            sql,
            parser,
            check,
            with_data,
        }
    }

    /// Whether these words come next; they are then read.
    fn words(&mut self, words: &[Keyword]) -> bool {
        self.parser.parse_keywords(words)
    }

    fn name(&mut self) -> Result<ObjectName, Fault> {
        Ok(self.parser.parse_object_name(false)?)
    }

    fn ident(&mut self) -> Result<Ident, Fault> {
        Ok(self.parser.parse_identifier()?)
    }

    /// Whether a query's rows are wanted: not with WITH NO DATA.
    fn take_with_data(&mut self) -> bool {
        self.with_data.take().unwrap_or(true)
    }

    /// The error for a token that does not fit.
    fn unexpected(&self) -> Fault {
        near(self.sql, &self.parser.peek_token()).into()
    }

    /// Where the next token begins.
    fn offset(&self) -> usize {
        byte_offset(self.sql, self.parser.peek_token().span.start)
    }

    /// Where the last token ended.
    fn end(&self) -> usize {
        byte_offset(self.sql, self.parser.get_current_token().span.end)
    }
}

/// Where the tokens are that are more than white space.
fn meaningful_places(tokens: &[TokenWithSpan]) -> Vec<usize> {
    (0..tokens.len())
        .filter(|i| tokens.get(*i).is_some_and(is_meaningful))
        .collect()
}

/// The place of the `n`th token that means something, counted from the end from 1.
fn place_from_end(places: &[usize], n: usize) -> Option<usize> {
    places.get(places.len().checked_sub(n)?).copied()
}

/// Whether that token is `keyword`.
fn word_from_end(tokens: &[TokenWithSpan], places: &[usize], n: usize, keyword: Keyword) -> bool {
    place_from_end(places, n)
        .and_then(|i| tokens.get(i))
        .is_some_and(|token| is_word(token, keyword))
}

/// Cuts `WITH [CASCADED | LOCAL] CHECK OPTION` off the end.
fn take_check_option(tokens: &mut Vec<TokenWithSpan>) -> Option<CheckOption> {
    let places = meaningful_places(tokens);
    let word = |n, keyword| word_from_end(tokens, &places, n, keyword);
    if !(word(1, Keyword::OPTION) && word(2, Keyword::CHECK)) {
        return None;
    }
    let (check, length) = if word(3, Keyword::WITH) {
        (CheckOption::Cascaded, 3)
    } else if word(3, Keyword::CASCADED) && word(4, Keyword::WITH) {
        (CheckOption::Cascaded, 4)
    } else if word(3, Keyword::LOCAL) && word(4, Keyword::WITH) {
        (CheckOption::Local, 4)
    } else {
        return None;
    };
    let cut = place_from_end(&places, length)?;
    tokens.truncate(cut);
    Some(check)
}

/// Cuts `WITH [NO] DATA` off the end.
fn take_with_data(tokens: &mut Vec<TokenWithSpan>) -> Option<bool> {
    let places = meaningful_places(tokens);
    let word = |n, keyword| word_from_end(tokens, &places, n, keyword);
    if !word(1, Keyword::DATA) {
        return None;
    }
    let (data, length) = if word(2, Keyword::WITH) {
        (true, 2)
    } else if word(2, Keyword::NO) && word(3, Keyword::WITH) {
        (false, 3)
    } else {
        return None;
    };
    let cut = place_from_end(&places, length)?;
    tokens.truncate(cut);
    Some(data)
}

fn create(r: &mut Reader<'_>) -> Result<Option<ObjectCommand>, Fault> {
    r.words(&[Keyword::CREATE]);
    let or_replace = r.words(&[Keyword::OR, Keyword::REPLACE]);
    let _ = r.words(&[Keyword::LOCAL]) || r.words(&[Keyword::GLOBAL]);
    let temporary = r.words(&[Keyword::TEMP]) || r.words(&[Keyword::TEMPORARY]);
    let recursive = r.words(&[Keyword::RECURSIVE]);
    if r.words(&[Keyword::VIEW]) {
        return create_view(r, or_replace, temporary, recursive).map(Some);
    }
    if r.words(&[Keyword::MATERIALIZED, Keyword::VIEW]) {
        return materialized::create(r).map(Some);
    }
    if r.words(&[Keyword::TABLE]) {
        return create_as::create(r, temporary);
    }
    if r.words(&[Keyword::SEQUENCE]) {
        return sequence::create(r, temporary).map(Some);
    }
    if r.words(&[Keyword::PROCEDURE]) {
        return Err(SqlError::unsupported("CREATE PROCEDURE").into());
    }
    if r.words(&[Keyword::FUNCTION]) {
        return function::create(r, or_replace).map(Some);
    }
    if r.words(&[Keyword::TYPE]) {
        return user_type::create(r).map(Some);
    }
    if r.words(&[Keyword::DOMAIN]) {
        return user_type::create_domain(r).map(Some);
    }
    Ok(None)
}

fn create_view(
    r: &mut Reader<'_>,
    or_replace: bool,
    temporary: bool,
    recursive: bool,
) -> Result<ObjectCommand, Fault> {
    let name = r.name()?;
    let optional = if recursive {
        IsOptional::Mandatory
    } else {
        IsOptional::Optional
    };
    let columns = r.parser.parse_parenthesized_column_list(optional, false)?;
    let options = r.parser.parse_options(Keyword::WITH)?;
    let mut check = view_options(&options)?;
    r.parser.expect_keyword_is(Keyword::AS)?;
    let start = r.offset();
    let mut query = r.parser.parse_query()?;
    super::super::only::settle(&mut query);
    let mut text = r.sql.get(start..r.end()).unwrap_or_default().to_owned();
    if let Some(written) = r.check.take() {
        check = Some(written);
    }
    if let SetExpr::Select(select) = query.body.as_ref()
        && select.into.is_some()
    {
        return Err(
            SqlError::new(state::SYNTAX_ERROR, "views must not contain SELECT INTO").into(),
        );
    }
    if recursive {
        let last = name.0.last().map(ToString::to_string).unwrap_or_default();
        let list = columns
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        text = format!("WITH RECURSIVE {last} ({list}) AS ({text}) SELECT {list} FROM {last}");
        query = Box::new(crate::session::parse_query(&text)?);
    }
    Ok(ObjectCommand::CreateView(CreateView {
        or_replace,
        temporary,
        name,
        columns,
        query,
        text,
        check,
    }))
}

/// `check_option` is the other way to write WITH CHECK OPTION.
fn view_options(options: &[sqlparser::ast::SqlOption]) -> Result<Option<CheckOption>, Fault> {
    let mut check = None;
    for option in options {
        let text = option
            .to_string()
            .to_ascii_lowercase()
            .replace(['\'', ' '], "");
        match text.as_str() {
            "check_option=local" => check = Some(CheckOption::Local),
            "check_option=cascaded" => check = Some(CheckOption::Cascaded),
            // There are no functions here that could leak what a view hides.
            "security_barrier" | "security_barrier=true" | "security_barrier=false" => {}
            "security_invoker=false" => {}
            other => {
                return Err(SqlError::unsupported(format!("the view option {other}")).into());
            }
        }
    }
    Ok(check)
}

fn alter(r: &mut Reader<'_>) -> Result<Option<ObjectCommand>, Fault> {
    if r.words(&[Keyword::ALTER, Keyword::SEQUENCE]) {
        return sequence::alter(r).map(Some);
    }
    if r.words(&[Keyword::ALTER, Keyword::FUNCTION]) {
        return function::alter(r).map(Some);
    }
    if r.words(&[Keyword::ALTER, Keyword::TYPE]) {
        return user_type::alter(r, false).map(Some);
    }
    if r.words(&[Keyword::ALTER, Keyword::DOMAIN]) {
        return user_type::alter(r, true).map(Some);
    }
    if r.words(&[Keyword::ALTER, Keyword::SCHEMA]) {
        return schema::alter(r).map(Some);
    }
    if !r.words(&[Keyword::ALTER, Keyword::VIEW]) {
        return Ok(None);
    }
    let if_exists = r.words(&[Keyword::IF, Keyword::EXISTS]);
    let name = r.name()?;
    let change = if r.words(&[Keyword::RENAME, Keyword::TO]) {
        ViewChange::Rename(r.ident()?)
    } else if r.words(&[Keyword::RENAME]) {
        r.words(&[Keyword::COLUMN]);
        let from = r.ident()?;
        r.parser.expect_keyword_is(Keyword::TO)?;
        ViewChange::RenameColumn(from, r.ident()?)
    } else if r.words(&[Keyword::SET, Keyword::SCHEMA]) {
        ViewChange::SetSchema(r.ident()?)
    } else if r.words(&[Keyword::OWNER, Keyword::TO]) {
        ViewChange::Owner(r.ident()?)
    } else if r.words(&[Keyword::ALTER]) {
        r.words(&[Keyword::COLUMN]);
        let column = r.ident()?;
        if r.words(&[Keyword::DROP, Keyword::DEFAULT]) {
            ViewChange::Default(column, None)
        } else if r.words(&[Keyword::SET, Keyword::DEFAULT]) {
            ViewChange::Default(column, Some(Box::new(r.parser.parse_expr()?)))
        } else {
            return Err(r.unexpected());
        }
    } else {
        return Err(SqlError::unsupported("this kind of ALTER VIEW").into());
    };
    Ok(Some(ObjectCommand::AlterView {
        name,
        if_exists,
        change,
    }))
}
