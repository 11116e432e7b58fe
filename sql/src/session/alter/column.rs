//! What ALTER TABLE does to columns.

use std::sync::Arc;

use sqlparser::ast::{AlterColumnOperation, ColumnDef, Ident};

use super::super::rewrite::{contains_nulls, for_each_row};
use super::super::{POSTGRES_EPOCH_US, Session};
use super::Alteration;
use crate::catalog::{ObjectKind, TableDescriptor, TypeNames, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::checks::rename_in;
use crate::exec::ddl::{Asked, add_column, column_mut};
use crate::exec::expr::Values;
use crate::exec::insert::Defaults;
use crate::exec::sequence_column::take_sequence;
use crate::exec::sequence_name::{bind, bind_column};
use crate::exec::table::{TableInfo, datum_at, display};
use crate::sequence::SequenceSource;
use crate::types::Datum;

impl Session {
    pub(in super::super) async fn add_column(
        &mut self,
        definition: &ColumnDef,
        if_not_exists: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let name = fold_identifier(&definition.name);
        if a.table.column(&name).is_some() {
            if if_not_exists {
                self.notice(format!(
                    "column \"{name}\" of relation \"{}\" already exists, skipping",
                    a.table.name
                ));
                return Ok(());
            }
            return Err(SqlError::new(
                state::DUPLICATE_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" already exists",
                    a.table.name
                ),
            ));
        }
        let mut definition = definition.clone();
        bind_column(&mut definition, &a.catalog, self.settings.search_path())?;
        let request = take_sequence(&mut definition)?;
        let mut asked = Asked::default();
        let types = TypeNames {
            catalog: &a.catalog,
            search_path: self.settings.search_path(),
        };
        add_column(&mut a.table, &definition, &mut asked, types)?;
        if let Some(request) = request {
            let made = self.attach_sequences(vec![request], &mut a.table, &mut a.catalog)?;
            for change in &made {
                a.catalog.apply(change);
            }
            a.sequences.extend(made);
        }
        Defaults::check(&a.table, &self.planning()?)?;
        self.set_missing(a)?;
        self.add_asked(&asked, a).await
    }

    /// The value of the newest column in rows that are already there: its
    /// default, computed once.
    pub(in super::super) fn set_missing(&mut self, a: &mut Alteration) -> Result<(), SqlError> {
        let info = self.stored_table(a)?;
        let mut before = a.table.clone();
        before.columns.pop();
        let before = TableInfo::new(Arc::new(before))?;
        let planning = self.planning()?;
        let session = self.session_info()?;
        let sequences = SequenceSource {
            access: Arc::clone(&self.sequences),
            catalog: Arc::new(a.catalog.clone()),
            user: self.sequence_user(),
        };
        let Some(column) = a.table.columns.last_mut() else {
            return Ok(());
        };
        let format = self.format();
        let started = self.txn.as_ref().map_or(0, |t| t.started_us());
        let values = Values {
            parameters: &[],
            row: &[],
            now_us: started - POSTGRES_EPOCH_US,
            format: &format,
            sequences: Some(&sequences),
        };
        let default = Defaults::of_column(&info, column.attnum, &planning)?;
        if default.is_volatile() {
            // Each row has a value of its own: the table is written again.
            let default = default.bind(Some(&session))?;
            return self.rebuild(&before, a, &mut |row| default.fill(row, &info, &values));
        }
        let mut row = vec![Datum::Null; usize::from(column.attnum)];
        default
            .bind(Some(&session))?
            .fill(&mut row, &info, &values)?;
        let value = row.pop().unwrap_or(Datum::Null);
        if !value.is_null() {
            column.missing = Some(display(&value, column.ty));
            return Ok(());
        }
        if !column.not_null {
            return Ok(());
        }
        let (rows, attnum) = (info.rows, column.attnum);
        let view = self.current_rows()?;
        if view.scan(rows, &[], None, false).next()?.is_some() {
            return Err(contains_nulls(&a.table, attnum, &a.catalog));
        }
        Ok(())
    }

    pub(in super::super) async fn drop_column(
        &mut self,
        name: &Ident,
        if_exists: bool,
        cascade: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let folded = fold_identifier(name);
        let Some(attnum) = a.table.column(&folded).map(|c| c.attnum) else {
            if if_exists {
                self.notice(format!(
                    "column \"{folded}\" of relation \"{}\" does not exist, skipping",
                    a.table.name
                ));
                return Ok(());
            }
            return column_mut(&mut a.table, name).map(|_| ());
        };
        if a.table.primary_key.contains(&attnum) {
            self.drop_primary_key(cascade, a).await?;
            self.keep(a)?;
        }
        let root = [ObjectKind::Column(a.table.oid, attnum)];
        self.drop_dependents(&root, None, cascade, a).await?;
        a.table.drop_column(attnum);
        Ok(())
    }

    pub(in super::super) fn alter_column(
        &mut self,
        name: &Ident,
        op: &AlterColumnOperation,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        match op {
            AlterColumnOperation::SetDefault { value } => {
                let mut value = value.clone();
                bind(&mut value, &a.catalog, self.settings.search_path())?;
                column_mut(&mut a.table, name)?.default = Some(value.to_string());
                Defaults::check(&a.table, &self.planning()?)
            }
            AlterColumnOperation::DropDefault => {
                column_mut(&mut a.table, name)?.default = None;
                Ok(())
            }
            AlterColumnOperation::DropNotNull => {
                let attnum = column_mut(&mut a.table, name)?.attnum;
                if a.table.primary_key.contains(&attnum) {
                    return Err(SqlError::new(
                        state::INVALID_TABLE_DEFINITION,
                        format!("column \"{}\" is in a primary key", fold_identifier(name)),
                    ));
                }
                column_mut(&mut a.table, name)?.not_null = false;
                Ok(())
            }
            AlterColumnOperation::SetNotNull => {
                let attnum = column_mut(&mut a.table, name)?.attnum;
                let info = self.stored_table(a)?;
                let view = self.current_rows()?;
                for_each_row(&info, &view, &self.cancel, |_, _, row| {
                    if datum_at(&row, attnum).is_null() {
                        return Err(contains_nulls(&a.table, attnum, &a.catalog));
                    }
                    Ok(())
                })?;
                column_mut(&mut a.table, name)?.not_null = true;
                Ok(())
            }
            other => Err(SqlError::unsupported(format!("ALTER COLUMN … {other}"))),
        }
    }
}

/// Gives a column another name.
pub(in super::super) fn rename(
    old: &Ident,
    new: &Ident,
    table: &mut TableDescriptor,
) -> Result<(), SqlError> {
    let new = fold_identifier(new);
    if table.column(&new).is_some() {
        return Err(SqlError::new(
            state::DUPLICATE_COLUMN,
            format!(
                "column \"{new}\" of relation \"{}\" already exists",
                table.name
            ),
        ));
    }
    let column = column_mut(table, old)?;
    let before = std::mem::replace(&mut column.name, new.clone());
    let attnum = column.attnum;
    for check in &mut table.checks {
        if check.columns.contains(&attnum) {
            check.expression = rename_in(&check.expression, &before, &new)?;
        }
    }
    let keys = table
        .family
        .partition_by
        .iter_mut()
        .flat_map(|by| &mut by.keys);
    for key in keys.filter(|key| key.columns.contains(&attnum)) {
        if let Some(text) = &key.expression {
            key.expression = Some(rename_in(text, &before, &new)?);
        }
    }
    Ok(())
}
