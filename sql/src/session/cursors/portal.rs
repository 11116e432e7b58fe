//! One cursor: its query, the rows it has read and where it stands.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use super::super::cursor::Rows;
use super::super::fields::FieldDescription;
use super::super::row_locks::HIDDEN;
use super::super::{POSTGRES_EPOCH_US, Session};
use super::kept::Kept;
use super::parse::Direction;
use crate::activity::CursorEntry;
use crate::error::{SqlError, state};
use crate::query::StoredRow;

/// A table whose rows a cursor gives, with their keys.
#[derive(Debug, Clone)]
pub(super) struct CursorTable {
    pub(super) oid: u32,
    /// Whether it locks them.
    pub(super) locked: bool,
}

/// One cursor.
pub(super) struct Portal {
    pub(super) name: String,
    /// Tells cursors of one name apart.
    pub(super) id: u64,
    pub(super) statement: Arc<str>,
    pub(super) fields: Vec<FieldDescription>,
    pub(super) binary: bool,
    pub(super) hold: bool,
    pub(super) scroll: bool,
    pub(super) created_us: i64,
    /// Of the open transaction, and not of one that is over.
    pub(super) of_transaction: bool,
    /// Savepoints there were when it was made.
    pub(super) savepoints: usize,
    /// An error left it where nobody knows.
    pub(super) failed: bool,
    /// The tables of its rows, if they are known by their keys.
    pub(super) tables: Vec<CursorTable>,
    /// Whether the query has FOR UPDATE or the like.
    pub(super) locks: bool,
    /// The query as far as it was not read; none after its end.
    pub(super) rows: Option<Rows>,
    pub(super) kept: Kept,
    /// Whether rows stay that it went past.
    pub(super) keeps: bool,
    /// The row it stands on, from 1; 0 is before the first, and one more than there
    /// are is after the last.
    pub(super) position: u64,
}

/// Rows to give, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) forward: bool,
    pub(super) left: u64,
}

impl Steps {
    /// So many rows ahead.
    pub(super) fn ahead(left: u64) -> Self {
        Self {
            forward: true,
            left,
        }
    }

    fn back(left: u64) -> Self {
        Self {
            forward: false,
            left,
        }
    }
}

impl std::fmt::Debug for Portal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Portal")
            .field("name", &self.name)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

fn only_forward() -> SqlError {
    SqlError::new(
        state::OBJECT_NOT_IN_PREREQUISITE_STATE,
        "cursor can only scan forward",
    )
    .hint("Declare it with SCROLL option to enable backward scan.")
}

impl Portal {
    /// As others see it.
    pub(super) fn entry(&self) -> CursorEntry {
        CursorEntry {
            name: self.name.clone(),
            statement: self.statement.clone(),
            holdable: self.hold,
            binary: self.binary,
            scrollable: self.scroll,
            created: self.created_us - POSTGRES_EPOCH_US,
        }
    }

    /// Reads on until there is a row of this number; says whether there is.
    pub(super) async fn reach(
        &mut self,
        session: &mut Session,
        number: u64,
    ) -> Result<bool, SqlError> {
        while self.kept.rows() < number {
            let Some(rows) = &mut self.rows else {
                return Ok(false);
            };
            let Some(batch) = rows.next(session).await else {
                self.rows = None;
                return Ok(false);
            };
            let batch = self.shown(&batch?)?;
            if !self.keeps {
                self.kept.forget();
            }
            self.kept.push(&batch, session.engine.query()).await?;
        }
        Ok(true)
    }

    /// The columns to keep of a batch: what the client sees and, after it, the keys and
    /// the tables that they are of.
    fn shown(&self, batch: &RecordBatch) -> Result<RecordBatch, SqlError> {
        let visible = self.fields.len();
        if batch.num_columns() <= visible {
            return Ok(batch.clone());
        }
        let keys = (0..self.tables.len()).flat_map(|number| {
            let first = visible + HIDDEN * number;
            [first, first + HIDDEN - 1]
        });
        let columns: Vec<usize> = (0..visible).chain(keys).collect();
        batch
            .project(&columns)
            .map_err(|e| SqlError::internal(e.to_string()))
    }

