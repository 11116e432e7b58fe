//! `information_schema`: what the SQL standard says about tables and columns.

use super::attribute::{shown_default, shown_generated};
use super::facts::indexes_of;
use super::user_type::type_schema;
use super::view::{is_updatable, shown_columns};
use super::{Facts, Object, Row, definition, foreign_key, relation, types};
use crate::catalog::{Column, Identity, SYSTEM_SCHEMAS, TableDescriptor};
use crate::types::{Datum, PgType};

fn number(n: impl TryInto<i32>) -> Datum {
    n.try_into().map_or(Datum::Null, Datum::Int4)
}

fn yes_or_no(yes: bool) -> Datum {
    Datum::text(if yes { "YES" } else { "NO" })
}

pub(super) fn database(facts: &Facts<'_>) -> Datum {
    Datum::text(facts.session.database.as_str())
}

/// `table_catalog`, `table_schema` and `table_name` of a relation.
fn place(facts: &Facts<'_>, schema: &str, name: &str) -> Row {
    vec![
        ("table_catalog", database(facts)),
        ("table_schema", Datum::text(schema)),
        ("table_name", Datum::text(name)),
    ]
}

/// Tables and views.
pub(super) fn tables(facts: &Facts<'_>) -> Vec<Row> {
    let row = |schema: &str, name: &str, view: bool, insertable: bool| {
        let mut row = place(facts, schema, name);
        let kind = if view { "VIEW" } else { "BASE TABLE" };
        row.push(("table_type", Datum::text(kind)));
        row.push(("is_insertable_into", yes_or_no(insertable)));
        row.push(("is_typed", yes_or_no(false)));
        row
    };
    let system = relation::all()
        .iter()
        .map(|r| row(r.schema, r.name, r.kind == "v", r.kind != "v"));
    let stored = facts
        .catalog
        .tables()
        .filter(|t| t.materialized.is_none())
        .map(|t| row(facts.schema_name(t.schema), &t.name, false, true));
    let views = facts.catalog.views().map(|v| {
        let schema = facts.schema_name(v.schema);
        row(schema, &v.name, true, is_updatable(facts, v))
    });
    stored.chain(views).chain(system).collect()
}

/// What the standard calls precision, for numbers and times.
pub(super) fn precision(ty: PgType) -> Row {
    let numeric = |digits: i32, radix: i32, scale: Option<i32>| {
        vec![
            ("numeric_precision", Datum::Int4(digits)),
            ("numeric_precision_radix", Datum::Int4(radix)),
            ("numeric_scale", scale.map_or(Datum::Null, Datum::Int4)),
        ]
    };
    match ty {
        PgType::Int2 => numeric(16, 2, Some(0)),
        PgType::Int4 => numeric(32, 2, Some(0)),
        PgType::Int8 => numeric(64, 2, Some(0)),
        PgType::Float4 => numeric(24, 2, None),
        PgType::Float8 => numeric(53, 2, None),
        PgType::Numeric(None) => vec![("numeric_precision_radix", Datum::Int4(10))],
        PgType::Numeric(Some((precision, scale))) => {
            numeric(i32::from(precision), 10, Some(i32::from(scale)))
        }
        PgType::Date => vec![("datetime_precision", Datum::Int4(0))],
        PgType::Time | PgType::Timestamp | PgType::Timestamptz | PgType::Interval => {
            vec![("datetime_precision", Datum::Int4(6))]
        }
        PgType::Rounded(rounded) => {
            vec![("datetime_precision", Datum::Int4(rounded.digits().into()))]
        }
        PgType::Varchar(length) => lengths(length),
        PgType::Char(length) => lengths(Some(length).filter(|n| *n > 0)),
        PgType::Text => lengths(None),
        _ => Vec::new(),
    }
}

/// Most bytes of any value.
const MOST_BYTES: i32 = 1 << 30;

fn lengths(characters: Option<u32>) -> Row {
    let most = characters.map_or(Datum::Null, number);
    let octets = characters
        .and_then(|n| i32::try_from(n).ok())
        .map_or(MOST_BYTES, |n| n.saturating_mul(4));
    vec![
        ("character_maximum_length", most),
        ("character_octet_length", Datum::Int4(octets)),
    ]
}

pub(super) fn data_type(ty: PgType) -> String {
    match ty.base() {
        PgType::Enum(_) | PgType::Composite(_) => "USER-DEFINED".to_owned(),
        PgType::Array(_) => "ARRAY".to_owned(),
        PgType::Int2Vector | PgType::OidVector => "ARRAY".to_owned(),
        PgType::Char(_) => "character".to_owned(),
        other => other.base_name().to_owned(),
    }
}

