//! Statements that sqlparser reads as they are.
//!
//! What its grammar lacks is put into words of its own before it reads a statement,
//! and commands that it does not know are recognised by their first words. Short
//! statements of the kind that programs send thousands of times a second need none of
//! that: looking for it would cost more than reading them.

use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::dialect::Postgres;
use super::parse::{Command, RECURSION_LIMIT, is_meaningful};
use super::syntax_error::{left_over, syntax_error};
use crate::error::SqlError;

/// The statement, if it is plain.
///
/// # Errors
/// 42601 with the place.
pub(super) fn parse(sql: &str, tokens: &[TokenWithSpan]) -> Result<Option<Command>, SqlError> {
    if !is_plain(tokens) {
        return Ok(None);
    }
    let own = tokens.iter().filter(|token| is_meaningful(token)).cloned();
    let dialect = Postgres;
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(own.collect());
    let statement = parser
        .parse_statement()
        .map_err(|e| syntax_error(sql, tokens, e))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(left_over(sql, tokens, &rest));
    }
    Ok(Some(Command::Sql(Box::new(statement))))
}

/// Whether a statement is made of nothing that the passes over tokens look at.
fn is_plain(tokens: &[TokenWithSpan]) -> bool {
    let mut words = tokens.iter().filter(|token| is_meaningful(token));
    let Some(first_token) = words.next() else {
        return false;
    };
    let first = keyword(&first_token.token);
    let starts = matches!(
        first,
        Some(Keyword::SELECT | Keyword::INSERT | Keyword::UPDATE | Keyword::DELETE)
    );
    if !starts {
        let bounds = matches!(first, Some(Keyword::BEGIN | Keyword::COMMIT | Keyword::END));
        return bounds && words.next().is_none();
    }
    let mut before = &first_token.token;
    words.all(|token| {
        let plain = match &token.token {
            // Behind a list of expressions it makes a table.
            Token::Word(word) if word.keyword == Keyword::INTO => first == Some(Keyword::INSERT),
            Token::Word(word) => is_plain_word(word.keyword),
            // Behind a name or another string it is a part of what stands there.
            Token::SingleQuotedString(_) => !matches!(
                before,
                Token::Word(_) | Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)
            ),
            // Behind a table's name it stands for the tables that inherit from it.
            Token::Mul => !matches!(before, Token::Word(word) if word.keyword != Keyword::SELECT),
            other => is_plain_sign(other),
        };
        before = &token.token;
        plain
    })
}

fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) => Some(word.keyword),
        _ => None,
    }
}

/// Names, and words of the statements that read or change rows by a condition.
fn is_plain_word(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::NoKeyword
            | Keyword::AND
            | Keyword::ASC
            | Keyword::BY
            | Keyword::DESC
            | Keyword::FALSE
            | Keyword::FROM
            | Keyword::ID
            | Keyword::IS
            | Keyword::KEY
            | Keyword::LIMIT
            | Keyword::NAME
            | Keyword::NOT
            | Keyword::NULL
            | Keyword::OR
            | Keyword::ORDER
            | Keyword::SET
            | Keyword::TRUE
            | Keyword::VALUE
            | Keyword::VALUES
            | Keyword::WHERE
            | Keyword::CURRENT_TIMESTAMP
    )
}

fn is_plain_sign(token: &Token) -> bool {
    matches!(
        token,
        Token::Comma
            | Token::LParen
            | Token::RParen
            | Token::Number(..)
            | Token::Placeholder(_)
            | Token::Period
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Div
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn plain(sql: &str) -> bool {
        let tokens = Tokenizer::new(&Postgres, sql)
            .tokenize_with_location()
            .unwrap();
        is_plain(&tokens)
    }

    #[test]
    fn statements_by_key_are_plain() {
        assert!(plain("SELECT abalance FROM pgbench_accounts WHERE aid = 7"));
        assert!(plain("UPDATE t SET n = n + -5 WHERE id = $1"));
        assert!(plain("insert into t (id, v) values (1, 'a'), (2, NULL)"));
        assert!(plain("DELETE FROM t WHERE a.id = 1 AND b <> 'x'"));
        assert!(plain("begin") && plain("END"));
    }

    #[test]
    fn what_a_pass_may_look_at_is_not() {
        for sql in [
            "SELECT mood 'happy'",
            "SELECT 'a'\n'b'",
            "SELECT x FROM t FOR UPDATE",
            "SELECT a[1] FROM t",
            "SELECT 1::bit(3)",
            "INSERT INTO t OVERRIDING USER VALUE VALUES (1)",
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "UPDATE ONLY t SET a = 1",
            "DELETE FROM t WHERE CURRENT OF c",
            "SELECT 1 INTO x",
            "SELECT x FROM t*",
            "SELECT * FROM t WHERE a LIKE 'x'",
            "SELECT * FROM t WHERE a BETWEEN SYMMETRIC 3 AND 1",
            "CREATE TABLE t (a int)",
            "SET a = 1",
            "BEGIN READ ONLY",
        ] {
            assert!(!plain(sql), "{sql}");
        }
    }
}
