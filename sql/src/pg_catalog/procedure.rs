//! `pg_proc`: the functions that convert the types of `pg_type`, by which drivers learn
//! how a type is sent; those that queries can call; and those of users.

use std::sync::LazyLock;

use super::facts::FIRST_ROLE;
use super::index::array;
use super::{Facts, Row};
use crate::types::{Datum, PgType};

/// One function a line, as PostgreSQL 15 lists it: oid, name, result, number of
/// arguments, types of the arguments, volatility.
static TEXT: &str = include_str!("procedures.txt");
/// The functions that queries can call, each of which was tried on both: besides the
/// same, the kind, and whether it returns a set and is strict.
static CALLED: &str = include_str!("functions.txt");

struct Listed {
    oid: u32,
    name: &'static str,
    row: Row,
}

fn parse(line: &'static str) -> Option<Listed> {
    let mut fields: Vec<&'static str> = line.split('|').collect();
    if fields.len() == 6 {
        fields.extend(["f", "0", "1"]);
    }
    let [
        oid,
        name,
        result,
        count,
        arguments,
        volatility,
        kind,
        set,
        strict,
    ] = fields.try_into().ok()?;
    let oid = oid.parse().ok()?;
    let arguments = arguments
        .split_whitespace()
        .filter_map(|ty| ty.parse().ok())
        .map(Datum::Oid)
        .collect();
    let row = vec![
        ("oid", Datum::Oid(oid)),
        ("proname", Datum::text(name)),
        ("pronamespace", Datum::Oid(11)),
        ("proowner", Datum::Oid(FIRST_ROLE)),
        ("prolang", Datum::Oid(12)),
        ("procost", Datum::Float4(1.0)),
        ("prokind", Datum::text(kind)),
        ("proisstrict", Datum::Bool(strict == "1")),
        ("proretset", Datum::Bool(set == "1")),
        ("provolatile", Datum::text(volatility)),
        ("proparallel", Datum::text("s")),
        ("pronargs", Datum::Int2(count.parse().ok()?)),
        ("prorettype", Datum::Oid(result.parse().ok()?)),
        ("proargtypes", array(PgType::Oid, arguments)),
        ("prosrc", Datum::text(name)),
    ];
    Some(Listed { oid, name, row })
}

static PROCEDURES: LazyLock<Vec<Listed>> = LazyLock::new(|| {
    TEXT.lines()
        .chain(CALLED.lines())
        .filter_map(parse)
        .collect()
});

/// The functions.
pub(super) fn pg_proc(facts: &Facts<'_>) -> Vec<Row> {
    let built_in = PROCEDURES.iter().map(|p| p.row.clone());
    built_in.chain(super::routine::pg_proc(facts)).collect()
}

/// The object identifier of a listed function.
pub(super) fn oid_of(name: &str) -> Option<u32> {
    PROCEDURES.iter().find(|p| p.name == name).map(|p| p.oid)
}

/// The name of a listed function.
pub(super) fn name_of(oid: u32) -> Option<&'static str> {
    PROCEDURES.iter().find(|p| p.oid == oid).map(|p| p.name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn drivers_find_the_functions_they_know() {
        let lines = TEXT.lines().count() + CALLED.lines().count();
        assert_eq!(PROCEDURES.len(), lines);
        assert_eq!(oid_of("array_in"), Some(750));
        assert_eq!(oid_of("array_recv"), Some(2_400));
        assert_eq!(name_of(2_406), Some("int4recv"));
    }
}
