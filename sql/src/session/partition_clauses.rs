//! Clauses of partitioned tables that sqlparser's grammar lacks.
//!
//! Columns of a partition say no type: they get one that stands for the parent's.
//! Operator classes of a partition key are left out when they are the usual ones.

use super::dialect::Postgres;
use sqlparser::ast::{ForValues, ObjectName, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::parse::{RECURSION_LIMIT, is_meaningful, is_word};
use crate::error::{SqlError, state};

/// The type of a column that is its parent's.
pub(crate) const SAME_TYPE: &str = "\u{1f}same";

/// Operator classes that say what there is without them.
const USUAL_CLASSES: [&str; 20] = [
    "bool_ops",
    "int2_ops",
    "int4_ops",
    "int8_ops",
    "oid_ops",
    "float4_ops",
    "float8_ops",
    "numeric_ops",
    "text_ops",
    "varchar_ops",
    "name_ops",
    "bytea_ops",
    "date_ops",
    "time_ops",
    "timestamp_ops",
    "timestamptz_ops",
    "interval_ops",
    "uuid_ops",
    "jsonb_ops",
    "array_ops",
];

/// ALTER TABLE that attaches, detaches or inherits.
#[derive(Debug, Clone)]
pub(crate) struct AlterFamily {
    pub(super) table: ObjectName,
    pub(super) if_exists: bool,
    pub(super) change: FamilyChange,
}

/// What it does.
#[derive(Debug, Clone)]
pub(crate) enum FamilyChange {
    /// ATTACH PARTITION.
    Attach(ObjectName, ForValues),
    /// DETACH PARTITION, CONCURRENTLY or not.
    Detach(ObjectName, bool),
    /// INHERIT.
    Inherit(ObjectName),
    /// NO INHERIT.
    NoInherit(ObjectName),
}

fn word_is(token: Option<&TokenWithSpan>, text: &str) -> bool {
    matches!(token.map(|t| &t.token), Some(Token::Word(word))
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
}

/// Writes the clauses of CREATE TABLE as sqlparser reads them.
///
/// # Errors
/// 0A000 for operator classes that change something.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) -> Result<(), SqlError> {
    let first = tokens.iter().find(|t| is_meaningful(t));
    let creates = first.is_some_and(|t| is_word(t, Keyword::CREATE));
    if !creates || !tokens.iter().any(|t| is_word(t, Keyword::PARTITION)) {
        return Ok(());
    }
    let read: Vec<TokenWithSpan> = tokens
        .iter()
        .filter(|t| is_meaningful(t))
        .cloned()
        .collect();
    let mut out = Vec::with_capacity(read.len() + 8);
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(token) = read.get(at) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let begins = depth == 0 && word_is(Some(token), "partition");
        let length = match () {
            () if begins && word_is(read.get(at + 1), "of") => columns(&read, at, &mut out),
            () if begins && word_is(read.get(at + 1), "by") => keys(&read, at, &mut out)?,
            () => None,
        };
        match length {
            Some(end) => at = end,
            None => {
                out.push(token.clone());
                at += 1;
            }
        }
    }
    *tokens = out;
    Ok(())
}

