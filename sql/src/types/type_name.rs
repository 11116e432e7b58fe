//! From a type written in SQL to a [`PgType`].

use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectName, TimezoneInfo,
};

use crate::error::{SqlError, SqlResult, state};
use crate::types::pg_type::{MAX_CHAR_LENGTH, PgType};

impl PgType {
    /// The type an SQL type name means. 42704 when PostgreSQL has no such
    /// type, 0A000 when it has and we do not.
    pub fn from_sql_ast(ast: &DataType) -> SqlResult<PgType> {
        Ok(match ast {
            DataType::Bool | DataType::Boolean => PgType::Bool,
            DataType::Int2(None) | DataType::SmallInt(None) => PgType::Int2,
            DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => PgType::Int4,
            DataType::Int8(None) | DataType::BigInt(None) => PgType::Int8,
            DataType::Real | DataType::Float4 => PgType::Float4,
            DataType::Float8
            | DataType::DoublePrecision
            | DataType::Double(ExactNumberInfo::None) => PgType::Float8,
            DataType::Float(info) => float(info)?,
            DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
                numeric(info)?
            }
            DataType::Text => PgType::Text,
            DataType::Varchar(length)
            | DataType::CharacterVarying(length)
            | DataType::CharVarying(length) => {
                PgType::Varchar(char_length("varchar", length.as_ref())?)
            }
            DataType::Char(length) | DataType::Character(length) => {
                PgType::Char(char_length("char", length.as_ref())?.unwrap_or(1))
            }
            DataType::Bytea => PgType::Bytea,
            DataType::Uuid => PgType::Uuid,
            DataType::Date => PgType::Date,
            DataType::Time(precision, zone) => {
                let ty = if with_zone(zone) {
                    PgType::Timetz
                } else {
                    PgType::Time
                };
                rounded(ty, *precision)
            }
            DataType::Timestamp(precision, zone) => {
                let ty = if with_zone(zone) {
                    PgType::Timestamptz
                } else {
                    PgType::Timestamp
                };
                rounded(ty, *precision)
            }
            DataType::Interval { fields, precision } => {
                if fields.is_some() {
                    return Err(SqlError::unsupported("interval with fields"));
                }
                rounded(PgType::Interval, *precision)
            }
            DataType::JSON => PgType::Json,
            DataType::JSONB => PgType::Jsonb,
            DataType::Array(element) => array(element)?,
            DataType::Custom(name, modifiers) => custom(name, modifiers)?,
            DataType::Bit(length) => PgType::Bit(Some(bit_length("bit", *length)?.unwrap_or(1))),
            DataType::BitVarying(length) | DataType::VarBit(length) => {
                PgType::Varbit(bit_length("varbit", *length)?)
            }
            DataType::Regclass => {
                return Err(SqlError::unsupported(format!("type {ast}")));
            }
            other => return Err(undefined(&other.to_string().to_lowercase())),
        })
    }

    /// The type a bare `pg_type.typname` or SQL alias means ("int4", "int",
    /// "_text"); lower case as identifiers are after folding.
    pub fn from_name(name: &str) -> Option<PgType> {
        if let Some(element) = name.strip_prefix('_') {
            return PgType::from_name(element).and_then(PgType::array_of);
        }
        Some(match name {
            "bool" | "boolean" => PgType::Bool,
            "int2" | "smallint" => PgType::Int2,
            "int4" | "int" | "integer" => PgType::Int4,
            "int8" | "bigint" => PgType::Int8,
            "float4" | "real" => PgType::Float4,
            "float8" | "double precision" => PgType::Float8,
            "numeric" | "decimal" => PgType::Numeric(None),
            "text" => PgType::Text,
            "varchar" | "character varying" => PgType::Varchar(None),
            "bpchar" => PgType::Char(0),
            "bytea" => PgType::Bytea,
            "uuid" => PgType::Uuid,
            "date" => PgType::Date,
            "time" => PgType::Time,
            "timestamp" => PgType::Timestamp,
            "timestamptz" => PgType::Timestamptz,
            "interval" => PgType::Interval,
            "timetz" => PgType::Timetz,
            "bit" => PgType::Bit(None),
            "varbit" | "bit varying" => PgType::Varbit(None),
            "jsonpath" => PgType::Jsonpath,
            "json" => PgType::Json,
            "jsonb" => PgType::Jsonb,
            "name" => PgType::Name,
            "char" => PgType::InternalChar,
            "oid" => PgType::Oid,
            "unknown" => PgType::Unknown,
            "void" => PgType::Void,
            "int2vector" => PgType::Int2Vector,
            "oidvector" => PgType::OidVector,
            _ => return None,
        })
    }
}

