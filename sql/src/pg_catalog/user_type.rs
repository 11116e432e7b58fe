//! Types that users define: their part of `pg_type`, `pg_enum`, and
//! `information_schema.domains`.

use super::information_schema::{data_type, database, precision};
use super::{Facts, Row};
use crate::catalog::{TypeDescriptor, TypeKind};
use crate::types::{Datum, PgType, oid};

/// Functions that read and write values, as `pg_type` lists them for each kind.
struct Functions {
    input: u32,
    output: u32,
    receive: u32,
    send: u32,
}

const ENUM: Functions = Functions {
    input: 3504,
    output: 3507,
    receive: 3532,
    send: 3533,
};
const RECORD: Functions = Functions {
    input: 2290,
    output: 2291,
    receive: 2402,
    send: 2403,
};
const ARRAY: Functions = Functions {
    input: 750,
    output: 751,
    receive: 2400,
    send: 2401,
};
const DOMAIN_IN: u32 = 2597;
const DOMAIN_RECV: u32 = 2598;
/// `array_subscript_handler`.
const ARRAY_SUBSCRIPT: u32 = 6179;

/// The rows of `pg_type`: each type and the type of its arrays.
pub(super) fn pg_type(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in facts.catalog.user_types() {
        rows.push(of_type(facts, entry));
        rows.push(of_arrays(facts, entry));
    }
    rows
}

fn common(facts: &Facts<'_>, entry: &TypeDescriptor, oid: u32, name: &str) -> Row {
    vec![
        ("oid", Datum::Oid(oid)),
        ("typname", Datum::text(name)),
        ("typnamespace", Datum::Oid(entry.schema)),
        ("typowner", Datum::Oid(facts.owner(&entry.owner))),
        ("typisdefined", Datum::Bool(true)),
        ("typdelim", Datum::text(",")),
        ("typtypmod", Datum::Int4(-1)),
    ]
}

fn functions(row: &mut Row, of: &Functions) {
    row.push(("typinput", Datum::Oid(of.input)));
    row.push(("typoutput", Datum::Oid(of.output)));
    row.push(("typreceive", Datum::Oid(of.receive)));
    row.push(("typsend", Datum::Oid(of.send)));
}

fn of_type(facts: &Facts<'_>, entry: &TypeDescriptor) -> Row {
    let mut row = common(facts, entry, entry.oid, &entry.name);
    row.push(("typarray", Datum::Oid(entry.array_oid)));
    match &entry.kind {
        TypeKind::Enum(_) => {
            row.push(("typlen", Datum::Int2(4)));
            row.push(("typbyval", Datum::Bool(true)));
            row.push(("typtype", Datum::text("e")));
            row.push(("typcategory", Datum::text("E")));
            row.push(("typalign", Datum::text("i")));
            row.push(("typstorage", Datum::text("p")));
            functions(&mut row, &ENUM);
        }
        TypeKind::Composite(_) => {
            row.push(("typlen", Datum::Int2(-1)));
            row.push(("typtype", Datum::text("c")));
            row.push(("typcategory", Datum::text("C")));
            row.push(("typalign", Datum::text("d")));
            row.push(("typstorage", Datum::text("x")));
            functions(&mut row, &RECORD);
        }
        TypeKind::Domain(domain) => {
            of_domain(&mut row, facts.catalog.settled(domain.base).base());
        }
    }
    if let TypeKind::Domain(domain) = &entry.kind {
        row.push(("typnotnull", Datum::Bool(domain.not_null)));
        row.push(("typbasetype", Datum::Oid(domain.base.oid())));
        row.retain(|(name, _)| *name != "typtypmod");
        row.push(("typtypmod", Datum::Int4(domain.base.typmod())));
        if let Some(default) = &domain.default {
            row.push(("typdefault", Datum::text(default.as_str())));
        }
    }
    row
}

