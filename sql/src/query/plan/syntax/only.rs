//! `ONLY`: the rows of a table itself, without those that inherit from it.

use sqlparser::ast::{Expr, TableFactor};

use super::super::shown::Shown;
use crate::error::SqlError;
use crate::session::ONLY;

/// Whether a table in FROM was written with ONLY.
fn is_only(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Table { with_hints, .. }
        if with_hints.iter().any(|hint| matches!(hint, Expr::Identifier(i) if i.value == ONLY)))
}

/// Shows the rows of the table alone where ONLY was written.
///
/// # Errors
/// 0A000 for a name of an unusual kind.
pub(super) fn apply(factor: &mut TableFactor) -> Result<(), SqlError> {
    if !is_only(factor) {
        return Ok(());
    }
    if let TableFactor::Table { with_hints, .. } = factor {
        with_hints.clear();
    }
    Shown::change(factor, |shown| shown.only = true)
}
