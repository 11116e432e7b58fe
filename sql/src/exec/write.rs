//! Writing rows: constraints, indexes, locks.
//!
//! A [`StatementWriter`] gathers the changes of one statement in a layer of its
//! own. Constraint checks look at that layer and at the newest committed state
//! under the transaction's own changes, after the key in question is locked, so
//! that two transactions cannot both pass.

use std::borrow::Cow;
use std::sync::Arc;

use super::family::Families;
use super::foreign_key::KeyWork;
use super::rules::{Rules, Writing};
use super::table::{TableInfo, datum_at};
use super::write_index::IndexedRow;
use crate::cancel::Cancellation;
use crate::catalog::{Catalog, IndexDescriptor};
use crate::engine::Engine;
use crate::error::{SqlError, state};
use crate::session::Busy;
use crate::txn::{
    Entry, EntryKind, IsolationLevel, Layer, LockKey, LockMode, Patience, ReadView, StreamKey,
    Transaction, WaitPolicy,
};
use crate::types::Datum;

/// Changes after which the memory bound is checked again.
const CHECK_EVERY: u32 = 1024;

/// The changes of one statement, being made.
pub(crate) struct StatementWriter<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) txn: &'a mut Transaction,
    pub(super) cancel: &'a Cancellation,
    patience: Patience,
    pub(super) writing: Writing<'a>,
    pub(super) rules: Rules,
    pub(super) layer: Layer,
    pub(super) keys: KeyWork,
    pub(super) families: Families,
    pub(super) scratch: Vec<u8>,
    since_check: u32,
}

/// The changes of a statement that goes on later.
#[derive(Debug, Default)]
pub(crate) struct Suspended {
    layer: Layer,
    keys: KeyWork,
    families: Families,
}

/// What became of a row that was to be changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    /// Nobody changed it since it was read.
    Same,
    /// Somebody committed a new version: what it is now.
    Changed { csn: u64, stored: Vec<u8> },
    /// Somebody deleted it.
    Gone,
}

/// What became of a row that was to be locked without waiting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RowLocked {
    /// It is locked.
    Is(Locked),
    /// Somebody else has it.
    Busy,
}

impl<'a> StatementWriter<'a> {
    /// A writer for a statement of `txn`.
    pub(crate) fn new(
        engine: &'a Engine,
        txn: &'a mut Transaction,
        cancel: &'a Cancellation,
        patience: Patience,
        writing: Writing<'a>,
    ) -> Self {
        Self {
            engine,
            txn,
            cancel,
            patience,
            writing,
            rules: Rules::default(),
            layer: Layer::default(),
            keys: KeyWork::default(),
            families: Families::default(),
            scratch: Vec::with_capacity(64),
            since_check: 0,
        }
    }

    /// Goes on with changes that [`Self::suspend`] gave.
    pub(crate) fn resume(&mut self, suspended: Suspended) {
        self.layer = suspended.layer;
        self.keys = suspended.keys;
        self.families = suspended.families;
    }

    /// Gives the changes so far, to go on later.
    pub(crate) fn suspend(self) -> Suspended {
        Suspended {
            layer: self.layer,
            keys: self.keys,
            families: self.families,
        }
    }

    /// Ends the statement: its changes become visible to the transaction, and
    /// what foreign keys have to say about them happens.
    ///
    /// # Errors
    /// 53200 when the transaction grew too large; 23503, and whatever changing
    /// referencing rows may fail with.
    pub(crate) async fn finish(mut self) -> Result<(), SqlError> {
        let changes = std::mem::take(&mut self.layer);
        self.txn.push(changes)?;
        let events = self.take_key_events();
        if events.is_empty() {
            return Ok(());
        }
        self.settle(events).await
    }

    /// The newest committed state under the transaction's own changes, those of
    /// this statement excluded.
    pub(super) fn newest(&self) -> ReadView {
        self.txn.newest_view(self.engine.snapshot())
    }

    pub(super) async fn lock(&mut self, key: LockKey, mode: LockMode) -> Result<bool, SqlError> {
        let manager = self.txn.manager().clone();
        manager
            .acquire(
                self.txn.held(),
                key,
                mode,
                WaitPolicy::Wait(self.patience),
                self.cancel,
            )
            .await
    }

