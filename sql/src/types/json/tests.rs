//! What is JSON, and its normal form.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;
use crate::types::arbitrary;
use proptest::prelude::*;

// Expected values: `select '…'::jsonb` on PostgreSQL 15.
#[test]
fn normal_form_is_postgresqls() {
    for (input, output) in [
        (
            r#"{"b":1,"a":2,"aa":3,"b":4}"#,
            r#"{"a": 2, "b": 4, "aa": 3}"#,
        ),
        (
            r#" [1 , 2.50, 1e3, -0, 1.0e-2, 12345678901234567890123456789012345678901234567890]"#,
            r#"[1, 2.50, 1000, 0, 0.010, 12345678901234567890123456789012345678901234567890]"#,
        ),
        (
            r#""\u00e9\ud83d\ude00\/\b\u001f\u007f""#,
            "\"é😀/\\b\\u001f\u{7f}\"",
        ),
        (r#"{}"#, "{}"),
        (r#"[]"#, "[]"),
        (r#"null"#, "null"),
        (
            r#"{"a":{"y":[true,false,null]}}"#,
            r#"{"a": {"y": [true, false, null]}}"#,
        ),
    ] {
        assert_eq!(normalize(input).unwrap(), output, "{input}");
    }
}

// Details: the same statements on PostgreSQL 15.
#[test]
fn errors_say_what_postgresql_says() {
    for (input, detail) in [
        ("", "The input string ended unexpectedly."),
        ("{", "The input string ended unexpectedly."),
        ("{\"a\"", "The input string ended unexpectedly."),
        ("\"abc", "The input string ended unexpectedly."),
        ("foo", "Token \"foo\" is invalid."),
        ("[1,]", "Expected JSON value, but found \"]\"."),
        ("[,1]", "Expected array element or \"]\", but found \",\"."),
        ("{,}", "Expected string or \"}\", but found \",\"."),
        ("{\"a\":1,}", "Expected string, but found \"}\"."),
        ("{\"a\" 1}", "Expected \":\", but found \"1\"."),
        ("{\"a\":1 2}", "Expected \",\" or \"}\", but found \"2\"."),
        ("[1 2]", "Expected \",\" or \"]\", but found \"2\"."),
        ("1 2", "Expected end of input, but found \"2\"."),
        ("01", "Token \"01\" is invalid."),
        ("1.", "Token \"1.\" is invalid."),
        ("\"\\x\"", "Escape sequence \"\\x\" is invalid."),
        ("\"a\nb\"", "Character with value 0x0a must be escaped."),
        (
            "\"\\u12g4\"",
            "\"\\u\" must be followed by four hexadecimal digits.",
        ),
    ] {
        let error = validate(input).unwrap_err();
        assert_eq!(error.sqlstate(), "22P02");
        assert_eq!(error.message(), "invalid input syntax for type json");
        assert_eq!(error.get_detail(), Some(detail), "{input}");
    }
    assert!(validate("\"\\u0000\"").is_ok());
    assert!(normalize("\"\\u0000\"").unwrap_err().is("22P05"));
    assert!(normalize("\"\\ud800\"").unwrap_err().is("22P02"));
    assert!(normalize("\"\\udc00\"").unwrap_err().is("22P02"));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(validate(&nested(MAX_DEPTH)).is_ok());
    assert!(normalize(&nested(1_000_000)).unwrap_err().is("54001"));
}

#[test]
fn members_are_found_by_key() {
    let json = Json::parse(r#"{"aa":1,"b":2,"aaa":3,"c":4}"#).unwrap();
    for (key, value) in [("aa", 1), ("b", 2), ("aaa", 3), ("c", 4)] {
        assert_eq!(json.get(key), Some(&Json::Number(value.into())), "{key}");
    }
    assert_eq!(json.get("a"), None);
}

proptest! {
    #[test]
    fn the_normal_form_is_stable_and_means_the_same(text in arbitrary::json()) {
        let normal = normalize(&text).unwrap();
        prop_assert_eq!(&normalize(&normal).unwrap(), &normal);
        validate(&text).unwrap();
        let ours: serde_json::Value = serde_json::from_str(&normal).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert!(alike(&ours, &theirs), "{normal} {text}");
    }

    #[test]
    fn what_serde_accepts_we_accept(text in "[\\[\\]{}:,\"a01 \\\\ntrue.eE+-]{0,12}") {
        prop_assert_eq!(
            validate(&text).is_ok(),
            serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(),
            "{}", text
        );
    }
}

fn alike(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Number(a), Number(b)) => {
            (a.as_f64().unwrap() - b.as_f64().unwrap()).abs()
                < 1e-9 * a.as_f64().unwrap().abs().max(1e-300)
        }
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Object(a), Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| alike(v, w)))
        }
        (a, b) => a == b,
    }
}
