//! Paths as text and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::JsonPath;

#[test]
fn texts_are_canonical() {
    for (given, canonical) in [
        ("$", "$"),
        ("strict $", "strict $"),
        ("lax $.a.b", "$.\"a\".\"b\""),
        ("$.a[1, 2 to last].*", "$.\"a\"[1,2 to last].*"),
        ("$.**{2 to last}.b", "$.**{2 to last}.\"b\""),
        ("$.** ? (@ > 1 + 2 * 3)", "$.**?(@ > 1 + 2 * 3)"),
        ("1 + 2 * -3", "(1 + 2 * -3)"),
        ("(1 + 2) * 3", "((1 + 2) * 3)"),
        (
            "$.a ? (!(@.x == 1) || exists (@.y))",
            "$.\"a\"?(!(@.\"x\" == 1) || exists (@.\"y\"))",
        ),
        ("$x starts with \"a\"", "($\"x\" starts with \"a\")"),
        (
            "$ ? (@ like_regex \"^a\" flag \"mi\")",
            "$?(@ like_regex \"^a\" flag \"im\")",
        ),
        ("(1).type()", "(1).type()"),
        ("(1 == 2).type()", "(1 == 2).type()"),
        ("($ < 1) is unknown", "($ < 1) is unknown"),
        ("$.datetime(\"HH24\").null", "$.datetime(\"HH24\").\"null\""),
        ("\"\\u0061\\x62\"", "\"ab\""),
        ("$ /* note */ .a", "$.\"a\""),
    ] {
        let path = JsonPath::parse(given).unwrap_or_else(|e| panic!("{given}: {e:?}"));
        assert_eq!(path.text(), canonical, "{given}");
        assert_eq!(JsonPath::parse(canonical).unwrap(), path, "{canonical}");
    }
}

#[test]
fn what_is_no_path_is_refused() {
    for given in [
        "",
        "@",
        "last",
        "$.",
        "$[",
        "$.a b",
        "1 == 2 == 3",
        "!$",
        "$ ? (@.a)",
        "1.type()",
        "1e+",
        "$ && $",
        "(1 == 1) + 1",
        "exists ($) .a",
        "\"a",
        "$ /* x",
    ] {
        assert!(JsonPath::parse(given).is_err(), "{given}");
    }
    let deep = "(".repeat(100_000);
    assert_eq!(JsonPath::parse(&deep).unwrap_err().sqlstate(), "54001");
}