    /// Goes to where a FETCH begins; the rows it then gives.
    pub(super) async fn aim(
        &mut self,
        session: &mut Session,
        direction: Direction,
    ) -> Result<Steps, SqlError> {
        match direction {
            Direction::Forward(count) => Ok(Steps::ahead(count.unwrap_or(u64::MAX))),
            Direction::Backward(count) => {
                self.may_go_back()?;
                Ok(Steps::back(count.unwrap_or(u64::MAX)))
            }
            Direction::Absolute(number @ 1..) => {
                self.go_before(session, number.unsigned_abs()).await
            }
            Direction::Absolute(0) => {
                if self.position > 0 {
                    self.may_go_back()?;
                }
                self.position = 0;
                Ok(Steps::ahead(0))
            }
            Direction::Absolute(number) => {
                self.may_go_back()?;
                self.reach(session, u64::MAX).await?;
                let from_end = number.unsigned_abs() - 1;
                self.position = (self.kept.rows() + 1).saturating_sub(from_end);
                Ok(Steps::back(1))
            }
            Direction::Relative(0) => {
                if !self.is_on_row() {
                    return Ok(Steps::ahead(0));
                }
                self.may_go_back()?;
                self.position -= 1;
                Ok(Steps::ahead(1))
            }
            Direction::Relative(number @ 1..) => {
                let target = self.position.saturating_add(number.unsigned_abs());
                self.go_before(session, target).await
            }
            Direction::Relative(number) => {
                self.may_go_back()?;
                let skipped = number.unsigned_abs() - 1;
                self.position = self.position.saturating_sub(skipped);
                Ok(Steps::back(1))
            }
        }
    }

    /// Goes to just before a row.
    async fn go_before(&mut self, session: &mut Session, number: u64) -> Result<Steps, SqlError> {
        if number <= self.position {
            self.may_go_back()?;
        }
        if self.reach(session, number - 1).await? {
            self.position = number - 1;
        } else {
            self.position = self.kept.rows() + 1;
        }
        Ok(Steps::ahead(1))
    }

    fn may_go_back(&self) -> Result<(), SqlError> {
        if self.scroll {
            Ok(())
        } else {
            Err(only_forward())
        }
    }

    /// Whether it stands on a row.
    pub(super) fn is_on_row(&self) -> bool {
        (1..=self.kept.rows()).contains(&self.position)
    }

    /// One step; says whether there is a row.
    pub(super) async fn step(
        &mut self,
        session: &mut Session,
        steps: &mut Steps,
    ) -> Result<bool, SqlError> {
        if steps.left == 0 {
            return Ok(false);
        }
        steps.left -= 1;
        let there = if !steps.forward {
            self.position = self.position.saturating_sub(1);
            self.position > 0
        } else if self.position > self.kept.rows() {
            // After the last already: only the end can be there.
            false
        } else {
            let there = self.reach(session, self.position + 1).await?;
            self.position += 1;
            there
        };
        if !there {
            steps.left = 0;
        }
        Ok(there)
    }

    /// Goes as many steps as asked for; how many rows it came past.
    pub(super) async fn skip(
        &mut self,
        session: &mut Session,
        steps: Steps,
    ) -> Result<u64, SqlError> {
        if steps.left == 0 {
            return Ok(0);
        }
        let before = self.position;
        if steps.forward {
            let target = before.saturating_add(steps.left);
            self.position = match self.reach(session, target).await? {
                true => target,
                false => self.kept.rows() + 1,
            };
            return Ok(self.position.min(self.kept.rows()).saturating_sub(before));
        }
        self.position = before.saturating_sub(steps.left);
        let passed = before - self.position;
        Ok(passed - u64::from(self.position == 0 && before > 0))
    }

    /// Reads everything there is to read, to outlive the transaction.
    pub(super) async fn hold(&mut self, session: &mut Session) -> Result<(), SqlError> {
        self.keeps = true;
        self.reach(session, u64::MAX).await?;
        Ok(())
    }

    /// The key of the row that it stands on, in a table it reads, and the table that
    /// the row is in: that one or one below it.
    pub(super) async fn current_key(&mut self, number: usize) -> Result<(Vec<u8>, u32), SqlError> {
        let (visible, position) = (self.fields.len(), self.position);
        let (first, batch) = self.kept.around(position).await?;
        let at = usize::try_from(position - first).unwrap_or(usize::MAX);
        let column = visible + 2 * number;
        let key = crate::exec::change::key_at(batch, column, at);
        key.zip(crate::exec::change::table_at(batch, column + 1, at))
            .ok_or_else(|| SqlError::internal("a row of a cursor has no key"))
    }
}

/// No row, or one, in place of those of a table.
pub(super) type Current = Option<StoredRow>;
