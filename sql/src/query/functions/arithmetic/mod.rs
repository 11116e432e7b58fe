//! `+ - * / %` and negation of numbers, checked as PostgreSQL checks them.
//!
//! Integers and numerics that overflow are 22003, division by zero is 22012 for
//! every type, and floats may neither overflow nor underflow. Results of numerics
//! have PostgreSQL's scale: that of a sum or product follows from the operands'
//! and is computed on decimals, that of a quotient depends on the values.

mod decimal;
mod float;
mod negate;
mod operand;
mod result_type;
mod wide;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type};
use arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::error::{external, from_arrow};
use super::super::plan::field_with;
use super::strict;
use crate::error::{SqlError, SqlResult, state};
use crate::types::PgType;

use operand::{Operand, with_operands};

pub(super) use float::num_float::Float;
pub(super) use negate::Negate;

/// An arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::query) enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl ArithmeticOp {
    /// The operator's sign.
    pub(in crate::query) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

/// An operator over two numbers of one type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::query) struct Arithmetic {
    op: ArithmeticOp,
    ty: PgType,
    signature: Signature,
}

impl Arithmetic {
    /// An operator over operands of type `ty`.
    pub(in crate::query) fn new(op: ArithmeticOp, ty: PgType) -> Self {
        Self {
            op,
            ty,
            signature: Signature::any(2, Volatility::Immutable),
        }
    }

    /// The result type.
    pub(super) fn result(&self) -> PgType {
        self.ty
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.op.symbol()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [left, right] => Ok(result_type::result_type(self.op, left, right)),
            _ => Err(external(SqlError::internal(
                "arithmetic takes two operands",
            ))),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(field_with(
            Field::new(self.name(), self.return_type(&types)?, nullable),
            self.ty,
        )))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        strict::simplified(self, args, info)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return Err(external(SqlError::internal(
                "arithmetic takes two operands",
            )));
        };
        let (left, right) = (Operand::of(left)?, Operand::of(right)?);
        let target = args.return_field.data_type();
        let result = compute(self.op, self.ty, &left, &right, target).map_err(external)?;
        operand::value(result, left.constant && right.constant)
    }
}

fn compute(
    op: ArithmeticOp,
    ty: PgType,
    left: &Operand,
    right: &Operand,
    target: &DataType,
) -> SqlResult<ArrayRef> {
    if *target == DataType::LargeBinary {
        return wide::wide(op, left, right);
    }
    match left.array.data_type() {
        DataType::Float64 => float::float::<Float64Type>(op, left, right),
        DataType::Float32 => float::float::<Float32Type>(op, left, right),
        ty if ty.is_decimal() => decimal::decimal(op, left, right, target),
        _ => integer(op, ty, left, right),
    }
}

fn integer(op: ArithmeticOp, ty: PgType, left: &Operand, right: &Operand) -> SqlResult<ArrayRef> {
    with_operands(left, right, |l, r| match op {
        ArithmeticOp::Add => numeric::add(l, r),
        ArithmeticOp::Subtract => numeric::sub(l, r),
        ArithmeticOp::Multiply => numeric::mul(l, r),
        ArithmeticOp::Divide => numeric::div(l, r),
        ArithmeticOp::Modulo => numeric::rem(l, r),
    })
    .map_err(|e| checked(e, ty))
}

fn out_of_range(ty: PgType) -> SqlError {
    SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        match ty {
            PgType::Numeric(_) => "value overflows numeric format".to_owned(),
            ty => format!("{} out of range", ty.base_name()),
        },
    )
}

fn division_by_zero() -> SqlError {
    SqlError::new(state::DIVISION_BY_ZERO, "division by zero")
}

fn checked(error: ArrowError, ty: PgType) -> SqlError {
    match error {
        ArrowError::ArithmeticOverflow(_) => out_of_range(ty),
        ArrowError::DivideByZero => division_by_zero(),
        other => from_arrow(other),
    }
}
