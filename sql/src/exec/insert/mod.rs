//! INSERT.

mod arbiters;
mod conflict;
mod defaults;
mod elements;
mod values;

use std::borrow::Cow;
use std::sync::Arc;

use sqlparser::ast::{Expr, Insert, OnInsert, Query, SetExpr, TableObject, Value};

use super::assign::assign;
use super::expr::Values;
use super::given::{check_insert, ignores_given};
use super::planning::Parameters;
use super::returned::Returned;
use super::returning::Returning;
use super::table::TableInfo;
use super::target::{Planning, column, column_list, simple_name};
use super::view_target::{BoundView, Through, ViewTarget};
use super::write::StatementWriter;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::query::{PlannedQuery, RowRelation, Run};
use crate::types::{Datum, SessionFormat};
use conflict::{BoundConflict, ConflictPlan};
use values::{ValueLists, plain_values};

pub(crate) use defaults::{BoundDefaults, Defaults};
pub(crate) use values::is_default;

/// Where the rows come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Expressions, a list for each row, in the order of the columns.
    Values(ValueLists),
    /// A query, whose result columns are in the order of the columns.
    Query(Box<PlannedQuery>),
}

/// A planned INSERT.
#[derive(Debug)]
pub(crate) struct InsertPlan {
    pub(crate) table: Arc<TableInfo>,
    /// Columns that the source fills, by `attnum`.
    pub(crate) columns: Vec<u16>,
    /// Defaults of the others.
    defaults: Defaults,
    pub(crate) source: Source,
    conflict: Option<ConflictPlan>,
    pub(crate) returning: Option<Returning>,
    /// The view that the statement names, if it is one.
    view: Option<ViewTarget>,
}

