//! ALTER COLUMN: identity columns and generation expressions.

use sqlparser::ast::Ident;

use super::super::Session;
use super::super::objects::ColumnChange;
use super::Alteration;
use crate::catalog::{
    Catalog, CatalogChange, CatalogEntry, Column, Identity, SequenceDescriptor, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::exec::ddl::column_mut;
use crate::exec::sequence_column::SequenceRequest;
use crate::session::SequenceOption;
use crate::types::PgType;

fn not_ready(message: String) -> SqlError {
    SqlError::new(state::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

/// Refuses to change the default of a column that has no such thing.
///
/// # Errors
/// 42601.
pub(super) fn refuse_default(column: &Column, table: &str, drops: bool) -> Result<(), SqlError> {
    let name = &column.name;
    let (what, instead) = if column.identity.is_some() {
        ("an identity column", "IDENTITY")
    } else if column.generated.is_some() {
        ("a generated column", "EXPRESSION")
    } else {
        return Ok(());
    };
    let error = SqlError::new(
        state::SYNTAX_ERROR,
        format!("column \"{name}\" of relation \"{table}\" is {what}"),
    );
    Err(match drops {
        true => error.hint(format!(
            "Use ALTER TABLE ... ALTER COLUMN ... DROP {instead} instead."
        )),
        false => error,
    })
}

impl Session {
    pub(super) async fn change_column(
        &mut self,
        name: &Ident,
        change: &ColumnChange,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let column = Catalog::column(&a.table, &fold_identifier(name))?.clone();
        match change {
            ColumnChange::AddIdentity(kind, options) => {
                self.add_identity(&column, *kind, options, a)
            }
            ColumnChange::SetIdentity(kind, options) => {
                self.set_identity(&column, *kind, options, a)
            }
            ColumnChange::DropIdentity(if_exists) => {
                self.drop_identity(&column, *if_exists, a).await
            }
            ColumnChange::DropExpression(if_exists) => {
                if column.generated.is_some() {
                    column_mut(&mut a.table, name)?.generated = None;
                    return Ok(());
                }
                let what = "a stored generated column";
                self.lacks(&column, what, *if_exists, a)
            }
        }
    }

    /// The column is not what the statement says it is.
    fn lacks(
        &mut self,
        column: &Column,
        what: &str,
        if_exists: bool,
        a: &Alteration,
    ) -> Result<(), SqlError> {
        let message = format!(
            "column \"{}\" of relation \"{}\" is not {what}",
            column.name, a.table.name
        );
        if if_exists {
            self.notice(format!("{message}, skipping"));
            return Ok(());
        }
        Err(not_ready(message))
    }

    fn add_identity(
        &mut self,
        column: &Column,
        kind: Identity,
        options: &[SequenceOption],
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        crate::session::resolve_sequence(options, Some(column.ty), None)?;
        let what = format!(
            "column \"{}\" of relation \"{}\"",
            column.name, a.table.name
        );
        if !column.not_null {
            return Err(not_ready(format!(
                "{what} must be declared NOT NULL before identity can be added"
            )));
        }
        if column.identity.is_some() {
            return Err(not_ready(format!("{what} is already an identity column")));
        }
        if column.default.is_some() || column.generated.is_some() {
            return Err(not_ready(format!("{what} already has a default value")));
        }
        let request = SequenceRequest::identity(&column.name, column.ty, kind, options.to_vec());
        let made = self.attach_sequences(vec![request], &mut a.table, &mut a.catalog)?;
        a.sequences.extend(made);
        Ok(())
    }

    fn set_identity(
        &mut self,
        column: &Column,
        kind: Option<Identity>,
        options: &[SequenceOption],
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        if column.identity.is_none() {
            return self.lacks(column, "an identity column", false, a);
        }
        for own in &mut a.table.columns {
            if own.attnum == column.attnum && kind.is_some() {
                own.identity = kind;
            }
        }
        let sequence = owned(a, column.attnum).filter(|_| !options.is_empty());
        if let Some(mut sequence) = sequence {
            self.change_options(&mut sequence, options)?;
            let entry = CatalogEntry::Sequence(Box::new(sequence));
            a.sequences.push(CatalogChange::Put(entry));
        }
        Ok(())
    }

    async fn drop_identity(
        &mut self,
        column: &Column,
        if_exists: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        if column.identity.is_none() {
            return self.lacks(column, "an identity column", if_exists, a);
        }
        for own in &mut a.table.columns {
            if own.attnum == column.attnum {
                own.identity = None;
                own.default = None;
            }
        }
        if let Some(sequence) = owned(a, column.attnum) {
            self.lock_table(sequence.oid, crate::txn::LockMode::AccessExclusive)
                .await?;
            let entry = CatalogEntry::Sequence(Box::new(sequence));
            a.sequences.push(CatalogChange::Remove(entry));
        }
        Ok(())
    }

    /// An identity column of another type takes its values from a sequence of that
    /// type.
    pub(super) fn retype_identity(
        &mut self,
        attnum: u16,
        ty: PgType,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let is_identity = a
            .table
            .attribute(attnum)
            .is_some_and(|c| c.identity.is_some());
        let Some(mut sequence) = owned(a, attnum).filter(|_| is_identity) else {
            return Ok(());
        };
        sequence.options =
            crate::session::resolve_sequence(&[], Some(ty), Some(&sequence.options))?;
        let entry = CatalogEntry::Sequence(Box::new(sequence));
        a.sequences.push(CatalogChange::Put(entry));
        Ok(())
    }
}

/// The sequence of an identity column.
fn owned(a: &Alteration, attnum: u16) -> Option<SequenceDescriptor> {
    let mut sequences = a.catalog.sequences();
    sequences
        .find(|s| s.identity && s.owned_by == Some((a.table.oid, attnum)))
        .map(|s| s.as_ref().clone())
}
