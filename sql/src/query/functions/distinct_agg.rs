//! Aggregates that gather distinct values in an order.
//!
//! They sort what they gathered. The planner takes their ORDER BY for one of the rows,
//! which two aggregates may want both ways: it would turn the order of one of them. Here
//! the order belongs to the function, and nothing is asked of the rows.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalSortExpr;

/// `inner` over distinct values, which it sorts in this way.
pub(in crate::query) fn distinct_in_order(
    inner: &Arc<AggregateUDF>,
    ascending: bool,
    nulls_first: bool,
) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(DistinctInOrder {
        inner: Arc::clone(inner),
        ascending,
        nulls_first,
        signature: Signature::variadic_any(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DistinctInOrder {
    inner: Arc<AggregateUDF>,
    ascending: bool,
    nulls_first: bool,
    signature: Signature,
}

impl AggregateUDFImpl for DistinctInOrder {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(arg_fields)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let options = SortOptions {
            descending: !self.ascending,
            nulls_first: self.nulls_first,
        };
        let sorts: Vec<PhysicalSortExpr> = args
            .exprs
            .first()
            .map(|value| PhysicalSortExpr::new(Arc::clone(value), options))
            .into_iter()
            .collect();
        self.inner.accumulator(AccumulatorArgs {
            order_bys: &sorts,
            is_reversed: false,
            is_distinct: true,
            return_field: args.return_field,
            schema: args.schema,
            expr_fields: args.expr_fields,
            ignore_nulls: args.ignore_nulls,
            name: args.name,
            exprs: args.exprs,
        })
    }
}
