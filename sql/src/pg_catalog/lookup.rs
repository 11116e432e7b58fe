//! Names of objects and their identifiers: `regclass`, `regtype` and the like.

use super::facts::{FIRST_ROLE, Facts, system_schema};
use super::{procedure, types};
use crate::catalog::QualifiedName;
use crate::error::{SqlError, SqlResult, state};
use crate::query::quote_ident;
use crate::types::PgType;

/// Splits `a."b c".d` into its names, unquoted ones in lower case.
///
/// # Errors
/// 42602 for an empty name or a quote that does not end.
pub(crate) fn qualified(text: &str) -> SqlResult<Vec<String>> {
    let invalid = || SqlError::new(state::INVALID_NAME, "invalid name syntax");
    let mut names = Vec::new();
    let mut rest = text.trim();
    loop {
        let (name, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_name(quoted).ok_or_else(invalid)?,
            None => {
                let end = rest.find(['.', '"']).unwrap_or(rest.len());
                let (name, tail) = rest.split_at_checked(end).ok_or_else(invalid)?;
                (name.trim().to_ascii_lowercase(), tail)
            }
        };
        if name.is_empty() {
            return Err(invalid());
        }
        names.push(name);
        match tail.trim_start().strip_prefix('.') {
            Some(tail) => rest = tail.trim_start(),
            None if tail.trim().is_empty() => return Ok(names),
            None => return Err(invalid()),
        }
    }
}

/// Reads up to the closing quote; the name and what follows it.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, tail) = rest.split_once('"')?;
        name.push_str(part);
        match tail.strip_prefix('"') {
            Some(tail) => {
                name.push('"');
                rest = tail;
            }
            None => return Some((name, tail)),
        }
    }
}

/// Reads a number, or `-` for none: every `reg…` type takes these.
fn number(text: &str) -> Option<u32> {
    match text.trim() {
        "-" => Some(0),
        text => text.parse().ok(),
    }
}

fn unknown(kind: &str, name: &str, code: &'static str) -> SqlError {
    SqlError::new(code, format!("{kind} \"{name}\" does not exist"))
}

/// `'name'::regclass`.
///
/// # Errors
/// 42P01 for an unknown relation, 3F000 for an unknown schema, 42602.
pub(crate) fn relation_oid(facts: &Facts<'_>, text: &str) -> SqlResult<u32> {
    if let Some(oid) = number(text) {
        return Ok(oid);
    }
    let mut names = qualified(text)?;
    let missing = || unknown("relation", text.trim(), state::UNDEFINED_TABLE);
    let name = names.pop().ok_or_else(missing)?;
    let found = match names.pop() {
        Some(schema) => {
            let oid = find_schema(facts, &schema)
                .ok_or_else(|| unknown("schema", &schema, state::INVALID_SCHEMA_NAME))?;
            facts.object_in(oid, &name)
        }
        None => facts
            .search_path()
            .find_map(|schema| facts.object_in(schema, &name)),
    };
    found.map(|object| object.oid()).ok_or_else(missing)
}

/// Whether a relation is what its bare name means.
pub(super) fn is_visible(facts: &Facts<'_>, oid: u32, name: &str) -> bool {
    facts
        .search_path()
        .find_map(|schema| facts.object_in(schema, name))
        .is_some_and(|object| object.oid() == oid)
}

impl Facts<'_> {
    /// What `pg_table_is_visible` gives; `None` when there is no such relation.
    pub(crate) fn is_relation_visible(&self, oid: u32) -> Option<bool> {
        let object = self.object(oid)?;
        // Most often there is no relation of the same name in another schema.
        if self.search_path().next() == Some(object.schema()) {
            return Some(true);
        }
        Some(is_visible(self, oid, object.name()))
    }
}

/// What a `reg…` value without an object shows.
fn bare(oid: u32) -> String {
    match oid {
        0 => "-".to_owned(),
        oid => oid.to_string(),
    }
}

/// A `regclass` as text: with its schema when the name alone means another.
pub(crate) fn relation_name(facts: &Facts<'_>, oid: u32) -> String {
    let Some(object) = facts.object(oid) else {
        return bare(oid);
    };
    let name = quote_ident(object.name());
    if is_visible(facts, oid, object.name()) {
        return name;
    }
    format!("{}.{name}", quote_ident(facts.schema_name(object.schema())))
}