    /// Locks one key of a stream unless the whole table is the transaction's.
    pub(super) async fn lock_key(
        &mut self,
        table: &TableInfo,
        stream: StreamKey,
        key: &[u8],
        mode: LockMode,
    ) -> Result<(), SqlError> {
        if self.txn.owns_table(table.desc.oid) {
            return Ok(());
        }
        let lock = LockKey::row(self.txn.tenant(), stream.stream, key);
        self.lock(lock, mode).await.map(|_| ())
    }

    pub(super) fn exists(&mut self, stream: StreamKey, key: &[u8]) -> Result<bool, SqlError> {
        if let Some(entry) = self.layer.get(stream, key) {
            return Ok(entry.kind != EntryKind::Delete);
        }
        let view = self.newest();
        let found = view.get(stream, key, &mut self.scratch, |_| ())?;
        Ok(found.is_some())
    }

    fn note_change(&mut self) -> Result<(), SqlError> {
        self.since_check += 1;
        if self.since_check >= CHECK_EVERY {
            self.since_check = 0;
            self.cancel.check()?;
            self.txn.check_growth(&self.layer)?;
        }
        Ok(())
    }

    /// Inserts a complete row, given by attribute, with its generated columns filled
    /// in; gives the table it is in now, which is a partition of a partitioned one.
    ///
    /// # Errors
    /// 23502, 23505, 23514, lock and storage errors.
    pub(crate) async fn insert(
        &mut self,
        table: &TableInfo,
        row: &mut [Datum],
    ) -> Result<u32, SqlError> {
        self.generate(table, row)?;
        if table.desc.is_partitioned() {
            let (place, mut own) = self.place_of(table, row)?;
            self.insert_into(&place.table, &mut own).await?;
            return Ok(place.table.desc.oid);
        }
        if table.desc.is_partition() && !self.fits(&table.desc, row)? {
            self.check_row(table, row)?;
            return Err(self.does_not_fit(table, row));
        }
        self.insert_into(table, row).await?;
        Ok(table.desc.oid)
    }

    /// Inserts a complete row into a table that takes it.
    ///
    /// # Errors
    /// 23502, 23505, lock and storage errors.
    pub(super) async fn insert_into(
        &mut self,
        table: &TableInfo,
        row: &mut [Datum],
    ) -> Result<(), SqlError> {
        self.generate(table, row)?;
        let row: &[Datum] = row;
        self.check_row(table, row)?;
        let key = if table.desc.has_row_number() {
            self.engine
                .next_row_number(self.txn, table.rows)?
                .to_be_bytes()
                .to_vec()
        } else {
            let key = table.primary_key(row)?;
            self.claim_primary_key(table, &key, row).await?;
            key
        };
        let new = IndexedRow {
            key: &key,
            row,
            values: &self.index_values(table, row)?,
        };
        self.index_row(table, new).await?;
        self.layer
            .put(table.rows, &key, Entry::insert(table.encode(row)?));
        self.note_references(table, &key, row, None).await?;
        self.note_change()
    }

    async fn claim_primary_key(
        &mut self,
        table: &TableInfo,
        key: &[u8],
        row: &[Datum],
    ) -> Result<(), SqlError> {
        self.lock_key(table, table.rows, key, LockMode::RowUpdate)
            .await?;
        if self.exists(table.rows, key)? {
            self.check_taken(table.rows, key)?;
            let name = table
                .desc
                .primary_key_name
                .as_ref()
                .map_or("", |(name, _)| name);
            let key = table.key_detail(&table.desc.primary_key, row);
            return Err(self.duplicate(table, name, &key));
        }
        Ok(())
    }

    /// To a serializable transaction that read what others changed since, this is the
    /// reason why a key is taken.
    pub(super) fn check_taken(&self, stream: StreamKey, key: &[u8]) -> Result<(), SqlError> {
        match self.txn.watched() {
            Some(watched) => watched.would_write(stream, key),
            None => Ok(()),
        }
    }

    /// Whether this statement already changed the row.
    pub(crate) fn already_changed(&self, table: &TableInfo, key: &[u8]) -> bool {
        self.layer.get(table.rows, key).is_some()
    }

    /// Locks a row that was read at `csn`, waiting for whoever holds it, and
    /// says whether it is still the same.
    ///
    /// # Errors
    /// 40001 at REPEATABLE READ when it changed; lock and storage errors.
    pub(crate) async fn lock_row(
        &mut self,
        table: &TableInfo,
        key: &[u8],
        csn: u64,
        mode: LockMode,
    ) -> Result<Locked, SqlError> {
        self.lock_key(table, table.rows, key, mode).await?;
        let now = self.row_now(table, key, csn)?;
        if now != Locked::Same && self.txn.isolation() != IsolationLevel::ReadCommitted {
            return Err(changed_since(&now));
        }
        Ok(now)
    }

