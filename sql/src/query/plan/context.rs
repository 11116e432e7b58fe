//! What names of tables and functions mean while planning.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, TableReference};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
};

use parking_lot::Mutex;
use sqlparser::ast::{ObjectNamePart, Query, TableFactor, Visit, Visitor};

use super::super::bound::{BOUND_CATALOG, BoundTable, InMemory};
use super::super::catalog_table::SystemTable;
use super::super::error::external;
use super::super::functions;
use super::super::scan::StoredTable;
use super::super::sequence_table::SequenceTable;
use super::PlanContext;
use super::analyze::Analyzer;
use super::lookup::Found;
use super::operators::Operators;
use super::partition_relations::partition_relation;
use super::relation::{Bound, Subqueries};
use super::shown::Shown;
use super::types::{Types, typed_field};
use super::view::{Resolved, ViewSource};
use crate::catalog::{MARKED_CATALOG, QualifiedName, fold_identifier};
use crate::error::{SqlError, state};

/// Looks names up for SqlToRel.
pub(super) struct Tables<'a> {
    context: &'a PlanContext,
    state: &'a SessionState,
    analyzer: Arc<Analyzer>,
    /// Whether the planner is told of primary keys.
    keys: bool,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
    /// What relation names turned out to mean.
    resolved: Arc<Mutex<Resolved>>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(
        context: &'a PlanContext,
        state: &'a SessionState,
        analyzer: &Arc<Analyzer>,
        query: &Query,
        keys: bool,
    ) -> Self {
        let mut expr_planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(Operators {
            analyzer: Arc::clone(analyzer),
            called: called(query, context),
        })];
        expr_planners.extend(state.expr_planners().iter().cloned());
        Self {
            context,
            state,
            analyzer: Arc::clone(analyzer),
            keys,
            expr_planners,
            relation_planners: vec![
                Arc::new(Bound(context.bound.clone())),
                Arc::new(Subqueries(Arc::clone(analyzer))),
            ],
            resolved: Arc::default(),
        }
    }

    /// What the names met so far mean.
    pub(super) fn resolved(&self) -> Resolved {
        std::mem::take(&mut *self.resolved.lock())
    }

    fn source(
        &self,
        name: &QualifiedName,
        shown: Shown,
    ) -> std::result::Result<Arc<dyn TableSource>, SqlError> {
        // Inside a view names mean what they meant when it was made.
        let found = if shown.hidden.is_some() && self.context.view.is_none() {
            self.context.stored_relation(name)?
        } else {
            self.context.relation(name)?
        };
        let bound = found.bound_as(name);
        Ok(match found {
            Found::System(relation) => provider_as_source(Arc::new(SystemTable::new(relation))),
            Found::Sequence(sequence) => {
                let mut resolved = self.resolved.lock();
                resolved.through_views.push(sequence.oid);
                resolved.relations.extend(bound);
                provider_as_source(Arc::new(SequenceTable::new(sequence)))
            }
            Found::Table(table) => {
                let mut resolved = self.resolved.lock();
                if let Some(bound) = bound
                    && !resolved.relations.contains(&bound)
                {
                    resolved.relations.push(bound);
                }
                let catalog = Some(self.context.catalog.as_ref()).filter(|_| !shown.only);
                let table = StoredTable::new(&table, shown, catalog)?;
                let table = if self.keys { table.with_key() } else { table };
                provider_as_source(Arc::new(table))
            }
            Found::View(view) => Arc::new(ViewSource::new(
                (view, shown.hidden),
                bound,
                self.context,
                self.state,
                &self.resolved,
            )),
        })
    }
}

/// The columns of every stored table in any FROM, by the name it has there.
fn called(query: &Query, context: &PlanContext) -> HashMap<String, Vec<FieldRef>> {
    let mut called: HashMap<String, Vec<FieldRef>> = HashMap::new();
    let _ = visit_table_factors(query, |factor| {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return;
        };
        let columns = QualifiedName::from_ast(name, &context.database)
            .and_then(|name| context.relation(&name))
            .and_then(fields_of);
        let known = match alias {
            Some(alias) => Some(fold_identifier(&alias.name)),
            None => name
                .0
                .last()
                .and_then(ObjectNamePart::as_ident)
                .map(fold_identifier),
        };
        if let (Some(known), Ok(columns)) = (known, columns) {
            called
                .entry(known)
                .and_modify(Vec::clear)
                .or_insert(columns);
        }
    });
    for relation in &context.bound {
        relation.add_called(&mut called);
    }
    called
}

