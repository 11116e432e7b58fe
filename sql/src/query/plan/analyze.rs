//! The walk over a plan that settles every type.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::{Alias, Cast, Placeholder};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, RecursiveQuery, Union,
};
use parking_lot::Mutex;

use super::super::arrow_value::type_of_arrow;
use super::super::error::external;
use super::super::planned::OutputColumn;
use super::super::scan::{is_hidden_column, origin};
use super::PlanContext;
use super::coerce::{self, bare};
use super::names::visible_name;
use super::types::{arrow_type, field_type, field_with, type_metadata};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{PgType, SessionFormat};

/// What is known about one statement while it is planned.
#[derive(Debug)]
pub(super) struct Analyzer {
    /// Types of parameters, declared or found.
    parameters: Mutex<Vec<Option<PgType>>>,
    /// How literals are read.
    pub(super) format: SessionFormat,
}

impl Analyzer {
    pub(super) fn new(context: &PlanContext) -> Self {
        Self {
            parameters: Mutex::new(context.param_types.clone()),
            format: super::super::functions::session_format(&context.session),
        }
    }

    /// An analyzer that only evaluates constants.
    pub(super) fn for_constants(format: SessionFormat) -> Self {
        Self {
            parameters: Mutex::new(Vec::new()),
            format,
        }
    }

    /// The type of a parameter, if it is known.
    pub(super) fn parameter(&self, id: &str) -> Option<PgType> {
        let index = super::types::parameter_index(id).ok()?;
        self.parameters.lock().get(index).copied().flatten()
    }

    /// The type of a parameter; `ty` if it had none.
    pub(super) fn settle_parameter(&self, index: usize, ty: PgType) -> PgType {
        let ty = match ty {
            PgType::Unknown | PgType::Name => PgType::Text,
            other => other,
        };
        let mut parameters = self.parameters.lock();
        if parameters.len() <= index {
            parameters.resize(index + 1, None);
        }
        match parameters.get_mut(index) {
            Some(slot) => *slot.get_or_insert(ty),
            None => ty,
        }
    }

    /// The types of all parameters.
    pub(super) fn parameters(&self) -> SqlResult<Vec<PgType>> {
        Ok(self
            .parameters
            .lock()
            .iter()
            .map(|ty| ty.unwrap_or(PgType::Text))
            .collect())
    }

