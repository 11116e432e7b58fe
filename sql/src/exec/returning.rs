//! RETURNING: plain columns of the changed rows.

use bytes::BytesMut;
use sqlparser::ast::{Expr, SelectItem, SelectItemQualifiedWildcardKind};

use super::table::{TableInfo, datum_at};
use super::target::column;
use crate::catalog::{Catalog, Column, fold_identifier};
use crate::error::SqlError;
use crate::session::FieldDescription;
use crate::types::wire_encode::encode_row_from_datums;
use crate::types::{Datum, Format, OutputColumn, SessionFormat};

/// Columns to return, by `attnum`, with their output names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Returning {
    columns: Vec<(u16, String)>,
}

impl Returning {
    /// Reads a RETURNING list; `alias` is the name the target goes by.
    ///
    /// # Errors
    /// 42703 for an unknown column, 0A000 for anything but columns and `*`.
    pub(crate) fn plan(
        items: Option<&[SelectItem]>,
        table: &TableInfo,
        alias: &str,
    ) -> Result<Option<Self>, SqlError> {
        let Some(items) = items else {
            return Ok(None);
        };
        let mut returning = Self::default();
        for item in items {
            returning.add(item, table, alias)?;
        }
        Ok(Some(returning))
    }

    fn add(&mut self, item: &SelectItem, table: &TableInfo, alias: &str) -> Result<(), SqlError> {
        match item {
            SelectItem::Wildcard(_) => self.add_all(table),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _)
                if name.to_string() == alias =>
            {
                self.add_all(table);
            }
            SelectItem::UnnamedExpr(expr) => {
                let column = plain_column(expr, table, alias)?;
                self.columns.push((column.attnum, column.name.clone()));
            }
            SelectItem::ExprWithAlias { expr, alias: name } => {
                let column = plain_column(expr, table, alias)?;
                self.columns.push((column.attnum, fold_identifier(name)));
            }
            other => return Err(SqlError::unsupported(format!("RETURNING {other}"))),
        }
        Ok(())
    }

    fn add_all(&mut self, table: &TableInfo) {
        self.columns.extend(
            table
                .desc
                .live_columns()
                .map(|c| (c.attnum, c.name.clone())),
        );
    }

    /// The columns of the result; formats are filled in later.
    pub(crate) fn fields(&self, table: &TableInfo) -> Result<Vec<FieldDescription>, SqlError> {
        self.columns
            .iter()
            .map(|(attnum, name)| {
                let ty = column(table, *attnum)?.ty;
                Ok(FieldDescription::new(
                    name.clone(),
                    ty,
                    table.desc.oid,
                    i16::try_from(*attnum).unwrap_or(0),
                ))
            })
            .collect()
    }

    /// Appends one row as a DataRow message.
    ///
    /// # Errors
    /// Encoding errors.
    pub(crate) fn encode(
        &self,
        table: &TableInfo,
        row: &[Datum],
        formats: &[Format],
        session: &SessionFormat,
        out: &mut BytesMut,
    ) -> Result<(), SqlError> {
        let mut values = Vec::with_capacity(self.columns.len());
        let mut outputs = Vec::with_capacity(self.columns.len());
        for (i, (attnum, _)) in self.columns.iter().enumerate() {
            values.push(datum_at(row, *attnum).clone());
            outputs.push(OutputColumn {
                pg_type: column(table, *attnum)?.ty,
                format: formats.get(i).copied().unwrap_or_default(),
            });
        }
        encode_row_from_datums(&values, &outputs, session, out)
    }
}

fn plain_column<'a>(
    expr: &Expr,
    table: &'a TableInfo,
    alias: &str,
) -> Result<&'a Column, SqlError> {
    match expr {
        Expr::Identifier(ident) => Catalog::column(&table.desc, &fold_identifier(ident)),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [qualifier, name] if fold_identifier(qualifier) == alias => {
                Catalog::column(&table.desc, &fold_identifier(name))
            }
            _ => Err(SqlError::unsupported(format!("RETURNING {expr}"))),
        },
        _ => Err(SqlError::unsupported(format!("RETURNING {expr}"))
            .hint("Return plain columns, and compute in the client or in a second query.")),
    }
}
