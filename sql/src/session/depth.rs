//! How deep a statement may nest.
//!
//! A statement becomes a tree, and planning, running and even dropping it walk down
//! that tree. Threads have stacks for [`DEPTH_MAX`] levels ([`STACK_BYTES`]); more is
//! refused before any tree is built. How deep it can become is found from the tokens:
//! each bracket is a level, and so is each operator between two commas, because
//! `a || b || c` is a tree that leans to one side.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{SqlError, state};

/// Levels of a statement at most.
const DEPTH_MAX: usize = 3_000;

/// Stack of the threads that plan and run statements. Only what is used of it takes
/// memory.
pub const STACK_BYTES: usize = 32 << 20;

/// What is known of a pair of brackets that is still open.
#[derive(Default)]
struct Open {
    /// Operators since the last comma.
    operators: usize,
    /// The deepest part since the last comma.
    inside: usize,
    /// The deepest part before it.
    before: usize,
}

impl Open {
    fn depth(&self) -> usize {
        self.before.max(self.inside + self.operators)
    }

    fn comma(&mut self) {
        self.before = self.depth();
        self.inside = 0;
        self.operators = 0;
    }
}

/// Refuses what nests too deeply.
///
/// # Errors
/// 54001.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let mut around: Vec<Open> = Vec::new();
    let mut here = Open::default();
    for token in tokens {
        match step(&token.token) {
            Step::None => {}
            Step::Comma => here.comma(),
            Step::Operator => here.operators += 1,
            Step::Open => around.push(std::mem::take(&mut here)),
            Step::Close => {
                if let Some(mut outer) = around.pop() {
                    outer.inside = outer.inside.max(here.depth() + 1);
                    here = outer;
                }
            }
        }
        if here.depth() + around.len() > DEPTH_MAX {
            return Err(
                SqlError::new(state::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
                    .hint("Simplify the expression, or split the statement."),
            );
        }
    }
    Ok(())
}

/// How deep brackets and prefixes nest: that is what the parser counts.
pub(super) fn nesting(tokens: &[TokenWithSpan]) -> usize {
    let (mut open, mut prefixes, mut deepest) = (0_usize, 0_usize, 0_usize);
    for token in tokens {
        match (step(&token.token), &token.token) {
            (Step::Open, _) => open += 1,
            (Step::Close, _) => open = open.saturating_sub(1),
            (_, Token::Whitespace(_)) => continue,
            (_, Token::Minus | Token::Plus | Token::Tilde) => {
                prefixes += 1;
                deepest = deepest.max(open + prefixes);
                continue;
            }
            (_, Token::Word(word)) if word.keyword == Keyword::NOT => {
                prefixes += 1;
                deepest = deepest.max(open + prefixes);
                continue;
            }
            _ => {}
        }
        prefixes = 0;
        deepest = deepest.max(open);
    }
    deepest
}

/// The error for a statement that nests too deeply.
pub(super) fn too_deep() -> SqlError {
    SqlError::new(state::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
        .hint("Simplify the expression, or split the statement.")
}

enum Step {
    None,
    Comma,
    Operator,
    Open,
    Close,
}

fn step(token: &Token) -> Step {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => Step::Open,
        Token::RParen | Token::RBracket | Token::RBrace => Step::Close,
        Token::Comma => Step::Comma,
        Token::Word(word) => match word.keyword {
            Keyword::CASE => Step::Open,
            Keyword::END => Step::Close,
            Keyword::AND
            | Keyword::OR
            | Keyword::NOT
            | Keyword::IS
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::SIMILAR
            | Keyword::BETWEEN
            | Keyword::COLLATE
            | Keyword::AT
            | Keyword::JOIN
            | Keyword::UNION
            | Keyword::INTERSECT
            | Keyword::EXCEPT
            | Keyword::NOTNULL => Step::Operator,
            _ => Step::None,
        },
        Token::EOF
        | Token::Whitespace(_)
        | Token::Period
        | Token::SemiColon
        | Token::Number(..)
        | Token::Placeholder(_)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::DollarQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::UnicodeStringLiteral(_) => Step::None,
        _ => Step::Operator,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::{DEPTH_MAX, STACK_BYTES};
    use crate::session::parse;

    /// On a stack like those of the server's threads.
    fn is_refused(sql: &str) -> bool {
        let sql = sql.to_owned();
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn(move || refuses(&sql)).unwrap().join().unwrap()
    }

    fn refuses(sql: &str) -> bool {
        match parse(sql) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.sqlstate(), "54001", "{}", error.message());
                true
            }
        }
    }

    #[test]
    fn long_is_not_deep() {
        let many = |text: &str| vec![text; 50_000].join(", ");
        assert!(!is_refused(&format!("SELECT 1 IN ({})", many("1"))));
        assert!(!is_refused(&format!("SELECT {}", many("(a + 1)"))));
        assert!(!is_refused(&format!("VALUES {}", many("(1, -2)"))));
    }

    #[test]
    fn deep_is_refused_however_it_is_written() {
        let deep = DEPTH_MAX + 1;
        for sql in [
            format!("SELECT {}1{}", "(".repeat(deep), ")".repeat(deep)),
            format!("SELECT {}true", "NOT ".repeat(deep)),
            format!("SELECT {}1", "- ".repeat(deep)),
            format!("SELECT 1{}", " + 1".repeat(deep)),
            format!("SELECT 1{}", "::int".repeat(deep)),
            format!("SELECT true{}", " AND true".repeat(deep)),
            format!("SELECT 1{}", " UNION SELECT 1".repeat(deep)),
            format!("SELECT 1 FROM t{}", " CROSS JOIN t".repeat(deep)),
            format!(
                "SELECT {}1{}",
                "CASE WHEN true THEN ".repeat(deep),
                " END".repeat(deep)
            ),
            format!("SELECT {}1{}", "(1 + ".repeat(deep), ")".repeat(deep)),
            format!("SELECT {}1{}", "f(a, ".repeat(deep), ")".repeat(deep)),
            format!("SELECT a{}", " || a[1]".repeat(deep)),
        ] {
            assert!(is_refused(&sql), "{}", &sql[..40]);
        }
    }

    #[test]
    fn what_the_parser_cannot_read_is_refused_too() {
        for sql in [
            format!("SELECT {}1{}", "(".repeat(1_000), ")".repeat(1_000)),
            format!("SELECT {}true", "NOT ".repeat(1_000)),
            format!("SELECT {}1", "- ".repeat(1_000)),
            format!(
                "SELECT {}1{}",
                "CASE WHEN true THEN ".repeat(1_000),
                " END".repeat(1_000)
            ),
            format!("SELECT {}1{}", "(SELECT ".repeat(300), ")".repeat(300)),
        ] {
            assert!(is_refused(&sql), "{}", &sql[..40]);
        }
    }

    #[test]
    fn chains_inside_brackets_add_up() {
        let half = DEPTH_MAX / 2 + 1;
        let chain = " + 1".repeat(half);
        assert!(!is_refused(&format!("SELECT 1{chain}, 1{chain}")));
        assert!(is_refused(&format!("SELECT (1{chain}){chain}")));
    }
}
