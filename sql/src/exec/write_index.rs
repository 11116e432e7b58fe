//! What writing a row does to the indexes of its table.

use super::derived::IndexValues;
use super::index_entry::IndexEntry;
use super::table::TableInfo;
use super::write::StatementWriter;
use crate::catalog::IndexDescriptor;
use crate::error::{SqlError, state};
use crate::txn::{Entry, KeyEvent, LockMode, StreamKey};
use crate::types::Datum;

/// A row with its key and what the expressions of the indexes give for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexedRow<'a> {
    pub(super) key: &'a [u8],
    pub(super) row: &'a [Datum],
    pub(super) values: &'a IndexValues,
}

impl StatementWriter<'_> {
    /// Adds a row to all indexes.
    ///
    /// # Errors
    /// 23505, lock and storage errors.
    pub(super) async fn index_row(
        &mut self,
        table: &TableInfo,
        new: IndexedRow<'_>,
    ) -> Result<(), SqlError> {
        for index in &table.desc.indexes {
            if let Some(entry) = table.index_entry(index, new.row, new.values, new.key)? {
                self.add_index_entry(table, index, entry, new).await?;
            }
        }
        Ok(())
    }

    /// Takes a row out of all indexes.
    ///
    /// # Errors
    /// Lock errors.
    pub(super) async fn unindex_row(
        &mut self,
        table: &TableInfo,
        old: IndexedRow<'_>,
    ) -> Result<(), SqlError> {
        for index in &table.desc.indexes {
            if let Some(entry) = table.index_entry(index, old.row, old.values, old.key)? {
                let stream = TableInfo::index_stream(index);
                self.lock_unique_entry(table, stream, &entry).await?;
                self.layer.put(stream, &entry.key, Entry::delete());
            }
        }
        Ok(())
    }

    async fn add_index_entry(
        &mut self,
        table: &TableInfo,
        index: &IndexDescriptor,
        entry: IndexEntry,
        new: IndexedRow<'_>,
    ) -> Result<(), SqlError> {
        let stream = TableInfo::index_stream(index);
        if entry.exclusive {
            self.lock_key(table, stream, &entry.key, LockMode::RowUpdate)
                .await?;
            if self.exists(stream, &entry.key)? {
                self.check_taken(stream, &entry.key)?;
                return Err(self.duplicate_entry(table, index, new.row, new.values));
            }
        }
        self.layer
            .put(stream, &entry.key, Entry::insert(entry.value));
        if index.unique && index.deferrable {
            self.note_unique(table, index, new).await?;
        }
        Ok(())
    }

    /// Whether the key of a deferrable constraint is unique is looked at later. Its
    /// lock keeps other transactions from using the key until then.
    async fn note_unique(
        &mut self,
        table: &TableInfo,
        index: &IndexDescriptor,
        new: IndexedRow<'_>,
    ) -> Result<(), SqlError> {
        let Some(key) = table.unique_key(index, new.row, new.values)? else {
            return Ok(());
        };
        let stream = TableInfo::index_stream(index);
        self.lock_key(table, stream, &key, LockMode::RowUpdate)
            .await?;
        let event = KeyEvent::Unique {
            table: table.desc.oid,
            index: index.oid,
            row: Box::from(new.key),
        };
        if self.txn.deferred().is_deferred(index.oid, index.deferred) {
            return self.txn.deferred().push(event);
        }
        self.keys.push(event)
    }

    /// Looks whether another row has the same key as this one.
    ///
    /// # Errors
    /// 23505, storage errors.
    pub(super) fn check_unique(
        &mut self,
        table: &TableInfo,
        index: u32,
        row_key: &[u8],
    ) -> Result<(), SqlError> {
        let Some(index) = table.desc.indexes.iter().find(|i| i.oid == index) else {
            return Ok(());
        };
        let view = self.newest();
        let stored = view.get(table.rows, row_key, &mut self.scratch, |version| {
            version.value.to_vec()
        })?;
        let Some(stored) = stored else {
            return Ok(());
        };
        let row = table.decode(&stored)?;
        let values = self.index_values(table, &row)?;
        let Some(key) = table.unique_key(index, &row, &values)? else {
            return Ok(());
        };
        let stream = TableInfo::index_stream(index);
        let mut scan = view.scan(stream, &key, None, true);
        while let Some((entry, version)) = scan.next()? {
            if !entry.starts_with(&key) {
                break;
            }
            let other = super::index_entry::row_key(entry, version.value)?;
            if other != row_key && entry.len() == key.len() + other.len() {
                return Err(self.duplicate_entry(table, index, &row, &values));
            }
        }
        Ok(())
    }

    /// Moves a row to its new place in an index.
    ///
    /// # Errors
    /// 23505, lock and storage errors.
    pub(super) async fn replace_index_entry(
        &mut self,
        table: &TableInfo,
        index: &IndexDescriptor,
        old: IndexedRow<'_>,
        new: IndexedRow<'_>,
    ) -> Result<(), SqlError> {
        let before = table.index_entry(index, old.row, old.values, old.key)?;
        let after = table.index_entry(index, new.row, new.values, new.key)?;
        if before == after {
            return Ok(());
        }
        let stream = TableInfo::index_stream(index);
        if let Some(before) = before {
            self.lock_unique_entry(table, stream, &before).await?;
            if let Some(after) = &after
                && before.key == after.key
            {
                self.layer.put(
                    stream,
                    &after.key,
                    Entry::update(after.value.clone(), Vec::new()),
                );
                return Ok(());
            }
            self.layer.put(stream, &before.key, Entry::delete());
        }
        match after {
            Some(after) => self.add_index_entry(table, index, after, new).await,
            None => Ok(()),
        }
    }

    /// A unique key that goes away is locked, so that whoever wants to use it
    /// waits to see whether it really does.
    async fn lock_unique_entry(
        &mut self,
        table: &TableInfo,
        stream: StreamKey,
        entry: &IndexEntry,
    ) -> Result<(), SqlError> {
        if !entry.exclusive {
            return Ok(());
        }
        self.lock_key(table, stream, &entry.key, LockMode::RowUpdate)
            .await
    }

    fn duplicate_entry(
        &self,
        table: &TableInfo,
        index: &IndexDescriptor,
        row: &[Datum],
        values: &IndexValues,
    ) -> SqlError {
        let detail = table.index_key_detail(index, row, values);
        self.duplicate(table, &index.name, &detail)
    }

    /// The error for a key that another row has; `key` is the key as details show it.
    pub(super) fn duplicate(&self, table: &TableInfo, constraint: &str, key: &str) -> SqlError {
        let error = SqlError::new(
            state::UNIQUE_VIOLATION,
            format!("duplicate key value violates unique constraint \"{constraint}\""),
        )
        .detail(format!("Key {key} already exists."));
        self.concerning(table, error).constraint(constraint)
    }
}
