//! Planning row expressions: as a SELECT over the rows' relation, which is taken
//! apart again where it is nothing but expressions.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Volatility};
use sqlparser::ast::{Ident, SelectItem, TableWithJoins};

use super::super::apply;
use super::super::bound::InMemory;
use super::super::cast::CastFunction;
use super::super::engine::QueryEngine;
use super::super::error::from_datafusion;
use super::super::plan::{PlanContext, PlanParts, query_of, star_from};
use super::super::planned::PlannedQuery;
use super::place::Place;
use super::relation::{RowRelation, by_name, expand, ordinal_column, positions, side_by_side};
use super::{Form, Parts};
use crate::error::SqlError;

/// Expressions that need no query.
#[derive(Debug)]
pub(super) struct ScalarForm {
    /// The columns of the rows' relation that are used, and their schema.
    pub(super) used: Vec<usize>,
    pub(super) input: DFSchemaRef,
    /// Lists of expressions, each over the results of the one before.
    pub(super) levels: Vec<Level>,
    /// Whether an expression is volatile.
    pub(super) volatile: bool,
    /// Whether all functions in them are immutable.
    pub(super) immutable: bool,
}

/// One list of expressions and what they give.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) exprs: Vec<Expr>,
    pub(super) output: DFSchemaRef,
}

pub(super) fn plan(
    engine: &QueryEngine,
    items: &[SelectItem],
    relations: &[RowRelation],
    place: Place,
    context: &PlanContext,
) -> Result<Parts, SqlError> {
    let state = engine.state_for(&context.session, &context.catalog, None);
    let mut projection = expand(items, relations)?;
    for item in &projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            place.check(expr, &state)?;
        }
    }
    projection.push(number_of_row());
    let relation = Arc::new(side_by_side(relations));
    let mut select = star_from(vec![TableWithJoins {
        relation: relation.factor(),
        joins: Vec::new(),
    }]);
    select.projection = projection;
    let mut context = context.clone();
    context.hidden = crate::query::Hidden::None;
    context.bound.push(Arc::clone(&relation));
    let mut parts = super::super::plan::plan(&query_of(select), &context, &state)?;
    // The number of the row is for the evaluation alone.
    parts.columns.pop();
    let columns = parts.columns.clone();
    let parameters = parts.parameters.clone();
    let found = parts.found.clone();
    let form = match scalar_form(&parts, &relation, &state)? {
        Some(form) => Form::Scalar(form),
        None => {
            if gives_sets(&parts.plan)? {
                return Err(place.refuse_sets());
            }
            Form::Query {
                query: PlannedQuery::new(engine.clone(), parts),
                relation,
            }
        }
    };
    Ok(Parts {
        columns,
        parameters,
        found,
        positions: positions(relations),
        catalog: Arc::clone(&context.catalog),
        form,
    })
}

/// The column that numbers the rows, as the last one of the SELECT.
fn number_of_row() -> SelectItem {
    let (qualifier, name) = ordinal_column();
    let parts = [qualifier, name].map(|part| Ident::with_quote('"', part));
    SelectItem::UnnamedExpr(sqlparser::ast::Expr::CompoundIdentifier(parts.to_vec()))
}

/// Takes the plan apart, if it is nothing but expressions over the rows.
fn scalar_form(
    parts: &PlanParts,
    relation: &InMemory,
    state: &SessionState,
) -> Result<Option<ScalarForm>, SqlError> {
    if projections(&parts.plan).is_none() {
        return Ok(None);
    }
    let plan = state
        .analyzer()
        .execute_and_check(parts.plan.clone(), state.config_options(), |_, _| {})
        .map_err(from_datafusion)?;
    let Some(mut projections) = projections(&plan) else {
        return Ok(None);
    };
    // The lowest one only gives the columns their names.
    let Some(names) = projections.pop() else {
        return Ok(None);
    };
    let mut levels: Vec<Level> = Vec::with_capacity(projections.len());
    for projection in projections.into_iter().rev() {
        let mut exprs = projection.expr.clone();
        exprs.pop();
        levels.push(Level {
            exprs,
            output: Arc::clone(&projection.schema),
        });
    }
    let volatile = levels.iter().flat_map(|l| &l.exprs).any(Expr::is_volatile);
    let mut all = levels.iter().flat_map(|l| &l.exprs);
    let immutable = !all.any(|expr| expr.exists(|part| Ok(!is_immutable(part))).unwrap_or(true));
    let Some(first) = levels.first() else {
        return Ok(None);
    };
    let (used, input) = used_columns(&first.exprs, relation, &names.schema)?;
    Ok(Some(ScalarForm {
        used,
        input,
        levels,
        volatile,
        immutable,
    }))
}

/// Whether the function at the top of an expression, if it is one, always gives the
/// same for the same arguments.
fn is_immutable(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => {
            let function: &dyn std::any::Any = call.func.inner().as_ref();
            match function.downcast_ref::<CastFunction>() {
                Some(cast) => cast.is_immutable(),
                None => call.func.signature().volatility == Volatility::Immutable,
            }
        }
        _ => true,
    }
}

/// The projections of a plan that has nothing else above the rows, topmost first,
/// if there is no expression among them that needs a query.
fn projections(plan: &LogicalPlan) -> Option<Vec<&Projection>> {
    let mut found = Vec::new();
    let mut node = plan;
    loop {
        match node {
            LogicalPlan::Projection(projection) => {
                if projection.expr.iter().any(needs_query) {
                    return None;
                }
                found.push(projection);
                node = &projection.input;
            }
            LogicalPlan::TableScan(_) => return Some(found),
            _ => return None,
        }
    }
}

fn needs_query(expr: &Expr) -> bool {
    let found = expr.exists(|part| {
        Ok(apply::is_subquery(part)
            || matches!(
                part,
                Expr::ScalarSubquery(_)
                    | Expr::Exists(_)
                    | Expr::InSubquery(_)
                    | Expr::SetComparison(_)
                    | Expr::OuterReferenceColumn(..)
                    | Expr::AggregateFunction(_)
                    | Expr::WindowFunction(_)
                    | Expr::Unnest(_)
            ))
    });
    found.unwrap_or(true)
}

/// Whether the SELECT itself, not a subquery, may give more rows than there are.
fn gives_sets(plan: &LogicalPlan) -> Result<bool, SqlError> {
    let mut found = false;
    plan.apply(|node| {
        found |= matches!(node, LogicalPlan::Unnest(_) | LogicalPlan::Join(_));
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(from_datafusion)?;
    Ok(found)
}

/// The columns that expressions use, and a schema of only those.
fn used_columns(
    exprs: &[Expr],
    relation: &InMemory,
    schema: &DFSchema,
) -> Result<(Vec<usize>, DFSchemaRef), SqlError> {
    let names = by_name(relation);
    let mut used = Vec::new();
    for column in exprs.iter().flat_map(Expr::column_refs) {
        let qualifier = column.relation.as_ref().map_or("", |r| r.table());
        let at = names.get(&(qualifier, column.name.as_str())).copied();
        let at = at.ok_or_else(|| SqlError::internal(format!("no column {column} in the rows")))?;
        if !used.contains(&at) {
            used.push(at);
        }
    }
    used.sort_unstable();
    let fields = used.iter().map(|at| {
        let (qualifier, field) = schema.qualified_field(*at);
        (qualifier.cloned(), Arc::clone(field))
    });
    let schema = DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())
        .map_err(from_datafusion)?;
    Ok((used, Arc::new(schema)))
}
