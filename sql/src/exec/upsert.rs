//! Inserting unless another row is in the way.
//!
//! Whether one is, is looked up before anything is locked, so that a row which is
//! already there is left alone by ON CONFLICT DO NOTHING. Then the keys are locked,
//! as by any INSERT, and looked up once more if the world has moved: two statements
//! that insert the same key meet at its lock, and the second finds the row of the
//! first. A lock on a key that turned out to be taken is let go again, because the
//! row itself is what has to be locked then.

use std::sync::Arc;

use super::table::TableInfo;
use super::write::StatementWriter;
use crate::catalog::IndexDescriptor;
use crate::error::{SqlError, state};
use crate::exec::index_entry;
use crate::txn::{EntryKind, IsolationLevel, LockMode, StreamKey};
use crate::types::Datum;

/// The unique keys that a conflict may be about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Arbiters {
    /// The primary key.
    pub(crate) primary_key: bool,
    /// Unique indexes, by object identifier.
    pub(crate) indexes: Vec<u32>,
}

impl Arbiters {
    /// The same keys in the partition that takes a row.
    ///
    /// # Errors
    /// XX000 for a partition that is not there.
    pub(crate) fn of_partition(
        &self,
        table: &TableInfo,
        leaf: &TableInfo,
        writer: &StatementWriter<'_>,
    ) -> Result<Self, SqlError> {
        if table.desc.oid == leaf.desc.oid {
            return Ok(self.clone());
        }
        let catalog = writer.catalog()?;
        let mut path = vec![Arc::clone(&leaf.desc)];
        let above = catalog.partitioned_above(leaf.desc.oid);
        path.extend(above.into_iter().take_while(|t| t.oid != table.desc.oid));
        let own = table.desc.primary_key_name.as_ref().map(|(_, oid)| *oid);
        let keys = self.indexes.iter().copied();
        let mut found = Self::default();
        for key in keys.chain(own.filter(|_| self.primary_key)) {
            // Down from the table, a part of the key at each step.
            let part = path.iter().rev().try_fold(key, |key, table| {
                let primary = table.primary_key_name.as_ref();
                match table.family.key_parent == Some(key) {
                    true => primary.map(|(_, oid)| *oid),
                    false => {
                        let mut indexes = table.indexes.iter();
                        indexes.find(|i| i.parent == Some(key)).map(|i| i.oid)
                    }
                }
            });
            let primary = leaf.desc.primary_key_name.as_ref();
            match part {
                Some(oid) if primary.is_some_and(|(_, own)| *own == oid) => {
                    found.primary_key = true;
                }
                Some(oid) => found.indexes.push(oid),
                None => {}
            }
        }
        Ok(found)
    }
}

/// A row that is in the way of another.
#[derive(Debug)]
pub(crate) struct InTheWay {
    /// Its row key.
    pub(crate) key: Vec<u8>,
}

/// A locked row, in its newest version.
#[derive(Debug)]
pub(crate) struct NewestRow {
    /// As it is stored.
    pub(crate) stored: Vec<u8>,
}

