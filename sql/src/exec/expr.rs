//! Scalar expressions simple enough to evaluate without a query plan.
//!
//! The fast path and `INSERT … VALUES` compile their expressions to these.
//! Whatever is not here is declined at compile time and goes through the
//! general planner; what is here answers exactly as the general planner does.

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments,
    UnaryOperator,
};

use super::assign::assign;
use super::literal::literal;
use crate::catalog::{TableDescriptor, fold_identifier, mentioned_sequence};
use crate::error::{SqlError, state};
use crate::sequence::SequenceSource;
use crate::types::{Datum, PgType, SessionFormat};

/// A compiled expression.
#[derive(Debug, Clone)]
pub(crate) enum ScalarExpr {
    /// A constant.
    Constant(Datum),
    /// `$n`, counted from 0.
    Parameter(usize),
    /// An attribute of the row, by position from 0.
    Column(usize),
    /// `now()` and its synonyms: the transaction's start.
    Now,
    /// `nextval` of the sequence with this object identifier.
    NextValue(u32),
    /// Integer arithmetic in the given result type.
    Arithmetic(Arithmetic, Box<ScalarExpr>, Box<ScalarExpr>, PgType),
    /// A conversion.
    Cast(Box<ScalarExpr>, PgType),
}

/// Integer operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
}

/// What names and parameters mean while compiling.
pub(crate) struct Scope<'a> {
    /// The table whose columns may be named, and the name to qualify them with.
    pub(crate) table: Option<(&'a TableDescriptor, &'a str)>,
    /// A second table with the name for it, whose row follows that of the first.
    pub(crate) other: Option<(&'a TableDescriptor, &'a str)>,
    /// Parameter types: declared, or found by compiling.
    pub(crate) parameters: &'a mut Vec<Option<PgType>>,
}

/// Most parameters of a statement (the protocol counts them in 16 bits).
const MAX_PARAMETERS: usize = 65_535;

/// Compiles an expression that is expected to have type `expected`, if there is
/// an expectation. `None`: too complicated for this.
///
/// # Errors
/// Literal errors (22P02 and the like) that the statement has in any plan.
pub(crate) fn compile(
    expr: &Expr,
    scope: &mut Scope<'_>,
    expected: Option<PgType>,
) -> Result<Option<(ScalarExpr, PgType)>, SqlError> {
    match expr {
        Expr::Value(value) => {
            if let sqlparser::ast::Value::Placeholder(name) = &value.value {
                return Ok(parameter(name, scope, expected));
            }
            Ok(literal(&value.value)?.map(|(datum, ty)| (ScalarExpr::Constant(datum), ty)))
        }
        Expr::Nested(inner) => compile(inner, scope, expected),
        Expr::Identifier(ident) => Ok(column(scope, None, &fold_identifier(ident))),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, name] => Ok(column(
                scope,
                Some(&fold_identifier(table)),
                &fold_identifier(name),
            )),
            _ => Ok(None),
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => negate(expr, scope),
        Expr::UnaryOp {
            op: UnaryOperator::Plus,
            expr,
        } => compile(expr, scope, expected),
        Expr::BinaryOp { left, op, right } => arithmetic(left, op, right, scope),
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type,
            format: None,
            ..
        } => cast(expr, data_type, scope),
        Expr::Function(function) => Ok(now_function(function).or_else(|| next_value(function))),
        _ => Ok(None),
    }
}

fn parameter(
    name: &str,
    scope: &mut Scope<'_>,
    expected: Option<PgType>,
) -> Option<(ScalarExpr, PgType)> {
    let number: usize = name.strip_prefix('$')?.parse().ok()?;
    let index = number.checked_sub(1).filter(|i| *i < MAX_PARAMETERS)?;
    if scope.parameters.len() <= index {
        scope.parameters.resize(index + 1, None);
    }
    let slot = scope.parameters.get_mut(index)?;
    let ty = match *slot {
        Some(ty) => ty,
        None => *slot.insert(without_modifier(expected?)),
    };
    Some((ScalarExpr::Parameter(index), ty))
}

/// A parameter takes the type of its place, not the length or precision.
fn without_modifier(ty: PgType) -> PgType {
    ty.unmodified()
}

