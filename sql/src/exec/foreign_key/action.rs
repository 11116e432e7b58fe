//! The referenced side: what happens to rows that refer to a key that is gone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::check::concurrent_update;
use super::children::{Child, Search};
use super::link::{Children, Link, comparable, referenced_key};
use crate::catalog::{Catalog, KeyAction, TableDescriptor, attribute_map, mapped};
use crate::error::{SqlError, state};
use crate::exec::expr::Values;
use crate::exec::family::Replaced;
use crate::exec::insert::{Defaults, set};
use crate::exec::table::TableInfo;
use crate::exec::write::{Locked, StatementWriter};
use crate::session::POSTGRES_EPOCH_US;
use crate::txn::{IsolationLevel, KeyEvent, LockMode, OWN_CSN, ReadView};
use crate::types::{Datum, SessionFormat};

/// A key that is gone, and what took its place.
struct GoneKey {
    old: Box<[Datum]>,
    new: Option<Box<[Datum]>>,
}

/// The new version of a row, and the columns that it changes.
type NewRow<'r> = (&'r [Datum], &'r [u16]);

impl StatementWriter<'_> {
    /// Notes that a row was deleted, or has a new version, for those who refer
    /// to it.
    ///
    /// # Errors
    /// Storage errors; 53200.
    pub(crate) fn note_gone(
        &mut self,
        table: &TableDescriptor,
        old: &[Datum],
        new: Option<NewRow<'_>>,
    ) -> Result<(), SqlError> {
        let catalog = self.catalog()?;
        self.note_gone_from(table, &catalog, (old, new))?;
        // Those who refer to the whole table refer to its partitions.
        for whole in catalog.partitioned_above(table.oid) {
            if catalog.referencing(whole.oid).next().is_none() {
                continue;
            }
            let map = attribute_map(table, &whole);
            let as_whole = |row: &[Datum]| {
                let mut out = vec![Datum::Null; whole.columns.len()];
                for (value, attnum) in row.iter().zip(&map) {
                    let at = attnum.and_then(|n| usize::from(n).checked_sub(1));
                    if let Some(slot) = at.and_then(|at| out.get_mut(at)) {
                        slot.clone_from(value);
                    }
                }
                out
            };
            let columns = |own: &[u16]| -> Vec<u16> {
                own.iter()
                    .filter_map(|n| map.get(usize::from(*n).checked_sub(1)?).copied()?)
                    .collect()
            };
            let new = new.map(|(row, changed)| (as_whole(row), columns(changed)));
            let new = new.as_ref().map(|(row, changed)| (&**row, &**changed));
            self.note_gone_from(&whole, &catalog, (&as_whole(old), new))?;
        }
        Ok(())
    }

    fn note_gone_from(
        &mut self,
        table: &TableDescriptor,
        catalog: &Catalog,
        (old, new): (&[Datum], Option<NewRow<'_>>),
    ) -> Result<(), SqlError> {
        for (child, key) in catalog.referencing(table.oid) {
            if child.is_partitioned() {
                // Its partitions have the rows, and foreign keys of their own.
                continue;
            }
            let untouched = new.is_some_and(|(_, changed)| {
                !key.referenced_columns.iter().any(|c| changed.contains(c))
            });
            if untouched {
                continue;
            }
            let Some(old) = referenced_key(key, old) else {
                continue;
            };
            let new_key = new.map(|(row, _)| {
                let columns = key.referenced_columns.iter();
                let values: Vec<Datum> = columns
                    .map(|a| crate::exec::table::datum_at(row, *a).clone())
                    .collect();
                values
            });
            if let Some(new_key) = &new_key
                && comparable(new_key)? == comparable(&old)?
            {
                continue;
            }
            let action = match new_key {
                Some(_) => key.on_update,
                None => key.on_delete,
            };
            let event = KeyEvent::Gone {
                table: child.oid,
                key: key.oid,
                referenced: table.oid,
                action,
                old: old.into_boxed_slice(),
                new: new_key.map(Vec::into_boxed_slice),
            };
            let deferred = action == KeyAction::NoAction
                && key.deferrable
                && self.txn.deferred().is_deferred(key.oid, key.deferred);
            if deferred {
                self.txn.deferred().push(event)?;
            } else {
                self.keys.push(event)?;
            }
        }
        Ok(())
    }

    /// Deals with a key that is gone; where every referencing row has to be
    /// looked at, with all of the queue that are of the same kind.
    pub(super) async fn settle_gone(
        &mut self,
        event: KeyEvent,
        queue: &mut VecDeque<KeyEvent>,
    ) -> Result<(), SqlError> {
        let KeyEvent::Gone {
            table,
            key,
            action,
            old,
            new,
            ..
        } = event
        else {
            return Ok(());
        };
        let Some(link) = self.link(table, key).await? else {
            return Ok(());
        };
        let mut gone = vec![GoneKey { old, new }];
        if matches!(link.children, Children::Scan) {
            take_same(queue, key, action, &mut gone);
        }
        if action == KeyAction::NoAction {
            // Another row may have the key now.
            let view = self.newest();
            let mut missing = Vec::with_capacity(gone.len());
            for key in gone {
                if link.find_parent(&key.old, &view)?.is_none() {
                    missing.push(key);
                }
            }
            gone = missing;
        }
        if gone.is_empty() {
            return Ok(());
        }
        if changes_rows(action) {
            self.lock_relation(table, LockMode::RowExclusive).await?;
        }
        self.settle_rows(&link, action, &gone).await?;
        if action == KeyAction::SetDefault {
            // The default may be the very key that is gone.
            for key in gone {
                self.keys.push(KeyEvent::Gone {
                    table,
                    key: link.key.oid,
                    referenced: link.parent.desc.oid,
                    action: KeyAction::NoAction,
                    old: key.old,
                    new: None,
                })?;
            }
        }
        Ok(())
    }

    async fn settle_rows(
        &mut self,
        link: &Arc<Link>,
        action: KeyAction,
        gone: &[GoneKey],
    ) -> Result<(), SqlError> {
        let view = self.newest();
        // Only what changes rows has to see them.
        let one_snapshot = self.txn.isolation() != IsolationLevel::ReadCommitted;
        let snapshot =
            (one_snapshot && changes_rows(action)).then(|| self.txn.view(self.engine.snapshot()));
        let cancel = self.cancel;
        let keys = gone.iter().enumerate().map(|(i, g)| (i, &*g.old));
        let mut search = Search::new(link, &view, cancel, keys)?;
        loop {
            let rows = search.chunk()?;
            if rows.is_empty() {
                return Ok(());
            }
            for child in rows {
                if let Some(snapshot) = &snapshot {
                    check_seen(link, &child, snapshot)?;
                }
                let Some(key) = gone.get(child.which) else {
                    continue;
                };
                if !changes_rows(action) {
                    let error = still_referenced(link, &key.old);
                    return Err(self.concerning(&link.child, error));
                }
                self.change_child(link, action, key, child, &search).await?;
            }
        }
    }

    /// Deletes or changes a row that refers to a key that is gone.
    async fn change_child(
        &mut self,
        link: &Link,
        action: KeyAction,
        gone: &GoneKey,
        child: Child,
        search: &Search<'_>,
    ) -> Result<(), SqlError> {
        let table = &link.child;
        let columns = match (action, &gone.new) {
            (KeyAction::SetNull | KeyAction::SetDefault, None)
                if !link.key.set_columns.is_empty() =>
            {
                &link.key.set_columns
            }
            _ => &link.key.columns,
        };
        let deletes = action == KeyAction::Cascade && gone.new.is_none();
        let mode = if deletes {
            LockMode::RowUpdate
        } else {
            StatementWriter::update_mode(table, columns)
        };
        let mut old = child.row;
        match self.lock_row(table, &child.key, child.csn, mode).await? {
            Locked::Same => {}
            Locked::Gone => return Ok(()),
            Locked::Changed { stored, .. } => {
                old = table.decode(&stored)?;
                if search.refers(&old)? != Some(child.which) {
                    return Ok(());
                }
            }
        }
        if deletes {
            return self.delete(table, &child.key, &old).await;
        }
        let mut new = old.clone();
        let format = SessionFormat::default();
        for attnum in columns {
            let value = match action {
                KeyAction::SetDefault => {
                    self.set_default(&mut new, table, *attnum, &format)?;
                    continue;
                }
                KeyAction::Cascade => new_value(link, gone, *attnum),
                _ => Datum::Null,
            };
            set(&mut new, table, *attnum, value, &format)?;
        }
        if !table.desc.is_partition() {
            return self
                .update(table, &child.key, &old, &mut new, columns)
                .await;
        }
        // The row may have to go to another partition of the same table.
        let catalog = self.catalog()?;
        let whole = catalog.partitioned_above(table.desc.oid).pop();
        let whole = whole.unwrap_or_else(|| Arc::clone(&table.desc));
        let whole = TableInfo::new(whole)?;
        let member = self.member(&whole, table.desc.oid)?;
        let map = attribute_map(&table.desc, &whole.desc);
        let changed = mapped(&map, columns).unwrap_or_default();
        let mut new = member.as_target(&new);
        if action == KeyAction::SetDefault && link.key.parent.is_some() {
            // The key is the whole table's, and so are the defaults.
            for attnum in &changed {
                self.set_default(&mut new, &whole, *attnum, &format)?;
            }
        }
        let row = Replaced {
            key: &child.key,
            old: &old,
            new: &new,
            columns: &changed,
        };
        self.replace(&whole, &member, row).await.map(|_| ())
    }

    /// Puts a column's default into its place of a row.
    fn set_default(
        &self,
        row: &mut [Datum],
        table: &TableInfo,
        attnum: u16,
        format: &SessionFormat,
    ) -> Result<(), SqlError> {
        let values = Values {
            parameters: &[],
            row: &[],
            now_us: self.txn.started_us() - POSTGRES_EPOCH_US,
            format,
            sequences: None,
        };
        set(row, table, attnum, Datum::Null, format)?;
        let (planning, info) = self.planning()?;
        let default = Defaults::of_column(table, attnum, &planning)?;
        default.bind(Some(&info))?.fill(row, table, &values)
    }
}

