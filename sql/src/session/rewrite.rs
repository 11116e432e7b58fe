//! Building index entries and re-keying tables.

use std::collections::HashSet;
use std::sync::Arc;

use crate::cancel::Cancellation;
use crate::catalog::{Catalog, IndexDescriptor, TableDescriptor};
use crate::error::{SqlError, state};
use crate::exec::derived::{BoundDerived, IndexValues};
use crate::exec::table::TableInfo;
use crate::txn::{Entry, Layer, ReadView, StreamKey};
use crate::types::Datum;

/// Rows between two looks at the cancel flag.
const CHECK_EVERY: usize = 4_096;

/// Calls `each` with the key and the values of every row.
pub(super) fn for_each_row(
    table: &TableInfo,
    view: &ReadView,
    cancel: &Cancellation,
    mut each: impl FnMut(&[u8], &[u8], Vec<Datum>) -> Result<(), SqlError>,
) -> Result<(), SqlError> {
    let mut scan = view.scan(table.rows, &[], None, true);
    let mut count = 0_usize;
    while let Some((key, version)) = scan.next()? {
        each(key, version.value, table.decode(version.value)?)?;
        count += 1;
        if count.is_multiple_of(CHECK_EVERY) {
            cancel.check()?;
        }
    }
    Ok(())
}

/// Fills a new index.
///
/// # Errors
/// 23505 when a unique index would have duplicates.
pub(super) fn build_index(
    (table, derived): (&TableInfo, &BoundDerived),
    index: &IndexDescriptor,
    catalog: &Catalog,
    view: &ReadView,
    layer: &mut Layer,
    cancel: &Cancellation,
) -> Result<(), SqlError> {
    let stream = TableInfo::index_stream(index);
    let mut unique = DeferrableKeys::default();
    for_each_row(table, view, cancel, |key, _, row| {
        let values = derived.index_values(&row)?;
        let Some(entry) = table.index_entry(index, &row, &values, key)? else {
            return Ok(());
        };
        if layer.get(stream, &entry.key).is_some() || !unique.add(table, index, &row, &values)? {
            let shown = table.index_key_detail(index, &row, &values);
            let error = could_not_create(&index.name, &shown);
            return Err(catalog.concerning(&table.desc, error));
        }
        layer.put(stream, &entry.key, Entry::insert(entry.value));
        Ok(())
    })
}

/// Keys of deferrable constraints met so far, whose entries do not exclude each other.
#[derive(Default)]
struct DeferrableKeys(HashSet<(u32, Vec<u8>)>);

impl DeferrableKeys {
    /// Notes the key of a row; whether it was not there yet.
    fn add(
        &mut self,
        table: &TableInfo,
        index: &IndexDescriptor,
        row: &[Datum],
        values: &IndexValues,
    ) -> Result<bool, SqlError> {
        if !index.unique || !index.deferrable {
            return Ok(true);
        }
        let key = table.unique_key(index, row, values)?;
        Ok(key.is_none_or(|key| self.0.insert((index.oid, key))))
    }
}

/// What a table is written again with.
pub(super) struct Rebuilding<'a> {
    pub(super) catalog: &'a Catalog,
    /// What is computed from the new rows.
    pub(super) derived: &'a BoundDerived,
    /// What the table holds.
    pub(super) view: &'a ReadView,
    pub(super) cancel: &'a Cancellation,
    /// Gives numbers to rows without a primary key.
    pub(super) next_number: &'a mut dyn FnMut(StreamKey) -> Result<u64, SqlError>,
    /// Makes a row of the old table one of the new.
    pub(super) change: &'a mut dyn FnMut(&mut Vec<Datum>) -> Result<(), SqlError>,
}

/// Writes all rows of `old` again, changed, under the primary key and with the
/// columns that `new` has, and builds all its indexes. `new` must have streams of
/// its own.
///
/// # Errors
/// 23505 for duplicate keys, 23502 for NULL where there may be none; whatever the
/// change fails with.
pub(super) fn rebuild(
    old: &TableInfo,
    new: &Arc<TableDescriptor>,
    layer: &mut Layer,
    with: Rebuilding<'_>,
) -> Result<(), SqlError> {
    let catalog = with.catalog;
    let target = TableInfo::new(new.clone())?;
    let name = new.primary_key_name.as_ref().map_or("", |(n, _)| n);
    let duplicate = |name: &str, key: &str| catalog.concerning(new, could_not_create(name, key));
    let mut unique = DeferrableKeys::default();
    for_each_row(old, with.view, with.cancel, |_, _, mut row| {
        row.resize(new.columns.len(), Datum::Null);
        (with.change)(&mut row)?;
        with.derived.generate(&target, &mut row)?;
        for (column, value) in new.columns.iter().zip(&mut row) {
            if column.dropped {
                *value = Datum::Null;
            } else if value.is_null()
                && (column.not_null || new.primary_key.contains(&column.attnum))
            {
                return Err(contains_nulls(new, column.attnum, catalog));
            }
        }
        let key = if new.has_row_number() {
            (with.next_number)(target.rows)?.to_be_bytes().to_vec()
        } else {
            target.primary_key(&row)?
        };
        put_new(target.rows, &key, layer, target.encode(&row)?, || {
            duplicate(name, &target.key_detail(&new.primary_key, &row))
        })?;
        let values = with.derived.index_values(&row)?;
        for index in &new.indexes {
            let Some(entry) = target.index_entry(index, &row, &values, &key)? else {
                continue;
            };
            let stream = TableInfo::index_stream(index);
            let failed = || duplicate(&index.name, &target.index_key_detail(index, &row, &values));
            put_new(stream, &entry.key, layer, entry.value, failed)?;
            if !unique.add(&target, index, &row, &values)? {
                return Err(failed());
            }
        }
        Ok(())
    })
}

fn put_new(
    stream: StreamKey,
    key: &[u8],
    layer: &mut Layer,
    value: Vec<u8>,
    duplicate: impl FnOnce() -> SqlError,
) -> Result<(), SqlError> {
    if layer.get(stream, key).is_some() {
        return Err(duplicate());
    }
    layer.put(stream, key, Entry::insert(value));
    Ok(())
}

/// The error for a column that must not be NULL but is somewhere.
pub(super) fn contains_nulls(table: &TableDescriptor, attnum: u16, catalog: &Catalog) -> SqlError {
    let column = table.attribute(attnum).map_or("", |c| c.name.as_str());
    let error = SqlError::new(
        state::NOT_NULL_VIOLATION,
        format!(
            "column \"{column}\" of relation \"{}\" contains null values",
            table.name
        ),
    );
    catalog.concerning(table, error).column(column)
}

fn could_not_create(name: &str, key: &str) -> SqlError {
    SqlError::new(
        state::UNIQUE_VIOLATION,
        format!("could not create unique index \"{name}\""),
    )
    .detail(format!("Key {key} is duplicated."))
    .constraint(name)
}
