//! Prepared statements and portals of one session, by name and bounded.

use std::collections::HashMap;
use std::sync::Arc;

use kimberlite_sql::error::{SqlError, SqlResult, state};
use kimberlite_sql::session::{BoundParameters, Prepared, RowCursor};

/// How far a portal has been run.
pub(super) enum Progress {
    /// Not yet.
    Bound(BoundParameters),
    /// Its rows are being fetched.
    Open(RowCursor),
    /// To its end; `rows` tells whether it was a query.
    Done {
        /// Whether it gave rows, so that running it again gives none.
        rows: bool,
    },
}

/// A statement with its parameters.
pub(super) struct Portal {
    /// The statement.
    pub(super) prepared: Arc<Prepared>,
    /// The result formats of its Bind.
    pub(super) result_formats: Vec<i16>,
    /// How far it has been run.
    pub(super) progress: Progress,
}

/// What is kept by name, and the unnamed ones. `S` and `P` are a statement and
/// a portal.
pub(super) struct Names<S = Arc<Prepared>, P = Portal> {
    statements: HashMap<String, S>,
    unnamed_statement: Option<S>,
    portals: HashMap<String, P>,
    unnamed_portal: Option<P>,
    max_statements: usize,
    max_portals: usize,
}

impl<S, P> Names<S, P> {
    /// Nothing yet.
    pub(super) fn new(max_statements: usize, max_portals: usize) -> Self {
        Names {
            statements: HashMap::new(),
            unnamed_statement: None,
            portals: HashMap::new(),
            unnamed_portal: None,
            max_statements,
            max_portals,
        }
    }

