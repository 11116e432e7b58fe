//! Identifiers and literals as SQL writes them.

use super::args::{TEXT, at, str_at};
use super::overload::Overload;
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

/// Keywords that PostgreSQL takes for no name, in order.
const RESERVED: [&str; 60] = [
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "BOTH",
    "CASE",
    "CAST",
    "CHECK",
    "COLLATE",
    "COLUMN",
    "CONSTRAINT",
    "CREATE",
    "DEFAULT",
    "DESC",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "EXCEPT",
    "FALSE",
    "FETCH",
    "FOR",
    "FOREIGN",
    "FROM",
    "GRANT",
    "GROUP",
    "HAVING",
    "IN",
    "INTERSECT",
    "INTO",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "ONLY",
    "OR",
    "ORDER",
    "PRIMARY",
    "REFERENCES",
    "RETURNING",
    "SELECT",
    "SOME",
    "TABLE",
    "THEN",
    "TO",
    "TRUE",
    "UNION",
    "UNIQUE",
    "USER",
    "USING",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

fn is_reserved(name: &str) -> bool {
    RESERVED
        .binary_search(&name.to_ascii_uppercase().as_str())
        .is_ok()
}