fn find_schema(facts: &Facts<'_>, name: &str) -> Option<u32> {
    match facts.catalog.schema(name) {
        Some(schema) => Some(schema.oid),
        None => Some(system_schema(name)).filter(|oid| *oid != 0),
    }
}

/// `'name'::regnamespace`.
///
/// # Errors
/// 3F000 for an unknown schema, 42602.
pub(crate) fn namespace_oid(facts: &Facts<'_>, text: &str) -> SqlResult<u32> {
    if let Some(oid) = number(text) {
        return Ok(oid);
    }
    let name = qualified(text)?.pop().unwrap_or_default();
    find_schema(facts, &name).ok_or_else(|| unknown("schema", &name, state::INVALID_SCHEMA_NAME))
}

/// A `regnamespace` as text.
pub(crate) fn namespace_name(facts: &Facts<'_>, oid: u32) -> String {
    match facts.schema_name(oid) {
        "" => bare(oid),
        name => quote_ident(name),
    }
}

/// `'name'::regrole`.
///
/// # Errors
/// 42704 for an unknown role, 42602.
pub(crate) fn role_oid(facts: &Facts<'_>, text: &str) -> SqlResult<u32> {
    if let Some(oid) = number(text) {
        return Ok(oid);
    }
    let name = qualified(text)?.pop().unwrap_or_default();
    facts
        .catalog
        .role(&name)
        .map(|role| role.oid)
        .ok_or_else(|| unknown("role", &name, state::UNDEFINED_OBJECT))
}

/// The name of a role; `None` when there is no such role.
pub(crate) fn role_name<'a>(facts: &Facts<'a>, oid: u32) -> Option<&'a str> {
    let known = facts.catalog.roles().find(|role| role.oid == oid);
    match known {
        Some(role) => Some(&role.name),
        None if oid == FIRST_ROLE => Some(facts.first_role()),
        None => None,
    }
}

/// `'name'::regtype`.
///
/// # Errors
/// 42704 for a type that does not exist here.
pub(crate) fn type_oid(facts: &Facts<'_>, text: &str) -> SqlResult<u32> {
    built_in_type_oid(text).or_else(|error| {
        let written = text.trim();
        let (name, array) = match written.strip_suffix("[]") {
            Some(element) => (element, true),
            None => (written, false),
        };
        let mut names = qualified(name)?;
        let name = QualifiedName {
            name: names.pop().unwrap_or_default(),
            schema: names.pop(),
        };
        let found = facts.catalog.find_type(&name, &facts.session.search_path);
        found
            .and_then(|ty| {
                if array {
                    PgType::array_of(ty)
                } else {
                    Some(ty)
                }
            })
            .map(PgType::oid)
            .ok_or(error)
    })
}

fn built_in_type_oid(text: &str) -> SqlResult<u32> {
    if let Some(oid) = number(text) {
        return Ok(oid);
    }
    let name = text.trim();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let (element, array) = match name.strip_suffix("[]") {
        Some(element) => (element, true),
        None => (name, false),
    };
    // The modifier says nothing about which type it is.
    let base = match (element.split_once('('), element.split_once(')')) {
        (Some((before, _)), Some((_, after))) => format!("{}{after}", before.trim_end()),
        _ => element.to_owned(),
    };
    let base = match base.strip_prefix('"').and_then(|b| b.strip_suffix('"')) {
        Some(quoted) => quoted.to_owned(),
        None => spelled(&base.to_ascii_lowercase()).to_owned(),
    };
    PgType::from_name(&base)
        .and_then(|ty| {
            if array {
                PgType::array_of(ty)
            } else {
                Some(ty)
            }
        })
        .map(PgType::oid)
        .ok_or_else(|| unknown("type", name, state::UNDEFINED_OBJECT))
}

/// The name in `pg_type` of a type that SQL spells otherwise.
fn spelled(name: &str) -> &str {
    match name {
        "character" | "char" => "bpchar",
        "time without time zone" => "time",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        other => other,
    }
}

