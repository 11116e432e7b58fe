//! COPY FROM STDIN.

use std::sync::Arc;

use bytes::Bytes;
use sqlparser::ast::{
    CopyLegacyOption, CopyOption, CopySource, CopyTarget, Ident, ObjectName, Statement,
};

use super::changes::writer;
use super::copy_options::{Direction, copy_format};
use super::{Outcome, POSTGRES_EPOCH_US, Session};
use crate::catalog::{QualifiedName, RelationEntry, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::expr::Values;
use crate::exec::insert::{BoundDefaults, Defaults};
use crate::exec::planning::QueryPlanning;
use crate::exec::table::TableInfo;
use crate::exec::target::{Planning, column, column_list};
use crate::exec::write::Suspended;
use crate::sequence::SequenceSource;
use crate::txn::LockMode;
use crate::types::copy::{CopyKind, CopyReader, CopyRow};
use crate::types::{Conversion, Datum, SessionFormat, binary_in, modifier, text_in};

/// A COPY FROM STDIN that takes data.
#[derive(Debug)]
pub struct CopyIn {
    table: Arc<TableInfo>,
    columns: Vec<u16>,
    defaults: Defaults,
    reader: CopyReader,
    binary: bool,
    format: SessionFormat,
    /// Everything written so far: a COPY is one statement.
    written: Box<Suspended>,
    count: u64,
}

/// The pieces of a COPY statement.
pub(super) struct CopyStatement<'a> {
    pub(super) source: &'a CopySource,
    pub(super) options: &'a [CopyOption],
    pub(super) legacy: &'a [CopyLegacyOption],
}

impl Session {
    pub(super) async fn copy(&mut self, statement: &Statement) -> Result<Outcome, SqlError> {
        let Statement::Copy {
            source,
            to,
            target,
            options,
            legacy_options,
            ..
        } = statement
        else {
            return Err(SqlError::internal("no COPY"));
        };
        let copy = CopyStatement {
            source,
            options,
            legacy: legacy_options,
        };
        match (to, target, source) {
            (
                false,
                CopyTarget::Stdin,
                CopySource::Table {
                    table_name,
                    columns,
                },
            ) => {
                let copy = self.copy_in(table_name, columns, &copy).await?;
                Ok(Outcome::CopyIn(copy))
            }
            (true, CopyTarget::Stdout, _) => Ok(Outcome::CopyOut(self.copy_out(&copy).await?)),
            (
                false,
                CopyTarget::File { filename },
                CopySource::Table {
                    table_name,
                    columns,
                },
            ) => {
                let tag = self.copy_from_file(table_name, columns, &copy, filename);
                Ok(Outcome::Command(tag.await?))
            }
            // Nothing readable is written to the server's disks.
            (true, CopyTarget::File { .. }, _) => {
                Err(SqlError::unsupported("COPY TO a file on the server")
                    .hint("Use COPY TO STDOUT; psql's \\copy writes a local file."))
            }
            _ => Err(SqlError::unsupported(format!("COPY … {target}"))),
        }
    }

    /// Names as they are looked up now.
    pub(super) fn planning(&mut self) -> Result<Planning, SqlError> {
        let session = self.session_info()?;
        Ok(Planning {
            catalog: self.catalog()?,
            database: self.database.clone(),
            search_path: self.settings.search_path().to_vec(),
            queries: Some(QueryPlanning {
                engine: self.engine.query().clone(),
                tenant: self.tenant,
                session,
            }),
            with: None,
            view: None,
            bound: Vec::new(),
        })
    }

    pub(super) async fn copy_in(
        &mut self,
        table: &ObjectName,
        columns: &[Ident],
        copy: &CopyStatement<'_>,
    ) -> Result<CopyIn, SqlError> {
        self.writable("COPY FROM")?;
        let planning = self.planning()?;
        refuse_copy(table, &planning)?;
        let oid = planning.table(table)?.desc.oid;
        self.lock_table(oid, LockMode::RowExclusive).await?;
        for member in self.catalog()?.members(oid) {
            self.lock_table(member.oid, LockMode::RowExclusive).await?;
        }
        // Looked up again: it may have changed before the lock was there.
        let planning = self.planning()?;
        let table = planning.table(table)?;
        let columns = copied_columns(&table, columns)?;
        let names = columns
            .iter()
            .map(|a| Ok(column(&table, *a)?.name.clone()))
            .collect::<Result<Vec<_>, SqlError>>()?;
        let format = copy_format(copy.options, copy.legacy, &names, Direction::From)?;
        let binary = format.kind == CopyKind::Binary;
        Ok(CopyIn {
            defaults: Defaults::plan(&table, &columns, &planning)?,
            reader: CopyReader::new(format, &table.desc.name, names)?,
            table,
            columns,
            binary,
            format: self.format(),
            written: Box::default(),
            count: 0,
        })
    }
}

impl CopyIn {
    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Whether the format is binary.
    pub fn binary(&self) -> bool {
        self.binary
    }

    /// Takes a piece of data, of any length.
    ///
    /// # Errors
    /// Whatever the data or its rows violate; the transaction is then aborted.
    pub async fn data(&mut self, session: &mut Session, chunk: Bytes) -> Result<(), SqlError> {
        let result = self.take(session, &chunk).await;
        if result.is_err() {
            session.abort();
        }
        result
    }

    /// As [`CopyIn::data`], for who aborts the transaction himself.
    pub(super) async fn take(
        &mut self,
        session: &mut Session,
        chunk: &[u8],
    ) -> Result<(), SqlError> {
        session.cancel.check()?;
        self.reader.push(chunk)?;
        self.insert_rows(session).await
    }

