//! Rewrites of single expressions: number literals get PostgreSQL's types,
//! operators and special syntax become function calls, row comparisons become
//! comparisons of their members.

mod array;
mod ast;
mod between;
mod frame;
mod function;
mod interval;
mod json;
mod literal;
mod named;
mod ordered_set;
mod places;
mod row;
mod row_in_subquery;

use sqlparser::ast::{
    CastKind, DataType, DateTimeField, Expr, ObjectName, ObjectNamePart, TrimWhereField,
    UnaryOperator, ValueWithSpan,
};

use self::ast::{cast, take};
use super::super::functions::extract_function;
use crate::error::{SqlError, state};

pub(super) use self::array::aggregate;
pub(crate) use self::array::element_assignment;
pub(super) use self::ast::{call, number, string};
pub(super) use self::frame::restore_frame;
pub(super) use self::json::{
    lists_of, makes_rows, plain_arguments, rows as json_rows, whole_rows as json_whole_rows,
};
pub(super) use self::literal::{INT4_LITERAL, INT8_LITERAL, restore_literal};

/// Refuses what the rewrites would hide.
pub(super) fn before(expr: &mut Expr) -> Result<(), SqlError> {
    if let Some(new) = super::quantified::without_quantifier(expr)? {
        *expr = new;
    }
    if let Some(new) = between::symmetric(expr) {
        *expr = new;
    }
    if let Expr::InSubquery {
        expr: left,
        subquery,
        negated,
    } = expr
        && let Some(row) = row::members(left)
        && row.len() > 1
    {
        *expr = row_in_subquery::row_in_subquery(row, subquery, *negated)?;
    }
    array::constructor_cast(expr);
    row::constructor_cast(expr);
    places::no_rows_inside(expr)?;
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
        Expr::IsNormalized { .. } => Err(SqlError::unsupported("IS NORMALIZED")),
        _ => Ok(()),
    }
}

/// Rewrites an expression whose parts are rewritten already.
pub(super) fn after(expr: &mut Expr) -> Result<(), SqlError> {
    match expr {
        Expr::CompoundFieldAccess { .. } => {
            super::correlate::pair_member(expr);
            if let Expr::CompoundFieldAccess { root, access_chain } = expr
                && let Some(read) = match array::subscripts(root, access_chain)? {
                    None => row::attribute(root, access_chain),
                    read => read,
                }
            {
                *expr = read;
            }
        }
        Expr::Subquery(_) => super::correlate::scalar_subquery(expr),
        Expr::Cast {
            expr: operand,
            data_type,
            ..
        } if is_float(data_type) => literal::float_operand(operand),
        Expr::Cast { .. } => super::catalog_syntax::object_cast(expr),
        Expr::Like {
            pattern,
            escape_char: escape_char @ Some(_),
            ..
        }
        | Expr::ILike {
            pattern,
            escape_char: escape_char @ Some(_),
            ..
        } => super::catalog_syntax::escape(pattern, escape_char),
        _ => {
            if let Some(new) = replacement(expr)? {
                *expr = new;
            }
        }
    }
    Ok(())
}

fn is_float(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Float(_)
            | DataType::Float4
            | DataType::Float8
            | DataType::Real
            | DataType::Double(_)
            | DataType::DoublePrecision
    )
}

/// What to put in place of an expression; `None` leaves it as it is.
fn replacement(expr: &mut Expr) -> Result<Option<Expr>, SqlError> {
    Ok(Some(match expr {
        Expr::Value(value) => return literal::literal(value),
        Expr::Function(function) => return function::function(function),
        Expr::Array(array) => array::constructor(array)?,
        Expr::AnyOp {
            left,
            compare_op,
            right,
            ..
        } if !is_subquery(right) => array::quantified(left, compare_op, right, false)?,
        Expr::AllOp {
            left,
            compare_op,
            right,
        } if !is_subquery(right) => array::quantified(left, compare_op, right, true)?,
        Expr::BinaryOp { left, op, right } => return row::row_comparison(left, op, right),
        Expr::InList {
            expr: operand,
            list,
            negated,
        } => return row::row_in_list(operand, list, *negated),
        Expr::UnaryOp { op, expr: operand } => literal::unary(*op, take(operand))?,
        Expr::AtTimeZone {
            timestamp,
            time_zone,
        } => call("timezone", vec![take(time_zone), take(timestamp)]),
        Expr::Interval(interval) => interval::interval_literal(interval)?,
        Expr::Extract {
            field, expr: from, ..
        } => extract(field, take(from)),
        Expr::Position { expr: part, r#in } => call("position", vec![take(part), take(r#in)]),
        Expr::Overlay {
            expr: whole,
            overlay_what,
            overlay_from,
            overlay_for,
        } => {
            let mut args = vec![take(whole), take(overlay_what), take(overlay_from)];
            args.extend(overlay_for.take().map(|length| *length));
            call("overlay", args)
        }
        Expr::Trim {
            trim_where,
            trim_what,
            expr: text,
            trim_characters: None,
        } => {
            let mut args = vec![take(text)];
            args.extend(trim_what.take().map(|set| *set));
            let name = match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            };
            call(name, args)
        }
        Expr::Substring {
            expr: text,
            substring_from,
            substring_for,
            ..
        } => substring(take(text), substring_from.take(), substring_for.take()),
        Expr::SimilarTo {
            negated,
            expr: operand,
            pattern,
            escape_char,
        } => similar(*negated, take(operand), take(pattern), escape_char.take()),
        Expr::Collate {
            expr: inner,
            collation,
        } => {
            refuse_collation(collation)?;
            take(inner)
        }
        _ => return Ok(None),
    }))
}

fn is_subquery(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_subquery(inner),
        other => matches!(other, Expr::Subquery(_)),
    }
}

/// `expr SIMILAR TO pattern ESCAPE escape`.
fn similar(negated: bool, expr: Expr, pattern: Expr, escape: Option<ValueWithSpan>) -> Expr {
    let escape = match escape {
        Some(escape) => Expr::Value(escape),
        None => string("\\"),
    };
    let matches = call("__similar", vec![expr, pattern, escape]);
    if negated {
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(matches),
        }
    } else {
        matches
    }
}

fn extract(field: &DateTimeField, from: Expr) -> Expr {
    let name = field.to_string().to_lowercase();
    let name = name.trim_matches(['\'', '"']);
    call(extract_function(name), vec![string(name), from])
}

fn substring(text: Expr, from: Option<Box<Expr>>, length: Option<Box<Expr>>) -> Expr {
    let mut args = vec![text];
    match (from, length) {
        (Some(from), Some(length)) => args.extend([*from, *length]),
        (Some(from), None) => args.push(*from),
        (None, Some(length)) => args.extend([cast(number("1"), INT4_LITERAL), *length]),
        (None, None) => {}
    }
    call("substring", args)
}

/// Text is compared by its bytes: 0A000 for a collation that asks for more.
fn refuse_collation(collation: &ObjectName) -> Result<(), SqlError> {
    let name = collation
        .0
        .last()
        .and_then(ObjectNamePart::as_ident)
        .map(|i| i.value.as_str());
    match name {
        Some("C" | "POSIX" | "default" | "ucs_basic") => Ok(()),
        _ => Err(SqlError::unsupported(format!("collation {collation}"))),
    }
}
