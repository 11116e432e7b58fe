//! `+ - * / %` and negation of numbers, checked as PostgreSQL checks them.
//!
//! Integers and numerics that overflow are 22003, division by zero is 22012 for
//! every type, and floats may neither overflow nor underflow. Sums, differences
//! and products of numerics have PostgreSQL's scale; a quotient has 16 digits
//! after the point, or as many as the operands where that is more.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum as ArrowDatum, PrimitiveArray, Scalar};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, i256,
};
use arrow::error::ArrowError;
use bigdecimal::num_bigint::BigInt;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::super::error::{external, from_arrow};
use super::super::plan::{NUMERIC_SCALE, field_type, field_with};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, Numeric, PgType};

/// Digits of the decimals that numerics are computed in.
const DIGITS: u8 = 38;
/// Digits of the wide decimals.
const WIDE_DIGITS: u8 = 76;

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

fn decimal_parts(ty: &DataType) -> Option<(u8, i8)> {
    match ty {
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => Some((*p, *s)),
        _ => None,
    }
}

/// The Arrow type of a result.
fn result_type(op: ArithmeticOp, left: &DataType, right: &DataType) -> DataType {
    let (Some((p1, s1)), Some((p2, s2))) = (decimal_parts(left), decimal_parts(right)) else {
        return if left.is_null() {
            right.clone()
        } else {
            left.clone()
        };
    };
    let wide =
        matches!(left, DataType::Decimal256(..)) || matches!(right, DataType::Decimal256(..));
    let whole = |p: u8, s: i8| i16::from(p) - i16::from(s);
    let (precision, scale) = match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract => {
            let scale = s1.max(s2);
            (
                whole(p1, s1).max(whole(p2, s2)) + 1 + i16::from(scale),
                scale,
            )
        }
        ArithmeticOp::Multiply => (i16::from(p1) + i16::from(p2), s1.saturating_add(s2)),
        ArithmeticOp::Divide => {
            let scale = s1.max(s2).max(NUMERIC_SCALE);
            (i16::from(DIGITS), scale)
        }
        ArithmeticOp::Modulo => {
            let scale = s1.max(s2);
            (whole(p1, s1).min(whole(p2, s2)) + i16::from(scale), scale)
        }
    };
    // More digits than fit are cut off at the front: a value that needs them is
    // out of range when it comes up.
    let limit = if wide || scale > 28 {
        WIDE_DIGITS
    } else {
        DIGITS
    };
    let precision = u8::try_from(precision.clamp(1, i16::from(limit))).unwrap_or(limit);
    let precision = precision.max(u8::try_from(scale).unwrap_or(0)).min(limit);
    if limit == DIGITS {
        DataType::Decimal128(precision, scale)
    } else {
        DataType::Decimal256(precision, scale)
    }
}

