//! Rewrites of single expressions: number literals get PostgreSQL's types,
//! operators and special syntax become function calls, row comparisons become
//! comparisons of their members.

use bigdecimal::BigDecimal;
use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DateTimeField, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Interval, ObjectName, ObjectNamePart,
    UnaryOperator, Value, ValueWithSpan, WindowFrameBound, WindowSpec, WindowType,
};

use super::names::quoted;
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// The type that marks an `integer` literal; SQL text cannot name it (see [`before`]).
pub(super) const INT4_LITERAL: DataType = DataType::Int32;
/// The type that marks a `bigint` literal.
pub(super) const INT8_LITERAL: DataType = DataType::Int64;

/// Most zeros that a literal with an exponent is written out with.
const LONGEST: i64 = 30;

/// A function call.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(quoted(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .into_iter()
                .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn string(text: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.into()).with_empty_span())
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.with_empty_span()))
}

/// Refuses what the rewrites would hide.
pub(super) fn before(expr: &mut Expr) -> Result<(), SqlError> {
    if let Some(new) = super::quantified::without_quantifier(expr)? {
        *expr = new;
    }
    match expr {
        Expr::Cast {
            data_type: data_type @ (DataType::Int32 | DataType::Int64),
            ..
        } => Err(SqlError::new(
            state::UNDEFINED_OBJECT,
            format!(
                "type \"{}\" does not exist",
                data_type.to_string().to_lowercase()
            ),
        )),
        Expr::Cast {
            kind: CastKind::TryCast | CastKind::SafeCast,
            ..
        } => Err(SqlError::unsupported("TRY_CAST")),
        Expr::SimilarTo { .. } => Err(SqlError::unsupported("SIMILAR TO")),
        Expr::IsNormalized { .. } => Err(SqlError::unsupported("IS NORMALIZED")),
        _ => Ok(()),
    }
}

/// Rewrites an expression whose parts are rewritten already.
pub(super) fn after(expr: &mut Expr) -> Result<(), SqlError> {
    match expr {
        Expr::Cast {
            expr: operand,
            data_type:
                DataType::Float(_)
                | DataType::Float4
                | DataType::Float8
                | DataType::Real
                | DataType::Double(_)
                | DataType::DoublePrecision,
            ..
        } => {
            // Read as the float it is to be: it may have no form as a decimal.
            if let Some((digits, None)) = number_digits(operand) {
                **operand = string(digits.trim_end_matches('.'));
            }
            Ok(())
        }
        Expr::Cast { .. } => {
            super::catalog_syntax::object_cast(expr);
            Ok(())
        }
        Expr::Like {
            pattern,
            escape_char: escape_char @ Some(_),
            ..
        }
        | Expr::ILike {
            pattern,
            escape_char: escape_char @ Some(_),
            ..
        } => {
            super::catalog_syntax::escape(pattern, escape_char);
            Ok(())
        }
        Expr::CompoundFieldAccess { .. } => {
            super::correlate::pair_member(expr);
            Ok(())
        }
        Expr::Subquery(_) => {
            super::correlate::scalar_subquery(expr);
            Ok(())
        }
        Expr::Value(value) => literal(value).map(|new| {
            if let Some(new) = new {
                *expr = new;
            }
        }),
        Expr::UnaryOp { op, expr: operand } => {
            let operand = take(operand);
            *expr = unary(*op, operand)?;
            Ok(())
        }
        Expr::BinaryOp { left, op, right } => {
            if let Some(new) = row_comparison(left, op, right)? {
                *expr = new;
            }
            Ok(())
        }
        Expr::InList {
            expr: operand,
            list,
            negated,
        } => {
            if let Some(new) = row_in_list(operand, list, *negated)? {
                *expr = new;
            }
            Ok(())
        }
        Expr::AtTimeZone {
            timestamp,
            time_zone,
        } => {
            let (timestamp, zone) = (take(timestamp), take(time_zone));
            *expr = call("timezone", vec![zone, timestamp]);
            Ok(())
        }
        Expr::Interval(interval) => {
            *expr = interval_literal(interval)?;
            Ok(())
        }
        Expr::Extract {
            field, expr: from, ..
        } => {
            let name = field.to_string().to_lowercase();
            let from = take(from);
            let name = name.trim_matches(['\'', '"']);
            *expr = call(
                super::super::functions::extract_function(name),
                vec![string(name), from],
            );
            Ok(())
        }
        Expr::Position { expr: part, r#in } => {
            let (part, whole) = (take(part), take(r#in));
            *expr = call("strpos", vec![whole, part]);
            Ok(())
        }
        Expr::Substring {
            expr: text,
            substring_from,
            substring_for,
            ..
        } => {
            let mut args = vec![take(text)];
            match (substring_from.take(), substring_for.take()) {
                (Some(from), Some(length)) => args.extend([*from, *length]),
                (Some(from), None) => args.push(*from),
                (None, Some(length)) => args.extend([cast(number("1"), INT4_LITERAL), *length]),
                (None, None) => {}
            }
            *expr = call("substring", args);
            Ok(())
        }
        Expr::Collate {
            expr: inner,
            collation,
        } => {
            let name = collation
                .0
                .last()
                .and_then(ObjectNamePart::as_ident)
                .map(|i| i.value.clone());
            match name.as_deref() {
                Some("C" | "POSIX" | "default" | "ucs_basic") => {
                    *expr = take(inner);
                    Ok(())
                }
                _ => Err(SqlError::unsupported(format!("collation {collation}"))),
            }
        }
        Expr::Function(function) => self::function(function).map(|new| {
            if let Some(new) = new {
                *expr = new;
            }
        }),
        _ => Ok(()),
    }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).with_empty_span())
}

