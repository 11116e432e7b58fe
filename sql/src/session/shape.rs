//! The shape of a statement: its text with parameters in the place of its literals.
//!
//! Programs that do not prepare what they send repeat few texts that differ in numbers
//! and strings alone. Two statements of one shape have one plan. Only the plainest are
//! looked at, of which a parameter says the same as the literal: an operand by itself,
//! in a statement without calls, casts, comments and quoted names.

use std::fmt::Write as _;

use crate::types::PgType;

/// Longer statements have no shape, in bytes.
const TEXT_BYTES_MAX: usize = 2048;

/// Statements with more literals have no shape.
const LITERALS_MAX: usize = 64;

/// What a shape may begin with.
const FIRST: &[&str] = &[
    "select", "insert", "update", "delete", "begin", "commit", "end", "rollback",
];

/// A literal of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    /// A number that fits in four bytes.
    Int4(i32),
    /// A number that fits in eight bytes only.
    Int8(i64),
    /// A string, without its quotes.
    Text(String),
}

impl Literal {
    /// The type that a parameter in its place is declared with; 0 is found out.
    pub(super) fn declared(&self) -> u32 {
        match self {
            Literal::Int4(_) => PgType::Int4.oid(),
            Literal::Int8(_) => PgType::Int8.oid(),
            Literal::Text(_) => 0,
        }
    }
}

/// A statement as its shape and its literals.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape<'a> {
    /// The statement without its semicolon.
    pub(super) text: &'a str,
    /// The statement with parameters instead of literals.
    pub(super) pattern: String,
    /// The literals, in their order.
    pub(super) literals: Vec<Literal>,
}

/// The shape of a query string; none when it is not one statement of the plainest kind.
pub(super) fn shape(sql: &str) -> Option<Shape<'_>> {
    if sql.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = sql.trim_ascii();
    let text = text.strip_suffix(';').unwrap_or(text).trim_ascii_end();
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    if !FIRST.iter().any(|word| word.eq_ignore_ascii_case(first)) {
        return None;
    }
    let mut scan = Scan {
        text,
        at: 0,
        copied: 0,
        before: Before::Start,
        pattern: String::with_capacity(text.len() + 8),
        literals: Vec::new(),
    };
    while scan.at < text.len() {
        scan.step()?;
    }
    scan.pattern.push_str(text.get(scan.copied..)?);
    Some(Shape {
        text,
        pattern: scan.pattern,
        literals: scan.literals,
    })
}

/// What stands before a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Start,
    /// A name or a keyword.
    Word,
    /// The word VALUES.
    Values,
    /// The name of the table that is inserted into, for all that is known.
    IntoName,
    /// The word INTO.
    Into,
    /// A literal or a closing parenthesis.
    Operand,
    /// `(`, `,` or a comparison: an operand begins.
    Opening,
    /// Another operator.
    Operator,
    /// A string, behind which no operator may stand.
    Text,
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Up to where the text is in the pattern.
    copied: usize,
    before: Before,
    pattern: String,
    literals: Vec<Literal>,
}