/// What a domain has of the type it is over.
fn of_domain(row: &mut Row, base: PgType) {
    // Arrays of users' types are kept as all arrays are.
    let listed = match (base, base.user()) {
        (_, None) => base.oid(),
        (PgType::Enum(_), _) => {
            row.push(("typlen", Datum::Int2(4)));
            row.push(("typbyval", Datum::Bool(true)));
            row.push(("typcategory", Datum::text("E")));
            row.push(("typalign", Datum::text("i")));
            row.push(("typstorage", Datum::text("p")));
            row.push(("typoutput", Datum::Oid(ENUM.output)));
            row.push(("typsend", Datum::Oid(ENUM.send)));
            0
        }
        _ => oid::TEXT_ARRAY,
    };
    let is = |r: &Row| r.contains(&("oid", Datum::Oid(listed)));
    let of_base = super::types::built_in().find(is);
    for (column, value) in of_base.iter().flatten() {
        let same = [
            "typlen",
            "typbyval",
            "typcategory",
            "typalign",
            "typstorage",
            "typoutput",
            "typsend",
            "typcollation",
        ];
        if same.contains(column) {
            row.push((column, value.clone()));
        }
    }
    row.push(("typtype", Datum::text("d")));
    row.push(("typinput", Datum::Oid(DOMAIN_IN)));
    row.push(("typreceive", Datum::Oid(DOMAIN_RECV)));
}

fn of_arrays(facts: &Facts<'_>, entry: &TypeDescriptor) -> Row {
    let mut row = common(facts, entry, entry.array_oid, &entry.array_name);
    row.push(("typlen", Datum::Int2(-1)));
    row.push(("typtype", Datum::text("b")));
    row.push(("typcategory", Datum::text("A")));
    row.push(("typelem", Datum::Oid(entry.oid)));
    let align = match entry.kind {
        TypeKind::Composite(_) => "d",
        _ => "i",
    };
    row.push(("typalign", Datum::text(align)));
    row.push(("typstorage", Datum::text("x")));
    row.push(("typsubscript", Datum::Oid(ARRAY_SUBSCRIPT)));
    functions(&mut row, &ARRAY);
    row
}

/// `pg_enum`.
pub(super) fn pg_enum(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in facts.catalog.user_types() {
        let TypeKind::Enum(labels) = &entry.kind else {
            continue;
        };
        for (label, order) in labels.iter().zip(1u16..) {
            rows.push(vec![
                ("oid", Datum::Oid(label.oid)),
                ("enumtypid", Datum::Oid(entry.oid)),
                ("enumsortorder", Datum::Float4(f32::from(order))),
                ("enumlabel", Datum::text(label.label.as_str())),
            ]);
        }
    }
    rows
}

/// `information_schema.domains`.
pub(super) fn domains(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in facts.catalog.user_types() {
        let TypeKind::Domain(domain) = &entry.kind else {
            continue;
        };
        let base = facts.catalog.settled(domain.base);
        let mut row = vec![
            ("domain_catalog", database(facts)),
            (
                "domain_schema",
                Datum::text(facts.schema_name(entry.schema)),
            ),
            ("domain_name", Datum::text(entry.name.as_str())),
            (
                "data_type",
                Datum::text(match base {
                    PgType::Domain(_) => "USER-DEFINED".to_owned(),
                    base => data_type(base),
                }),
            ),
            ("udt_catalog", database(facts)),
            ("udt_schema", Datum::text(type_schema(facts, base))),
            ("udt_name", Datum::text(base.typname())),
            ("dtd_identifier", Datum::text("1")),
        ];
        row.extend(precision(base));
        if let Some(default) = &domain.default {
            row.push(("domain_default", Datum::text(default.as_str())));
        }
        rows.push(row);
    }
    rows
}

/// The name of the schema that a type is in.
pub(super) fn type_schema<'a>(facts: &Facts<'a>, ty: PgType) -> &'a str {
    let user = ty.user().and_then(|u| facts.catalog.user_type(u.oid()));
    match user {
        Some(entry) => facts.schema_name(entry.schema),
        None => "pg_catalog",
    }
}
