//! Constraint syntax that sqlparser's grammar lacks, written as it has it.
//!
//! What a clause says is carried where sqlparser keeps something that PostgreSQL
//! does not have: names in the optional index name of a key, a mark in
//! `ENFORCED`.
//!
//! | PostgreSQL | as sqlparser reads it |
//! |---|---|
//! | `FOREIGN KEY (…) … ON DELETE SET NULL (a, b)` | `FOREIGN KEY "a␟b" (…) … ON DELETE SET NULL` |
//! | `UNIQUE (…) INCLUDE (a, b)` | `UNIQUE "a␟b" (…)` |
//! | `UNIQUE NULLS NOT DISTINCT` of a column | `UNIQUE ENFORCED` |
//! | `CHECK (…) NO INHERIT` | `CHECK (…) ENFORCED` |
//! | `NOT VALID` in CREATE TABLE | nothing: there are no rows |

use sqlparser::ast::Ident;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Stands between names that are carried as one.
const SEPARATOR: char = '\u{1f}';

/// The names in an identifier that carries several.
pub(crate) fn carried_names(carrier: &Ident) -> Vec<String> {
    carrier.value.split(SEPARATOR).map(str::to_owned).collect()
}

fn word(token: &TokenWithSpan) -> Option<&Word> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

fn is(token: Option<&TokenWithSpan>, text: &str) -> bool {
    token
        .and_then(word)
        .is_some_and(|w| w.value.eq_ignore_ascii_case(text))
}

/// Whether the tokens from `at` on are these words.
fn are(tokens: &[TokenWithSpan], at: usize, words: &[&str]) -> bool {
    words
        .iter()
        .enumerate()
        .all(|(i, text)| is(tokens.get(at + i), text))
}

fn is_token(tokens: &[TokenWithSpan], at: usize, token: &Token) -> bool {
    tokens.get(at).is_some_and(|t| t.token == *token)
}

/// The identifiers in the parentheses that begin at `at`, and where they end.
fn names_in_parentheses(tokens: &[TokenWithSpan], at: usize) -> Option<(Vec<String>, usize)> {
    if !is_token(tokens, at, &Token::LParen) {
        return None;
    }
    let mut names = Vec::new();
    let mut next = at + 1;
    loop {
        let Token::Word(word) = &tokens.get(next)?.token else {
            return None;
        };
        names.push(fold_identifier(
            &word.clone().into_ident(tokens.get(next)?.span),
        ));
        match tokens.get(next + 1)?.token {
            Token::Comma => next += 2,
            Token::RParen => return Some((names, next + 2)),
            _ => return None,
        }
    }
}

fn carrier(names: &[String], like: &TokenWithSpan) -> TokenWithSpan {
    let separator = SEPARATOR.to_string();
    TokenWithSpan::new(
        Token::Word(Word {
            value: names.join(&separator),
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        }),
        like.span,
    )
}

fn keyword(text: &str, like: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan::new(Token::make_keyword(text), like.span)
}

/// Whether what was read so far may be the end of a constraint: in an expression,
/// `NOT valid` follows something else.
fn ends_constraint(read: &[TokenWithSpan]) -> bool {
    let last = read.last();
    last.is_some_and(|t| t.token == Token::RParen)
        || [
            "enforced",
            "deferrable",
            "deferred",
            "immediate",
            "action",
            "null",
            "default",
            "cascade",
            "restrict",
            "full",
            "simple",
        ]
        .iter()
        .any(|text| is(last, text))
}

/// Whether a statement defines constraints, and whether it makes a new table.
fn kind(tokens: &[TokenWithSpan]) -> Option<bool> {
    let words: Vec<&str> = tokens
        .iter()
        .map_while(word)
        .map(|w| w.value.as_str())
        .take(5)
        .collect();
    let [first, rest @ ..] = words.as_slice() else {
        return None;
    };
    let table = rest.iter().any(|w| w.eq_ignore_ascii_case("table"));
    if table && first.eq_ignore_ascii_case("create") {
        return Some(true);
    }
    let alters = table && first.eq_ignore_ascii_case("alter");
    alters.then_some(false)
}