    /// Locks a row that was read at `csn`, with what to do when it is not free.
    ///
    /// # Errors
    /// 55P03 when it must not be waited for; as [`Self::lock_row`].
    pub(crate) async fn lock_row_or(
        &mut self,
        table: &TableInfo,
        (key, csn): (&[u8], u64),
        mode: LockMode,
        busy: Busy,
    ) -> Result<RowLocked, SqlError> {
        if busy != Busy::Wait && !self.txn.owns_table(table.desc.oid) {
            let lock = LockKey::row(self.txn.tenant(), table.rows.stream, key);
            let manager = self.txn.manager().clone();
            if !manager.try_acquire(self.txn.held(), lock, mode) {
                return match busy {
                    Busy::Skip => Ok(RowLocked::Busy),
                    _ => Err(crate::session::row_is_busy(&table.desc.name)),
                };
            }
        }
        self.lock_key(table, table.rows, key, mode).await?;
        let now = self.row_now(table, key, csn)?;
        // Whoever only wants the key to stay is content with the old version.
        let content = mode == LockMode::RowKeyShare && matches!(now, Locked::Changed { .. });
        if now != Locked::Same && self.txn.isolation() != IsolationLevel::ReadCommitted && !content
        {
            return Err(changed_since(&now));
        }
        Ok(RowLocked::Is(now))
    }

    /// What a locked row is now, compared with the version `csn`.
    fn row_now(&mut self, table: &TableInfo, key: &[u8], csn: u64) -> Result<Locked, SqlError> {
        let view = self.newest();
        let now = view.get(table.rows, key, &mut self.scratch, |version| {
            if version.csn == csn {
                Locked::Same
            } else {
                Locked::Changed {
                    csn: version.csn,
                    stored: version.value.to_vec(),
                }
            }
        })?;
        Ok(now.unwrap_or(Locked::Gone))
    }

    /// Replaces a locked row. `old` and `new` are complete rows; generated columns of
    /// the new one are filled in.
    ///
    /// # Errors
    /// 23502, 23505, 23514, lock and storage errors.
    pub(crate) async fn update(
        &mut self,
        table: &TableInfo,
        key: &[u8],
        old: &[Datum],
        new: &mut [Datum],
        columns: &[u16],
    ) -> Result<(), SqlError> {
        self.generate(table, new)?;
        if table.desc.is_partition() && !self.fits(&table.desc, new)? {
            self.check_row(table, new)?;
            return Err(self.does_not_fit(table, new));
        }
        self.update_in_place(table, key, old, new, columns).await
    }

    /// Replaces a locked row by one that the table takes.
    ///
    /// # Errors
    /// 23502, 23505, lock and storage errors.
    pub(super) async fn update_in_place(
        &mut self,
        table: &TableInfo,
        key: &[u8],
        old: &[Datum],
        new: &mut [Datum],
        columns: &[u16],
    ) -> Result<(), SqlError> {
        self.generate(table, new)?;
        let new: &[Datum] = new;
        self.check_row(table, new)?;
        let columns = changed_columns(table, old, new, columns);
        let columns: &[u16] = &columns;
        let new_key = if table.desc.has_row_number() {
            key.to_vec()
        } else {
            table.primary_key(new)?
        };
        let moved = new_key != key;
        if moved {
            self.claim_primary_key(table, &new_key, new).await?;
        }
        let touched = |index: &&IndexDescriptor| moved || columns.iter().any(|c| index.needs(*c));
        if table.desc.indexes.iter().any(|index| touched(&index)) {
            let before = IndexedRow {
                key,
                row: old,
                values: &self.index_values(table, old)?,
            };
            let after = IndexedRow {
                key: &new_key,
                row: new,
                values: &self.index_values(table, new)?,
            };
            for index in table.desc.indexes.iter().filter(touched) {
                self.replace_index_entry(table, index, before, after)
                    .await?;
            }
        }
        let stored = table.encode(new)?;
        if moved {
            self.layer.put(table.rows, key, Entry::delete());
            self.layer.put(table.rows, &new_key, Entry::insert(stored));
        } else {
            self.layer
                .put(table.rows, key, Entry::update(stored, columns.to_vec()));
        }
        let changed = Some(columns).filter(|_| !moved);
        self.note_references(table, &new_key, new, changed).await?;
        self.note_gone(&table.desc, old, Some((new, columns)))?;
        self.note_change()
    }