/// PostgreSQL types we know of and do not have.
const KNOWN_TO_POSTGRES: [&str; 30] = [
    "money",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "xml",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "tsvector",
    "tsquery",
    "pg_lsn",
    "xid",
    "xid8",
    "cid",
    "tid",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "regproc",
    "regtype",
    "regclass",
    "record",
];

fn custom(name: &ObjectName, modifiers: &[String]) -> SqlResult<PgType> {
    let mut parts = name.0.iter().filter_map(|part| part.as_ident());
    let (schema, ident) = match (parts.next(), parts.next(), parts.next()) {
        (Some(ident), None, None) => (None, ident),
        (Some(schema), Some(ident), None) => (Some(schema), ident),
        _ => return Err(undefined(&name.to_string())),
    };
    let fold = |ident: &sqlparser::ast::Ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    };
    if schema.is_some_and(|schema| fold(schema) != "pg_catalog") {
        return Err(undefined(&name.to_string()));
    }
    let bare = fold(ident);
    let Some(ty) = PgType::from_name(&bare) else {
        if KNOWN_TO_POSTGRES.contains(&bare.as_str()) {
            return Err(SqlError::unsupported(format!("type {bare}")));
        }
        return Err(undefined(&name.to_string()));
    };
    if modifiers.is_empty() {
        return Ok(ty);
    }
    let numbers: Vec<i64> = modifiers
        .iter()
        .filter_map(|m| m.trim().parse().ok())
        .collect();
    match (ty, numbers.as_slice()) {
        (PgType::Varchar(_), [n]) => Ok(PgType::Varchar(Some(checked_length("varchar", *n)?))),
        (PgType::Char(_), [n]) => Ok(PgType::Char(checked_length("char", *n)?)),
        (PgType::Numeric(_), [p]) => PgType::numeric(*p, 0),
        (PgType::Numeric(_), [p, s]) => PgType::numeric(*p, *s),
        (PgType::Varbit(_), [n]) => Ok(PgType::Varbit(Some(checked_bits("varbit", *n)?))),
        (PgType::Bit(_), [n]) => Ok(PgType::Bit(Some(checked_bits("bit", *n)?))),
        (
            PgType::Time
            | PgType::Timetz
            | PgType::Timestamp
            | PgType::Timestamptz
            | PgType::Interval,
            [p],
        ) => Ok(rounded(ty, u64::try_from(*p).ok())),
        _ => Err(SqlError::new(
            state::SYNTAX_ERROR,
            format!("type modifier is not allowed for type \"{bare}\""),
        )),
    }
}

fn undefined(name: &str) -> SqlError {
    SqlError::new(
        state::UNDEFINED_OBJECT,
        format!("type \"{name}\" does not exist"),
    )
}

fn with_zone(zone: &TimezoneInfo) -> bool {
    matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz)
}

/// The type with its seconds rounded to the digits that are given, if any are.
fn rounded(ty: PgType, digits: Option<u64>) -> PgType {
    match digits {
        Some(digits) => ty.with_digits(digits),
        None => ty,
    }
}

fn float(info: &ExactNumberInfo) -> SqlResult<PgType> {
    match info {
        ExactNumberInfo::None => Ok(PgType::Float8),
        ExactNumberInfo::Precision(0) => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "precision for type float must be at least 1 bit",
        )),
        ExactNumberInfo::Precision(1..=24) => Ok(PgType::Float4),
        ExactNumberInfo::Precision(25..=53) => Ok(PgType::Float8),
        ExactNumberInfo::Precision(_) => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            "precision for type float must be less than 54 bits",
        )),
        ExactNumberInfo::PrecisionAndScale(..) => Err(SqlError::new(
            state::SYNTAX_ERROR,
            "type modifier is not allowed for type \"float\"",
        )),
    }
}

fn numeric(info: &ExactNumberInfo) -> SqlResult<PgType> {
    let signed = |p: u64| i64::try_from(p).unwrap_or(i64::MAX);
    match info {
        ExactNumberInfo::None => Ok(PgType::Numeric(None)),
        ExactNumberInfo::Precision(p) => PgType::numeric(signed(*p), 0),
        ExactNumberInfo::PrecisionAndScale(p, s) => PgType::numeric(signed(*p), *s),
    }
}

fn checked_length(name: &str, n: i64) -> SqlResult<u32> {
    if n < 1 {
        return Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("length for type {name} must be at least 1"),
        ));
    }
    match u32::try_from(n) {
        Ok(n) if n <= MAX_CHAR_LENGTH => Ok(n),
        _ => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("length for type {name} cannot exceed {MAX_CHAR_LENGTH}"),
        )),
    }
}

