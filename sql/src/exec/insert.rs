//! INSERT.

use std::sync::Arc;

use sqlparser::ast::{Expr, Insert, Query, SetExpr, TableObject};

use super::assign::assign;
use super::expr::{ScalarExpr, Scope, Values, compile};
use super::returning::Returning;
use super::table::TableInfo;
use super::target::{Planning, column, column_list, default_expr, simple_name};
use super::write::StatementWriter;
use crate::error::{SqlError, state};
use crate::query::{PlannedQuery, QueryStream};
use crate::types::{Datum, PgType, SessionFormat};

/// Where the rows come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Simple expressions, a list for each row, in the order of the columns.
    Values(Vec<Vec<ScalarExpr>>),
    /// A query, whose result columns are in the order of the columns.
    Query(Box<PlannedQuery>),
}

/// A planned INSERT.
#[derive(Debug)]
pub(crate) struct InsertPlan {
    pub(crate) table: Arc<TableInfo>,
    /// Columns that the source fills, by `attnum`.
    pub(crate) columns: Vec<u16>,
    /// Columns that their default fills, with it.
    pub(crate) defaults: Vec<(u16, ScalarExpr)>,
    pub(crate) source: Source,
    pub(crate) returning: Option<Returning>,
}

/// Plans queries while planning an INSERT.
pub(crate) type PlanQuery<'a> =
    &'a mut dyn FnMut(&Query, &mut Vec<Option<PgType>>) -> Result<PlannedQuery, SqlError>;

