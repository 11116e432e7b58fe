//! Functions of text and bytes that differ from DataFusion's.

use super::args::{TEXT, at, str_at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult, state};
use crate::types::{Datum, PgType, text_out};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("concat", &[Arg::Any], PgType::Text, concat)
        .variadic()
        .lenient()
        .stable(),
    Overload::new("concat_ws", &[TEXT, Arg::Any], PgType::Text, concat_with)
        .variadic()
        .lenient()
        .stable(),
    Overload::new("format", &[TEXT, Arg::Any], PgType::Text, format)
        .variadic()
        .lenient()
        .stable(),
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
    Overload::new("char_length", &[TEXT], PgType::Int4, length),
    Overload::new("character_length", &[TEXT], PgType::Int4, length),
    Overload::new("length", &[TEXT], PgType::Int4, length),
    Overload::new(
        "length",
        &[Arg::Is(PgType::Bytea)],
        PgType::Int4,
        byte_length,
    ),
    Overload::new(
        "octet_length",
        &[Arg::Is(PgType::Bytea)],
        PgType::Int4,
        byte_length,
    ),
    Overload::new("octet_length", &[TEXT], PgType::Int4, byte_length),
    Overload::new(
        "||",
        &[Arg::Is(PgType::Bytea), Arg::Is(PgType::Bytea)],
        PgType::Bytea,
        join_bytes,
    ),
];

fn shown(call: &Call<'_>, args: &[Datum], index: usize) -> Option<String> {
    let ty = call.types.get(index).copied().unwrap_or(PgType::Text);
    text_out::text_out(ty, at(args, index), &call.format)
}

fn concat(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(Datum::Text(
        (0..args.len())
            .filter_map(|i| shown(call, args, i))
            .collect(),
    ))
}

fn concat_with(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(separator) = at(args, 0).as_str() else {
        return Ok(Datum::Null);
    };
    let parts: Vec<String> = (1..args.len())
        .filter_map(|i| shown(call, args, i))
        .collect();
    Ok(Datum::Text(parts.join(separator)))
}

fn count(n: usize) -> Datum {
    Datum::Int4(i32::try_from(n).unwrap_or(i32::MAX))
}

fn length(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(count(str_at(args, 0).chars().count()))
}

fn byte_length(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(match at(args, 0) {
        Datum::Bytea(bytes) => count(bytes.len()),
        other => count(other.as_str().map_or(0, str::len)),
    })
}

fn join_bytes(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    match (at(args, 0), at(args, 1)) {
        (Datum::Bytea(a), Datum::Bytea(b)) => Ok(Datum::Bytea([a.as_slice(), b].concat())),
        _ => Err(SqlError::internal("bytea operands are none")),
    }
}

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

fn is_reserved(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    sqlparser::keywords::ALL_KEYWORDS
        .binary_search(&upper.as_str())
        .is_ok()
        && matches!(
            upper.as_str(),
            "ALL"
                | "AND"
                | "ANY"
                | "ARRAY"
                | "AS"
                | "ASC"
                | "BOTH"
                | "CASE"
                | "CAST"
                | "CHECK"
                | "COLLATE"
                | "COLUMN"
                | "CONSTRAINT"
                | "CREATE"
                | "DEFAULT"
                | "DESC"
                | "DISTINCT"
                | "DO"
                | "ELSE"
                | "END"
                | "EXCEPT"
                | "FALSE"
                | "FETCH"
                | "FOR"
                | "FOREIGN"
                | "FROM"
                | "GRANT"
                | "GROUP"
                | "HAVING"
                | "IN"
                | "INTERSECT"
                | "INTO"
                | "JOIN"
                | "LEFT"
                | "LIKE"
                | "LIMIT"
                | "NOT"
                | "NULL"
                | "OFFSET"
                | "ON"
                | "ONLY"
                | "OR"
                | "ORDER"
                | "PRIMARY"
                | "REFERENCES"
                | "RETURNING"
                | "SELECT"
                | "SOME"
                | "TABLE"
                | "THEN"
                | "TO"
                | "TRUE"
                | "UNION"
                | "UNIQUE"
                | "USER"
                | "USING"
                | "WHEN"
                | "WHERE"
                | "WINDOW"
                | "WITH"
        )
}

fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

fn bad_format(message: &str) -> SqlError {
    SqlError::new(state::INVALID_PARAMETER_VALUE, message.to_owned())
}

/// `format`: `%s`, `%I`, `%L`, `%%` and positions (`%2$s`); no widths.
fn format(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(pattern) = at(args, 0).as_str() else {
        return Ok(Datum::Null);
    };
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut next = 1;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = after.split_at(digits);
        let (position, tail) = match (number.parse::<usize>(), tail.strip_prefix('$')) {
            (Ok(n), Some(tail)) => (Some(n), tail),
            (Err(_), _) => (None, tail),
            _ => return Err(SqlError::unsupported("a width in format()")),
        };
        let mut chars = tail.chars();
        let kind = chars
            .next()
            .ok_or_else(|| bad_format("unterminated format() type specifier"))?;
        rest = chars.as_str();
        if kind == '%' {
            out.push('%');
            continue;
        }
        let index = position.unwrap_or(next);
        next = index + 1;
        if index == 0 || index >= args.len() {
            return Err(bad_format("too few arguments for format()"));
        }
        let value = shown(call, args, index);
        match (kind, value) {
            ('s', value) => out.push_str(&value.unwrap_or_default()),
            ('I', Some(value)) => out.push_str(&quote_ident(&value)),
            ('I', None) => {
                return Err(SqlError::new(
                    state::NULL_VALUE_NOT_ALLOWED,
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            ('L', value) => {
                out.push_str(&value.map_or_else(|| "NULL".to_owned(), |v| quote_literal(&v)))
            }
            (other, _) => {
                return Err(bad_format(&format!(
                    "unrecognized format() type specifier \"{other}\""
                )));
            }
        }
    }
    out.push_str(rest);
    Ok(Datum::Text(out))
}
