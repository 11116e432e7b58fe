//! From a query string to statements.
//!
//! sqlparser does the work. Before it, the string is cut at semicolons by its
//! tokenizer, so that each statement keeps its own text and position, and the
//! few commands that its grammar lacks are recognised by their first word.

use std::sync::Arc;

use sqlparser::ast::{Expr, Ident, ObjectName, Query, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use super::adapt::adapt_constraints;
use super::alter::timing::{self, ConstraintTiming};
use super::authorization::{self, Authorization};
use super::cursors::{self, CursorCommand};
use super::dialect::Postgres;
use super::maintenance::{self, Maintenance};
use super::notify::{self, ChannelCommand};
use super::objects::{self, ObjectCommand};
use super::partition_clauses::AlterFamily;
use super::plain;
use super::select_tokens;
use super::set::{self, SetParameter};
use super::syntax_error::{byte_offset, left_over, position_of, syntax_error};
use super::unsupported::{Absent, absent, unsupported};
use crate::error::{SqlError, state};
use crate::exec::given::{note_overriding, take_overriding};

/// How deep expressions may nest.
pub(super) const RECURSION_LIMIT: usize = 200;

/// One statement of a query string.
#[derive(Debug, Clone)]
pub struct ParsedStatement {
    /// What it says.
    pub(crate) command: Command,
    /// Its text, without the semicolon.
    pub(crate) text: String,
    /// The whole query string that it came in.
    pub(crate) source: Arc<str>,
}

/// A statement, or a command that sqlparser has no grammar for.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Anything that sqlparser reads.
    Sql(Box<Statement>),
    /// VACUUM, ANALYZE or REINDEX.
    Maintenance(Box<Maintenance>),
    /// BEGIN or SET TRANSACTION with [NOT] DEFERRABLE.
    Deferrable(Box<Statement>, bool),
    /// ABORT: another word for ROLLBACK.
    Abort,
    /// SET or RESET of a parameter.
    Set(SetParameter),
    /// LISTEN, UNLISTEN or NOTIFY.
    Channel(ChannelCommand),
    /// A command about cursors.
    Cursor(Box<CursorCommand>),
    /// UPDATE or DELETE of the row that a cursor stands on.
    CurrentOf(Box<Statement>, String),
    /// A command about a view, a sequence and the like.
    Object(Box<ObjectCommand>),
    /// SET CONSTRAINTS; whether they are deferred.
    SetConstraints(ConstraintNames, bool),
    /// ALTER TABLE … SET SCHEMA: the table, IF EXISTS, the schema.
    SetTableSchema(ObjectName, bool, Ident),
    /// ALTER TABLE that attaches, detaches or inherits.
    AlterFamily(Box<AlterFamily>),
    /// SET ROLE, SET SESSION AUTHORIZATION.
    Authorization(Authorization),
    /// ALTER TABLE … ALTER CONSTRAINT.
    AlterConstraint(ConstraintTiming),
    /// DROP of an object of which there are none.
    Absent(Absent),
    /// A command of PostgreSQL's that is not there yet.
    Unsupported(String),
}

/// Whose checks SET CONSTRAINTS is about.
#[derive(Debug, Clone)]
pub(crate) enum ConstraintNames {
    /// ALL.
    All,
    /// A list of names.
    These(Vec<ObjectName>),
}

/// Cuts a query string into statements; an empty string gives none.
///
/// # Errors
/// 42601 with the position of the first token that does not fit.
pub fn parse(sql: &str) -> Result<Vec<ParsedStatement>, SqlError> {
    let dialect = Postgres;
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|e| {
            SqlError::new(state::SYNTAX_ERROR, e.message.clone())
                .position(position_of(sql, e.location))
        })?;
    let source: Arc<str> = Arc::from(sql);
    split_statements(&tokens)
        .into_iter()
        .filter(|t| t.iter().any(is_meaningful))
        .map(|t| parse_one(&source, t))
        .collect()
}

/// Cuts tokens at semicolons, but not between BEGIN ATOMIC and its END.
fn split_statements(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut statements = Vec::new();
    let (mut start, mut depth) = (0, 0usize);
    let mut before: Option<&TokenWithSpan> = None;
    for (at, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::SemiColon if depth == 0 => {
                statements.extend(tokens.get(start..at));
                start = at + 1;
                before = None;
                continue;
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let atomic = word.value.eq_ignore_ascii_case("atomic")
                    && before.is_some_and(|t| is_word(t, Keyword::BEGIN));
                if atomic || (depth > 0 && word.keyword == Keyword::CASE) {
                    depth += 1;
                } else if depth > 0 && word.keyword == Keyword::END {
                    depth -= 1;
                }
            }
            _ => {}
        }
        if is_meaningful(token) {
            before = Some(token);
        }
    }
    statements.extend(tokens.get(start..));
    statements
}

