//! UPDATE and DELETE.
//!
//! Which rows, and with which new values, is a SELECT over the target (and the
//! other tables of FROM or USING) that also gives each row's key, version and
//! stored form. This executor then locks each row. At READ COMMITTED a row that
//! somebody changed in between is put through the same SELECT once more, alone
//! and in its newest version: it is changed only if it still qualifies.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, UInt64Type};
use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, ObjectName, Query, SelectItem,
    SetExpr, Statement, TableFactor, TableWithJoins, Update, UpdateTableFromKind, Value,
};

use super::insert::{is_default, refuse_any, set};
use super::planning::Parameters;
use super::returned::Returned;
use super::returning::Returning;
use super::table::TableInfo;
use super::target::{Planning, column, default_expr, simple_name};
use super::write::{Locked, StatementWriter};
use crate::catalog::{Catalog, fold_identifier};
use crate::error::{SqlError, state};
use crate::query::{PlannedQuery, RowOverride, RowRelation, Run};
use crate::txn::LockMode;
use crate::types::{Datum, PgType, SessionFormat};

/// Columns that the SELECT gives before the new values: key, version, row.
const HIDDEN: usize = 3;

/// What happens to the rows.
#[derive(Debug)]
enum Change {
    /// These columns get the values that the SELECT computes.
    Update(Vec<u16>),
    /// They go.
    Delete,
}

/// A planned UPDATE or DELETE.
#[derive(Debug)]
pub(crate) struct ChangePlan {
    pub(crate) table: Arc<TableInfo>,
    change: Change,
    pub(crate) query: PlannedQuery,
    pub(crate) returning: Option<Returning>,
}

/// The target table of a change and the name it goes by.
struct Target {
    table: Arc<TableInfo>,
    relation: TableWithJoins,
    alias: Ident,
}

impl Target {
    fn new(relation: &TableWithJoins, planning: &Planning) -> Result<Self, SqlError> {
        let (name, alias) = target_name(relation)?;
        let table = planning.table(name)?;
        let alias = alias.unwrap_or_else(|| Ident::with_quote('"', table.desc.name.clone()));
        Ok(Self {
            table,
            relation: relation.clone(),
            alias,
        })
    }

    fn hidden(&self, name: &str) -> SelectItem {
        let parts = vec![self.alias.clone(), Ident::with_quote('"', name)];
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts))
    }

    /// `SELECT key, version, row, values… FROM target, others WHERE selection`.
    fn select(
        &self,
        values: Vec<Expr>,
        others: Vec<TableWithJoins>,
        selection: Option<Expr>,
    ) -> Result<Query, SqlError> {
        let mut query = empty_select()?;
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(SqlError::internal("a SELECT that is none"));
        };
        select.projection = ["__key", "__csn", "__row"]
            .iter()
            .map(|name| self.hidden(name))
            .chain(values.into_iter().map(SelectItem::UnnamedExpr))
            .collect();
        select.from = std::iter::once(self.relation.clone())
            .chain(others)
            .collect();
        select.selection = selection;
        Ok(query)
    }
}

/// A SELECT to fill in.
fn empty_select() -> Result<Query, SqlError> {
    match crate::session::parse_statement("SELECT 1")? {
        Statement::Query(query) => Ok(*query),
        _ => Err(SqlError::internal("SELECT is no query")),
    }
}

fn target_name(relation: &TableWithJoins) -> Result<(&ObjectName, Option<Ident>), SqlError> {
    let TableFactor::Table { name, alias, .. } = &relation.relation else {
        return Err(SqlError::unsupported("changing anything but a table"));
    };
    if !relation.joins.is_empty() {
        return Err(SqlError::unsupported("a join as the target of a change"));
    }
    Ok((name, alias.as_ref().map(|a| a.name.clone())))
}

