//! [`Relation`]: what a system table or view looks like.

use std::sync::LazyLock;

use crate::types::{Datum, PgType};

/// One relation a line: schema (`c` or `i`), object identifier, kind, name, then
/// names and types of the columns. Object identifiers and columns are those of
/// PostgreSQL 15; types that exist only inside a server are replaced by what they
/// are shown as.
static TEXT: &str = include_str!("relations.txt");

/// A system table or view.
#[derive(Debug)]
pub(crate) struct Relation {
    /// `pg_catalog` or `information_schema`.
    pub(crate) schema: &'static str,
    /// Object identifier.
    pub(crate) oid: u32,
    /// `r` for a table, `v` for a view.
    pub(crate) kind: &'static str,
    /// Name.
    pub(crate) name: &'static str,
    /// Names and types of the columns.
    pub(crate) columns: Vec<(&'static str, PgType)>,
}

impl Relation {
    /// Whether it is a view of what sessions do.
    fn tells_what_runs(&self) -> bool {
        matches!(self.name, "pg_locks" | "pg_stat_activity")
    }

    /// The value of the column at `position` in `row`. A column that the row says
    /// nothing about is "no" or 0 in a system table, and NULL in a view of
    /// `information_schema`.
    pub(crate) fn value_or_default(&self, row: &super::Row, position: usize) -> Datum {
        let Some((column, ty)) = self.columns.get(position) else {
            return Datum::Null;
        };
        if let Some((_, value)) = row.iter().find(|(name, _)| name == column) {
            return value.clone();
        }
        match ty {
            _ if self.schema == "information_schema" || self.tells_what_runs() => Datum::Null,
            PgType::Bool => Datum::Bool(false),
            PgType::Int2 => Datum::Int2(0),
            PgType::Int4 => Datum::Int4(0),
            PgType::Int8 => Datum::Int8(0),
            PgType::Float4 => Datum::Float4(0.0),
            PgType::Oid => Datum::Oid(0),
            PgType::InternalChar => Datum::text(""),
            _ => Datum::Null,
        }
    }
}

fn parse(line: &'static str) -> Option<Relation> {
    let mut words = line.split(' ');
    let schema = match words.next()? {
        "c" => "pg_catalog",
        _ => "information_schema",
    };
    let oid = words.next()?.parse().ok()?;
    let kind = words.next()?;
    let name = words.next()?;
    let mut columns = Vec::new();
    while let Some(column) = words.next() {
        columns.push((column, PgType::from_name(words.next()?)?));
    }
    Some(Relation {
        schema,
        oid,
        kind,
        name,
        columns,
    })
}

static RELATIONS: LazyLock<Vec<Relation>> =
    LazyLock::new(|| TEXT.lines().filter_map(parse).collect());

/// All system tables and views.
pub(crate) fn all() -> &'static [Relation] {
    &RELATIONS
}

/// The relation that a name means. A name without a schema means one of
/// `pg_catalog`, which is searched before the search path.
pub(crate) fn find(
    schema: Option<&str>,
    name: &str,
    search_path: &[String],
) -> Option<&'static Relation> {
    let within = |schema: &str| all().iter().find(|r| r.schema == schema && r.name == name);
    match schema {
        Some(schema) => within(schema),
        None => within("pg_catalog").or_else(|| {
            search_path
                .iter()
                .any(|s| s == "information_schema")
                .then(|| within("information_schema"))
                .flatten()
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn every_line_is_a_relation() {
        for line in TEXT.lines() {
            assert!(parse(line).is_some_and(|r| !r.columns.is_empty()), "{line}");
        }
        assert_eq!(all().len(), TEXT.lines().count());
    }

    #[test]
    fn every_filled_relation_exists() {
        for (name, _) in super::super::FILLED {
            assert!(all().iter().any(|r| r.name == name), "{name}");
        }
    }

    #[test]
    fn pg_catalog_is_searched_without_being_named() {
        let path = ["public".to_owned()];
        assert_eq!(find(None, "pg_class", &path).unwrap().oid, 1_259);
        assert!(find(None, "tables", &path).is_none());
        assert!(find(Some("public"), "pg_class", &path).is_none());
        let path = ["information_schema".to_owned()];
        assert_eq!(find(None, "tables", &path).unwrap().kind, "v");
    }
}