fn column(scope: &Scope<'_>, qualifier: Option<&str>, name: &str) -> Option<(ScalarExpr, PgType)> {
    let (table, alias) = scope.table.as_ref()?;
    let (table, before) = match (qualifier, &scope.other) {
        (Some(q), Some((other, called))) if q == *called => (other, table.columns.len()),
        // It may be a column of both.
        (None, Some(_)) => return None,
        (None, None) => (table, 0),
        (Some(q), _) if q == *alias => (table, 0),
        (Some(_), _) => return None,
    };
    let column = table.column(name)?;
    let position = usize::from(column.attnum).checked_sub(1)?;
    Some((ScalarExpr::Column(before + position), column.ty))
}

fn negate(expr: &Expr, scope: &mut Scope<'_>) -> Result<Option<(ScalarExpr, PgType)>, SqlError> {
    // The digits and the sign together decide the type: -2147483648 is integer.
    if let Expr::Value(value) = expr
        && let sqlparser::ast::Value::Number(digits, false) = &value.value
    {
        let negative = sqlparser::ast::Value::Number(format!("-{digits}"), false);
        return Ok(literal(&negative)?.map(|(datum, ty)| (ScalarExpr::Constant(datum), ty)));
    }
    let Some((inner, ty)) = compile(expr, scope, None)? else {
        return Ok(None);
    };
    if !is_integer(ty) {
        return Ok(None);
    }
    let zero = Box::new(ScalarExpr::Constant(Datum::Int2(0)));
    Ok(Some((
        ScalarExpr::Arithmetic(Arithmetic::Subtract, zero, Box::new(inner), ty),
        ty,
    )))
}

fn arithmetic(
    left: &Expr,
    op: &BinaryOperator,
    right: &Expr,
    scope: &mut Scope<'_>,
) -> Result<Option<(ScalarExpr, PgType)>, SqlError> {
    let op = match op {
        BinaryOperator::Plus => Arithmetic::Add,
        BinaryOperator::Minus => Arithmetic::Subtract,
        BinaryOperator::Multiply => Arithmetic::Multiply,
        _ => return Ok(None),
    };
    // An untyped parameter takes the type of the other side.
    let Some((l, lt)) = compile(left, scope, None)?.map_or_else(
        || retry_with_other_side(left, right, scope),
        |done| Ok(Some(done)),
    )?
    else {
        return Ok(None);
    };
    let Some((r, rt)) = compile(right, scope, Some(lt))? else {
        return Ok(None);
    };
    let Some(ty) = wider_integer(lt, rt) else {
        return Ok(None);
    };
    Ok(Some((
        ScalarExpr::Arithmetic(op, Box::new(l), Box::new(r), ty),
        ty,
    )))
}

fn retry_with_other_side(
    expr: &Expr,
    other: &Expr,
    scope: &mut Scope<'_>,
) -> Result<Option<(ScalarExpr, PgType)>, SqlError> {
    match compile(other, scope, None)? {
        Some((_, ty)) => compile(expr, scope, Some(ty)),
        None => Ok(None),
    }
}

fn is_integer(ty: PgType) -> bool {
    matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8)
}

fn wider_integer(a: PgType, b: PgType) -> Option<PgType> {
    match (a, b) {
        (PgType::Int8, other) | (other, PgType::Int8) => is_integer(other).then_some(PgType::Int8),
        (PgType::Int4, other) | (other, PgType::Int4) => is_integer(other).then_some(PgType::Int4),
        (PgType::Int2, PgType::Int2) => Some(PgType::Int2),
        _ => None,
    }
}

fn cast(
    expr: &Expr,
    data_type: &DataType,
    scope: &mut Scope<'_>,
) -> Result<Option<(ScalarExpr, PgType)>, SqlError> {
    let Ok(target) = PgType::from_sql_ast(data_type) else {
        return Ok(None);
    };
    let Some((inner, from)) = compile(expr, scope, Some(target))? else {
        return Ok(None);
    };
    // Explicit casts cut text silently, assignment does not: leave those and
    // everything unusual to the planner.
    let simple = from.oid() == target.oid() && target.typmod() == -1
        || matches!(from, PgType::Unknown) && target.typmod() == -1
        || is_integer(from) && is_integer(target);
    if !simple {
        return Ok(None);
    }
    Ok(Some((ScalarExpr::Cast(Box::new(inner), target), target)))
}

