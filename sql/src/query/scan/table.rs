//! A stored table as DataFusion sees it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Constraint, Constraints, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::super::effort::Effort;
use super::super::error::external;
use super::super::plan::Shown;
use super::super::plan::{TABLE_OID, hidden_names};
use super::super::run::RunContext;
use super::access;
use super::append::append;
use super::exec::{Projected, TableScan};
use super::members::{Member, members_of};
use crate::catalog::{Catalog, TableDescriptor};
use crate::error::SqlError;
use crate::exec::table::TableInfo;
use crate::types::{PgType, arrow_map};

/// Where an output column of a scan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The attribute at this position of the stored row.
    Attribute(usize),
    /// The row key.
    Key,
    /// The commit sequence number.
    Csn,
    /// The stored row.
    Row,
    /// The object identifier of the table that the row is in.
    Table,
}

/// What the hidden columns give, in the order of their names.
fn hidden_columns() -> [(Source, DataType); 4] {
    [
        (Source::Key, DataType::Binary),
        (Source::Csn, DataType::UInt64),
        (Source::Row, DataType::Binary),
        (Source::Table, arrow_map::arrow_type(PgType::Oid)),
    ]
}

/// The hidden columns of the relation with a number.
pub(crate) fn hidden_fields(index: usize) -> impl Iterator<Item = Field> {
    let columns = hidden_names(index).into_iter().zip(hidden_columns());
    columns.map(|(name, (_, ty))| Field::new(name, ty, true))
}

/// A stored table: schema and layout, but no data. A scan finds the read view in
/// its task context, so that a plan can be kept and run again.
#[derive(Debug)]
pub(crate) struct StoredTable {
    pub(super) info: Arc<TableInfo>,
    pub(super) schema: SchemaRef,
    pub(super) sources: Vec<Source>,
    /// Its number among the tables with hidden columns, if it has them.
    target: Option<usize>,
    /// The tables that its rows are in, if not in itself alone.
    members: Option<Vec<Member>>,
    /// The primary key, where the planner is told.
    constraints: Constraints,
}

/// Whether a column of that name is one of the columns only DML sees.
pub(crate) fn is_hidden_column(name: &str) -> bool {
    hidden_names(0)
        .iter()
        .any(|hidden| match name.strip_prefix(hidden.as_str()) {
            Some(number) => number.bytes().all(|b| b.is_ascii_digit()),
            None => false,
        })
}

/// Metadata key: object identifier of the table a column is of.
const TABLE_KEY: &str = "pg.table";
/// Metadata key: attribute number of the column.
const ATTRIBUTE_KEY: &str = "pg.attribute";

impl StoredTable {
    /// Prepares a table, with the rows of those that inherit from it when the
    /// catalog is given.
    ///
    /// # Errors
    /// XX001 when the descriptor is damaged.
    pub(crate) fn new(
        desc: &Arc<TableDescriptor>,
        shown: Shown,
        catalog: Option<&Catalog>,
    ) -> std::result::Result<Self, SqlError> {
        let members = match catalog {
            Some(catalog) => members_of(desc, catalog)?,
            // Without its partitions a partitioned table is empty.
            None => desc.is_partitioned().then(Vec::new),
        };
        let mut fields = Vec::with_capacity(desc.columns.len() + 5);
        let mut sources = Vec::with_capacity(fields.capacity());
        for (position, column) in desc.columns.iter().enumerate() {
            if column.dropped {
                continue;
            }
            let not_null = column.not_null && all_not_null(members.as_deref(), position);
            let field = arrow_map::arrow_field(column.name.as_str(), column.ty, !not_null);
            fields.push(with_origin(field, desc.oid, column.attnum));
            sources.push(Source::Attribute(position));
        }
        if let Some(index) = shown.hidden {
            fields.extend(hidden_fields(index));
            sources.extend(hidden_columns().map(|(source, _)| source));
        }
        if shown.tableoid {
            fields.push(arrow_map::arrow_field(TABLE_OID, PgType::Oid, false));
            sources.push(Source::Table);
        }
        Ok(Self {
            target: shown.hidden,
            members,
            constraints: Constraints::default(),
            info: Arc::new(TableInfo::new(Arc::clone(desc))?),
            schema: Arc::new(Schema::new(fields)),
            sources,
        })
    }

