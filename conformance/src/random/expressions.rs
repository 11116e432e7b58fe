//! Random expressions of a type that is asked for.
//!
//! Numbers stay small, divisors are never zero and doubles have few binary
//! digits, so that no error and no rounding depends on the order in which a
//! server evaluates: that is its own affair.

use super::chance::Chance;
use super::queries::{scalar_subquery, test_subquery};
use super::tree::{Node, Type};

/// A column in reach: how it is written, and its type.
pub(crate) type Column = (String, Type);

/// What an expression may use.
pub(crate) struct Scope<'a> {
    /// Columns in reach.
    pub(crate) columns: &'a [Column],
    /// Levels of subqueries that may still be opened.
    pub(crate) subqueries: usize,
}

/// A number that stands for itself wherever it is put.
fn signed<T: std::fmt::Display + PartialOrd + Default>(number: T) -> String {
    if number < T::default() {
        format!("({number})")
    } else {
        number.to_string()
    }
}

/// A constant, as a literal of its type.
pub(crate) fn literal(chance: &mut Chance, kind: Type) -> String {
    let small = |chance: &mut Chance| chance.below(19) as i64 - 9;
    match kind {
        Type::Int => signed(small(chance)),
        Type::Small => format!("{}::smallint", signed(small(chance))),
        Type::Big => format!("{}::bigint", signed(small(chance) * 1_000_003)),
        Type::Real => format!("{}::real", signed(small(chance) as f64 / 2.0)),
        Type::Numeric => format!(
            "{}.{:02}::numeric(12,2)",
            chance.below(30),
            chance.below(100)
        ),
        Type::Float => format!("{}::float8", signed(small(chance) as f64 / 4.0)),
        Type::Text => {
            let word = chance.word(&[
                "", "a", "B", "ab", "Ab c", "é", "%x_", "zz9", " pad ", "0", "ÄÖ\\n",
            ]);
            format!("'{word}'")
        }
        Type::Bool => chance.word(&["true", "false"]).to_owned(),
        Type::Date => format!(
            "DATE '20{:02}-{:02}-{:02}'",
            chance.below(30),
            1 + chance.below(12),
            1 + chance.below(28)
        ),
        Type::Instant => format!(
            "TIMESTAMPTZ '20{:02}-{:02}-{:02} {:02}:30:00+{:02}'",
            chance.below(30),
            1 + chance.below(12),
            1 + chance.below(28),
            chance.below(24),
            chance.below(12)
        ),
        Type::Time => format!(
            "TIME '{:02}:{:02}:{:02}.25'",
            chance.below(24),
            chance.below(60),
            chance.below(60)
        ),
        Type::Ints => {
            let word = chance.word(&["{}", "{1,2,3}", "{NULL,4}", "{-7}", "{2,2}", "{5,NULL,1}"]);
            format!("'{word}'::int[]")
        }
        Type::Texts => {
            let word = chance.word(&["{}", "{a,b}", "{NULL,\"\"}", "{\"x y\",zz}", "{a,a,B}"]);
            format!("'{word}'::text[]")
        }
        Type::Timestamp => format!(
            "TIMESTAMP '20{:02}-{:02}-{:02} {:02}:{:02}:{:02}.5'",
            chance.below(30),
            1 + chance.below(12),
            1 + chance.below(28),
            chance.below(24),
            chance.below(60),
            chance.below(60)
        ),
        Type::Interval => {
            let word = chance.word(&[
                "1 day",
                "-2 hours",
                "3 mons",
                "1 year 2 days 03:04:05",
                "0",
                "90 minutes",
            ]);
            format!("INTERVAL '{word}'")
        }
        Type::Bytes => format!(
            "'\\x{:02x}{:02x}'::bytea",
            chance.below(256),
            chance.below(256)
        ),
        Type::Uuid => format!(
            "'00000000-0000-4000-8000-0000000000{:02x}'::uuid",
            chance.below(20)
        ),
        Type::Json => {
            let word = chance.word(&[
                "1",
                "null",
                "\"s\"",
                "[1, 2, {\"a\": null}]",
                "{\"a\": 1, \"b\": [true]}",
                "{}",
                "[]",
                "{\"b\": \"x\", \"a\": {\"c\": 2.50}}",
                "true",
            ]);
            format!("'{word}'::jsonb")
        }
    }
}

