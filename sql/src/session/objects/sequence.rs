//! CREATE SEQUENCE and ALTER SEQUENCE.

use sqlparser::ast::{AlterTableOperation, Ident, ObjectName, RenameTableNameKind};

use super::super::Session;
use super::sequence_options::{SequenceOption, resolve, within};
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, QualifiedName, RelationEntry, SequenceDescriptor,
    SequenceState, fold_identifier,
};
use crate::engine::Engine;
use crate::error::{SqlError, state};
use crate::txn::{Layer, LockMode};

/// CREATE SEQUENCE as it is written.
#[derive(Debug, Clone)]
pub(crate) struct CreateSequence {
    pub(super) temporary: bool,
    pub(super) if_not_exists: bool,
    pub(super) name: ObjectName,
    pub(super) options: Vec<SequenceOption>,
}

/// What ALTER SEQUENCE changes.
#[derive(Debug, Clone)]
pub(crate) enum SequenceChange {
    /// Options.
    Options(Vec<SequenceOption>),
    /// RENAME TO.
    Rename(Ident),
    /// SET SCHEMA.
    SetSchema(Ident),
    /// OWNER TO.
    Owner(Ident),
}

impl SequenceChange {
    /// What an ALTER TABLE changes of a sequence; none when that is no change for
    /// sequences.
    pub(in super::super) fn of_table(operation: &AlterTableOperation) -> Option<Self> {
        let AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(name),
        } = operation
        else {
            return None;
        };
        match name.0.as_slice() {
            [part] => part.as_ident().cloned().map(Self::Rename),
            _ => None,
        }
    }
}

/// A place for the values of a sequence that no other sequence ever had.
pub(in super::super) fn new_state(engine: &Engine, oid: u32) -> SequenceState {
    let mut state = [0; 16];
    let (time, rest) = state.split_at_mut(8);
    time.copy_from_slice(&engine.now_us().to_be_bytes());
    let (object, number) = rest.split_at_mut(4);
    object.copy_from_slice(&oid.to_be_bytes());
    let [_, _, _, _, a, b, c, d] = engine.next_catalog_version().to_be_bytes();
    number.copy_from_slice(&[a, b, c, d]);
    state
}

impl Session {
    pub(super) async fn create_sequence(
        &mut self,
        create: &CreateSequence,
    ) -> Result<String, SqlError> {
        let tag = "CREATE SEQUENCE";
        let mut catalog = self.catalog_to_change(tag).await?;
        let place = self
            .place_for(&create.name, create.temporary, &mut catalog)
            .await?;
        let (schema, name) = (place.schema, place.name);
        if catalog.relation_exists(schema, &name) {
            if create.if_not_exists {
                self.skipping(state::DUPLICATE_TABLE, &format!("relation \"{name}\""));
                return Ok(tag.to_owned());
            }
            return Err(SqlError::new(
                state::DUPLICATE_TABLE,
                format!("relation \"{name}\" already exists"),
            ));
        }
        let options = resolve(&create.options, None, None)?;
        let oid = catalog.allocate_oid();
        let mut sequence = SequenceDescriptor {
            oid,
            schema,
            name,
            owner: self.user.clone(),
            first: (options.start, false),
            options,
            owned_by: None,
            identity: false,
            state: new_state(&self.engine, oid),
        };
        self.own(&mut sequence, &create.options, &catalog)?;
        let change = CatalogChange::Put(CatalogEntry::Sequence(Box::new(sequence)));
        self.change_catalog(catalog, vec![change], Layer::default())?;
        Ok(tag.to_owned())
    }

