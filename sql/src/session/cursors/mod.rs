//! Cursors: DECLARE, FETCH, MOVE, CLOSE, and changes WHERE CURRENT OF one.
//!
//! A cursor is a running query that stays in the session ([`portal`]). It sees what
//! the statement that declared it saw, whatever the transaction changes later. Rows
//! are computed as they are fetched; those that a cursor may come back to are kept
//! ([`kept`]). A cursor WITH HOLD is read to its end when its transaction commits.

mod current;
mod declare;
mod fetch;
mod kept;
mod parse;
mod portal;
mod scrolls;

use std::collections::BTreeMap;

use super::binding::with_formats;
use super::cursor::RowCursor;
use super::execute::Execution;
use super::fields::FieldDescription;
use super::{Outcome, Session};
use crate::activity::SessionState;
use crate::error::{SqlError, state};
use crate::types::Format;

pub(super) use fetch::FetchRows;
pub(crate) use parse::CursorCommand;
use parse::Fetch;
pub(super) use parse::{parse, take_current_of};
use portal::Portal;

/// Most cursors of one session.
const MOST: usize = 1_000;

/// The cursors of one session.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    /// None while a cursor is at work.
    named: BTreeMap<String, Option<Portal>>,
    next_id: u64,
}

impl Cursors {
    /// Whether a cursor may be made under this name.
    fn make_way(&self, name: &str) -> Result<(), SqlError> {
        if self.named.contains_key(name) {
            return Err(SqlError::new(
                state::DUPLICATE_CURSOR,
                format!("cursor \"{name}\" already exists"),
            ));
        }
        if self.named.len() >= MOST {
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                "too many cursors in one session",
            )
            .detail(format!("The limit is {MOST}."))
            .hint("Close cursors that are no longer needed."));
        }
        Ok(())
    }

    /// Keeps a new cursor; its identifier.
    fn put(&mut self, mut portal: Portal) {
        self.next_id += 1;
        portal.id = self.next_id;
        self.named.insert(portal.name.clone(), Some(portal));
    }

    /// The cursor of this name, whatever its state.
    ///
    /// # Errors
    /// 34000.
    fn get(&self, name: &str) -> Result<&Portal, SqlError> {
        let found = self.named.get(name).and_then(Option::as_ref);
        found.ok_or_else(|| missing(name))
    }

    /// Takes a cursor out to let it work; [`Self::put_back`] must follow. With `id`,
    /// only the cursor that has it.
    ///
    /// # Errors
    /// 34000; 55000 when it failed.
    fn take(&mut self, name: &str, id: Option<u64>) -> Result<Portal, SqlError> {
        let portal = self.get(name)?;
        if id.is_some_and(|id| portal.id != id) {
            return Err(missing(name));
        }
        if portal.failed {
            return Err(SqlError::new(
                state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("portal \"{name}\" cannot be run"),
            ));
        }
        self.take_any(name)
    }

    /// The same, also of one that failed.
    fn take_any(&mut self, name: &str) -> Result<Portal, SqlError> {
        let taken = self.named.get_mut(name).and_then(Option::take);
        taken.ok_or_else(|| missing(name))
    }

    /// Gives a cursor back.
    fn put_back(&mut self, portal: Portal) {
        self.named.insert(portal.name.clone(), Some(portal));
    }

    /// Forgets a cursor.
    fn close(&mut self, name: &str) -> Result<(), SqlError> {
        let closed = self.named.remove(name);
        closed.map(drop).ok_or_else(|| missing(name))
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.named.clear();
    }

    fn retain(&mut self, keep: impl Fn(&Portal) -> bool) {
        self.named
            .retain(|_, portal| portal.as_ref().is_some_and(&keep));
    }

    /// Forgets what ends with the open transaction.
    pub(super) fn end_transaction(&mut self) {
        self.retain(|portal| !portal.of_transaction);
    }

    /// Notes that the transaction is committed: what is held stays.
    pub(super) fn committed(&mut self) {
        self.retain(|portal| portal.hold);
        for portal in self.named.values_mut().flatten() {
            portal.of_transaction = false;
        }
    }

    /// Forgets those made since the savepoint at `index`, which stays.
    pub(super) fn rollback_to(&mut self, index: usize) {
        self.retain(|portal| !portal.of_transaction || portal.savepoints <= index);
    }

    /// Notes that the savepoints from `index` on are gone.
    pub(super) fn release(&mut self, index: usize) {
        for portal in self.named.values_mut().flatten() {
            portal.savepoints = portal.savepoints.min(index);
        }
    }

    /// Tells others what cursors there are.
    fn list(&self, state: &SessionState) {
        let portals = self.named.values().flatten();
        *state.cursors.lock() = portals.map(Portal::entry).collect();
    }
}

