//! PostgreSQL's types of planned expressions.
//!
//! Arrow fields carry the PostgreSQL type as metadata; where an expression has
//! none, its type follows from its parts by PostgreSQL's rules. A string literal
//! or NULL that nothing has typed yet is `unknown`.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunction, Alias, Case, Cast, Placeholder, ScalarFunction, TryCast, WindowFunction,
};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, WindowFunctionDefinition,
};
use sqlparser::ast::DataType as SqlType;

use super::super::arrow_value::type_of_arrow;
use super::super::error::external;
use super::super::functions::{self, Resolved};
use super::analyze::Analyzer;
use super::coerce;
use super::rewrite::{INT4_LITERAL, INT8_LITERAL};
use super::settle::routine_type;
use super::syntax::{ARGUMENT, RESULT};
use crate::catalog::Catalog;
use crate::error::{SqlError, SqlResult};
use crate::types::{PgType, arrow_map};

/// The Arrow type for values of `ty` that are computed rather than stored.
pub(in crate::query) fn arrow_type(ty: PgType) -> DataType {
    match ty {
        PgType::Unknown | PgType::Void => DataType::Utf8View,
        _ => arrow_map::arrow_type(ty),
    }
}

/// The metadata that says a value has type `ty`.
pub(in crate::query) fn type_metadata(ty: PgType) -> FieldMetadata {
    let map: BTreeMap<String, String> = arrow_map::type_metadata(ty).into_iter().collect();
    FieldMetadata::new(map)
}

/// A field of type `ty`.
pub(in crate::query) fn typed_field(name: &str, ty: PgType, nullable: bool) -> Field {
    field_with(Field::new(name, arrow_type(ty), nullable), ty)
}

/// `field` with the metadata of type `ty`; its Arrow type stays.
pub(in crate::query) fn field_with(field: Field, ty: PgType) -> Field {
    // Where the Arrow type says it all, metadata would only make fields of the
    // same type unequal, which rows of VALUES and recursive queries must not be.
    if type_of_arrow(field.data_type()) == ty {
        return field.with_metadata(std::collections::HashMap::new());
    }
    field.with_metadata(arrow_map::type_metadata(ty))
}

/// The type of a field; of one of a domain, the type that it is over.
pub(in crate::query) fn field_type(field: &Field) -> PgType {
    declared_type(field).base()
}

/// The type of a field, which may be a domain.
pub(in crate::query) fn declared_type(field: &Field) -> PgType {
    if field.metadata().contains_key(arrow_map::PG_TYPE_KEY) {
        arrow_map::pg_type_of_field(field)
    } else {
        type_of_arrow(field.data_type())
    }
}

/// Type names in casts.
#[derive(Debug)]
pub(super) struct Types {
    pub(super) catalog: Arc<Catalog>,
    pub(super) search_path: Vec<String>,
}

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let ty = match sql_type {
            t if *t == INT4_LITERAL => PgType::Int4,
            t if *t == INT8_LITERAL => PgType::Int8,
            other => self
                .catalog
                .type_of_ast(other, &self.search_path)
                .map_err(external)?,
        };
        // The name tells the cast from those the planner puts in itself.
        Ok(Some(Arc::new(typed_field("cast", ty, true))))
    }
}

