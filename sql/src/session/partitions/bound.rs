//! Bounds of partitions: reading them, and that no two overlap.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{Expr, ForValues, PartitionBoundValue, Value, Visit, Visitor};

use crate::catalog::{
    Bound, BoundKey, Catalog, Edge, EdgeKey, PartitionBy, PartitionKey, Strategy, TableDescriptor,
};
use crate::error::{SqlError, state};
use crate::exec::assign::assign;
use crate::exec::table::display;
use crate::exec::target::Planning;
use crate::pg_catalog::partition_key_columns;
use crate::query::{Place, SessionInfo};
use crate::types::{Datum, PgType, SessionFormat};

/// What values of bounds are worked out with.
pub(super) struct Reading<'a> {
    pub(super) planning: &'a Planning,
    pub(super) session: &'a Arc<SessionInfo>,
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(state::INVALID_TABLE_DEFINITION, message)
}

fn overlap(message: impl Into<String>) -> SqlError {
    SqlError::new(state::INVALID_OBJECT_DEFINITION, message)
}

impl Reading<'_> {
    /// The bound that a statement says, for partitions of `parent`.
    ///
    /// # Errors
    /// 42P16, 42P17 and what values may be refused for.
    pub(super) fn bound(
        &self,
        said: &ForValues,
        parent: &TableDescriptor,
        by: &PartitionBy,
    ) -> Result<Bound, SqlError> {
        let wrong = || {
            invalid(format!(
                "invalid bound specification for a {} partition",
                by.strategy.word()
            ))
        };
        match (said, by.strategy) {
            (ForValues::Default, Strategy::Hash) => Err(invalid(
                "a hash-partitioned table may not have a default partition",
            )),
            (ForValues::Default, _) => Ok(Bound::Default),
            (ForValues::In(values), Strategy::List) => self.list(values, parent, by),
            (ForValues::From { from, to }, Strategy::Range) => {
                let (from, to) = (
                    self.edges(from, "FROM", parent, by)?,
                    self.edges(to, "TO", parent, by)?,
                );
                Ok(Bound::Range(from, to))
            }
            (ForValues::With { modulus, remainder }, Strategy::Hash) => {
                let modulus = u32::try_from(*modulus)
                    .ok()
                    .filter(|m| *m > 0)
                    .ok_or_else(|| {
                        invalid(
                            "modulus for hash partition must be an integer value greater than zero",
                        )
                    })?;
                let remainder = u32::try_from(*remainder).ok().filter(|r| *r < modulus);
                let remainder = remainder.ok_or_else(|| {
                    invalid("remainder for hash partition must be less than modulus")
                })?;
                Ok(Bound::Hash { modulus, remainder })
            }
            _ => Err(wrong()),
        }
    }

    fn list(
        &self,
        values: &[Expr],
        parent: &TableDescriptor,
        by: &PartitionBy,
    ) -> Result<Bound, SqlError> {
        let Some(key) = by.keys.first() else {
            return Err(SqlError::corrupted("a partitioned table without a key"));
        };
        let mut found: Vec<Option<String>> = Vec::with_capacity(values.len());
        for value in values {
            let value = self.value(value, key, parent, by)?;
            let text = (!value.is_null()).then(|| display(&value, key.ty));
            if !found.contains(&text) {
                found.push(text);
            }
        }
        Ok(Bound::List(found))
    }

    fn edges(
        &self,
        said: &[PartitionBoundValue],
        word: &str,
        parent: &TableDescriptor,
        by: &PartitionBy,
    ) -> Result<Vec<Edge>, SqlError> {
        if said.len() != by.keys.len() {
            return Err(invalid(format!(
                "{word} must specify exactly one value per partitioning column"
            )));
        }
        let mut edges = Vec::with_capacity(said.len());
        for (said, key) in said.iter().zip(&by.keys) {
            let edge = match said {
                PartitionBoundValue::MinValue => Edge::Least,
                PartitionBoundValue::MaxValue => Edge::Greatest,
                PartitionBoundValue::Expr(expr) => {
                    let value = self.value(expr, key, parent, by)?;
                    if value.is_null() {
                        return Err(overlap("cannot specify NULL in range bound"));
                    }
                    Edge::Value(display(&value, key.ty))
                }
            };
            if let Some(last) = edges.last()
                && !matches!(last, Edge::Value(_))
                && *last != edge
            {
                let word = if *last == Edge::Least {
                    "MINVALUE"
                } else {
                    "MAXVALUE"
                };
                return Err(SqlError::new(
                    state::DATATYPE_MISMATCH,
                    format!("every bound following {word} must also be {word}"),
                ));
            }
            edges.push(edge);
        }
        Ok(edges)
    }

    /// A value of a bound, in the type of the key.
    fn value(
        &self,
        expr: &Expr,
        key: &PartitionKey,
        parent: &TableDescriptor,
        by: &PartitionBy,
    ) -> Result<Datum, SqlError> {
        if names_columns(expr) {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "cannot use column reference in partition bound expression",
            ));
        }
        let mut expr = expr.clone();
        while let Expr::Collate { expr: inner, .. } | Expr::Nested(inner) = expr {
            expr = *inner;
        }
        let exprs = std::slice::from_ref(&expr);
        let place = Place::PartitionBound;
        let planned = self
            .planning
            .expressions(exprs, &[], place, &mut Vec::new())?;
        let from = planned
            .columns()
            .first()
            .map_or(PgType::Unknown, |c| c.pg_type);
        // A bare literal is of no type yet.
        let literal = matches!(&expr, Expr::Value(value)
            if matches!(value.value, Value::SingleQuotedString(_) | Value::Null));
        if !literal && !castable(from, key.ty) {
            let column = key.column.and_then(|attnum| parent.attribute(attnum));
            let name = match column {
                Some(column) => column.name.clone(),
                None => partition_key_columns(by, parent, true),
            };
            return Err(SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "specified value cannot be cast to type {} for column \"{name}\"",
                    key.ty.sql_name()
                ),
            ));
        }
        let values = planned.bind(self.session, &[])?.evaluate(&[&[]])?;
        let value = values
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next());
        assign(
            value.unwrap_or(Datum::Null),
            key.ty,
            &SessionFormat::default(),
        )
    }
}

