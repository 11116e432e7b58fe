//! `FOR UPDATE` and its kin.
//!
//! The parser knows two of the four strengths, one name after OF, and LIMIT only
//! before them. So the tokens of such a clause are replaced by one that it reads,
//! with all that was said in the name after OF, and the clause is moved to the end
//! of its query.

use sqlparser::ast::{LockClause, NonBlock, ObjectNamePart};
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::txn::LockMode;

/// Separates what the name after OF carries.
const MARK: char = '\u{1}';

/// What to do about a row that somebody else has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Busy {
    /// Wait for it.
    Wait,
    /// Leave it out.
    Skip,
    /// Fail with 55P03.
    Fail,
}

/// One locking clause.
#[derive(Debug, Clone)]
pub(super) struct RowLock {
    pub(super) mode: LockMode,
    /// The tables named after OF; all when empty.
    pub(super) of: Vec<String>,
    pub(super) busy: Busy,
}

/// The words of a strength after FOR, weakest first.
const STRENGTHS: [(&[&str], LockMode); 4] = [
    (&["KEY", "SHARE"], LockMode::RowKeyShare),
    (&["SHARE"], LockMode::RowShareLock),
    (&["NO", "KEY", "UPDATE"], LockMode::RowNoKeyUpdate),
    (&["UPDATE"], LockMode::RowUpdate),
];

/// The clause as it is called.
pub(super) fn verb(mode: LockMode) -> &'static str {
    match mode {
        LockMode::RowKeyShare => "FOR KEY SHARE",
        LockMode::RowShareLock => "FOR SHARE",
        LockMode::RowNoKeyUpdate => "FOR NO KEY UPDATE",
        _ => "FOR UPDATE",
    }
}

fn is_space(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

fn word(tokens: &[TokenWithSpan], at: usize) -> Option<&Word> {
    match &tokens.get(at)?.token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

fn says(tokens: &[TokenWithSpan], at: usize, text: &str) -> bool {
    word(tokens, at).is_some_and(|w| w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
}

/// The strength that starts at `at`, and where it ends.
fn strength(tokens: &[TokenWithSpan], at: usize) -> Option<(LockMode, usize)> {
    STRENGTHS.iter().find_map(|(words, mode)| {
        let fits = words
            .iter()
            .enumerate()
            .all(|(i, text)| says(tokens, at + i, text));
        fits.then_some((*mode, at + words.len()))
    })
}

/// Rewrites the locking clauses of a statement.
pub(super) fn encode(tokens: &mut Vec<TokenWithSpan>) {
    let first = tokens.iter().position(|t| !is_space(t));
    let other = ["CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "COMMENT"];
    let plain = first.is_some_and(|at| !other.iter().any(|text| says(tokens, at, text)));
    let mentioned = (0..tokens.len()).any(|at| says(tokens, at, "FOR"));
    if !plain || !mentioned {
        return;
    }
    // Spaces mean nothing from here on: strings are joined already.
    tokens.retain(|t| !is_space(t));
    let mut at = 0;
    while at < tokens.len() {
        if says(tokens, at, "FOR")
            && let Some((mode, after)) = strength(tokens, at + 1)
        {
            at = encode_one(tokens, at, mode, after);
        } else {
            at += 1;
        }
    }
}

/// Rewrites the clause from `start`, whose strength ends at `after`. Gives the
/// place to go on at.
fn encode_one(
    tokens: &mut Vec<TokenWithSpan>,
    start: usize,
    mode: LockMode,
    after: usize,
) -> usize {
    let mut end = after;
    let mut said = format!("{MARK}{}", mode as u8);
    if says(tokens, end, "OF") {
        end += 1;
        while let Some(name) = word(tokens, end) {
            said.push(MARK);
            said.push_str(&fold(name));
            end += 1;
            if tokens.get(end).is_some_and(|t| t.token == Token::Period) {
                // A qualified name, which is refused later by the empty one after it.
                said.push(MARK);
                end += 2;
            }
            if tokens.get(end).is_some_and(|t| t.token == Token::Comma) {
                end += 1;
            } else {
                break;
            }
        }
    }
    let mut clause = vec![
        Token::make_keyword("FOR"),
        Token::make_keyword("UPDATE"),
        Token::make_keyword("OF"),
        Token::make_word(&said, Some('"')),
    ];
    if says(tokens, end, "NOWAIT") {
        clause.push(Token::make_keyword("NOWAIT"));
        end += 1;
    } else if says(tokens, end, "SKIP") && says(tokens, end + 1, "LOCKED") {
        clause.push(Token::make_keyword("SKIP"));
        clause.push(Token::make_keyword("LOCKED"));
        end += 2;
    }
    let Some(span) = tokens.get(start).map(|t| t.span) else {
        return end;
    };
    let clause: Vec<_> = clause
        .into_iter()
        .map(|token| TokenWithSpan { token, span })
        .collect();
    let length = clause.len();
    tokens.splice(start..end, clause);
    let next = start + length;
    if !["LIMIT", "OFFSET", "FETCH"]
        .iter()
        .any(|text| says(tokens, next, text))
    {
        return next;
    }
    let stop = end_of_limit(tokens, next);
    if let Some(part) = tokens.get_mut(start..stop) {
        part.rotate_left(length);
    }
    stop
}

/// Where LIMIT and its kin end: at the next clause, or where the query ends.
fn end_of_limit(tokens: &[TokenWithSpan], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return at,
            Token::RParen => depth -= 1,
            Token::EOF | Token::SemiColon => return at,
            _ if depth == 0 && says(tokens, at, "FOR") => return at,
            _ => {}
        }
    }
    tokens.len()
}

fn fold(word: &Word) -> String {
    match word.quote_style {
        Some(_) => word.value.clone(),
        None => word.value.to_lowercase(),
    }
}

/// Reads a clause that [`encode`] wrote.
///
/// # Errors
/// 42601 for qualified names.
pub(super) fn decode(clause: &LockClause) -> Result<RowLock, SqlError> {
    let name = clause.of.as_ref().and_then(|of| match of.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(fold_identifier(ident)),
        _ => None,
    });
    let name = name.unwrap_or_default();
    let mut parts = name.split(MARK).skip(1);
    let code: Option<u8> = parts.next().and_then(|code| code.parse().ok());
    let mode = STRENGTHS
        .iter()
        .map(|(_, mode)| *mode)
        .find(|mode| Some(*mode as u8) == code)
        .ok_or_else(|| SqlError::internal("a locking clause that nobody wrote"))?;
    let of: Vec<String> = parts.map(str::to_owned).collect();
    if of.iter().any(String::is_empty) {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("{} must specify unqualified relation names", verb(mode)),
        ));
    }
    let busy = match clause.nonblock {
        None => Busy::Wait,
        Some(NonBlock::SkipLocked) => Busy::Skip,
        Some(NonBlock::Nowait) => Busy::Fail,
    };
    Ok(RowLock { mode, of, busy })
}