/// What `format_type` gives; without any modifier, `bpchar` is the standard's type.
pub(crate) fn type_name(facts: &Facts<'_>, oid: u32, typmod: Option<i32>) -> String {
    let user = facts.catalog.type_by_oid(oid, -1);
    let user = user.and_then(|ty| Some((ty, facts.catalog.user_type(ty.user()?.oid())?)));
    let Some((ty, entry)) = user else {
        return built_in_type_name(oid, typmod);
    };
    let path = &facts.session.search_path;
    let shown = facts
        .catalog
        .shown_type_name(entry.schema, &entry.name, path);
    let mut name = match shown.strip_suffix(&format!(".{}", entry.name)) {
        Some(schema) => format!("{}.{}", quote_ident(schema), quote_ident(&entry.name)),
        None => quote_ident(&entry.name),
    };
    if matches!(ty, PgType::Array(_)) {
        name.push_str("[]");
    }
    name
}

fn built_in_type_name(oid: u32, typmod: Option<i32>) -> String {
    match PgType::from_oid(oid, typmod.unwrap_or(-1)) {
        Some(PgType::Char(0)) if typmod.is_none() => "character".to_owned(),
        Some(PgType::Array(PgType::Char(0))) if typmod.is_none() => "character[]".to_owned(),
        Some(ty) => ty.sql_name(),
        None if oid == 0 => "-".to_owned(),
        None => match types::listed_name(oid).and_then(|name| name.strip_prefix('_')) {
            Some(element) => format!("{element}[]"),
            None => "???".to_owned(),
        },
    }
}

/// `'name'::regproc`.
///
/// # Errors
/// 42883 for a function that is not listed, 42602.
pub(crate) fn procedure_oid(facts: &Facts<'_>, text: &str) -> SqlResult<u32> {
    if let Some(oid) = number(text) {
        return Ok(oid);
    }
    let written = text.split('(').next().unwrap_or_default();
    let name = qualified(written)?.pop().unwrap_or_default();
    if let Some(oid) = procedure::oid_of(&name) {
        return Ok(oid);
    }
    let mut names = qualified(written)?;
    names.pop();
    let written = QualifiedName {
        schema: names.pop(),
        name,
    };
    let path = &facts.session.search_path;
    let found = facts.catalog.functions_named(&written, path);
    found
        .first()
        .map(|function| function.oid)
        .ok_or_else(|| unknown("function", text.trim(), state::UNDEFINED_FUNCTION))
}

/// A `regproc` as text.
pub(crate) fn procedure_name(facts: &Facts<'_>, oid: u32) -> String {
    if let Some(function) = facts.catalog.function(oid) {
        return quote_ident(&function.name);
    }
    procedure::name_of(oid).map_or_else(|| bare(oid), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn names_are_split_as_identifiers() {
        let split = |text| qualified(text).map(|names| names.join("|"));
        assert_eq!(split("Public.T").unwrap(), "public|t");
        assert_eq!(split(r#" a . "B ""c"".d" "#).unwrap(), r#"a|B "c".d"#);
        for wrong in ["", ".", "a.", r#""a"#, r#""a"b"#, r#""""#] {
            assert!(split(wrong).unwrap_err().is("42602"), "{wrong}");
        }
    }

    // `select x::regtype::oid, format_type(oid, mod)` on PostgreSQL 15.
    #[test]
    fn types_are_read_and_shown() {
        for (text, oid) in [
            ("int4", 23),
            ("integer", 23),
            ("pg_catalog.int8", 20),
            ("varchar(10)", 1_043),
            ("character varying[]", 1_015),
            ("timestamp(3) with time zone", 1_184),
            ("char", 1_042),
            (r#""char""#, 18),
            ("_text", 1_009),
            ("25", 25),
        ] {
            assert_eq!(built_in_type_oid(text).unwrap(), oid, "{text}");
        }
        assert!(built_in_type_oid("nothing").unwrap_err().is("42704"));
        for (oid, typmod, name) in [
            (1_043, Some(14), "character varying(10)"),
            (1_700, Some(655_366), "numeric(10,2)"),
            (1_042, None, "character"),
            (1_042, Some(-1), "bpchar"),
            (1_007, Some(-1), "integer[]"),
            (1_006, None, "int2vector[]"),
            (0, None, "-"),
            (99_999, None, "???"),
        ] {
            assert_eq!(built_in_type_name(oid, typmod), name);
        }
    }
}
