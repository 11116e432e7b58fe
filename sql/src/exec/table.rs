//! A table with everything that is worked out once: row layout, streams, keys.

use std::sync::Arc;

use kimberlite_storage::Space;

use super::derived::IndexValues;
use super::index_entry::{self, IndexEntry, Uniqueness};
use crate::catalog::{Column, IndexDescriptor, TableDescriptor};
use crate::error::SqlError;
use crate::txn::StreamKey;
use crate::types::row::RowLayout;
use crate::types::{Datum, PgType, SessionFormat, key, text_in, text_out};

/// A table, ready to read and write rows of.
#[derive(Debug)]
pub(crate) struct TableInfo {
    pub(crate) desc: Arc<TableDescriptor>,
    pub(crate) layout: RowLayout,
    pub(crate) rows: StreamKey,
}

impl TableInfo {
    /// Works a descriptor out.
    ///
    /// # Errors
    /// XX001 when a stored default for old rows cannot be read.
    pub(crate) fn new(desc: Arc<TableDescriptor>) -> Result<Self, SqlError> {
        let mut layout = RowLayout::new(&desc.attribute_types())?;
        for (position, column) in desc.columns.iter().enumerate() {
            layout.set_missing(position, &missing_value(column)?)?;
        }
        let rows = StreamKey {
            space: Space::Rows,
            stream: desc.stream,
        };
        Ok(Self { desc, layout, rows })
    }

    /// All attributes of a stored row; dropped ones hold whatever they held.
    ///
    /// # Errors
    /// XX001 for a damaged row.
    pub(crate) fn decode(&self, stored: &[u8]) -> Result<Vec<Datum>, SqlError> {
        self.layout.view(stored)?.datums()
    }

    /// The stored form of a row; dropped columns must be NULL in it.
    ///
    /// # Errors
    /// 54000 when the row is too long.
    pub(crate) fn encode(&self, row: &[Datum]) -> Result<Vec<u8>, SqlError> {
        self.layout.encode(row)
    }

    /// The primary key of a row, encoded. Empty for tables without one.
    ///
    /// # Errors
    /// 54000 when the key is too long.
    pub(crate) fn primary_key(&self, row: &[Datum]) -> Result<Vec<u8>, SqlError> {
        let mut out = Vec::with_capacity(16);
        for attnum in &self.desc.primary_key {
            key::encode(datum_at(row, *attnum), &mut out)?;
        }
        Ok(out)
    }

    /// The entry of a row in one of the table's indexes; `values` is what the
    /// expressions of the indexes give for it. Nothing when the index leaves it out.
    ///
    /// # Errors
    /// 54000 when the key is too long.
    pub(crate) fn index_entry(
        &self,
        index: &IndexDescriptor,
        row: &[Datum],
        values: &IndexValues,
        row_key: &[u8],
    ) -> Result<Option<IndexEntry>, SqlError> {
        let Some(values) = values.of(&self.desc, index) else {
            return Ok(None);
        };
        let columns = Self::key_values(index, row, values);
        let uniqueness = match (index.is_exclusive(), index.nulls_not_distinct) {
            (false, _) => Uniqueness::None,
            (true, false) => Uniqueness::NullsDistinct,
            (true, true) => Uniqueness::NullsEqual,
        };
        index_entry::encode(uniqueness, &columns, row_key).map(Some)
    }

    /// The values of an index's key; `computed` are those of its expressions.
    fn key_values<'d>(
        index: &IndexDescriptor,
        row: &'d [Datum],
        computed: &'d [Datum],
    ) -> Vec<&'d Datum> {
        let mut computed = computed.iter();
        index
            .columns
            .iter()
            .map(|attnum| match attnum {
                0 => computed.next().unwrap_or(&Datum::Null),
                attnum => datum_at(row, *attnum),
            })
            .collect()
    }

    /// The key of a row in an index, encoded; nothing when the row does not count for
    /// whether the index's keys are unique.
    ///
    /// # Errors
    /// 54000 when the key is too long.
    pub(crate) fn unique_key(
        &self,
        index: &IndexDescriptor,
        row: &[Datum],
        values: &IndexValues,
    ) -> Result<Option<Vec<u8>>, SqlError> {
        let Some(values) = values.of(&self.desc, index) else {
            return Ok(None);
        };
        let columns = Self::key_values(index, row, values);
        if !index.nulls_not_distinct && columns.iter().any(|value| value.is_null()) {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(16);
        for value in columns {
            key::encode(value, &mut out)?;
        }
        Ok(Some(out))
    }

    /// An index's key as error details print it: `(a, lower(b))=(1, x)`.
    pub(crate) fn index_key_detail(
        &self,
        index: &IndexDescriptor,
        row: &[Datum],
        values: &IndexValues,
    ) -> String {
        if index.expressions.is_empty() {
            return self.key_detail(&index.columns, row);
        }
        let computed = values.of(&self.desc, index).unwrap_or_default();
        let mut expressions = index.expressions.iter();
        let mut names = Vec::with_capacity(index.columns.len());
        let mut shown = Vec::with_capacity(index.columns.len());
        for (attnum, value) in index
            .columns
            .iter()
            .zip(Self::key_values(index, row, computed))
        {
            let ty = match self.desc.attribute(*attnum) {
                Some(column) => {
                    names.push(column.name.clone());
                    column.ty
                }
                None => {
                    let part = expressions.next();
                    names.push(part.map_or_else(String::new, |p| {
                        crate::pg_catalog::shown_expression(&self.desc, &p.text)
                    }));
                    part.map_or(PgType::Text, |p| p.ty)
                }
            };
            shown.push(display(value, ty));
        }
        format!("({})=({})", names.join(", "), shown.join(", "))
    }

    /// Names and values of some columns as error details print them:
    /// `(a, b)=(1, x)`.
    pub(crate) fn key_detail(&self, columns: &[u16], row: &[Datum]) -> String {
        let names: Vec<&str> = columns
            .iter()
            .filter_map(|a| self.desc.attribute(*a))
            .map(|c| c.name.as_str())
            .collect();
        let values: Vec<String> = columns
            .iter()
            .map(|a| {
                let ty = self.desc.attribute(*a).map_or(PgType::Text, |c| c.ty);
                display(datum_at(row, *a), ty)
            })
            .collect();
        format!("({})=({})", names.join(", "), values.join(", "))
    }

    /// The live columns of a row as error details print them.
    pub(crate) fn row_text(&self, row: &[Datum]) -> String {
        let values: Vec<String> = self
            .desc
            .live_columns()
            .map(|c| display(datum_at(row, c.attnum), c.ty))
            .collect();
        values.join(", ")
    }

    /// The stream of one of the table's indexes.
    pub(crate) fn index_stream(index: &IndexDescriptor) -> StreamKey {
        StreamKey {
            space: Space::Index,
            stream: index.stream,
        }
    }
}

/// The value at `attnum` (from 1).
pub(crate) fn datum_at(row: &[Datum], attnum: u16) -> &Datum {
    usize::from(attnum)
        .checked_sub(1)
        .and_then(|i| row.get(i))
        .unwrap_or(&Datum::Null)
}

fn missing_value(column: &Column) -> Result<Datum, SqlError> {
    match &column.missing {
        Some(text) if !column.dropped => text_in(column.ty, text, &SessionFormat::default()),
        _ => Ok(Datum::Null),
    }
}

/// A value as error details show it.
pub(crate) fn display(value: &Datum, ty: PgType) -> String {
    text_out(ty, value, &SessionFormat::default()).unwrap_or_else(|| "null".to_owned())
}
