//! `pg_operator`: the operators that queries can use.

use std::sync::LazyLock;

use super::facts::FIRST_ROLE;
use super::{Facts, Row};
use crate::types::Datum;

/// One operator a line, as PostgreSQL 15 lists it; each was tried on both: oid, name,
/// type on the left (0 for none), type on the right, result.
static TEXT: &str = include_str!("operators.txt");

fn parse(line: &'static str) -> Option<Row> {
    let mut fields: Vec<&'static str> = line.rsplitn(4, '|').collect();
    fields.reverse();
    let [start, left, right, result] = fields.try_into().ok()?;
    let (oid, name) = start.split_once('|')?;
    let left: u32 = left.parse().ok()?;
    Some(vec![
        ("oid", Datum::Oid(oid.parse().ok()?)),
        ("oprname", Datum::text(name)),
        ("oprnamespace", Datum::Oid(11)),
        ("oprowner", Datum::Oid(FIRST_ROLE)),
        ("oprkind", Datum::text(if left == 0 { "l" } else { "b" })),
        ("oprleft", Datum::Oid(left)),
        ("oprright", Datum::Oid(right.parse().ok()?)),
        ("oprresult", Datum::Oid(result.parse().ok()?)),
    ])
}

static OPERATORS: LazyLock<Vec<Row>> = LazyLock::new(|| TEXT.lines().filter_map(parse).collect());

/// The operators.
pub(super) fn pg_operator(_: &Facts<'_>) -> Vec<Row> {
    OPERATORS.clone()
}

#[cfg(test)]
mod tests {
    #![allow(missing_docs)]
    use super::*;

    #[test]
    fn every_line_is_an_operator() {
        assert_eq!(OPERATORS.len(), TEXT.lines().count());
        let has_bars = |row: &Row| row.contains(&("oprname", Datum::text("||")));
        assert!(OPERATORS.iter().any(has_bars));
    }
}
