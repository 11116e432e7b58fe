//! Statements that name one row by its primary key, without a query plan.
//!
//! Classification happens on the AST, before any I/O; whatever does not fit is
//! declined and goes through the general planner ([`plan`]). Execution shares locks,
//! constraint checks and visibility with it ([`StatementWriter`]).

mod plan;

use std::sync::Arc;

use bytes::BytesMut;

use super::expr::{ScalarExpr, Values};
use super::insert::set;
use super::key_value::as_key;
use super::returned::Returned;
use super::returning::Returning;
use super::table::TableInfo;
use super::target::column;
use super::write::{Locked, StatementWriter};
use crate::error::SqlError;
use crate::session::FieldDescription;
use crate::txn::{LockMode, ReadView};
use crate::types::wire_encode::encode_row_from_rowview;
use crate::types::{Datum, OutputColumn, PgType, key};

pub(crate) use plan::{plan_delete, plan_select, plan_update};

/// A statement about at most one row.
#[derive(Debug)]
pub(crate) struct FastPlan {
    pub(crate) table: Arc<TableInfo>,
    /// One expression for each column of the primary key, in key order.
    key: Vec<KeyPart>,
    pub(crate) action: FastAction,
}

#[derive(Debug)]
struct KeyPart {
    expr: ScalarExpr,
    ty: PgType,
}

/// What happens to the row.
#[derive(Debug)]
pub(crate) enum FastAction {
    /// Give these columns.
    Select(Vec<(u16, String)>),
    /// Set these columns.
    Update(Vec<(u16, ScalarExpr)>, Option<Returning>),
    /// Delete it.
    Delete(Option<Returning>),
}

impl FastPlan {
    /// The columns of the result, if there is one.
    ///
    /// # Errors
    /// XX000 when the plan names a column that is not there.
    pub(crate) fn fields(&self) -> Result<Option<Vec<FieldDescription>>, SqlError> {
        match &self.action {
            FastAction::Select(columns) => columns
                .iter()
                .map(|(attnum, name)| {
                    Ok(FieldDescription::new(
                        name.clone(),
                        column(&self.table, *attnum)?.ty,
                        self.table.desc.oid,
                        i16::try_from(*attnum).unwrap_or(0),
                    ))
                })
                .collect::<Result<_, _>>()
                .map(Some),
            FastAction::Update(_, Some(returning)) | FastAction::Delete(Some(returning)) => {
                returning.fields(&self.table).map(Some)
            }
            FastAction::Update(_, None) | FastAction::Delete(None) => Ok(None),
        }
    }

    /// The row key, or nothing when no row can have it.
    fn row_key(&self, values: &Values<'_>) -> Result<Option<Vec<u8>>, SqlError> {
        let mut encoded = Vec::with_capacity(16);
        for part in &self.key {
            let value = part.expr.evaluate(values)?;
            if value.is_null() {
                return Ok(None);
            }
            let Some(value) = as_key(value, part.ty, values.format)? else {
                return Ok(None);
            };
            key::encode(&value, &mut encoded)?;
        }
        Ok(Some(encoded))
    }

    /// Runs a SELECT: appends the row, if there is one, as a DataRow message.
    ///
    /// # Errors
    /// Conversion and storage errors.
    pub(crate) fn run_select(
        &self,
        view: &ReadView,
        values: &Values<'_>,
        outputs: &[(usize, OutputColumn)],
        out: &mut BytesMut,
    ) -> Result<usize, SqlError> {
        let Some(key) = self.row_key(values)? else {
            return Ok(0);
        };
        let mut scratch = Vec::with_capacity(crate::txn::PREFIX_LEN + key.len());
        let found = view.get(self.table.rows, &key, &mut scratch, |version| {
            let row = self.table.layout.view(version.value)?;
            encode_row_from_rowview(&row, outputs, values.format, out)
        })?;
        found.transpose().map(|row| usize::from(row.is_some()))
    }

    /// Runs an UPDATE or DELETE. Returns how many rows changed: none or one.
    ///
    /// # Errors
    /// Whatever the row may violate, lock and storage errors.
    pub(crate) async fn run_change(
        &self,
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
        returned: &mut Returned<'_>,
    ) -> Result<u64, SqlError> {
        let Some(key) = self.row_key(values)? else {
            return Ok(0);
        };
        let view = writer.txn.view(writer.engine.snapshot());
        let mut scratch = Vec::new();
        let read = view.get(self.table.rows, &key, &mut scratch, |v| {
            (v.csn, v.value.to_vec())
        })?;
        drop(view);
        let Some((csn, stored)) = read else {
            return Ok(0);
        };
        let mut old = self.table.decode(&stored)?;
        let mut new = self.changed(&old, values)?;
        let mode = match &new {
            Some(new) => StatementWriter::mode_between(&self.table, &old, new),
            None => LockMode::RowUpdate,
        };
        match writer.lock_row(&self.table, &key, csn, mode).await? {
            Locked::Same => {}
            // WHERE is about the key alone: the newest version qualifies too.
            Locked::Changed { stored: newest, .. } => {
                old = self.table.decode(&newest)?;
                new = self.changed(&old, values)?;
                if let Some(new) = &new {
                    let mode = StatementWriter::mode_between(&self.table, &old, new);
                    writer.lock_again(&self.table, &key, mode).await?;
                }
            }
            Locked::Gone => return Ok(0),
        }
        match (&self.action, new) {
            (FastAction::Delete(_), _) => {
                writer.delete(&self.table, &key, &old).await?;
                returned.row(&[&old]).await?;
            }
            (FastAction::Update(columns, _), Some(mut new)) => {
                let changed: Vec<u16> = columns.iter().map(|(attnum, _)| *attnum).collect();
                writer
                    .update(&self.table, &key, &old, &mut new, &changed)
                    .await?;
                returned.row(&[&new]).await?;
            }
            _ => return Err(SqlError::internal("a SELECT changes nothing")),
        }
        Ok(1)
    }

    /// What an UPDATE makes of a row; none for other statements.
    fn changed(&self, old: &[Datum], values: &Values<'_>) -> Result<Option<Vec<Datum>>, SqlError> {
        match &self.action {
            FastAction::Update(columns, _) => self.new_row(columns, old, values).map(Some),
            _ => Ok(None),
        }
    }

    fn new_row(
        &self,
        columns: &[(u16, ScalarExpr)],
        old: &[Datum],
        values: &Values<'_>,
    ) -> Result<Vec<Datum>, SqlError> {
        let mut new = old.to_vec();
        let with_row = Values {
            row: old,
            ..*values
        };
        for (attnum, expr) in columns {
            set(
                &mut new,
                &self.table,
                *attnum,
                expr.evaluate(&with_row)?,
                values.format,
            )?;
        }
        Ok(new)
    }
}
