//! From a statement to a foreign key's descriptor.

use sqlparser::ast::{
    ConstraintCharacteristics, ConstraintReferenceMatchKind, DeferrableInitial,
    ForeignKeyConstraint, ObjectName, ReferentialAction,
};

use super::super::object_name::{free_name, joined};
use crate::catalog::{Catalog, ForeignKey, KeyAction, TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::session::carried_names;
use crate::types::PgType;

/// A foreign key that a statement asks for.
#[derive(Debug, Clone)]
pub(crate) struct ForeignKeyRequest {
    name: Option<String>,
    columns: Vec<String>,
    /// The referenced table as it was written.
    pub(crate) table: ObjectName,
    referenced: Vec<String>,
    on_update: KeyAction,
    on_delete: KeyAction,
    set_columns: Vec<String>,
    match_full: bool,
    deferrable: bool,
    deferred: bool,
    /// Whether rows that are there already are not looked at.
    pub(crate) not_valid: bool,
}

/// Whether a constraint can be deferred, and is to begin with.
///
/// # Errors
/// 42601 when it says both that it can not and that it is.
pub(crate) fn timing(said: Option<&ConstraintCharacteristics>) -> Result<(bool, bool), SqlError> {
    let Some(said) = said else {
        return Ok((false, false));
    };
    let deferred = said.initially == Some(DeferrableInitial::Deferred);
    if deferred && said.deferrable == Some(false) {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "constraint declared INITIALLY DEFERRED must be DEFERRABLE",
        ));
    }
    Ok((said.deferrable.unwrap_or(deferred), deferred))
}

fn action(said: Option<ReferentialAction>) -> KeyAction {
    match said {
        None | Some(ReferentialAction::NoAction) => KeyAction::NoAction,
        Some(ReferentialAction::Restrict) => KeyAction::Restrict,
        Some(ReferentialAction::Cascade) => KeyAction::Cascade,
        Some(ReferentialAction::SetNull) => KeyAction::SetNull,
        Some(ReferentialAction::SetDefault) => KeyAction::SetDefault,
    }
}

