//! What ALTER TABLE does to columns.

use std::sync::Arc;

use sqlparser::ast::{AlterColumnOperation, ColumnDef, Ident};

use super::super::rewrite::{contains_nulls, for_each_row};
use super::super::{POSTGRES_EPOCH_US, Session};
use super::Alteration;
use super::identity::refuse_default;
use crate::catalog::{
    Catalog, Dependent, ObjectKind, TableDescriptor, TypeNames, cascade_notice, fold_identifier,
    still_needed,
};
use crate::error::{SqlError, state};
use crate::exec::checks::rename_in;
use crate::exec::ddl::{Asked, add_column, column_mut};
use crate::exec::expr::Values;
use crate::exec::generated_column::{define_generated, generated_from};
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
        let planning = self.planning()?;
        define_generated(&mut a.table, &planning)?;
        Defaults::check(&a.table, &planning)?;
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
        if a.table
            .columns
            .last()
            .is_some_and(|c| c.generated.is_some())
        {
            return self.rebuild(&before, a, &mut |_| Ok(()));
        }
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
        self.drop_generated_from(attnum, cascade, a)?;
        let root = [ObjectKind::Column(a.table.oid, attnum)];
        self.drop_dependents(&root, None, cascade, a).await?;
        a.table.drop_column(attnum);
        Ok(())
    }

    /// Drops the generated columns that are computed from a column that goes.
    fn drop_generated_from(
        &mut self,
        attnum: u16,
        cascade: bool,
        a: &mut Alteration,
    ) -> Result<(), SqlError> {
        let path = self.settings.search_path();
        let describe = |attnum| {
            let column = ObjectKind::Column(a.table.oid, attnum);
            a.catalog.describe(column, path)
        };
        let needs = describe(attnum);
        let dependents: Vec<(u16, Dependent)> = generated_from(&a.table, attnum)
            .into_iter()
            .map(|generated| {
                let dependent = Dependent {
                    object: ObjectKind::Column(a.table.oid, generated),
                    name: describe(generated),
                    needs: needs.clone(),
                    silent: false,
                };
                (generated, dependent)
            })
            .collect();
        let found: Vec<Dependent> = dependents.iter().map(|(_, d)| d.clone()).collect();
        if found.is_empty() {
            return Ok(());
        }
        if !cascade {
            return Err(still_needed(&needs, &found));
        }
        self.notices.extend(cascade_notice(&found));
        for (generated, _) in dependents {
            a.table.drop_column(generated);
        }
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
                let before = Catalog::column(&a.table, &fold_identifier(name))?;
                refuse_default(before, &a.table.name, false)?;
                let mut value = value.clone();
                bind(&mut value, &a.catalog, self.settings.search_path())?;
                column_mut(&mut a.table, name)?.default = Some(value.to_string());
                Defaults::check(&a.table, &self.planning()?)
            }
            AlterColumnOperation::DropDefault => {
                let before = Catalog::column(&a.table, &fold_identifier(name))?;
                refuse_default(before, &a.table.name, true)?;
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
                let column = column_mut(&mut a.table, name)?;
                if column.identity.is_some() {
                    let column = column.name.clone();
                    return Err(SqlError::new(
                        state::SYNTAX_ERROR,
                        format!(
                            "column \"{column}\" of relation \"{}\" is an identity column",
                            a.table.name
                        ),
                    ));
                }
                column.not_null = false;
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
    for column in &mut table.columns {
        if let Some(text) = &column.generated {
            column.generated = Some(rename_in(text, &before, &new)?);
        }
    }
    for part in table.indexes.iter_mut().flat_map(|i| i.computed_mut()) {
        if part.columns.contains(&attnum) {
            part.text = rename_in(&part.text, &before, &new)?;
        }
    }
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
