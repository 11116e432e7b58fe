//! Generators of types and values for the property tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use proptest::prelude::*;

use crate::types::array::{ArrayValue, Dimension};
use crate::types::bits::Bits;
use crate::types::datum::Datum;
use crate::types::interval::Interval;
use crate::types::numeric::Numeric;
use crate::types::pg_type::PgType;
use crate::types::timetz::TimeTz;

/// Timestamps PostgreSQL can show: 4713-11-24 BC up to 294276-12-31, in
/// microseconds since 2000-01-01.
pub(crate) const MIN_TIMESTAMP: i64 = -211_813_488_000_000_000;
pub(crate) const END_TIMESTAMP: i64 = 9_223_371_331_200_000_000;
pub(crate) const MIN_DATE: i32 = -2_451_545;
pub(crate) const END_DATE: i32 = 2_145_031_949;

fn numeric(precision: u16, scale: i16) -> BoxedStrategy<Numeric> {
    let scale = u16::try_from(scale).unwrap();
    (
        any::<bool>(),
        prop::collection::vec(0u8..10, 0..=usize::from(precision)),
    )
        .prop_map(move |(negative, digits)| {
            let mut text: String = digits.iter().map(|d| char::from(b'0' + d)).collect();
            text.insert(0, '0');
            let text = format!("{}{text}e-{scale}", if negative { "-" } else { "" });
            Numeric::parse(&text).unwrap().rescale(scale)
        })
        .boxed()
}

fn any_numeric() -> BoxedStrategy<Numeric> {
    prop_oneof![
        8 => (1u16..90, 0i16..60).prop_flat_map(|(p, s)| numeric(p, s)),
        2 => (any::<i32>(), 0u16..6).prop_map(|(v, s)| Numeric::from_i128(v.into(), s)),
        1 => Just(Numeric::NAN),
        1 => Just(Numeric::INFINITY),
        1 => Just(Numeric::NEG_INFINITY),
    ]
    .boxed()
}

fn text(max: usize) -> BoxedStrategy<String> {
    prop_oneof![
        prop::collection::vec(
            prop_oneof![
                3 => prop::char::range('\u{1}', '\u{7f}'),
                1 => any::<char>().prop_filter("no zero byte", |c| *c != '\0'),
            ],
            0..=max
        )
        .prop_map(|chars| chars.into_iter().collect::<String>()),
        "[a-c]{0,4}".prop_map(move |text| text.chars().take(max).collect::<String>()),
    ]
    .boxed()
}

pub(crate) fn json() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|v| v.to_string()),
        (-1000i32..1000, 0u32..5, -6i32..6).prop_map(|(a, b, e)| format!("{a}.{b}e{e}")),
        text(8).prop_map(|t| serde_json::to_string(&t).unwrap()),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[ {} ]", items.join(" ,"))),
            prop::collection::vec(("[a-d]{0,3}", inner), 0..4).prop_map(|items| {
                let fields: Vec<String> = items
                    .iter()
                    .map(|(k, v)| format!("\"{k}\" : {v}"))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }),
        ]
    })
    .boxed()
}

/// Any type, with a modifier where it can have one.
pub(crate) fn pg_type() -> BoxedStrategy<PgType> {
    let scalar: Vec<PgType> = PgType::element_types().collect();
    let arrays: Vec<PgType> = PgType::element_types()
        .filter_map(PgType::array_of)
        .collect();
    prop_oneof![
        6 => prop::sample::select(scalar),
        1 => prop::sample::select(arrays),
        1 => (1u16..100).prop_flat_map(|p| (Just(p), 0..=(p as i16)))
            .prop_map(|(p, s)| PgType::Numeric(Some((p, s)))),
        1 => (1u32..10).prop_map(|n| PgType::Varchar(Some(n))),
        1 => (1u32..10).prop_map(PgType::Char),
    ]
    .boxed()
}

