//! Making expressions have the type their place wants.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Cast, Placeholder};
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};
use std::sync::Arc;

use super::super::arrow_value::{datum_of_scalar, scalar_as, scalar_of_datum, type_of_arrow};
use super::super::cast::{CastFunction, cannot_cast, cast_value, castable};
use super::super::error::external;
use super::analyze::Analyzer;
use super::types::{arrow_type, field_with, parameter_index, type_metadata};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType, text_in};

/// Place of a number type in PostgreSQL's order of implicit casts.
fn number_rank(ty: PgType) -> Option<u8> {
    Some(match ty {
        PgType::Int2 => 0,
        PgType::Int4 => 1,
        PgType::Int8 => 2,
        PgType::Numeric(_) => 3,
        PgType::Float4 => 4,
        PgType::Float8 => 5,
        _ => return None,
    })
}

/// Whether the type is a number.
pub(super) fn is_number(ty: PgType) -> bool {
    number_rank(ty).is_some()
}

/// A type without length or precision.
pub(crate) fn bare(ty: PgType) -> PgType {
    match ty {
        PgType::Numeric(_) => PgType::Numeric(None),
        PgType::Varchar(_) => PgType::Varchar(None),
        PgType::Char(_) => PgType::Char(0),
        PgType::Bit(_) => PgType::Bit(None),
        PgType::Varbit(_) => PgType::Varbit(None),
        other => other.plain(),
    }
}

/// The type two operands of a comparison, or two branches, have in common.
pub(crate) fn unify(a: PgType, b: PgType) -> Option<PgType> {
    use PgType::{Date, Timestamp, Timestamptz, Unknown};
    if a == b {
        return Some(a);
    }
    let (a, b) = (a.plain(), b.plain());
    match (a, b) {
        (PgType::Bit(_) | PgType::Varbit(_), PgType::Bit(_) | PgType::Varbit(_))
            if a.oid() != b.oid() =>
        {
            return Some(PgType::Varbit(None));
        }
        (PgType::Time, PgType::Timetz) | (PgType::Timetz, PgType::Time) => {
            return Some(PgType::Timetz);
        }
        (Unknown, other) | (other, Unknown) => return Some(bare(other)),
        (Date, Timestamp) | (Timestamp, Date) => return Some(Timestamp),
        (Date | Timestamp, Timestamptz) | (Timestamptz, Date | Timestamp) => {
            return Some(Timestamptz);
        }
        (PgType::Oid, b) if is_integer(b) => return Some(PgType::Oid),
        (a, PgType::Oid) if is_integer(a) => return Some(PgType::Oid),
        (PgType::Array(x), PgType::Array(y)) => {
            return unify(*x, *y).and_then(PgType::array_of);
        }
        _ => {}
    }
    if let (Some(x), Some(y)) = (number_rank(a), number_rank(b)) {
        let wider = if x >= y { a } else { b };
        return Some(bare(wider));
    }
    if a.is_textual() && b.is_textual() {
        return Some(match (bare(a), bare(b)) {
            (x, y) if x == y => x,
            _ => PgType::Text,
        });
    }
    (a.oid() == b.oid()).then(|| bare(a))
}

fn is_integer(ty: PgType) -> bool {
    matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8)
}

/// The type of NULLIF: that of its first argument where there is an operator that
/// compares the two as they are, else the one that both are brought to.
///
/// # Errors
/// 42804 when there is none.
pub(super) fn nullif_type(types: &[PgType]) -> SqlResult<PgType> {
    match types {
        [first, other] if compares_as_is(*first, *other) => Ok(*first),
        _ => common("NULLIF", types),
    }
}

/// Whether an operator of PostgreSQL's compares values of two types without a cast.
fn compares_as_is(left: PgType, right: PgType) -> bool {
    use PgType::{Date, Float4, Float8, Int2, Int4, Int8, Timestamp, Timestamptz};
    let integer = |ty| matches!(ty, Int2 | Int4 | Int8);
    let float = |ty| matches!(ty, Float4 | Float8);
    let moment = |ty| matches!(ty, Date | Timestamp | Timestamptz);
    left != right
        && (integer(left) && integer(right)
            || float(left) && float(right)
            || moment(left) && moment(right))
}

