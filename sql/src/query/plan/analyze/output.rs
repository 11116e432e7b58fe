//! Result columns, in the Arrow types that values are sent from.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::super::super::apply;
use super::super::super::error::external;
use super::super::super::planned::OutputColumn;
use super::super::super::scan::{is_hidden_column, origin};
use super::super::names::visible_name;
use super::super::operators::text_if_unknown;
use super::super::types::{arrow_type, declared_type};
use super::Analyzer;
use crate::error::SqlError;
use crate::types::PgType;

impl Analyzer {
    /// The result columns, and the plan in the Arrow types that values of these
    /// types are sent from.
    pub(in super::super) fn output(
        &self,
        plan: LogicalPlan,
    ) -> Result<(LogicalPlan, Vec<OutputColumn>)> {
        let schema = Arc::clone(plan.schema());
        let mut columns = Vec::with_capacity(schema.fields().len());
        let mut exprs = Vec::with_capacity(schema.fields().len());
        let mut changed = false;
        for index in 0..schema.fields().len() {
            let (qualifier, field) = schema.qualified_field(index);
            let ty = text_if_unknown(self.column_type(&plan, index)?);
            let (table_oid, attnum) = origin(field).unwrap_or((0, 0));
            columns.push(OutputColumn {
                name: shown_name(&schema, field.name()).to_owned(),
                // A column of a domain stays one in a table that is made of it.
                pg_type: match declared_type(field) {
                    domain @ PgType::Domain(_) if domain.base() == ty => domain,
                    _ => ty,
                },
                table_oid,
                attnum,
            });
            refuse_row(field)?;
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
        let plan = apply::rewrite(plan, &mut |inner| self.finish_parameters(inner))
            .and_then(|plan| self.finish_parameters(plan))?;
        Ok((plan, columns))
    }

    fn finish_parameters(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|node| {
            node.map_expressions(|expr| expr.transform_up(|e| self.finish_parameter(e)))
        })?;
        Ok(plan.data)
    }
}

/// What a result column is called. The planner numbers the columns of a subquery that
/// are called as one before them.
fn shown_name<'a>(schema: &DFSchema, name: &'a str) -> &'a str {
    let name = visible_name(name);
    let Some((first, number)) = name.rsplit_once(':') else {
        return name;
    };
    let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let repeated = schema
        .fields()
        .iter()
        .any(|field| visible_name(field.name()) == first);
    if numbered && repeated { first } else { name }
}

/// Rows are no values of columns here.
fn refuse_row(field: &Field) -> Result<()> {
    match field.data_type() {
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => Err(external(
            SqlError::unsupported("a row as the value of a column"),
        )),
        _ => Ok(()),
    }
}

/// The Arrow type to cast a result column to before it is encoded, if any.
fn sent_as(actual: &DataType, ty: PgType) -> Option<DataType> {
    match actual {
        DataType::Null => Some(arrow_type(ty)),
        DataType::Utf8 | DataType::LargeUtf8 => Some(DataType::Utf8View),
        DataType::UInt64 if ty == PgType::Int8 => Some(DataType::Int64),
        DataType::UInt64
        | DataType::UInt32
        | DataType::UInt16
        | DataType::UInt8
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
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
        DataType::Time64(TimeUnit::Nanosecond) if matches!(ty, PgType::Enum(_)) => None,
        DataType::Time64(TimeUnit::Nanosecond) | DataType::Time32(_) => {
            Some(DataType::Time64(TimeUnit::Microsecond))
        }
        DataType::Date64 => Some(DataType::Date32),
        _ => None,
    }
}
