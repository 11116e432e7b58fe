//! Relations whose rows are in memory and are bound when a plan is run.
//!
//! A plan names such a relation and knows its columns, but holds no rows, so that
//! it can be kept and run again. [`Run::bound`](super::run::Run::bound) brings the
//! rows. Row expressions ([`super::row_expr`]) and the results of data-changing
//! statements in WITH are read this way.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, Result, TableReference};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::ExecutionPlan;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::error::external;
use super::run::RunContext;
use crate::error::SqlError;

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
    /// How the AST names the relation.
    pub(super) fn object_name(&self) -> ObjectName {
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
    pub(super) fn plan(self: &Arc<Self>) -> Result<LogicalPlan> {
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
    ) -> Result<Arc<dyn ExecutionPlan>> {
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
