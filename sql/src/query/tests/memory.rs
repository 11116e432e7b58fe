//! Queries over more data than they may hold: they spill and give the same answers,
//! or fail alone.

use super::fixture::Fixture;
use crate::types::{Datum, PgType};

/// Rows of [`large`].
const ROWS: i32 = 40_000;

/// Text of 192 bytes that starts differently for each number and does not compress.
fn noise(number: i32) -> String {
    let mut state = u64::from(number.unsigned_abs()) + 1;
    let mut text = String::with_capacity(192);
    while text.len() < 192 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        text.push_str(&format!("{:016x}", z ^ (z >> 31)));
    }
    text
}

/// A server with this much memory for queries, and a table of about 8 MB.
fn large(memory_limit_bytes: usize) -> Fixture {
    let mut fixture = Fixture::with_memory(memory_limit_bytes);
    let columns = [
        ("id", PgType::Int4, true),
        ("n", PgType::Int4, true),
        ("t", PgType::Text, true),
    ];
    let desc = fixture.describe("large", &columns, 1, &[]);
    for start in (0..ROWS).step_by(10_000) {
        let rows = (start..start + 10_000)
            .map(|i| {
                vec![
                    Datum::Int4(i),
                    Datum::Int4(i * 7 % ROWS),
                    Datum::text(noise(i)),
                ]
            })
            .collect();
        fixture.insert(&desc, rows);
    }
    fixture
}

#[test]
fn what_does_not_fit_is_answered_all_the_same() {
    let rich = large(256 << 20);
    let poor = large(16 << 20);
    for sql in [
        "SELECT id, t FROM large ORDER BY t",
        "SELECT id, n FROM large ORDER BY n DESC, t",
        "SELECT id, t || t FROM large ORDER BY 2 DESC",
        "SELECT id, row_number() OVER (ORDER BY t) FROM large",
        "SELECT t, count(*) FROM large GROUP BY t ORDER BY t",
        "SELECT DISTINCT left(t, 100) FROM large ORDER BY 1",
    ] {
        let expected = rich.query(sql);
        assert!(expected.rows.len() >= 10_000, "{sql}");
        assert!(poor.query(sql) == expected, "{sql}");
    }
}

#[test]
fn a_query_that_needs_too_much_memory_fails_with_53200_and_others_go_on() {
    let fixture = large(2 << 20);
    let error = fixture.error(
        "SELECT count(*) FROM (SELECT a.t, array_agg(b.t) FROM large a JOIN large b ON a.n = b.n GROUP BY a.t) s",
    );
    assert_eq!(error.sqlstate(), "53200");
    assert_eq!(fixture.query("SELECT count(*) FROM large").lines(), "40000");
}

#[test]
fn a_series_is_made_as_it_is_read() {
    let fixture = Fixture::with_memory(2 << 20);
    let long = "SELECT count(*), max(i) FROM (SELECT i FROM generate_series(1, 9000000000000000) AS s(i) LIMIT 20000) q";
    assert_eq!(fixture.query(long).lines(), "20000|20000");
    let edge = "SELECT * FROM generate_series(9223372036854775805, 9223372036854775807, 2)";
    assert_eq!(
        fixture.query(edge).lines(),
        "9223372036854775805\n9223372036854775807"
    );
    let down = "SELECT * FROM generate_series(1, 3, -1) UNION ALL SELECT * FROM generate_series(2, 1, -1) ORDER BY 1";
    assert_eq!(fixture.query(down).lines(), "1\n2");
}
