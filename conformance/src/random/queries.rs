//! Random statements: queries whose rows have one order, and changes that show
//! what they did.

use super::chance::Chance;
use super::changes::change;
use super::expressions::{Column, Scope, expression};
use super::groups::{grouped, windowed};
use super::relations::from;
use super::tables::TABLES;
use super::tree::{Node, Type};

/// How deep expressions go.
const DEPTH: usize = 3;

/// The statement of a number.
pub fn statement(number: u64) -> Node {
    let mut chance = Chance::new(number);
    match chance.below(12) {
        0 | 10 => change(&mut chance),
        1 => set_operation(&mut chance),
        2 => common_table(&mut chance),
        11 => distinct_on(&mut chance),
        _ => {
            let (query, width) = query(&mut chance);
            ordered(query, width, &mut chance)
        }
    }
}

/// A plain SELECT with columns c0, c1, … of the given types, in no order.
pub(super) fn select(
    chance: &mut Chance,
    kinds: &[Type],
    outer: &[Column],
    subqueries: usize,
    prefix: &str,
) -> Node {
    let (from, columns) = from(chance, outer, subqueries, prefix);
    let scope = Scope {
        columns: &columns,
        subqueries,
    };
    let list = kinds.iter().enumerate().map(|(i, kind)| {
        let value = expression(chance, &scope, *kind, DEPTH - 1);
        Node::fill(&format!("{{}} AS c{i}"), vec![value])
    });
    let list = Node::join(list.collect(), ", ");
    let filter = filter(chance, &scope, " WHERE ");
    Node::fill("SELECT {} FROM {}{}", vec![list, from, filter])
}

pub(super) fn filter(chance: &mut Chance, scope: &Scope<'_>, word: &str) -> Node {
    if chance.once_in(3) {
        return Node::text("");
    }
    let test = expression(chance, scope, Type::Bool, DEPTH);
    Node::fill(&format!("{word}{{}}"), vec![test]).optional()
}

/// A query of several columns, and how many: plain, distinct, grouped, or with
/// window functions.
fn query(chance: &mut Chance) -> (Node, usize) {
    let width = 1 + chance.below(3);
    match chance.below(8) {
        0..=2 => grouped(chance, width),
        3 => windowed(chance),
        n => {
            let kinds = orderable(chance, width);
            let body = select(chance, &kinds, &[], 2, "");
            let body = if n == 4 { distinct(&body) } else { body };
            (body, width)
        }
    }
}

/// Types whose values have an order.
pub(super) fn orderable(chance: &mut Chance, width: usize) -> Vec<Type> {
    (0..width)
        .filter_map(|_| chance.pick(Type::ordered()).copied())
        .collect()
}

fn distinct(body: &Node) -> Node {
    match body {
        Node::Row(parts) => match parts.as_slice() {
            [Node::Text(first), rest @ ..] if first == "SELECT " => {
                let mut row = vec![Node::text("SELECT DISTINCT ")];
                row.extend_from_slice(rest);
                Node::Row(row)
            }
            _ => body.clone(),
        },
        _ => body.clone(),
    }
}