pub(super) fn is_meaningful(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

pub(super) fn is_word(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}

/// A string literal goes on in the next one when a line ends between them.
pub(super) fn join_strings(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // Where the last token that means something is, and whether its line has ended.
    let mut last: Option<(usize, bool)> = None;
    for token in tokens {
        match (&token.token, last) {
            (Token::Whitespace(space), Some((index, ended))) => {
                let ends = matches!(
                    space,
                    Whitespace::Newline | Whitespace::SingleLineComment { .. }
                );
                last = Some((index, ended || ends));
            }
            (Token::SingleQuotedString(more), Some((index, true))) => {
                if let Some(TokenWithSpan {
                    token: Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text),
                    ..
                }) = joined.get_mut(index)
                {
                    text.push_str(more);
                    last = Some((index, false));
                    continue;
                }
                last = Some((joined.len(), false));
            }
            (Token::Whitespace(_), None) => {}
            _ => last = Some((joined.len(), false)),
        }
        joined.push(token.clone());
    }
    joined
}

pub(super) fn parse_one(
    sql: &Arc<str>,
    tokens: &[TokenWithSpan],
) -> Result<ParsedStatement, SqlError> {
    super::depth::check(tokens)?;
    Ok(ParsedStatement {
        command: command_of(sql, tokens)?,
        text: text_of(sql, tokens),
        source: sql.clone(),
    })
}

fn command_of(sql: &str, tokens: &[TokenWithSpan]) -> Result<Command, SqlError> {
    if let Some(command) = plain::parse(sql, tokens)? {
        return Ok(command);
    }
    if let Some(command) = special_command(tokens) {
        return Ok(command);
    }
    if let Some(command) = maintenance::parse(sql, tokens)? {
        return Ok(Command::Maintenance(Box::new(command)));
    }
    if let Some(absent) = absent(tokens) {
        return Ok(Command::Absent(absent));
    }
    if let Some(role) = authorization::parse(tokens) {
        return Ok(Command::Authorization(role));
    }
    if let Some(timing) = timing::parse(tokens)? {
        return Ok(Command::AlterConstraint(timing));
    }
    if let Some(command) = cursors::parse(sql, tokens)? {
        return Ok(Command::Cursor(Box::new(command)));
    }
    if let Some(set) = set::parse(&join_strings(tokens)) {
        return Ok(Command::Set(set));
    }
    if let Some(command) = notify::parse(sql, tokens)? {
        return Ok(Command::Channel(command));
    }
    if let Some(alter) = super::partition_clauses::alter(tokens)? {
        return Ok(Command::AlterFamily(Box::new(alter)));
    }
    if let Some(command) = objects::parse(sql, tokens)? {
        return Ok(Command::Object(Box::new(command)));
    }
    match set_constraints(tokens).or_else(|| set_table_schema(tokens)) {
        Some(command) => Ok(command),
        None => parse_sql(sql, tokens),
    }
}

/// Reads a statement that sqlparser has a grammar for, or nearly.
pub(super) fn parse_sql(sql: &str, tokens: &[TokenWithSpan]) -> Result<Command, SqlError> {
    let dialect = Postgres;
    let mut tokens_of_statement = join_strings(tokens);
    let first_word = tokens.iter().find(|t| is_meaningful(t));
    if first_word.is_some_and(|t| is_word(t, Keyword::COPY)) {
        super::copy_tokens::adapt(&mut tokens_of_statement)?;
    }
    super::parse_like::adapt(&mut tokens_of_statement);
    let only = super::only::adapt(&mut tokens_of_statement);
    super::partition_clauses::adapt(&mut tokens_of_statement)?;
    super::parse_alter_column::adapt(&mut tokens_of_statement);
    if first_word.is_some_and(|t| is_word(t, Keyword::CREATE) || is_word(t, Keyword::ALTER)) {
        super::parse_identity::adapt(&mut tokens_of_statement);
    }
    adapt_constraints(&mut tokens_of_statement)?;
    super::parse_element::join_elements(&mut tokens_of_statement);
    select_tokens::adapt(&mut tokens_of_statement);
    super::parse_conflict::adapt(&mut tokens_of_statement);
    if tokens.iter().any(|t| is_word(t, Keyword::MERGE)) {
        super::parse_merge::adapt(&mut tokens_of_statement);
    }
    let unlogged = take_unlogged(&mut tokens_of_statement);
    let overriding = take_overriding(&mut tokens_of_statement);
    super::lock_clause::encode(&mut tokens_of_statement);
    let deferrable = super::deferrable::take(&mut tokens_of_statement);
    let cursor = cursors::take_current_of(&mut tokens_of_statement);
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(tokens_of_statement);
    let mut statement = parser
        .parse_statement()
        .map_err(|e| syntax_error(sql, tokens, e))?;
    if let (Statement::CreateTable(create), true) = (&mut statement, unlogged) {
        let schema = create.name.0.first().and_then(|part| part.as_ident());
        if create.name.0.len() > 1
            && schema.is_some_and(|s| s.value.eq_ignore_ascii_case("pg_temp"))
        {
            return Err(SqlError::new(
                state::INVALID_TABLE_DEFINITION,
                "only temporary relations may be created in temporary schemas",
            ));
        }
        // Where the parser keeps a word of another system.
        create.volatile = true;
    }
    if only {
        super::only::settle(&mut statement);
    }
    if let Some(create) = objects::select_into(&mut statement) {
        let rest = parser.peek_token();
        if rest.token != Token::EOF {
            return Err(left_over(sql, tokens, &rest));
        }
        let command = ObjectCommand::CreateTableAs(create);
        return Ok(Command::Object(Box::new(command)));
    }
    if let Some(whose) = overriding {
        note_overriding(&mut statement, whose);
    }
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(left_over(sql, tokens, &rest));
    }
    super::parse_element::whole_arrays(&mut statement)?;
    let statement = Box::new(statement);
    Ok(match (deferrable, cursor) {
        (Some(deferrable), _) => Command::Deferrable(statement, deferrable),
        (None, Some(cursor)) => Command::CurrentOf(statement, cursor),
        (None, None) => Command::Sql(statement),
    })
}