/// The common type of the branches of `construct`; text when all are unknown.
///
/// # Errors
/// 42804 when the types do not go together.
pub(super) fn common(construct: &str, types: &[PgType]) -> SqlResult<PgType> {
    let mut result = PgType::Unknown;
    for ty in types {
        result = unify(result, *ty).ok_or_else(|| {
            SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "{construct} types {} and {} cannot be matched",
                    result.base_name(),
                    ty.base_name()
                ),
            )
        })?;
    }
    Ok(match result {
        PgType::Unknown => PgType::Text,
        ty => ty,
    })
}

/// Whether PostgreSQL casts without being asked.
pub(crate) fn implicit(from: PgType, to: PgType) -> bool {
    use PgType::{Date, Int2, Int4, Int8, Oid, Time, Timestamp, Timestamptz, Unknown};
    if from.oid() == to.oid() || from == Unknown {
        return true;
    }
    let (from, to) = (from.plain(), to.plain());
    match (number_rank(from), number_rank(to)) {
        (Some(a), Some(b)) => return a <= b,
        (None, None) => {}
        _ => return matches!((from, to), (Int2 | Int4 | Int8, Oid) | (Oid, Int8)),
    }
    if from.is_textual() && to.is_textual() {
        return !matches!(to, PgType::InternalChar);
    }
    match (from, to) {
        (Date, Timestamp | Timestamptz) | (Timestamp, Timestamptz) | (Time, PgType::Interval) => {
            true
        }
        (Time, PgType::Timetz) => true,
        (PgType::Bit(_) | PgType::Varbit(_), PgType::Bit(_) | PgType::Varbit(_)) => true,
        (PgType::Array(a), PgType::Array(b)) => a.oid() == b.oid(),
        (PgType::Int2Vector | PgType::OidVector, PgType::Array(_)) => true,
        _ => false,
    }
}

/// Whether PostgreSQL casts when a value of type `from` is assigned to `to`.
pub(crate) fn assignable(from: PgType, to: PgType) -> bool {
    let (from, to) = (from.base(), to.base());
    let number = |ty| number_rank(ty).is_some();
    implicit(from, to)
        || (number(from) && number(to))
        || matches!(
            (from.plain(), to.plain()),
            (
                PgType::Timestamp | PgType::Timestamptz,
                PgType::Date | PgType::Time
            ) | (PgType::Timestamptz, PgType::Timestamp)
                | (PgType::Interval, PgType::Time)
                | (PgType::Json, PgType::Jsonb)
                | (PgType::Jsonb, PgType::Json)
        )
        || matches!(to, PgType::Text | PgType::Varchar(_) | PgType::Char(_))
        || match (from, to) {
            (PgType::Array(a), PgType::Array(b)) => assignable(*a, *b),
            (PgType::Composite(a), PgType::Composite(b)) => {
                let (a, b) = (a.attributes(), b.attributes());
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| assignable(a.ty, b.ty))
            }
            _ => false,
        }
}

/// A literal of type `ty`.
pub(super) fn literal(value: &Datum, ty: PgType) -> SqlResult<Expr> {
    let scalar = scalar_of_datum(value, ty)?;
    // A text literal must be told from one whose type is not known yet.
    let plain = type_of_arrow(&scalar.data_type()) == ty && !ty.is_textual();
    let metadata = (!plain).then(|| type_metadata(ty));
    Ok(Expr::Literal(scalar, metadata))
}

/// Whether an Arrow cast does what PostgreSQL's does, for every value.
fn arrow_casts(from: PgType, to: PgType) -> bool {
    use PgType::{Float4, Float8, Int2, Int4, Int8, Numeric};
    matches!(
        (from, to),
        (Int2, Int4 | Int8 | Float4 | Float8)
            | (Int4, Int8 | Float4 | Float8)
            | (Int8, Float4 | Float8)
            | (Float4, Float8)
            | (Int2 | Int4 | Int8, Numeric(None))
            | (Numeric(_), Float8)
    )
}

