//! `pg_type`.

use std::sync::LazyLock;

use super::facts::FIRST_ROLE;
use super::{Facts, Row, access};
use crate::types::{Datum, PgType};

/// One type a line, as PostgreSQL 15 lists it: oid, name, length, by value, type,
/// category, preferred, delimiter, element, array, functions for input, output,
/// receive, send, modifier in, modifier out, then alignment, storage, collation
/// and the function for subscripts.
static TEXT: &str = include_str!("types.txt");

/// The schema `pg_catalog`.
const PG_CATALOG: u32 = 11;

/// A line of the list.
#[derive(Debug)]
struct Listed {
    oid: u32,
    name: &'static str,
    alignment: &'static str,
    storage: &'static str,
    collation: u32,
    by_value: bool,
    row: Row,
}

fn parse(line: &'static str) -> Option<Listed> {
    let fields: Vec<&'static str> = line.split('|').collect();
    let [
        oid,
        name,
        length,
        by_value,
        kind,
        category,
        preferred,
        delimiter,
        element,
        array,
        input,
        output,
        receive,
        send,
        mod_in,
        mod_out,
        alignment,
        storage,
        collation,
        subscript,
    ] = fields.try_into().ok()?;
    let number = |text: &str| text.parse::<u32>().ok();
    let oid_of = |text: &str| number(text).map(Datum::Oid);
    let row = vec![
        ("oid", oid_of(oid)?),
        ("typname", Datum::text(name)),
        ("typnamespace", Datum::Oid(PG_CATALOG)),
        ("typowner", Datum::Oid(FIRST_ROLE)),
        ("typlen", Datum::Int2(length.parse().ok()?)),
        ("typbyval", Datum::Bool(by_value == "t")),
        ("typtype", Datum::text(kind)),
        ("typcategory", Datum::text(category)),
        ("typispreferred", Datum::Bool(preferred == "t")),
        ("typisdefined", Datum::Bool(true)),
        ("typdelim", Datum::text(delimiter)),
        ("typelem", oid_of(element)?),
        ("typarray", oid_of(array)?),
        ("typinput", oid_of(input)?),
        ("typoutput", oid_of(output)?),
        ("typreceive", oid_of(receive)?),
        ("typsend", oid_of(send)?),
        ("typmodin", oid_of(mod_in)?),
        ("typmodout", oid_of(mod_out)?),
        ("typalign", Datum::text(alignment)),
        ("typstorage", Datum::text(storage)),
        ("typtypmod", Datum::Int4(-1)),
        ("typcollation", oid_of(collation)?),
        ("typsubscript", oid_of(subscript)?),
    ];
    Some(Listed {
        oid: number(oid)?,
        name,
        alignment,
        storage,
        collation: number(collation)?,
        by_value: by_value == "t",
        row,
    })
}

static TYPES: LazyLock<Vec<Listed>> = LazyLock::new(|| TEXT.lines().filter_map(parse).collect());

fn listed(ty: PgType) -> Option<&'static Listed> {
    TYPES.iter().find(|t| t.oid == ty.oid())
}

/// `attalign` of a column of the type.
pub(super) fn alignment(ty: PgType) -> &'static str {
    listed(ty).map_or("i", |t| t.alignment)
}

/// `attstorage` of a column of the type.
pub(super) fn storage(ty: PgType) -> &'static str {
    listed(ty).map_or("x", |t| t.storage)
}

/// `attbyval` of a column of the type.
pub(super) fn is_by_value(ty: PgType) -> bool {
    listed(ty).is_some_and(|t| t.by_value)
}

/// The collation of a column of the type; 0 when it is not text.
pub(super) fn collation_of(ty: PgType) -> u32 {
    listed(ty).map_or(0, |t| t.collation)
}

/// The operator class that orders the type in an index.
pub(super) fn operator_class(ty: PgType) -> u32 {
    access::default_class(ty.oid())
}

/// The name of a type in `pg_type`.
pub(super) fn listed_name(oid: u32) -> Option<&'static str> {
    TYPES.iter().find(|t| t.oid == oid).map(|t| t.name)
}

/// The built-in types that exist here, and their arrays.
pub(super) fn built_in() -> impl Iterator<Item = Row> {
    TYPES.iter().map(|t| t.row.clone())
}

/// `pg_type`.
pub(super) fn pg_type(facts: &Facts<'_>) -> Vec<Row> {
    built_in().chain(super::user_type::pg_type(facts)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn the_list_and_the_types_agree() {
        assert_eq!(TYPES.len(), TEXT.lines().count());
        for listed in TYPES.iter() {
            let Some(ty) = PgType::from_oid(listed.oid, -1) else {
                // Arrays of vectors, and what functions are said to take, are listed but
                // cannot be used.
                let pseudo = listed.row.contains(&("typcategory", Datum::text("P")));
                let array = ["_cstring", "_record"].contains(&listed.name);
                assert!(
                    pseudo || array || listed.name.ends_with("vector"),
                    "{}",
                    listed.name
                );
                continue;
            };
            assert_eq!(ty.typname(), listed.name);
            assert!(
                listed.row.contains(&("typlen", Datum::Int2(ty.typlen()))),
                "{ty:?}"
            );
            let array = Datum::Oid(ty.array_oid());
            assert!(listed.row.contains(&("typarray", array)), "{ty:?}");
        }
        for ty in PgType::element_types() {
            assert!(listed(ty).is_some(), "{ty:?}");
            assert!(listed(PgType::array_of(ty).unwrap()).is_some(), "{ty:?}");
        }
    }
}