fn checked_bits(name: &str, n: i64) -> SqlResult<u32> {
    const MOST: i64 = 83_886_080;
    let wrong = |message: String| SqlError::new(state::INVALID_PARAMETER_VALUE, message);
    if n < 1 {
        return Err(wrong(format!("length for type {name} must be at least 1")));
    }
    match u32::try_from(n) {
        Ok(bits) if n <= MOST => Ok(bits),
        _ => Err(wrong(format!(
            "length for type {name} cannot exceed {MOST}"
        ))),
    }
}

fn bit_length(name: &str, length: Option<u64>) -> SqlResult<Option<u32>> {
    length
        .map(|n| checked_bits(name, i64::try_from(n).unwrap_or(i64::MAX)))
        .transpose()
}

fn char_length(name: &str, length: Option<&CharacterLength>) -> SqlResult<Option<u32>> {
    match length {
        None => Ok(None),
        Some(CharacterLength::IntegerLength { length, .. }) => {
            checked_length(name, i64::try_from(*length).unwrap_or(i64::MAX)).map(Some)
        }
        Some(CharacterLength::Max) => Err(SqlError::new(
            state::SYNTAX_ERROR,
            "syntax error at or near \"max\"",
        )),
    }
}

fn array(element: &ArrayElemTypeDef) -> SqlResult<PgType> {
    let inner = match element {
        ArrayElemTypeDef::SquareBracket(inner, _) | ArrayElemTypeDef::AngleBracket(inner) => inner,
        ArrayElemTypeDef::Parenthesis(inner) => inner,
        ArrayElemTypeDef::None => {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "an array needs an element type",
            ));
        }
    };
    let element = PgType::from_sql_ast(inner)?;
    match element {
        // The number of dimensions is no part of the type.
        PgType::Array(_) => Ok(element),
        other => PgType::array_with_modifier(other).ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_OBJECT,
                format!(
                    "could not find array type for data type {}",
                    other.sql_name()
                ),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    fn parse(sql: &str) -> SqlResult<PgType> {
        let dialect = PostgreSqlDialect {};
        let ast = Parser::new(&dialect)
            .try_with_sql(sql)
            .unwrap()
            .parse_data_type()
            .unwrap();
        PgType::from_sql_ast(&ast)
    }

    #[test]
    fn names_parse_to_types() {
        let cases = [
            ("int", PgType::Int4),
            ("INTEGER", PgType::Int4),
            ("int4", PgType::Int4),
            ("smallint", PgType::Int2),
            ("bigint", PgType::Int8),
            ("int8", PgType::Int8),
            ("real", PgType::Float4),
            ("float", PgType::Float8),
            ("float(24)", PgType::Float4),
            ("double precision", PgType::Float8),
            ("numeric", PgType::Numeric(None)),
            ("decimal(7)", PgType::Numeric(Some((7, 0)))),
            ("numeric(12, 3)", PgType::Numeric(Some((12, 3)))),
            ("varchar", PgType::Varchar(None)),
            ("character varying(20)", PgType::Varchar(Some(20))),
            ("char", PgType::Char(1)),
            ("char(4)", PgType::Char(4)),
            ("bpchar", PgType::Char(0)),
            ("\"char\"", PgType::InternalChar),
            ("name", PgType::Name),
            ("oid", PgType::Oid),
            ("bytea", PgType::Bytea),
            ("uuid", PgType::Uuid),
            ("date", PgType::Date),
            ("time", PgType::Time),
            ("timestamp", PgType::Timestamp),
            ("timestamp with time zone", PgType::Timestamptz),
            ("timestamptz", PgType::Timestamptz),
            ("interval", PgType::Interval),
            ("json", PgType::Json),
            ("jsonb", PgType::Jsonb),
            ("pg_catalog.int4", PgType::Int4),
            ("int[]", PgType::array_of(PgType::Int4).unwrap()),
            ("text[]", PgType::array_of(PgType::Text).unwrap()),
            ("text[3][]", PgType::array_of(PgType::Text).unwrap()),
            (
                "varchar(3)[]",
                PgType::array_with_modifier(PgType::Varchar(Some(3))).unwrap(),
            ),
        ];
        for (sql, ty) in cases {
            assert_eq!(parse(sql).unwrap(), ty, "{sql}");
        }
    }

    #[test]
    fn unknown_and_unsupported_types_differ() {
        for (sql, state) in [
            ("frobnicate", "42704"),
            ("other.int4", "42704"),
            ("inet", "0A000"),
            ("pg_lsn", "0A000"),
            ("bit(0)", "22023"),
            ("varchar(0)", "22023"),
            ("varchar(20000000)", "22023"),
            ("numeric(2000)", "22023"),
            ("float(60)", "22023"),
        ] {
            assert_eq!(parse(sql).unwrap_err().sqlstate(), state, "{sql}");
        }
    }
}