/// An operand as Arrow's kernels take it.
fn operand(value: &ColumnarValue) -> Result<(ArrayRef, bool)> {
    Ok(match value {
        ColumnarValue::Array(array) => (Arc::clone(array), false),
        ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
    })
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
            [left, right] => Ok(result_type(self.op, left, right)),
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

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return Err(external(SqlError::internal(
                "arithmetic takes two operands",
            )));
        };
        let (left, left_constant) = operand(left)?;
        let (right, right_constant) = operand(right)?;
        let target = args.return_field.data_type();
        let result = compute(
            self.op,
            self.ty,
            (&left, left_constant),
            (&right, right_constant),
            target,
        )
        .map_err(external)?;
        if left_constant && right_constant {
            return Ok(ColumnarValue::Scalar(
                datafusion::common::ScalarValue::try_from_array(&result, 0)?,
            ));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn compute(
    op: ArithmeticOp,
    ty: PgType,
    left: (&ArrayRef, bool),
    right: (&ArrayRef, bool),
    target: &DataType,
) -> SqlResult<ArrayRef> {
    match left.0.data_type() {
        DataType::Float64 => float::<Float64Type>(op, left, right),
        DataType::Float32 => float::<Float32Type>(op, left, right),
        ty if ty.is_decimal() => decimal(op, left, right, target),
        _ => integer(op, ty, left, right),
    }
}

fn with_operands<R>(
    left: (&ArrayRef, bool),
    right: (&ArrayRef, bool),
    run: impl Fn(&dyn ArrowDatum, &dyn ArrowDatum) -> R,
) -> R {
    match (left.1, right.1) {
        (false, false) => run(left.0, right.0),
        (true, false) => run(&Scalar::new(Arc::clone(left.0)), right.0),
        (false, true) => run(left.0, &Scalar::new(Arc::clone(right.0))),
        (true, true) => run(left.0, right.0),
    }
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

fn integer(
    op: ArithmeticOp,
    ty: PgType,
    left: (&ArrayRef, bool),
    right: (&ArrayRef, bool),
) -> SqlResult<ArrayRef> {
    with_operands(left, right, |l, r| match op {
        ArithmeticOp::Add => numeric::add(l, r),
        ArithmeticOp::Subtract => numeric::sub(l, r),
        ArithmeticOp::Multiply => numeric::mul(l, r),
        ArithmeticOp::Divide => numeric::div(l, r),
        ArithmeticOp::Modulo => numeric::rem(l, r),
    })
    .map_err(|e| checked(e, ty))
}

/// Values of an operand, row by row.
struct Rows<'a, T: ArrowPrimitiveType> {
    array: &'a PrimitiveArray<T>,
    constant: bool,
}

impl<'a, T: ArrowPrimitiveType> Rows<'a, T> {
    fn new(operand: (&'a ArrayRef, bool)) -> Self {
        Self {
            array: operand.0.as_primitive::<T>(),
            constant: operand.1,
        }
    }

    fn get(&self, row: usize) -> Option<T::Native> {
        let row = if self.constant { 0 } else { row };
        (row < self.array.len() && self.array.is_valid(row)).then(|| self.array.value(row))
    }
}

fn row_count(left: (&ArrayRef, bool), right: (&ArrayRef, bool)) -> usize {
    match (left.1, right.1) {
        (false, _) => left.0.len(),
        (true, false) => right.0.len(),
        (true, true) => 1,
    }
}

fn float<T>(
    op: ArithmeticOp,
    left: (&ArrayRef, bool),
    right: (&ArrayRef, bool),
) -> SqlResult<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: num_float::Float,
{
    use num_float::Float;
    if right.0.data_type() != left.0.data_type() {
        return Err(SqlError::internal("float operands of two types"));
    }
    let (l, r) = (Rows::<T>::new(left), Rows::<T>::new(right));
    let rows = row_count(left, right);
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let (Some(a), Some(b)) = (l.get(row), r.get(row)) else {
            out.push(None);
            continue;
        };
        let value = match op {
            ArithmeticOp::Add => a.plus(b),
            ArithmeticOp::Subtract => a.minus(b),
            ArithmeticOp::Multiply => a.times(b),
            ArithmeticOp::Divide if b.is_zero() && !a.is_nan() => return Err(division_by_zero()),
            ArithmeticOp::Divide | ArithmeticOp::Modulo => a.over(b),
        };
        if value.is_infinite() && !a.is_infinite() && !b.is_infinite() {
            return Err(SqlError::new(
                state::NUMERIC_VALUE_OUT_OF_RANGE,
                "value out of range: overflow",
            ));
        }
        let underflow = match op {
            ArithmeticOp::Multiply => !a.is_zero() && !b.is_zero(),
            ArithmeticOp::Divide => !a.is_zero() && !b.is_infinite(),
            _ => false,
        };
        if value.is_zero() && underflow {
            return Err(SqlError::new(
                state::NUMERIC_VALUE_OUT_OF_RANGE,
                "value out of range: underflow",
            ));
        }
        out.push(Some(value));
    }
    Ok(Arc::new(PrimitiveArray::<T>::from_iter(out)))
}

/// The few things floats of both sizes do here.
mod num_float {
    pub(super) trait Float: Copy {
        fn plus(self, other: Self) -> Self;
        fn minus(self, other: Self) -> Self;
        fn times(self, other: Self) -> Self;
        fn over(self, other: Self) -> Self;
        fn is_zero(self) -> bool;
        fn is_nan(self) -> bool;
        fn is_infinite(self) -> bool;
    }

    macro_rules! float {
        ($ty:ty) => {
            impl Float for $ty {
                fn plus(self, other: Self) -> Self {
                    self + other
                }
                fn minus(self, other: Self) -> Self {
                    self - other
                }
                fn times(self, other: Self) -> Self {
                    self * other
                }
                fn over(self, other: Self) -> Self {
                    self / other
                }
                fn is_zero(self) -> bool {
                    self == 0.0
                }
                fn is_nan(self) -> bool {
                    <$ty>::is_nan(self)
                }
                fn is_infinite(self) -> bool {
                    <$ty>::is_infinite(self)
                }
            }
        };
    }
    float!(f32);
    float!(f64);
}

fn decimal(
    op: ArithmeticOp,
    left: (&ArrayRef, bool),
    right: (&ArrayRef, bool),
    target: &DataType,
) -> SqlResult<ArrayRef> {
    let ty = PgType::Numeric(None);
    let narrow = |t: &DataType| matches!(t, DataType::Decimal128(..));
    let all_narrow = narrow(left.0.data_type()) && narrow(right.0.data_type()) && narrow(target);
    if all_narrow && op != ArithmeticOp::Divide {
        // Arrow computes the scale as PostgreSQL does; its precision is ours or less.
        let result = with_operands(left, right, |l, r| match op {
            ArithmeticOp::Add => numeric::add(l, r),
            ArithmeticOp::Subtract => numeric::sub(l, r),
            ArithmeticOp::Multiply => numeric::mul(l, r),
            _ => numeric::rem(l, r),
        })
        .map_err(|e| checked(e, ty))?;
        return retyped(&result, target);
    }
    let (l, r) = (BigRows::new(left)?, BigRows::new(right)?);
    let scale = decimal_parts(target).map_or(0, |(_, s)| s);
    let rows = row_count(left, right);
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let (Some(a), Some(b)) = (l.get(row), r.get(row)) else {
            out.push(Datum::Null);
            continue;
        };
        out.push(Datum::Numeric(big(
            op,
            (&a, l.scale),
            (&b, r.scale),
            scale,
        )?));
    }
    super::super::arrow_value::array_of(&out, target)
}