fn changes_rows(action: KeyAction) -> bool {
    !matches!(action, KeyAction::NoAction | KeyAction::Restrict)
}

/// Takes out of the queue what can be dealt with in the same search.
fn take_same(queue: &mut VecDeque<KeyEvent>, key: u32, action: KeyAction, gone: &mut Vec<GoneKey>) {
    for event in std::mem::take(queue) {
        match event {
            KeyEvent::Gone {
                key: k,
                action: a,
                old,
                new,
                ..
            } if k == key && a == action => gone.push(GoneKey { old, new }),
            other => queue.push_back(other),
        }
    }
}

/// The new value of a referencing column.
fn new_value(link: &Link, gone: &GoneKey, attnum: u16) -> Datum {
    let position = link.key.columns.iter().position(|c| *c == attnum);
    position
        .and_then(|at| gone.new.as_ref()?.get(at).cloned())
        .unwrap_or(Datum::Null)
}

/// A transaction with one snapshot must not change rows that it cannot see.
fn check_seen(link: &Link, child: &Child, snapshot: &ReadView) -> Result<(), SqlError> {
    if child.csn == OWN_CSN {
        return Ok(());
    }
    let seen = snapshot.get(link.child.rows, &child.key, &mut Vec::new(), |v| v.csn)?;
    if seen == Some(child.csn) {
        return Ok(());
    }
    Err(concurrent_update())
}

/// The error for a key that is gone and still referred to.
fn still_referenced(link: &Link, old: &[Datum]) -> SqlError {
    let mut row = vec![Datum::Null; link.parent.desc.columns.len()];
    for (attnum, value) in link.key.referenced_columns.iter().zip(old) {
        if let Some(slot) = row.get_mut(usize::from(attnum.saturating_sub(1))) {
            *slot = value.clone();
        }
    }
    SqlError::new(
        state::FOREIGN_KEY_VIOLATION,
        format!(
            "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
            link.parent.desc.name, link.key.name, link.child.desc.name
        ),
    )
    .detail(format!(
        "Key {} is still referenced from table \"{}\".",
        link.parent.key_detail(&link.key.referenced_columns, &row),
        link.child.desc.name
    ))
    .constraint(link.key.name.clone())
}