fn missing(name: &str) -> SqlError {
    SqlError::new(
        state::INVALID_CURSOR_NAME,
        format!("cursor \"{name}\" does not exist"),
    )
}

impl Session {
    /// Carries out a command about cursors.
    pub(super) async fn cursor_command(
        &mut self,
        command: &CursorCommand,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        let tag = match command {
            CursorCommand::Declare(declare) => {
                self.declare(declare, execution).await?;
                "DECLARE CURSOR".to_owned()
            }
            CursorCommand::Fetch(fetch) => return self.fetch(fetch, execution),
            CursorCommand::Move(fetch) => {
                let moved = self.move_cursor(fetch).await?;
                format!("MOVE {moved}")
            }
            CursorCommand::Close(Some(name)) => {
                self.cursors.close(name)?;
                "CLOSE CURSOR".to_owned()
            }
            CursorCommand::Close(None) => {
                self.cursors.clear();
                "CLOSE CURSOR ALL".to_owned()
            }
        };
        Ok(Outcome::Command(tag))
    }

    fn fetch(&mut self, fetch: &Fetch, execution: &Execution) -> Result<Outcome, SqlError> {
        let portal = self.cursors.get(&fetch.name)?;
        let mut fields = with_formats(Some(&portal.fields), &execution.result_formats)?;
        if portal.binary && execution.simple {
            for field in &mut fields {
                field.format = Format::Binary;
            }
        }
        let rows = FetchRows::new(fetch.clone(), portal.id, &fields, self.format());
        Ok(Outcome::Rows(RowCursor::fetch(fields, rows)))
    }

    async fn move_cursor(&mut self, fetch: &Fetch) -> Result<u64, SqlError> {
        let mut portal = self.cursors.take(&fetch.name, None)?;
        let moved = match portal.aim(self, fetch.direction).await {
            Ok(steps) => portal.skip(self, steps).await,
            Err(error) => Err(error),
        };
        portal.failed |= moved.is_err();
        self.cursors.put_back(portal);
        moved
    }

    /// The columns of what a FETCH gives, if there is such a cursor.
    pub(super) fn fetched_fields(&self, fetch: &Fetch) -> Option<Vec<FieldDescription>> {
        let portal = self.cursors.get(&fetch.name).ok()?;
        Some(portal.fields.clone())
    }

    /// Reads the cursors WITH HOLD of the transaction to their ends, before it
    /// commits.
    pub(super) async fn hold_cursors(&mut self) -> Result<(), SqlError> {
        let held = |portal: &&Portal| portal.hold && portal.of_transaction && !portal.failed;
        let portals = self.cursors.named.values().flatten().filter(held);
        let names: Vec<String> = portals.map(|portal| portal.name.clone()).collect();
        for name in names {
            let mut portal = self.cursors.take(&name, None)?;
            let read = portal.hold(self).await;
            portal.failed |= read.is_err();
            self.cursors.put_back(portal);
            read?;
        }
        self.cursors.retain(|portal| !portal.hold || !portal.failed);
        Ok(())
    }

    /// Shows others the cursors there are, for `pg_cursors`.
    pub(super) fn list_cursors(&self) {
        self.cursors.list(&self.state);
    }
}