/// A literal with the type PostgreSQL gives it; `None` leaves it as it is.
fn literal(value: &mut ValueWithSpan) -> Result<Option<Expr>, SqlError> {
    match &mut value.value {
        Value::Number(digits, _) => {
            let digits = digits.replace('_', "");
            Ok(Some(if digits.parse::<i32>().is_ok() {
                cast(number(&digits), INT4_LITERAL)
            } else if digits.parse::<i64>().is_ok() {
                cast(number(&digits), INT8_LITERAL)
            } else if digits.bytes().all(|b| b.is_ascii_digit()) {
                // The point keeps the planner from trying an unsigned integer.
                number(&format!("{digits}."))
            } else {
                return Ok(without_exponent(&digits).map(|digits| number(&digits)));
            }))
        }
        Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => Ok(Some(string(std::mem::take(text)))),
        Value::DollarQuotedString(text) => Ok(Some(string(std::mem::take(&mut text.value)))),
        Value::HexStringLiteral(_) | Value::SingleQuotedByteStringLiteral(_) => {
            Err(SqlError::unsupported("type bit"))
        }
        Value::Placeholder(name) => {
            let number = name.strip_prefix('$').and_then(|n| n.parse::<u32>().ok());
            match number {
                Some(1..=65_535) => Ok(None),
                _ => Err(SqlError::new(
                    state::UNDEFINED_PARAMETER,
                    format!("there is no parameter {name}"),
                )),
            }
        }
        Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => Ok(None),
        other => Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("syntax error at or near \"{other}\""),
        )),
    }
}

/// `1.5e3` as `1500.`: the planner takes an exponent for digits to be shown.
/// `None` for a number without exponent, or too long without it.
fn without_exponent(digits: &str) -> Option<String> {
    if !digits.contains(['e', 'E']) {
        return None;
    }
    let value = digits.parse::<BigDecimal>().ok()?;
    let (_, scale) = value.as_bigint_and_exponent();
    if !(-LONGEST..=LONGEST).contains(&scale) {
        return None;
    }
    let plain = value.with_scale(scale.max(0)).to_plain_string();
    if plain.contains('.') {
        Some(plain)
    } else {
        Some(format!("{plain}."))
    }
}

/// The digits of a rewritten or plain number literal.
fn number_digits(expr: &Expr) -> Option<(String, Option<DataType>)> {
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Number(digits, _),
            ..
        }) => Some((digits.clone(), None)),
        Expr::Cast {
            expr,
            data_type: data_type @ (DataType::Int32 | DataType::Int64),
            ..
        } => match expr.as_ref() {
            Expr::Value(ValueWithSpan {
                value: Value::Number(digits, _),
                ..
            }) => Some((digits.clone(), Some(data_type.clone()))),
            _ => None,
        },
        _ => None,
    }
}