/// The Arrow type an integer has as `numeric`.
fn integer_decimal(from: PgType) -> Option<DataType> {
    Some(match from {
        PgType::Int2 => DataType::Decimal128(5, 0),
        PgType::Int4 => DataType::Decimal128(10, 0),
        PgType::Int8 => DataType::Decimal128(19, 0),
        _ => return None,
    })
}

/// The value and type of a constant argument of a function in FROM.
///
/// # Errors
/// 22P02 and the like for a literal that is no value of its type.
pub(in crate::query) fn constant_of(
    expr: &Expr,
    format: &crate::types::SessionFormat,
) -> SqlResult<Option<(Datum, PgType)>> {
    Analyzer::for_constants(*format).constant(expr).transpose()
}

impl Analyzer {
    /// The value of a constant: a literal, or a cast of one that planning adds.
    pub(super) fn constant(&self, expr: &Expr) -> Option<SqlResult<(Datum, PgType)>> {
        match expr {
            Expr::Alias(alias) => self.constant(&alias.expr),
            Expr::Literal(value, _) => {
                let ty = self
                    .type_of(expr, &datafusion::common::DFSchema::empty())
                    .ok()?;
                Some(datum_of_scalar(value, ty).map(|datum| (datum, ty)))
            }
            Expr::Cast(Cast { expr, field }) => {
                let to = super::types::field_type(field);
                Some(match self.constant(expr)? {
                    Ok((value, from)) => self.cast_constant(value, from, to).map(|v| (v, to)),
                    Err(error) => Err(error),
                })
            }
            _ => None,
        }
    }

    fn cast_constant(&self, value: Datum, from: PgType, to: PgType) -> SqlResult<Datum> {
        match value {
            Datum::Null => Ok(Datum::Null),
            Datum::Text(_) if matches!(to, PgType::Bit(Some(_)) | PgType::Varbit(Some(_))) => {
                cast_value(value, to, &self.format)
            }
            Datum::Text(text) if from == PgType::Unknown && !to.is_textual() => {
                text_in::text_in(to, &text, &self.format)
            }
            value => {
                if !castable(from, to) {
                    return Err(cannot_cast(from, to));
                }
                cast_value(value, to, &self.format)
            }
        }
    }

    /// `expr`, which has type `from`, as an expression of type `to`. The cast may
    /// be an implicit one or one that was asked for: what is allowed is the
    /// caller's business.
    ///
    /// # Errors
    /// 22P02 and the like for a literal that is no value of the type; 42846 when
    /// there is no cast.
    pub(super) fn coerce(
        &self,
        expr: Expr,
        from: PgType,
        to: PgType,
        schema: &dyn ExprSchema,
    ) -> Result<Expr> {
        if let Expr::Placeholder(Placeholder { id, field: None }) = &expr {
            return self.typed_parameter(id, to, schema);
        }
        if let Some(constant) = self.constant(&expr) {
            let (value, own) = constant.map_err(external)?;
            let value = self.cast_constant(value, own, to).map_err(external)?;
            return literal(&value, to).map_err(external);
        }
        if from == to || (from.oid() == to.oid() && bare(to) == to) {
            return self.plain(expr, to, schema);
        }
        if !castable(from, to) {
            return Err(external(cannot_cast(from, to)));
        }
        // A numeric of any size is no number to Arrow.
        let any_size = expr.get_type(schema)? == DataType::LargeBinary;
        if arrow_casts(from, to) && !any_size {
            let target = match to {
                PgType::Numeric(_) => integer_decimal(from).unwrap_or_else(|| arrow_type(to)),
                _ => arrow_type(to),
            };
            let field = field_with(Field::new("cast", target, true), to);
            return Ok(Expr::Cast(Cast::new_from_field(
                Box::new(expr),
                Arc::new(field),
            )));
        }
        if from.is_textual() && matches!(to, PgType::Text | PgType::Varchar(None)) {
            return self.plain(expr, to, schema);
        }
        let function = CastFunction::new(from, to, arrow_type(to));
        Ok(ScalarUDF::new_from_impl(function).call(vec![expr]))
    }

