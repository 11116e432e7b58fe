//! Expressions and conditions of indexes: from a statement to the descriptor.

use sqlparser::ast::{Expr, IndexColumn, ObjectNamePart};

use super::checks::bare_columns;
use super::keys::KeyPart;
use super::target::Planning;
use crate::catalog::{IndexExpression, TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::query::{Place, RowRelation};
use crate::types::PgType;

/// The part of a key that a statement names.
///
/// # Errors
/// 0A000 for operator classes and collations that are not there.
pub(crate) fn key_part(column: &IndexColumn) -> Result<KeyPart, SqlError> {
    if let Some(class) = &column.operator_class {
        let name = match class.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => fold_identifier(ident),
            _ => class.to_string(),
        };
        // The default classes of the types that can be keys; text has the order of
        // its bytes, as in its pattern classes.
        if !DEFAULT_CLASSES.contains(&name.as_str()) {
            return Err(match KNOWN_CLASSES.contains(&name.as_str()) {
                true => SqlError::unsupported(format!("the operator class {name}")),
                false => SqlError::new(
                    state::UNDEFINED_OBJECT,
                    format!("operator class \"{name}\" does not exist for access method \"btree\""),
                ),
            });
        }
    }
    Ok(match without_collation(&column.column.expr)? {
        Expr::Identifier(ident) => KeyPart::Column(fold_identifier(ident)),
        other => KeyPart::Expression(Box::new(other.clone())),
    })
}

/// Operator classes that change nothing.
const DEFAULT_CLASSES: [&str; 20] = [
    "bool_ops",
    "bpchar_ops",
    "bytea_ops",
    "date_ops",
    "float4_ops",
    "float8_ops",
    "int2_ops",
    "int4_ops",
    "int8_ops",
    "interval_ops",
    "jsonb_ops",
    "name_ops",
    "numeric_ops",
    "oid_ops",
    "text_ops",
    "time_ops",
    "timestamp_ops",
    "timestamptz_ops",
    "uuid_ops",
    "varchar_ops",
];

/// Classes that PostgreSQL has besides.
const KNOWN_CLASSES: [&str; 22] = [
    "array_ops",
    "bit_ops",
    "bpchar_pattern_ops",
    "char_ops",
    "cidr_ops",
    "enum_ops",
    "inet_ops",
    "macaddr8_ops",
    "macaddr_ops",
    "money_ops",
    "multirange_ops",
    "oidvector_ops",
    "pg_lsn_ops",
    "range_ops",
    "record_image_ops",
    "record_ops",
    "text_pattern_ops",
    "tid_ops",
    "timetz_ops",
    "tsvector_ops",
    "varbit_ops",
    "varchar_pattern_ops",
];

/// An expression without the parentheses around it and without a collation that
/// compares bytes, as all do here.
fn without_collation(expr: &Expr) -> Result<&Expr, SqlError> {
    match expr {
        Expr::Nested(inner) => without_collation(inner),
        Expr::Collate { expr, collation } => {
            let name = match collation.0.last() {
                Some(ObjectNamePart::Identifier(ident)) => fold_identifier(ident),
                _ => collation.to_string(),
            };
            match name.as_str() {
                "C" | "POSIX" | "default" | "ucs_basic" => without_collation(expr),
                _ => Err(SqlError::unsupported(format!("the collation \"{name}\""))),
            }
        }
        other => Ok(other),
    }
}

/// An expression of an index.
///
/// # Errors
/// 42P17 when it is not immutable; whatever it is refused for there.
pub(crate) fn expression(
    expr: &Expr,
    table: &TableDescriptor,
    planning: &Planning,
) -> Result<IndexExpression, SqlError> {
    let mut expr = without_collation(expr)?.clone();
    let columns = bare_columns(&mut expr, table);
    let ty = planned_type(&expr, table, Place::IndexExpression, planning)?;
    Ok(IndexExpression {
        name: column_name(&expr),
        text: expr.to_string(),
        columns,
        ty: if ty == PgType::Unknown {
            PgType::Text
        } else {
            ty
        },
    })
}

/// The condition of a partial index.
///
/// # Errors
/// 42P17 when it is not immutable, 42804 when it is no condition; whatever it is
/// refused for there.
pub(crate) fn predicate(
    expr: &Expr,
    table: &TableDescriptor,
    planning: &Planning,
) -> Result<IndexExpression, SqlError> {
    let mut expr = expr.clone();
    let columns = bare_columns(&mut expr, table);
    let ty = planned_type(&expr, table, Place::IndexPredicate, planning)?;
    if !matches!(ty, PgType::Bool | PgType::Unknown) {
        return Err(SqlError::new(
            state::DATATYPE_MISMATCH,
            format!(
                "argument of WHERE must be type boolean, not type {}",
                ty.sql_name()
            ),
        ));
    }
    Ok(IndexExpression {
        text: expr.to_string(),
        columns,
        ty: PgType::Bool,
        name: String::new(),
    })
}

fn planned_type(
    expr: &Expr,
    table: &TableDescriptor,
    place: Place,
    planning: &Planning,
) -> Result<PgType, SqlError> {
    let relation = RowRelation::table(table, &table.name);
    let exprs = std::slice::from_ref(expr);
    let planned = planning.expressions(exprs, &[relation], place, &mut Vec::new())?;
    if !planned.is_immutable() {
        let what = match place {
            Place::IndexPredicate => "predicate",
            _ => "expression",
        };
        return Err(SqlError::new(
            state::INVALID_OBJECT_DEFINITION,
            format!("functions in index {what} must be marked IMMUTABLE"),
        ));
    }
    Ok(planned
        .columns()
        .first()
        .map_or(PgType::Text, |c| c.pg_type))
}

/// What an index's column is called: after the function that gives it, or `expr`.
fn column_name(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner) => column_name(inner),
        Expr::Function(function) => match function.name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => fold_identifier(ident),
            _ => "expr".to_owned(),
        },
        Expr::Case { .. } => "case".to_owned(),
        Expr::Cast { expr, .. } => match expr.as_ref() {
            Expr::Identifier(ident) => fold_identifier(ident),
            _ => "expr".to_owned(),
        },
        _ => "expr".to_owned(),
    }
}