/// The place after the parenthesis that closes the one at `open`.
fn after_parentheses(tokens: &[TokenWithSpan], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The elements of the list in parentheses from `open` to `end`.
fn elements(tokens: &[TokenWithSpan], open: usize, end: usize) -> Vec<Vec<TokenWithSpan>> {
    let mut found = vec![Vec::new()];
    let mut depth = 0_usize;
    let inside = tokens.iter().take(end.saturating_sub(1)).skip(open + 1);
    for token in inside {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                found.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = found.last_mut() {
            last.push(token.clone());
        }
    }
    found
}

fn put_list(out: &mut Vec<TokenWithSpan>, list: Vec<Vec<TokenWithSpan>>) {
    out.push(TokenWithSpan::wrap(Token::LParen));
    for (number, element) in list.into_iter().enumerate() {
        if number > 0 {
            out.push(TokenWithSpan::wrap(Token::Comma));
        }
        out.extend(element);
    }
    out.push(TokenWithSpan::wrap(Token::RParen));
}

/// `PARTITION OF name (…)`: gives the columns of the list a type.
fn columns(tokens: &[TokenWithSpan], at: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let mut open = at + 3;
    while tokens.get(open)?.token == Token::Period {
        open += 2;
    }
    if tokens.get(open)?.token != Token::LParen {
        return None;
    }
    let end = after_parentheses(tokens, open);
    out.extend(tokens.iter().take(open).skip(at).cloned());
    let constraints = [
        "constraint",
        "check",
        "primary",
        "unique",
        "foreign",
        "exclude",
    ];
    let mut list = elements(tokens, open, end);
    for element in &mut list {
        let first = element.first();
        if first.is_none() || constraints.iter().any(|word| word_is(first, word)) {
            continue;
        }
        if word_is(element.get(1), "with") && word_is(element.get(2), "options") {
            element.drain(1..3);
        }
        let same = Token::Word(Word {
            value: SAME_TYPE.to_owned(),
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        });
        element.insert(1, TokenWithSpan::wrap(same));
    }
    put_list(out, list);
    Some(end)
}

/// `PARTITION BY strategy (…)`: leaves operator classes out.
fn keys(
    tokens: &[TokenWithSpan],
    at: usize,
    out: &mut Vec<TokenWithSpan>,
) -> Result<Option<usize>, SqlError> {
    let strategy = tokens.get(at + 2);
    let open = at + 3;
    if tokens.get(open).map(|t| &t.token) != Some(&Token::LParen) {
        return Ok(None);
    }
    if let Some(Token::Word(word)) = strategy.map(|t| &t.token)
        && !["list", "range", "hash"]
            .iter()
            .any(|known| word.value.eq_ignore_ascii_case(known))
    {
        return Err(SqlError::new(
            state::INVALID_OBJECT_DEFINITION,
            format!(
                "unrecognized partitioning strategy \"{}\"",
                word.value.to_lowercase()
            ),
        ));
    }
    let end = after_parentheses(tokens, open);
    out.extend(tokens.iter().take(open).skip(at).cloned());
    let mut list = elements(tokens, open, end);
    for element in &mut list {
        let [.., before, last] = element.as_slice() else {
            continue;
        };
        let ends = matches!(before.token, Token::Word(_) | Token::RParen)
            && !word_is(Some(before), "collate");
        let Token::Word(class) = &last.token else {
            continue;
        };
        if !ends {
            continue;
        }
        let class = class.value.to_lowercase();
        if !USUAL_CLASSES.contains(&class.as_str()) {
            return Err(SqlError::unsupported(format!("the operator class {class}")));
        }
        element.pop();
    }
    put_list(out, list);
    Ok(Some(end))
}

/// Reads ALTER TABLE … ATTACH, DETACH, INHERIT and NO INHERIT; nothing for any other
/// statement.
///
/// # Errors
/// 42601.
pub(super) fn alter(tokens: &[TokenWithSpan]) -> Result<Option<AlterFamily>, SqlError> {
    let words: Vec<TokenWithSpan> = tokens
        .iter()
        .filter(|t| is_meaningful(t))
        .cloned()
        .collect();
    if !words.first().is_some_and(|t| is_word(t, Keyword::ALTER)) {
        return Ok(None);
    }
    let dialect = Postgres;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(words);
    if !parser.parse_keywords(&[Keyword::ALTER, Keyword::TABLE]) {
        return Ok(None);
    }
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let _ = parser.parse_keyword(Keyword::ONLY);
    let Ok(table) = parser.parse_object_name(false) else {
        return Ok(None);
    };
    let Some(change) = change(&mut parser) else {
        return Ok(None);
    };
    let alter = AlterFamily {
        table,
        if_exists,
        change: change?,
    };
    if parser.peek_token().token != Token::EOF {
        let token = parser.peek_token().token;
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("syntax error at or near \"{token}\""),
        ));
    }
    Ok(Some(alter))
}

/// The next word, if it is this one; it is then read.
fn word(parser: &mut Parser<'_>, text: &str) -> bool {
    let is = word_is(Some(&parser.peek_token()), text);
    if is {
        parser.next_token();
    }
    is
}

fn change(parser: &mut Parser<'_>) -> Option<Result<FamilyChange, SqlError>> {
    let syntax =
        |e: sqlparser::parser::ParserError| SqlError::new(state::SYNTAX_ERROR, e.to_string());
    let name = |parser: &mut Parser<'_>| parser.parse_object_name(false).map_err(syntax);
    if word(parser, "attach") {
        if !word(parser, "partition") {
            return None;
        }
        return Some(name(parser).and_then(|name| Ok(FamilyChange::Attach(name, bound(parser)?))));
    }
    if word(parser, "detach") {
        if !word(parser, "partition") {
            return None;
        }
        return Some(name(parser).map(|name| {
            let concurrently = word(parser, "concurrently") || word(parser, "finalize");
            FamilyChange::Detach(name, concurrently)
        }));
    }
    if word(parser, "inherit") {
        return Some(name(parser).map(FamilyChange::Inherit));
    }
    if word(parser, "no") && word(parser, "inherit") {
        return Some(name(parser).map(FamilyChange::NoInherit));
    }
    None
}

/// The bound that follows: what sqlparser reads in CREATE TABLE.
fn bound(parser: &mut Parser<'_>) -> Result<ForValues, SqlError> {
    let dialect = Postgres;
    let mut tokens = Vec::new();
    for text in ["CREATE", "TABLE", "x", "PARTITION", "OF", "y"] {
        tokens.push(TokenWithSpan::wrap(Token::make_keyword(text)));
    }
    while parser.peek_token().token != Token::EOF {
        tokens.push(parser.next_token());
    }
    let statement = Parser::new(&dialect)
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(tokens)
        .parse_statement();
    match statement {
        Ok(Statement::CreateTable(create)) => create
            .for_values
            .ok_or_else(|| SqlError::new(state::SYNTAX_ERROR, "syntax error at end of input")),
        Ok(_) => Err(SqlError::internal("a bound that is none")),
        Err(error) => Err(SqlError::new(state::SYNTAX_ERROR, error.to_string())),
    }
}