fn now_function(function: &sqlparser::ast::Function) -> Option<(ScalarExpr, PgType)> {
    let bare = match &function.args {
        FunctionArguments::None => true,
        FunctionArguments::List(list) => list.args.is_empty() && list.clauses.is_empty(),
        FunctionArguments::Subquery(_) => false,
    };
    let plain = function.filter.is_none() && function.over.is_none() && bare;
    let name = function.name.to_string().to_ascii_lowercase();
    (plain
        && matches!(
            name.as_str(),
            "now" | "current_timestamp" | "transaction_timestamp"
        ))
    .then_some((ScalarExpr::Now, PgType::Timestamptz))
}

/// `nextval('…'::regclass)` of a sequence named by its identifier, as stored
/// defaults name it.
fn next_value(function: &sqlparser::ast::Function) -> Option<(ScalarExpr, PgType)> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))] = list.args.as_slice() else {
        return None;
    };
    if function.name.to_string() != "nextval" || function.filter.is_some() {
        return None;
    }
    let oid = mentioned_sequence(arg)?;
    Some((ScalarExpr::NextValue(oid), PgType::Int8))
}

/// What an expression is evaluated with.
pub(crate) struct Values<'a> {
    /// Parameter values.
    pub(crate) parameters: &'a [Datum],
    /// The row, by position.
    pub(crate) row: &'a [Datum],
    /// The transaction's start in microseconds since 2000.
    pub(crate) now_us: i64,
    /// How text is read.
    pub(crate) format: &'a SessionFormat,
    /// Where sequences are; none where no default is evaluated.
    pub(crate) sequences: Option<&'a SequenceSource>,
}

impl ScalarExpr {
    /// Whether each row must have a value of its own.
    pub(crate) fn is_volatile(&self) -> bool {
        match self {
            Self::NextValue(_) => true,
            Self::Arithmetic(_, left, right, _) => left.is_volatile() || right.is_volatile(),
            Self::Cast(inner, _) => inner.is_volatile(),
            Self::Constant(_) | Self::Parameter(_) | Self::Column(_) | Self::Now => false,
        }
    }

    /// The value.
    ///
    /// # Errors
    /// 22003 for an integer overflow, conversion errors.
    pub(crate) fn evaluate(&self, values: &Values<'_>) -> Result<Datum, SqlError> {
        Ok(match self {
            Self::Constant(datum) => datum.clone(),
            Self::Parameter(index) => values.parameters.get(*index).cloned().ok_or_else(|| {
                SqlError::new(
                    state::UNDEFINED_PARAMETER,
                    format!("there is no parameter ${}", index + 1),
                )
            })?,
            Self::Column(position) => values.row.get(*position).cloned().unwrap_or(Datum::Null),
            Self::Now => Datum::Timestamptz(values.now_us),
            Self::NextValue(oid) => match values.sequences {
                Some(sequences) => Datum::Int8(sequences.next(*oid)?),
                None => return Err(SqlError::unsupported("nextval in this place")),
            },
            Self::Arithmetic(op, left, right, ty) => {
                let (l, r) = (left.evaluate(values)?, right.evaluate(values)?);
                compute(*op, &l, &r, *ty)?
            }
            Self::Cast(inner, ty) => assign(inner.evaluate(values)?, *ty, values.format)?,
        })
    }
}

fn compute(op: Arithmetic, left: &Datum, right: &Datum, ty: PgType) -> Result<Datum, SqlError> {
    if left.is_null() || right.is_null() {
        return Ok(Datum::Null);
    }
    let result = match (left.as_i64(), right.as_i64()) {
        (Some(l), Some(r)) => match op {
            Arithmetic::Add => l.checked_add(r),
            Arithmetic::Subtract => l.checked_sub(r),
            Arithmetic::Multiply => l.checked_mul(r),
        },
        _ => {
            return Err(SqlError::internal(
                "arithmetic on something else than integers",
            ));
        }
    };
    result
        .and_then(|wide| match ty {
            PgType::Int2 => i16::try_from(wide).ok().map(Datum::Int2),
            PgType::Int4 => i32::try_from(wide).ok().map(Datum::Int4),
            _ => Some(Datum::Int8(wide)),
        })
        .ok_or_else(|| {
            SqlError::new(
                state::NUMERIC_VALUE_OUT_OF_RANGE,
                format!("{} out of range", ty.base_name()),
            )
        })
}
