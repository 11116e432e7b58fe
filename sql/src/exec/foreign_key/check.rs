//! The referencing side: what a row refers to has to be there.

use std::sync::Arc;

use super::link::{Link, Wanted, comparable};
use crate::error::{SqlError, state};
use crate::exec::table::TableInfo;
use crate::exec::write::StatementWriter;
use crate::txn::{IsolationLevel, KeyEvent, LockKey, LockMode};
use crate::types::Datum;

impl StatementWriter<'_> {
    /// Looks at what a new version of a row refers to; `changed` names the
    /// columns that are new in it, all when there is none.
    ///
    /// # Errors
    /// Lock and storage errors; 40001.
    pub(crate) async fn note_references(
        &mut self,
        table: &TableInfo,
        row_key: &[u8],
        row: &[Datum],
        changed: Option<&[u16]>,
    ) -> Result<(), SqlError> {
        for key in &table.desc.foreign_keys {
            let untouched =
                changed.is_some_and(|changed| !key.columns.iter().any(|c| changed.contains(c)));
            if untouched {
                continue;
            }
            let Some(link) = self.link(table.desc.oid, key.oid).await? else {
                continue;
            };
            let wanted = link.wanted(row)?;
            if wanted == Wanted::Nothing {
                continue;
            }
            let event = KeyEvent::Refers {
                table: table.desc.oid,
                key: key.oid,
                row: row_key.into(),
            };
            if key.deferrable && self.txn.deferred().is_deferred(key.oid, key.deferred) {
                self.txn.deferred().push(event)?;
            } else if !self.is_there(&link, &wanted).await? {
                self.keys.push(event)?;
            }
        }
        Ok(())
    }

    /// Whether what a row refers to is there, and kept there by a lock.
    async fn is_there(&mut self, link: &Link, wanted: &Wanted) -> Result<bool, SqlError> {
        let Wanted::Key(key) = wanted else {
            return Ok(*wanted == Wanted::Nothing);
        };
        let bytes = comparable(key)?;
        if self.keys.is_present(link.key.oid, &bytes) {
            return Ok(true);
        }
        // In a partitioned table PostgreSQL looks for what there is now, at every level.
        let one_snapshot = self.txn.isolation() != IsolationLevel::ReadCommitted
            && !link.parent.desc.is_partitioned();
        if one_snapshot {
            // What was committed later is not there for this transaction.
            let view = self.txn.view(self.engine.snapshot());
            if link.find_parent(key, &view)?.is_none() {
                return Ok(false);
            }
        }
        let mut locked = None;
        loop {
            let found = link.find_parent(key, &self.newest())?;
            match found {
                None if one_snapshot => return Err(concurrent_update()),
                None => return Ok(false),
                Some((_, row)) if locked.as_ref() == Some(&row) => break,
                Some((parent, row)) => {
                    if !self.txn.owns_table(parent.desc.oid) {
                        let stream = parent.rows.stream;
                        let lock = LockKey::row(self.txn.tenant(), stream, &row);
                        self.lock(lock, LockMode::RowKeyShare).await?;
                    }
                    locked = Some(row);
                }
            }
        }
        self.keys.note_present(link.key.oid, bytes);
        Ok(true)
    }

    /// Looks again at a row whose reference was not there.
    ///
    /// # Errors
    /// 23503.
    pub(super) async fn check_reference(
        &mut self,
        link: &Arc<Link>,
        row_key: &[u8],
    ) -> Result<(), SqlError> {
        let view = self.newest();
        let child = &link.child;
        let row = view.get(child.rows, row_key, &mut Vec::new(), |version| {
            child.decode(version.value)
        })?;
        drop(view);
        // Gone, or moved: then its new version has been noted on its own.
        let Some(row) = row.transpose()? else {
            return Ok(());
        };
        let wanted = link.wanted(&row)?;
        if self.is_there(link, &wanted).await? {
            return Ok(());
        }
        Err(self.concerning(child, not_present(link, &row)))
    }
}

/// The error for a row that refers to nothing.
pub(super) fn not_present(link: &Link, row: &[Datum]) -> SqlError {
    let mixed = matches!(link.wanted(row), Ok(Wanted::Mixed));
    let detail = if mixed {
        "MATCH FULL does not allow mixing of null and nonnull key values.".to_owned()
    } else {
        format!(
            "Key {} is not present in table \"{}\".",
            link.child.key_detail(&link.key.columns, row),
            link.parent.desc.name
        )
    };
    SqlError::new(
        state::FOREIGN_KEY_VIOLATION,
        format!(
            "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
            link.child.desc.name, link.key.name
        ),
    )
    .detail(detail)
    .constraint(link.key.name.clone())
}

/// The error of a transaction with one snapshot that meets what came later.
pub(super) fn concurrent_update() -> SqlError {
    SqlError::new(
        state::T_R_SERIALIZATION_FAILURE,
        "could not serialize access due to concurrent update",
    )
    .hint("Retry the transaction.")
}