/// A token as SQL text that reads back as the same token.
pub(super) fn token_text(token: &Token) -> String {
    match token {
        Token::SingleQuotedString(text) => format!("'{}'", text.replace('\'', "''")),
        Token::Word(word) if word.quote_style.is_some() => {
            format!("\"{}\"", word.value.replace('"', "\"\""))
        }
        other => other.to_string(),
    }
}

/// Takes UNLOGGED out of a CREATE TABLE; whether it was there.
fn take_unlogged(tokens: &mut Vec<TokenWithSpan>) -> bool {
    let is = |at: usize, text: &str| {
        matches!(tokens.get(at).map(|t| &t.token), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
    };
    let places: Vec<usize> = (0..tokens.len())
        .filter(|at| tokens.get(*at).is_some_and(is_meaningful))
        .take(3)
        .collect();
    let [create, unlogged, table] = places.as_slice() else {
        return false;
    };
    let found = is(*create, "create") && is(*unlogged, "unlogged") && is(*table, "table");
    if found {
        tokens.remove(*unlogged);
    }
    found
}

/// `SET CONSTRAINTS { ALL | name, … } { DEFERRED | IMMEDIATE }`.
fn set_constraints(tokens: &[TokenWithSpan]) -> Option<Command> {
    let mut words = tokens.iter().filter(|t| is_meaningful(t));
    let is = |token: Option<&TokenWithSpan>, text: &str| {
        matches!(token.map(|t| &t.token), Some(Token::Word(w))
            if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
    };
    if !is(words.next(), "set") || !is(words.next(), "constraints") {
        return None;
    }
    let dialect = Postgres;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(words.cloned().collect());
    let names = if parser.parse_keyword(Keyword::ALL) {
        ConstraintNames::All
    } else {
        let names = parser.parse_comma_separated(|p| p.parse_object_name(false));
        ConstraintNames::These(names.ok()?)
    };
    let mode = parser.parse_one_of_keywords(&[Keyword::DEFERRED, Keyword::IMMEDIATE])?;
    let deferred = mode == Keyword::DEFERRED;
    (parser.peek_token().token == Token::EOF).then_some(Command::SetConstraints(names, deferred))
}

/// `ALTER TABLE [ IF EXISTS ] name SET SCHEMA schema`.
fn set_table_schema(tokens: &[TokenWithSpan]) -> Option<Command> {
    let words = tokens.iter().filter(|t| is_meaningful(t));
    if !words
        .clone()
        .next()
        .is_some_and(|t| is_word(t, Keyword::ALTER))
    {
        return None;
    }
    let dialect = Postgres;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(words.cloned().collect());
    if !parser.parse_keywords(&[Keyword::ALTER, Keyword::TABLE]) {
        return None;
    }
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let name = parser.parse_object_name(false).ok()?;
    if !parser.parse_keywords(&[Keyword::SET, Keyword::SCHEMA]) {
        return None;
    }
    let schema = parser.parse_identifier().ok()?;
    let end = parser.peek_token().token == Token::EOF;
    end.then_some(Command::SetTableSchema(name, if_exists, schema))
}

/// Parses one statement that we wrote ourselves.
pub(crate) fn parse_statement(sql: &str) -> Result<Statement, SqlError> {
    match parse(sql)?.pop().map(|s| s.command) {
        Some(Command::Sql(statement)) => Ok(*statement),
        _ => Err(SqlError::internal(format!("no statement: {sql}"))),
    }
}

/// Parses the statements of a function.
///
/// # Errors
/// 42601; 0A000 for statements that functions cannot have.
pub(crate) fn parse_statements(sql: &str) -> Result<Vec<Statement>, SqlError> {
    let statements = parse(sql)?.into_iter();
    let statement = |parsed: ParsedStatement| match parsed.command {
        Command::Sql(statement) => match *statement {
            Statement::Query(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_) => Ok(*statement),
            _ => Err(SqlError::unsupported(format!(
                "in a function: {}",
                parsed.text
            ))),
        },
        _ => Err(SqlError::unsupported(format!(
            "in a function: {}",
            parsed.text
        ))),
    };
    statements.map(statement).collect()
}

/// Parses a stored query.
///
/// # Errors
/// XX001 when it is none.
pub(crate) fn parse_query(sql: &str) -> Result<Query, SqlError> {
    match parse_statement(sql) {
        Ok(Statement::Query(query)) => Ok(*query),
        _ => Err(SqlError::corrupted(format!("no query: {sql}"))),
    }
}

/// Parses a stored expression, such as a column's default.
pub(crate) fn parse_expression(sql: &str) -> Result<Expr, SqlError> {
    let dialect = Postgres;
    Parser::new(&dialect)
        .with_recursion_limit(RECURSION_LIMIT)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|e| SqlError::new(state::SYNTAX_ERROR, e.to_string()))
}

/// Commands known by their first words.
fn special_command(tokens: &[TokenWithSpan]) -> Option<Command> {
    let mut words = tokens.iter().filter_map(|t| match &t.token {
        Token::Word(w) if w.quote_style.is_none() => Some(w),
        _ => None,
    });
    let first = words.next()?;
    let name = first.value.to_ascii_uppercase();
    match name.as_str() {
        "ABORT" => Some(Command::Abort),
        _ => unsupported(tokens).map(Command::Unsupported),
    }
}

/// The statement's own text: from its first to its last meaningful token.
fn text_of(sql: &str, tokens: &[TokenWithSpan]) -> String {
    let mut meaningful = tokens.iter().filter(|t| is_meaningful(t));
    let Some(first) = meaningful.next() else {
        return String::new();
    };
    let last = meaningful.next_back().unwrap_or(first);
    let start = byte_offset(sql, first.span.start);
    let end = byte_offset(sql, last.span.end);
    sql.get(start..end).unwrap_or(sql).to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn statements_keep_their_text() {
        let statements = parse("select 1; -- nothing\n ;  insert into t values ('a;b')").unwrap();
        let texts: Vec<_> = statements.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(texts, ["select 1", "insert into t values ('a;b')"]);
    }

    #[test]
    fn errors_carry_the_place() {
        let error = parse("select 1;\nselect * frm t").unwrap_err();
        assert_eq!(error.sqlstate(), "42601");
        assert_eq!(error.message(), "syntax error at or near \"t\"");
        assert_eq!(error.get_position(), Some(24));
    }

    #[test]
    fn nothing_is_no_statement() {
        assert!(parse(" -- only a comment\n;").unwrap().is_empty());
    }

    #[test]
    fn strings_go_on_in_the_next_line() {
        let text = |sql: &str| match &parse(sql).unwrap()[0].command {
            Command::Sql(statement) => statement.to_string(),
            _ => panic!("not SQL"),
        };
        assert_eq!(text("SELECT 'a' \n -- b\n 'c'\n'd'"), "SELECT 'acd'");
        assert_eq!(text("SELECT 'a', 'b'\n, 'c'"), "SELECT 'a', 'b', 'c'");
        assert_eq!(text("SELECT f('a'\n'b') = 'c'"), "SELECT f('ab') = 'c'");
        assert!(parse("SELECT 1 WHERE 'a' 'b' = 'ab'").is_err());
    }

    #[test]
    fn maintenance_and_abort_are_known() {
        let maintenance = |sql| matches!(parse(sql).unwrap()[0].command, Command::Maintenance(_));
        assert!(
            maintenance("vacuum analyze t") && maintenance("VACUUM (FULL, ANALYZE true) t (a)")
        );
        assert!(maintenance("reindex table concurrently t") && maintenance("ANALYZE a, b.c"));
        assert!(parse("REINDEX t").is_err() && parse("VACUUM t u").is_err());
        assert!(matches!(parse("ABORT").unwrap()[0].command, Command::Abort));
    }
}
