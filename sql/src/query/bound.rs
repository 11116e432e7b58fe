//! Relations whose rows are in memory and are bound when a plan is run.
//!
//! A plan names such a relation and knows its columns, but holds no rows, so that
//! it can be kept and run again. [`Run::bound`](super::run::Run::bound) brings the
//! rows. Row expressions ([`super::row_expr`]) and the results of data-changing
//! statements in WITH are read this way.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, Result as PlanResult, TableReference};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::ExecutionPlan;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query, TableFactor, TableWithJoins};

use super::arrow_value::array_of_refs;
use super::error::{external, from_arrow};
use super::plan::{MARK, marked, plain_table, query_of, star_from, typed_field};
use super::run::RunContext;
use crate::error::SqlError;
use crate::types::{Datum, PgType};

/// Catalog part of a table name that stands for "bound when the plan is run".
pub(super) const BOUND_CATALOG: &str = "\u{1f}bound";

/// A relation that a plan names and whose rows a run brings.
#[derive(Debug, Clone)]
pub(crate) struct InMemory {
    /// The name that plan and run know it by; no SQL text can name it.
    pub(super) name: String,
    /// Its columns.
    pub(super) schema: SchemaRef,
    /// What each column is called in the query, qualifier and name; as in the
    /// schema, without qualifier, when there are none.
    pub(super) called: Vec<(String, String)>,
}

impl InMemory {
    /// The result of the part `name` of a WITH clause; `number` tells it from others
    /// of the statement.
    pub(crate) fn result(
        name: &str,
        number: usize,
        columns: impl IntoIterator<Item = (String, PgType)>,
    ) -> Self {
        let mut fields: Vec<Field> = Vec::new();
        for (name, ty) in columns {
            let again = fields.iter().any(|field| *field.name() == name);
            let name = match again {
                true => marked(&name, fields.len()),
                false => name,
            };
            fields.push(typed_field(&name, ty, true));
        }
        Self {
            name: format!("{name}{MARK}{number}"),
            schema: Arc::new(Schema::new(fields)),
            called: Vec::new(),
        }
    }

    /// The name that plan and run know it by.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Rows of the relation.
    ///
    /// # Errors
    /// 22003 for a numeric that queries cannot compute with.
    pub(crate) fn batch(&self, rows: &[Vec<Datum>]) -> Result<RecordBatch, SqlError> {
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        for (at, field) in self.schema.fields().iter().enumerate() {
            let values = rows.iter().map(|row| row.get(at).unwrap_or(&Datum::Null));
            arrays.push(array_of_refs(values, field.data_type())?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(from_arrow)
    }

    /// `SELECT * FROM` the relation.
    ///
    /// # Errors
    /// XX000, which does not happen.
    pub(crate) fn query(&self) -> Result<Query, SqlError> {
        let table = TableWithJoins {
            relation: self.factor(),
            joins: Vec::new(),
        };
        Ok(query_of(star_from(vec![table])))
    }

    /// How FROM names the relation.
    pub(super) fn factor(&self) -> TableFactor {
        plain_table(self.object_name())
    }

    /// How the AST names the relation.
    fn object_name(&self) -> ObjectName {
        let part = |text: &str| ObjectNamePart::Identifier(Ident::with_quote('"', text));
        ObjectName(vec![part(BOUND_CATALOG), part(""), part(&self.name)])
    }

    /// Whether its columns are called something else than in the schema.
    pub(super) fn has_names(&self) -> bool {
        !self.called.is_empty()
    }

    /// Adds the columns by the names that their relations have in the query.
    pub(super) fn add_called(&self, called: &mut HashMap<String, Vec<FieldRef>>) {
        for (field, (qualifier, name)) in self.schema.fields().iter().zip(&self.called) {
            let field: Field = field.as_ref().clone().with_name(name);
            called
                .entry(qualifier.clone())
                .or_default()
                .push(Arc::new(field));
        }
    }

    /// A scan of the relation, its columns called what they are to be called.
    pub(super) fn plan(self: &Arc<Self>) -> PlanResult<LogicalPlan> {
        let name = TableReference::bare(self.name.clone());
        let source = provider_as_source(Arc::new(BoundTable(Arc::clone(self))));
        let scan = LogicalPlanBuilder::scan(name.clone(), source, None)?;
        let columns = self.schema.fields().iter().zip(&self.called);
        let columns = columns.map(|(field, (qualifier, called))| {
            let column = Column::new(Some(name.clone()), field.name());
            Expr::Column(column)
                .alias_qualified(Some(TableReference::bare(qualifier.clone())), called)
        });
        let columns: Vec<Expr> = columns.collect();
        if columns.is_empty() {
            return scan.build();
        }
        scan.project(columns)?.build()
    }
}

/// The rows of bound relations, by name.
pub type BoundRows = Arc<Vec<(String, RecordBatch)>>;

/// A bound relation as DataFusion sees it.
#[derive(Debug)]
pub(super) struct BoundTable(pub(super) Arc<InMemory>);

#[async_trait]
impl TableProvider for BoundTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let run = state.config().get_extension::<RunContext>();
        let batches = match run {
            // Planned to be shown, not to be run.
            None => Vec::new(),
            Some(run) => {
                let rows = run.bound.iter().find(|(name, _)| *name == self.0.name);
                let Some((_, batch)) = rows else {
                    return Err(external(SqlError::internal(format!(
                        "nothing is bound to {}",
                        self.0.name
                    ))));
                };
                vec![batch.clone()]
            }
        };
        MemTable::try_new(self.schema(), vec![batches])?
            .scan(state, projection, filters, limit)
            .await
    }
}
