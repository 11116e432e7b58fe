//! The types a column, parameter or result can have.

mod modified;
mod rounded;
#[cfg(test)]
mod tests;

pub use rounded::Rounded;

use crate::error::{SqlError, SqlResult, state};
use crate::types::oid::{self, Oid};
use crate::types::user::UserType;
use std::sync::LazyLock;

/// Most characters `varchar(n)` and `char(n)` can declare (PostgreSQL's limit).
pub const MAX_CHAR_LENGTH: u32 = 10_485_760;
/// Bytes of a `name`, without the terminator PostgreSQL stores.
pub const MAX_NAME_BYTES: usize = 63;

/// A PostgreSQL type with its modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PgType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`, or `numeric(precision, scale)`
    Numeric(Option<(u16, i16)>),
    /// `text`
    Text,
    /// `character varying` with its length in characters
    Varchar(Option<u32>),
    /// `character(n)`; `0` is `bpchar` without a length. Values are kept
    /// without trailing blanks and padded where they are shown.
    Char(u32),
    /// `bytea`
    Bytea,
    /// `uuid`
    Uuid,
    /// `date`
    Date,
    /// `time without time zone`
    Time,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    Timestamptz,
    /// `interval`
    Interval,
    /// A time, timestamp or interval whose seconds are rounded (see
    /// [`PgType::with_digits`])
    Rounded(Rounded),
    /// `json`: the text as given
    Json,
    /// `jsonb`: the text in normal form
    Jsonb,
    /// `name`: at most 63 bytes
    Name,
    /// `"char"`: one byte, used in the system catalogs
    InternalChar,
    /// `oid`
    Oid,
    /// `bit(n)`; a value that has no column yet may have any length
    Bit(Option<u32>),
    /// `bit varying(n)`
    Varbit(Option<u32>),
    /// `time with time zone`
    Timetz,
    /// `jsonpath`
    Jsonpath,
    /// `unknown`: a literal whose type nothing decides
    Unknown,
    /// `void`: what a function without a result answers
    Void,
    /// An array of the element type (see [`PgType::array_of`])
    Array(&'static PgType),
    /// `int2vector`, used in the system catalogs
    Int2Vector,
    /// `oidvector`, used in the system catalogs
    OidVector,
    /// An enum
    Enum(&'static UserType),
    /// A domain: values are those of the type it is over ([`PgType::base`])
    Domain(&'static UserType),
    /// A composite type, or the rows that an expression makes (`record`)
    Composite(&'static UserType),
    /// A user's type as the catalog stores it, before it is looked up there
    Stored(Oid),
}

/// Types an array can have as element: OID, OID of the array, the type.
static ELEMENTS: [(Oid, Oid, PgType); 28] = [
    (oid::BOOL, oid::BOOL_ARRAY, PgType::Bool),
    (oid::INT2, oid::INT2_ARRAY, PgType::Int2),
    (oid::INT4, oid::INT4_ARRAY, PgType::Int4),
    (oid::INT8, oid::INT8_ARRAY, PgType::Int8),
    (oid::FLOAT4, oid::FLOAT4_ARRAY, PgType::Float4),
    (oid::FLOAT8, oid::FLOAT8_ARRAY, PgType::Float8),
    (oid::NUMERIC, oid::NUMERIC_ARRAY, PgType::Numeric(None)),
    (oid::TEXT, oid::TEXT_ARRAY, PgType::Text),
    (oid::VARCHAR, oid::VARCHAR_ARRAY, PgType::Varchar(None)),
    (oid::BPCHAR, oid::BPCHAR_ARRAY, PgType::Char(0)),
    (oid::BYTEA, oid::BYTEA_ARRAY, PgType::Bytea),
    (oid::UUID, oid::UUID_ARRAY, PgType::Uuid),
    (oid::DATE, oid::DATE_ARRAY, PgType::Date),
    (oid::TIME, oid::TIME_ARRAY, PgType::Time),
    (oid::TIMESTAMP, oid::TIMESTAMP_ARRAY, PgType::Timestamp),
    (
        oid::TIMESTAMPTZ,
        oid::TIMESTAMPTZ_ARRAY,
        PgType::Timestamptz,
    ),
    (oid::INTERVAL, oid::INTERVAL_ARRAY, PgType::Interval),
    (oid::JSON, oid::JSON_ARRAY, PgType::Json),
    (oid::JSONB, oid::JSONB_ARRAY, PgType::Jsonb),
    (oid::NAME, oid::NAME_ARRAY, PgType::Name),
    (oid::CHAR, oid::CHAR_ARRAY, PgType::InternalChar),
    (oid::OID, oid::OID_ARRAY, PgType::Oid),
    (oid::BIT, oid::BIT_ARRAY, PgType::Bit(None)),
    (oid::VARBIT, oid::VARBIT_ARRAY, PgType::Varbit(None)),
    (oid::TIMETZ, oid::TIMETZ_ARRAY, PgType::Timetz),
    (oid::JSONPATH, oid::JSONPATH_ARRAY, PgType::Jsonpath),
    (oid::INT2VECTOR, oid::INT2VECTOR_ARRAY, PgType::Int2Vector),
    (oid::OIDVECTOR, oid::OIDVECTOR_ARRAY, PgType::OidVector),
];

/// Names of the array types, which are the names of their elements and brackets.
static ARRAY_NAMES: LazyLock<Vec<(Oid, String)>> = LazyLock::new(|| {
    ELEMENTS
        .iter()
        .map(|(oid, _, element)| (*oid, format!("{}[]", element.base_name())))
        .collect()
});

fn array_name(element: PgType) -> &'static str {
    let oid = element.oid();
    ARRAY_NAMES
        .iter()
        .find(|(own, _)| *own == oid)
        .map_or("anyarray", |(_, name)| name)
}

impl PgType {
    /// The type an array of `element` has; the element's modifier is dropped.
    /// `None` for elements that have no array here (arrays, pseudo-types).
    pub fn array_of(element: PgType) -> Option<PgType> {
        if let PgType::Enum(user) | PgType::Domain(user) | PgType::Composite(user) = element {
            return Some(PgType::Array(user.element()));
        }
        let wanted = element.oid();
        ELEMENTS
            .iter()
            .find(|(oid, _, _)| *oid == wanted)
            .map(|(_, _, element)| PgType::Array(element))
    }

    /// The type an array of `element` has, its modifier kept. `None` for elements
    /// that have no array here, and when too many modifiers are in use.
    pub fn array_with_modifier(element: PgType) -> Option<PgType> {
        if element.typmod() == -1 {
            return PgType::array_of(element);
        }
        PgType::array_of(element)?;
        modified::element(element).map(PgType::Array)
    }

    /// Every type that an array can have as element, without modifiers.
    pub fn element_types() -> impl Iterator<Item = PgType> {
        ELEMENTS.iter().map(|(_, _, element)| *element)
    }

    /// The element type of an array or vector.
    pub fn element(self) -> Option<PgType> {
        match self {
            PgType::Array(element) => Some(*element),
            PgType::Int2Vector => Some(PgType::Int2),
            PgType::OidVector => Some(PgType::Oid),
            PgType::Domain(_) => self.base().element(),
            _ => None,
        }
    }

    /// Whether it is a vector of the system catalogs.
    pub fn is_vector(self) -> bool {
        matches!(self, PgType::Int2Vector | PgType::OidVector)
    }

    /// The element type of an array; a vector is a value itself, of which there are
    /// arrays.
    pub fn array_element(self) -> Option<PgType> {
        self.element().filter(|_| !self.base().is_vector())
    }

    /// The type's OID in `pg_type`.
    pub fn oid(self) -> Oid {
        match self {
            PgType::Bool => oid::BOOL,
            PgType::Int2 => oid::INT2,
            PgType::Int4 => oid::INT4,
            PgType::Int8 => oid::INT8,
            PgType::Float4 => oid::FLOAT4,
            PgType::Float8 => oid::FLOAT8,
            PgType::Numeric(_) => oid::NUMERIC,
            PgType::Text => oid::TEXT,
            PgType::Varchar(_) => oid::VARCHAR,
            PgType::Char(_) => oid::BPCHAR,
            PgType::Bytea => oid::BYTEA,
            PgType::Uuid => oid::UUID,
            PgType::Date => oid::DATE,
            PgType::Time => oid::TIME,
            PgType::Timestamp => oid::TIMESTAMP,
            PgType::Timestamptz => oid::TIMESTAMPTZ,
            PgType::Interval => oid::INTERVAL,
            PgType::Rounded(_) => self.plain().oid(),
            PgType::Json => oid::JSON,
            PgType::Jsonb => oid::JSONB,
            PgType::Name => oid::NAME,
            PgType::InternalChar => oid::CHAR,
            PgType::Oid => oid::OID,
            PgType::Bit(_) => oid::BIT,
            PgType::Varbit(_) => oid::VARBIT,
            PgType::Timetz => oid::TIMETZ,
            PgType::Jsonpath => oid::JSONPATH,
            PgType::Unknown => oid::UNKNOWN,
            PgType::Void => oid::VOID,
            PgType::Int2Vector => oid::INT2VECTOR,
            PgType::OidVector => oid::OIDVECTOR,
            PgType::Array(element) => element.array_oid(),
            PgType::Enum(user) | PgType::Domain(user) | PgType::Composite(user) => user.oid(),
            PgType::Stored(oid) => oid,
        }
    }

    /// The OID of the array type over this type; 0 when there is none.
    pub fn array_oid(self) -> Oid {
        match self {
            PgType::Int2Vector => oid::INT2VECTOR_ARRAY,
            PgType::OidVector => oid::OIDVECTOR_ARRAY,
            PgType::Array(_) | PgType::Unknown | PgType::Void | PgType::Stored(_) => 0,
            PgType::Enum(user) | PgType::Domain(user) | PgType::Composite(user) => user.array_oid(),
            other => {
                let wanted = other.oid();
                ELEMENTS
                    .iter()
                    .find(|(oid, _, _)| *oid == wanted)
                    .map_or(0, |(_, array, _)| *array)
            }
        }
    }

    /// `atttypmod`: -1 when the type has no modifier.
    pub fn typmod(self) -> i32 {
        match self {
            PgType::Numeric(Some((precision, scale))) => {
                ((i32::from(precision) << 16) | (i32::from(scale) & 0x7ff)) + 4
            }
            PgType::Varchar(Some(n)) => i32::try_from(n).unwrap_or(i32::MAX - 4) + 4,
            PgType::Char(n) if n > 0 => i32::try_from(n).unwrap_or(i32::MAX - 4) + 4,
            PgType::Bit(Some(n)) | PgType::Varbit(Some(n)) => i32::try_from(n).unwrap_or(i32::MAX),
            PgType::Array(element) => element.typmod(),
            PgType::Rounded(rounded) => rounded.typmod(),
            _ => -1,
        }
    }

    /// `typlen`: bytes of a fixed-size type, -1 variable, -2 a C string.
    pub fn typlen(self) -> i16 {
        match self.plain() {
            PgType::Bool | PgType::InternalChar => 1,
            PgType::Int2 => 2,
            PgType::Int4
            | PgType::Float4
            | PgType::Date
            | PgType::Oid
            | PgType::Void
            | PgType::Enum(_) => 4,
            PgType::Int8
            | PgType::Float8
            | PgType::Time
            | PgType::Timestamp
            | PgType::Timestamptz => 8,
            PgType::Timetz => 12,
            PgType::Uuid | PgType::Interval => 16,
            PgType::Name => 64,
            PgType::Unknown => -2,
            _ => -1,
        }
    }

    /// The text `format_type(oid, typmod)` answers: "character varying(10)".
    pub fn sql_name(self) -> String {
        match self {
            PgType::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
            PgType::Varchar(Some(n)) => format!("character varying({n})"),
            PgType::Char(n) if n > 0 => format!("character({n})"),
            PgType::Bit(Some(n)) => format!("bit({n})"),
            PgType::Varbit(Some(n)) => format!("bit varying({n})"),
            PgType::Rounded(rounded) => rounded.sql_name(),
            PgType::Array(element) => format!("{}[]", element.sql_name()),
            other => other.base_name().to_owned(),
        }
    }

    /// The SQL name without modifier: what error messages say.
    pub fn base_name(self) -> &'static str {
        match self {
            PgType::Bool => "boolean",
            PgType::Int2 => "smallint",
            PgType::Int4 => "integer",
            PgType::Int8 => "bigint",
            PgType::Float4 => "real",
            PgType::Float8 => "double precision",
            PgType::Numeric(_) => "numeric",
            PgType::Text => "text",
            PgType::Varchar(_) => "character varying",
            PgType::Char(0) => "bpchar",
            PgType::Char(_) => "character",
            PgType::Bytea => "bytea",
            PgType::Uuid => "uuid",
            PgType::Date => "date",
            PgType::Time => "time without time zone",
            PgType::Timestamp => "timestamp without time zone",
            PgType::Timestamptz => "timestamp with time zone",
            PgType::Interval => "interval",
            PgType::Rounded(_) => self.plain().base_name(),
            PgType::Json => "json",
            PgType::Jsonb => "jsonb",
            PgType::Name => "name",
            PgType::InternalChar => "\"char\"",
            PgType::Oid => "oid",
            PgType::Bit(_) => "bit",
            PgType::Varbit(_) => "bit varying",
            PgType::Timetz => "time with time zone",
            PgType::Jsonpath => "jsonpath",
            PgType::Unknown => "unknown",
            PgType::Void => "void",
            PgType::Array(PgType::Enum(user) | PgType::Domain(user) | PgType::Composite(user)) => {
                user.shown_array()
            }
            PgType::Array(element) => array_name(*element),
            PgType::Int2Vector => "int2vector",
            PgType::OidVector => "oidvector",
            PgType::Enum(user) | PgType::Domain(user) | PgType::Composite(user) => user.shown(),
            PgType::Stored(_) => "???",
        }
    }

    /// The name in `pg_type.typname`: "varchar", "_int4".
    pub fn typname(self) -> String {
        let ty = match self {
            PgType::Rounded(_) => self.plain(),
            other => other,
        };
        match ty {
            PgType::Bool => "bool",
            PgType::Int2 => "int2",
            PgType::Int4 => "int4",
            PgType::Int8 => "int8",
            PgType::Float4 => "float4",
            PgType::Float8 => "float8",
            PgType::Varchar(_) => "varchar",
            PgType::Char(_) => "bpchar",
            PgType::Time => "time",
            PgType::Timestamp => "timestamp",
            PgType::Timestamptz => "timestamptz",
            PgType::InternalChar => "char",
            PgType::Array(PgType::Enum(user) | PgType::Domain(user) | PgType::Composite(user)) => {
                user.array_name()
            }
            PgType::Varbit(_) => "varbit",
            PgType::Timetz => "timetz",
            PgType::Array(element) => return format!("_{}", element.typname()),
            PgType::Enum(user) | PgType::Domain(user) | PgType::Composite(user) => user.name(),
            other => other.base_name(),
        }
        .to_owned()
    }

    /// The type with this OID and modifier (-1: none); `None` for a type we
    /// do not have.
    pub fn from_oid(oid: Oid, typmod: i32) -> Option<PgType> {
        match oid {
            oid::UNKNOWN => return Some(PgType::Unknown),
            oid::VOID => return Some(PgType::Void),
            oid::INT2VECTOR => return Some(PgType::Int2Vector),
            oid::OIDVECTOR => return Some(PgType::OidVector),
            _ => {}
        }
        if let Some((_, _, element)) = ELEMENTS.iter().find(|(_, array, _)| *array == oid) {
            if typmod == -1 {
                return Some(PgType::Array(element));
            }
            return PgType::array_with_modifier(PgType::from_oid(element.oid(), typmod)?);
        }
        let (_, _, bare) = ELEMENTS.iter().find(|(base, _, _)| *base == oid)?;
        if let (PgType::Bit(_) | PgType::Varbit(_), Ok(n @ 1..)) = (*bare, u32::try_from(typmod)) {
            return Some(match bare {
                PgType::Bit(_) => PgType::Bit(Some(n)),
                _ => PgType::Varbit(Some(n)),
            });
        }
        let modifier = typmod.checked_sub(4).and_then(|m| u32::try_from(m).ok());
        Some(match (*bare, modifier) {
            (PgType::Varchar(_), Some(n)) => PgType::Varchar(Some(n)),
            (PgType::Char(_), Some(n)) => PgType::Char(n),
            (PgType::Numeric(_), Some(m)) => {
                let precision = m >> 16;
                // Eleven bits, two's complement.
                let scale = i32::try_from(m & 0x7ff).ok()?;
                let scale = if scale >= 1024 { scale - 2048 } else { scale };
                PgType::numeric(i64::from(precision), i64::from(scale)).ok()?
            }
            (bare, _) => bare.rounded_by(typmod),
        })
    }

    /// `numeric(precision, scale)`, checked as PostgreSQL does (22023).
    pub fn numeric(precision: i64, scale: i64) -> SqlResult<PgType> {
        if !(1..=1000).contains(&precision) {
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("NUMERIC precision {precision} must be between 1 and 1000"),
            ));
        }
        if !(-1000..=1000).contains(&scale) {
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("NUMERIC scale {scale} must be between -1000 and 1000"),
            ));
        }
        // Both fit: they were just compared with 1000.
        Ok(PgType::Numeric(Some((
            u16::try_from(precision).unwrap_or(1000),
            i16::try_from(scale).unwrap_or(0),
        ))))
    }

    /// Whether values are kept as text.
    pub fn is_textual(self) -> bool {
        matches!(
            self.base(),
            PgType::Text
                | PgType::Varchar(_)
                | PgType::Char(_)
                | PgType::Name
                | PgType::InternalChar
                | PgType::Unknown
        )
    }
}