/// Puts a plain number back where the planner wants one.
pub(super) fn restore_literal(expr: &mut Expr) {
    if let Some((digits, Some(_))) = number_digits(expr) {
        *expr = number(&digits);
    }
}

fn unary(op: UnaryOperator, operand: Expr) -> Result<Expr, SqlError> {
    Ok(match op {
        UnaryOperator::Plus => operand,
        UnaryOperator::Minus => match number_digits(&operand) {
            Some((digits, marker)) => {
                // The least integers have no positive counterpart of their type.
                let (digits, marker) = match digits.as_str() {
                    "2147483648" => (digits, Some(INT4_LITERAL)),
                    "9223372036854775808." => {
                        ("9223372036854775808".to_owned(), Some(INT8_LITERAL))
                    }
                    _ => (digits, marker),
                };
                let negative = Expr::UnaryOp {
                    op: UnaryOperator::Minus,
                    expr: Box::new(number(&digits)),
                };
                match marker {
                    Some(marker) => cast(negative, marker),
                    None => negative,
                }
            }
            None => call("__neg", vec![operand]),
        },
        UnaryOperator::Not => Expr::UnaryOp {
            op,
            expr: Box::new(operand),
        },
        UnaryOperator::BitwiseNot => call("__bitnot", vec![operand]),
        UnaryOperator::PGAbs => call("abs", vec![operand]),
        UnaryOperator::PGSquareRoot => call("sqrt", vec![operand]),
        UnaryOperator::PGCubeRoot => call("cbrt", vec![operand]),
        other => return Err(SqlError::unsupported(format!("operator {other}"))),
    })
}

fn interval_literal(interval: &mut Interval) -> Result<Expr, SqlError> {
    let precise =
        interval.leading_precision.is_some() || interval.fractional_seconds_precision.is_some();
    if precise || interval.last_field.is_some() {
        return Err(SqlError::unsupported("interval with fields or precision"));
    }
    let value = take(&mut interval.value);
    let Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(mut text),
        ..
    }) = value
    else {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "an interval literal needs a string",
        ));
    };
    if let Some(field) = &interval.leading_field {
        // A bare number counts in the field's unit.
        if text.trim().parse::<f64>().is_ok() {
            text = format!("{} {}", text.trim(), unit(field));
        } else {
            return Err(SqlError::unsupported("interval with fields"));
        }
    }
    Ok(cast(
        string(text),
        DataType::Interval {
            fields: None,
            precision: None,
        },
    ))
}

fn unit(field: &DateTimeField) -> String {
    field.to_string().to_lowercase()
}

/// Window frames want plain literals.
pub(super) fn restore_frame(spec: &mut WindowSpec) {
    let Some(frame) = &mut spec.window_frame else {
        return;
    };
    for bound in std::iter::once(&mut frame.start_bound).chain(frame.end_bound.as_mut()) {
        if let WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) =
            bound
        {
            restore_literal(expr);
            restore_interval(expr);
        }
    }
    for item in &mut spec.order_by {
        restore_literal(&mut item.expr);
    }
}

fn restore_interval(expr: &mut Expr) {
    if let Expr::Cast {
        expr: inner,
        data_type: DataType::Interval { .. },
        ..
    } = expr
        && matches!(inner.as_ref(), Expr::Value(_))
    {
        let value = take(inner);
        *expr = Expr::Interval(Interval {
            value: Box::new(value),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        });
    }
}