    /// Deletes a locked row.
    ///
    /// # Errors
    /// Lock errors; 53200 when the transaction grew too large.
    pub(crate) async fn delete(
        &mut self,
        table: &TableInfo,
        key: &[u8],
        old: &[Datum],
    ) -> Result<(), SqlError> {
        self.remove(table, key, old).await?;
        self.note_gone(&table.desc, old, None)
    }

    /// Takes a locked row and its index entries away.
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub(super) async fn remove(
        &mut self,
        table: &TableInfo,
        key: &[u8],
        old: &[Datum],
    ) -> Result<(), SqlError> {
        let gone = IndexedRow {
            key,
            row: old,
            values: &self.index_values(table, old)?,
        };
        self.unindex_row(table, gone).await?;
        self.layer.put(table.rows, key, Entry::delete());
        self.note_change()
    }

    /// The lock mode for an update of `columns`: stronger when the key may move.
    pub(crate) fn update_mode(table: &TableInfo, columns: &[u16]) -> LockMode {
        if columns.iter().any(|c| is_key_column(table, *c)) {
            LockMode::RowUpdate
        } else {
            LockMode::RowNoKeyUpdate
        }
    }

    /// The lock mode for an update that makes `new` of `old`: stronger when the key
    /// moves, not when it is set to what it is.
    pub(crate) fn mode_between(table: &TableInfo, old: &[Datum], new: &[Datum]) -> LockMode {
        let moves = table.desc.live_columns().any(|column| {
            let attnum = column.attnum;
            // What is generated is computed when the row is written.
            let changes =
                column.generated.is_some() || datum_at(old, attnum) != datum_at(new, attnum);
            is_key_column(table, attnum) && changes
        });
        if moves {
            LockMode::RowUpdate
        } else {
            LockMode::RowNoKeyUpdate
        }
    }

    /// Checks what concerns the row alone: NOT NULL, then CHECK.
    pub(super) fn check_row(&self, table: &TableInfo, row: &[Datum]) -> Result<(), SqlError> {
        for column in table.desc.live_columns() {
            if column.not_null && datum_at(row, column.attnum).is_null() {
                let error = SqlError::new(
                    state::NOT_NULL_VIOLATION,
                    format!(
                        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                        column.name, table.desc.name
                    ),
                )
                .detail(format!("Failing row contains ({}).", table.row_text(row)));
                return Err(self.concerning(table, error).column(column.name.clone()));
            }
        }
        self.check_rules(table, row)
    }

    /// The catalog as the transaction sees it.
    pub(super) fn catalog(&self) -> Result<Arc<Catalog>, SqlError> {
        match self.txn.own_catalog() {
            Some(own) => Ok(own.clone()),
            None => self.engine.catalog(self.txn.tenant()),
        }
    }

    /// Names the table that an error is about, and its schema.
    pub(super) fn concerning(&self, table: &TableInfo, error: SqlError) -> SqlError {
        match self.catalog() {
            Ok(catalog) => catalog.concerning(&table.desc, error),
            // The violation matters more than the name of the schema.
            Err(_) => error.table(table.desc.name.clone()),
        }
    }
}

/// Whether a column is part of a key that rows are told apart by.
fn is_key_column(table: &TableInfo, attnum: u16) -> bool {
    let mut indexes = table.desc.indexes.iter();
    table.desc.primary_key.contains(&attnum)
        || indexes.any(|index| index.unique && index.needs(attnum))
}

/// The columns that an update changes: those it names, and generated ones that came
/// out differently.
fn changed_columns<'c>(
    table: &TableInfo,
    old: &[Datum],
    new: &[Datum],
    named: &'c [u16],
) -> Cow<'c, [u16]> {
    let mut columns = Cow::Borrowed(named);
    for column in table.desc.live_columns() {
        let attnum = column.attnum;
        if column.generated.is_some()
            && !named.contains(&attnum)
            && datum_at(old, attnum) != datum_at(new, attnum)
        {
            columns.to_mut().push(attnum);
        }
    }
    columns
}

/// The error for a row that is no longer what the snapshot shows.
fn changed_since(now: &Locked) -> SqlError {
    let what = match now {
        Locked::Gone => "delete",
        _ => "update",
    };
    SqlError::new(
        state::T_R_SERIALIZATION_FAILURE,
        format!("could not serialize access due to concurrent {what}"),
    )
}