    /// Settles the types of a plan and of its subqueries.
    ///
    /// # Errors
    /// What PostgreSQL reports about types: 42883, 42804, 22P02 and others.
    pub(super) fn analyze(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| self.node(node).map(Transformed::yes))
            .map(|t| t.data)
    }

    fn node(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&DFSchema::try_from_qualified_schema(
                scan.table_name.clone(),
                &scan.source.schema(),
            )?);
        }
        match plan {
            LogicalPlan::Limit(_) => return self.limit(plan),
            LogicalPlan::Union(union) => return self.union(union),
            LogicalPlan::RecursiveQuery(query) => return recursive(query),
            _ => {}
        }
        let condition = match &plan {
            LogicalPlan::Filter(_) => Some("WHERE"),
            _ => None,
        };
        // Only a projection may rename; elsewhere an alias carries the type on.
        let typed = matches!(
            plan,
            LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)
        );
        // In a filter EXISTS becomes a join; elsewhere it is a count.
        let count_rows = !matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Join(_));
        let preserver = NamePreserver::new(&plan);
        let plan = plan
            .map_expressions(|expr| {
                let name = preserver.save(&expr);
                let expr = if count_rows {
                    expr.transform_up(|e| super::settle::exists_as_count(e).map(Transformed::yes))?
                        .data
                } else {
                    expr
                };
                let expr = expr
                    .transform_up(|e| self.settle(e, &schema).map(Transformed::yes))?
                    .data;
                let expr = match condition {
                    Some(clause) => self.condition(expr, clause, &schema)?,
                    None => expr,
                };
                let expr = name.restore(expr);
                Ok(Transformed::yes(if typed {
                    self.with_type(expr, &schema)?
                } else {
                    expr
                }))
            })?
            .data;
        let plan = match plan {
            LogicalPlan::Join(join) => self.join(join)?,
            other => other,
        };
        plan.recompute_schema()
    }

    /// An expression as the condition of `clause`.
    pub(super) fn condition(&self, expr: Expr, clause: &str, schema: &DFSchema) -> Result<Expr> {
        let ty = self.type_of(&expr, schema)?;
        match ty {
            PgType::Bool => Ok(expr),
            PgType::Unknown => self.coerce(expr, ty, PgType::Bool, schema),
            other => Err(external(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "argument of {clause} must be type boolean, not type {}",
                    other.base_name()
                ),
            ))),
        }
    }

    /// Puts the type into the field's metadata where it does not follow from the
    /// Arrow type, so that the nodes above know it.
    fn with_type(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        let ty = self.type_of(&expr, schema)?;
        let field = expr.to_field(schema)?.1;
        if field_type(&field) == ty || ty == PgType::Unknown {
            return Ok(expr);
        }
        if field_type(&field) == type_of_arrow(field.data_type()) && bare(ty) == field_type(&field)
        {
            return Ok(expr);
        }
        let metadata: Option<FieldMetadata> = Some(type_metadata(ty));
        Ok(match expr {
            Expr::Alias(Alias {
                expr,
                relation,
                name,
                ..
            }) => expr.alias_qualified_with_metadata(relation, name, metadata),
            // A plain column takes its field's metadata with it.
            Expr::Column(column) => Expr::Column(column),
            other => {
                let (relation, name) = other.qualified_name();
                other.alias_qualified_with_metadata(relation, name, metadata)
            }
        })
    }

    fn limit(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let empty = DFSchema::empty();
        plan.map_expressions(|expr| {
            let ty = self.type_of(&expr, &empty)?;
            let plain_number = matches!(expr, Expr::Literal(..)) && coerce::is_number(ty);
            if plain_number {
                return Ok(Transformed::no(expr));
            }
            if matches!(ty, PgType::Unknown) || coerce::is_number(ty) {
                return self
                    .coerce(expr, ty, PgType::Int8, &empty)
                    .map(Transformed::yes);
            }
            Err(external(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "argument of LIMIT must be type bigint, not type {}",
                    ty.base_name()
                ),
            )))
        })
        .map(|t| t.data)
    }

    fn join(&self, mut join: Join) -> Result<LogicalPlan> {
        let left = join.left.schema();
        let right = join.right.schema();
        let mut on = Vec::with_capacity(join.on.len());
        for (l, r) in join.on {
            let (lt, rt) = (
                self.type_of(&l, left.as_ref())?,
                self.type_of(&r, right.as_ref())?,
            );
            let ty = coerce::unify(lt, rt)
                .ok_or_else(|| external(super::operators::no_operator("=", lt, rt)))?;
            on.push((
                self.coerce(l, lt, ty, left.as_ref())?,
                self.coerce(r, rt, ty, right.as_ref())?,
            ));
        }
        join.on = on;
        if let Some(filter) = join.filter.take() {
            let mut schema = left.as_ref().clone();
            schema.merge(right);
            join.filter = Some(self.condition(filter, "JOIN/ON", &schema)?);
        }
        Ok(LogicalPlan::Join(join))
    }

    /// Brings the inputs of a UNION to common types.
    fn union(&self, union: Union) -> Result<LogicalPlan> {
        let width = union.schema.fields().len();
        let mut targets = Vec::with_capacity(width);
        for index in 0..width {
            let mut types = Vec::with_capacity(union.inputs.len());
            let mut arrow: Vec<DataType> = Vec::with_capacity(union.inputs.len());
            for input in &union.inputs {
                types.push(self.column_type(input, index)?);
                if let Some(field) = input.schema().fields().get(index) {
                    arrow.push(field.data_type().clone());
                }
            }
            let ty = coerce::common("UNION", &types).map_err(external)?;
            targets.push((ty, coerce::common_arrow(ty, &arrow)));
        }
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in union.inputs {
            inputs.push(Arc::new(
                self.project_to(Arc::unwrap_or_clone(input), &targets)?,
            ));
        }
        let union = Union::try_new_with_loose_types(inputs)?;
        LogicalPlan::Union(union).recompute_schema()
    }

    /// A plan whose columns have the given types.
    fn project_to(&self, plan: LogicalPlan, targets: &[(PgType, DataType)]) -> Result<LogicalPlan> {
        let schema = Arc::clone(plan.schema());
        let mut exprs = Vec::with_capacity(targets.len());
        let mut changed = false;
        for (index, (ty, arrow)) in targets.iter().enumerate() {
            let (qualifier, field) = schema.qualified_field(index);
            let column = Expr::Column(Column::from((qualifier, field)));
            let from = self.column_type(&plan, index)?;
            let mut expr = self.coerce(column.clone(), from, *ty, schema.as_ref())?;
            if expr.get_type(schema.as_ref())? != *arrow {
                let field = field_with(Field::new("cast", arrow.clone(), true), *ty);
                expr = Expr::Cast(Cast::new_from_field(Box::new(expr), Arc::new(field)));
            }
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

    /// The result columns, and the plan in the Arrow types that values of these
    /// types are sent from.
    pub(super) fn output(&self, plan: LogicalPlan) -> Result<(LogicalPlan, Vec<OutputColumn>)> {
        let schema = Arc::clone(plan.schema());
        let mut columns = Vec::with_capacity(schema.fields().len());
        let mut exprs = Vec::with_capacity(schema.fields().len());
        let mut changed = false;
        for index in 0..schema.fields().len() {
            let (qualifier, field) = schema.qualified_field(index);
            let ty = match self.column_type(&plan, index)? {
                PgType::Unknown => PgType::Text,
                ty => ty,
            };
            let (table_oid, attnum) = origin(field).unwrap_or((0, 0));
            columns.push(OutputColumn {
                name: visible_name(field.name()).to_owned(),
                pg_type: ty,
                table_oid,
                attnum,
            });
            if matches!(
                field.data_type(),
                DataType::Struct(_) | DataType::Map(..) | DataType::Union(..)
            ) {
                return Err(external(SqlError::unsupported(
                    "a row as the value of a column",
                )));
            }
            let column = Expr::Column(Column::from((qualifier, field)));
            let target = if is_hidden_column(field.name()) {
                None
            } else {
                sent_as(field.data_type(), ty)
            };
            match target {
                None => exprs.push(column),
                Some(target) => {
                    changed = true;
                    let cast = Cast::new(Box::new(column), target);
                    exprs.push(
                        Expr::Cast(cast).alias_qualified(qualifier.cloned(), field.name().clone()),
                    );
                }
            }
        }
        let plan = if changed {
            LogicalPlanBuilder::from(plan).project(exprs)?.build()?
        } else {
            plan
        };
        let plan = plan
            .transform_up_with_subqueries(|node| {
                node.map_expressions(|expr| expr.transform_up(|e| self.finish_parameter(e)))
            })?
            .data;
        Ok((plan, columns))
    }

    /// Parameters that nothing has typed are text.
    fn finish_parameter(&self, expr: Expr) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Placeholder(Placeholder { id, field: None }) => {
                let index = super::types::parameter_index(&id).map_err(external)?;
                let ty = self.settle_parameter(index, PgType::Text);
                let field = super::types::typed_field(&id, ty, true);
                Ok(Transformed::yes(Expr::Placeholder(
                    Placeholder::new_with_field(id, Some(Arc::new(field))),
                )))
            }
            Expr::Placeholder(Placeholder {
                id,
                field: Some(field),
            }) => {
                let index = super::types::parameter_index(&id).map_err(external)?;
                self.settle_parameter(index, bare(field_type(&field)));
                Ok(Transformed::no(Expr::Placeholder(
                    Placeholder::new_with_field(id, Some(field)),
                )))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// The Arrow type to cast a result column to before it is encoded, if any.
fn sent_as(actual: &DataType, ty: PgType) -> Option<DataType> {
    match actual {
        DataType::Null => Some(arrow_type(ty)),
        DataType::Utf8 | DataType::LargeUtf8 => Some(DataType::Utf8View),
        DataType::LargeBinary => Some(DataType::BinaryView),
        DataType::UInt64 if ty == PgType::Int8 => Some(DataType::Int64),
        DataType::UInt64
        | DataType::UInt32
        | DataType::UInt16
        | DataType::UInt8
        | DataType::Int8
            if arrow_type(ty).is_integer() && *actual != arrow_type(ty) =>
        {
            Some(arrow_type(ty))
        }
        DataType::Int16 | DataType::Int32 | DataType::Int64
            if arrow_type(ty).is_integer() && *actual != arrow_type(ty) =>
        {
            Some(arrow_type(ty))
        }
        DataType::Float32 | DataType::Float64
            if arrow_type(ty).is_floating() && *actual != arrow_type(ty) =>
        {
            Some(arrow_type(ty))
        }
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond => Some(
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into())),
        ),
        DataType::Timestamp(unit, Some(zone)) if zone.as_ref() != "UTC" => {
            Some(DataType::Timestamp(*unit, Some("UTC".into())))
        }
        DataType::Time64(TimeUnit::Nanosecond) | DataType::Time32(_) => {
            Some(DataType::Time64(TimeUnit::Microsecond))
        }
        DataType::Date64 => Some(DataType::Date32),
        _ => None,
    }
}

/// PostgreSQL wants the terms of a recursive query to have the same types.
fn recursive(query: RecursiveQuery) -> Result<LogicalPlan> {
    let statics = query.static_term.schema();
    let recursives = query.recursive_term.schema();
    for (index, (s, r)) in statics.fields().iter().zip(recursives.fields()).enumerate() {
        let same = s.data_type() == r.data_type()
            || s.data_type().is_string() && r.data_type().is_string()
            || r.data_type().is_null()
            || s.data_type().is_decimal() && r.data_type().is_decimal();
        if !same {
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
    RecursiveQuery::try_new(
        query.name,
        query.static_term,
        query.recursive_term,
        query.is_distinct,
    )
    .map(LogicalPlan::RecursiveQuery)
}