    /// An expression that has the type already; Arrow may still keep it otherwise
    /// (a count is unsigned there, a string may be of another layout).
    fn plain(&self, expr: Expr, ty: PgType, schema: &dyn ExprSchema) -> Result<Expr> {
        let actual = expr.get_type(schema)?;
        let wanted = arrow_type(ty);
        let same = actual == wanted
            || actual.is_decimal() && is_numeric_arrow(&wanted)
            || actual.is_string() && wanted.is_string()
            || actual.is_binary() && wanted.is_binary()
            // The list of an aggregate, for the function that makes an array of it.
            || matches!(actual, DataType::List(_)) && ty.element().is_some();
        if same {
            return Ok(expr);
        }
        if is_numeric_arrow(&wanted) || ty.element() == Some(PgType::Numeric(None)) {
            let function = CastFunction::new(ty, ty, wanted);
            return Ok(ScalarUDF::new_from_impl(function).call(vec![expr]));
        }
        let field = field_with(Field::new("cast", wanted, true), ty);
        Ok(Expr::Cast(Cast::new_from_field(
            Box::new(expr),
            Arc::new(field),
        )))
    }

    /// A parameter whose place wants type `ty`, cast when its type is another.
    fn typed_parameter(&self, id: &str, ty: PgType, schema: &dyn ExprSchema) -> Result<Expr> {
        let index = parameter_index(id).map_err(external)?;
        let own = self.settle_parameter(index, bare(ty));
        let field = super::types::typed_field(id, own, true);
        let typed = Expr::Placeholder(Placeholder::new_with_field(
            id.to_owned(),
            Some(Arc::new(field)),
        ));
        if own == bare(ty) {
            return Ok(typed);
        }
        self.coerce(typed, own, ty, schema)
    }

    /// Two numeric constants or columns brought to one decimal type, so that
    /// comparing them is comparing integers. A constant takes the column's scale
    /// when that loses nothing, which lets the comparison reach the key.
    pub(super) fn align_decimals(
        &self,
        left: Expr,
        right: Expr,
        schemas: [&dyn ExprSchema; 2],
    ) -> Result<(Expr, Expr)> {
        let [ls, rs] = schemas;
        let (lt, rt) = (left.get_type(ls)?, right.get_type(rs)?);
        if lt == rt || !lt.is_decimal() || !rt.is_decimal() {
            return Ok((left, right));
        }
        if let Some(aligned) = at_type(&right, &lt) {
            return Ok((left, aligned));
        }
        if let Some(aligned) = at_type(&left, &rt) {
            return Ok((aligned, right));
        }
        let wide = wider(&lt, &rt);
        let cast = |expr: Expr, own: &DataType| {
            if *own == wide {
                expr
            } else {
                Expr::Cast(Cast::new(Box::new(expr), wide.clone()))
            }
        };
        Ok((cast(left, &lt), cast(right, &rt)))
    }
}

/// A decimal literal as one of type `ty`, when that is exact.
fn at_type(expr: &Expr, ty: &DataType) -> Option<Expr> {
    let Expr::Literal(value, metadata) = expr else {
        return None;
    };
    if value.is_null() {
        return ScalarValue::try_from(ty)
            .ok()
            .map(|v| Expr::Literal(v, metadata.clone()));
    }
    let datum = datum_of_scalar(value, PgType::Numeric(None)).ok()?;
    let moved = scalar_as(&datum, ty).ok()?;
    let back = datum_of_scalar(&moved, PgType::Numeric(None)).ok()?;
    let digits = match (&back, ty) {
        (Datum::Numeric(n), DataType::Decimal128(p, _) | DataType::Decimal256(p, _)) => {
            n.digit_count() <= usize::from(*p)
        }
        _ => false,
    };
    (digits && back == datum).then(|| Expr::Literal(moved, metadata.clone()))
}

