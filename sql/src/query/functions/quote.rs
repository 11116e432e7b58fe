//! Identifiers and literals as SQL writes them.

use super::args::{TEXT, at, str_at};
use super::overload::{Arg, Overload};
use super::text::shown;
use crate::types::{Datum, PgType};

/// Functions that quote.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("quote_ident", &[TEXT], PgType::Text, |_, a| {
        Ok(Datum::text(quote_ident(str_at(a, 0))))
    }),
    Overload::new("quote_literal", &[TEXT], PgType::Text, |_, a| {
        Ok(Datum::text(quote_literal(str_at(a, 0))))
    }),
    Overload::new("quote_nullable", &[TEXT], PgType::Text, |_, a| {
        Ok(Datum::text(
            at(a, 0)
                .as_str()
                .map_or_else(|| "NULL".to_owned(), quote_literal),
        ))
    })
    .lenient(),
    Overload::new("quote_literal", &[Arg::Any], PgType::Text, |c, a| {
        Ok(shown(c, a, 0).map_or(Datum::Null, |text| Datum::text(quote_literal(&text))))
    })
    .stable(),
    Overload::new("quote_nullable", &[Arg::Any], PgType::Text, |c, a| {
        let text = shown(c, a, 0).map(|text| quote_literal(&text));
        Ok(Datum::text(text.unwrap_or_else(|| "NULL".to_owned())))
    })
    .lenient()
    .stable(),
];

/// An identifier, in quotes where SQL needs them.
pub(crate) fn quote_ident(name: &str) -> String {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.bytes().next().is_none_or(|b| b.is_ascii_digit());
    if plain && !is_reserved(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A text as a string literal.
pub(super) fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// Keywords that PostgreSQL puts quotes around where they are names, in order: all but
/// those that are reserved nowhere.
const RESERVED: [&str; 151] = [
    "ALL",
    "ANALYSE",
    "ANALYZE",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "ASYMMETRIC",
    "AUTHORIZATION",
    "BETWEEN",
    "BIGINT",
    "BINARY",
    "BIT",
    "BOOLEAN",
    "BOTH",
    "CASE",
    "CAST",
    "CHAR",
    "CHARACTER",
    "CHECK",
    "COALESCE",
    "COLLATE",
    "COLLATION",
    "COLUMN",
    "CONCURRENTLY",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "CURRENT_CATALOG",
    "CURRENT_DATE",
    "CURRENT_ROLE",
    "CURRENT_SCHEMA",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "DEC",
    "DECIMAL",
    "DEFAULT",
    "DEFERRABLE",
    "DESC",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXTRACT",
    "FALSE",
    "FETCH",
    "FLOAT",
    "FOR",
    "FOREIGN",
    "FREEZE",
    "FROM",
    "FULL",
    "GRANT",
    "GREATEST",
    "GROUP",
    "GROUPING",
    "HAVING",
    "ILIKE",
    "IN",
    "INITIALLY",
    "INNER",
    "INOUT",
    "INT",
    "INTEGER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "LATERAL",
    "LEADING",
    "LEAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NATIONAL",
    "NATURAL",
    "NCHAR",
    "NONE",
    "NORMALIZE",
    "NOT",
    "NOTNULL",
    "NULL",
    "NULLIF",
    "NUMERIC",
    "OFFSET",
    "ON",
    "ONLY",
    "OR",
    "ORDER",
    "OUT",
    "OUTER",
    "OVERLAPS",
    "OVERLAY",
    "PLACING",
    "POSITION",
    "PRECISION",
    "PRIMARY",
    "REAL",
    "REFERENCES",
    "RETURNING",
    "RIGHT",
    "ROW",
    "SELECT",
    "SESSION_USER",
    "SETOF",
    "SIMILAR",
    "SMALLINT",
    "SOME",
    "SUBSTRING",
    "SYMMETRIC",
    "TABLE",
    "TABLESAMPLE",
    "THEN",
    "TIME",
    "TIMESTAMP",
    "TO",
    "TRAILING",
    "TREAT",
    "TRIM",
    "TRUE",
    "UNION",
    "UNIQUE",
    "USER",
    "USING",
    "VALUES",
    "VARCHAR",
    "VARIADIC",
    "VERBOSE",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "XMLATTRIBUTES",
    "XMLCONCAT",
    "XMLELEMENT",
    "XMLEXISTS",
    "XMLFOREST",
    "XMLNAMESPACES",
    "XMLPARSE",
    "XMLPI",
    "XMLROOT",
    "XMLSERIALIZE",
    "XMLTABLE",
];

fn is_reserved(name: &str) -> bool {
    RESERVED
        .binary_search(&name.to_ascii_uppercase().as_str())
        .is_ok()
}
