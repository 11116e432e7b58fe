//! Random queries with aggregates and window functions.

use super::chance::Chance;
use super::expressions::{Column, Scope, expression};
use super::queries::{filter, orderable};
use super::relations::from;
use super::tables::{COLUMNS, TABLES};
use super::tree::{Node, Type};

pub(super) fn grouped(chance: &mut Chance, width: usize) -> (Node, usize) {
    let (from, columns) = from(chance, &[], 1, "");
    let scope = Scope {
        columns: &columns,
        subqueries: 0,
    };
    let keys: Vec<Node> = orderable(chance, width - 1)
        .into_iter()
        .map(|kind| expression(chance, &scope, kind, 1))
        .collect();
    if chance.once_in(4) {
        return grouping_sets(chance, from, &scope);
    }
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

/// Several groupings at once.
fn grouping_sets(chance: &mut Chance, from: Node, scope: &Scope<'_>) -> (Node, usize) {
    let orders = Type::ordered();
    let fitting: Vec<&Column> = scope
        .columns
        .iter()
        .filter(|(_, k)| orders.contains(k))
        .collect();
    let mut keys: Vec<&str> = (0..2)
        .filter_map(|_| chance.pick(&fitting).map(|(name, _)| name.as_str()))
        .collect();
    keys.dedup();
    let all = keys.join(", ");
    let sets = chance.word(&["ROLLUP", "CUBE", "GROUPING SETS"]);
    let grouping = match sets {
        "GROUPING SETS" => {
            let each: Vec<String> = keys.iter().map(|key| format!("({key})")).collect();
            format!("GROUPING SETS ({}, ({all}), ())", each.join(", "))
        }
        other => format!("{other} ({all})"),
    };
    let value = aggregate(chance, scope);
    let filter = filter(chance, scope, " WHERE ");
    let node = Node::fill(
        &format!("SELECT {all}, GROUPING({all}), {{}} FROM {{}}{{}} GROUP BY {grouping}"),
        vec![value, from, filter],
    );
    (node, keys.len() + 2)
}

fn aggregate(chance: &mut Chance, scope: &Scope<'_>) -> Node {
    use Type::{
        Big, Bool, Date, Float, Instant, Int, Interval, Ints, Numeric, Real, Small, Text, Texts,
        Time, Timestamp,
    };
    let choices: [(&str, Type); 24] = [
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
        ("sum({})", Small),
        ("max({})", Instant),
        ("min({})", Time),
        ("max({})", Real),
        ("min({})", Ints),
        ("count(DISTINCT {})", Texts),
        ("max({})", Small),
        ("bit_or({})", Int),
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

pub(super) fn windowed(chance: &mut Chance) -> (Node, usize) {
    let table = chance.word(&TABLES);
    let columns: Vec<Column> = COLUMNS
        .iter()
        .map(|(n, k)| (format!("a.{n}"), *k))
        .collect();
    let scope = Scope {
        columns: &columns,
        subqueries: 0,
    };
    let filter = filter(chance, &scope, " WHERE ");
    let mut list = vec![Node::text("a.id")];
    for _ in 0..1 + chance.below(2) {
        list.push(window_call(chance, &scope));
    }
    let width = list.len();
    let node = Node::fill(
        &format!("SELECT {{}} FROM {table} AS a{{}}"),
        vec![Node::join(list, ", "), filter],
    );
    (node, width)
}

/// A call over a window. Rows that are peers have the same key of the table, or the
/// function gives all peers the same.
fn window_call(chance: &mut Chance, scope: &Scope<'_>) -> Node {
    let part = expression(chance, scope, Type::Int, 1);
    let part = Node::fill("PARTITION BY {} % 3 ", vec![part]).optional();
    let direction = chance.word(&["", " DESC"]);
    if chance.once_in(3) {
        let kind = chance.pick(Type::ordered()).copied().unwrap_or(Type::Int);
        let order = expression(chance, scope, kind, 1);
        let value = expression(chance, scope, Type::Int, 1);
        let function = chance.word(&[
            "rank()",
            "dense_rank()",
            "percent_rank()",
            "cume_dist()",
            "sum({})",
            "count({})",
            "max({})",
        ]);
        let frame = chance.word(&[
            "",
            " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW",
            " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
        ]);
        let call = called(function, value);
        // A constant would be the number of a column.
        return Node::fill(
            &format!("{{}} OVER ({{}}ORDER BY ({{}}){direction}{frame})"),
            vec![call, part, order],
        );
    }
    let kind = *chance
        .pick(&[Type::Int, Type::Int, Type::Text, Type::Numeric, Type::Date])
        .unwrap_or(&Type::Int);
    let value = expression(chance, scope, kind, 2);
    let function = chance.word(&[
        "row_number()",
        "rank()",
        "count({})",
        "lag({})",
        "lead({}, 2)",
        "first_value({})",
        "last_value({})",
        "nth_value({}, 2)",
        "min({})",
        "ntile(3)",
    ]);
    let frame = chance.word(&[
        "",
        "",
        " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
        " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        " ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING",
        " RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING",
        " ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING",
    ]);
    let call = called(function, value);
    Node::fill(
        &format!("{{}} OVER ({{}}ORDER BY a.id{direction}{frame})"),
        vec![call, part],
    )
}

fn called(function: &str, value: Node) -> Node {
    let arguments = match function.contains("{}") {
        true => vec![value],
        false => Vec::new(),
    };
    Node::fill(function, arguments)
}
