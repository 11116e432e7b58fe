//! Foreign keys of a session: adding them, dropping them, SET CONSTRAINTS, and
//! the checks before COMMIT.

use super::Session;
use super::changes::writer;
use super::parse::ConstraintNames;
use crate::catalog::{Catalog, CatalogChange, CatalogEntry, ForeignKey, QualifiedName};
use crate::catalog::{TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::foreign_key::define::ForeignKeyRequest;
use crate::txn::LockMode;

impl Session {
    /// Adds foreign keys to `table`, which `catalog` knows too, and locks the
    /// tables that they refer to. Rows are not looked at.
    pub(super) async fn add_foreign_keys(
        &mut self,
        table: &mut TableDescriptor,
        requests: &[ForeignKeyRequest],
        catalog: &mut Catalog,
    ) -> Result<(), SqlError> {
        for request in requests {
            let name = QualifiedName::from_ast(&request.table, &self.database)?;
            let parent = catalog.table(&name, self.settings.search_path())?.clone();
            if parent.oid != table.oid {
                self.lock_table(parent.oid, LockMode::ShareRowExclusive)
                    .await?;
            }
            let key = if parent.oid == table.oid {
                request.define(table, table, catalog)?
            } else {
                request.define(table, &parent, catalog)?
            };
            table.foreign_keys.push(key);
            let entry = CatalogEntry::Table(Box::new(table.clone()));
            catalog.apply(&CatalogChange::Put(entry));
        }
        Ok(())
    }

    /// Refuses to change a table whose changes have left checks for later.
    pub(super) fn no_pending_checks(
        &mut self,
        what: &str,
        table: &TableDescriptor,
    ) -> Result<(), SqlError> {
        if self.transaction()?.deferred().concerns(table.oid) {
            return Err(SqlError::new(
                state::OBJECT_IN_USE,
                format!(
                    "cannot {what} \"{}\" because it has pending trigger events",
                    table.name
                ),
            ));
        }
        Ok(())
    }

    /// `SET CONSTRAINTS`: what was put off and is not any more is checked now.
    pub(super) async fn set_constraints(
        &mut self,
        names: &ConstraintNames,
        deferred: bool,
    ) -> Result<String, SqlError> {
        let mut named = Vec::new();
        match names {
            ConstraintNames::All => self.transaction()?.deferred().set_all(deferred),
            ConstraintNames::These(names) => {
                let catalog = self.catalog()?;
                for name in names {
                    let name = QualifiedName::from_ast(name, &self.database)?;
                    for key in self.deferrable(&name, &catalog)? {
                        named.push(key);
                    }
                }
                for key in &named {
                    self.transaction()?.deferred().set(*key, deferred);
                }
            }
        }
        if self.block == super::Block::Implicit && !self.followed {
            self.notices.push(SqlError::warning(
                state::NO_ACTIVE_SQL_TRANSACTION,
                "SET CONSTRAINTS can only be used in transaction blocks",
            ));
        }
        if !deferred {
            let all = matches!(names, ConstraintNames::All);
            let due = self
                .transaction()?
                .deferred()
                .take(|key| all || named.contains(&key));
            writer(self)?.settle(due).await?;
        }
        Ok("SET CONSTRAINTS".to_owned())
    }

    /// The deferrable constraints that a name means: all of that name in the
    /// first schema that has one.
    fn deferrable(&self, name: &QualifiedName, catalog: &Catalog) -> Result<Vec<u32>, SqlError> {
        let schemas: Vec<u32> = match &name.schema {
            Some(schema) => {
                let found = catalog.schema(schema).ok_or_else(|| {
                    SqlError::new(
                        state::INVALID_SCHEMA_NAME,
                        format!("schema \"{schema}\" does not exist"),
                    )
                })?;
                vec![found.oid]
            }
            None => self
                .settings
                .search_path()
                .iter()
                .filter_map(|schema| catalog.schema(schema).map(|s| s.oid))
                .collect(),
        };
        for schema in schemas {
            let tables = catalog.tables().filter(|t| t.schema == schema);
            let keys: Vec<&ForeignKey> = tables
                .flat_map(|t| &t.foreign_keys)
                .filter(|key| key.name == name.name)
                .collect();
            let unique = catalog.tables().filter(|t| t.schema == schema);
            let unique = unique.flat_map(|t| &t.indexes);
            let unique = unique.filter(|i| i.deferrable && i.name == name.name);
            let mut found: Vec<u32> = unique.map(|i| i.oid).collect();
            let keys_found = keys.iter().filter(|key| key.deferrable);
            found.extend(keys_found.map(|key| key.oid));
            if !found.is_empty() {
                return Ok(found);
            }
            if !keys.is_empty() || catalog.constraint_exists(schema, &name.name) {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("constraint \"{}\" is not deferrable", name.name),
                ));
            }
        }
        Err(SqlError::new(
            state::UNDEFINED_OBJECT,
            format!("constraint \"{name}\" does not exist"),
        ))
    }

    /// Checks everything that was put off to the end of the transaction.
    ///
    /// # Errors
    /// 23503; the transaction must then be rolled back.
    pub(super) async fn check_deferred(&mut self) -> Result<(), SqlError> {
        let Some(txn) = self.txn.as_mut() else {
            return Ok(());
        };
        let due = txn.deferred().take(|_| true);
        if due.is_empty() {
            return Ok(());
        }
        writer(self)?.settle(due).await
    }

    /// Finds a foreign key of a table by its written name.
    pub(super) fn foreign_key_named<'t>(
        table: &'t TableDescriptor,
        name: &sqlparser::ast::Ident,
    ) -> Option<&'t ForeignKey> {
        let name = fold_identifier(name);
        table.foreign_keys.iter().find(|key| key.name == name)
    }
}
