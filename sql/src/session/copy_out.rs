//! COPY TO STDOUT.

use bytes::BytesMut;
use sqlparser::ast::{CopySource, Expr, Ident, SelectItem, SetExpr};

use super::Session;
use super::copy_in::{CopyStatement, copied_columns};
use super::copy_options::{Direction, copy_format};
use super::cursor::Fill;
use super::execute::Execution;
use crate::error::{SqlError, state};
use crate::exec::target::column;
use crate::query::QueryStream;
use crate::txn::LockMode;
use crate::types::copy::writer::BatchCells;
use crate::types::copy::{CopyKind, CopyWriter, copy_data_message};

/// A COPY TO STDOUT that gives data.
pub struct CopyOut {
    stream: QueryStream,
    writer: CopyWriter,
    columns: usize,
    binary: bool,
    /// The batch being written, and its next row.
    batch: Option<(BatchCells, usize)>,
    started: bool,
    count: u64,
}

impl std::fmt::Debug for CopyOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyOut")
            .field("columns", &self.columns)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) async fn copy_out(&mut self, copy: &CopyStatement<'_>) -> Result<CopyOut, SqlError> {
        let query = match copy.source {
            CopySource::Query(query) => query.as_ref().clone(),
            CopySource::Table {
                table_name,
                columns,
            } => {
                let table = self.planning()?.table(table_name)?;
                self.lock_table(table.desc.oid, LockMode::AccessShare)
                    .await?;
                if table.desc.is_partitioned() {
                    return Err(SqlError::new(
                        state::WRONG_OBJECT_TYPE,
                        format!("cannot copy from partitioned table \"{}\"", table.desc.name),
                    )
                    .hint("Try the COPY (SELECT ...) TO variant."));
                }
                let attnums = copied_columns(&table, columns)?;
                let names = attnums
                    .iter()
                    .map(|a| Ok(column(&table, *a)?.name.clone()))
                    .collect::<Result<Vec<_>, SqlError>>()?;
                select_columns(table_name, &names)?
            }
        };
        let planned = self.plan_query(&query)?;
        let columns: Vec<_> = planned
            .columns()
            .iter()
            .map(|c| (c.name.clone(), c.pg_type))
            .collect();
        let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let format = copy_format(copy.options, copy.legacy, &names, Direction::To)?;
        let binary = format.kind == CopyKind::Binary;
        let writer = CopyWriter::new(format, &columns, self.format())?;
        let run = self.new_run(&Execution::default())?;
        Ok(CopyOut {
            stream: planned.execute(run).await?,
            writer,
            columns: columns.len(),
            binary,
            batch: None,
            started: false,
            count: 0,
        })
    }
}

/// `SELECT columns FROM table`.
fn select_columns(
    table: &sqlparser::ast::ObjectName,
    columns: &[String],
) -> Result<sqlparser::ast::Query, SqlError> {
    let text = format!("SELECT 1 FROM ONLY {table}");
    let sqlparser::ast::Statement::Query(mut query) = super::parse_statement(&text)? else {
        return Err(SqlError::internal("SELECT is no query"));
    };
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = columns
            .iter()
            .map(|name| {
                SelectItem::UnnamedExpr(Expr::Identifier(Ident::with_quote('"', name.clone())))
            })
            .collect();
    }
    Ok(*query)
}

impl CopyOut {
    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the format is binary.
    pub fn binary(&self) -> bool {
        self.binary
    }

    /// Appends complete CopyData messages to `out` until about `max_bytes` were
    /// added.
    ///
    /// # Errors
    /// Whatever the query fails with; the transaction is then aborted.
    pub async fn fill(
        &mut self,
        session: &mut Session,
        out: &mut BytesMut,
        max_bytes: usize,
    ) -> Result<Fill, SqlError> {
        let result = self.fill_some(out, max_bytes).await;
        match &result {
            Ok(Fill::Done(_)) => session.statement_done(),
            Ok(_) => {}
            Err(_) => session.abort(),
        }
        result
    }

    async fn fill_some(&mut self, out: &mut BytesMut, max_bytes: usize) -> Result<Fill, SqlError> {
        let start = out.len();
        if !self.started {
            self.started = true;
            let mut header = BytesMut::new();
            self.writer.write_header(&mut header);
            put_bare(&header, out)?;
        }
        let mut rows = 0;
        loop {
            let Some((cells, at)) = &mut self.batch else {
                match self.stream.next().await {
                    Some(batch) => self.batch = Some((self.writer.batch(&batch?)?, 0)),
                    None => return self.done(out),
                }
                continue;
            };
            while *at < cells.rows() {
                if out.len() - start >= max_bytes {
                    return Ok(Fill::More { rows });
                }
                let (writer, row) = (&mut self.writer, *at);
                copy_data_message(out, |out| writer.write_batch_row(cells, row, out))?;
                *at += 1;
                rows += 1;
                self.count += 1;
            }
            self.batch = None;
        }
    }

    fn done(&mut self, out: &mut BytesMut) -> Result<Fill, SqlError> {
        let mut trailer = BytesMut::new();
        self.writer.write_trailer(&mut trailer);
        put_bare(&trailer, out)?;
        Ok(Fill::Done(format!("COPY {}", self.count)))
    }
}

/// A CopyData message, unless there is nothing to say.
fn put_bare(bytes: &BytesMut, out: &mut BytesMut) -> Result<(), SqlError> {
    if bytes.is_empty() {
        return Ok(());
    }
    copy_data_message(out, |out| {
        out.extend_from_slice(bytes);
        Ok(())
    })
}
