//! CREATE TABLE AS and SELECT INTO.

use std::sync::Arc;

use sqlparser::ast::{Expr, Ident, ObjectName, Query, SetExpr, Statement};

use super::super::execute::Execution;
use super::super::{Outcome, Session};
use crate::catalog::{
    BoundQuery, Catalog, CatalogChange, CatalogEntry, Column, Family, Heritage, Materialized,
    OnCommit, TableDescriptor, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::exec::ddl::storable;
use crate::exec::insert::InsertPlan;
use crate::exec::table::TableInfo;
use crate::exec::write_plan::WritePlan;
use crate::query::PlannedQuery;
use crate::txn::{Layer, LockMode};

/// CREATE TABLE AS as it is written.
#[derive(Debug, Clone)]
pub(crate) struct CreateTableAs {
    pub(super) temporary: bool,
    pub(super) if_not_exists: bool,
    pub(super) name: ObjectName,
    pub(super) columns: Vec<Ident>,
    pub(super) on_commit: Option<OnCommit>,
    pub(super) source: Source,
    pub(super) with_data: bool,
    /// The text of the query, if it makes a materialized view.
    pub(super) materialized: Option<String>,
}

/// Where the rows of a new table come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A query.
    Query(Box<Query>),
    /// EXECUTE of a prepared one, with its arguments.
    Execute(Ident, Vec<Expr>),
}

/// `SELECT … INTO t` as a CREATE TABLE AS.
pub(in super::super) fn select_into(statement: &mut Statement) -> Option<CreateTableAs> {
    let Statement::Query(query) = statement else {
        return None;
    };
    let into = leftmost(&mut query.body)?.into.take()?;
    Some(CreateTableAs {
        temporary: into.temporary,
        if_not_exists: false,
        name: into.name,
        columns: Vec::new(),
        on_commit: None,
        source: Source::Query(query.clone()),
        with_data: true,
        materialized: None,
    })
}

/// The first SELECT of a set operation: the one that may have INTO.
fn leftmost(body: &mut SetExpr) -> Option<&mut sqlparser::ast::Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::SetOperation { left, .. } => leftmost(left),
        _ => None,
    }
}

impl Session {
    pub(super) async fn create_table_as(
        &mut self,
        create: &CreateTableAs,
    ) -> Result<String, SqlError> {
        let tag = match create.materialized {
            None => "CREATE TABLE AS",
            Some(_) => "CREATE MATERIALIZED VIEW",
        };
        let mut catalog = self.catalog_to_change(tag).await?;
        if create.on_commit.is_some() && !create.temporary {
            return Err(SqlError::new(
                state::INVALID_TABLE_DEFINITION,
                "ON COMMIT can only be used on temporary tables",
            ));
        }
        let (planned, execution) = match &create.source {
            Source::Query(query) => (self.plan_stored_query(query, tag)?, Execution::default()),
            Source::Execute(name, arguments) => {
                let (query, planned, execution) = self.executed_query(name, arguments).await?;
                if let Some(lock) = query.locks.first() {
                    let clause = crate::session::lock_clause_name(lock);
                    return Err(SqlError::unsupported(format!("{clause} in {tag}")));
                }
                (planned, execution)
            }
        };
        let materialized = self.materialization(create, &planned, &catalog)?;
        let place = self
            .place_for(&create.name, create.temporary, &mut catalog)
            .await?;
        if catalog.relation_exists(place.schema, &place.name) {
            let what = format!("relation \"{}\"", place.name);
            if create.if_not_exists {
                self.skipping(state::DUPLICATE_TABLE, &what);
                return Ok(tag.to_owned());
            }
            return Err(SqlError::new(
                state::DUPLICATE_TABLE,
                format!("{what} already exists"),
            ));
        }
        for table in planned.tables() {
            self.lock_table(*table, LockMode::AccessShare).await?;
        }
        let table = TableDescriptor {
            oid: catalog.allocate_oid(),
            schema: place.schema,
            name: place.name,
            owner: self.user.clone(),
            stream: catalog.allocate_stream(),
            columns: columns_of(&planned, &create.columns)?,
            primary_key: Vec::new(),
            primary_key_name: None,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            on_commit: create.on_commit,
            family: Family::default(),
            unlogged: false,
            materialized,
        };
        self.lock_table(table.oid, LockMode::AccessExclusive)
            .await?;
        let entry = CatalogEntry::Table(Box::new(table.clone()));
        self.change_catalog(catalog, vec![CatalogChange::Put(entry)], Layer::default())?;
        if !create.with_data {
            return Ok(tag.to_owned());
        }
        let rows = self.fill_table(table, planned, &execution).await?;
        Ok(format!("SELECT {rows}"))
    }

    /// What makes the table a materialized view, if it is to be one.
    fn materialization(
        &self,
        create: &CreateTableAs,
        planned: &PlannedQuery,
        catalog: &Catalog,
    ) -> Result<Option<Materialized>, SqlError> {
        let Some(text) = &create.materialized else {
            return Ok(None);
        };
        let query = BoundQuery {
            text: text.clone(),
            relations: planned.relations().to_vec(),
        };
        if self.reads_temporary(&query, catalog) {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "materialized views must not use temporary tables or views",
            ));
        }
        Ok(Some(Materialized {
            query,
            populated: create.with_data,
        }))
    }

    /// Inserts the rows of a query into a table that has its columns; how many.
    pub(super) async fn fill_table(
        &mut self,
        table: TableDescriptor,
        planned: PlannedQuery,
        execution: &Execution,
    ) -> Result<u64, SqlError> {
        let info = Arc::new(TableInfo::new(Arc::new(table))?);
        let plan = InsertPlan::of_query(info, planned);
        let plan = WritePlan::Insert(plan);
        match self.write(&plan, Vec::new(), execution).await? {
            Outcome::Command(tag) => Ok(tag
                .rsplit(' ')
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(0)),
            _ => Err(SqlError::internal("an INSERT without a count")),
        }
    }
}

/// The columns of a table that holds a query's result.
pub(super) fn columns_of(planned: &PlannedQuery, names: &[Ident]) -> Result<Vec<Column>, SqlError> {
    let outputs = planned.columns();
    if names.len() > outputs.len() {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "too many column names were specified",
        ));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(outputs.len());
    for (at, output) in outputs.iter().enumerate() {
        let name = names
            .get(at)
            .map_or_else(|| output.name.clone(), fold_identifier);
        if columns.iter().any(|c| c.name == name) {
            return Err(SqlError::new(
                state::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        columns.push(Column {
            attnum: u16::try_from(at + 1).map_err(|_| {
                SqlError::new(
                    state::TOO_MANY_COLUMNS,
                    "tables can have at most 1600 columns",
                )
            })?,
            ty: storable(&name, output.pg_type)?,
            name,
            not_null: false,
            default: None,
            missing: None,
            identity: None,
            generated: None,
            dropped: false,
            heritage: Heritage::default(),
        });
    }
    Ok(columns)
}
