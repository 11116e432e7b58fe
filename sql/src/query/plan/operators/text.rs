//! Operators that match a text with a pattern.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Like;
use datafusion::logical_expr::{Expr, Operator};
use sqlparser::ast::BinaryOperator;

use super::super::super::error::external;
use super::super::super::functions;
use super::super::analyze::Analyzer;
use super::symbol::no_operator;
use crate::types::PgType;

impl Analyzer {
    /// A match of a text with a regular expression.
    pub(super) fn text_operator(
        &self,
        left: Expr,
        op: Operator,
        right: Expr,
        symbol: &str,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (left, right) = self.both_text(left, right, symbol, schema)?;
        let flags = match op {
            Operator::RegexIMatch | Operator::RegexNotIMatch => "i",
            _ => "",
        };
        let matches = functions::regex_match(left, right, flags).map_err(external)?;
        Ok(match op {
            Operator::RegexNotMatch | Operator::RegexNotIMatch => Expr::Not(Box::new(matches)),
            _ => matches,
        })
    }

    /// Both operands as text (42883 when one is none).
    pub(in super::super) fn both_text(
        &self,
        left: Expr,
        right: Expr,
        symbol: &str,
        schema: &DFSchema,
    ) -> Result<(Expr, Expr)> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        if !is_text(lt) || !is_text(rt) {
            return Err(external(no_operator(symbol, lt, rt)));
        }
        Ok((
            self.coerce(left, lt, PgType::Text, schema)?,
            self.coerce(right, rt, PgType::Text, schema)?,
        ))
    }
}

/// `left LIKE right` and its kin; what it means is settled later.
pub(super) fn like(left: Expr, right: Expr, negated: bool, insensitive: bool) -> Expr {
    Expr::Like(Like::new(
        negated,
        Box::new(left),
        Box::new(right),
        None,
        insensitive,
    ))
}

/// Whether a type is text, or not known to be anything else.
pub(super) fn is_text(ty: PgType) -> bool {
    ty.is_textual() || ty == PgType::Unknown
}

/// The match with a regular expression that an operator is, and its symbol.
pub(super) fn regex_operator(op: &BinaryOperator) -> Option<(Operator, &'static str)> {
    Some(match op {
        BinaryOperator::PGRegexMatch => (Operator::RegexMatch, "~"),
        BinaryOperator::PGRegexIMatch => (Operator::RegexIMatch, "~*"),
        BinaryOperator::PGRegexNotMatch => (Operator::RegexNotMatch, "!~"),
        BinaryOperator::PGRegexNotIMatch => (Operator::RegexNotIMatch, "!~*"),
        _ => return None,
    })
}
