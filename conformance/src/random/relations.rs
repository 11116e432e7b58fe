//! What random queries read from: tables, subqueries, rows that are written out, and
//! joins of them.

use super::chance::Chance;
use super::expressions::{Column, Scope, expression, literal};
use super::queries::select;
use super::tables::{COLUMNS, TABLES};
use super::tree::{Node, Type};

/// A FROM clause and the columns it brings into reach.
pub(super) fn from(
    chance: &mut Chance,
    outer: &[Column],
    subqueries: usize,
    prefix: &str,
) -> (Node, Vec<Column>) {
    let (mut node, mut columns) = relation(chance, &format!("{prefix}a"), subqueries);
    let joins = [0, 0, 0, 1, 1, 1, 2];
    for i in 0..chance.pick(&joins).copied().unwrap_or_default() {
        let alias = format!("{prefix}{}", if i == 0 { "b" } else { "c" });
        if subqueries > 0 && chance.once_in(8) {
            let (joined, more) = lateral(chance, node, &columns, &alias);
            node = joined;
            columns.extend(more);
            continue;
        }
        let (right, mut more) = relation(chance, &alias, subqueries);
        let left_columns = columns.clone();
        columns.append(&mut more);
        let kind = chance.word(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]);
        node = if kind == "CROSS JOIN" {
            Node::fill("{} CROSS JOIN {}", vec![node, right])
        } else {
            // Full joins need a condition that can be hashed or merged.
            let key = join_key(chance, &left_columns, &columns[left_columns.len()..]);
            let more = if kind != "FULL JOIN" && chance.once_in(3) {
                let scope = Scope {
                    columns: &columns,
                    subqueries: 0,
                };
                Node::fill(" AND {}", vec![expression(chance, &scope, Type::Bool, 1)]).optional()
            } else {
                Node::text("")
            };
            Node::fill(
                &format!("{{}} {kind} {{}} ON {{}}{{}}"),
                vec![node, right, key, more],
            )
        };
    }
    columns.extend_from_slice(outer);
    (node, columns)
}

fn join_key(chance: &mut Chance, left: &[Column], right: &[Column]) -> Node {
    let of = |columns: &[Column], kind| -> Vec<String> {
        columns
            .iter()
            .filter(|(_, k)| *k == kind)
            .map(|(name, _)| name.clone())
            .collect()
    };
    let kind = *chance
        .pick(&[Type::Int, Type::Int, Type::Text, Type::Bool, Type::Date])
        .unwrap_or(&Type::Int);
    let (a, b) = (of(left, kind), of(right, kind));
    match (chance.pick(&a), chance.pick(&b)) {
        (Some(a), Some(b)) => Node::text(format!("{a} = {b}")),
        _ => Node::text("true"),
    }
}

/// Joins a subquery that uses the columns so far.
fn lateral(
    chance: &mut Chance,
    left: Node,
    columns: &[Column],
    alias: &str,
) -> (Node, Vec<Column>) {
    let kinds: Vec<Type> = (0..2)
        .filter_map(|_| chance.pick(&Type::ALL).copied())
        .collect();
    let body = select(chance, &kinds, columns, 0, &format!("{alias}_"));
    let join = chance.word(&["CROSS JOIN LATERAL", "LEFT JOIN LATERAL"]);
    let on = if join.starts_with("LEFT") {
        " ON true"
    } else {
        ""
    };
    let node = Node::fill(
        &format!("{{}} {join} ({{}}) AS {alias}{on}"),
        vec![left, body],
    );
    (node, named(alias, &kinds))
}

/// Columns c0, c1, … of a relation.
fn named(alias: &str, kinds: &[Type]) -> Vec<Column> {
    let columns = kinds.iter().enumerate();
    columns
        .map(|(i, kind)| (format!("{alias}.c{i}"), *kind))
        .collect()
}

/// Rows that are written out.
fn values(chance: &mut Chance, alias: &str) -> (Node, Vec<Column>) {
    let kinds: Vec<Type> = (0..2)
        .filter_map(|_| chance.pick(&Type::ALL).copied())
        .collect();
    let rows: Vec<String> = (0..1 + chance.below(3))
        .map(|_| {
            let row: Vec<String> = kinds.iter().map(|k| literal(chance, *k)).collect();
            format!("({})", row.join(", "))
        })
        .collect();
    let text = format!("(VALUES {}) AS {alias} (c0, c1)", rows.join(", "));
    (Node::text(text), named(alias, &kinds))
}

/// A table, a subquery, rows that are written out, or a series, under an alias.
fn relation(chance: &mut Chance, alias: &str, subqueries: usize) -> (Node, Vec<Column>) {
    if subqueries > 0 && chance.once_in(5) {
        let kinds: Vec<Type> = (0..2)
            .filter_map(|_| chance.pick(&Type::ALL).copied())
            .collect();
        let body = select(chance, &kinds, &[], subqueries - 1, &format!("{alias}_"));
        return (
            Node::fill(&format!("({{}}) AS {alias}"), vec![body]),
            named(alias, &kinds),
        );
    }
    if chance.once_in(12) {
        return values(chance, alias);
    }
    if chance.once_in(16) {
        let (first, last) = (chance.below(3), chance.below(6));
        let text = format!("generate_series({first}, {last}) AS {alias} (c0)");
        return (Node::text(text), named(alias, &[Type::Int]));
    }
    let table = chance.word(&TABLES);
    let mut columns: Vec<Column> = COLUMNS
        .iter()
        .map(|(n, k)| (format!("{alias}.{n}"), *k))
        .collect();
    columns.push((format!("{alias}.id"), Type::Int));
    (Node::text(format!("{table} AS {alias}")), columns)
}