/// ORDER BY all columns: rows that it leaves in any order are equal.
fn ordered(body: Node, width: usize, chance: &mut Chance) -> Node {
    let mut order: Vec<String> = Vec::new();
    for column in 1..=width {
        let direction = chance.word(&["", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
        order.push(format!("{column}{direction}"));
    }
    let order = Node::text(format!(" ORDER BY {}", order.join(", ")));
    let limit = if chance.once_in(4) {
        let (count, offset) = (chance.below(6), chance.below(3));
        Node::text(format!(" LIMIT {count} OFFSET {offset}")).optional()
    } else {
        Node::text("")
    };
    Node::Row(vec![body, order, limit])
}

fn set_operation(chance: &mut Chance) -> Node {
    let width = 1 + chance.below(3);
    let kinds = orderable(chance, width);
    let operator = chance.word(&[
        "UNION",
        "UNION ALL",
        "INTERSECT",
        "EXCEPT",
        "EXCEPT ALL",
        "INTERSECT ALL",
    ]);
    let (a, b) = (
        select(chance, &kinds, &[], 1, ""),
        select(chance, &kinds, &[], 1, ""),
    );
    let body = Node::fill(&format!("{{}} {operator} {{}}"), vec![a, b]);
    ordered(body, width, chance)
}

fn common_table(chance: &mut Chance) -> Node {
    let kinds = orderable(chance, 2);
    let inner = select(chance, &kinds, &[], 1, "w_");
    let columns: Vec<Column> = kinds
        .iter()
        .enumerate()
        .map(|(i, k)| (format!("w.c{i}"), *k))
        .collect();
    let scope = Scope {
        columns: &columns,
        subqueries: 1,
    };
    let outs = orderable(chance, 2);
    let list = outs
        .iter()
        .map(|kind| expression(chance, &scope, *kind, 2))
        .collect();
    let filter = filter(chance, &scope, " WHERE ");
    let body = Node::fill(
        "WITH w AS ({}) SELECT {} FROM w{}",
        vec![inner, Node::join(list, ", "), filter],
    );
    ordered(body, 2, chance)
}

/// The first row of each group, and queries of themselves.
fn distinct_on(chance: &mut Chance) -> Node {
    if chance.once_in(3) {
        return recursive(chance);
    }
    let kinds = orderable(chance, 2);
    let (from, columns) = from(chance, &[], 1, "");
    let scope = Scope {
        columns: &columns,
        subqueries: 1,
    };
    let list = kinds
        .iter()
        .map(|kind| expression(chance, &scope, *kind, 2));
    let list = Node::join(list.collect(), ", ");
    let filter = filter(chance, &scope, " WHERE ");
    let key = expression(chance, &scope, Type::Int, 1);
    let direction = chance.word(&["", " DESC"]);
    Node::fill(
        &format!(
            "SELECT DISTINCT ON (1) ({{}}) % 4, {{}} FROM {{}}{{}} ORDER BY 1{direction}, 2, 3"
        ),
        vec![key, list, from, filter],
    )
}

/// A query that reads its own rows.
fn recursive(chance: &mut Chance) -> Node {
    let table = chance.word(&TABLES);
    let first: Vec<Column> = vec![
        ("a.id".to_owned(), Type::Int),
        ("a.i".to_owned(), Type::Int),
        ("a.t".to_owned(), Type::Text),
    ];
    let again: Vec<Column> = vec![
        ("r.c0".to_owned(), Type::Int),
        ("r.c1".to_owned(), Type::Text),
    ];
    let scope = |columns| Scope {
        columns,
        subqueries: 0,
    };
    let mut e = |columns, kind| expression(chance, &scope(columns), kind, 1);
    let parts = vec![
        e(&first, Type::Int),
        e(&first, Type::Text),
        e(&again, Type::Int),
        e(&again, Type::Text),
    ];
    let all = chance.word(&["UNION", "UNION ALL"]);
    Node::fill(
        &format!(
            "WITH RECURSIVE r (n, c0, c1) AS (SELECT 1, {{}}, {{}} FROM {table} AS a {all} \
             SELECT r.n + 1, {{}}, {{}} FROM r WHERE r.n < 3) \
             SELECT n, c0, c1 FROM r ORDER BY 1, 2, 3"
        ),
        parts,
    )
}

/// A subquery that gives one value.
pub(crate) fn scalar_subquery(chance: &mut Chance, scope: &Scope<'_>, kind: Type) -> Node {
    let level = scope.subqueries;
    let (from, columns) = from(chance, scope.columns, 0, &format!("q{level}"));
    let inner = Scope {
        columns: &columns,
        subqueries: level - 1,
    };
    // An aggregate of outer columns alone would belong to the outer query.
    let own = Scope {
        columns: &columns[..columns.len() - scope.columns.len()],
        subqueries: 0,
    };
    let value = expression(chance, &own, kind, 1);
    let filter = filter(chance, &inner, " WHERE ");
    let pattern = match kind {
        Type::Int
        | Type::Text
        | Type::Date
        | Type::Timestamp
        | Type::Numeric
        | Type::Float
        | Type::Interval
        | Type::Small
        | Type::Real
        | Type::Instant
        | Type::Time
        | Type::Ints
        | Type::Texts
        | Type::Big => "(SELECT max({}) FROM {}{})",
        Type::Bool => "(SELECT bool_or({}) FROM {}{})",
        // No aggregate for these: the first by their own order.
        Type::Bytes | Type::Uuid | Type::Json => "(SELECT {} FROM {}{} ORDER BY 1 LIMIT 1)",
    };
    Node::fill(pattern, vec![value, from, filter])
}

/// EXISTS, IN, ANY and ALL.
pub(crate) fn test_subquery(chance: &mut Chance, scope: &Scope<'_>) -> Node {
    let level = scope.subqueries;
    let (from, columns) = from(chance, scope.columns, 0, &format!("q{level}"));
    let inner = Scope {
        columns: &columns,
        subqueries: level - 1,
    };
    let filter = filter(chance, &inner, " WHERE ");
    if chance.once_in(2) {
        let word = chance.word(&["EXISTS", "NOT EXISTS"]);
        return Node::fill(
            &format!("({word} (SELECT 1 FROM {{}}{{}}))"),
            vec![from, filter],
        );
    }
    let kind = chance
        .pick(&[Type::Int, Type::Text, Type::Date])
        .copied()
        .unwrap_or(Type::Int);
    let value = expression(chance, scope, kind, 1);
    let element = expression(chance, &inner, kind, 1);
    let word = chance.word(&["IN", "NOT IN", "= ANY", "<> ALL", "> ANY"]);
    Node::fill(
        &format!("({{}} {word} (SELECT {{}} FROM {{}}{{}}))"),
        vec![value, element, from, filter],
    )
}