/// An expression; `depth` limits how far it goes.
pub(crate) fn expression(chance: &mut Chance, scope: &Scope<'_>, kind: Type, depth: usize) -> Node {
    let fitting: Vec<&Column> = scope.columns.iter().filter(|(_, k)| *k == kind).collect();
    let node = if depth == 0 || chance.once_in(4) {
        match chance.pick(&fitting) {
            Some((name, _)) if !chance.once_in(4) => Node::text(name.as_str()),
            _ => Node::text(literal(chance, kind)),
        }
    } else if chance.once_in(6) {
        any_type(chance, scope, kind, depth)
    } else if scope.subqueries > 0 && chance.once_in(12) {
        scalar_subquery(chance, scope, kind)
    } else {
        of_type(chance, scope, kind, depth)
    };
    node.typed(kind)
}

/// What there is for every type.
fn any_type(chance: &mut Chance, scope: &Scope<'_>, kind: Type, depth: usize) -> Node {
    use Type::Bool;
    let mut e = |kind| expression(chance, scope, kind, depth - 1);
    let (a, b, c) = (e(kind), e(kind), e(Bool));
    match chance.below(if kind == Type::Json { 3 } else { 6 }) {
        0 => Node::fill("COALESCE({}, {})", vec![a, b]),
        1 => Node::fill("CASE WHEN {} THEN {} ELSE {} END", vec![c, a, b]),
        2 => Node::fill("CASE WHEN {} THEN {} END", vec![c, a]),
        3 => Node::fill("NULLIF({}, {})", vec![a, b]),
        4 => Node::fill("GREATEST({}, {})", vec![a, b]),
        _ => Node::fill("LEAST({}, {})", vec![a, b]),
    }
}

