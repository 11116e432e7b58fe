//! [`Link`]: a foreign key with both of its tables, and how rows are found in
//! them.

use std::sync::Arc;

use super::super::key_value::as_key;
use super::super::table::{TableInfo, datum_at};
use super::parent::{ParentPart, leading, parts};
use crate::catalog::{Catalog, ForeignKey, IndexDescriptor};
use crate::error::SqlError;
use crate::txn::{ReadView, StreamKey};
use crate::types::{Datum, PgType, SessionFormat, key};

/// A foreign key, ready to be looked after.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) key: ForeignKey,
    pub(crate) child: Arc<TableInfo>,
    pub(crate) parent: Arc<TableInfo>,
    child_types: Vec<PgType>,
    parent_types: Vec<PgType>,
    /// Where a referenced key is looked up.
    parents: Vec<ParentPart>,
    pub(super) children: Children,
}

/// How referencing rows are found.
#[derive(Debug)]
pub(super) enum Children {
    /// By a prefix of an index, or of the primary key (no stream): positions in
    /// the foreign key of its columns.
    Prefix(Option<StreamKey>, Vec<usize>),
    /// By looking at every row.
    Scan,
}

/// What a row refers to.
#[derive(Debug, PartialEq)]
pub(crate) enum Wanted {
    /// Nothing: there is a NULL.
    Nothing,
    /// Neither nothing nor something, which MATCH FULL refuses.
    Mixed,
    /// A value that the referenced type does not have.
    Impossible,
    /// This key, in the referenced types.
    Key(Vec<Datum>),
}

fn types_of(table: &TableInfo, columns: &[u16]) -> Vec<PgType> {
    columns
        .iter()
        .map(|a| table.desc.attribute(*a).map_or(PgType::Text, |c| c.ty))
        .collect()
}

/// The table that a referenced row is in, and its row key.
pub(crate) type ParentRow = (Arc<TableInfo>, Vec<u8>);

impl Link {
    /// Puts a foreign key and its tables together; nothing when the unique index
    /// that it rests on is not there.
    ///
    /// # Errors
    /// XX001 for damaged descriptors.
    pub(crate) fn new(
        key: &ForeignKey,
        child: Arc<TableInfo>,
        parent: Arc<TableInfo>,
        catalog: &Catalog,
    ) -> Result<Option<Self>, SqlError> {
        let columns = &key.referenced_columns;
        let Some(parents) = parts(&parent, key.index, columns, catalog)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            child_types: types_of(&child, &key.columns),
            parent_types: types_of(&parent, columns),
            parents,
            children: children_of(key, &child),
            key: key.clone(),
            child,
            parent,
        }))
    }

    /// What a referencing row refers to.
    pub(crate) fn wanted(&self, row: &[Datum]) -> Result<Wanted, SqlError> {
        let columns = &self.key.columns;
        let nulls = columns.iter().filter(|a| datum_at(row, **a).is_null());
        match nulls.count() {
            0 => {}
            n if self.key.match_full && n < columns.len() => return Ok(Wanted::Mixed),
            _ => return Ok(Wanted::Nothing),
        }
        let format = SessionFormat::default();
        let mut values = Vec::with_capacity(columns.len());
        for (attnum, ty) in columns.iter().zip(&self.parent_types) {
            match as_key(datum_at(row, *attnum).clone(), *ty, &format)? {
                Some(value) => values.push(value),
                None => return Ok(Wanted::Impossible),
            }
        }
        Ok(Wanted::Key(values))
    }

    /// A referenced key as referencing rows have it; nothing when they cannot.
    pub(super) fn as_child_key(&self, key: &[Datum]) -> Option<Vec<Datum>> {
        let format = SessionFormat::default();
        key.iter()
            .zip(&self.child_types)
            .map(|(value, ty)| as_key(value.clone(), *ty, &format).ok().flatten())
            .collect()
    }

    /// The row that has a key, and the table it is in.
    pub(crate) fn find_parent(
        &self,
        key: &[Datum],
        view: &ReadView,
    ) -> Result<Option<ParentRow>, SqlError> {
        for part in &self.parents {
            if let Some(row) = part.find(key, view)? {
                return Ok(Some((Arc::clone(&part.info), row)));
            }
        }
        Ok(None)
    }

    /// The tables that referenced rows are in.
    pub(super) fn parent_tables(&self) -> Vec<u32> {
        self.parents.iter().map(|part| part.info.desc.oid).collect()
    }
}

/// The referenced values of a row; nothing when one is NULL.
pub(super) fn referenced_key(key: &ForeignKey, row: &[Datum]) -> Option<Vec<Datum>> {
    key.referenced_columns
        .iter()
        .map(|a| Some(datum_at(row, *a).clone()).filter(|v| !v.is_null()))
        .collect()
}

/// A key as bytes that are equal when the keys are.
pub(super) fn comparable(key: &[Datum]) -> Result<Vec<u8>, SqlError> {
    let mut bytes = Vec::with_capacity(16);
    for value in key {
        key::encode(value, &mut bytes)?;
    }
    Ok(bytes)
}

/// The index of the table that narrows a search for referencing rows most.
fn children_of(key: &ForeignKey, child: &TableInfo) -> Children {
    let mut best = (None, leading(&child.desc.primary_key, &key.columns));
    for index in child.desc.indexes.iter().filter(|i| is_searchable(i)) {
        let prefix = leading(&index.columns, &key.columns);
        if prefix.len() > best.1.len() {
            best = (Some(TableInfo::index_stream(index)), prefix);
        }
    }
    match best {
        (_, prefix) if prefix.is_empty() => Children::Scan,
        (stream, prefix) => Children::Prefix(stream, prefix),
    }
}

/// Whether the index has an entry for every row.
fn is_searchable(index: &IndexDescriptor) -> bool {
    !index.columns.is_empty() && index.predicate.is_none()
}
