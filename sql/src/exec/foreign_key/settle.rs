//! The end of a statement: dealing with what it noted about foreign keys.

use std::collections::VecDeque;
use std::sync::Arc;

use super::link::Link;
use crate::catalog::Catalog;
use crate::error::SqlError;
use crate::exec::table::TableInfo;
use crate::exec::write::StatementWriter;
use crate::txn::{KeyEvent, LockKey, LockMode};

impl StatementWriter<'_> {
    /// Locks a table, once a statement.
    pub(super) async fn lock_relation(
        &mut self,
        table: u32,
        mode: LockMode,
    ) -> Result<(), SqlError> {
        if !self.keys.knows_lock(table, mode) {
            let lock = LockKey::table(self.txn.tenant(), table);
            self.lock(lock, mode).await?;
            self.keys.tables.insert((table, mode as u8), ());
        }
        Ok(())
    }

    fn info(&mut self, table: u32) -> Result<Option<Arc<TableInfo>>, SqlError> {
        if let Some(info) = self.keys.infos.get(&table) {
            return Ok(Some(info.clone()));
        }
        let catalog = self.catalog()?;
        let Some(desc) = catalog.table_by_oid(table) else {
            return Ok(None);
        };
        let info = Arc::new(TableInfo::new(desc.clone())?);
        self.keys.infos.insert(table, info.clone());
        Ok(Some(info))
    }

    /// A foreign key with its tables, both locked against changes of their
    /// definitions; nothing when it has been dropped.
    pub(super) async fn link(
        &mut self,
        table: u32,
        key: u32,
    ) -> Result<Option<Arc<Link>>, SqlError> {
        if let Some(link) = self.keys.links.get(&key) {
            return Ok(link.clone());
        }
        let described = |catalog: &Catalog| {
            let table = catalog.table_by_oid(table)?;
            table.foreign_key(key).cloned()
        };
        let Some(found) = described(self.catalog()?.as_ref()) else {
            return Ok(None);
        };
        self.lock_relation(table, LockMode::RowShare).await?;
        self.lock_relation(found.referenced, LockMode::RowShare)
            .await?;
        // Again: the tables may have changed before the locks were there.
        let catalog = self.catalog()?;
        let link = match described(&catalog) {
            None => None,
            Some(found) => match (self.info(table)?, self.info(found.referenced)?) {
                (Some(child), Some(parent)) => {
                    Link::new(&found, child, parent, &catalog)?.map(Arc::new)
                }
                _ => None,
            },
        };
        for part in link.iter().flat_map(|link| link.parent_tables()) {
            self.lock_relation(part, LockMode::RowShare).await?;
        }
        self.keys.links.insert(key, link.clone());
        Ok(link)
    }

    /// Deals with notes, and with those that come up on the way.
    ///
    /// # Errors
    /// 23503, and whatever changing referencing rows may fail with.
    pub(crate) async fn settle(&mut self, events: Vec<KeyEvent>) -> Result<(), SqlError> {
        // The notes of a statement, beneath those of the statement that it made
        // necessary, and so on.
        let mut stack = vec![VecDeque::from(events)];
        while let Some(queue) = stack.last_mut() {
            let Some(event) = queue.pop_front() else {
                stack.pop();
                continue;
            };
            self.cancel.check()?;
            match event {
                KeyEvent::Refers { table, key, row } => {
                    if let Some(link) = self.link(table, key).await? {
                        self.check_reference(&link, &row).await?;
                    }
                }
                KeyEvent::Unique { table, index, row } => {
                    if let Some(table) = self.info(table)? {
                        self.check_unique(&table, index, &row)?;
                    }
                }
                KeyEvent::Gone { .. } => self.settle_gone(event, queue).await?,
            }
            let changes = std::mem::take(&mut self.layer);
            self.txn.push(changes)?;
            let nested = self.keys.take_events();
            if !nested.is_empty() {
                // Keys may be gone now that were there before.
                self.keys.present.clear();
                stack.push(VecDeque::from(nested));
            }
        }
        Ok(())
    }

    /// Takes the notes that the statement made.
    pub(crate) fn take_key_events(&mut self) -> Vec<KeyEvent> {
        self.keys.present.clear();
        self.keys.take_events()
    }
}