fn column_row(facts: &Facts<'_>, schema: &str, table: &str, name: &str, ty: PgType) -> Row {
    let mut row = place(facts, schema, table);
    row.push(("column_name", Datum::text(name)));
    row.push(("data_type", Datum::text(data_type(ty))));
    row.extend(precision(ty.base()));
    row.push(("udt_catalog", database(facts)));
    if let PgType::Domain(_) = ty {
        row.push(("domain_catalog", database(facts)));
        row.push(("domain_schema", Datum::text(type_schema(facts, ty))));
        row.push(("domain_name", Datum::text(ty.typname())));
    }
    row.push(("udt_schema", Datum::text(type_schema(facts, ty.base()))));
    row.push(("udt_name", Datum::text(ty.base().typname())));
    row.push(("is_self_referencing", yes_or_no(false)));
    row.push(("is_identity", yes_or_no(false)));
    row.push(("identity_cycle", yes_or_no(false)));
    row.push(("is_generated", Datum::text("NEVER")));
    row
}

fn of_table(facts: &Facts<'_>, table: &TableDescriptor, column: &Column) -> Row {
    let schema = facts.schema_name(table.schema);
    let mut row = column_row(facts, schema, &table.name, &column.name, column.ty);
    let attnum = column.attnum.to_string();
    let default = shown_default(facts, column);
    row.push(("ordinal_position", number(column.attnum)));
    row.push(("column_default", default.map_or(Datum::Null, Datum::text)));
    row.push(("is_nullable", yes_or_no(!column.not_null)));
    row.push(("dtd_identifier", Datum::text(attnum)));
    row.push(("is_updatable", yes_or_no(true)));
    if let Some(text) = &column.generated {
        row.retain(|(name, _)| *name != "is_generated");
        row.push(("is_generated", Datum::text("ALWAYS")));
        let shown = shown_generated(facts, table, text);
        row.push(("generation_expression", Datum::Text(shown)));
    }
    identity(facts, table, column, &mut row);
    row
}

/// What the standard says of an identity column.
fn identity(facts: &Facts<'_>, table: &TableDescriptor, column: &Column, row: &mut Row) {
    let Some(identity) = column.identity else {
        return;
    };
    let kind = match identity {
        Identity::Always => "ALWAYS",
        Identity::ByDefault => "BY DEFAULT",
    };
    let owner = Some((table.oid, column.attnum));
    let Some(sequence) = facts.catalog.sequences().find(|s| s.owned_by == owner) else {
        return;
    };
    let options = &sequence.options;
    row.retain(|(name, _)| *name != "is_identity" && *name != "identity_cycle");
    row.push(("is_identity", yes_or_no(true)));
    row.push(("identity_generation", Datum::text(kind)));
    row.push(("identity_start", Datum::text(options.start.to_string())));
    row.push((
        "identity_increment",
        Datum::text(options.increment.to_string()),
    ));
    row.push(("identity_maximum", Datum::text(options.max.to_string())));
    row.push(("identity_minimum", Datum::text(options.min.to_string())));
    row.push(("identity_cycle", yes_or_no(options.cycle)));
}

/// Columns of tables and views.
pub(super) fn columns(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in facts.catalog.tables().filter(|t| t.materialized.is_none()) {
        rows.extend(table.live_columns().map(|c| of_table(facts, table, c)));
    }
    let mut of_view = |schema: &str, view: &str, position: usize, name: &str, ty, changes: bool| {
        let mut row = column_row(facts, schema, view, name, ty);
        row.push(("ordinal_position", number(position + 1)));
        row.push(("is_nullable", yes_or_no(true)));
        row.push(("dtd_identifier", Datum::text((position + 1).to_string())));
        row.push(("is_updatable", yes_or_no(changes)));
        rows.push(row);
    };
    for view in facts.catalog.views() {
        let schema = facts.schema_name(view.schema);
        let shown = shown_columns(facts, view).unwrap_or_default();
        for (position, column) in view.columns.iter().enumerate() {
            let changes = shown.get(position).is_some_and(Option::is_some);
            of_view(
                schema,
                &view.name,
                position,
                &column.name,
                column.ty,
                changes,
            );
        }
    }
    for r in relation::all() {
        for (position, (name, ty)) in r.columns.iter().enumerate() {
            of_view(r.schema, r.name, position, name, *ty, false);
        }
    }
    rows
}