    /// Does what OWNED BY says, if it is there.
    fn own(
        &self,
        sequence: &mut SequenceDescriptor,
        written: &[SequenceOption],
        catalog: &Catalog,
    ) -> Result<(), SqlError> {
        let Some(column) = written.iter().find_map(|option| match option {
            SequenceOption::OwnedBy(column) => Some(column),
            _ => None,
        }) else {
            return Ok(());
        };
        if sequence.identity {
            let error = SqlError::unsupported("cannot change ownership of identity sequence");
            return Err(error);
        }
        let Some(column) = column else {
            sequence.owned_by = None;
            return Ok(());
        };
        let mut path = column.clone();
        let (Some(last), false) = (path.0.pop(), path.0.is_empty()) else {
            return Err(
                SqlError::new(state::SYNTAX_ERROR, "invalid OWNED BY option")
                    .hint("Specify OWNED BY table.column or OWNED BY NONE."),
            );
        };
        let name = QualifiedName::from_ast(&path, &self.database)?;
        let table = catalog.table(&name, self.settings.search_path())?;
        let column = last.as_ident().map(fold_identifier).unwrap_or_default();
        if table.schema != sequence.schema {
            return Err(SqlError::new(
                state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "sequence must be in same schema as table it is linked to",
            ));
        }
        let column = Catalog::column(table, &column)?;
        sequence.owned_by = Some((table.oid, column.attnum));
        Ok(())
    }

    pub(in super::super) async fn alter_sequence(
        &mut self,
        name: &ObjectName,
        if_exists: bool,
        change: &SequenceChange,
    ) -> Result<String, SqlError> {
        let tag = "ALTER SEQUENCE".to_owned();
        let catalog = self.catalog_to_change(&tag).await?;
        let name = QualifiedName::from_ast(name, &self.database)?;
        let mut sequence = match catalog.find_relation(&name, self.settings.search_path()) {
            Some(RelationEntry::Sequence(sequence)) => sequence.as_ref().clone(),
            Some(_) => {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is not a sequence", name.name),
                ));
            }
            None if if_exists => {
                self.notice(format!(
                    "relation \"{}\" does not exist, skipping",
                    name.name
                ));
                return Ok(tag);
            }
            None => {
                return Err(SqlError::new(
                    state::UNDEFINED_TABLE,
                    format!("relation \"{name}\" does not exist"),
                ));
            }
        };
        // Whoever takes values waits; others may look at them.
        let mode = match change {
            SequenceChange::Options(_) => LockMode::ShareRowExclusive,
            _ => LockMode::AccessExclusive,
        };
        self.lock_table(sequence.oid, mode).await?;
        match change {
            SequenceChange::Options(written) => {
                self.change_options(&mut sequence, written)?;
                self.own(&mut sequence, written, &catalog)?;
            }
            SequenceChange::Rename(to) => {
                let to = fold_identifier(to);
                super::alter_view::free_name(&catalog, sequence.schema, &to)?;
                sequence.name = to;
            }
            SequenceChange::SetSchema(schema) => {
                if sequence.owned_by.is_some() {
                    return Err(SqlError::new(
                        state::FEATURE_NOT_SUPPORTED,
                        "cannot move an owned sequence into another schema",
                    ));
                }
                sequence.schema = super::alter_view::schema_for(
                    &catalog,
                    schema,
                    sequence.schema,
                    &sequence.name,
                )?;
            }
            SequenceChange::Owner(role) => {
                sequence.owner = super::alter_view::known_role(&catalog, role)?;
            }
        }
        let change = CatalogChange::Put(CatalogEntry::Sequence(Box::new(sequence)));
        self.change_catalog(catalog, vec![change], Layer::default())?;
        Ok(tag)
    }

    /// Changes what a sequence gives.
    ///
    /// # Errors
    /// 22023 for options that contradict each other.
    pub(in super::super) fn change_options(
        &self,
        sequence: &mut SequenceDescriptor,
        written: &[SequenceOption],
    ) -> Result<(), SqlError> {
        let options = resolve(written, None, Some(&sequence.options))?;
        let restart = written.iter().find_map(|option| match option {
            SequenceOption::Restart(value) => Some(value.unwrap_or(options.start)),
            _ => None,
        });
        match restart {
            Some(value) => {
                within("RESTART", value, &options)?;
                sequence.state = new_state(&self.engine, sequence.oid);
                sequence.first = (value, false);
            }
            None => {
                let shown = self.sequences.shown(sequence)?;
                within("RESTART", shown.last, &options)?;
            }
        }
        sequence.options = options;
        Ok(())
    }
}