/// Function names are looked up without their schema; `avg` is computed from a
/// sum and a count, which gives PostgreSQL's types and rounding.
fn function(function: &mut Function) -> Result<Option<Expr>, SqlError> {
    if let Some(WindowType::WindowSpec(spec)) = &mut function.over {
        restore_frame(spec);
    }
    if let FunctionArguments::Subquery(query) = &mut function.args {
        if let Some(array) = super::correlate::array_subquery(query) {
            return Ok(Some(array));
        }
        return Err(SqlError::unsupported("ARRAY(subquery)"));
    }
    if function.name.0.len() > 1 {
        let schema = function
            .name
            .0
            .first()
            .and_then(ObjectNamePart::as_ident)
            .map(fold_identifier);
        match (schema.as_deref(), function.name.0.len()) {
            (Some("pg_catalog" | "information_schema"), 2) => {
                function.name.0.remove(0);
            }
            _ => {
                return Err(SqlError::new(
                    state::UNDEFINED_FUNCTION,
                    format!("function {}() does not exist", function.name),
                ));
            }
        }
    }
    let name = function
        .name
        .0
        .first()
        .and_then(ObjectNamePart::as_ident)
        .map(fold_identifier)
        .unwrap_or_default();
    if let Some(rows) = super::correlate::rows_of_array(&name, function) {
        return Ok(Some(rows));
    }
    if name.starts_with("__") {
        return Ok(None);
    }
    if super::super::functions::is_hidden(&name) {
        return Err(SqlError::new(
            state::UNDEFINED_FUNCTION,
            format!("function {name} does not exist"),
        ));
    }
    if name == super::series_item::SERIES {
        return Err(SqlError::unsupported("generate_series in this place"));
    }
    if name != "avg" {
        return Ok(None);
    }
    let rename = |to: &str| {
        let mut part = function.clone();
        part.name = ObjectName(vec![ObjectNamePart::Identifier(quoted(to))]);
        Expr::Function(part)
    };
    Ok(Some(call("__avg", vec![rename("sum"), rename("count")])))
}

fn members(expr: &Expr) -> Option<&Vec<Expr>> {
    match expr {
        Expr::Tuple(members) => Some(members),
        Expr::Nested(inner) => members_of_nested(inner),
        _ => None,
    }
}

fn members_of_nested(expr: &Expr) -> Option<&Vec<Expr>> {
    match expr {
        Expr::Tuple(members) => Some(members),
        _ => None,
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

fn unequal_rows() -> SqlError {
    SqlError::new(
        state::SYNTAX_ERROR,
        "unequal number of entries in row expressions",
    )
}

fn row_comparison(
    left: &Expr,
    op: &BinaryOperator,
    right: &Expr,
) -> Result<Option<Expr>, SqlError> {
    let (Some(left), Some(right)) = (members(left), members(right)) else {
        return Ok(None);
    };
    if left.len() != right.len() {
        return Err(unequal_rows());
    }
    compare_rows(left, op, right).map(Some)
}

/// `(a, b) < (c, d)` is `a < c OR (a = c AND b < d)`.
fn compare_rows(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> Result<Expr, SqlError> {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    let pairs = || left.iter().cloned().zip(right.iter().cloned());
    let join = |with: BinaryOperator, each: BinaryOperator| {
        pairs()
            .map(|(l, r)| binary(l, each.clone(), r))
            .reduce(|a, b| binary(a, with.clone(), b))
            .map(nested)
            .ok_or_else(unequal_rows)
    };
    match op {
        Eq => join(And, Eq),
        NotEq => join(Or, NotEq),
        Lt | LtEq | Gt | GtEq => {
            let strict = if matches!(op, Lt | LtEq) { Lt } else { Gt };
            let mut result: Option<Expr> = None;
            for (l, r) in pairs().rev() {
                result = Some(match result {
                    None => binary(l, op.clone(), r),
                    Some(rest) => {
                        let tie = binary(binary(l.clone(), Eq, r.clone()), And, nested(rest));
                        binary(binary(l, strict.clone(), r), Or, nested(tie))
                    }
                });
            }
            result.map(nested).ok_or_else(unequal_rows)
        }
        other => Err(SqlError::unsupported(format!(
            "row comparison with {other}"
        ))),
    }
}

fn row_in_list(operand: &Expr, list: &[Expr], negated: bool) -> Result<Option<Expr>, SqlError> {
    let Some(left) = members(operand) else {
        return Ok(None);
    };
    let mut any: Option<Expr> = None;
    for item in list {
        let right = members(item).ok_or_else(unequal_rows)?;
        if right.len() != left.len() {
            return Err(unequal_rows());
        }
        let same = compare_rows(left, &BinaryOperator::Eq, right)?;
        any = Some(match any {
            None => same,
            Some(before) => binary(before, BinaryOperator::Or, same),
        });
    }
    let any = nested(any.ok_or_else(unequal_rows)?);
    Ok(Some(if negated {
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(any),
        }
    } else {
        any
    }))
}
