//! Partitions: `pg_partitioned_table`, `pg_inherits`, keys and bounds as SQL.

use sqlparser::ast::Expr;

use super::expression::Printer;
use super::index::{array, numbers};
use super::types::{collation_of, operator_class};
use super::{Facts, Row};
use crate::catalog::{Bound, Catalog, Edge, PartitionBy, TableDescriptor};
use crate::query::quote_ident;
use crate::session::parse_expression;
use crate::types::{Datum, PgType, SessionFormat, text_in, text_out};

/// The values that a table is partitioned by.
pub(crate) fn partition_key_columns(
    by: &PartitionBy,
    table: &TableDescriptor,
    pretty: bool,
) -> String {
    let keys = by.keys.iter().map(|key| {
        let column = key.column.and_then(|attnum| table.attribute(attnum));
        match (column, &key.expression) {
            (Some(column), _) => quote_ident(&column.name),
            (None, Some(text)) => shown(text, table, pretty),
            (None, None) => String::new(),
        }
    });
    keys.collect::<Vec<_>>().join(", ")
}

/// A function call stands alone, anything else in parentheses.
fn shown(text: &str, table: &TableDescriptor, pretty: bool) -> String {
    let printed = Printer {
        facts: None,
        table,
        pretty,
    }
    .show(text);
    let mut parsed = parse_expression(text).ok();
    while let Some(Expr::Nested(inner)) = parsed {
        parsed = Some(*inner);
    }
    match parsed {
        Some(Expr::Function(_)) => printed,
        _ => format!("({printed})"),
    }
}

/// What `pg_get_partkeydef` gives.
pub(crate) fn partition_key(catalog: &Catalog, oid: u32) -> Option<String> {
    let table = catalog.table_by_oid(oid)?;
    let by = table.family.partition_by.as_ref()?;
    let word = by.strategy.word().to_ascii_uppercase();
    Some(format!(
        "{word} ({})",
        partition_key_columns(by, table, false)
    ))
}

/// A partition's bound as SQL.
pub(crate) fn bound_definition(bound: &Bound, by: &PartitionBy) -> String {
    let first = by.keys.first().map_or(PgType::Text, |key| key.ty);
    match bound {
        Bound::Default => "DEFAULT".to_owned(),
        Bound::Hash { modulus, remainder } => {
            format!("FOR VALUES WITH (modulus {modulus}, remainder {remainder})")
        }
        Bound::List(values) => {
            let values: Vec<String> = values
                .iter()
                .map(|v| literal(v.as_deref(), first))
                .collect();
            format!("FOR VALUES IN ({})", values.join(", "))
        }
        Bound::Range(from, to) => {
            format!(
                "FOR VALUES FROM ({}) TO ({})",
                edges_text(from, by),
                edges_text(to, by)
            )
        }
    }
}