/// Patterns by result: `{}` stands for an expression of the type listed.
fn patterns(kind: Type) -> &'static [(&'static str, &'static [Type])] {
    use Type::{
        Big, Bool, Bytes, Date, Float, Instant, Int, Interval, Ints, Json, Numeric, Real, Small,
        Text, Texts, Time, Timestamp, Uuid,
    };
    match kind {
        Int => &[
            ("({} + {})", &[Int, Int]),
            ("({} - {})", &[Int, Int]),
            ("(({} % 10) * ({} % 10))", &[Int, Int]),
            ("({} / 3)", &[Int]),
            ("({} % -4)", &[Int]),
            ("(- {})", &[Int]),
            ("abs({})", &[Int]),
            ("length({})", &[Text]),
            ("octet_length({})", &[Text]),
            ("position({} in {})", &[Text, Text]),
            ("({} - {})", &[Date, Date]),
            ("{}::int", &[Bool]),
            ("({} & {})", &[Int, Int]),
            ("({} # {})", &[Int, Int]),
            ("length({})", &[Bytes]),
            ("ascii({})", &[Text]),
            ("sign({})::int", &[Int]),
            ("round({})::int", &[Numeric]),
            ("{}::int", &[Float]),
            ("EXTRACT(year FROM {})::int", &[Timestamp]),
            ("{}::int", &[Small]),
            ("({} + {})", &[Int, Small]),
            ("cardinality({})", &[Ints]),
            ("array_length({}, 1)", &[Texts]),
            ("({})[1]", &[Ints]),
            ("({})[2]", &[Ints]),
            ("array_position({}, {})", &[Ints, Int]),
            ("EXTRACT(minute FROM {})::int", &[Time]),
            (
                "jsonb_array_length(jsonb_build_array({}, {}))",
                &[Int, Text],
            ),
            ("strpos({}, 'a')", &[Text]),
            ("char_length({})", &[Text]),
            ("({} | {})", &[Int, Int]),
            ("(~ {})", &[Int]),
            ("mod({}, 5)", &[Int]),
            ("EXTRACT(dow FROM {})::int", &[Date]),
        ],
        Small => &[
            ("({} % 7::smallint)", &[Small]),
            ("abs({})", &[Small]),
            ("(- {})", &[Small]),
            ("({} % 100)::smallint", &[Int]),
            ("({} / 2::smallint)", &[Small]),
        ],
        Real => &[
            ("({} + {})", &[Real, Real]),
            ("(- {})", &[Real]),
            ("{}::real", &[Small]),
            ("abs({})", &[Real]),
        ],
        Instant => &[
            ("({} + {})", &[Instant, Interval]),
            ("({} - {})", &[Instant, Interval]),
            ("date_trunc('day', {})", &[Instant]),
            ("{}::timestamptz", &[Timestamp]),
            ("({} AT TIME ZONE 'Europe/Berlin')", &[Timestamp]),
            ("{}::timestamptz", &[Date]),
        ],
        Time => &[
            ("{}::time", &[Timestamp]),
            ("({} + {})", &[Time, Interval]),
            ("{}::time(0)::time", &[Time]),
        ],
        Ints => &[
            ("({} || {})", &[Ints, Ints]),
            ("({} || {})", &[Ints, Int]),
            ("array_append({}, {})", &[Ints, Int]),
            ("array_prepend({}, {})", &[Int, Ints]),
            ("array_remove({}, {})", &[Ints, Int]),
            ("ARRAY[{}, {}]", &[Int, Int]),
            ("({})[1:2]", &[Ints]),
        ],
        Texts => &[
            ("({} || {})", &[Texts, Texts]),
            ("string_to_array({}, ' ')", &[Text]),
            ("array_append({}, {})", &[Texts, Text]),
            ("ARRAY[{}, {}]", &[Text, Text]),
            ("({})[2:3]", &[Texts]),
        ],
        Big => &[
            ("({} + {})", &[Big, Int]),
            ("({} - {})", &[Big, Big]),
            ("({} / 7)", &[Big]),
            ("({} % 1000)", &[Big]),
            ("{}::bigint", &[Int]),
            ("abs({})", &[Big]),
            ("(- {})", &[Big]),
            ("{}::bigint", &[Numeric]),
        ],
        Numeric => &[
            ("({} + {})::numeric(12,2)", &[Numeric, Numeric]),
            ("({} - {})::numeric(12,2)", &[Numeric, Int]),
            ("(({} % 100) * 1.5)::numeric(12,2)", &[Numeric]),
            ("({} / 4)::numeric(12,2)", &[Numeric]),
            ("{}::numeric(12,2)", &[Int]),
            ("abs({})", &[Numeric]),
            ("(- {})", &[Numeric]),
            ("round({}, 1)::numeric(12,2)", &[Numeric]),
            ("trunc({})::numeric(12,2)", &[Numeric]),
            ("floor({})::numeric(12,2)", &[Numeric]),
            ("ceil({})::numeric(12,2)", &[Numeric]),
            ("EXTRACT(day FROM {})::numeric(12,2)", &[Timestamp]),
        ],
        Float => &[
            ("({} + {})", &[Float, Float]),
            ("({} - {})", &[Float, Int]),
            ("({} * 0.5)", &[Float]),
            ("{}::float8", &[Int]),
            ("abs({})", &[Float]),
            ("floor({})", &[Float]),
            ("round({})", &[Float]),
            ("{}::float8", &[Big]),
        ],
        Text => &[
            ("({} || {})", &[Text, Text]),
            ("upper({})", &[Text]),
            ("lower({})", &[Text]),
            ("substr({}, 2)", &[Text]),
            ("substring({} from 1 for 2)", &[Text]),
            ("replace({}, 'a', {})", &[Text, Text]),
            ("trim({})", &[Text]),
            ("ltrim({}, ' a')", &[Text]),
            ("left({}, 2)", &[Text]),
            ("right({}, -1)", &[Text]),
            ("repeat({}, 2)", &[Text]),
            ("lpad({}, 5, 'xy')", &[Text]),
            ("rpad({}, 3)", &[Text]),
            ("reverse({})", &[Text]),
            ("concat({}::text, {})", &[Text, Int]),
            ("split_part({}, ' ', 1)", &[Text]),
            ("{}::text", &[Int]),
            ("{}::text", &[Bool]),
            ("{}::text", &[Date]),
            ("{}::text", &[Timestamp]),
            ("{}::text", &[Interval]),
            ("{}::text", &[Numeric]),
            ("{}::text", &[Float]),
            ("{}::text", &[Json]),
            ("{}::text", &[Uuid]),
            ("({} ->> 'a')", &[Json]),
            ("encode({}, 'hex')", &[Bytes]),
            ("to_char({}, 'YYYY-MM-DD HH24:MI')", &[Timestamp]),
            ("md5({})", &[Text]),
            ("translate({}, 'ab', 'x')", &[Text]),
            ("{}::text", &[Small]),
            ("{}::text", &[Real]),
            ("{}::text", &[Instant]),
            ("{}::text", &[Time]),
            ("{}::text", &[Ints]),
            ("{}::text", &[Texts]),
            ("array_to_string({}, ',', '-')", &[Texts]),
            ("array_to_string({}, '|')", &[Ints]),
            ("({})[1]", &[Texts]),
            ("concat_ws('-', {}, {}::text)", &[Text, Date]),
            ("overlay({} placing 'Q' from 2)", &[Text]),
            ("initcap({})", &[Text]),
            ("btrim({}, 'a ')", &[Text]),
            ("regexp_replace({}, '[a-b]', 'Z')", &[Text]),
            ("quote_literal({})", &[Text]),
            ("to_char({}, 'FM999')", &[Int]),
            ("({} #>> '{a}')", &[Json]),
            ("jsonb_typeof({})", &[Json]),
            ("{}::varchar(3)::text", &[Text]),
        ],
        Bool => &[
            ("({} AND {})", &[Bool, Bool]),
            ("({} OR {})", &[Bool, Bool]),
            ("(NOT {})", &[Bool]),
            ("({} LIKE {})", &[Text, Text]),
            ("({} LIKE '%a%')", &[Text]),
            ("({} BETWEEN {} AND {})", &[Int, Int, Int]),
            ("({} IS TRUE)", &[Bool]),
            ("({} IS NOT FALSE)", &[Bool]),
            ("({} IS UNKNOWN)", &[Bool]),
            ("({} = {})", &[Int, Big]),
            ("({} < {})", &[Numeric, Float]),
            ("({} >= {})", &[Timestamp, Date]),
            ("({} @> {})", &[Json, Json]),
            ("({} ? 'a')", &[Json]),
            ("({} = {})", &[Json, Json]),
            ("({} = ANY ({}))", &[Int, Ints]),
            ("({} <> ALL ({}))", &[Text, Texts]),
            ("({} = {})", &[Small, Int]),
            ("({} < {})", &[Real, Float]),
            ("({} > {})", &[Instant, Timestamp]),
            ("({} ~ 'a')", &[Text]),
            ("({} ILIKE {})", &[Text, Text]),
            ("({} IS DISTINCT FROM {})", &[Ints, Ints]),
            ("({} BETWEEN SYMMETRIC {} AND {})", &[Int, Int, Int]),
            ("(({}, {}) OVERLAPS ({}, {}))", &[Date, Date, Date, Date]),
            ("{}::bool", &[Int]),
            ("starts_with({}, 'a')", &[Text]),
            ("(({}, {}) = ({}, {}))", &[Int, Text, Int, Text]),
            ("(({}, {}) < ({}, {}))", &[Int, Date, Int, Date]),
        ],
        Date => &[
            ("({} + {})", &[Date, Int]),
            ("({} - 3)", &[Date]),
            ("{}::date", &[Timestamp]),
            ("{}::date", &[Instant]),
        ],
        Timestamp => &[
            ("({} + {})", &[Timestamp, Interval]),
            ("({} - {})", &[Timestamp, Interval]),
            ("date_trunc('month', {})", &[Timestamp]),
            ("date_trunc('hour', {})", &[Timestamp]),
            ("{}::timestamp", &[Date]),
            ("({} + {})", &[Date, Interval]),
            ("({} + {})", &[Date, Time]),
            ("({} AT TIME ZONE 'UTC')", &[Instant]),
        ],
        Interval => &[
            ("({} + {})", &[Interval, Interval]),
            ("(- {})", &[Interval]),
            ("({} - {})", &[Timestamp, Timestamp]),
            ("({} * 2)", &[Interval]),
            ("justify_hours({})", &[Interval]),
            ("({} - {})", &[Instant, Instant]),
            ("({} - {})", &[Time, Time]),
            ("{}::interval", &[Time]),
        ],
        Bytes => &[
            ("({} || {})", &[Bytes, Bytes]),
            ("decode(md5({}), 'hex')", &[Text]),
            ("substr({}, 2)", &[Bytes]),
        ],
        Uuid => &[("{}", &[Uuid])],
        Json => &[
            ("({} -> 'a')", &[Json]),
            ("({} -> 0)", &[Json]),
            ("to_jsonb({})", &[Int]),
            ("to_jsonb({}::text)", &[Text]),
            ("jsonb_build_object('k', {}, 'a', {})", &[Int, Bool]),
            ("jsonb_build_array({}::text, {})", &[Text, Json]),
            ("({} #> '{a,b}')", &[Json]),
            ("({} || {})", &[Json, Json]),
            ("({} - 'a')", &[Json]),
            ("to_jsonb({})", &[Ints]),
            ("to_jsonb({})", &[Bool]),
            ("jsonb_strip_nulls({})", &[Json]),
        ],
    }
}

