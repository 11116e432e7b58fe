//! The unnamed statement of one session, and its portals, by name and bounded.
//! Named statements are the session's own: SQL knows their names too.

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

/// What the protocol keeps for a session. `S` and `P` are a statement and a
/// portal.
pub(super) struct Names<S = Arc<Prepared>, P = Portal> {
    unnamed_statement: Option<S>,
    portals: HashMap<String, P>,
    unnamed_portal: Option<P>,
    max_portals: usize,
}

impl<S, P> Names<S, P> {
    /// Nothing yet.
    pub(super) fn new(max_portals: usize) -> Self {
        Names {
            unnamed_statement: None,
            portals: HashMap::new(),
            unnamed_portal: None,
            max_portals,
        }
    }

    /// Replaces the unnamed statement.
    pub(super) fn put_unnamed(&mut self, statement: S) {
        self.unnamed_statement = Some(statement);
    }

    /// The unnamed statement.
    pub(super) fn unnamed(&self) -> SqlResult<&S> {
        self.unnamed_statement.as_ref().ok_or_else(|| {
            SqlError::new(
                state::INVALID_SQL_STATEMENT_NAME,
                "unnamed prepared statement does not exist",
            )
        })
    }

    /// Forgets the unnamed statement: Close, and a Parse even if it fails.
    pub(super) fn close_unnamed_statement(&mut self) {
        self.unnamed_statement = None;
    }

    /// Makes way for a Bind: the name must be free and there must be room. An
    /// unnamed portal gives way to its successor, even one that fails.
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
        Names::new(2)
    }

    fn bind(names: &mut Names<u8, u8>, name: &str, value: u8) -> SqlResult<()> {
        names.make_way_for_portal(name)?;
        names.put_portal(name, value);
        Ok(())
    }

    #[test]
    fn the_unnamed_statement_is_replaced() {
        let mut names = names();
        names.put_unnamed(3);
        names.put_unnamed(4);
        assert_eq!(names.unnamed().unwrap(), &4);
        names.close_unnamed_statement();
        assert_eq!(names.unnamed().unwrap_err().sqlstate(), "26000");
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
    fn portals_are_bounded() {
        let mut names = names();
        for name in ["a", "b"] {
            bind(&mut names, name, 0).unwrap();
        }
        assert_eq!(bind(&mut names, "c", 0).unwrap_err().sqlstate(), "54000");
        bind(&mut names, "", 0).unwrap();
        names.close_portal("a");
        bind(&mut names, "c", 0).unwrap();
    }

    #[test]
    fn what_is_not_there_is_named() {
        let mut names = names();
        assert_eq!(names.portal("x").unwrap_err().sqlstate(), "34000");
        assert_eq!(names.take_portal("").unwrap_err().sqlstate(), "34000");
        names.close_portal("x");
    }

    #[test]
    fn a_transactions_end_leaves_the_statement_alone() {
        let mut names = names();
        names.put_unnamed(0);
        for name in ["", "a"] {
            bind(&mut names, name, 0).unwrap();
        }
        names.close_all_portals();
        assert!(names.portal("").is_err() && names.portal("a").is_err());
        assert!(names.unnamed().is_ok());
        names.close_unnamed();
        assert!(names.unnamed().is_err());
    }
}