    async fn insert_rows(&mut self, session: &mut Session) -> Result<(), SqlError> {
        let started = session.transaction()?.started_us();
        let now_us = started - POSTGRES_EPOCH_US;
        let info = match self.defaults.is_computed() {
            true => Some(session.session_info()?),
            false => None,
        };
        let defaults = self.defaults.bind(info.as_ref())?;
        let sequences = session.sequence_source()?;
        let mut writer = writer(session)?;
        writer.resume(*std::mem::take(&mut self.written));
        while let Some(fields) = self.reader.next_row()? {
            let mut row = complete(
                &fields,
                &self.table,
                &self.columns,
                &defaults,
                &self.format,
                &sequences,
                now_us,
            )?;
            if let Err(error) = writer.insert(&self.table, &mut row).await {
                let context = self.reader.line_context();
                return Err(error.context(context));
            }
            self.count += 1;
        }
        *self.written = writer.suspend();
        Ok(())
    }

    /// The client has sent everything.
    ///
    /// # Errors
    /// Whatever the last rows violate; the transaction is then aborted.
    pub async fn finish(mut self, session: &mut Session) -> Result<String, SqlError> {
        let result = self.complete_copy(session).await;
        match &result {
            Ok(_) => session.statement_done(),
            Err(_) => session.abort(),
        }
        result
    }

    /// As [`CopyIn::finish`], for who aborts the transaction himself.
    pub(super) async fn complete_copy(
        &mut self,
        session: &mut Session,
    ) -> Result<String, SqlError> {
        self.reader.finish();
        self.insert_rows(session).await?;
        let mut writer = writer(session)?;
        writer.resume(*std::mem::take(&mut self.written));
        writer.finish().await?;
        Ok(format!("COPY {}", self.count))
    }

    /// The client gave up: the transaction is aborted. The error to report.
    pub fn fail(self, session: &mut Session, reason: &str) -> SqlError {
        session.abort();
        SqlError::new(
            state::QUERY_CANCELED,
            format!("COPY from stdin failed: {reason}"),
        )
        .context(self.reader.line_context())
    }
}

/// COPY writes to tables only.
fn refuse_copy(name: &ObjectName, planning: &Planning) -> Result<(), SqlError> {
    let name = QualifiedName::from_ast(name, &planning.database)?;
    let found = planning.catalog.find_relation(&name, &planning.search_path);
    let refused = |what: &str| {
        SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!("cannot copy to {what} \"{}\"", name.name),
        )
    };
    match found {
        Some(RelationEntry::View(_)) => Err(refused("view")
            .hint("To enable copying to a view, provide an INSTEAD OF INSERT trigger.")),
        Some(RelationEntry::Table(table)) if table.materialized.is_some() => {
            Err(refused("materialized view"))
        }
        Some(RelationEntry::Sequence(_)) => Err(refused("sequence")),
        _ => Ok(()),
    }
}

/// The columns that COPY reads or writes: those it names, or all that are not
/// generated.
///
/// # Errors
/// 42703, 42701; 42P10 for a generated column.
pub(super) fn copied_columns(table: &TableInfo, names: &[Ident]) -> Result<Vec<u16>, SqlError> {
    let mut columns = column_list(table, names.iter().map(fold_identifier))?;
    let generated = |attnum: &u16| column(table, *attnum).is_ok_and(|c| c.generated.is_some());
    if names.is_empty() {
        columns.retain(|attnum| !generated(attnum));
    } else if let Some(attnum) = columns.iter().find(|attnum| generated(attnum)) {
        return Err(SqlError::new(
            state::INVALID_COLUMN_REFERENCE,
            format!(
                "column \"{}\" is a generated column",
                column(table, *attnum)?.name
            ),
        )
        .detail("Generated columns cannot be used in COPY."));
    }
    Ok(columns)
}

/// A complete row from the fields of a line.
fn complete(
    fields: &CopyRow<'_>,
    table: &TableInfo,
    columns: &[u16],
    defaults: &BoundDefaults<'_>,
    format: &SessionFormat,
    sequences: &SequenceSource,
    now_us: i64,
) -> Result<Vec<Datum>, SqlError> {
    let mut row = vec![Datum::Null; table.desc.columns.len()];
    for (i, attnum) in columns.iter().enumerate() {
        let ty = column(table, *attnum)?.ty;
        let value = match read_field(fields, i, ty, format) {
            Ok(value) => value,
            Err(error) if error.get_context().is_some() => return Err(error),
            Err(error) => return Err(fields.at_column(error, i)),
        };
        if let Some(slot) = usize::from(*attnum)
            .checked_sub(1)
            .and_then(|p| row.get_mut(p))
        {
            *slot = value;
        }
    }
    let values = Values {
        parameters: &[],
        row: &[],
        now_us,
        format,
        sequences: Some(sequences),
    };
    defaults.fill(&mut row, table, &values)?;
    Ok(row)
}

fn read_field(
    fields: &CopyRow<'_>,
    index: usize,
    ty: crate::types::PgType,
    format: &SessionFormat,
) -> Result<Datum, SqlError> {
    let value = if fields.is_binary() {
        match fields.get(index) {
            Some(bytes) => binary_in(ty, bytes)?,
            None => return Ok(Datum::Null),
        }
    } else {
        match fields.text(index)? {
            Some(text) => text_in(ty, text, format)?,
            None => return Ok(Datum::Null),
        }
    };
    modifier::apply(ty, value, Conversion::Assignment)
}
