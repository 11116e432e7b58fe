//! Random changes of rows.

use super::chance::Chance;
use super::expressions::{Column, Scope, expression, literal};
use super::queries::filter;
use super::tables::{COLUMNS, TABLES};
use super::tree::{Node, Type};

/// How deep expressions go.
const DEPTH: usize = 3;

/// INSERT, UPDATE or DELETE, what it returns, what the table then holds, and
/// everything undone.
pub(super) fn change(chance: &mut Chance) -> Node {
    let table = chance.word(&TABLES);
    let columns: Vec<Column> = COLUMNS
        .iter()
        .map(|(n, k)| (format!("{table}.{n}"), *k))
        .chain([(format!("{table}.id"), Type::Int)])
        .collect();
    let scope = Scope {
        columns: &columns,
        subqueries: 1,
    };
    let Some((column, kind)) = chance.pick(&COLUMNS).copied() else {
        return Node::text("SELECT 1");
    };
    let test = filter(chance, &scope, " WHERE ");
    let returned = expression(chance, &scope, Type::Text, 2);
    let returning = Node::fill(&format!(" RETURNING {table}.id, {{}}"), vec![returned]).optional();
    let body = match chance.below(8) {
        4 => upsert(chance, table, (column, kind), &returning),
        5 => update_from(chance, table, (column, kind), &returning),
        6 => delete_using(chance, table, &returning),
        7 => merge(chance, table, (column, kind)),
        0 => {
            let value = expression(
                chance,
                &Scope {
                    columns: &[],
                    subqueries: 1,
                },
                kind,
                2,
            );
            let id = 100 + chance.below(20);
            Node::fill(
                &format!(
                    "INSERT INTO {table} (id, {column}) VALUES ({id}, {{}}), ({}, {}){{}}",
                    id + 1,
                    literal(chance, kind)
                ),
                vec![value, returning],
            )
        }
        1 => {
            let source = chance.word(&TABLES);
            let inner: Vec<Column> = COLUMNS
                .iter()
                .map(|(n, k)| (format!("x.{n}"), *k))
                .collect();
            let value = expression(
                chance,
                &Scope {
                    columns: &inner,
                    subqueries: 0,
                },
                kind,
                2,
            );
            Node::fill(
                &format!(
                    "INSERT INTO {table} (id, {column}) SELECT x.id + 100, {{}} FROM {source} AS x{{}}"
                ),
                vec![value, returning],
            )
        }
        2 => Node::fill(
            &format!("DELETE FROM {table}{{}}{{}}"),
            vec![test, returning],
        ),
        _ => {
            let value = expression(chance, &scope, kind, DEPTH);
            Node::fill(
                &format!("UPDATE {table} SET {column} = {{}}{{}}{{}}"),
                vec![value, test, returning],
            )
        }
    };
    Node::fill(
        &format!("BEGIN; {{}}; SELECT * FROM {table} ORDER BY id; ROLLBACK"),
        vec![body],
    )
}

/// The columns of a table under another name.
fn columns_of(alias: &str) -> Vec<Column> {
    let columns = COLUMNS.iter().map(|(n, k)| (format!("{alias}.{n}"), *k));
    columns
        .chain([(format!("{alias}.id"), Type::Int)])
        .collect()
}

/// A column that a change is about.
type Assigned = (&'static str, Type);

/// Rows of another table, some of which are there already.
fn upsert(
    chance: &mut Chance,
    table: &'static str,
    (column, kind): Assigned,
    returning: &Node,
) -> Node {
    let source = chance.word(&TABLES);
    let inner = columns_of("x");
    let scope = Scope {
        columns: &inner,
        subqueries: 0,
    };
    let value = expression(chance, &scope, kind, 1);
    let mut both = columns_of(table);
    both.push((format!("excluded.{column}"), kind));
    both.push(("excluded.id".to_owned(), Type::Int));
    let scope = Scope {
        columns: &both,
        subqueries: 0,
    };
    let action = if chance.once_in(3) {
        Node::text("NOTHING")
    } else {
        let new = expression(chance, &scope, kind, 2);
        let test = filter(chance, &scope, " WHERE ");
        Node::fill(&format!("UPDATE SET {column} = {{}}{{}}"), vec![new, test])
    };
    let head =
        format!("INSERT INTO {table} (id, {column}) SELECT x.id + 3, {{}} FROM {source} AS x");
    Node::fill(
        &format!("{head} ON CONFLICT (id) DO {{}}{{}}"),
        vec![value, action, returning.clone()],
    )
}

fn update_from(
    chance: &mut Chance,
    table: &'static str,
    (column, kind): Assigned,
    returning: &Node,
) -> Node {
    let other = chance.word(&TABLES);
    let mut columns = columns_of(table);
    columns.extend(columns_of("x"));
    let scope = Scope {
        columns: &columns,
        subqueries: 0,
    };
    let value = expression(chance, &scope, kind, 2);
    let test = filter(chance, &scope, " AND ");
    Node::fill(
        &format!(
            "UPDATE {table} SET {column} = {{}} FROM {other} AS x WHERE x.id = {table}.id{{}}{{}}"
        ),
        vec![value, test, returning.clone()],
    )
}

fn delete_using(chance: &mut Chance, table: &'static str, returning: &Node) -> Node {
    let other = chance.word(&TABLES);
    let mut columns = columns_of(table);
    columns.extend(columns_of("x"));
    let scope = Scope {
        columns: &columns,
        subqueries: 0,
    };
    let test = filter(chance, &scope, " AND ");
    Node::fill(
        &format!("DELETE FROM {table} USING {other} AS x WHERE x.id = {table}.id{{}}{{}}"),
        vec![test, returning.clone()],
    )
}

fn merge(chance: &mut Chance, table: &'static str, (column, kind): Assigned) -> Node {
    let other = chance.word(&TABLES);
    let source = columns_of("x");
    let mut both = columns_of(table);
    both.extend(columns_of("x"));
    let scope = |columns| Scope {
        columns,
        subqueries: 0,
    };
    let test = expression(chance, &scope(&both), Type::Bool, 2);
    let value = expression(chance, &scope(&both), kind, 2);
    let inserted = expression(chance, &scope(&source), kind, 2);
    let wanted = expression(chance, &scope(&source), Type::Bool, 1);
    let on = format!("MERGE INTO {table} USING {other} AS x ON x.id + 2 = {table}.id");
    Node::fill(
        &format!(
            "{on} WHEN MATCHED AND {{}} THEN UPDATE SET {column} = {{}} \
             WHEN MATCHED THEN DELETE \
             WHEN NOT MATCHED AND {{}} THEN INSERT (id, {column}) VALUES (x.id + 2, {{}})"
        ),
        vec![test, value, wanted, inserted],
    )
}