/// Plans an INSERT. Parameter types that it finds are put into `parameters`.
///
/// # Errors
/// Name and type errors; 0A000 for clauses that are not there.
pub(crate) fn plan(
    insert: &Insert,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<InsertPlan, SqlError> {
    refuse_clauses(insert)?;
    let TableObject::TableName(name) = &insert.table else {
        return Err(SqlError::unsupported("INSERT into a table function"));
    };
    let (base, view) = planning.written(name, Through::Insert)?;
    // What the statement names are columns of the view.
    let table = view.as_ref().map_or(&base, |view| &view.visible);
    let insert = elements::whole_arrays(insert, table)?;
    let names = insert
        .columns
        .iter()
        .map(|c| simple_name(c).ok_or_else(|| SqlError::unsupported(format!("INSERT column {c}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let explicit = !names.is_empty();
    let mut columns = match &view {
        Some(view) => view.column_list(&names, given_width(&insert))?,
        None => column_list(table, names)?,
    };
    let insert = without_ignored(insert, table, &columns);
    let source = match &insert.source {
        None => {
            columns.clear();
            Source::Values(ValueLists::defaults_only())
        }
        Some(query) => plan_source(query, table, &mut columns, explicit, planning, parameters)?,
    };
    check_insert(&insert, table, &columns)?;
    let mut given = columns.clone();
    given.retain(|attnum| {
        !column(table, *attnum).is_ok_and(|target| ignores_given(&insert, target))
    });
    let full = view.as_ref().map_or(&base, |view| &view.full);
    let defaults = Defaults::plan(full, &given, planning)?;
    let alias = match &insert.table_alias {
        Some(alias) => fold_identifier(&alias.alias),
        None => table.desc.name.clone(),
    };
    let conflict = match &insert.on {
        None => None,
        Some(OnInsert::OnConflict(clause)) => Some(ConflictPlan::plan(
            clause, table, &alias, planning, parameters,
        )?),
        Some(_) => return Err(SqlError::unsupported("INSERT … ON DUPLICATE KEY")),
    };
    let relation = match &view {
        Some(view) => view.relation(&alias),
        None => RowRelation::target(&table.desc, &alias),
    };
    let returning = Returning::plan(
        insert.returning.as_deref(),
        table,
        (&[relation], view.is_some()),
        planning,
        parameters,
    )?;
    Ok(InsertPlan {
        table: base,
        columns,
        defaults,
        source,
        conflict,
        returning,
        view,
    })
}

/// Values that OVERRIDING USER VALUE makes an INSERT ignore are not even computed.
fn without_ignored<'i>(
    insert: Cow<'i, Insert>,
    table: &TableInfo,
    columns: &[u16],
) -> Cow<'i, Insert> {
    let ignored = |at: usize| {
        let target = columns
            .get(at)
            .and_then(|attnum| column(table, *attnum).ok());
        target.is_some_and(|target| ignores_given(&insert, target))
    };
    let positions: Vec<usize> = (0..columns.len()).filter(|at| ignored(*at)).collect();
    if positions.is_empty() {
        return insert;
    }
    let mut changed = insert.into_owned();
    if let Some(source) = &mut changed.source
        && let SetExpr::Values(values) = source.body.as_mut()
    {
        for row in &mut values.rows {
            for at in &positions {
                if let Some(value) = row.content.get_mut(*at) {
                    *value = Expr::Value(Value::Null.into());
                }
            }
        }
    }
    Cow::Owned(changed)
}

/// How many values a row of VALUES has; any number for other sources.
fn given_width(insert: &Insert) -> usize {
    let rows = insert.source.as_ref().and_then(|query| plain_values(query));
    rows.and_then(|rows| rows.first())
        .map_or(usize::MAX, |row| row.content.len())
}

fn refuse_clauses(insert: &Insert) -> Result<(), SqlError> {
    let refused = [
        (insert.insert_alias.is_some(), "INSERT … AS new"),
        (insert.or.is_some() || insert.ignore, "INSERT OR …"),
        (insert.overwrite || insert.replace_into, "INSERT OVERWRITE"),
        (!insert.assignments.is_empty(), "INSERT … SET"),
        (insert.partitioned.is_some(), "INSERT … PARTITION"),
        (insert.output.is_some(), "INSERT … OUTPUT"),
    ];
    refuse_any(&refused)
}

/// Refuses the first clause that is present.
///
/// # Errors
/// 0A000 naming it.
pub(crate) fn refuse_any(clauses: &[(bool, &str)]) -> Result<(), SqlError> {
    match clauses.iter().find(|(present, _)| *present) {
        Some((_, name)) => Err(SqlError::unsupported(name)),
        None => Ok(()),
    }
}

fn plan_source(
    query: &Query,
    table: &TableInfo,
    columns: &mut Vec<u16>,
    explicit: bool,
    planning: &Planning,
    parameters: &mut Parameters,
) -> Result<Source, SqlError> {
    if let Some(rows) = plain_values(query) {
        if let Some(width) = rows.first().map(|row| row.content.len()) {
            fit_columns(columns, width, explicit)?;
        }
        // A single row may give sets, as a SELECT does.
        let sets = rows.len() == 1 && rows.iter().any(|row| row.content.iter().any(gives_set));
        if !sets {
            let lists = ValueLists::plan(rows, table, columns, planning, parameters)?;
            return Ok(Source::Values(lists));
        }
    }
    let planned = planning.query(query, parameters)?;
    fit_columns(columns, planned.columns().len(), explicit)?;
    Ok(Source::Query(Box::new(planned)))
}

/// Whether an expression is a function that gives a set.
fn gives_set(expr: &sqlparser::ast::Expr) -> bool {
    matches!(expr, sqlparser::ast::Expr::Function(function)
        if matches!(function.name.to_string().to_ascii_lowercase().as_str(), "generate_series" | "unnest"))
}

/// Without a column list fewer values than columns are fine: the rest get their
/// defaults.
pub(crate) fn fit_columns(
    columns: &mut Vec<u16>,
    width: usize,
    explicit: bool,
) -> Result<(), SqlError> {
    if width > columns.len() {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "INSERT has more expressions than target columns",
        ));
    }
    if width < columns.len() && explicit {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "INSERT has more target columns than expressions",
        ));
    }
    columns.truncate(width);
    Ok(())
}

impl InsertPlan {
    /// Inserts the rows of a query into a table that has the query's columns.
    pub(crate) fn of_query(table: Arc<TableInfo>, query: PlannedQuery) -> Self {
        Self {
            columns: table.desc.live_columns().map(|c| c.attnum).collect(),
            table,
            defaults: Defaults::none(),
            source: Source::Query(Box::new(query)),
            conflict: None,
            returning: None,
            view: None,
        }
    }

    /// Whether carrying it out takes more than simple expressions.
    pub(crate) fn needs_run(&self) -> bool {
        let computed = match &self.source {
            Source::Query(_) => true,
            Source::Values(lists) => lists.is_computed(),
        };
        computed
            || self.view.is_some()
            || self.defaults.is_computed()
            || self
                .conflict
                .as_ref()
                .is_some_and(ConflictPlan::is_computed)
            || self.returning.as_ref().is_some_and(Returning::is_computed)
    }

    /// The query that gives the rows, if one does.
    pub(crate) fn query(&self) -> Option<&PlannedQuery> {
        match &self.source {
            Source::Query(query) => Some(query),
            Source::Values(_) => None,
        }
    }

