//! Literals.

use sqlparser::ast::{Expr, Value};

use super::super::tree::{Kind, Node};
use super::super::{Sure, Unsure};
use super::Resolver;
use crate::types::{PgType, SessionFormat, text_in, text_out};

/// Words that a date or time is read from, but that mean another one tomorrow.
const PASSING: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

impl Resolver<'_> {
    /// A value of a type as the type writes it.
    pub(super) fn canonical(&self, text: &str, ty: PgType) -> Sure<String> {
        if matches!(ty, PgType::Text | PgType::Varchar(_) | PgType::Unknown) {
            return Ok(text.to_owned());
        }
        let lower = text.to_ascii_lowercase();
        let moment = !matches!(ty, PgType::Name | PgType::Char(_) | PgType::Enum(_));
        if moment && PASSING.iter().any(|word| lower.contains(word)) {
            return Err(Unsure("a date that passes"));
        }
        let session = self.facts.session;
        let format = SessionFormat {
            time_zone: session.time_zone,
            now: session.transaction_us,
            styles: session.styles,
        };
        let datum = text_in(ty, text, &format).map_err(|_| Unsure("a literal"))?;
        text_out(ty, &datum, &format).ok_or(Unsure("a literal"))
    }

    pub(super) fn value(&self, value: &Value) -> Sure<Node> {
        let unknown =
            |text: &str| Node::new(Kind::Constant(Some(text.to_owned())), PgType::Unknown);
        Ok(match value {
            Value::Null => Node::null(PgType::Unknown),
            Value::Boolean(truth) => {
                let text = if *truth { "t" } else { "f" };
                Node::new(Kind::Constant(Some(text.to_owned())), PgType::Bool)
            }
            Value::Number(digits, _) => self.number(digits)?,
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text) => unknown(text),
            Value::DollarQuotedString(text) => unknown(&text.value),
            _ => return Err(Unsure("a literal")),
        })
    }

    /// A number, which may begin with a sign.
    pub(super) fn number(&self, digits: &str) -> Sure<Node> {
        let plain = digits.trim_start_matches('-');
        let whole = plain.bytes().all(|b| b.is_ascii_digit());
        let ty = if whole && digits.parse::<i32>().is_ok() {
            PgType::Int4
        } else if whole && digits.parse::<i64>().is_ok() {
            PgType::Int8
        } else if plain
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        {
            PgType::Numeric(None)
        } else {
            return Err(Unsure("a number"));
        };
        let text = self.canonical(digits, ty)?;
        Ok(Node::new(Kind::Constant(Some(text)), ty))
    }

    /// A number with a sign before it, which is one constant.
    pub(super) fn negative(&self, expr: &Expr) -> Option<Sure<Node>> {
        match expr {
            Expr::Nested(inner) => self.negative(inner),
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => Some(self.number(&format!("-{digits}"))),
                _ => None,
            },
            _ => None,
        }
    }
}