/// A value of the type that is not NULL.
pub(crate) fn value(ty: PgType) -> BoxedStrategy<Datum> {
    match ty {
        PgType::Bool => any::<bool>().prop_map(Datum::Bool).boxed(),
        PgType::Int2 => any::<i16>().prop_map(Datum::Int2).boxed(),
        PgType::Int4 => prop_oneof![any::<i32>(), -3i32..3].prop_map(Datum::Int4).boxed(),
        PgType::Int8 => prop_oneof![any::<i64>(), -3i64..3].prop_map(Datum::Int8).boxed(),
        PgType::Oid => any::<u32>().prop_map(Datum::Oid).boxed(),
        PgType::Float4 => prop::num::f32::ANY.prop_map(Datum::Float4).boxed(),
        PgType::Float8 => prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (-100i32..100).prop_map(|v| f64::from(v) / 4.0),
        ]
        .prop_map(Datum::Float8)
        .boxed(),
        PgType::Numeric(Some((p, s))) => numeric(p, s).prop_map(Datum::Numeric).boxed(),
        PgType::Numeric(None) => any_numeric().prop_map(Datum::Numeric).boxed(),
        PgType::Bytea => prop::collection::vec(prop_oneof![Just(0u8), Just(255), any::<u8>()], 0..12)
            .prop_map(Datum::Bytea)
            .boxed(),
        PgType::Uuid => any::<[u8; 16]>().prop_map(Datum::Uuid).boxed(),
        PgType::Date => prop_oneof![
            8 => MIN_DATE..END_DATE, 8 => -40_000i32..40_000, 1 => Just(i32::MAX), 1 => Just(i32::MIN),
        ]
        .prop_map(Datum::Date)
        .boxed(),
        PgType::Time => (0i64..=86_400_000_000).prop_map(Datum::Time).boxed(),
        PgType::Timestamp => timestamp().prop_map(Datum::Timestamp).boxed(),
        PgType::Timestamptz => timestamp().prop_map(Datum::Timestamptz).boxed(),
        PgType::Interval => (
            prop_oneof![any::<i32>(), -30i32..30],
            prop_oneof![any::<i32>(), -30i32..30],
            prop_oneof![any::<i64>(), -10_000_000i64..10_000_000],
        )
            .prop_map(|(months, days, micros)| {
                Datum::Interval(Interval { months, days, micros })
            })
            .boxed(),
        PgType::Json => json().prop_map(Datum::Json).boxed(),
        PgType::Jsonb => json()
            .prop_map(|text| Datum::Jsonb(crate::types::json::normalize(&text).unwrap()))
            .boxed(),
        PgType::Bit(length) => prop::collection::vec(
            any::<bool>(),
            length.map_or(0..20usize, |n| n as usize..n as usize + 1),
        )
        .prop_map(|bits| Datum::Bits(Bits::from_bits(bits)))
        .boxed(),
        PgType::Varbit(length) => {
            prop::collection::vec(any::<bool>(), 0..length.map_or(20, |n| n as usize + 1))
                .prop_map(|bits| Datum::Bits(Bits::from_bits(bits)))
                .boxed()
        }
        PgType::Timetz => (0i64..=86_400_000_000, -57_599i32..57_600)
            .prop_map(|(micros, offset)| Datum::Timetz(TimeTz { micros, offset }))
            .boxed(),
        PgType::Jsonpath => prop::sample::select(vec!["$", "$.\"a\"[*]", "strict $?(@ > 1)"])
            .prop_map(|path| Datum::Jsonpath(path.to_owned()))
            .boxed(),
        PgType::Char(n) => text(if n == 0 { 12 } else { n as usize })
            .prop_map(|text| Datum::Text(text.trim_end_matches(' ').to_owned()))
            .boxed(),
        PgType::Varchar(Some(n)) => text(n as usize).prop_map(Datum::Text).boxed(),
        PgType::Name => "[a-z_\" ]{0,20}".prop_map(Datum::Text).boxed(),
        PgType::InternalChar => "[a-z]?".prop_map(Datum::Text).boxed(),
        PgType::Array(element) => array(*element),
        PgType::Int2Vector => vector(PgType::Int2),
        PgType::OidVector => vector(PgType::Oid),
        _ => text(12).prop_map(Datum::Text).boxed(),
    }
}

fn timestamp() -> BoxedStrategy<i64> {
    prop_oneof![
        8 => MIN_TIMESTAMP..END_TIMESTAMP,
        8 => -1_000_000_000_000_000i64..1_000_000_000_000_000,
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
    ]
    .boxed()
}

fn array(element: PgType) -> BoxedStrategy<Datum> {
    prop::collection::vec((1i32..3, prop_oneof![Just(1i32), -3i32..4]), 0..3)
        .prop_flat_map(move |shape| {
            let dimensions: Vec<Dimension> = shape
                .into_iter()
                .map(|(length, lower)| Dimension { lower, length })
                .collect();
            let count = crate::types::array::element_count(&dimensions).unwrap();
            (
                Just(dimensions),
                prop::collection::vec(nullable(element), count),
            )
        })
        .prop_map(move |(dimensions, values)| {
            ArrayValue::new(element, dimensions, values)
                .unwrap()
                .datum()
        })
        .boxed()
}

fn vector(element: PgType) -> BoxedStrategy<Datum> {
    prop::collection::vec(value(element), 0..4)
        .prop_map(move |values| ArrayValue::vector(element, values).datum())
        .boxed()
}

pub(crate) fn nullable(ty: PgType) -> BoxedStrategy<Datum> {
    prop_oneof![4 => value(ty), 1 => Just(Datum::Null)].boxed()
}

/// Between one and `max` columns and a row of them.
pub(crate) fn typed_row(max: usize) -> BoxedStrategy<(Vec<PgType>, Vec<Datum>)> {
    prop::collection::vec(
        pg_type().prop_flat_map(|ty| (Just(ty), nullable(ty))),
        1..=max,
    )
    .prop_map(|columns| columns.into_iter().unzip())
    .boxed()
}

/// Whether two values are the same to the last bit of meaning: scale of a
/// numeric, fields of an interval, sign of a zero.
pub(crate) fn identical(a: &Datum, b: &Datum) -> bool {
    match (a, b) {
        (Datum::Float4(a), Datum::Float4(b)) => {
            a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
        }
        (Datum::Float8(a), Datum::Float8(b)) => {
            a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
        }
        (Datum::Numeric(a), Datum::Numeric(b)) => a == b && a.scale() == b.scale(),
        (Datum::Interval(a), Datum::Interval(b)) => a.identical(b),
        (Datum::Array(a), Datum::Array(b)) => {
            a.element == b.element
                && a.dimensions() == b.dimensions()
                && a.values.len() == b.values.len()
                && a.values.iter().zip(&b.values).all(|(a, b)| identical(a, b))
        }
        (a, b) => a == b,
    }
}