/// A decimal array under the precision its type was announced with.
fn retyped(array: &ArrayRef, target: &DataType) -> SqlResult<ArrayRef> {
    match (array.data_type(), target) {
        (own, target) if own == target => Ok(Arc::clone(array)),
        (DataType::Decimal128(_, own), DataType::Decimal128(precision, scale)) if own == scale => {
            let decimals = array.as_primitive::<Decimal128Type>().clone();
            Ok(Arc::new(
                decimals
                    .with_precision_and_scale(*precision, *scale)
                    .map_err(|_| out_of_range(PgType::Numeric(None)))?,
            ))
        }
        _ => arrow::compute::cast(array, target).map_err(from_arrow),
    }
}

/// Unscaled values of decimals of either width.
struct BigRows<'a> {
    array: &'a ArrayRef,
    constant: bool,
    scale: i8,
}

impl<'a> BigRows<'a> {
    fn new(operand: (&'a ArrayRef, bool)) -> SqlResult<Self> {
        let (_, scale) = decimal_parts(operand.0.data_type())
            .ok_or_else(|| SqlError::internal("a decimal operand is none"))?;
        Ok(Self {
            array: operand.0,
            constant: operand.1,
            scale,
        })
    }

    fn get(&self, row: usize) -> Option<BigInt> {
        let row = if self.constant { 0 } else { row };
        if row >= self.array.len() || self.array.is_null(row) {
            return None;
        }
        match self.array.data_type() {
            DataType::Decimal128(..) => Some(BigInt::from(
                self.array.as_primitive::<Decimal128Type>().value(row),
            )),
            _ => {
                let wide: i256 = self
                    .array
                    .as_primitive::<arrow::datatypes::Decimal256Type>()
                    .value(row);
                Some(BigInt::from_signed_bytes_le(&wide.to_le_bytes()))
            }
        }
    }
}

fn power(exponent: i16) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}

fn big(
    op: ArithmeticOp,
    left: (&BigInt, i8),
    right: (&BigInt, i8),
    scale: i8,
) -> SqlResult<Numeric> {
    let to = |value: &BigInt, from: i8, to: i8| value * power(i16::from(to) - i16::from(from));
    let digits = u16::try_from(scale).unwrap_or(0);
    let common = left.1.max(right.1);
    Ok(match op {
        ArithmeticOp::Add => Numeric::from_bigint(
            to(left.0, left.1, common) + to(right.0, right.1, common),
            digits,
        ),
        ArithmeticOp::Subtract => Numeric::from_bigint(
            to(left.0, left.1, common) - to(right.0, right.1, common),
            digits,
        ),
        ArithmeticOp::Multiply => Numeric::from_bigint(left.0 * right.0, digits),
        ArithmeticOp::Modulo => {
            let divisor = to(right.0, right.1, common);
            if divisor == BigInt::ZERO {
                return Err(division_by_zero());
            }
            Numeric::from_bigint(to(left.0, left.1, common) % divisor, digits)
        }
        ArithmeticOp::Divide => quotient(left, right, digits)?,
    })
}

/// A quotient rounded half away from zero to `scale` digits.
fn quotient(left: (&BigInt, i8), right: (&BigInt, i8), scale: u16) -> SqlResult<Numeric> {
    if *right.0 == BigInt::ZERO {
        return Err(division_by_zero());
    }
    // One digit more than asked for would not round right; the remainder does.
    let shift = i16::try_from(scale).unwrap_or(0) + i16::from(right.1) - i16::from(left.1);
    let (numerator, denominator) = if shift >= 0 {
        (left.0 * power(shift), right.0.clone())
    } else {
        (left.0.clone(), right.0 * power(-shift))
    };
    let (whole, rest) = (&numerator / &denominator, &numerator % &denominator);
    let twice = BigInt::from(rest.magnitude().clone()) * 2u8;
    let negative = (numerator < BigInt::ZERO) != (denominator < BigInt::ZERO);
    let rounded = if twice >= BigInt::from(denominator.magnitude().clone()) {
        if negative { whole - 1u8 } else { whole + 1u8 }
    } else {
        whole
    };
    Ok(Numeric::from_bigint(rounded, scale))
}