fn of_type(chance: &mut Chance, scope: &Scope<'_>, kind: Type, depth: usize) -> Node {
    if kind == Type::Bool && chance.once_in(2) {
        return condition(chance, scope, depth);
    }
    let Some((pattern, kinds)) = chance.pick(patterns(kind)) else {
        return Node::text(literal(chance, kind));
    };
    let parts = kinds
        .iter()
        .map(|kind| expression(chance, scope, *kind, depth - 1))
        .collect();
    Node::fill(pattern, parts)
}

/// Comparisons and tests, for operands of any type.
fn condition(chance: &mut Chance, scope: &Scope<'_>, depth: usize) -> Node {
    if scope.subqueries > 0 && chance.once_in(6) {
        return test_subquery(chance, scope);
    }
    let kind = chance.pick(Type::ordered()).copied().unwrap_or(Type::Int);
    let mut e = || expression(chance, scope, kind, depth - 1);
    let (a, b, c) = (e(), e(), e());
    match chance.below(10) {
        0..=4 => {
            let operator = chance.word(&["=", "<>", "<", "<=", ">", ">="]);
            Node::fill(&format!("({{}} {operator} {{}})"), vec![a, b])
        }
        5 => Node::fill("({} IS NULL)", vec![a]),
        6 => Node::fill("({} IS NOT NULL)", vec![a]),
        7 => Node::fill("({} IS DISTINCT FROM {})", vec![a, b]),
        8 => Node::fill("({} IN ({}, {}))", vec![a, b, c]),
        _ => Node::fill("({} NOT BETWEEN {} AND {})", vec![a, b, c]),
    }
}
