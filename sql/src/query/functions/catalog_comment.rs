//! Functions that give comments on objects.

use super::args::{INT4, OID, TEXT, at, str_at};
use super::catalog::{facts, oid_at};
use super::overload::{Call, Overload};
use crate::error::SqlResult;
use crate::pg_catalog;
use crate::types::{Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("obj_description", &[OID], PgType::Text, of_object).stable(),
    Overload::new("obj_description", &[OID, TEXT], PgType::Text, of_object).stable(),
    Overload::new("shobj_description", &[OID, TEXT], PgType::Text, of_object).stable(),
    Overload::new("col_description", &[OID, INT4], PgType::Text, of_column).stable(),
];

fn shown(text: Option<String>) -> Datum {
    text.map_or(Datum::Null, Datum::Text)
}

fn of_object(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let class = (args.len() > 1).then(|| str_at(args, 1));
    let oid = oid_at(args, 0).unwrap_or(0);
    Ok(shown(pg_catalog::description(&facts(call)?, class, oid, 0)))
}

fn of_column(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let oid = oid_at(args, 0).unwrap_or(0);
    let column = at(args, 1).as_i64().and_then(|n| u16::try_from(n).ok());
    let Some(column) = column.filter(|n| *n > 0) else {
        return Ok(Datum::Null);
    };
    let text = pg_catalog::description(&facts(call)?, Some("pg_class"), oid, column);
    Ok(shown(text))
}
