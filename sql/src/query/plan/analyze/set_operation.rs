//! UNION and recursive queries: terms that share the types of their columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, RecursiveQuery, Union,
};

use super::super::super::error::external;
use super::super::coerce;
use super::super::types::{field_type, type_metadata};
use super::Analyzer;
use crate::error::{SqlError, state};
use crate::types::PgType;

impl Analyzer {
    /// Brings the inputs of a UNION to common types.
    pub(super) fn union(&self, union: Union) -> Result<LogicalPlan> {
        let targets = self.common_columns("UNION", &union.inputs)?;
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in union.inputs {
            inputs.push(Arc::new(
                self.project_to(Arc::unwrap_or_clone(input), &targets)?,
            ));
        }
        let union = Union::try_new_with_loose_types(inputs)?;
        LogicalPlan::Union(union).recompute_schema()
    }

    /// The types that the columns of the terms of a set operation have in common.
    pub(super) fn common_columns(
        &self,
        name: &str,
        inputs: &[Arc<LogicalPlan>],
    ) -> Result<Vec<(PgType, DataType)>> {
        let width = inputs.first().map_or(0, |i| i.schema().fields().len());
        let mut targets = Vec::with_capacity(width);
        for index in 0..width {
            let mut types = Vec::with_capacity(inputs.len());
            let mut arrow: Vec<DataType> = Vec::with_capacity(inputs.len());
            for input in inputs {
                types.push(self.column_type(input, index)?);
                if let Some(field) = input.schema().fields().get(index) {
                    arrow.push(field.data_type().clone());
                }
            }
            let ty = coerce::common(name, &types).map_err(external)?;
            targets.push((ty, coerce::common_arrow(ty, &arrow)));
        }
        Ok(targets)
    }

    /// A plan whose columns have the given types.
    pub(super) fn project_to(
        &self,
        plan: LogicalPlan,
        targets: &[(PgType, DataType)],
    ) -> Result<LogicalPlan> {
        let schema = Arc::clone(plan.schema());
        let mut exprs = Vec::with_capacity(targets.len());
        let mut changed = false;
        for (index, (ty, arrow)) in targets.iter().enumerate() {
            let (qualifier, field) = schema.qualified_field(index);
            let column = Expr::Column(Column::from((qualifier, field)));
            let from = self.column_type(&plan, index)?;
            let mut expr = self.coerce(column.clone(), from, *ty, schema.as_ref())?;
            let own = expr.get_type(schema.as_ref())?;
            expr = coerce::as_arrow(expr, &own, *ty, arrow)?;
            if expr == column {
                exprs.push(expr);
            } else {
                changed = true;
                exprs.push(expr.alias_qualified_with_metadata(
                    qualifier.cloned(),
                    field.name().clone(),
                    Some(type_metadata(*ty)),
                ));
            }
        }
        if !changed {
            return Ok(plan);
        }
        LogicalPlanBuilder::from(plan).project(exprs)?.build()
    }
}

/// PostgreSQL wants the terms of a recursive query to have the same types.
pub(super) fn recursive(query: RecursiveQuery) -> Result<LogicalPlan> {
    let statics = query.static_term.schema();
    let recursives = query.recursive_term.schema();
    for (index, (s, r)) in statics.fields().iter().zip(recursives.fields()).enumerate() {
        let same = s.data_type() == r.data_type()
            || s.data_type().is_string() && r.data_type().is_string()
            || r.data_type().is_null()
            || coerce::is_numeric_arrow(s.data_type()) && coerce::is_numeric_arrow(r.data_type());
        let (own, other) = (coerce::bare(field_type(s)), coerce::bare(field_type(r)));
        let wider = coerce::is_number(own)
            && coerce::is_number(other)
            && coerce::unify(own, other) != Some(own);
        if !same || wider {
            return Err(external(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "recursive query \"{}\" column {} has type {} in non-recursive term but type {} overall",
                    query.name,
                    index + 1,
                    field_type(s).base_name(),
                    field_type(r).base_name()
                ),
            )
            .hint("Cast the output of the non-recursive term to the correct type.")));
        }
    }
    // What the recursive term reads was laid out before the other one was analysed.
    let read = work_table(&query.recursive_term, &query.name)?;
    let wanted = read.unwrap_or_else(|| Arc::new(statics.as_arrow().clone()));
    let static_term = with_strings_of(Arc::clone(&query.static_term), &wanted)?;
    let recursive_term = with_strings_of(query.recursive_term, &wanted)?;
    RecursiveQuery::try_new(query.name, static_term, recursive_term, query.is_distinct)
        .map(LogicalPlan::RecursiveQuery)
}

/// The columns in which a recursive term reads the rows made so far.
fn work_table(term: &LogicalPlan, name: &str) -> Result<Option<SchemaRef>> {
    let mut found = None;
    term.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && scan.table_name.table() == name
        {
            found = Some(scan.source.schema());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// A term with its strings laid out as `wanted`.
fn with_strings_of(term: Arc<LogicalPlan>, wanted: &Schema) -> Result<Arc<LogicalPlan>> {
    let differs = |(s, r): (&FieldRef, &FieldRef)| {
        s.data_type() != r.data_type() && s.data_type().is_string() && r.data_type().is_string()
    };
    let schema = Arc::clone(term.schema());
    if !wanted.fields().iter().zip(schema.fields()).any(differs) {
        return Ok(term);
    }
    let columns = wanted.fields().iter().zip(schema.iter());
    let columns = columns.map(|(wanted, (qualifier, own))| {
        let column = Expr::Column(Column::from((qualifier, own)));
        if differs((wanted, own)) {
            let cast = Cast::new(Box::new(column), wanted.data_type().clone());
            Expr::Cast(cast).alias_qualified(qualifier.cloned(), own.name())
        } else {
            column
        }
    });
    let columns: Vec<Expr> = columns.collect();
    let plan = LogicalPlanBuilder::from(Arc::unwrap_or_clone(term))
        .project(columns)?
        .build()?;
    Ok(Arc::new(plan))
}