    /// The stored tables that are read on the way.
    pub(crate) fn tables_read(&self) -> Vec<u32> {
        let mut tables = match &self.source {
            Source::Query(query) => query.tables().to_vec(),
            Source::Values(lists) => lists.tables().collect(),
        };
        tables.extend(self.conflict.iter().flat_map(ConflictPlan::tables));
        tables.extend(self.returning.iter().flat_map(Returning::tables));
        tables.extend(self.view.iter().flat_map(ViewTarget::tables));
        tables
    }

    /// A complete row from source values in the order of the columns.
    fn complete(
        &self,
        source: impl IntoIterator<Item = Datum>,
        defaults: &BoundDefaults<'_>,
        values: &Values<'_>,
    ) -> Result<Vec<Datum>, SqlError> {
        let mut row = vec![Datum::Null; self.table.desc.columns.len()];
        for (attnum, value) in self.columns.iter().zip(source) {
            set(&mut row, &self.table, *attnum, value, values.format)?;
        }
        defaults.fill(&mut row, &self.table, values)?;
        Ok(row)
    }

    /// Carries the INSERT out; `run` is there when [`Self::needs_run`] says so.
    /// Returns how many rows were inserted.
    ///
    /// # Errors
    /// Whatever a row may violate, and what the query may fail with.
    pub(crate) async fn run(
        &self,
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
        run: Option<&Run>,
        returned: &mut Returned<'_>,
    ) -> Result<u64, SqlError> {
        let bound = Bound {
            defaults: self.defaults.bind(run.map(|run| &run.session))?,
            conflict: self.conflict.as_ref().map(|c| c.bind(run)).transpose()?,
            view: match (&self.view, run) {
                (Some(view), Some(run)) => Some(view.bind(run)?),
                _ => None,
            },
        };
        let mut count = 0;
        match (&self.source, run) {
            (Source::Values(lists), run) => {
                let mut computed = Vec::new();
                for at in 0..lists.len() {
                    let source = lists.row(at, &mut computed, values, run).await?;
                    let row = self.complete(source, &bound.defaults, values)?;
                    count += self
                        .insert_one(row, &bound, writer, values, returned)
                        .await?;
                }
            }
            (Source::Query(query), Some(run)) => {
                let mut stream = query.execute(run.clone()).await?;
                while let Some(batch) = stream.next().await {
                    let batch = batch?;
                    for at in 0..batch.num_rows() {
                        let source = query
                            .columns()
                            .iter()
                            .zip(batch.columns())
                            .map(|(output, array)| {
                                crate::query::datum_at(array, at, output.pg_type)
                            })
                            .collect::<Result<Vec<_>, _>>()?;
                        let row = self.complete(source, &bound.defaults, values)?;
                        count += self
                            .insert_one(row, &bound, writer, values, returned)
                            .await?;
                    }
                }
            }
            (Source::Query(_), None) => return Err(SqlError::internal("a query without a run")),
        }
        Ok(count)
    }

    /// Inserts one row, or does what ON CONFLICT says. How many rows changed.
    async fn insert_one(
        &self,
        mut row: Vec<Datum>,
        bound: &Bound<'_>,
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
        returned: &mut Returned<'_>,
    ) -> Result<u64, SqlError> {
        let row = match &bound.conflict {
            None => {
                let table = writer.insert(&self.table, &mut row).await?;
                row.push(Datum::Oid(table));
                row
            }
            Some(conflict) => match conflict.insert(writer, &self.table, row, values).await? {
                Some(row) => row,
                None => return Ok(0),
            },
        };
        match &bound.view {
            None => returned.row(&[&row]).await?,
            Some(view) => {
                view.check(&row, values).await?;
                returned.row(&[&view.row(&row, values).await?]).await?;
            }
        }
        Ok(1)
    }
}

/// Parts of a plan that are made ready for one execution.
struct Bound<'a> {
    defaults: BoundDefaults<'a>,
    conflict: Option<BoundConflict<'a>>,
    view: Option<BoundView<'a>>,
}

/// Puts a value into its place of a row, converted to the column's type.
///
/// # Errors
/// Conversion errors.
pub(crate) fn set(
    row: &mut [Datum],
    table: &TableInfo,
    attnum: u16,
    value: Datum,
    format: &SessionFormat,
) -> Result<(), SqlError> {
    let target = column(table, attnum)?.ty;
    let slot = usize::from(attnum)
        .checked_sub(1)
        .and_then(|i| row.get_mut(i))
        .ok_or_else(|| SqlError::internal("a row is shorter than its table"))?;
    *slot = assign(value, target, format)?;
    Ok(())
}