impl Analyzer {
    /// The type of an expression over `schema`.
    ///
    /// # Errors
    /// What is wrong with the expression: 42703, 42883, 42804.
    pub(super) fn type_of(&self, expr: &Expr, schema: &dyn ExprSchema) -> Result<PgType> {
        Ok(match expr {
            Expr::Alias(Alias { expr, .. }) => self.type_of(expr, schema)?,
            Expr::Column(column) => field_type(schema.field_from_column(column)?),
            Expr::OuterReferenceColumn(field, _) => field_type(field),
            Expr::Literal(value, metadata) => literal_type(value, metadata.as_ref()),
            Expr::Cast(Cast { field, .. }) | Expr::TryCast(TryCast { field, .. }) => {
                field_type(field)
            }
            Expr::Placeholder(Placeholder { id, field }) => match field {
                Some(field) => field_type(field),
                None => self.parameter(id).unwrap_or(PgType::Unknown),
            },
            Expr::Case(case) => self.case_type(case, schema)?,
            Expr::Negative(inner) => self.type_of(inner, schema)?,
            Expr::BinaryExpr(BinaryExpr { op, .. }) if gives_bool(*op) => PgType::Bool,
            Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Between(_)
            | Expr::InList(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::Exists(_) => PgType::Bool,
            Expr::ScalarFunction(function) => self.function_type(function, schema)?,
            Expr::AggregateFunction(AggregateFunction { func, params }) => {
                self.aggregate_type(func.name(), &params.args, expr, schema)?
            }
            Expr::WindowFunction(window) => self.window_type(window, expr, schema)?,
            // The elements of an array.
            Expr::Unnest(unnest) => {
                let array = self.type_of(&unnest.expr, schema)?;
                array.element().unwrap_or(array)
            }
            Expr::ScalarSubquery(subquery) => self.column_type(&subquery.subquery, 0)?,
            other => field_type(other.to_field(schema)?.1.as_ref()),
        })
    }

    fn case_type(&self, case: &Case, schema: &dyn ExprSchema) -> Result<PgType> {
        let mut types = Vec::new();
        for (_, result) in &case.when_then_expr {
            types.push(self.type_of(result, schema)?);
        }
        if let Some(result) = &case.else_expr {
            types.push(self.type_of(result, schema)?);
        }
        coerce::common("CASE", &types).map_err(external)
    }

    /// The types of several expressions.
    pub(super) fn types_of(&self, exprs: &[Expr], schema: &dyn ExprSchema) -> Result<Vec<PgType>> {
        exprs.iter().map(|e| self.type_of(e, schema)).collect()
    }

    fn function_type(&self, function: &ScalarFunction, schema: &dyn ExprSchema) -> Result<PgType> {
        // Asked for more than once: calls in calls would be looked at in all ways.
        let known = OnceCell::new();
        let types = || -> Result<Vec<PgType>> {
            if let Some(types) = known.get() {
                return Ok(Vec::clone(types));
            }
            let types = self.types_of(&function.args, schema)?;
            Ok(known.get_or_init(|| types).clone())
        };
        let name = function.func.name();
        if let Some(resolved) = functions::resolve(function.func.inner().as_ref(), &types) {
            return match resolved.map_err(external)? {
                Resolved::Fixed(ty) => Ok(ty),
                Resolved::Overload(overload) => Ok(overload.result(&types()?)),
            };
        }
        match name {
            "coalesce" | "greatest" | "least" => {
                coerce::common(&name.to_uppercase(), &types()?).map_err(external)
            }
            ARGUMENT | RESULT => Ok(routine_type(&function.args)?.base()),
            "nullif" => coerce::nullif_type(&types()?).map_err(external),
            _ => self.planned_type(&Expr::ScalarFunction(function.clone()), schema),
        }
    }

    /// The type DataFusion gives a function of its own.
    fn planned_type(&self, expr: &Expr, schema: &dyn ExprSchema) -> Result<PgType> {
        Ok(field_type(expr.to_field(schema)?.1.as_ref()))
    }

    fn aggregate_type(
        &self,
        name: &str,
        args: &[Expr],
        expr: &Expr,
        schema: &dyn ExprSchema,
    ) -> Result<PgType> {
        let first = || -> Result<PgType> {
            match args.first() {
                Some(arg) => Ok(coerce::bare(self.type_of(arg, schema)?)),
                None => Ok(PgType::Unknown),
            }
        };
        Ok(match name {
            "min" | "max" if matches!(first()?, PgType::Varchar(_)) => PgType::Text,
            "min" | "max" | "first_value" | "last_value" | "any_value" | "nth_value"
            | "pg_single" | "lag" | "lead" => first()?,
            // Arrays are gathered to arrays of their own type.
            "array_agg" => match first()? {
                array @ PgType::Array(PgType::Bytea | PgType::Composite(_)) => {
                    return Err(external(SqlError::unsupported(format!(
                        "array_agg({})",
                        array.sql_name()
                    ))));
                }
                array if array.array_element().is_some() => array,
                PgType::Unknown => PgType::Array(&PgType::Text),
                element => PgType::array_of(element).unwrap_or(PgType::Text),
            },
            "count" | "row_number" | "rank" | "dense_rank" => PgType::Int8,
            "ntile" => PgType::Int4,
            "sum" => functions::sum_type(first()?),
            functions::TOTAL => match first()? {
                PgType::Float4 => PgType::Float8,
                other => functions::sum_type(other),
            },
            name if functions::is_spread(name) => functions::spread_type(first()?),
            _ => self.planned_type(expr, schema)?,
        })
    }

    fn window_type(
        &self,
        window: &WindowFunction,
        expr: &Expr,
        schema: &dyn ExprSchema,
    ) -> Result<PgType> {
        let name = match &window.fun {
            WindowFunctionDefinition::AggregateUDF(f) => f.name().to_owned(),
            WindowFunctionDefinition::WindowUDF(f) => match functions::window::framed_type(f) {
                Some(ty) => return Ok(ty),
                None => f.name().to_owned(),
            },
        };
        self.aggregate_type(&name, &window.params.args, expr, schema)
    }

    /// The type of an expression over the columns of a plan that may not be analysed yet.
    fn type_over(&self, expr: &Expr, input: &LogicalPlan) -> Result<PgType> {
        match expr {
            Expr::Alias(alias) => self.type_over(&alias.expr, input),
            Expr::Column(column) => match input.schema().maybe_index_of_column(column) {
                Some(index) => self.column_type(input, index),
                None => self.type_of(expr, input.schema().as_ref()),
            },
            _ => self.type_of(expr, input.schema().as_ref()),
        }
    }

    /// The type of a column of a plan that may not be analysed yet.
    pub(super) fn column_type(&self, plan: &LogicalPlan, index: usize) -> Result<PgType> {
        let field = || {
            plan.schema()
                .fields()
                .get(index)
                .map_or(PgType::Unknown, |f| field_type(f))
        };
        // What analysing has found out counts.
        if let Some(known) = plan.schema().fields().get(index)
            && known.metadata().contains_key(arrow_map::PG_TYPE_KEY)
        {
            return Ok(field_type(known));
        }
        Ok(match plan {
            LogicalPlan::Projection(projection) => match projection.expr.get(index) {
                Some(expr) => self.type_over(expr, &projection.input)?,
                None => field(),
            },
            LogicalPlan::Aggregate(aggregate) => {
                let groups = plan.schema().fields().len() - aggregate.aggr_expr.len();
                let own = index.checked_sub(groups);
                match own.and_then(|own| aggregate.aggr_expr.get(own)) {
                    Some(expr) => self.type_over(expr, &aggregate.input)?,
                    None => field(),
                }
            }
            LogicalPlan::Limit(limit) => self.column_type(&limit.input, index)?,
            LogicalPlan::Sort(sort) => self.column_type(&sort.input, index)?,
            LogicalPlan::Filter(filter) => self.column_type(&filter.input, index)?,
            LogicalPlan::SubqueryAlias(alias) => self.column_type(&alias.input, index)?,
            LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(input)) => {
                self.column_type(input, index)?
            }
            LogicalPlan::Union(union) => {
                let mut types = Vec::with_capacity(union.inputs.len());
                for input in &union.inputs {
                    types.push(self.column_type(input, index)?);
                }
                coerce::common("UNION", &types).map_err(external)?
            }
            _ => field(),
        })
    }
}

