//! LIKE, which is for texts.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Like;

use super::super::analyze::Analyzer;

impl Analyzer {
    /// A LIKE over texts.
    pub(super) fn like(&self, like: Like, schema: &DFSchema) -> Result<Like> {
        let Like {
            negated,
            expr,
            pattern,
            escape_char,
            case_insensitive,
        } = like;
        let symbol = match (negated, case_insensitive) {
            (false, false) => "~~",
            (true, false) => "!~~",
            (false, true) => "~~*",
            (true, true) => "!~~*",
        };
        let (expr, pattern) = self.both_text(*expr, *pattern, symbol, schema)?;
        Ok(Like::new(
            negated,
            Box::new(expr),
            Box::new(pattern),
            escape_char,
            case_insensitive,
        ))
    }
}