/// The columns of a relation as fields.
fn fields_of(found: Found) -> std::result::Result<Vec<FieldRef>, SqlError> {
    Ok(match found {
        Found::Table(table) => {
            let table = StoredTable::new(&table, Shown::default(), None)?;
            table.schema().fields().iter().cloned().collect()
        }
        Found::View(view) => view
            .columns
            .iter()
            .map(|c| Arc::new(typed_field(&c.name, c.ty, true)))
            .collect(),
        Found::Sequence(_) | Found::System(_) => {
            return Err(SqlError::unsupported("a row of a system relation"));
        }
    })
}

struct TableFactors<F>(F);

impl<F: FnMut(&TableFactor)> Visitor for TableFactors<F> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        (self.0)(factor);
        ControlFlow::Continue(())
    }
}

fn visit_table_factors(query: &Query, each: impl FnMut(&TableFactor)) -> ControlFlow<()> {
    query.visit(&mut TableFactors(each))
}

/// The object identifier of a stored table behind a table source.
pub(super) fn stored_oid(source: &dyn TableSource) -> Option<u32> {
    let source: &dyn std::any::Any = source;
    let adapter =
        source.downcast_ref::<datafusion::catalog::default_table_source::DefaultTableSource>()?;
    let provider: &dyn std::any::Any = adapter.table_provider.as_ref();
    provider.downcast_ref::<StoredTable>().map(StoredTable::oid)
}

impl ContextProvider for Tables<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let plain = Shown::default();
        let (schema, table, shown) = match &name {
            TableReference::Bare { table } => (None, table, plain),
            TableReference::Partial { schema, table } => (Some(schema), table, plain),
            TableReference::Full {
                catalog,
                schema,
                table,
            } if catalog.starts_with(MARKED_CATALOG) => {
                let shown = Shown::read(catalog).unwrap_or_default();
                (Some(schema).filter(|s| !s.is_empty()), table, shown)
            }
            TableReference::Full { catalog, table, .. } if catalog.as_ref() == BOUND_CATALOG => {
                let named = |relation: &&Arc<InMemory>| relation.name == table.as_ref();
                let Some(relation) = self.context.bound.iter().find(named) else {
                    return Err(external(SqlError::internal("an unknown bound relation")));
                };
                return Ok(provider_as_source(Arc::new(BoundTable(Arc::clone(
                    relation,
                )))));
            }
            TableReference::Full {
                catalog,
                schema,
                table,
            } => {
                if catalog.as_ref() != self.context.database {
                    return Err(external(SqlError::unsupported(format!(
                        "cross-database references: \"{name}\""
                    ))));
                }
                (Some(schema), table, plain)
            }
        };
        let name = QualifiedName {
            schema: schema.map(|s| s.to_string()),
            name: table.to_string(),
        };
        self.source(&name, shown).map_err(external)
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        let name = name.trim_matches('"').to_ascii_lowercase();
        let bare = name.rsplit('.').next().unwrap_or(&name).trim_matches('"');
        let format = &self.analyzer.format;
        let partitions = partition_relation(bare, &args, self.context, format).map_err(external)?;
        if let Some(provider) = partitions {
            return Ok(provider_as_source(provider));
        }
        let provider: Option<Arc<dyn TableProvider>> =
            functions::table_function(&name, args, &self.analyzer.format).map_err(external)?;
        match provider {
            Some(provider) => Ok(provider_as_source(provider)),
            None => Err(external(SqlError::new(
                state::UNDEFINED_FUNCTION,
                format!("function {name} does not exist, or is not supported in FROM"),
            ))),
        }
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(
            name, schema,
        ))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types {
            catalog: Arc::clone(&self.context.catalog),
            search_path: self.context.search_path.clone(),
        }))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        let name = match name {
            "every" => "bool_and",
            "variance" => "var",
            other => other,
        };
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