/// Whether a value of one type is taken for a key of another.
fn castable(from: PgType, to: PgType) -> bool {
    let number = |t| {
        matches!(
            t,
            PgType::Int2
                | PgType::Int4
                | PgType::Int8
                | PgType::Oid
                | PgType::Float4
                | PgType::Float8
                | PgType::Numeric(_)
        )
    };
    let text = |t| {
        matches!(
            t,
            PgType::Text | PgType::Varchar(_) | PgType::Char(_) | PgType::Name
        )
    };
    let day = |t| matches!(t, PgType::Date | PgType::Timestamp | PgType::Timestamptz);
    from == PgType::Unknown
        || from.oid() == to.oid()
        || (number(from) && number(to))
        || text(to)
        || (day(from) && day(to))
}

fn names_columns(expr: &Expr) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                // What is in a subquery is refused with it.
                Expr::Subquery(_) => ControlFlow::Continue(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Names).is_break()
}

/// Refuses a bound that takes rows of another partition.
///
/// # Errors
/// 42P17 with PostgreSQL's words.
pub(super) fn check_overlap(
    name: &str,
    bound: &Bound,
    parent: &TableDescriptor,
    by: &PartitionBy,
    catalog: &Catalog,
) -> Result<(), SqlError> {
    let new = bound.compared(by)?;
    if let BoundKey::Range(from, to) = &new
        && from >= to
    {
        let shown = |edges: &[Edge]| -> String {
            let Bound::Range(..) = bound else {
                return String::new();
            };
            let text = crate::pg_catalog::edges_text(edges, by);
            format!("({text})")
        };
        let (from, to) = match bound {
            Bound::Range(from, to) => (shown(from), shown(to)),
            _ => (String::new(), String::new()),
        };
        return Err(overlap(format!(
            "empty range bound specified for partition \"{name}\""
        ))
        .detail(format!(
            "Specified lower bound {from} is greater than or equal to upper bound {to}."
        )));
    }
    let siblings = catalog.children(parent.oid);
    if let BoundKey::Hash(modulus, _) = new {
        check_moduli(modulus, &siblings)?;
    }
    for sibling in siblings {
        let Some(other) = &sibling.family.bound else {
            continue;
        };
        let overlaps = match (&new, other.compared(by)?) {
            (BoundKey::Default, BoundKey::Default) => {
                return Err(overlap(format!(
                    "partition \"{name}\" conflicts with existing default partition \"{}\"",
                    sibling.name
                )));
            }
            (BoundKey::List(a, null), BoundKey::List(b, other_null)) => {
                (*null && other_null) || a.iter().any(|value| b.binary_search(value).is_ok())
            }
            (BoundKey::Range(from, to), BoundKey::Range(start, end)) => {
                before(from, &end) && before(&start, to)
            }
            (BoundKey::Hash(m, r), BoundKey::Hash(n, s)) => {
                let least = (*m).min(n);
                r % least == s % least
            }
            _ => false,
        };
        if overlaps {
            return Err(overlap(format!(
                "partition \"{name}\" would overlap partition \"{}\"",
                sibling.name
            )));
        }
    }
    Ok(())
}

fn before(a: &[EdgeKey], b: &[EdgeKey]) -> bool {
    a.cmp(b) == Ordering::Less
}

/// Each modulus must divide the next larger one.
fn check_moduli(modulus: u32, siblings: &[&Arc<TableDescriptor>]) -> Result<(), SqlError> {
    let mut moduli: Vec<(u32, &str)> = siblings
        .iter()
        .filter_map(|sibling| match sibling.family.bound {
            Some(Bound::Hash { modulus, .. }) => Some((modulus, sibling.name.as_str())),
            _ => None,
        })
        .collect();
    moduli.sort_unstable();
    let refused = |detail: String| {
        Err(
            overlap("every hash partition modulus must be a factor of the next larger modulus")
                .detail(detail),
        )
    };
    let smaller = moduli.iter().rev().find(|(other, _)| *other <= modulus);
    if let Some((other, name)) = smaller
        && !modulus.is_multiple_of(*other)
    {
        return refused(format!(
            "The new modulus {modulus} is not divisible by {other}, the modulus of existing partition \"{name}\"."
        ));
    }
    let larger = moduli.iter().find(|(other, _)| *other > modulus);
    if let Some((other, name)) = larger
        && other % modulus != 0
    {
        return refused(format!(
            "The new modulus {modulus} is not a factor of {other}, the modulus of existing partition \"{name}\"."
        ));
    }
    Ok(())
}
