//! Prepared statements by name: PREPARE and the protocol share one name space.

use std::collections::HashMap;
use std::sync::Arc;

use super::Prepared;
use crate::error::{SqlError, state};

/// Most statements a session may keep, unless it is told otherwise.
const MAX: usize = 4_096;

/// The named statements of one session. `S` is a statement.
#[derive(Debug)]
pub struct Statements<S = Arc<Prepared>> {
    named: HashMap<String, S>,
    max: usize,
}

impl<S> Default for Statements<S> {
    fn default() -> Self {
        Self {
            named: HashMap::new(),
            max: MAX,
        }
    }
}

impl<S> Statements<S> {
    /// Sets how many there may be.
    pub fn limit(&mut self, max: usize) {
        self.max = max;
    }

    /// Whether another may be kept under this name.
    ///
    /// # Errors
    /// 42P05 when the name is taken, 54000 when there are too many.
    pub fn make_way(&self, name: &str) -> Result<(), SqlError> {
        if self.named.contains_key(name) {
            return Err(SqlError::new(
                state::DUPLICATE_PSTATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        if self.named.len() >= self.max {
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                "too many prepared statements in one session",
            )
            .detail(format!("The limit is {}.", self.max))
            .hint("DEALLOCATE or close those that are no longer needed."));
        }
        Ok(())
    }

    /// Keeps a statement under a name that was made way for.
    pub fn put(&mut self, name: impl Into<String>, statement: S) {
        self.named.insert(name.into(), statement);
    }

    /// The statement of this name.
    ///
    /// # Errors
    /// 26000 when there is none.
    pub fn get(&self, name: &str) -> Result<&S, SqlError> {
        self.named.get(name).ok_or_else(|| {
            SqlError::new(
                state::INVALID_SQL_STATEMENT_NAME,
                format!("prepared statement \"{name}\" does not exist"),
            )
        })
    }

    /// Forgets a statement; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.named.remove(name).is_some()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.named.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn prepare(statements: &mut Statements<u8>, name: &str, value: u8) -> Result<(), SqlError> {
        statements.make_way(name)?;
        statements.put(name, value);
        Ok(())
    }

    #[test]
    fn a_statement_is_not_replaced() {
        let mut statements = Statements::default();
        prepare(&mut statements, "a", 1).unwrap();
        let again = prepare(&mut statements, "a", 2);
        assert_eq!(again.unwrap_err().sqlstate(), "42P05");
        assert_eq!(statements.get("a").unwrap(), &1);
        assert!(statements.remove("a"));
        assert!(!statements.remove("a"));
        assert_eq!(statements.get("a").unwrap_err().sqlstate(), "26000");
        prepare(&mut statements, "a", 2).unwrap();
    }

    #[test]
    fn statements_are_bounded() {
        let mut statements = Statements::default();
        statements.limit(2);
        prepare(&mut statements, "a", 0).unwrap();
        prepare(&mut statements, "b", 0).unwrap();
        let third = prepare(&mut statements, "c", 0);
        assert_eq!(third.unwrap_err().sqlstate(), "54000");
        statements.clear();
        prepare(&mut statements, "c", 0).unwrap();
    }
}