/// What a clause is called, for messages.
pub(crate) fn called(clause: &LockClause) -> &'static str {
    decode(clause).map_or("FOR UPDATE", |lock| verb(lock.mode))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use sqlparser::ast::{Query, Statement};

    use super::*;
    use crate::session::parse_statement;

    fn query(sql: &str) -> Box<Query> {
        match parse_statement(sql).unwrap() {
            Statement::Query(query) => query,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn all_strengths_are_read() {
        for (text, mode) in [
            ("UPDATE", LockMode::RowUpdate),
            ("no key update", LockMode::RowNoKeyUpdate),
            ("SHARE", LockMode::RowShareLock),
            ("KEY SHARE", LockMode::RowKeyShare),
        ] {
            let query = query(&format!(
                "SELECT 1 FROM a, \"B\" FOR {text} OF A, \"B\" NOWAIT"
            ));
            let lock = decode(&query.locks[0]).unwrap();
            assert_eq!((lock.mode, lock.busy), (mode, Busy::Fail), "{text}");
            assert_eq!(lock.of, ["a", "B"]);
        }
    }

    #[test]
    fn limit_may_follow() {
        let query = query(
            "SELECT 1 FROM t ORDER BY 1 FOR UPDATE SKIP LOCKED LIMIT 1 OFFSET 2 FOR SHARE OF t",
        );
        assert!(query.limit_clause.is_some());
        assert_eq!(query.locks.len(), 2);
        assert_eq!(decode(&query.locks[0]).unwrap().busy, Busy::Skip);
        assert_eq!(decode(&query.locks[1]).unwrap().of, ["t"]);
    }

    #[test]
    fn qualified_names_are_refused() {
        let query = query("SELECT 1 FROM s.t FOR UPDATE OF s.t");
        assert_eq!(decode(&query.locks[0]).unwrap_err().sqlstate(), "42601");
    }
}