/// Schemas.
pub(super) fn schemata(facts: &Facts<'_>) -> Vec<Row> {
    let row = |name: &str, owner: &str| {
        vec![
            ("catalog_name", database(facts)),
            ("schema_name", Datum::text(name)),
            ("schema_owner", Datum::text(owner)),
        ]
    };
    let system = SYSTEM_SCHEMAS
        .iter()
        .map(|(name, _)| row(name, facts.first_role()));
    let stored = facts.catalog.schemas().map(|s| row(&s.name, &s.owner));
    stored.chain(system).collect()
}

/// `constraint_catalog`, `constraint_schema` and `constraint_name`.
fn constraint_place(facts: &Facts<'_>, schema: &str, name: &str) -> Row {
    vec![
        ("constraint_catalog", database(facts)),
        ("constraint_schema", Datum::text(schema)),
        ("constraint_name", Datum::text(name)),
    ]
}

/// The name that the standard's views give the NOT NULL of a column.
fn not_null_name(table: &TableDescriptor, column: &Column) -> String {
    format!("{}_{}_{}_not_null", table.schema, table.oid, column.attnum)
}

/// Keys, foreign keys, and NOT NULL as the CHECK it is.
pub(super) fn table_constraints(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |table: &TableDescriptor, name: &str, kind: &str, deferred: (bool, bool)| {
        let schema = facts.schema_name(table.schema);
        let mut row = constraint_place(facts, schema, name);
        row.extend(place(facts, schema, &table.name));
        row.push(("constraint_type", Datum::text(kind)));
        row.push(("is_deferrable", yes_or_no(deferred.0)));
        row.push(("initially_deferred", yes_or_no(deferred.1)));
        row.push(("enforced", yes_or_no(true)));
        if kind == "UNIQUE" {
            row.push(("nulls_distinct", yes_or_no(true)));
        }
        rows.push(row);
    };
    for table in facts.catalog.tables() {
        for index in indexes_of(table).iter().filter(|i| i.constraint) {
            let kind = if index.primary {
                "PRIMARY KEY"
            } else {
                "UNIQUE"
            };
            add(table, index.name, kind, index.timing());
        }
        for column in table.live_columns().filter(|c| c.not_null) {
            let name = not_null_name(table, column);
            add(table, &name, "CHECK", (false, false));
        }
        for check in &table.checks {
            add(table, &check.name, "CHECK", (false, false));
        }
        for key in &table.foreign_keys {
            let timing = (key.deferrable, key.deferred);
            add(table, &key.name, "FOREIGN KEY", timing);
        }
    }
    rows
}

/// CHECK constraints, and NOT NULL of columns.
pub(super) fn check_constraints(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in facts.catalog.tables() {
        for column in table.live_columns().filter(|c| c.not_null) {
            let schema = facts.schema_name(table.schema);
            let mut row = constraint_place(facts, schema, &not_null_name(table, column));
            let clause = format!("{} IS NOT NULL", column.name);
            row.push(("check_clause", Datum::text(clause)));
            rows.push(row);
        }
    }
    for (table, check) in definition::checks(facts) {
        let schema = facts.schema_name(table.schema);
        let mut row = constraint_place(facts, schema, &check.name);
        let shown = definition::check_definition(facts, table, check, false);
        let clause = shown.strip_prefix("CHECK ").unwrap_or(&shown);
        row.push(("check_clause", Datum::text(clause)));
        rows.push(row);
    }
    rows
}

/// Columns of keys and foreign keys, in the order of the key.
pub(super) fn key_column_usage(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for index in facts.constraints() {
        let schema = facts.schema_name(index.table.schema);
        for (position, column) in index.column_names().into_iter().enumerate() {
            let mut row = constraint_place(facts, schema, index.name);
            row.extend(place(facts, schema, &index.table.name));
            row.push(("column_name", Datum::text(column)));
            row.push(("ordinal_position", number(position + 1)));
            rows.push(row);
        }
    }
    for (table, key) in foreign_key::all(facts) {
        let schema = facts.schema_name(table.schema);
        let positions = foreign_key::positions(facts, key);
        for (at, (attnum, unique)) in key.columns.iter().zip(positions).enumerate() {
            let name = table.attribute(*attnum).map_or("", |c| c.name.as_str());
            let mut row = constraint_place(facts, schema, &key.name);
            row.extend(place(facts, schema, &table.name));
            row.push(("column_name", Datum::text(name)));
            row.push(("ordinal_position", number(at + 1)));
            row.push(("position_in_unique_constraint", number(unique)));
            rows.push(row);
        }
    }
    rows
}

/// Foreign keys and what they do.
pub(super) fn referential_constraints(facts: &Facts<'_>) -> Vec<Row> {
    let place = |schema: &str, name: &str| constraint_place(facts, schema, name);
    foreign_key::referential_constraints(facts, place, &database(facts))
}