impl Scan<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// Passes one token; none when it is not of the plainest kind.
    fn step(&mut self) -> Option<()> {
        let byte = self.byte(self.at);
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word()?,
            b'0'..=b'9' => self.number(self.at, false)?,
            b'\'' => self.string()?,
            b'-' if self.may_begin() => {
                let start = self.at;
                self.at += 1;
                if !self.byte(self.at).is_ascii_digit() {
                    return None;
                }
                self.number(start, true)?;
            }
            _ => self.sign(byte)?,
        }
        Some(())
    }

    /// Whether a literal may stand here.
    fn may_begin(&self) -> bool {
        matches!(self.before, Before::Opening | Before::Operator)
    }

    fn word(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.byte(self.at), b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9') {
            self.at += 1;
        }
        let word = self.text.get(start..self.at)?;
        self.before = if self.before == Before::Into {
            Before::IntoName
        } else if word.eq_ignore_ascii_case("values") {
            Before::Values
        } else if word.eq_ignore_ascii_case("into") {
            Before::Into
        } else {
            Before::Word
        };
        Some(())
    }

    /// A number whose sign, if it has one, stands at `start`.
    fn number(&mut self, start: usize, negative: bool) -> Option<()> {
        if !self.may_begin() {
            return None;
        }
        let digits = self.at;
        while self.byte(self.at).is_ascii_digit() {
            self.at += 1;
        }
        // A fraction, an exponent, another base, or no number at all.
        if matches!(self.byte(self.at), b'.' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80..) {
            return None;
        }
        // The sign is not a part of the number, so it does not decide about its type.
        let value: i64 = self.text.get(digits..self.at)?.parse().ok()?;
        let literal = match (i32::try_from(value), negative) {
            (Ok(value), false) => Literal::Int4(value),
            (Ok(value), true) => Literal::Int4(-value),
            (Err(_), false) => Literal::Int8(value),
            (Err(_), true) => Literal::Int8(-value),
        };
        self.put(start, literal)?;
        self.before = Before::Operand;
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        if self.before != Before::Opening {
            return None;
        }
        let start = self.at;
        let mut value = String::new();
        loop {
            let rest = self.text.get(self.at + 1..)?;
            let end = rest.find('\'')?;
            value.push_str(rest.get(..end)?);
            self.at += end + 2;
            if self.byte(self.at) != b'\'' {
                break;
            }
            value.push('\'');
        }
        if value.contains(['\\', '\0']) {
            return None;
        }
        self.put(start, Literal::Text(value))?;
        self.before = Before::Text;
        Some(())
    }

    /// Puts a parameter where a literal stood.
    fn put(&mut self, start: usize, literal: Literal) -> Option<()> {
        if self.literals.len() >= LITERALS_MAX {
            return None;
        }
        self.pattern.push_str(self.text.get(self.copied..start)?);
        self.copied = self.at;
        self.literals.push(literal);
        write!(self.pattern, "${}", self.literals.len()).ok()
    }

    fn sign(&mut self, byte: u8) -> Option<()> {
        self.before = match byte {
            // Behind another word it is the beginning of a call's arguments.
            b'(' if self.before == Before::Word => return None,
            b'(' | b',' => Before::Opening,
            b')' => Before::Operand,
            b'.' if self.before == Before::IntoName => Before::Into,
            b'.' if self.before == Before::Word => Before::Word,
            _ if self.before == Before::Text => return None,
            b'=' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' => return self.operator(),
            _ => return None,
        };
        self.at += 1;
        Some(())
    }

    /// Passes an operator; two that touch are one, but for the sign of a number.
    fn operator(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let signs = |c: char| matches!(c, '=' | '<' | '>' | '+' | '-' | '*' | '/');
        let end = rest.find(|c| !signs(c)).unwrap_or(rest.len());
        let all = rest.get(..end)?;
        let operator = match all.strip_suffix('-') {
            Some(operator) if !operator.is_empty() => operator,
            _ => all,
        };
        self.before = match operator {
            "=" | "<" | ">" | "<=" | ">=" | "<>" => Before::Opening,
            "+" | "-" | "*" | "/" => Before::Operator,
            _ => return None,
        };
        self.at += operator.len();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;

    #[test]
    fn literals_become_parameters() {
        let found = shape(" UPDATE t SET n = n + -5, v='it''s' WHERE id = 3000000000; ").unwrap();
        assert_eq!(found.pattern, "UPDATE t SET n = n + $1, v=$2 WHERE id = $3");
        let text = Literal::Text("it's".to_owned());
        let literals = [Literal::Int4(-5), text, Literal::Int8(3_000_000_000)];
        assert_eq!(found.literals, literals);
        assert!(found.text.starts_with("UPDATE") && found.text.ends_with("3000000000"));
    }

    #[test]
    fn the_sign_does_not_decide_about_the_type() {
        let of = |sql| shape(sql).unwrap().literals;
        assert_eq!(
            of("DELETE FROM t WHERE id=-2147483648"),
            [Literal::Int8(-2_147_483_648)]
        );
        assert_eq!(
            of("DELETE FROM t WHERE id=-2147483647"),
            [Literal::Int4(-2_147_483_647)]
        );
    }

    #[test]
    fn lists_of_columns_are_no_calls() {
        let found = shape("insert into s.t (a, b) values (1, 'x'), (2, 'y')").unwrap();
        assert_eq!(
            found.pattern,
            "insert into s.t (a, b) values ($1, $2), ($3, $4)"
        );
    }

    #[test]
    fn statements_without_literals_are_their_own_shape() {
        for sql in [
            "BEGIN",
            "end",
            "SELECT * FROM t",
            "SELECT a FROM t WHERE b = c",
        ] {
            assert_eq!(shape(sql).unwrap().pattern, sql);
        }
    }

    #[test]
    fn all_else_has_no_shape() {
        for sql in [
            "",
            "SELECT 1",
            "SELECT a, abs(-5) FROM t",
            "SELECT a FROM t LIMIT 5",
            "SELECT a FROM t WHERE b = 1.5",
            "SELECT a FROM t WHERE b = 1e5",
            "SELECT a FROM t WHERE b = .5",
            "SELECT a FROM t WHERE b = 99999999999999999999",
            "SELECT a FROM t WHERE b = $1",
            "SELECT a FROM t WHERE b = 1::text",
            "SELECT a FROM t WHERE b = 'x'::date",
            "SELECT a FROM t WHERE b = E'x'",
            "SELECT a FROM t WHERE b = date '2020-01-01'",
            "SELECT a FROM t WHERE b = 'a\\b'",
            "SELECT a FROM t WHERE b = 'a' - 5",
            "SELECT a FROM t WHERE b = 5 - 'a'",
            "SELECT a FROM t WHERE b = 'a' 'b'",
            "SELECT a FROM t WHERE b = 'a",
            "SELECT a FROM t WHERE b->'c' = d",
            "SELECT a FROM t WHERE b = - 5",
            "SELECT a FROM t -- b",
            "SELECT a FROM t /* b */",
            "SELECT \"a\" FROM t",
            "SELECT a FROM t WHERE b = ä",
            "SELECT a FROM t; SELECT a FROM t",
            "SELECT a[1] FROM t",
            "INSERT INTO t VALUES (nextval('s'))",
            "CREATE TABLE t (a int)",
        ] {
            assert_eq!(shape(sql), None, "{sql}");
        }
    }
}
