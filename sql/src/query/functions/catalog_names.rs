//! Object identifiers and names: `regclass` and the like, `format_type`.

use super::args::{OID, TEXT, at, str_at};
use super::catalog::{facts, oid_at};
use super::overload::{Arg, Call, Overload};
use crate::error::{SqlError, SqlResult};
use crate::pg_catalog::{self, Facts};
use crate::types::{Datum, PgType};

type Read = fn(&Facts<'_>, &str) -> SqlResult<u32>;

/// The identifier an argument of either type means.
fn identifier(call: &Call<'_>, args: &[Datum], read: Read) -> SqlResult<u32> {
    match at(args, 0) {
        Datum::Oid(oid) => Ok(*oid),
        _ => read(&facts(call)?, str_at(args, 0)),
    }
}

fn relation(facts: &Facts<'_>, text: &str) -> SqlResult<u32> {
    pg_catalog::relation_oid(facts, text)
}

fn type_of(facts: &Facts<'_>, text: &str) -> SqlResult<u32> {
    pg_catalog::type_oid(facts, text)
}

fn procedure(facts: &Facts<'_>, text: &str) -> SqlResult<u32> {
    pg_catalog::procedure_oid(facts, text)
}

fn collation(_: &Facts<'_>, text: &str) -> SqlResult<u32> {
    match pg_catalog::qualified(text)?.pop().as_deref() {
        Some("default") => Ok(100),
        Some("C") => Ok(950),
        Some("POSIX") => Ok(951),
        _ => Err(SqlError::new(
            crate::error::state::UNDEFINED_OBJECT,
            format!("collation \"{text}\" for encoding \"UTF8\" does not exist"),
        )),
    }
}

/// An identifier, or NULL where a name means nothing.
fn or_null(result: SqlResult<u32>) -> Datum {
    result.map_or(Datum::Null, Datum::Oid)
}

macro_rules! identifiers {
    ($(($to:literal, $text:literal, $read:expr, $show:expr)),* $(,)?) => {
        /// Overloads of this module.
        pub(super) static OVERLOADS: &[Overload] = &[
            $(
                Overload::new($to, &[TEXT], PgType::Oid, |call, args| {
                    identifier(call, args, $read).map(Datum::Oid)
                })
                .stable(),
                Overload::new($to, &[OID], PgType::Oid, |call, args| {
                    identifier(call, args, $read).map(Datum::Oid)
                })
                .stable(),
                Overload::new($text, &[TEXT], PgType::Text, |call, args| {
                    let oid = identifier(call, args, $read)?;
                    let show: fn(&Facts<'_>, u32) -> String = $show;
                    Ok(Datum::Text(show(&facts(call)?, oid)))
                })
                .stable(),
                Overload::new($text, &[OID], PgType::Text, |call, args| {
                    let oid = identifier(call, args, $read)?;
                    let show: fn(&Facts<'_>, u32) -> String = $show;
                    Ok(Datum::Text(show(&facts(call)?, oid)))
                })
                .stable(),
            )*
            Overload::new("to_regclass", &[TEXT], PgType::Oid, |call, args| {
                Ok(or_null(pg_catalog::relation_oid(&facts(call)?, str_at(args, 0))))
            })
            .stable(),
            Overload::new("to_regnamespace", &[TEXT], PgType::Oid, |call, args| {
                Ok(or_null(pg_catalog::namespace_oid(&facts(call)?, str_at(args, 0))))
            })
            .stable(),
            Overload::new("to_regrole", &[TEXT], PgType::Oid, |call, args| {
                Ok(or_null(pg_catalog::role_oid(&facts(call)?, str_at(args, 0))))
            })
            .stable(),
            Overload::new("to_regtype", &[TEXT], PgType::Oid, |call, args| {
                Ok(or_null(pg_catalog::type_oid(&facts(call)?, str_at(args, 0))))
            })
            .stable(),
            Overload::new("to_regproc", &[TEXT], PgType::Oid, |call, args| {
                Ok(or_null(pg_catalog::procedure_oid(&facts(call)?, str_at(args, 0))))
            })
            .stable(),
            Overload::new("format_type", &[OID, Arg::Is(PgType::Int4)], PgType::Text, format_type)
                .lenient()
                .stable(),
        ];
    };
}

identifiers![
    (
        "__regclass",
        "__regclass_text",
        relation,
        pg_catalog::relation_name
    ),
    ("__regtype", "__regtype_text", type_of, |facts, oid| {
        pg_catalog::type_name(facts, oid, None)
    }),
    ("__regproc", "__regproc_text", procedure, |facts, oid| {
        pg_catalog::procedure_name(facts, oid)
    }),
    (
        "__regnamespace",
        "__regnamespace_text",
        pg_catalog::namespace_oid,
        pg_catalog::namespace_name
    ),
    (
        "__regrole",
        "__regrole_text",
        pg_catalog::role_oid,
        |facts, oid| {
            pg_catalog::role_name(facts, oid).map_or_else(|| oid.to_string(), super::quote_ident)
        }
    ),
    (
        "__regcollation",
        "__regcollation_text",
        collation,
        |_, oid| match oid {
            100 => "\"default\"".to_owned(),
            950 => "\"C\"".to_owned(),
            951 => "\"POSIX\"".to_owned(),
            0 => "-".to_owned(),
            oid => oid.to_string(),
        }
    ),
];

fn format_type(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let Some(oid) = oid_at(args, 0) else {
        return Ok(Datum::Null);
    };
    let typmod = at(args, 1).as_i64().and_then(|m| i32::try_from(m).ok());
    Ok(Datum::Text(pg_catalog::type_name(
        &facts(call)?,
        oid,
        typmod,
    )))
}
