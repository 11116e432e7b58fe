//! Array constructors, subscripts, `ANY` and `ALL` over arrays, as the function
//! calls they become.

use sqlparser::ast::{
    AccessExpr, Array, ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, OrderByExpr, OrderByOptions, Subscript, Value,
};

use super::super::names::quoted;
use super::ast::{binary, call, cast, nested, string, take};
use crate::error::{SqlError, state};
use crate::types::array::{MAX_DIMENSIONS, too_many_dimensions};

/// `ARRAY[…]::type[]`, whose elements have that type from the beginning. It is
/// rewritten before its parts are.
pub(super) fn constructor_cast(expr: &mut Expr) {
    let Expr::Cast {
        kind: CastKind::Cast | CastKind::DoubleColon,
        expr: operand,
        data_type,
        array: false,
        ..
    } = expr
    else {
        return;
    };
    let mut inner = operand.as_mut();
    while let Expr::Nested(deeper) = inner {
        inner = deeper.as_mut();
    }
    if let (Expr::Array(array), true) = (&mut *inner, is_array(data_type)) {
        *inner = typed_constructor(array, data_type);
    }
}

fn is_array(data_type: &DataType) -> bool {
    match data_type {
        DataType::Array(ArrayElemTypeDef::None) => false,
        DataType::Array(_) => true,
        DataType::Custom(name, _) => name
            .0
            .last()
            .and_then(|part| part.as_ident())
            .is_some_and(|ident| ident.value.starts_with('_')),
        _ => false,
    }
}

fn typed_constructor(array: &mut Array, data_type: &DataType) -> Expr {
    if array.elem.is_empty() {
        return string("{}");
    }
    let mut args = vec![cast(take(&mut null()), data_type.clone())];
    for element in &mut array.elem {
        args.push(match element {
            Expr::Array(inner) => cast(typed_constructor(inner, data_type), data_type.clone()),
            other => take(other),
        });
    }
    call("__array_of", args)
}

fn null() -> Expr {
    Expr::Value(Value::Null.with_empty_span())
}

/// `ARRAY[…]`.
pub(super) fn constructor(array: &mut Array) -> Result<Expr, SqlError> {
    if array.elem.is_empty() {
        return Err(SqlError::new(
            state::INDETERMINATE_DATATYPE,
            "cannot determine type of empty array",
        )
        .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
    }
    Ok(call("__array", std::mem::take(&mut array.elem)))
}

/// `a[1]`, `a[1:2]`, `t.a[1][2]`; `None` for anything else that looks like it.
pub(super) fn subscripts(
    root: &mut Expr,
    chain: &mut Vec<AccessExpr>,
) -> Result<Option<Expr>, SqlError> {
    let fields = chain
        .iter()
        .take_while(|access| matches!(access, AccessExpr::Dot(Expr::Identifier(_))))
        .count();
    let subscripts = chain.get(fields..).unwrap_or_default();
    let only = subscripts
        .iter()
        .all(|access| matches!(access, AccessExpr::Subscript(_)));
    if subscripts.is_empty() || !only {
        return Ok(None);
    }
    let mut path: Vec<Ident> = Vec::new();
    if fields > 0 {
        match root {
            Expr::Identifier(ident) => path.push(ident.clone()),
            Expr::CompoundIdentifier(parts) => path.extend(parts.iter().cloned()),
            _ => return Ok(None),
        }
    }
    let mut shape = Shape::default();
    for access in chain.drain(..) {
        match access {
            AccessExpr::Dot(Expr::Identifier(field)) => path.push(field),
            AccessExpr::Subscript(subscript) => shape.add(subscript)?,
            AccessExpr::Dot(_) => return Ok(None),
        }
    }
    if shape.letters.len() > MAX_DIMENSIONS && !shape.slice {
        return Err(too_many_dimensions(shape.letters.len()));
    }
    let value = if path.is_empty() {
        take(root)
    } else {
        Expr::CompoundIdentifier(path)
    };
    Ok(Some(shape.read(value)))
}

/// The array that assigning to an element or slice of it makes.
///
/// # Errors
/// 42601 for a stride, which PostgreSQL does not have.
pub(crate) fn element_assignment(
    array: Expr,
    subscripts: Vec<Subscript>,
    value: Expr,
) -> Result<Expr, SqlError> {
    let mut shape = Shape::default();
    for subscript in subscripts {
        shape.add(subscript)?;
    }
    Ok(shape.write(array, value))
}

/// The subscripts after a value; see the function that reads them for the letters.
#[derive(Default)]
struct Shape {
    letters: String,
    slice: bool,
    bounds: Vec<Expr>,
}

impl Shape {
    /// One more subscript.
    ///
    /// # Errors
    /// 42601 for a stride, which PostgreSQL does not have.
    fn add(&mut self, subscript: Subscript) -> Result<(), SqlError> {
        match subscript {
            Subscript::Index { index } => {
                self.letters.push('i');
                self.bounds.push(index);
            }
            Subscript::Slice {
                stride: Some(_), ..
            } => {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    "syntax error at or near \":\"",
                ));
            }
            Subscript::Slice {
                lower_bound,
                upper_bound,
                ..
            } => {
                self.slice = true;
                self.letters.push(match (&lower_bound, &upper_bound) {
                    (Some(_), Some(_)) => 'b',
                    (Some(_), None) => 'l',
                    (None, Some(_)) => 'u',
                    (None, None) => 'n',
                });
                self.bounds.extend(lower_bound);
                self.bounds.extend(upper_bound);
            }
        }
        Ok(())
    }

    /// `array` with what the subscripts mean replaced by `value`.
    fn write(self, array: Expr, value: Expr) -> Expr {
        let mut args = vec![array, value];
        if self.slice {
            args.push(string(self.letters));
        }
        args.extend(self.bounds);
        call(
            if self.slice {
                "__with_slice"
            } else {
                "__with_element"
            },
            args,
        )
    }

    fn read(self, value: Expr) -> Expr {
        let mut args = vec![value];
        if self.slice {
            args.push(string(self.letters));
        }
        args.extend(self.bounds);
        call(if self.slice { "__slice" } else { "__subscript" }, args)
    }
}