    /// The table with its primary key, by which other columns are known when rows are
    /// grouped. The planner concludes too much from it to be told without need.
    pub(crate) fn with_key(mut self) -> Self {
        let desc = &self.info.desc;
        let mut key = Vec::with_capacity(desc.primary_key.len());
        for attnum in &desc.primary_key {
            let column = self.sources.iter().position(|source| match source {
                Source::Attribute(position) => desc
                    .columns
                    .get(*position)
                    .is_some_and(|column| column.attnum == *attnum),
                _ => false,
            });
            key.extend(column);
        }
        // What inherits from a table may have its keys again.
        let unique = self.members.is_none() || desc.is_partitioned();
        if unique && !key.is_empty() && key.len() == desc.primary_key.len() {
            self.constraints = Constraints::new_unverified(vec![Constraint::PrimaryKey(key)]);
        }
        self
    }

    /// Object identifier of the table.
    pub(crate) fn oid(&self) -> u32 {
        self.info.desc.oid
    }
}

/// Whether a column is NOT NULL in all members.
fn all_not_null(members: Option<&[Member]>, position: usize) -> bool {
    members.into_iter().flatten().all(|member| {
        let own = member.positions.get(position).copied().flatten();
        own.and_then(|at| member.info.desc.columns.get(at))
            .is_some_and(|column| column.not_null)
    })
}

/// Where the columns come from in a member.
fn sources_in(member: &Member, sources: &[Source]) -> std::result::Result<Vec<Source>, SqlError> {
    let of = |source: &Source| match source {
        Source::Attribute(position) => {
            let own = member.positions.get(*position).copied().flatten();
            own.map(Source::Attribute).ok_or_else(|| {
                SqlError::corrupted(format!(
                    "table \"{}\" lacks a column that it inherits",
                    member.info.desc.name
                ))
            })
        }
        other => Ok(*other),
    };
    sources.iter().map(of).collect()
}

/// Says that a field is a column of a relation.
pub(crate) fn origin_metadata(relation: u32, attnum: u16) -> [(String, String); 2] {
    [
        (TABLE_KEY.to_owned(), relation.to_string()),
        (ATTRIBUTE_KEY.to_owned(), attnum.to_string()),
    ]
}

/// A field that comes unchanged from a column of a stored table.
pub(crate) fn with_origin(field: Field, table: u32, attnum: u16) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.extend(origin_metadata(table, attnum));
    field.with_metadata(metadata)
}

/// Table and attribute number that a field comes from unchanged, if any.
pub(crate) fn origin(field: &Field) -> Option<(u32, i16)> {
    let metadata = field.metadata();
    Some((
        metadata.get(TABLE_KEY)?.parse().ok()?,
        metadata.get(ATTRIBUTE_KEY)?.parse().ok()?,
    ))
}

#[async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let run = state.config().get_extension::<RunContext>();
        let positions: Vec<usize> = match projection {
            Some(positions) => positions.clone(),
            None => (0..self.sources.len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&positions)?);
        let sources: Vec<Source> = positions
            .iter()
            .filter_map(|p| self.sources.get(*p).copied())
            .collect();
        let target = Effort::scan_partitions(state.config());
        let scan = |info: &Arc<TableInfo>, sources| {
            let access = access::choose(&info.desc, filters).map_err(external)?;
            let projected = Projected {
                schema: Arc::clone(&schema),
                sources,
                target: self.target,
            };
            TableScan::new(
                Arc::clone(info),
                projected,
                access,
                limit,
                run.as_deref(),
                target,
            )
        };
        let Some(members) = &self.members else {
            return Ok(Arc::new(scan(&self.info, sources)?));
        };
        let mut scans = Vec::with_capacity(members.len());
        for member in members {
            if member.may_have(filters).map_err(external)? {
                let sources = sources_in(member, &sources).map_err(external)?;
                scans.push(scan(&member.info, sources)?);
            }
        }
        append(scans, &schema, target)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
