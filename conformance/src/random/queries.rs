//! Random statements: queries whose rows have one order, and changes that show
//! what they did.

use super::chance::Chance;
use super::expressions::{Column, Scope, expression, literal};
use super::tables::{COLUMNS, TABLES};
use super::tree::{Node, Type};

/// How deep expressions go.
const DEPTH: usize = 3;

/// The statement of a number.
pub fn statement(number: u64) -> Node {
    let mut chance = Chance::new(number);
    match chance.below(10) {
        0 => change(&mut chance),
        1 => set_operation(&mut chance),
        2 => common_table(&mut chance),
        _ => {
            let (query, width) = query(&mut chance);
            ordered(query, width, &mut chance)
        }
    }
}

/// A FROM clause and the columns it brings into reach.
fn from(
    chance: &mut Chance,
    outer: &[Column],
    subqueries: usize,
    prefix: &str,
) -> (Node, Vec<Column>) {
    let (mut node, mut columns) = relation(chance, &format!("{prefix}a"), subqueries);
    let joins = [0, 0, 0, 1, 1, 1, 2];
    for i in 0..chance.pick(&joins).copied().unwrap_or_default() {
        let alias = format!("{prefix}{}", if i == 0 { "b" } else { "c" });
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

/// A table or a subquery under an alias.
fn relation(chance: &mut Chance, alias: &str, subqueries: usize) -> (Node, Vec<Column>) {
    if subqueries > 0 && chance.once_in(5) {
        let kinds: Vec<Type> = (0..2)
            .filter_map(|_| chance.pick(&Type::ALL).copied())
            .collect();
        let body = select(chance, &kinds, &[], subqueries - 1, &format!("{alias}_"));
        let columns = kinds
            .iter()
            .enumerate()
            .map(|(i, k)| (format!("{alias}.c{i}"), *k))
            .collect();
        return (
            Node::fill(&format!("({{}}) AS {alias}"), vec![body]),
            columns,
        );
    }
    let table = chance.word(&TABLES);
    let mut columns: Vec<Column> = COLUMNS
        .iter()
        .map(|(n, k)| (format!("{alias}.{n}"), *k))
        .collect();
    columns.push((format!("{alias}.id"), Type::Int));
    (Node::text(format!("{table} AS {alias}")), columns)
}

/// A plain SELECT with columns c0, c1, … of the given types, in no order.
fn select(
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

fn filter(chance: &mut Chance, scope: &Scope<'_>, word: &str) -> Node {
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
fn orderable(chance: &mut Chance, width: usize) -> Vec<Type> {
    (0..width)
        .filter_map(|_| chance.pick(&Type::ALL[..11]).copied())
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

fn grouped(chance: &mut Chance, width: usize) -> (Node, usize) {
    let (from, columns) = from(chance, &[], 1, "");
    let scope = Scope {
        columns: &columns,
        subqueries: 0,
    };
    let keys: Vec<Node> = orderable(chance, width - 1)
        .into_iter()
        .map(|kind| expression(chance, &scope, kind, 1))
        .collect();
    let mut list = keys.clone();
    let aggregates = 1 + chance.below(2);
    for _ in 0..aggregates {
        list.push(aggregate(chance, &scope));
    }
    let columns_out = list.len();
    let filter = filter(chance, &scope, " WHERE ");
    // A constant there would be read as the number of a column.
    let numbers: Vec<String> = (1..=keys.len()).map(|n| n.to_string()).collect();
    let group = if keys.is_empty() {
        String::new()
    } else {
        format!(" GROUP BY {}", numbers.join(", "))
    };
    let having = if !keys.is_empty() && chance.once_in(3) {
        let value = aggregate(chance, &scope);
        Node::fill(" HAVING ({}) IS NOT NULL", vec![value]).optional()
    } else {
        Node::text("")
    };
    let list = Node::join(list, ", ");
    let node = Node::fill(
        "SELECT {} FROM {}{}{}{}",
        vec![list, from, filter, Node::text(group), having],
    );
    (node, columns_out)
}

fn aggregate(chance: &mut Chance, scope: &Scope<'_>) -> Node {
    use Type::{Big, Bool, Date, Float, Int, Interval, Numeric, Text, Timestamp};
    let choices: [(&str, Type); 16] = [
        ("count(*)", Int),
        ("count({})", Text),
        ("count(DISTINCT {})", Int),
        ("sum({})", Int),
        ("sum({})", Big),
        ("sum({})", Numeric),
        ("sum({})", Float),
        ("min({})", Int),
        ("max({})", Text),
        ("min({})", Date),
        ("max({})", Timestamp),
        ("max({})", Interval),
        ("bool_and({})", Bool),
        ("bool_or({})", Bool),
        ("sum(DISTINCT {})", Int),
        ("round(avg({}), 4)", Int),
    ];
    let Some((pattern, kind)) = chance.pick(&choices) else {
        return Node::text("count(*)");
    };
    let value = expression(chance, scope, *kind, 2);
    let call = Node::fill(
        pattern,
        if pattern.contains("{}") {
            vec![value]
        } else {
            Vec::new()
        },
    );
    // A filter belongs to the call, not to what is made of it.
    if chance.once_in(5) && !pattern.starts_with("round") {
        let test = expression(chance, scope, Bool, 1);
        let only = Node::fill(" FILTER (WHERE {})", vec![test]).optional();
        return Node::Row(vec![call, only]);
    }
    call
}

fn windowed(chance: &mut Chance) -> (Node, usize) {
    let table = chance.word(&TABLES);
    let columns: Vec<Column> = COLUMNS
        .iter()
        .map(|(n, k)| (format!("a.{n}"), *k))
        .collect();
    let scope = Scope {
        columns: &columns,
        subqueries: 0,
    };
    let part = expression(chance, &scope, Type::Int, 1);
    let value = expression(chance, &scope, Type::Int, 2);
    let function = chance.word(&[
        "row_number()",
        "rank()",
        "sum({})",
        "count({})",
        "lag({})",
        "lead({}, 2)",
        "first_value({})",
        "last_value({})",
        "min({})",
        "ntile(3)",
    ]);
    let frame = chance.word(&[
        "",
        "",
        " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
        " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        " ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING",
    ]);
    let call = Node::fill(
        function,
        if function.contains("{}") {
            vec![value]
        } else {
            Vec::new()
        },
    );
    let part = Node::fill("PARTITION BY {} % 3 ", vec![part]).optional();
    let filter = filter(chance, &scope, " WHERE ");
    let direction = chance.word(&["", " DESC"]);
    let node = Node::fill(
        &format!(
            "SELECT a.id, {{}} OVER ({{}}ORDER BY a.id{direction}{frame}) FROM {table} AS a{{}}"
        ),
        vec![call, part, filter],
    );
    (node, 2)
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
        | Type::Big => "(SELECT max({}) FROM {}{})",
        Type::Bool => "(SELECT bool_or({}) FROM {}{})",
        // No aggregate for these: the first by their own order.
        Type::Bytes | Type::Uuid => "(SELECT {} FROM {}{} ORDER BY 1 LIMIT 1)",
        Type::Json => "(SELECT {} FROM {}{} ORDER BY 1 LIMIT 1)",
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

/// INSERT, UPDATE or DELETE, what it returns, what the table then holds, and
/// everything undone.
fn change(chance: &mut Chance) -> Node {
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
    let body = match chance.below(4) {
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