/// `left op ANY (array)`, or ALL.
pub(super) fn quantified(
    left: &mut Expr,
    op: &BinaryOperator,
    right: &mut Expr,
    all: bool,
) -> Result<Expr, SqlError> {
    use BinaryOperator as B;
    let symbol = match op {
        B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq => op.to_string(),
        _ => return each_element(left, op, right, all),
    };
    let mut args = vec![string(symbol), take(left), take(right)];
    if let Some(Expr::Nested(inner)) = args.last_mut() {
        let inner = take(inner);
        args.pop();
        args.push(inner);
    }
    Ok(call(if all { "__all" } else { "__any" }, args))
}

/// Operators that are no comparisons, over the elements of a constructor.
fn each_element(
    left: &Expr,
    op: &BinaryOperator,
    right: &Expr,
    all: bool,
) -> Result<Expr, SqlError> {
    let refused = || SqlError::unsupported(format!("{op} with ANY or ALL of an array"));
    let mut array = right;
    while let Expr::Nested(inner) = array {
        array = inner;
    }
    let Expr::Function(Function {
        name,
        args: FunctionArguments::List(list),
        ..
    }) = array
    else {
        return Err(refused());
    };
    if name.to_string() != "\"__array\"" {
        return Err(refused());
    }
    let join = if all { B_AND } else { B_OR };
    let mut parts = Vec::with_capacity(list.args.len());
    for arg in &list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(element)) = arg else {
            return Err(refused());
        };
        parts.push(nested(binary(left.clone(), op.clone(), element.clone())));
    }
    parts
        .into_iter()
        .reduce(|a, b| binary(a, join.clone(), b))
        .map(nested)
        .ok_or_else(refused)
}

const B_AND: BinaryOperator = BinaryOperator::And;
const B_OR: BinaryOperator = BinaryOperator::Or;

/// `array_agg(…)`, whose list becomes an array. Distinct values come sorted, as
/// PostgreSQL finds them by sorting.
pub(in super::super) fn aggregate(function: Function) -> Expr {
    call("__from_list", vec![gathered(function)])
}

/// The arguments of an aggregate call as a list.
pub(super) fn gathered(mut function: Function) -> Expr {
    if let FunctionArguments::List(list) = &mut function.args {
        let distinct = matches!(
            list.duplicate_treatment,
            Some(sqlparser::ast::DuplicateTreatment::Distinct)
        );
        let ordered = list
            .clauses
            .iter()
            .any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)));
        if distinct
            && !ordered
            && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] = list.args.as_slice()
        {
            let order = OrderByExpr {
                expr: value.clone(),
                options: OrderByOptions::default(),
                with_fill: None,
            };
            list.clauses
                .push(FunctionArgumentClause::OrderBy(vec![order]));
        }
    }
    function.name = ObjectName(vec![ObjectNamePart::Identifier(quoted("array_agg"))]);
    Expr::Function(function)
}