/// Plans an UPDATE.
///
/// # Errors
/// Name and type errors; 0A000 for clauses that are not there.
pub(crate) fn plan_update(
    update: &Update,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<ChangePlan, SqlError> {
    refuse_any(&[
        (update.or.is_some(), "UPDATE OR …"),
        (update.output.is_some(), "UPDATE … OUTPUT"),
        (!update.order_by.is_empty(), "UPDATE … ORDER BY"),
        (update.limit.is_some(), "UPDATE … LIMIT"),
    ])?;
    let target = Target::new(&update.table, planning)?;
    let others = match &update.from {
        None => Vec::new(),
        Some(UpdateTableFromKind::AfterSet(tables)) => tables.clone(),
        Some(UpdateTableFromKind::BeforeSet(_)) => {
            return Err(SqlError::unsupported("UPDATE FROM … SET"));
        }
    };
    let (columns, values) = assignments(&update.assignments, &target.table)?;
    for (attnum, value) in columns.iter().zip(&values) {
        note_parameter(value, column(&target.table, *attnum)?.ty, parameters);
    }
    let query = target.select(values, others, update.selection.clone())?;
    finish(
        target,
        Change::Update(columns),
        &query,
        update.returning.as_deref(),
        planning,
        parameters,
    )
}

/// Plans a DELETE.
///
/// # Errors
/// Name and type errors; 0A000 for clauses that are not there.
pub(crate) fn plan_delete(
    delete: &Delete,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<ChangePlan, SqlError> {
    refuse_any(&[
        (!delete.tables.is_empty(), "DELETE from several tables"),
        (delete.output.is_some(), "DELETE … OUTPUT"),
        (!delete.order_by.is_empty(), "DELETE … ORDER BY"),
        (delete.limit.is_some(), "DELETE … LIMIT"),
    ])?;
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [relation] = from.as_slice() else {
        return Err(SqlError::unsupported("DELETE from several tables"));
    };
    let target = Target::new(relation, planning)?;
    let others = delete.using.clone().unwrap_or_default();
    let query = target.select(Vec::new(), others, delete.selection.clone())?;
    finish(
        target,
        Change::Delete,
        &query,
        delete.returning.as_deref(),
        planning,
        parameters,
    )
}

fn finish(
    target: Target,
    change: Change,
    query: &Query,
    returning: Option<&[SelectItem]>,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<ChangePlan, SqlError> {
    let alias = fold_identifier(&target.alias);
    let query = planning.rows_to_change(query, parameters)?;
    let relation = RowRelation::table(&target.table.desc, &alias);
    let returning = Returning::plan(returning, &target.table, &[relation], planning, parameters)?;
    Ok(ChangePlan {
        table: target.table,
        change,
        query,
        returning,
    })
}

/// `SET a = $1` gives the parameter the column's type.
fn note_parameter(value: &Expr, ty: PgType, parameters: &mut Vec<Option<PgType>>) {
    if let Expr::Value(value) = value
        && let Value::Placeholder(name) = &value.value
        && let Some(index) = name
            .strip_prefix('$')
            .and_then(|n| n.parse::<usize>().ok())
            .and_then(|n| n.checked_sub(1))
            .filter(|n| *n < usize::from(u16::MAX))
    {
        if parameters.len() <= index {
            parameters.resize(index + 1, None);
        }
        if let Some(slot) = parameters.get_mut(index)
            && slot.is_none()
        {
            *slot = PgType::from_oid(ty.oid(), -1);
        }
    }
}

/// The assigned columns and their values.
fn assignments(list: &[Assignment], table: &TableInfo) -> Result<(Vec<u16>, Vec<Expr>), SqlError> {
    let mut columns = Vec::new();
    let mut values = Vec::new();
    for assignment in list {
        match (&assignment.target, &assignment.value) {
            (AssignmentTarget::ColumnName(name), value) => {
                add_assignment(name, value, table, &mut columns, &mut values)?;
            }
            (AssignmentTarget::Tuple(names), Expr::Tuple(exprs)) if names.len() == exprs.len() => {
                for (name, value) in names.iter().zip(exprs) {
                    add_assignment(name, value, table, &mut columns, &mut values)?;
                }
            }
            (AssignmentTarget::Tuple(_), other) => {
                return Err(SqlError::unsupported(format!("UPDATE … SET (…) = {other}")));
            }
        }
    }
    Ok((columns, values))
}

fn add_assignment(
    name: &ObjectName,
    value: &Expr,
    table: &TableInfo,
    columns: &mut Vec<u16>,
    values: &mut Vec<Expr>,
) -> Result<(), SqlError> {
    let name =
        simple_name(name).ok_or_else(|| SqlError::unsupported(format!("assignment to {name}")))?;
    let target = Catalog::column(&table.desc, &name)?;
    if columns.contains(&target.attnum) {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("multiple assignments to same column \"{name}\""),
        ));
    }
    let value = if is_default(value) {
        default_expr(target)?.unwrap_or_else(|| Expr::Value(Value::Null.into()))
    } else {
        value.clone()
    };
    columns.push(target.attnum);
    values.push(value);
    Ok(())
}

/// A row that the SELECT gave.
struct Found {
    key: Vec<u8>,
    csn: u64,
    stored: Vec<u8>,
    values: Vec<Datum>,
}

/// A value of one of the hidden binary columns.
fn bytes_at(batch: &RecordBatch, column: usize, at: usize) -> Option<Vec<u8>> {
    let array = batch.columns().get(column)?;
    if at >= array.len() || array.is_null(at) {
        return None;
    }
    if let Some(plain) = array.as_binary_opt::<i32>() {
        return Some(plain.value(at).to_vec());
    }
    array
        .as_binary_view_opt()
        .map(|view| view.value(at).to_vec())
}

/// The version of a row.
fn csn_at(batch: &RecordBatch, at: usize) -> Option<u64> {
    let array = batch.columns().get(1)?;
    if at >= array.len() || array.is_null(at) {
        return None;
    }
    if let Some(unsigned) = array.as_primitive_opt::<UInt64Type>() {
        return Some(unsigned.value(at));
    }
    let signed = array.as_primitive_opt::<Int64Type>()?.value(at);
    u64::try_from(signed).ok()
}

impl ChangePlan {
    /// The stored tables that are read on the way.
    pub(crate) fn tables_read(&self) -> Vec<u32> {
        let mut tables = self.query.tables().to_vec();
        tables.extend(self.returning.iter().flat_map(Returning::tables));
        tables
    }

    /// Carries the change out as `run` says. Returns how many rows changed.
    ///
    /// # Errors
    /// Whatever a row may violate, lock errors, and what the query may fail with.
    pub(crate) async fn run(
        &self,
        run: &Run,
        writer: &mut StatementWriter<'_>,
        format: &SessionFormat,
        returned: &mut Returned<'_>,
    ) -> Result<u64, SqlError> {
        let mut count = 0;
        let mut stream = self.query.execute(run.clone()).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            for at in 0..batch.num_rows() {
                let found = self.found(&batch, at)?;
                if self
                    .change_one(found, run, writer, format, returned)
                    .await?
                {
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    fn found(&self, batch: &RecordBatch, at: usize) -> Result<Found, SqlError> {
        let (key, stored) = (bytes_at(batch, 0, at), bytes_at(batch, 2, at));
        let (Some(key), Some(csn), Some(stored)) = (key, csn_at(batch, at), stored) else {
            return Err(SqlError::internal("the rows of a change lack their keys"));
        };
        let values = self
            .query
            .columns()
            .iter()
            .zip(batch.columns())
            .skip(HIDDEN)
            .map(|(output, array)| crate::query::datum_at(array, at, output.pg_type))
            .collect::<Result<_, _>>()?;
        Ok(Found {
            key,
            csn,
            stored,
            values,
        })
    }

    async fn change_one(
        &self,
        mut found: Found,
        run: &Run,
        writer: &mut StatementWriter<'_>,
        format: &SessionFormat,
        returned: &mut Returned<'_>,
    ) -> Result<bool, SqlError> {
        // A join may give a row several times: it changes once.
        if writer.already_changed(&self.table, &found.key) {
            return Ok(false);
        }
        let mode = match &self.change {
            Change::Update(columns) => StatementWriter::update_mode(&self.table, columns),
            Change::Delete => LockMode::RowUpdate,
        };
        match writer
            .lock_row(&self.table, &found.key, found.csn, mode)
            .await?
        {
            Locked::Same => {}
            Locked::Gone => return Ok(false),
            Locked::Changed { csn, stored } => {
                let newest = (found.key, csn, stored);
                match self.recheck(newest, run).await? {
                    Some(again) => found = again,
                    None => return Ok(false),
                }
            }
        }
        let old = self.table.decode(&found.stored)?;
        match &self.change {
            Change::Delete => {
                writer.delete(&self.table, &found.key, &old).await?;
                returned.row(&[&old]).await?;
            }
            Change::Update(columns) => {
                let mut new = old.clone();
                for (attnum, value) in columns.iter().zip(found.values) {
                    set(&mut new, &self.table, *attnum, value, format)?;
                }
                writer
                    .update(&self.table, &found.key, &old, &new, columns)
                    .await?;
                returned.row(&[&new]).await?;
            }
        }
        Ok(true)
    }

    /// Runs the query again with only the newest version of one row in the target.
    /// Everything else is what the statement saw when it started.
    async fn recheck(
        &self,
        row: (Vec<u8>, u64, Vec<u8>),
        run: &Run,
    ) -> Result<Option<Found>, SqlError> {
        let again = Run {
            replace: Some(RowOverride { rows: vec![row] }),
            ..run.clone()
        };
        let mut stream = self.query.execute(again).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            if batch.num_rows() > 0 {
                return self.found(&batch, 0).map(Some);
            }
        }
        Ok(None)
    }
}