/// Whether the operator compares its operands.
pub(super) fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn gives_bool(op: Operator) -> bool {
    is_comparison(op)
        || op.is_logic_operator()
        || matches!(
            op,
            Operator::RegexMatch
                | Operator::RegexIMatch
                | Operator::RegexNotMatch
                | Operator::RegexNotIMatch
                | Operator::LikeMatch
                | Operator::ILikeMatch
                | Operator::NotLikeMatch
                | Operator::NotILikeMatch
                | Operator::IsDistinctFrom
                | Operator::IsNotDistinctFrom
        )
}

fn literal_type(value: &ScalarValue, metadata: Option<&FieldMetadata>) -> PgType {
    if let Some(metadata) = metadata {
        let map = metadata
            .inner()
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let field = Field::new("", value.data_type(), true).with_metadata(map);
        if field.metadata().contains_key(arrow_map::PG_TYPE_KEY) {
            return arrow_map::pg_type_of_field(&field).base();
        }
    }
    match value {
        ScalarValue::Null
        | ScalarValue::Utf8(_)
        | ScalarValue::LargeUtf8(_)
        | ScalarValue::Utf8View(_) => PgType::Unknown,
        ScalarValue::UInt64(_) => PgType::Numeric(None),
        other => type_of_arrow(&other.data_type()),
    }
}

/// Reads a parameter's number from `$n`, counted from 0.
pub(in crate::query) fn parameter_index(id: &str) -> SqlResult<usize> {
    id.strip_prefix('$')
        .and_then(|n| n.parse::<usize>().ok())
        .and_then(|n| n.checked_sub(1))
        .filter(|n| *n < 65_535)
        .ok_or_else(|| {
            crate::error::SqlError::new(
                crate::error::state::UNDEFINED_PARAMETER,
                format!("there is no parameter {id}"),
            )
        })
}
