//! `string_agg` of `bytea`.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::array_agg::ArrayAgg;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;

use super::super::error::external;
use crate::error::SqlError;

/// What the aggregate is called once its argument is known to be bytes.
pub(in crate::query) const BYTES_AGG: &str = "__bytes_agg";

static BYTES: LazyLock<Arc<AggregateUDF>> =
    LazyLock::new(|| Arc::new(AggregateUDF::new_from_impl(BytesAgg::new())));

/// The aggregate.
pub(in crate::query) fn bytes_agg() -> Arc<AggregateUDF> {
    Arc::clone(&BYTES)
}

/// Values one after the other, a delimiter between them. They are gathered as an array
/// is, which knows about DISTINCT and ORDER BY.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BytesAgg {
    signature: Signature,
    gather: ArrayAgg,
}

impl BytesAgg {
    fn new() -> Self {
        Self {
            signature: Signature::any(2, Volatility::Immutable),
            gather: ArrayAgg::default(),
        }
    }
}

/// The delimiter, which does not depend on the row; none when it is NULL.
fn delimiter(args: &AccumulatorArgs) -> Result<Vec<u8>> {
    let literal = args.exprs.get(1).and_then(|e| e.downcast_ref::<Literal>());
    match literal.map(Literal::value) {
        Some(
            ScalarValue::BinaryView(bytes)
            | ScalarValue::Binary(bytes)
            | ScalarValue::LargeBinary(bytes),
        ) => Ok(bytes.clone().unwrap_or_default()),
        Some(value) if value.is_null() => Ok(Vec::new()),
        _ => Err(external(SqlError::unsupported(
            "string_agg with a delimiter that is no constant",
        ))),
    }
}

impl AggregateUDFImpl for BytesAgg {
    fn name(&self) -> &str {
        BYTES_AGG
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::BinaryView)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.gather.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let delimiter = delimiter(&args)?;
        let element = args
            .expr_fields
            .first()
            .map_or(DataType::BinaryView, |field| field.data_type().clone());
        let gather = self.gather.accumulator(AccumulatorArgs {
            return_field: Arc::new(Field::new("list", DataType::new_list(element, true), true)),
            exprs: args.exprs.get(..1).unwrap_or_default(),
            expr_fields: args.expr_fields.get(..1).unwrap_or_default(),
            schema: args.schema,
            ignore_nulls: args.ignore_nulls,
            order_bys: args.order_bys,
            is_reversed: args.is_reversed,
            name: args.name,
            is_distinct: args.is_distinct,
        })?;
        Ok(Box::new(Gathered { gather, delimiter }))
    }
}

#[derive(Debug)]
struct Gathered {
    gather: Box<dyn Accumulator>,
    delimiter: Vec<u8>,
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // The values, and what they are sorted by; not the delimiter.
        let others = values.iter().enumerate().filter(|(index, _)| *index != 1);
        let own: Vec<ArrayRef> = others.map(|(_, array)| Arc::clone(array)).collect();
        self.gather.update_batch(&own)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let ScalarValue::List(list) = self.gather.evaluate()? else {
            return Err(external(SqlError::internal("bytes were not gathered")));
        };
        let values = arrow::compute::cast(list.values(), &DataType::BinaryView)?;
        let mut joined: Option<Vec<u8>> = None;
        for value in values.as_binary_view().iter().flatten() {
            match &mut joined {
                Some(bytes) => {
                    bytes.extend_from_slice(&self.delimiter);
                    bytes.extend_from_slice(value);
                }
                None => joined = Some(value.to_vec()),
            }
        }
        Ok(ScalarValue::BinaryView(joined))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.gather.size() + self.delimiter.capacity()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.gather.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.gather.merge_batch(states)
    }
}
