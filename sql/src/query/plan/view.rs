//! Views in FROM: the view's own plan takes their place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ExprSchema, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource, TableType};
use parking_lot::Mutex;

use super::super::error::from_datafusion;
use super::super::scan::{origin, origin_metadata};
use super::types::typed_field;
use super::{PlanContext, PlanParts};
use crate::catalog::{BoundRelation, ViewDescriptor};
use crate::error::{SqlError, SqlResult};
use crate::types::arrow_map;

/// What the relation names of a query turned out to mean.
#[derive(Default)]
pub(super) struct Resolved {
    /// The relations that the query names.
    pub(super) relations: Vec<BoundRelation>,
    /// All that it reads through views, and the views.
    pub(super) through_views: Vec<u32>,
    /// Why a view could not be planned.
    pub(super) error: Option<SqlError>,
}

impl Resolved {
    fn note(&mut self, bound: BoundRelation, tables: &[u32]) {
        if !self.relations.contains(&bound) {
            self.relations.push(bound);
        }
        note_tables(&mut self.through_views, tables);
    }
}

/// A view in FROM. It is planned when it is asked for its plan: where WITH gives
/// its name to something else it is looked up, but never asked.
pub(super) struct ViewSource {
    view: Arc<ViewDescriptor>,
    bound: Option<BoundRelation>,
    context: PlanContext,
    state: SessionState,
    schema: SchemaRef,
    resolved: Arc<Mutex<Resolved>>,
}

impl ViewSource {
    /// A view by the name that `bound` gives it.
    pub(super) fn new(
        view: Arc<ViewDescriptor>,
        bound: Option<BoundRelation>,
        context: &PlanContext,
        state: &SessionState,
        resolved: &Arc<Mutex<Resolved>>,
    ) -> Self {
        let fields: Vec<Field> = view
            .columns
            .iter()
            .map(|c| typed_field(&c.name, c.ty, true))
            .collect();
        Self {
            view,
            bound,
            context: context.clone(),
            state: state.clone(),
            schema: Arc::new(Schema::new(fields)),
            resolved: Arc::clone(resolved),
        }
    }

    /// The plan of the view's query, with the view's names for its columns.
    fn plan(&self) -> SqlResult<LogicalPlan> {
        let query = crate::session::parse_query(&self.view.query.text)?;
        let parts = super::plan(&query, &self.context.inside(&self.view)?, &self.state)?;
        let mut tables = parts.tables.clone();
        tables.push(self.view.oid);
        if let Some(bound) = &self.bound {
            self.resolved.lock().note(bound.clone(), &tables);
        }
        named(parts, &self.view).map_err(from_datafusion)
    }
}

fn named(parts: PlanParts, view: &ViewDescriptor) -> Result<LogicalPlan> {
    let schema = Arc::clone(parts.plan.schema());
    let exprs: Vec<Expr> = parts
        .columns
        .iter()
        .zip(&view.columns)
        .zip(1_u16..)
        .enumerate()
        .map(|(at, ((output, column), attnum))| {
            let mut metadata: BTreeMap<String, String> = arrow_map::type_metadata(output.pg_type)
                .into_iter()
                .collect();
            metadata.extend(origin_metadata(view.oid, attnum));
            Expr::Column(Column::from(schema.qualified_field(at)))
                .alias_with_metadata(&column.name, Some(FieldMetadata::new(metadata)))
        })
        .collect();
    LogicalPlanBuilder::from(parts.plan).project(exprs)?.build()
}

impl TableSource for ViewSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        match self.plan() {
            Ok(plan) => Some(Cow::Owned(plan)),
            Err(error) => {
                self.resolved.lock().error.get_or_insert(error);
                None
            }
        }
    }
}

/// Marks the columns that `plan` uses of the relations it reads.
///
/// # Errors
/// XX000 when the plan is not consistent.
pub(super) fn mark_used(
    plan: &LogicalPlan,
    relations: &mut [BoundRelation],
) -> std::result::Result<(), SqlError> {
    let mut used = Vec::new();
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::Column(column) => {
                        if let Ok(field) = schema.field_from_column(column) {
                            used.extend(origin(field));
                        }
                    }
                    Expr::OuterReferenceColumn(field, _) => used.extend(origin(field)),
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(from_datafusion)?;
    for relation in relations {
        for column in &mut relation.columns {
            column.used |= used.iter().any(|(oid, attnum)| {
                *oid == relation.oid && u16::try_from(*attnum) == Ok(column.attnum)
            });
        }
    }
    Ok(())
}

/// Adds relations, each once.
pub(super) fn note_tables(all: &mut Vec<u32>, more: &[u32]) {
    for oid in more {
        if !all.contains(oid) {
            all.push(*oid);
        }
    }
}