    /// Makes way for a Parse: the name must be free and there must be room.
    /// An unnamed statement gives way to its successor, even one that fails.
    pub(super) fn make_way_for_statement(&mut self, name: &str) -> SqlResult<()> {
        if name.is_empty() {
            self.unnamed_statement = None;
            return Ok(());
        }
        if self.statements.contains_key(name) {
            return Err(SqlError::new(
                state::DUPLICATE_PSTATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        if self.statements.len() >= self.max_statements {
            return Err(limit("prepared statements", self.max_statements));
        }
        Ok(())
    }

    /// Keeps a statement under a name that was made way for.
    pub(super) fn put_statement(&mut self, name: &str, statement: S) {
        if name.is_empty() {
            self.unnamed_statement = Some(statement);
        } else {
            self.statements.insert(name.to_owned(), statement);
        }
    }

    /// The statement of this name.
    pub(super) fn statement(&self, name: &str) -> SqlResult<&S> {
        let found = if name.is_empty() {
            self.unnamed_statement.as_ref()
        } else {
            self.statements.get(name)
        };
        found.ok_or_else(|| {
            let message = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            SqlError::new(state::INVALID_SQL_STATEMENT_NAME, message)
        })
    }

    /// Forgets a statement, if there is one of this name.
    pub(super) fn close_statement(&mut self, name: &str) {
        if name.is_empty() {
            self.unnamed_statement = None;
        } else {
            self.statements.remove(name);
        }
    }

    /// Makes way for a Bind, like [`Self::make_way_for_statement`].
    pub(super) fn make_way_for_portal(&mut self, name: &str) -> SqlResult<()> {
        if name.is_empty() {
            self.unnamed_portal = None;
            return Ok(());
        }
        if self.portals.contains_key(name) {
            return Err(SqlError::new(
                state::DUPLICATE_CURSOR,
                format!("cursor \"{name}\" already exists"),
            ));
        }
        if self.portals.len() >= self.max_portals {
            return Err(limit("portals", self.max_portals));
        }
        Ok(())
    }

    /// Keeps a portal under a name that was made way for.
    pub(super) fn put_portal(&mut self, name: &str, portal: P) {
        if name.is_empty() {
            self.unnamed_portal = Some(portal);
        } else {
            self.portals.insert(name.to_owned(), portal);
        }
    }

    /// The portal of this name.
    pub(super) fn portal(&self, name: &str) -> SqlResult<&P> {
        let found = if name.is_empty() {
            self.unnamed_portal.as_ref()
        } else {
            self.portals.get(name)
        };
        found.ok_or_else(|| no_portal(name))
    }

    /// Takes a portal out to run it; put it back afterwards.
    pub(super) fn take_portal(&mut self, name: &str) -> SqlResult<P> {
        let taken = if name.is_empty() {
            self.unnamed_portal.take()
        } else {
            self.portals.remove(name)
        };
        taken.ok_or_else(|| no_portal(name))
    }

    /// Forgets a portal, if there is one of this name.
    pub(super) fn close_portal(&mut self, name: &str) {
        if name.is_empty() {
            self.unnamed_portal = None;
        } else {
            self.portals.remove(name);
        }
    }

    /// Forgets every portal, with the snapshots they hold: the end of a
    /// transaction.
    pub(super) fn close_all_portals(&mut self) {
        self.unnamed_portal = None;
        self.portals.clear();
    }

    /// Forgets what is unnamed: a simple query does that.
    pub(super) fn close_unnamed(&mut self) {
        self.unnamed_statement = None;
        self.unnamed_portal = None;
    }

    /// Forgets every named statement: DISCARD ALL and DEALLOCATE ALL.
    pub(super) fn close_all_statements(&mut self) {
        self.statements.clear();
    }
}

fn no_portal(name: &str) -> SqlError {
    SqlError::new(
        state::INVALID_CURSOR_NAME,
        format!("portal \"{name}\" does not exist"),
    )
}

fn limit(what: &str, max: usize) -> SqlError {
    SqlError::new(
        state::PROGRAM_LIMIT_EXCEEDED,
        format!("too many {what} in one session"),
    )
    .detail(format!("The limit is {max}."))
    .hint(format!("Close {what} that are no longer needed."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn names() -> Names<u8, u8> {
        Names::new(2, 2)
    }

    fn prepare(names: &mut Names<u8, u8>, name: &str, value: u8) -> SqlResult<()> {
        names.make_way_for_statement(name)?;
        names.put_statement(name, value);
        Ok(())
    }

    fn bind(names: &mut Names<u8, u8>, name: &str, value: u8) -> SqlResult<()> {
        names.make_way_for_portal(name)?;
        names.put_portal(name, value);
        Ok(())
    }

    #[test]
    fn a_named_statement_is_not_replaced_and_an_unnamed_one_is() {
        let mut names = names();
        prepare(&mut names, "a", 1).unwrap();
        assert_eq!(prepare(&mut names, "a", 2).unwrap_err().sqlstate(), "42P05");
        assert_eq!(names.statement("a").unwrap(), &1);
        prepare(&mut names, "", 3).unwrap();
        prepare(&mut names, "", 4).unwrap();
        assert_eq!(names.statement("").unwrap(), &4);
    }

    #[test]
    fn an_unnamed_statement_goes_even_when_its_successor_fails() {
        let mut names = names();
        prepare(&mut names, "", 3).unwrap();
        names.make_way_for_statement("").unwrap();
        assert_eq!(names.statement("").unwrap_err().sqlstate(), "26000");
    }

    #[test]
    fn a_named_portal_is_not_replaced_and_an_unnamed_one_is() {
        let mut names = names();
        bind(&mut names, "a", 1).unwrap();
        assert_eq!(bind(&mut names, "a", 2).unwrap_err().sqlstate(), "42P03");
        bind(&mut names, "", 3).unwrap();
        bind(&mut names, "", 4).unwrap();
        assert_eq!(names.portal("").unwrap(), &4);
    }

    #[test]
    fn both_are_bounded() {
        let mut names = names();
        for name in ["a", "b"] {
            prepare(&mut names, name, 0).unwrap();
            bind(&mut names, name, 0).unwrap();
        }
        assert_eq!(prepare(&mut names, "c", 0).unwrap_err().sqlstate(), "54000");
        assert_eq!(bind(&mut names, "c", 0).unwrap_err().sqlstate(), "54000");
        prepare(&mut names, "", 0).unwrap();
        bind(&mut names, "", 0).unwrap();
        names.close_statement("a");
        names.close_portal("a");
        prepare(&mut names, "c", 0).unwrap();
        bind(&mut names, "c", 0).unwrap();
    }

    #[test]
    fn what_is_not_there_is_named() {
        let mut names = names();
        assert_eq!(names.statement("x").unwrap_err().sqlstate(), "26000");
        assert_eq!(names.portal("x").unwrap_err().sqlstate(), "34000");
        assert_eq!(names.take_portal("").unwrap_err().sqlstate(), "34000");
        names.close_statement("x");
        names.close_portal("x");
    }

    #[test]
    fn a_transactions_end_leaves_statements_alone() {
        let mut names = names();
        for name in ["", "a"] {
            prepare(&mut names, name, 0).unwrap();
            bind(&mut names, name, 0).unwrap();
        }
        names.close_all_portals();
        assert!(names.portal("").is_err() && names.portal("a").is_err());
        assert!(names.statement("").is_ok() && names.statement("a").is_ok());
        names.close_unnamed();
        assert!(names.statement("").is_err() && names.statement("a").is_ok());
    }
}
