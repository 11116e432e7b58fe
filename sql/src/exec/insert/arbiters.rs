//! Which unique keys the target of an ON CONFLICT means.

use sqlparser::ast::{BinaryOperator, Expr, Ident, ObjectName};

use crate::catalog::{IndexDescriptor, TableDescriptor, fold_identifier};
use crate::error::{SqlError, state};
use crate::exec::checks::bare_columns;
use crate::exec::keys::{KeyKind, KeyPart, KeyRequest};
use crate::exec::target::simple_name;
use crate::exec::upsert::Arbiters;
use crate::session::{carried_target, parse_expression};

/// All unique keys of a table. Those that may be violated for a while are no reason
/// not to insert.
pub(super) fn all(desc: &TableDescriptor) -> Arbiters {
    let unique = desc.indexes.iter().filter(|i| i.is_exclusive());
    Arbiters {
        primary_key: !desc.primary_key.is_empty(),
        indexes: unique.map(|i| i.oid).collect(),
    }
}

/// The parts of a target: columns, expressions as they are compared, the terms of its
/// condition.
struct Wanted {
    columns: Vec<u16>,
    expressions: Vec<String>,
    terms: Vec<String>,
}

/// The unique keys over exactly what a target names, in any order.
///
/// # Errors
/// 42703 for an unknown column, 42P10 when no unique key fits, 55000 when only
/// deferrable ones do.
pub(super) fn by_columns(names: &[Ident], desc: &TableDescriptor) -> Result<Arbiters, SqlError> {
    let wanted = wanted(names, desc)?;
    let same = |columns: &[u16]| {
        !columns.is_empty()
            && columns
                .iter()
                .all(|c| *c == 0 || wanted.columns.contains(c))
            && wanted.columns.iter().all(|c| columns.contains(c))
    };
    let mut arbiters = Arbiters {
        primary_key: wanted.expressions.is_empty() && same(&desc.primary_key),
        indexes: Vec::new(),
    };
    let mut deferrable = false;
    for index in desc.indexes.iter().filter(|i| i.unique && same(&i.columns)) {
        if !fits(index, &wanted)? {
            continue;
        }
        match index.deferrable {
            true => deferrable = true,
            false => arbiters.indexes.push(index.oid),
        }
    }
    if arbiters != Arbiters::default() {
        return Ok(arbiters);
    }
    if deferrable {
        return Err(deferrable_arbiter());
    }
    Err(SqlError::new(
        state::INVALID_COLUMN_REFERENCE,
        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
    ))
}

fn wanted(names: &[Ident], desc: &TableDescriptor) -> Result<Wanted, SqlError> {
    let mut wanted = Wanted {
        columns: Vec::new(),
        expressions: Vec::new(),
        terms: Vec::new(),
    };
    let mut parts: Vec<KeyPart> = names
        .iter()
        .map(|name| KeyPart::Column(fold_identifier(name)))
        .collect();
    if let Some((columns, condition)) = carried_target(names)? {
        parts = KeyRequest::new(KeyKind::UniqueIndex)
            .with_columns(&columns)?
            .columns;
        if let Some(condition) = condition {
            wanted.terms = terms(condition, desc);
        }
    }
    for part in parts {
        match part {
            KeyPart::Column(name) => {
                let found = desc.column(&name).ok_or_else(|| unknown(&name))?;
                wanted.columns.push(found.attnum);
            }
            KeyPart::Expression(mut expr) => {
                bare_columns(&mut expr, desc);
                wanted.expressions.push(comparable(&expr));
            }
        }
    }
    Ok(wanted)
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(
        state::UNDEFINED_COLUMN,
        format!("column \"{name}\" does not exist"),
    )
}

/// Whether an index has the expressions that are wanted, and all rows for which the
/// condition holds.
fn fits(index: &IndexDescriptor, wanted: &Wanted) -> Result<bool, SqlError> {
    let mut own = Vec::with_capacity(index.expressions.len());
    for part in &index.expressions {
        own.push(comparable(&parse_expression(&part.text)?));
    }
    let same = own.iter().all(|e| wanted.expressions.contains(e))
        && wanted.expressions.iter().all(|e| own.contains(e));
    if !same {
        return Ok(false);
    }
    let Some(predicate) = &index.predicate else {
        return Ok(true);
    };
    let mut needed = Vec::new();
    conjuncts(&parse_expression(&predicate.text)?, &mut needed);
    Ok(needed.iter().all(|term| wanted.terms.contains(term)))
}

fn terms(mut condition: Expr, desc: &TableDescriptor) -> Vec<String> {
    bare_columns(&mut condition, desc);
    let mut terms = Vec::new();
    conjuncts(&condition, &mut terms);
    terms
}

fn conjuncts(expr: &Expr, out: &mut Vec<String>) {
    match expr {
        Expr::Nested(inner) => conjuncts(inner, out),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        other => out.push(comparable(other)),
    }
}

/// An expression as text that is the same for the same expression.
fn comparable(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner) => comparable(inner),
        Expr::Identifier(name) => format!("\"{}\"", fold_identifier(name)),
        other => {
            let text = other.to_string();
            // Only what is not quoted may be written in either case.
            if text.contains(['\'', '"']) {
                text
            } else {
                text.to_ascii_lowercase()
            }
        }
    }
}

fn deferrable_arbiter() -> SqlError {
    SqlError::new(
        state::OBJECT_NOT_IN_PREREQUISITE_STATE,
        "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters",
    )
}

/// The unique key of a constraint.
///
/// # Errors
/// 42704 when there is none of that name, 55000 when it is deferrable.
pub(super) fn by_constraint(
    name: &ObjectName,
    desc: &TableDescriptor,
) -> Result<Arbiters, SqlError> {
    let wanted = simple_name(name).unwrap_or_else(|| name.to_string());
    if let Some((key, _)) = &desc.primary_key_name
        && *key == wanted
    {
        return Ok(Arbiters {
            primary_key: true,
            indexes: Vec::new(),
        });
    }
    let named = |i: &&IndexDescriptor| i.unique && i.constraint && i.name == wanted;
    match desc.indexes.iter().find(named) {
        Some(index) if index.deferrable => Err(deferrable_arbiter()),
        Some(index) => Ok(Arbiters {
            primary_key: false,
            indexes: vec![index.oid],
        }),
        None => Err(SqlError::new(
            state::UNDEFINED_OBJECT,
            format!(
                "constraint \"{wanted}\" for table \"{}\" does not exist",
                desc.name
            ),
        )),
    }
}