impl ForeignKeyRequest {
    /// Reads a constraint. `of` is the name and the column when it stands beside
    /// a column.
    ///
    /// # Errors
    /// 0A000 for MATCH PARTIAL.
    pub(crate) fn new(
        said: &ForeignKeyConstraint,
        of: Option<(Option<String>, String)>,
        not_valid: bool,
    ) -> Result<Self, SqlError> {
        if said.match_kind == Some(ConstraintReferenceMatchKind::Partial) {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "MATCH PARTIAL not yet implemented",
            ));
        }
        let (deferrable, deferred) = timing(said.characteristics.as_ref())?;
        let (name, columns) = match of {
            Some((name, column)) => (name, vec![column]),
            None => (
                said.name.as_ref().map(fold_identifier),
                said.columns.iter().map(fold_identifier).collect(),
            ),
        };
        Ok(Self {
            name,
            columns,
            table: said.foreign_table.clone(),
            referenced: said.referred_columns.iter().map(fold_identifier).collect(),
            on_update: action(said.on_update),
            on_delete: action(said.on_delete),
            set_columns: said
                .index_name
                .as_ref()
                .map_or_else(Vec::new, carried_names),
            match_full: said.match_kind == Some(ConstraintReferenceMatchKind::Full),
            deferrable,
            deferred,
            not_valid,
        })
    }

    /// The descriptor of the foreign key of `table` that refers to `parent`,
    /// which may be the table itself.
    ///
    /// # Errors
    /// 42703, 42704, 42710, 42830, 42804: whatever does not fit.
    pub(crate) fn define(
        &self,
        table: &TableDescriptor,
        parent: &TableDescriptor,
        catalog: &mut Catalog,
    ) -> Result<ForeignKey, SqlError> {
        let columns = attnums(table, &self.columns)?;
        let set_columns = self.set_columns(table, &columns)?;
        let (index, referenced_columns) = if self.referenced.is_empty() {
            primary_key(parent)?
        } else {
            let wanted = attnums(parent, &self.referenced)?;
            (matching_key(parent, &wanted)?, wanted)
        };
        if columns.len() != referenced_columns.len() {
            return Err(invalid(
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let name = match &self.name {
            Some(name) => taken(table, name)?,
            None => free_name(&table.name, &joined(&self.columns), "fkey", |name| {
                !table.has_constraint(name) && !catalog.constraint_exists(table.schema, name)
            }),
        };
        for (from, to) in columns.iter().zip(&referenced_columns) {
            comparable_columns(&name, (table, *from), (parent, *to))?;
        }
        Ok(ForeignKey {
            oid: catalog.allocate_oid(),
            name,
            columns,
            referenced: parent.oid,
            referenced_columns,
            index,
            on_update: self.on_update,
            on_delete: self.on_delete,
            set_columns,
            match_full: self.match_full,
            deferrable: self.deferrable,
            deferred: self.deferred,
            validated: !self.not_valid,
            parent: None,
        })
    }

    fn set_columns(&self, table: &TableDescriptor, columns: &[u16]) -> Result<Vec<u16>, SqlError> {
        let mut set: Vec<u16> = Vec::with_capacity(self.set_columns.len());
        for (attnum, name) in attnums(table, &self.set_columns)?
            .into_iter()
            .zip(&self.set_columns)
        {
            if !columns.contains(&attnum) {
                return Err(SqlError::new(
                    state::INVALID_COLUMN_REFERENCE,
                    format!(
                        "column \"{name}\" referenced in ON DELETE SET action must be part of foreign key"
                    ),
                ));
            }
            if !set.contains(&attnum) {
                set.push(attnum);
            }
        }
        Ok(set)
    }
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(state::INVALID_FOREIGN_KEY, message)
}

/// The name of a constraint, unless the table has one of that name.
///
/// # Errors
/// 42710.
pub(crate) fn taken(table: &TableDescriptor, name: &str) -> Result<String, SqlError> {
    if table.has_constraint(name) {
        return Err(SqlError::new(
            state::DUPLICATE_OBJECT,
            format!(
                "constraint \"{name}\" for relation \"{}\" already exists",
                table.name
            ),
        ));
    }
    Ok(name.to_owned())
}

fn attnums(table: &TableDescriptor, names: &[String]) -> Result<Vec<u16>, SqlError> {
    names
        .iter()
        .map(|name| {
            table.column(name).map(|c| c.attnum).ok_or_else(|| {
                SqlError::new(
                    state::UNDEFINED_COLUMN,
                    format!(
                        "column \"{name}\" referenced in foreign key constraint does not exist"
                    ),
                )
            })
        })
        .collect()
}

fn primary_key(parent: &TableDescriptor) -> Result<(u32, Vec<u16>), SqlError> {
    if parent.indexes.iter().any(|index| index.primary) {
        return Err(deferrable(parent));
    }
    match &parent.primary_key_name {
        Some((_, oid)) => Ok((*oid, parent.primary_key.clone())),
        None => Err(SqlError::new(
            state::UNDEFINED_OBJECT,
            format!(
                "there is no primary key for referenced table \"{}\"",
                parent.name
            ),
        )),
    }
}

/// What foreign keys refer to has to be unique at every moment.
fn deferrable(parent: &TableDescriptor) -> SqlError {
    SqlError::new(
        state::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!(
            "cannot use a deferrable unique constraint for referenced table \"{}\"",
            parent.name
        ),
    )
}

/// The unique index whose columns are these, in any order.
fn matching_key(parent: &TableDescriptor, wanted: &[u16]) -> Result<u32, SqlError> {
    let twice = wanted
        .iter()
        .enumerate()
        .any(|(i, column)| wanted.iter().take(i).any(|c| c == column));
    if twice {
        return Err(invalid(
            "foreign key referenced-columns list must not contain duplicates",
        ));
    }
    let same = |columns: &[u16]| {
        columns.len() == wanted.len() && columns.iter().all(|c| wanted.contains(c))
    };
    if let Some((_, oid)) = &parent.primary_key_name
        && same(&parent.primary_key)
    {
        return Ok(*oid);
    }
    let unique = parent.indexes.iter().filter(|i| i.unique && i.is_plain());
    let fitting: Vec<_> = unique.filter(|index| same(&index.columns)).collect();
    if let Some(index) = fitting.iter().find(|index| index.is_exclusive()) {
        return Ok(index.oid);
    }
    match fitting.first() {
        Some(_) => Err(deferrable(parent)),
        None => Err(invalid(format!(
            "there is no unique constraint matching given keys for referenced table \"{}\"",
            parent.name
        ))),
    }
}

/// Refuses a foreign key whose columns are of types that cannot be compared.
///
/// # Errors
/// 42804, or 0A000 for what PostgreSQL compares.
pub(crate) fn check_types(key: &ForeignKey, table: u32, catalog: &Catalog) -> Result<(), SqlError> {
    let (table, parent) = (
        catalog.table_by_oid(table),
        catalog.table_by_oid(key.referenced),
    );
    let (Some(table), Some(parent)) = (table, parent) else {
        return Ok(());
    };
    for (from, to) in key.columns.iter().zip(&key.referenced_columns) {
        comparable_columns(&key.name, (table, *from), (parent, *to))?;
    }
    Ok(())
}

/// Refuses to compare what cannot be compared.
fn comparable_columns(
    name: &str,
    (table, from): (&TableDescriptor, u16),
    (parent, to): (&TableDescriptor, u16),
) -> Result<(), SqlError> {
    let (Some(from), Some(to)) = (table.attribute(from), parent.attribute(to)) else {
        return Err(SqlError::internal("a foreign key without columns"));
    };
    match reference(from.ty, to.ty) {
        Reference::Compared => Ok(()),
        Reference::NotYet => Err(SqlError::unsupported(format!(
            "a foreign key from a column of type {} to one of type {}",
            from.ty.sql_name(),
            to.ty.sql_name()
        ))),
        Reference::Never => Err(SqlError::new(
            state::DATATYPE_MISMATCH,
            format!("foreign key constraint \"{name}\" cannot be implemented"),
        )
        .detail(format!(
            "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
            from.name,
            to.name,
            from.ty.sql_name(),
            to.ty.sql_name()
        ))),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Reference {
    Compared,
    NotYet,
    Never,
}

/// How a value of type `from` can be looked up among those of type `to`.
fn reference(from: PgType, to: PgType) -> Reference {
    let integer = |t| matches!(t, PgType::Int2 | PgType::Int4 | PgType::Int8);
    let float = |t| matches!(t, PgType::Float4 | PgType::Float8);
    let numeric = |t| matches!(t, PgType::Numeric(_));
    let long = |t| matches!(t, PgType::Text | PgType::Varchar(_));
    let text = |t| long(t) || matches!(t, PgType::Char(_));
    let day = |t| matches!(t, PgType::Date | PgType::Timestamp | PgType::Timestamptz);
    let compared = from.oid() == to.oid()
        || (integer(from) && (integer(to) || numeric(to)))
        || (long(from) && long(to));
    if compared {
        return Reference::Compared;
    }
    let possible = (text(from) && text(to))
        || (day(from) && day(to))
        || ((integer(from) || numeric(from) || float(from)) && float(to));
    if possible {
        Reference::NotYet
    } else {
        Reference::Never
    }
}