/// Divides two numerics to `scale` digits.
pub(super) fn divide(left: &Numeric, right: &Numeric, scale: u16) -> SqlResult<Numeric> {
    let parts = |n: &Numeric| -> SqlResult<(BigInt, i8)> {
        let scale = i8::try_from(n.scale()).map_err(|_| out_of_range(PgType::Numeric(None)))?;
        n.unscaled()
            .map(|unscaled| (unscaled, scale))
            .ok_or_else(|| SqlError::unsupported("dividing NaN or infinite numeric values"))
    };
    let (l, r) = (parts(left)?, parts(right)?);
    quotient((&l.0, l.1), (&r.0, r.1), scale)
}

/// The quotient of two constants at exactly the scale PostgreSQL chooses for
/// them (`select_div_scale` in numeric.c); `None` when one is NULL or no number.
pub(in crate::query) fn divide_constants(left: &Datum, right: &Datum) -> SqlResult<Option<Datum>> {
    let (Datum::Numeric(a), Datum::Numeric(b)) = (left, right) else {
        return Ok(None);
    };
    if b.is_zero() || a.unscaled().is_none() || b.unscaled().is_none() {
        return Ok(None);
    }
    let scale = division_scale(a, b);
    if scale > 30 {
        return Ok(None);
    }
    divide(a, b, scale).map(|q| Some(Datum::Numeric(q)))
}

/// Digits after the point of a quotient: at least 16 significant ones.
fn division_scale(left: &Numeric, right: &Numeric) -> u16 {
    let (w1, f1) = leading(left);
    let (w2, f2) = leading(right);
    let mut weight = w1 - w2;
    if f1 <= f2 {
        weight -= 1;
    }
    let wanted = 16 - weight * 4;
    let least = i32::from(left.scale().max(right.scale()));
    u16::try_from(wanted.max(least).max(0)).unwrap_or(0)
}

/// Weight and value of the first digit in base 10,000.
fn leading(value: &Numeric) -> (i32, u32) {
    let digits = value.digits();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return (0, 0);
    }
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // Position of the first decimal digit: 0 = units.
    let first = count - i32::from(value.scale()) - 1;
    let weight = first.div_euclid(4);
    let take = usize::try_from(first.rem_euclid(4) + 1).unwrap_or(1);
    let mut head: String = digits.chars().take(take).collect();
    while head.len() < take {
        head.push('0');
    }
    (weight, head.parse().unwrap_or(0))
}

/// `-x`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Negate {
    signature: Signature,
}

impl Negate {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }

    /// The result type for an argument of this type.
    pub(super) fn result(types: &[PgType]) -> SqlResult<PgType> {
        match types.first() {
            Some(
                ty @ (PgType::Int2
                | PgType::Int4
                | PgType::Int8
                | PgType::Float4
                | PgType::Float8
                | PgType::Numeric(_)
                | PgType::Interval),
            ) => Ok(*ty),
            other => Err(SqlError::new(
                state::UNDEFINED_FUNCTION,
                format!(
                    "operator does not exist: - {}",
                    other.map_or("unknown", |ty| ty.base_name())
                ),
            )
            .hint("No operator matches the given name and argument type. You might need to add an explicit type cast.")),
        }
    }
}

impl ScalarUDFImpl for Negate {
    fn name(&self) -> &str {
        "__neg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(field) = args.arg_fields.first() else {
            return Err(external(SqlError::internal("negation takes one operand")));
        };
        let plain = Field::new(self.name(), field.data_type().clone(), field.is_nullable());
        Ok(Arc::new(field_with(plain, field_type(field))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(argument) = args.args.first() else {
            return Err(external(SqlError::internal("negation takes one operand")));
        };
        let ty = args
            .arg_fields
            .first()
            .map_or(PgType::Int8, |f| field_type(f));
        let (array, constant) = operand(argument)?;
        let result = numeric::neg(array.as_ref()).map_err(|e| external(checked(e, ty)))?;
        if constant {
            return Ok(ColumnarValue::Scalar(
                datafusion::common::ScalarValue::try_from_array(&result, 0)?,
            ));
        }
        Ok(ColumnarValue::Array(result))
    }
}
