//! Aggregates and window functions, whose order and DISTINCT are those of the
//! values rather than of the form Arrow keeps them in.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Cast, Sort, WindowFunction};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::super::super::error::external;
use super::super::super::functions;
use super::super::analyze::Analyzer;
use crate::error::{SqlError, state};
use crate::types::PgType;

impl Analyzer {
    /// A call of an aggregate.
    pub(super) fn aggregate_call(
        &self,
        mut call: AggregateFunction,
        schema: &DFSchema,
    ) -> Result<Expr> {
        if call.func.name() == functions::TOTAL {
            self.settle_total(&mut call.params.args, schema)?;
            call.func = functions::sum();
        }
        if call.func.name() == "sum" {
            self.widen_sum(&mut call.params.args, schema)?;
        }
        Self::check_aggregate(&call)?;
        if call.func.name() == "string_agg" {
            self.joined(&mut call, schema)?;
        }
        self.sorted_by(&mut call.params.order_by, schema)?;
        sort_once(&mut call.params.order_by);
        if call.params.distinct {
            self.distinct_arguments(&mut call, schema)?;
            sort_distinct(&mut call);
        }
        self.extreme(call, schema)
    }

    /// What an aggregate must not be asked.
    fn check_aggregate(call: &AggregateFunction) -> Result<()> {
        let params = &call.params;
        let is_argument = |sort: &Sort| {
            let by = sort.expr.clone().unalias();
            params.args.iter().any(|arg| arg.clone().unalias() == by)
        };
        if params.distinct && !params.order_by.iter().all(is_argument) {
            return Err(external(SqlError::new(
                state::INVALID_COLUMN_REFERENCE,
                "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
            )));
        }
        Ok(())
    }

    /// `string_agg` of text or of bytes. Distinct values come sorted, as PostgreSQL
    /// finds them by sorting.
    fn joined(&self, call: &mut AggregateFunction, schema: &DFSchema) -> Result<()> {
        if let (true, true, Some(value)) = (
            call.params.distinct,
            call.params.order_by.is_empty(),
            call.params.args.first(),
        ) {
            call.params.order_by = vec![Sort::new(value.clone(), true, false)];
        }
        if self.joins_bytes(&mut call.params.args, schema)? {
            call.func = functions::bytes_agg();
        }
        Ok(())
    }

    /// Whether the arguments of `string_agg` are bytes; a delimiter beside bytes is made
    /// bytes too.
    pub(super) fn joins_bytes(&self, args: &mut [Expr], schema: &DFSchema) -> Result<bool> {
        let [value, delimiter] = args else {
            return Ok(false);
        };
        let bytes = self.type_of(value, schema)? == PgType::Bytea;
        if bytes {
            *delimiter = self.coerced(std::mem::take(delimiter), PgType::Bytea, schema)?;
        }
        Ok(bytes)
    }

    /// DISTINCT by what the arguments compare. A count may count the keys.
    fn distinct_arguments(&self, call: &mut AggregateFunction, schema: &DFSchema) -> Result<()> {
        for arg in &mut call.params.args {
            let before = arg.get_type(schema)?;
            let key = self.compared_by(arg.clone(), schema)?;
            if key.get_type(schema)? == before {
                *arg = key;
                continue;
            }
            if !matches!(call.func.name(), "count" | "min" | "max") {
                return Err(external(SqlError::unsupported(format!(
                    "{} of DISTINCT values of type {}",
                    call.func.name(),
                    self.type_of(arg, schema)?.base_name()
                ))));
            }
            if call.func.name() == "count" {
                *arg = key;
            }
        }
        Ok(())
    }

    /// The least or greatest interval is the first by length.
    fn extreme(&self, mut call: AggregateFunction, schema: &DFSchema) -> Result<Expr> {
        let ascending = match call.func.name() {
            "min" => true,
            "max" => false,
            _ => return Ok(Expr::AggregateFunction(call)),
        };
        let Some(arg) = call.params.args.first() else {
            return Ok(Expr::AggregateFunction(call));
        };
        if self.type_of(arg, schema)? == PgType::Interval {
            let by = self.compared_by(arg.clone(), schema)?;
            call.params.order_by = vec![Sort::new(by, ascending, false)];
            call.params.distinct = false;
            call.func = first_value_udaf();
        }
        Ok(Expr::AggregateFunction(call))
    }

    /// The order and the partitions of a window.
    pub(super) fn window_call(&self, call: &mut WindowFunction, schema: &DFSchema) -> Result<()> {
        for expr in &mut call.params.partition_by {
            *expr = self.compared_by(std::mem::take(expr), schema)?;
        }
        for sort in &mut call.params.order_by {
            let expr = std::mem::take(&mut sort.expr);
            sort.expr = self.framed_by(expr, schema)?;
        }
        if call.params.distinct {
            return Err(external(SqlError::unsupported(
                "DISTINCT for window functions",
            )));
        }
        Ok(())
    }
}

impl Analyzer {
    /// What a window is sorted by, in a form that the planner finds frames over: numbers
    /// and texts.
    fn framed_by(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        if expr.get_type(schema)? == DataType::LargeBinary {
            return Ok(functions::numeric_key_text(expr));
        }
        let key = self.compared_by(expr, schema)?;
        Ok(match key.get_type(schema)? {
            DataType::BinaryView => functions::numeric_key_text(key),
            DataType::Time64(_) => Expr::Cast(Cast::new(Box::new(key), DataType::Int64)),
            DataType::Boolean => Expr::Cast(Cast::new(Box::new(key), DataType::Int32)),
            _ => key,
        })
    }
}

/// What was sorted by before sorts nothing, and the planner loses count over it.
pub(in super::super) fn sort_once(sorts: &mut Vec<Sort>) {
    let mut kept: Vec<Sort> = Vec::with_capacity(sorts.len());
    for sort in std::mem::take(sorts) {
        if !kept.iter().any(|before| before.expr == sort.expr) {
            kept.push(sort);
        }
    }
    *sorts = kept;
}

/// Distinct values that are gathered are sorted by the aggregate itself.
fn sort_distinct(call: &mut AggregateFunction) {
    if !matches!(
        call.func.name(),
        "array_agg" | "string_agg" | functions::BYTES_AGG
    ) {
        return;
    }
    let ([sort], Some(value)) = (call.params.order_by.as_slice(), call.params.args.first()) else {
        return;
    };
    if sort.expr.clone().unalias() == value.clone().unalias() {
        call.func = functions::distinct_in_order(&call.func, sort.asc, sort.nulls_first);
        call.params.order_by.clear();
    }
}
