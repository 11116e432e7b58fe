//! Functions about things that do not exist here.

use super::args::{BOOL, OID};
use super::overload::{Arg, Overload};
use crate::types::{Datum, PgType};

/// A function that has nothing to say about any object.
const fn nothing(name: &'static str, args: &'static [Arg]) -> Overload {
    Overload::new(name, args, PgType::Text, |_, _| Ok(Datum::Null)).stable()
}

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    // No rules, triggers or statistics objects.
    nothing("pg_get_ruledef", &[OID]),
    nothing("pg_get_ruledef", &[OID, BOOL]),
    nothing("pg_get_triggerdef", &[OID]),
    nothing("pg_get_triggerdef", &[OID, BOOL]),
    nothing("pg_get_statisticsobjdef_columns", &[OID]),
    nothing("pg_tablespace_location", &[OID]),
    // No temporary schemas.
    Overload::new("pg_my_temp_schema", &[], PgType::Oid, |_, _| {
        Ok(Datum::Oid(0))
    })
    .stable(),
    Overload::new("pg_is_other_temp_schema", &[OID], PgType::Bool, |_, _| {
        Ok(Datum::Bool(false))
    })
    .stable(),
    // Everything that is not a relation is in a schema that is always searched.
    Overload::new("pg_function_is_visible", &[OID], PgType::Bool, |_, _| {
        Ok(Datum::Bool(true))
    }),
    Overload::new("pg_operator_is_visible", &[OID], PgType::Bool, |_, _| {
        Ok(Datum::Bool(true))
    }),
    Overload::new("pg_opclass_is_visible", &[OID], PgType::Bool, |_, _| {
        Ok(Datum::Bool(true))
    }),
    Overload::new("pg_collation_is_visible", &[OID], PgType::Bool, |_, _| {
        Ok(Datum::Bool(true))
    }),
    Overload::new("pg_conversion_is_visible", &[OID], PgType::Bool, |_, _| {
        Ok(Datum::Bool(true))
    }),
    Overload::new(
        "pg_statistics_obj_is_visible",
        &[OID],
        PgType::Bool,
        |_, _| Ok(Datum::Bool(true)),
    ),
];
