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
use sqlparser::ast::{
    ExcludeSelectItem, Expr as SqlExpr, Ident, ObjectName, ObjectNamePart, Query, SelectItem,
    SetExpr, TableFactor,
};

use super::super::error::from_datafusion;
use super::super::scan::{hidden_fields, origin, origin_metadata};
use super::syntax::hidden_names;
use super::types::typed_field;
use super::{Hidden, PlanContext, PlanParts};
use crate::catalog::{BoundRelation, ViewDescriptor, fold_identifier};
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
    /// Its number among the relations with hidden columns, if it has those of the
    /// table that it selects from.
    hidden: Option<usize>,
    bound: Option<BoundRelation>,
    context: PlanContext,
    state: SessionState,
    schema: SchemaRef,
    resolved: Arc<Mutex<Resolved>>,
}

impl ViewSource {
    /// A view by the name that `bound` gives it.
    pub(super) fn new(
        (view, hidden): (Arc<ViewDescriptor>, Option<usize>),
        bound: Option<BoundRelation>,
        context: &PlanContext,
        state: &SessionState,
        resolved: &Arc<Mutex<Resolved>>,
    ) -> Self {
        let mut fields: Vec<Field> = view
            .columns
            .iter()
            .map(|c| typed_field(&c.name, c.ty, true))
            .collect();
        if let Some(index) = hidden {
            fields.extend(hidden_fields(index));
        }
        Self {
            view,
            hidden,
            bound,
            context: context.clone(),
            state: state.clone(),
            schema: Arc::new(Schema::new(fields)),
            resolved: Arc::clone(resolved),
        }
    }

    /// The plan of the view's query, with the view's names for its columns.
    fn plan(&self) -> SqlResult<LogicalPlan> {
        let mut query = crate::session::parse_query(&self.view.query.text)?;
        let mut context = self.context.inside(&self.view)?;
        if let Some(index) = self.hidden {
            add_hidden(&mut query, index)?;
            context.hidden = Hidden::Numbered(index);
        }
        let parts = super::plan(&query, &context, &self.state)?;
        let mut tables = parts.tables.clone();
        tables.push(self.view.oid);
        if let Some(bound) = &self.bound {
            self.resolved.lock().note(bound.clone(), &tables);
        }
        named(parts, &self.view, self.hidden).map_err(from_datafusion)
    }
}

/// Adds the hidden columns of the first relation of FROM to a view's query.
fn add_hidden(query: &mut Query, index: usize) -> std::result::Result<(), SqlError> {
    let mut body = query.body.as_mut();
    while let SetExpr::Query(inner) = body {
        body = inner.body.as_mut();
    }
    let SetExpr::Select(select) = body else {
        return Err(SqlError::internal(
            "hidden columns of a view that is no SELECT",
        ));
    };
    let Some(alias) = select
        .from
        .first()
        .and_then(|from| alias_of(&from.relation))
    else {
        return Err(SqlError::internal(
            "hidden columns of a view without a table",
        ));
    };
    // A star must not give them once more.
    for item in &mut select.projection {
        if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item {
            let names = hidden_names(index).map(|name| {
                ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote(
                    '"', name,
                ))])
            });
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(names.to_vec()));
        }
    }
    for name in hidden_names(index) {
        let parts = vec![alias.clone(), Ident::with_quote('"', name)];
        select
            .projection
            .push(SelectItem::UnnamedExpr(SqlExpr::CompoundIdentifier(parts)));
    }
    Ok(())
}

fn alias_of(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table {
            alias: Some(alias), ..
        } => Some(alias.name.clone()),
        TableFactor::Table { name, .. } => {
            let last = name.0.last().and_then(ObjectNamePart::as_ident)?;
            Some(Ident::with_quote('"', fold_identifier(last)))
        }
        _ => None,
    }
}

fn named(parts: PlanParts, view: &ViewDescriptor, hidden: Option<usize>) -> Result<LogicalPlan> {
    let schema = Arc::clone(parts.plan.schema());
    let mut exprs: Vec<Expr> = parts
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
    if let Some(index) = hidden {
        let names = hidden_names(index).into_iter().enumerate();
        exprs.extend(names.map(|(at, name)| {
            let at = view.columns.len() + at;
            Expr::Column(Column::from(schema.qualified_field(at))).alias(name)
        }));
    }
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
