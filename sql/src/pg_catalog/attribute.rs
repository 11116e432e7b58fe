//! `pg_attribute` and `pg_attrdef`.

use super::expression::Printer;
use super::facts::Object;
use super::lookup::relation_name;
use super::types::{alignment, collation_of, is_by_value, storage};
use super::{Facts, Row};
use crate::catalog::{Column, Identity, TableDescriptor, sequence_mention};
use crate::deparse::default_text;
use crate::query::SEQUENCE_COLUMNS;
use crate::types::{Datum, PgType};

fn number(n: usize) -> Datum {
    Datum::Int2(i16::try_from(n).unwrap_or(i16::MAX))
}

/// One attribute of a relation.
fn attribute(relation: u32, position: usize, name: &str, ty: PgType) -> Row {
    vec![
        ("attrelid", Datum::Oid(relation)),
        ("attname", Datum::text(name)),
        ("atttypid", Datum::Oid(ty.oid())),
        ("attstattarget", Datum::Int4(-1)),
        ("attlen", Datum::Int2(ty.typlen())),
        ("attnum", number(position)),
        (
            "attndims",
            Datum::Int4(i32::from(matches!(ty, PgType::Array(_)))),
        ),
        ("attcacheoff", Datum::Int4(-1)),
        ("atttypmod", Datum::Int4(ty.typmod())),
        ("attbyval", Datum::Bool(is_by_value(ty))),
        ("attalign", Datum::text(alignment(ty))),
        ("attstorage", Datum::text(storage(ty))),
        ("attislocal", Datum::Bool(true)),
        ("attcollation", Datum::Oid(collation_of(ty))),
    ]
}

fn of_column(relation: u32, column: &Column) -> Row {
    let position = usize::from(column.attnum);
    if column.dropped {
        let name = format!("........pg.dropped.{position}........");
        let mut row = attribute(relation, position, &name, column.ty);
        row.retain(|(name, _)| *name != "atttypid");
        row.push(("attisdropped", Datum::Bool(true)));
        return row;
    }
    let mut row = attribute(relation, position, &column.name, column.ty);
    row.retain(|(name, _)| *name != "attislocal");
    row.push(("attislocal", Datum::Bool(!column.heritage.not_local)));
    let parents = i32::from(column.heritage.parents);
    row.push(("attinhcount", Datum::Int4(parents)));
    row.push(("attnotnull", Datum::Bool(column.not_null)));
    let generated = column.generated.is_some();
    let default = generated || own_default(column).is_some() && column.identity.is_none();
    row.push(("atthasdef", Datum::Bool(default)));
    let identity = match column.identity {
        Some(Identity::Always) => "a",
        Some(Identity::ByDefault) => "d",
        None => "",
    };
    row.push(("attidentity", Datum::text(identity)));
    let kind = if generated { "s" } else { "" };
    row.push(("attgenerated", Datum::text(kind)));
    row.push(("atthasmissing", Datum::Bool(column.missing.is_some())));
    row
}

/// Columns of all relations, dropped ones included.
pub(super) fn pg_attribute(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for object in facts.objects() {
        let oid = object.oid();
        match object {
            Object::Table(table) => {
                rows.extend(table.columns.iter().map(|c| of_column(oid, c)));
            }
            Object::Index(index) => {
                let columns = index.attributes().into_iter().enumerate();
                rows.extend(columns.map(|(i, (name, ty))| attribute(oid, i + 1, name, ty)));
            }
            Object::View(view) => {
                let columns = view.columns.iter().enumerate();
                rows.extend(columns.map(|(i, c)| attribute(oid, i + 1, &c.name, c.ty)));
            }
            Object::Sequence(_) => {
                let columns = SEQUENCE_COLUMNS.iter().enumerate();
                rows.extend(columns.map(|(i, (name, ty))| attribute(oid, i + 1, name, *ty)));
            }
            Object::System(relation) => {
                let columns = relation.columns.iter().enumerate();
                rows.extend(columns.map(|(i, (name, ty))| attribute(oid, i + 1, name, *ty)));
            }
        }
    }
    rows
}

/// Object identifier of a default: no other object has the table's identifier
/// together with this catalog's.
pub(super) fn default_oid(table: u32, attnum: u16) -> u32 {
    table.wrapping_mul(2_048).wrapping_add(u32::from(attnum)) | 0x8000_0000
}

/// The default of a column. NULL is what there is without one.
fn own_default(column: &Column) -> Option<&str> {
    let text = column.default.as_deref()?.trim();
    (!text.eq_ignore_ascii_case("null")).then_some(text)
}

/// A default as PostgreSQL shows it: a literal in quotes says its type.
pub(super) fn shown_default(facts: &Facts<'_>, column: &Column) -> Option<String> {
    if column.identity.is_some() {
        return None;
    }
    let text = named_sequences(facts, own_default(column)?);
    let text = text.as_str();
    if let Ok(shown) = default_text(facts, column.ty, text) {
        return Some(shown);
    }
    let inner = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
    let literal = inner.is_some_and(|t| !t.replace("\'\'", "").contains('\''));
    let negative = text
        .strip_prefix('-')
        .is_some_and(|digits| digits.parse::<f64>().is_ok());
    let ty = bare_name(column.ty);
    Some(match (literal, negative) {
        (true, _) => format!("{text}::{ty}"),
        (_, true) => format!("'{text}'::{ty}"),
        _ => text.to_owned(),
    })
}

/// The expression of a generated column as PostgreSQL shows it.
pub(super) fn shown_generated(facts: &Facts<'_>, table: &TableDescriptor, text: &str) -> String {
    Printer {
        facts: Some(facts),
        table,
        pretty: false,
    }
    .show(text)
}

/// An expression with the present names of the sequences in it.
fn named_sequences(facts: &Facts<'_>, text: &str) -> String {
    let mut shown = text.to_owned();
    if text.contains("::REGCLASS") {
        for sequence in facts.catalog.sequences() {
            let mention = sequence_mention(sequence.oid);
            if shown.contains(&mention) {
                let name = relation_name(facts, sequence.oid).replace('\'', "''");
                shown = shown.replace(&mention, &format!("'{name}'::regclass"));
            }
        }
    }
    shown
}

fn bare_name(ty: PgType) -> String {
    match ty {
        PgType::Array(_) => ty.sql_name(),
        other => other.base_name().to_owned(),
    }
}

/// Defaults of columns. The expression is kept as SQL text.
pub(super) fn pg_attrdef(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in facts.catalog.tables() {
        for column in table.live_columns() {
            let shown = match &column.generated {
                Some(text) => Some(shown_generated(facts, table, text)),
                None => shown_default(facts, column),
            };
            if let Some(default) = shown {
                rows.push(vec![
                    ("oid", Datum::Oid(default_oid(table.oid, column.attnum))),
                    ("adrelid", Datum::Oid(table.oid)),
                    ("adnum", number(usize::from(column.attnum))),
                    ("adbin", Datum::Text(default)),
                ]);
            }
        }
    }
    rows
}
