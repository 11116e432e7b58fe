//! Access methods, operator classes, collations and languages.

use super::facts::FIRST_ROLE;
use super::{Facts, Row};
use crate::types::Datum;

/// The schema `pg_catalog`.
const PG_CATALOG: u32 = 11;

/// Access methods: identifier, name, handler, kind.
const METHODS: [(u32, &str, u32, &str); 2] = [(2, "heap", 3, "t"), (403, "btree", 330, "i")];

/// Default operator classes of `btree`: identifier, name, family, type, stored type.
const CLASSES: [(u32, &str, u32, u32, u32); 21] = [
    (10_003, "bool_ops", 424, 16, 0),
    (10_004, "bpchar_ops", 426, 1_042, 0),
    (10_006, "bytea_ops", 428, 17, 0),
    (10_007, "char_ops", 429, 18, 0),
    (3_122, "date_ops", 434, 1_082, 0),
    (10_012, "float4_ops", 1_970, 700, 0),
    (3_123, "float8_ops", 1_970, 701, 0),
    (1_979, "int2_ops", 1_976, 21, 0),
    (1_978, "int4_ops", 1_976, 23, 0),
    (3_124, "int8_ops", 1_976, 20, 0),
    (10_022, "interval_ops", 1_982, 1_186, 0),
    (10_028, "name_ops", 1_994, 19, 2_275),
    (3_125, "numeric_ops", 1_988, 1_700, 0),
    (1_981, "oid_ops", 1_989, 26, 0),
    (10_032, "oidvector_ops", 1_991, 30, 0),
    (3_126, "text_ops", 1_994, 25, 0),
    (10_038, "time_ops", 1_996, 1_083, 0),
    (3_127, "timestamptz_ops", 434, 1_184, 0),
    (3_128, "timestamp_ops", 434, 1_114, 0),
    (10_065, "uuid_ops", 2_968, 2_950, 0),
    (10_088, "jsonb_ops", 4_033, 3_802, 0),
];

/// Collations: identifier, name, provider, encoding, locale.
const COLLATIONS: [(u32, &str, &str, i32, Option<&str>); 3] = [
    (100, "default", "d", -1, None),
    (950, "C", "c", -1, Some("C")),
    (951, "POSIX", "c", -1, Some("POSIX")),
];

/// `varchar` uses the operator class of text.
const VARCHAR: u32 = 1_043;
const TEXT: u32 = 25;

/// The default operator class of a type; 0 when there is none.
pub(super) fn default_class(ty: u32) -> u32 {
    let ty = if ty == VARCHAR { TEXT } else { ty };
    CLASSES
        .iter()
        .find(|(_, _, _, of, _)| *of == ty)
        .map_or(0, |(oid, ..)| *oid)
}

/// How tables and indexes are kept.
pub(super) fn pg_am(_: &Facts<'_>) -> Vec<Row> {
    METHODS
        .iter()
        .map(|(oid, name, handler, kind)| {
            vec![
                ("oid", Datum::Oid(*oid)),
                ("amname", Datum::text(*name)),
                ("amhandler", Datum::Oid(*handler)),
                ("amtype", Datum::text(*kind)),
            ]
        })
        .collect()
}

/// How types are ordered in an index.
pub(super) fn pg_opclass(_: &Facts<'_>) -> Vec<Row> {
    CLASSES
        .iter()
        .map(|(oid, name, family, ty, key)| {
            vec![
                ("oid", Datum::Oid(*oid)),
                ("opcmethod", Datum::Oid(403)),
                ("opcname", Datum::text(*name)),
                ("opcnamespace", Datum::Oid(PG_CATALOG)),
                ("opcowner", Datum::Oid(FIRST_ROLE)),
                ("opcfamily", Datum::Oid(*family)),
                ("opcintype", Datum::Oid(*ty)),
                ("opcdefault", Datum::Bool(true)),
                ("opckeytype", Datum::Oid(*key)),
            ]
        })
        .collect()
}

/// How text is ordered.
pub(super) fn pg_collation(_: &Facts<'_>) -> Vec<Row> {
    COLLATIONS
        .iter()
        .map(|(oid, name, provider, encoding, locale)| {
            let locale = locale.map_or(Datum::Null, Datum::text);
            vec![
                ("oid", Datum::Oid(*oid)),
                ("collname", Datum::text(*name)),
                ("collnamespace", Datum::Oid(PG_CATALOG)),
                ("collowner", Datum::Oid(FIRST_ROLE)),
                ("collprovider", Datum::text(*provider)),
                ("collisdeterministic", Datum::Bool(true)),
                ("collencoding", Datum::Int4(*encoding)),
                ("collcollate", locale.clone()),
                ("collctype", locale),
            ]
        })
        .collect()
}

/// What functions are written in: those there are, are built in.
pub(super) fn pg_language(_: &Facts<'_>) -> Vec<Row> {
    vec![vec![
        ("oid", Datum::Oid(12)),
        ("lanname", Datum::text("internal")),
        ("lanowner", Datum::Oid(FIRST_ROLE)),
    ]]
}