/// A decimal type that holds the values of both.
fn wider(a: &DataType, b: &DataType) -> DataType {
    let parts = |ty: &DataType| match ty {
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => (i16::from(*p), i16::from(*s)),
        _ => (38, 0),
    };
    let ((p1, s1), (p2, s2)) = (parts(a), parts(b));
    let scale = s1.max(s2);
    let precision = (p1 - s1).max(p2 - s2) + scale;
    let scale = i8::try_from(scale).unwrap_or(0);
    if precision <= 38 {
        DataType::Decimal128(u8::try_from(precision).unwrap_or(38), scale)
    } else {
        DataType::Decimal256(u8::try_from(precision.min(76)).unwrap_or(76), scale)
    }
}

/// Whether values of the Arrow type are numerics.
pub(super) fn is_numeric_arrow(ty: &DataType) -> bool {
    ty.is_decimal() || *ty == DataType::LargeBinary
}

/// The Arrow type in which values of `ty` from the given Arrow types meet: numerics
/// of one scale as decimals, others in wide form, which keeps the scale of each.
pub(super) fn common_arrow(ty: PgType, actual: &[DataType]) -> DataType {
    if !matches!(ty, PgType::Numeric(_)) {
        return arrow_type(ty);
    }
    let mut result: Option<(u8, i8)> = None;
    for other in actual {
        let (precision, scale) = match other {
            DataType::Int16 => (5, 0),
            DataType::Int32 => (10, 0),
            DataType::Int64 => (19, 0),
            DataType::Decimal128(p, s) => (*p, *s),
            DataType::Null => continue,
            _ => return DataType::LargeBinary,
        };
        result = match result {
            None => Some((precision, scale)),
            Some((p, s)) if s == scale => Some((p.max(precision), s)),
            Some(_) => return DataType::LargeBinary,
        };
    }
    match result {
        Some((p, s)) => DataType::Decimal128(p, s),
        None => DataType::LargeBinary,
    }
}

/// A numeric expression of Arrow type `own` in wide form.
pub(super) fn wide(expr: Expr, own: &DataType) -> Result<Expr> {
    as_arrow(expr, own, PgType::Numeric(None), &DataType::LargeBinary)
}

/// An expression of type `ty`, kept as `own`, as Arrow type `target`.
pub(super) fn as_arrow(expr: Expr, own: &DataType, ty: PgType, target: &DataType) -> Result<Expr> {
    if own == target {
        return Ok(expr);
    }
    if *target == DataType::LargeBinary || *own == DataType::LargeBinary {
        if let Expr::Literal(value, metadata) = &expr {
            let datum = datum_of_scalar(value, ty).map_err(external)?;
            let value = scalar_as(&datum, target).map_err(external)?;
            return Ok(Expr::Literal(value, metadata.clone()));
        }
        let function = CastFunction::new(ty, ty, target.clone());
        return Ok(ScalarUDF::new_from_impl(function).call(vec![expr]));
    }
    let field = field_with(Field::new("cast", target.clone(), true), ty);
    Ok(Expr::Cast(Cast::new_from_field(
        Box::new(expr),
        Arc::new(field),
    )))
}

impl Analyzer {
    /// Expressions of type `ty` that take each other's place, in one Arrow type.
    pub(super) fn alike(
        &self,
        exprs: Vec<Expr>,
        ty: PgType,
        schema: &dyn ExprSchema,
    ) -> Result<Vec<Expr>> {
        if !matches!(ty, PgType::Numeric(_)) {
            return Ok(exprs);
        }
        let mut types = Vec::with_capacity(exprs.len());
        for expr in &exprs {
            types.push(expr.get_type(schema)?);
        }
        let target = common_arrow(ty, &types);
        exprs
            .into_iter()
            .zip(&types)
            .map(|(expr, own)| as_arrow(expr, own, ty, &target))
            .collect()
    }
}
