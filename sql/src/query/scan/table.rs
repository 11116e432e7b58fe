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
use super::super::plan::hidden_names;
use super::super::run::RunContext;
use super::access;
use super::exec::{Projected, TableScan};
use crate::catalog::TableDescriptor;
use crate::error::SqlError;
use crate::exec::table::TableInfo;
use crate::types::arrow_map;

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
}

/// What the hidden columns give, in the order of their names.
const HIDDEN: [(Source, DataType); 3] = [
    (Source::Key, DataType::Binary),
    (Source::Csn, DataType::UInt64),
    (Source::Row, DataType::Binary),
];

/// A stored table: schema and layout, but no data. A scan finds the read view in
/// its task context, so that a plan can be kept and run again.
#[derive(Debug)]
pub(crate) struct StoredTable {
    pub(super) info: Arc<TableInfo>,
    pub(super) schema: SchemaRef,
    pub(super) sources: Vec<Source>,
    /// Its number among the tables with hidden columns, if it has them.
    target: Option<usize>,
    /// The primary key, by which other columns are known when rows are grouped.
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
    /// Prepares a table; `hidden` adds the columns that a change or a lock needs of
    /// its target, and tells it from other targets.
    ///
    /// # Errors
    /// XX001 when the descriptor is damaged.
    pub(crate) fn new(
        desc: &Arc<TableDescriptor>,
        hidden: Option<usize>,
    ) -> std::result::Result<Self, SqlError> {
        let mut fields = Vec::with_capacity(desc.columns.len() + HIDDEN.len());
        let mut sources = Vec::with_capacity(fields.capacity());
        for (position, column) in desc.columns.iter().enumerate() {
            if column.dropped {
                continue;
            }
            let field = arrow_map::arrow_field(column.name.as_str(), column.ty, !column.not_null);
            fields.push(with_origin(field, desc.oid, column.attnum));
            sources.push(Source::Attribute(position));
        }
        if let Some(index) = hidden {
            for (name, (source, ty)) in hidden_names(index).into_iter().zip(HIDDEN) {
                fields.push(Field::new(name, ty, true));
                sources.push(source);
            }
        }
        let mut key = Vec::with_capacity(desc.primary_key.len());
        for attnum in &desc.primary_key {
            let column = sources.iter().position(|source| match source {
                Source::Attribute(position) => desc
                    .columns
                    .get(*position)
                    .is_some_and(|column| column.attnum == *attnum),
                _ => false,
            });
            key.extend(column);
        }
        let constraints = if key.is_empty() || key.len() != desc.primary_key.len() {
            Constraints::default()
        } else {
            Constraints::new_unverified(vec![Constraint::PrimaryKey(key)])
        };
        Ok(Self {
            target: hidden,
            constraints,
            info: Arc::new(TableInfo::new(Arc::clone(desc))?),
            schema: Arc::new(Schema::new(fields)),
            sources,
        })
    }

    /// Object identifier of the table.
    pub(crate) fn oid(&self) -> u32 {
        self.info.desc.oid
    }
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
        let access = access::choose(&self.info.desc, filters).map_err(external)?;
        let run = state.config().get_extension::<RunContext>();
        let positions: Vec<usize> = match projection {
            Some(positions) => positions.clone(),
            None => (0..self.sources.len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&positions)?);
        let sources = positions
            .iter()
            .filter_map(|p| self.sources.get(*p).copied())
            .collect();
        let target = Effort::scan_partitions(state.config());
        let scan = TableScan::new(
            Arc::clone(&self.info),
            Projected {
                schema,
                sources,
                target: self.target,
            },
            access,
            limit,
            run.as_deref(),
            target,
        )?;
        Ok(Arc::new(scan))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