impl StatementWriter<'_> {
    /// Inserts a complete row, unless a row with the same key is there: that one.
    ///
    /// # Errors
    /// 23502, 23505 for other keys, lock and storage errors.
    pub(crate) async fn insert_unless(
        &mut self,
        table: &TableInfo,
        row: &mut [Datum],
        arbiters: &Arbiters,
    ) -> Result<Option<InTheWay>, SqlError> {
        self.generate(table, row)?;
        self.check_row(table, row)?;
        let keys = self.keys_of(table, row, arbiters)?;
        let seen = self.engine.snapshot();
        if let Some(found) = self.find(table, &keys)? {
            return Ok(Some(found));
        }
        let held = self.txn.held().len();
        for (stream, key) in &keys {
            self.lock_key(table, *stream, key, LockMode::RowUpdate)
                .await?;
        }
        // Nothing was committed since: what was found still holds.
        if !Arc::ptr_eq(&seen, &self.engine.snapshot())
            && let Some(found) = self.find(table, &keys)?
        {
            let manager = self.txn.manager().clone();
            manager.release_since(self.txn.held(), held);
            return Ok(Some(found));
        }
        self.insert(table, row).await?;
        Ok(None)
    }

    /// Locks a row that is locked already, in a stronger mode.
    ///
    /// # Errors
    /// Lock errors.
    pub(crate) async fn lock_again(
        &mut self,
        table: &TableInfo,
        key: &[u8],
        mode: LockMode,
    ) -> Result<(), SqlError> {
        self.lock_key(table, table.rows, key, mode).await
    }

    /// Streams and keys that a row may conflict in.
    fn keys_of(
        &self,
        table: &TableInfo,
        row: &[Datum],
        arbiters: &Arbiters,
    ) -> Result<Vec<(StreamKey, Vec<u8>)>, SqlError> {
        let mut keys = Vec::with_capacity(arbiters.indexes.len() + 1);
        if arbiters.primary_key {
            keys.push((table.rows, table.primary_key(row)?));
        }
        let values = self.index_values(table, row)?;
        let unique = |index: &&IndexDescriptor| arbiters.indexes.contains(&index.oid);
        for index in table.desc.indexes.iter().filter(unique) {
            if let Some(entry) = table.index_entry(index, row, &values, &[])?
                && entry.exclusive
            {
                keys.push((TableInfo::index_stream(index), entry.key));
            }
        }
        Ok(keys)
    }

    /// The first row that has one of the keys, in the newest state.
    fn find(
        &mut self,
        table: &TableInfo,
        keys: &[(StreamKey, Vec<u8>)],
    ) -> Result<Option<InTheWay>, SqlError> {
        for (stream, key) in keys {
            if *stream == table.rows {
                if self.exists(*stream, key)? {
                    return Ok(Some(InTheWay { key: key.clone() }));
                }
                continue;
            }
            let found = match self.layer.get(*stream, key) {
                Some(entry) if entry.kind == EntryKind::Delete => None,
                Some(entry) => Some(index_entry::row_key(key, &entry.value)?.to_vec()),
                None => {
                    let view = self.newest();
                    let found = view.get(*stream, key, &mut self.scratch, |version| {
                        index_entry::row_key(key, version.value).map(<[u8]>::to_vec)
                    })?;
                    found.transpose()?
                }
            };
            if let Some(key) = found {
                return Ok(Some(InTheWay { key }));
            }
        }
        Ok(None)
    }

    /// At REPEATABLE READ, a row that is in the way must be one that the transaction
    /// sees.
    ///
    /// # Errors
    /// 40001 when it is not.
    pub(crate) fn check_visible(
        &mut self,
        table: &TableInfo,
        found: &InTheWay,
    ) -> Result<(), SqlError> {
        if self.txn.isolation() == IsolationLevel::ReadCommitted
            || self.already_changed(table, &found.key)
        {
            return Ok(());
        }
        let view = self.txn.view(self.engine.snapshot());
        let seen = view.get(table.rows, &found.key, &mut self.scratch, |v| v.csn)?;
        let newest = self.newest();
        let now = newest.get(table.rows, &found.key, &mut self.scratch, |v| v.csn)?;
        if seen == now {
            return Ok(());
        }
        Err(SqlError::new(
            state::T_R_SERIALIZATION_FAILURE,
            "could not serialize access due to concurrent update",
        )
        .hint("Retry the transaction."))
    }

    /// Locks the row that is in the way of `row`, and gives its newest version;
    /// nothing when it is not in the way any more.
    ///
    /// # Errors
    /// 21000 when this statement wrote it; 40001 at REPEATABLE READ; lock and storage
    /// errors.
    pub(crate) async fn lock_in_the_way(
        &mut self,
        table: &TableInfo,
        row: &[Datum],
        found: &InTheWay,
        arbiters: &Arbiters,
        mode: LockMode,
    ) -> Result<Option<NewestRow>, SqlError> {
        if self.already_changed(table, &found.key) {
            return Err(SqlError::new(
                state::CARDINALITY_VIOLATION,
                "ON CONFLICT DO UPDATE command cannot affect row a second time",
            )
            .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values."));
        }
        self.cancel.check()?;
        self.lock_key(table, table.rows, &found.key, mode).await?;
        self.check_visible(table, found)?;
        let keys = self.keys_of(table, row, arbiters)?;
        match self.find(table, &keys)? {
            Some(again) if again.key == found.key => {}
            _ => return Ok(None),
        }
        let view = self.newest();
        let stored = view.get(table.rows, &found.key, &mut self.scratch, |version| {
            version.value.to_vec()
        })?;
        Ok(stored.map(|stored| NewestRow { stored }))
    }
}