/// Edges of a range as SQL.
pub(crate) fn edges_text(edges: &[Edge], by: &PartitionBy) -> String {
    let shown = edges.iter().zip(&by.keys).map(|(edge, key)| match edge {
        Edge::Least => "MINVALUE".to_owned(),
        Edge::Greatest => "MAXVALUE".to_owned(),
        Edge::Value(text) => literal(Some(text), key.ty),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// A constant: numbers bare, words of boolean bare, anything else in quotes.
fn literal(text: Option<&str>, ty: PgType) -> String {
    let Some(text) = text else {
        return "NULL".to_owned();
    };
    let number = matches!(
        ty,
        PgType::Int2
            | PgType::Int4
            | PgType::Int8
            | PgType::Oid
            | PgType::Numeric(_)
            | PgType::Float4
            | PgType::Float8
    );
    if number && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return text.to_owned();
    }
    match (ty, text) {
        (PgType::Bool, "t") => "true".to_owned(),
        (PgType::Bool, "f") => "false".to_owned(),
        _ => format!("'{}'", text.replace('\'', "''")),
    }
}

/// The bound of a partition as SQL.
pub(super) fn bound_of(facts: &Facts<'_>, table: &TableDescriptor) -> Option<String> {
    let bound = table.family.bound.as_ref()?;
    let parent = facts.catalog.table_by_oid(*table.family.parents.first()?)?;
    let by = parent.family.partition_by.as_ref()?;
    Some(bound_definition(&in_session(bound, by, facts), by))
}

/// A bound with its times in the session's zone.
fn in_session(bound: &Bound, by: &PartitionBy, facts: &Facts<'_>) -> Bound {
    let format = SessionFormat {
        time_zone: facts.session.time_zone,
        now: facts.session.transaction_us,
        ..SessionFormat::default()
    };
    let shown = |text: &str, ty: PgType| {
        let value = text_in(ty, text, &SessionFormat::default()).ok();
        let shown = value.and_then(|value| text_out(ty, &value, &format));
        shown.unwrap_or_else(|| text.to_owned())
    };
    let edges = |edges: &[Edge]| -> Vec<Edge> {
        let keyed = edges.iter().zip(&by.keys);
        keyed
            .map(|(edge, key)| match edge {
                Edge::Value(text) => Edge::Value(shown(text, key.ty)),
                other => other.clone(),
            })
            .collect()
    };
    match bound {
        Bound::List(values) => {
            let ty = by.keys.first().map_or(PgType::Text, |key| key.ty);
            let values = values.iter();
            let shown = values.map(|value| value.as_ref().map(|text| shown(text, ty)));
            Bound::List(shown.collect())
        }
        Bound::Range(from, to) => Bound::Range(edges(from), edges(to)),
        other => other.clone(),
    }
}

/// The condition that a partition's bound is, as `psql` shows it.
pub(crate) fn partition_constraint(catalog: &Catalog, oid: u32) -> Option<String> {
    let table = catalog.table_by_oid(oid)?;
    let mut conditions = Vec::new();
    let mut child = table;
    while child.is_partition() {
        let parent = catalog.table_by_oid(*child.family.parents.first()?)?;
        let by = parent.family.partition_by.as_ref()?;
        let own = child_condition(child, parent, by, catalog)?;
        conditions.splice(0..0, own);
        child = parent;
    }
    match conditions.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        all => Some(format!("({})", all.join(" AND "))),
    }
}

/// The conditions of one bound.
fn child_condition(
    child: &TableDescriptor,
    parent: &TableDescriptor,
    by: &PartitionBy,
    catalog: &Catalog,
) -> Option<Vec<String>> {
    let keys: Vec<String> = by
        .keys
        .iter()
        .map(|key| {
            match (
                key.column.and_then(|n| parent.attribute(n)),
                &key.expression,
            ) {
                (Some(column), _) => quote_ident(&column.name),
                (None, Some(text)) => shown(text, parent, true),
                (None, None) => String::new(),
            }
        })
        .collect();
    match child.family.bound.as_ref()? {
        Bound::Default => {
            let others = catalog.children(parent.oid);
            let mut not = Vec::new();
            for other in others.into_iter().filter(|t| t.oid != child.oid) {
                let own = bound_condition(other.family.bound.as_ref()?, by, &keys, parent.oid)?;
                not.push(match own.as_slice() {
                    [one] => one.clone(),
                    all => format!("({})", all.join(" AND ")),
                });
            }
            Some(match not.as_slice() {
                [] => Vec::new(),
                [one] => vec![format!("(NOT {one})")],
                all => vec![format!("(NOT ({}))", all.join(" OR "))],
            })
        }
        bound => bound_condition(bound, by, &keys, parent.oid),
    }
}

fn bound_condition(
    bound: &Bound,
    by: &PartitionBy,
    keys: &[String],
    parent: u32,
) -> Option<Vec<String>> {
    match bound {
        Bound::Default => None,
        Bound::Hash { modulus, remainder } => Some(vec![format!(
            "satisfies_hash_partition('{parent}'::oid, {modulus}, {remainder}, {})",
            keys.join(", ")
        )]),
        Bound::List(values) => Some(list_condition(values, by, keys)),
        Bound::Range(from, to) => Some(range_condition(from, to, by, keys)),
    }
}

/// A constant with its type, where that does not follow.
fn constant(text: &str, ty: PgType) -> String {
    let shown = literal(Some(text), ty);
    match shown.starts_with('\'') {
        true => format!("{shown}::{}", ty.base_name()),
        false => shown,
    }
}

fn list_condition(values: &[Option<String>], by: &PartitionBy, keys: &[String]) -> Vec<String> {
    let (key, ty) = match (keys.first(), by.keys.first()) {
        (Some(key), Some(by)) => (key, by.ty),
        _ => return Vec::new(),
    };
    let some: Vec<String> = values
        .iter()
        .flatten()
        .map(|text| constant(text, ty))
        .collect();
    let cast = match ty {
        PgType::Varchar(_) => format!("({key})::text"),
        _ => key.clone(),
    };
    let equal = match some.as_slice() {
        [] => None,
        [one] => Some(format!("({cast} = {one})")),
        all => Some(format!("({cast} = ANY (ARRAY[{}]))", all.join(", "))),
    };
    let null = values.contains(&None);
    match (equal, null) {
        (Some(equal), false) => vec![format!("({key} IS NOT NULL)"), equal],
        (Some(equal), true) => vec![format!("(({key} IS NULL) OR {equal})")],
        (None, _) => vec![format!("({key} IS NULL)")],
    }
}

fn range_condition(from: &[Edge], to: &[Edge], by: &PartitionBy, keys: &[String]) -> Vec<String> {
    let mut all: Vec<String> = keys
        .iter()
        .map(|key| format!("({key} IS NOT NULL)"))
        .collect();
    let columns: Vec<(&String, PgType)> = keys.iter().zip(by.keys.iter().map(|k| k.ty)).collect();
    // What both begin with is equal.
    let mut same = 0;
    for ((a, b), (key, ty)) in from.iter().zip(to).zip(&columns) {
        match (a, b) {
            (Edge::Value(a), Edge::Value(b)) if a == b && same + 1 < columns.len() => {
                all.push(format!("({key} = {})", constant(a, *ty)));
                same += 1;
            }
            _ => break,
        }
    }
    let rest = |edges: &[Edge], strict: &str, last: &str| -> Option<String> {
        let mut steps: Vec<String> = Vec::new();
        let mut equal: Vec<String> = Vec::new();
        let edges: Vec<_> = edges.iter().zip(&columns).skip(same).collect();
        for (at, (edge, (key, ty))) in edges.iter().enumerate() {
            let Edge::Value(text) = edge else {
                break;
            };
            let value = constant(text, *ty);
            let ends =
                at + 1 == edges.len() || !matches!(edges.get(at + 1), Some((Edge::Value(_), _)));
            // MAXVALUE after it takes the value itself to the other side.
            let greatest = matches!(edges.get(at + 1), Some((Edge::Greatest, _)));
            let operator = match (ends, greatest) {
                (false, _) => strict,
                (true, false) => last,
                (true, true) if strict == ">" => ">",
                (true, true) => "<=",
            };
            let mut step = equal.clone();
            step.push(format!("({key} {operator} {value})"));
            steps.push(match step.as_slice() {
                [one] => one.clone(),
                all => format!("({})", all.join(" AND ")),
            });
            if ends {
                break;
            }
            equal.push(format!("({key} = {value})"));
        }
        match steps.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            all => Some(format!("({})", all.join(" OR "))),
        }
    };
    all.extend(rest(from, ">", ">="));
    all.extend(rest(to, "<", "<"));
    all
}