/// Plans an INSERT. Parameter types that it finds are put into `parameters`.
///
/// # Errors
/// Name and type errors; 0A000 for clauses that are not there.
pub(crate) fn plan(
    insert: &Insert,
    planning: &Planning,
    parameters: &mut Vec<Option<PgType>>,
    plan_query: PlanQuery<'_>,
) -> Result<InsertPlan, SqlError> {
    refuse_clauses(insert)?;
    let TableObject::TableName(name) = &insert.table else {
        return Err(SqlError::unsupported("INSERT into a table function"));
    };
    let table = planning.table(name)?;
    let names = insert
        .columns
        .iter()
        .map(|c| simple_name(c).ok_or_else(|| SqlError::unsupported(format!("INSERT column {c}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let explicit = !names.is_empty();
    let mut columns = column_list(&table, names)?;
    let source = match &insert.source {
        None => {
            columns.clear();
            Source::Values(vec![Vec::new()])
        }
        Some(query) => plan_source(
            query,
            &table,
            &mut columns,
            explicit,
            parameters,
            plan_query,
        )?,
    };
    let defaults = plan_defaults(&table, &columns)?;
    let alias = table.desc.name.clone();
    let returning = Returning::plan(insert.returning.as_deref(), &table, &alias)?;
    Ok(InsertPlan {
        table,
        columns,
        defaults,
        source,
        returning,
    })
}

fn refuse_clauses(insert: &Insert) -> Result<(), SqlError> {
    let refused = [
        (insert.on.is_some(), "INSERT … ON CONFLICT"),
        (insert.table_alias.is_some(), "INSERT with a table alias"),
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
    parameters: &mut Vec<Option<PgType>>,
    plan_query: PlanQuery<'_>,
) -> Result<Source, SqlError> {
    if let Some(rows) = plain_values(query) {
        if let Some(width) = rows.first().map(|row| row.content.len()) {
            fit_columns(columns, width, explicit)?;
        }
        if let Some(values) = compile_rows(rows, table, columns, parameters)? {
            return Ok(Source::Values(values));
        }
        if rows.iter().any(|row| row.content.iter().any(is_default)) {
            return Err(SqlError::unsupported(
                "DEFAULT beside computed expressions in INSERT … VALUES",
            ));
        }
    }
    let planned = plan_query(query, parameters)?;
    fit_columns(columns, planned.columns().len(), explicit)?;
    Ok(Source::Query(Box::new(planned)))
}

/// Without a column list fewer values than columns are fine: the rest get their
/// defaults.
fn fit_columns(columns: &mut Vec<u16>, width: usize, explicit: bool) -> Result<(), SqlError> {
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

/// The rows of a bare VALUES list.
fn plain_values(query: &Query) -> Option<&[sqlparser::ast::Parens<Vec<Expr>>]> {
    let bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty();
    match query.body.as_ref() {
        SetExpr::Values(values) if bare => Some(&values.rows),
        _ => None,
    }
}

fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"))
}

fn compile_rows(
    rows: &[sqlparser::ast::Parens<Vec<Expr>>],
    table: &TableInfo,
    columns: &[u16],
    parameters: &mut Vec<Option<PgType>>,
) -> Result<Option<Vec<Vec<ScalarExpr>>>, SqlError> {
    let mut compiled = Vec::with_capacity(rows.len());
    for row in rows {
        if row.len() != columns.len() {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "VALUES lists must all be the same length",
            ));
        }
        let mut exprs = Vec::with_capacity(row.len());
        for (expr, attnum) in row.iter().zip(columns) {
            match compile_value(expr, table, *attnum, parameters)? {
                Some(expr) => exprs.push(expr),
                None => return Ok(None),
            }
        }
        compiled.push(exprs);
    }
    Ok(Some(compiled))
}

fn compile_value(
    expr: &Expr,
    table: &TableInfo,
    attnum: u16,
    parameters: &mut Vec<Option<PgType>>,
) -> Result<Option<ScalarExpr>, SqlError> {
    if is_default(expr) {
        return default_of(table, attnum);
    }
    let mut scope = Scope {
        table: None,
        parameters,
    };
    let target = column(table, attnum)?.ty;
    Ok(compile(expr, &mut scope, Some(target))?.map(|(expr, _)| expr))
}

/// The default of a column as a simple expression: NULL when it has none,
/// nothing when it is too complicated.
pub(crate) fn default_of(table: &TableInfo, attnum: u16) -> Result<Option<ScalarExpr>, SqlError> {
    let target = column(table, attnum)?;
    let Some(expr) = default_expr(target)? else {
        return Ok(Some(ScalarExpr::Constant(Datum::Null)));
    };
    let mut scope = Scope {
        table: None,
        parameters: &mut Vec::new(),
    };
    Ok(compile(&expr, &mut scope, Some(target.ty))?.map(|(expr, _)| expr))
}

/// The defaults of the columns that `columns` leaves out and that have one.
///
/// # Errors
/// 0A000 for a default that is more than a simple expression.
pub(crate) fn plan_defaults(
    table: &TableInfo,
    columns: &[u16],
) -> Result<Vec<(u16, ScalarExpr)>, SqlError> {
    let mut defaults = Vec::new();
    for target in table.desc.live_columns() {
        if columns.contains(&target.attnum) || target.default.is_none() {
            continue;
        }
        let expr = default_of(table, target.attnum)?.ok_or_else(|| {
            SqlError::unsupported(format!("the default of column \"{}\"", target.name))
        })?;
        defaults.push((target.attnum, expr));
    }
    Ok(defaults)
}

impl InsertPlan {
    /// A complete row from source values in the order of the columns.
    ///
    /// # Errors
    /// Conversion errors.
    pub(crate) fn complete(
        &self,
        source: impl IntoIterator<Item = Datum>,
        values: &Values<'_>,
    ) -> Result<Vec<Datum>, SqlError> {
        let mut row = vec![Datum::Null; self.table.desc.columns.len()];
        for (attnum, value) in self.columns.iter().zip(source) {
            set(&mut row, &self.table, *attnum, value, values.format)?;
        }
        for (attnum, expr) in &self.defaults {
            set(
                &mut row,
                &self.table,
                *attnum,
                expr.evaluate(values)?,
                values.format,
            )?;
        }
        Ok(row)
    }

    /// Inserts the rows of a VALUES list; calls `inserted` with each row.
    ///
    /// # Errors
    /// Whatever a row may violate.
    pub(crate) async fn run_values(
        &self,
        rows: &[Vec<ScalarExpr>],
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
        inserted: &mut (dyn FnMut(&[Datum]) -> Result<(), SqlError> + Send),
    ) -> Result<u64, SqlError> {
        for exprs in rows {
            let source = exprs
                .iter()
                .map(|e| e.evaluate(values))
                .collect::<Result<Vec<_>, _>>()?;
            let row = self.complete(source, values)?;
            writer.insert(&self.table, &row).await?;
            inserted(&row)?;
        }
        Ok(rows.len() as u64)
    }

    /// Inserts the rows of a query; calls `inserted` with each row.
    ///
    /// # Errors
    /// Whatever a row may violate, and what the query may fail with.
    pub(crate) async fn run_query(
        &self,
        query: &PlannedQuery,
        mut stream: QueryStream,
        writer: &mut StatementWriter<'_>,
        values: &Values<'_>,
        inserted: &mut (dyn FnMut(&[Datum]) -> Result<(), SqlError> + Send),
    ) -> Result<u64, SqlError> {
        let mut count = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            for at in 0..batch.num_rows() {
                let source = query
                    .columns()
                    .iter()
                    .zip(batch.columns())
                    .map(|(output, array)| crate::query::datum_at(array, at, output.pg_type))
                    .collect::<Result<Vec<_>, _>>()?;
                let row = self.complete(source, values)?;
                writer.insert(&self.table, &row).await?;
                inserted(&row)?;
                count += 1;
            }
        }
        Ok(count)
    }
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