/// Columns that constraints are about.
pub(super) fn constraint_column_usage(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for index in facts.constraints() {
        let schema = facts.schema_name(index.table.schema);
        for column in index.column_names() {
            let mut row = place(facts, schema, &index.table.name);
            row.push(("column_name", Datum::text(column)));
            row.extend(constraint_place(facts, schema, index.name));
            rows.push(row);
        }
    }
    for (table, check) in definition::checks(facts) {
        let schema = facts.schema_name(table.schema);
        for column in check.columns.iter().filter_map(|n| table.attribute(*n)) {
            let mut row = place(facts, schema, &table.name);
            row.push(("column_name", Datum::text(column.name.as_str())));
            row.extend(constraint_place(facts, schema, &check.name));
            rows.push(row);
        }
    }
    for (table, key) in foreign_key::all(facts) {
        let Some(parent) = facts.catalog.table_by_oid(key.referenced) else {
            continue;
        };
        for attnum in &key.referenced_columns {
            let name = parent.attribute(*attnum).map_or("", |c| c.name.as_str());
            let mut row = place(facts, facts.schema_name(parent.schema), &parent.name);
            row.push(("column_name", Datum::text(name)));
            let schema = facts.schema_name(table.schema);
            row.extend(constraint_place(facts, schema, &key.name));
            rows.push(row);
        }
    }
    rows
}

/// The session's role.
pub(super) fn enabled_roles(facts: &Facts<'_>) -> Vec<Row> {
    vec![vec![(
        "role_name",
        Datum::text(facts.session.user.as_str()),
    )]]
}

/// The one character set.
pub(super) fn character_sets(facts: &Facts<'_>) -> Vec<Row> {
    vec![vec![
        ("character_set_name", Datum::text("UTF8")),
        ("character_repertoire", Datum::text("UCS")),
        ("form_of_use", Datum::text("UTF8")),
        ("default_collate_catalog", database(facts)),
        ("default_collate_schema", Datum::text("pg_catalog")),
        ("default_collate_name", Datum::text("C.UTF-8")),
    ]]
}

/// What an owner may do with a table, and with a column of one.
const TABLE_PRIVILEGES: [&str; 7] = [
    "INSERT",
    "SELECT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
];
const COLUMN_PRIVILEGES: [&str; 4] = ["INSERT", "SELECT", "UPDATE", "REFERENCES"];

fn grant(owner: &str, privilege: &str) -> Row {
    vec![
        ("grantor", Datum::text(owner)),
        ("grantee", Datum::text(owner)),
        ("privilege_type", Datum::text(privilege)),
        ("is_grantable", yes_or_no(true)),
    ]
}

/// What owners may do with their tables.
pub(super) fn table_privileges(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in facts.catalog.tables() {
        for privilege in TABLE_PRIVILEGES {
            let mut row = grant(&table.owner, privilege);
            row.extend(place(facts, facts.schema_name(table.schema), &table.name));
            row.push(("with_hierarchy", yes_or_no(privilege == "SELECT")));
            rows.push(row);
        }
    }
    rows
}

/// What owners may do with the columns of their tables.
pub(super) fn column_privileges(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in facts.catalog.tables() {
        for column in table.live_columns() {
            for privilege in COLUMN_PRIVILEGES {
                let mut row = grant(&table.owner, privilege);
                row.extend(place(facts, facts.schema_name(table.schema), &table.name));
                row.push(("column_name", Datum::text(column.name.as_str())));
                rows.push(row);
            }
        }
    }
    rows
}

/// Elements of array columns.
pub(super) fn element_types(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for object in facts.objects() {
        let Object::Table(table) = object else {
            continue;
        };
        for column in table.live_columns() {
            let PgType::Array(element) = column.ty else {
                continue;
            };
            let name = types::listed_name(element.oid()).unwrap_or_default();
            rows.push(vec![
                ("object_catalog", database(facts)),
                (
                    "object_schema",
                    Datum::text(facts.schema_name(table.schema)),
                ),
                ("object_name", Datum::text(table.name.as_str())),
                ("object_type", Datum::text("TABLE")),
                (
                    "collection_type_identifier",
                    Datum::text(column.attnum.to_string()),
                ),
                ("data_type", Datum::text(data_type(*element))),
                ("udt_catalog", database(facts)),
                ("udt_schema", Datum::text("pg_catalog")),
                ("udt_name", Datum::text(name)),
                ("dtd_identifier", Datum::text(format!("a{}", column.attnum))),
            ]);
        }
    }
    rows
}