/// Partitioned tables.
pub(super) fn pg_partitioned_table(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in facts.catalog.tables() {
        let Some(by) = &table.family.partition_by else {
            continue;
        };
        let attnums: Vec<u16> = by.keys.iter().map(|k| k.column.unwrap_or(0)).collect();
        let each = |value: fn(PgType) -> u32| {
            let values = by.keys.iter().map(|key| Datum::Oid(value(key.ty)));
            array(PgType::Oid, values.collect())
        };
        let word = by.strategy.word();
        let default = facts
            .catalog
            .default_partition(table.oid)
            .map_or(0, |t| t.oid);
        rows.push(vec![
            ("partrelid", Datum::Oid(table.oid)),
            ("partstrat", Datum::text(word.get(..1).unwrap_or_default())),
            ("partnatts", super::class::small(by.keys.len())),
            ("partdefid", Datum::Oid(default)),
            ("partattrs", numbers(&attnums)),
            ("partclass", each(operator_class)),
            ("partcollation", each(collation_of)),
        ]);
    }
    rows
}

/// Who inherits from whom: tables, and the indexes of partitions.
pub(super) fn pg_inherits(facts: &Facts<'_>) -> Vec<Row> {
    let row = |child: u32, parent: u32, number: usize| {
        vec![
            ("inhrelid", Datum::Oid(child)),
            ("inhparent", Datum::Oid(parent)),
            (
                "inhseqno",
                Datum::Int4(i32::try_from(number).unwrap_or(i32::MAX)),
            ),
        ]
    };
    let mut rows = Vec::new();
    for table in facts.catalog.tables() {
        for (parent, number) in table.family.parents.iter().zip(1..) {
            rows.push(row(table.oid, *parent, number));
        }
        if let (Some(parent), Some((_, own))) = (table.family.key_parent, &table.primary_key_name) {
            rows.push(row(*own, parent, 1));
        }
        for index in &table.indexes {
            rows.extend(index.parent.map(|parent| row(index.oid, parent, 1)));
        }
    }
    rows
}
