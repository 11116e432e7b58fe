//! Types round-trip through OID, modifier and name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

#[test]
fn oid_and_typmod_round_trip() {
    let mut types: Vec<PgType> = PgType::element_types().collect();
    types.extend(PgType::element_types().filter_map(PgType::array_of));
    types.extend([
        PgType::Varchar(Some(1)),
        PgType::Varchar(Some(MAX_CHAR_LENGTH)),
        PgType::Char(7),
        PgType::Numeric(Some((10, 2))),
        PgType::Numeric(Some((76, 76))),
        PgType::Numeric(Some((5, 0))),
        PgType::Int2Vector,
        PgType::OidVector,
        PgType::Unknown,
        PgType::Void,
    ]);
    for ty in types {
        assert_eq!(PgType::from_oid(ty.oid(), ty.typmod()), Some(ty), "{ty:?}");
    }
}

// Expected values: `select atttypmod, format_type(atttypid, atttypmod)` on
// PostgreSQL 15.
#[test]
fn modifiers_and_names_are_postgresqls() {
    let cases = [
        (PgType::Varchar(Some(10)), 14, "character varying(10)"),
        (PgType::Char(3), 7, "character(3)"),
        (PgType::Numeric(Some((10, 2))), 655_366, "numeric(10,2)"),
        (PgType::Numeric(Some((5, 0))), 327_684, "numeric(5,0)"),
        (PgType::Timestamptz, -1, "timestamp with time zone"),
        (PgType::InternalChar, -1, "\"char\""),
        (
            PgType::array_of(PgType::Varchar(None)).unwrap(),
            -1,
            "character varying[]",
        ),
    ];
    for (ty, typmod, name) in cases {
        assert_eq!(ty.typmod(), typmod);
        assert_eq!(ty.sql_name(), name);
    }
}

#[test]
fn numeric_limits() {
    assert!(PgType::numeric(0, 0).unwrap_err().is("22023"));
    assert!(PgType::numeric(1001, 0).unwrap_err().is("22023"));
    assert!(PgType::numeric(1000, 0).is_ok());
    assert!(PgType::numeric(3, 5).is_ok());
    assert!(PgType::numeric(3, -2).is_ok());
    assert!(PgType::numeric(76, 76).is_ok());
}
