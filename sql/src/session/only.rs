//! `ONLY t` and `t *`: sqlparser's grammar has them in few places.
//!
//! Before parsing, a name after ONLY gets a first part that nobody else has; in the
//! parsed statement it becomes a hint of the table. `*` after a table's name is what
//! there is without it, and goes.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, TableFactor, VisitMut, VisitorMut};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// What marks a name that ONLY stood before.
pub(crate) const ONLY: &str = "\u{1f}only";

fn is_word(token: Option<&TokenWithSpan>, words: &[&str]) -> bool {
    matches!(token.map(|t| &t.token), Some(Token::Word(word))
        if word.quote_style.is_none() && words.iter().any(|w| word.value.eq_ignore_ascii_case(w)))
}

fn is_name(token: Option<&TokenWithSpan>) -> bool {
    matches!(token.map(|t| &t.token), Some(Token::Word(_)))
}

/// Rewrites the tokens of a statement; whether there was ONLY.
pub(super) fn adapt(tokens: &mut Vec<TokenWithSpan>) -> bool {
    let relevant = tokens
        .iter()
        .any(|t| t.token == Token::Mul || is_word(Some(t), &["only"]));
    if !relevant {
        return false;
    }
    let meaningful: Vec<TokenWithSpan> = tokens
        .iter()
        .filter(|t| !matches!(t.token, Token::Whitespace(_)))
        .cloned()
        .collect();
    let mut reader = Reader {
        tokens: &meaningful,
        out: Vec::with_capacity(meaningful.len() + 2),
        calls: Vec::new(),
        marked: false,
    };
    let changed = reader.read();
    let marked = reader.marked;
    if changed {
        *tokens = reader.out;
    }
    marked
}

struct Reader<'a> {
    tokens: &'a [TokenWithSpan],
    out: Vec<TokenWithSpan>,
    /// For each open parenthesis, whether it is that of a function that has FROM
    /// among its arguments.
    calls: Vec<bool>,
    marked: bool,
}

impl Reader<'_> {
    fn at(&self, place: usize) -> Option<&TokenWithSpan> {
        self.tokens.get(place)
    }

    fn read(&mut self) -> bool {
        let mut changed = false;
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            match token.token {
                Token::LParen => {
                    let name = at.checked_sub(1).and_then(|before| self.at(before));
                    let words = ["extract", "substring", "trim", "overlay", "position"];
                    self.calls.push(is_word(name, &words));
                }
                Token::RParen => {
                    self.calls.pop();
                }
                _ => {}
            }
            self.out.push(token.clone());
            at += 1;
            let before = at.checked_sub(2).and_then(|before| self.at(before));
            let distinct = is_word(before, &["distinct"]);
            let inside = self.calls.last().copied().unwrap_or(false);
            let from = is_word(Some(token), &["from"]) && !distinct && !inside;
            let table = from || is_word(Some(token), &["update", "join", "using", "table", "into"]);
            let next_only = is_word(self.at(at), &["only"]);
            if next_only
                && (table || token.token == Token::Comma || is_word(Some(token), &["on"]))
                && !is_word(Some(token), &["table"])
                && let Some(end) = self.only(at)
            {
                at = end;
                changed = true;
            } else if table && let Some(end) = self.star(at) {
                at = end;
                changed = true;
            }
        }
        changed
    }

    /// `ONLY name` or `ONLY (name)` at a place; where it ends.
    fn only(&mut self, at: usize) -> Option<usize> {
        let nested = self.at(at + 1)?.token == Token::LParen;
        let first = at + if nested { 2 } else { 1 };
        if !is_name(self.at(first)) {
            return None;
        }
        let end = self.name_end(first);
        if nested && self.at(end)?.token != Token::RParen {
            return None;
        }
        let like = self.at(first)?.clone();
        let mark = Token::Word(Word {
            value: ONLY.to_owned(),
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        });
        self.out.push(TokenWithSpan::new(mark, like.span));
        self.out.push(TokenWithSpan::new(Token::Period, like.span));
        self.out
            .extend(self.tokens.iter().skip(first).take(end - first).cloned());
        self.marked = true;
        Some(end + usize::from(nested))
    }

    /// Where a name with its parts ends.
    fn name_end(&self, first: usize) -> usize {
        let mut end = first + 1;
        while self.at(end).is_some_and(|t| t.token == Token::Period) && is_name(self.at(end + 1)) {
            end += 2;
        }
        end
    }

    /// `name *` at a place; where it ends.
    fn star(&mut self, at: usize) -> Option<usize> {
        if !is_name(self.at(at)) {
            return None;
        }
        let end = self.name_end(at);
        if self.at(end)?.token != Token::Mul {
            return None;
        }
        let ends = match self.at(end + 1).map(|t| &t.token) {
            None => true,
            Some(token) => matches!(
                token,
                Token::EOF | Token::RParen | Token::Comma | Token::SemiColon | Token::Word(_)
            ),
        };
        if !ends {
            return None;
        }
        self.out
            .extend(self.tokens.iter().skip(at).take(end - at).cloned());
        Some(end + 1)
    }
}

/// Takes the mark off a name; whether it was there.
pub(super) fn take_only(name: &mut ObjectName) -> bool {
    let marked = matches!(name.0.first(),
        Some(ObjectNamePart::Identifier(first)) if first.value == ONLY);
    if marked {
        name.0.remove(0);
    }
    marked
}

/// Makes hints of the marks in a parsed statement.
pub(super) fn settle(statement: &mut impl VisitMut) {
    struct Marks;
    impl VisitorMut for Marks {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table {
                name, with_hints, ..
            } = factor
                && take_only(name)
            {
                with_hints.push(Expr::Identifier(Ident::with_quote('"', ONLY)));
            }
            ControlFlow::Continue(())
        }
    }
    let _ = statement.visit(&mut Marks);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use crate::session::parse_statement;

    #[test]
    fn only_becomes_a_hint() {
        for (written, read) in [
            (
                "SELECT * FROM ONLY t x",
                "SELECT * FROM t AS x WITH (\"\u{1f}only\")",
            ),
            (
                "SELECT * FROM ONLY (s.t)",
                "SELECT * FROM s.t WITH (\"\u{1f}only\")",
            ),
            ("SELECT * FROM a*, b", "SELECT * FROM a, b"),
            (
                "SELECT a FROM t* x WHERE a * 2 = 4",
                "SELECT a FROM t AS x WHERE a * 2 = 4",
            ),
            ("DELETE FROM ONLY t", "DELETE FROM t WITH (\"\u{1f}only\")"),
        ] {
            let shown = parse_statement(written).unwrap().to_string();
            assert_eq!(shown.replace(" t x ", " t AS x "), read, "{written}");
        }
        let kept = "SELECT 1 WHERE a IS DISTINCT FROM b * 2";
        assert_eq!(parse_statement(kept).unwrap().to_string(), kept);
    }
}