/// Writes the constraints of CREATE TABLE and ALTER TABLE as sqlparser reads
/// them.
///
/// # Errors
/// 0A000 for constraints that are not there.
pub(super) fn adapt_constraints(tokens: &mut Vec<TokenWithSpan>) -> Result<(), SqlError> {
    let meaningful: Vec<TokenWithSpan> = tokens
        .iter()
        .filter(|t| !matches!(t.token, Token::Whitespace(_)))
        .cloned()
        .collect();
    let Some(new_table) = kind(&meaningful) else {
        return Ok(());
    };
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(meaningful.len() + 2);
    // Where the column list of the last key begins in `out`.
    let mut key_columns = None;
    let mut at = 0;
    while let Some(token) = meaningful.get(at) {
        if are(&meaningful, at, &["set", "null"]) || are(&meaningful, at, &["set", "default"]) {
            out.extend(meaningful.iter().skip(at).take(2).cloned());
            if at > 1
                && are(&meaningful, at - 2, &["on", "delete"])
                && let Some((names, end)) = names_in_parentheses(&meaningful, at + 2)
            {
                let Some(place) = key_columns.take() else {
                    return Err(SqlError::unsupported(
                        "a column list of ON DELETE SET beside a column",
                    ));
                };
                out.insert(place, carrier(&names, token));
                at = end;
            } else {
                at += 2;
            }
            continue;
        }
        if are(&meaningful, at, &["foreign", "key"]) || are(&meaningful, at, &["primary", "key"]) {
            out.extend(meaningful.iter().skip(at).take(2).cloned());
            key_columns = Some(out.len());
            at += 2;
            continue;
        }
        if is(Some(token), "unique") {
            out.push(token.clone());
            at += 1;
            let not = are(&meaningful, at, &["nulls", "not", "distinct"]);
            if not || are(&meaningful, at, &["nulls", "distinct"]) {
                let words = if not { 3 } else { 2 };
                if is_token(&meaningful, at + words, &Token::LParen) {
                    out.extend(meaningful.iter().skip(at).take(words).cloned());
                } else if not {
                    out.push(keyword("ENFORCED", token));
                }
                at += words;
            }
            key_columns = Some(out.len());
            continue;
        }
        if is(Some(token), "include")
            && let Some(place) = key_columns
            && out.last().is_some_and(|t| t.token == Token::RParen)
            && let Some((names, end)) = names_in_parentheses(&meaningful, at + 1)
        {
            out.insert(place, carrier(&names, token));
            at = end;
            continue;
        }
        if are(&meaningful, at, &["no", "inherit"]) {
            if out.last().is_some_and(|t| t.token == Token::RParen) {
                out.push(keyword("ENFORCED", token));
                at += 2;
                continue;
            }
        } else if new_table && are(&meaningful, at, &["not", "valid"]) && ends_constraint(&out) {
            at += 2;
            continue;
        } else if is(Some(token), "enforced")
            && (out.last().is_some_and(|t| t.token == Token::RParen)
                || is(out.last(), "unique")
                || is(out.last(), "key")
                || is(out.last(), "not"))
        {
            // PostgreSQL 15 has no such word here.
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                format!("syntax error at or near \"{}\"", token.token),
            ));
        } else if is(Some(token), "exclude")
            && (are(&meaningful, at + 1, &["using"])
                || is_token(&meaningful, at + 1, &Token::LParen))
        {
            return Err(SqlError::unsupported("exclusion constraints"));
        }
        out.push(token.clone());
        at += 1;
    }
    *tokens = out;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use crate::session::parse_statement;

    #[test]
    fn what_sqlparser_lacks_is_carried() {
        for (written, read) in [
            (
                "CREATE TABLE t (a int, FOREIGN KEY (a, b) REFERENCES p ON DELETE SET NULL (a, \"B\"))",
                "CREATE TABLE t (a INT, FOREIGN KEY \"a\u{1f}B\" (a, b) REFERENCES p ON DELETE SET NULL)",
            ),
            (
                "ALTER TABLE t ADD CHECK (a > 0) NO INHERIT NOT VALID",
                "ALTER TABLE t ADD CHECK (a > 0) ENFORCED NOT VALID",
            ),
            (
                "CREATE TABLE t (a int UNIQUE NULLS NOT DISTINCT, UNIQUE (a) INCLUDE (b))",
                "CREATE TABLE t (a INT UNIQUE ENFORCED, UNIQUE \"b\" (a))",
            ),
            (
                "CREATE TABLE t (a int, CHECK (a > 0) NOT VALID)",
                "CREATE TABLE t (a INT, CHECK (a > 0))",
            ),
        ] {
            assert_eq!(parse_statement(written).unwrap().to_string(), read);
        }
        let error = parse_statement("CREATE TABLE t (a int, EXCLUDE USING gist (a WITH =))");
        assert!(error.unwrap_err().is("0A000"));
    }
}
