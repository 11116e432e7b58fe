//! Functions that look into the catalog.

use super::args::{BOOL, INT4, OID, TEXT, at, str_at};
use super::overload::{Call, Overload};
use super::quote::quote_ident;
use crate::deparse::Layout;
use crate::error::{SqlError, SqlResult, state};
use crate::pg_catalog::{self, Facts, Object};
use crate::types::{ArrayValue, Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("pg_get_expr", &[TEXT, OID], PgType::Text, expression).stable(),
    Overload::new("pg_get_expr", &[TEXT, OID, BOOL], PgType::Text, expression).stable(),
    Overload::new("pg_get_indexdef", &[OID], PgType::Text, index_definition).stable(),
    Overload::new(
        "pg_get_indexdef",
        &[OID, INT4, BOOL],
        PgType::Text,
        index_part,
    )
    .stable(),
    Overload::new("pg_get_viewdef", &[OID], PgType::Text, view).stable(),
    Overload::new("pg_get_viewdef", &[OID, BOOL], PgType::Text, view).stable(),
    Overload::new("pg_get_viewdef", &[OID, INT4], PgType::Text, view).stable(),
    Overload::new("pg_get_viewdef", &[TEXT], PgType::Text, view).stable(),
    Overload::new("pg_get_viewdef", &[TEXT, BOOL], PgType::Text, view).stable(),
    Overload::new("pg_get_constraintdef", &[OID], PgType::Text, constraint).stable(),
    Overload::new(
        "pg_get_constraintdef",
        &[OID, BOOL],
        PgType::Text,
        constraint,
    )
    .stable(),
    Overload::new("pg_get_partkeydef", &[OID], PgType::Text, |call, args| {
        of_table(call, args, pg_catalog::partition_key)
    })
    .stable(),
    Overload::new(
        "pg_get_partition_constraintdef",
        &[OID],
        PgType::Text,
        |call, args| of_table(call, args, pg_catalog::partition_constraint),
    )
    .stable(),
    Overload::new("pg_partition_root", &[OID], PgType::Oid, partition_root).stable(),
    Overload::new("pg_partition_root", &[TEXT], PgType::Oid, partition_root).stable(),
    Overload::new("pg_get_userbyid", &[OID], PgType::Name, role).stable(),
    Overload::new("pg_table_is_visible", &[OID], PgType::Bool, is_visible).stable(),
    Overload::new("pg_type_is_visible", &[OID], PgType::Bool, is_type).stable(),
    Overload::new("pg_relation_is_publishable", &[OID], PgType::Bool, is_table).stable(),
    Overload::new("current_schemas", &[BOOL], NAMES, current_schemas).stable(),
    Overload::new("pg_encoding_to_char", &[INT4], PgType::Name, |_, args| {
        let utf8 = at(args, 0).as_i64() == Some(6);
        Ok(Datum::text(if utf8 { "UTF8" } else { "" }))
    }),
    Overload::new("pg_char_to_encoding", &[TEXT], PgType::Int4, |_, args| {
        let name = str_at(args, 0).to_ascii_lowercase().replace(['-', '_'], "");
        Ok(Datum::Int4(
            if matches!(name.as_str(), "utf8" | "unicode") {
                6
            } else {
                -1
            },
        ))
    }),
    Overload::new("getdatabaseencoding", &[], PgType::Name, |_, _| {
        Ok(Datum::text("UTF8"))
    }),
    Overload::new("pg_client_encoding", &[], PgType::Name, |_, _| {
        Ok(Datum::text("UTF8"))
    }),
    Overload::new(
        "pg_get_serial_sequence",
        &[TEXT, TEXT],
        PgType::Text,
        sequence,
    )
    .stable(),
    Overload::new(
        "has_table_privilege",
        &[OID, TEXT],
        PgType::Bool,
        on_relation,
    )
    .stable(),
    Overload::new(
        "has_table_privilege",
        &[TEXT, TEXT],
        PgType::Bool,
        on_relation,
    )
    .stable(),
    Overload::new(
        "has_table_privilege",
        &[TEXT, OID, TEXT],
        PgType::Bool,
        for_role,
    )
    .stable(),
    Overload::new(
        "has_table_privilege",
        &[TEXT, TEXT, TEXT],
        PgType::Bool,
        for_role,
    )
    .stable(),
    Overload::new(
        "has_any_column_privilege",
        &[OID, TEXT],
        PgType::Bool,
        on_relation,
    )
    .stable(),
    Overload::new(
        "has_any_column_privilege",
        &[TEXT, TEXT],
        PgType::Bool,
        on_relation,
    )
    .stable(),
    Overload::new(
        "has_any_column_privilege",
        &[TEXT, OID, TEXT],
        PgType::Bool,
        for_role,
    )
    .stable(),
    Overload::new(
        "has_any_column_privilege",
        &[TEXT, TEXT, TEXT],
        PgType::Bool,
        for_role,
    )
    .stable(),
    Overload::new(
        "has_schema_privilege",
        &[OID, TEXT],
        PgType::Bool,
        on_schema,
    )
    .stable(),
    Overload::new(
        "has_schema_privilege",
        &[TEXT, TEXT],
        PgType::Bool,
        on_schema,
    )
    .stable(),
    Overload::new(
        "has_schema_privilege",
        &[TEXT, OID, TEXT],
        PgType::Bool,
        role_on_schema,
    )
    .stable(),
    Overload::new(
        "has_schema_privilege",
        &[TEXT, TEXT, TEXT],
        PgType::Bool,
        role_on_schema,
    )
    .stable(),
    Overload::new(
        "has_database_privilege",
        &[TEXT, TEXT],
        PgType::Bool,
        on_database,
    )
    .stable(),
    Overload::new(
        "has_database_privilege",
        &[OID, TEXT],
        PgType::Bool,
        |_, _| Ok(Datum::Bool(true)),
    ),
    Overload::new("has_type_privilege", &[OID, TEXT], PgType::Bool, |_, _| {
        Ok(Datum::Bool(true))
    }),
    Overload::new(
        "has_function_privilege",
        &[OID, TEXT],
        PgType::Bool,
        |_, _| Ok(Datum::Bool(true)),
    ),
    Overload::new("pg_relation_size", &[OID], PgType::Int8, size).stable(),
    Overload::new("pg_relation_size", &[TEXT], PgType::Int8, size).stable(),
    Overload::new("pg_relation_size", &[OID, TEXT], PgType::Int8, size).stable(),
    Overload::new("pg_table_size", &[OID], PgType::Int8, size).stable(),
    Overload::new("pg_table_size", &[TEXT], PgType::Int8, size).stable(),
    Overload::new("pg_indexes_size", &[OID], PgType::Int8, size).stable(),
    Overload::new("pg_indexes_size", &[TEXT], PgType::Int8, size).stable(),
    Overload::new("pg_total_relation_size", &[OID], PgType::Int8, size).stable(),
    Overload::new("pg_total_relation_size", &[TEXT], PgType::Int8, size).stable(),
];

/// `name[]`.
const NAMES: PgType = PgType::Array(&PgType::Name);

/// What catalog functions work on.
///
/// # Errors
/// XX000 outside of a session.
pub(super) fn facts<'a>(call: &'a Call<'_>) -> SqlResult<Facts<'a>> {
    match (call.catalog, call.session) {
        (Some(catalog), Some(session)) => Ok(Facts { catalog, session }),
        _ => Err(SqlError::internal("a catalog function without session")),
    }
}

/// An argument of type oid.
pub(super) fn oid_at(args: &[Datum], index: usize) -> Option<u32> {
    match at(args, index) {
        Datum::Oid(oid) => Some(*oid),
        _ => None,
    }
}

fn oid(args: &[Datum]) -> u32 {
    oid_at(args, 0).unwrap_or(0)
}

fn text_or_null(text: Option<impl Into<String>>) -> Datum {
    text.map_or(Datum::Null, Datum::text)
}

/// Expressions in the catalog are SQL text already.
fn expression(_: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(at(args, 0).clone())
}

fn index_definition(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let pretty = at(args, 2).as_bool().unwrap_or(false);
    let text = pg_catalog::index_definition(&facts(call)?, oid(args), pretty);
    Ok(text_or_null(text))
}

fn index_part(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let position = at(args, 1).as_i64().and_then(|n| i32::try_from(n).ok());
    match position {
        Some(0) | None => index_definition(call, args),
        Some(n) => {
            let pretty = at(args, 2).as_bool().unwrap_or(false);
            let column = pg_catalog::index_column(&facts(call)?, oid(args), n, pretty);
            Ok(text_or_null(column))
        }
    }
}

/// What is known of a table.
fn of_table(
    call: &Call<'_>,
    args: &[Datum],
    known: fn(&crate::catalog::Catalog, u32) -> Option<String>,
) -> SqlResult<Datum> {
    let facts = facts(call)?;
    Ok(known(facts.catalog, oid(args)).map_or(Datum::Null, Datum::Text))
}

/// The table that a partition is, in the end, a part of.
fn partition_root(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let facts = facts(call)?;
    let Some(table) = facts.catalog.table_by_oid(relation(call, args, 0)?) else {
        return Ok(Datum::Null);
    };
    let root = facts.catalog.partitioned_above(table.oid).pop();
    Ok(match root {
        Some(root) => Datum::Oid(root.oid),
        None if table.is_partitioned() => Datum::Oid(table.oid),
        None => Datum::Null,
    })
}

fn constraint(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let pretty = matches!(args.get(1), Some(Datum::Bool(true)));
    match pg_catalog::constraint_definition(&facts(call)?, oid(args), pretty) {
        Some(text) => Ok(Datum::Text(text)),
        None => Ok(Datum::Null),
    }
}

fn view(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let oid = relation(call, args, 0)?;
    let layout = match args.get(1) {
        Some(Datum::Bool(pretty)) => Layout {
            pretty: *pretty,
            width: 0,
        },
        // Less than nothing is no limit at all.
        Some(Datum::Int4(width)) => Layout {
            pretty: true,
            width: usize::try_from(*width).unwrap_or(usize::MAX),
        },
        _ => Layout {
            pretty: false,
            width: 0,
        },
    };
    let text = pg_catalog::view_definition(&facts(call)?, oid, layout);
    Ok(text_or_null(text))
}

fn role(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let oid = oid(args);
    Ok(match pg_catalog::role_name(&facts(call)?, oid) {
        Some(name) => Datum::text(name),
        None => Datum::Text(format!("unknown (OID={oid})")),
    })
}

fn is_visible(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let visible = facts(call)?.is_relation_visible(oid(args));
    Ok(visible.map_or(Datum::Null, Datum::Bool))
}

/// All types are in `pg_catalog`, which is always searched.
fn is_type(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let facts = facts(call)?;
    let Some(ty) = facts.catalog.type_by_oid(oid(args), -1) else {
        return Ok(Datum::Null);
    };
    let user = ty.user().and_then(|u| facts.catalog.user_type(u.oid()));
    let visible = user.is_none_or(|entry| {
        let path = &facts.session.search_path;
        let shown = facts
            .catalog
            .shown_type_name(entry.schema, &entry.name, path);
        shown == entry.name
    });
    Ok(Datum::Bool(visible))
}

fn is_table(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    Ok(match facts(call)?.object(oid(args)) {
        Some(Object::Table(_)) => Datum::Bool(true),
        Some(_) => Datum::Bool(false),
        None => Datum::Null,
    })
}

fn current_schemas(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let facts = facts(call)?;
    let implicit = at(args, 0).as_bool().unwrap_or(false);
    let named = |name: &str| facts.session.search_path.iter().any(|s| s == name);
    let values = facts
        .search_path()
        .map(|schema| facts.schema_name(schema))
        .filter(|name| implicit || *name != "pg_catalog" || named(name))
        .map(Datum::text)
        .collect();
    Ok(ArrayValue::list(PgType::Name, values).datum())
}

/// The sequence that a column owns, or that is part of it.
fn sequence(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let facts = facts(call)?;
    let oid = pg_catalog::relation_oid(&facts, str_at(args, 0))?;
    let column = str_at(args, 1);
    let known = match facts.object(oid) {
        Some(Object::Table(table)) => table.column(column).map(|c| c.attnum),
        _ => Some(0),
    };
    let Some(attnum) = known else {
        return Err(SqlError::new(
            state::UNDEFINED_COLUMN,
            format!(
                "column \"{column}\" of relation \"{}\" does not exist",
                str_at(args, 0)
            ),
        ));
    };
    let owned = facts
        .catalog
        .sequences()
        .find(|s| s.owned_by == Some((oid, attnum)));
    Ok(text_or_null(owned.map(|sequence| {
        let schema = quote_ident(facts.schema_name(sequence.schema));
        format!("{schema}.{}", quote_ident(&sequence.name))
    })))
}

/// The relation an argument means by name or identifier.
fn relation(call: &Call<'_>, args: &[Datum], index: usize) -> SqlResult<u32> {
    match oid_at(args, index) {
        Some(oid) => Ok(oid),
        None => pg_catalog::relation_oid(&facts(call)?, str_at(args, index)),
    }
}

/// Every role may do everything with what there is.
fn may_use_relation(call: &Call<'_>, args: &[Datum], index: usize) -> SqlResult<Datum> {
    let oid = relation(call, args, index)?;
    Ok(match facts(call)?.object(oid) {
        Some(_) => Datum::Bool(true),
        None => Datum::Null,
    })
}

fn on_relation(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    may_use_relation(call, args, 0)
}

fn for_role(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    pg_catalog::role_oid(&facts(call)?, str_at(args, 0))?;
    may_use_relation(call, args, 1)
}

fn may_use_schema(call: &Call<'_>, args: &[Datum], index: usize) -> SqlResult<Datum> {
    let facts = facts(call)?;
    let oid = match oid_at(args, index) {
        Some(oid) => oid,
        None => pg_catalog::namespace_oid(&facts, str_at(args, index))?,
    };
    Ok(match facts.schema_name(oid) {
        "" => Datum::Null,
        _ => Datum::Bool(true),
    })
}

fn on_schema(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    may_use_schema(call, args, 0)
}

fn role_on_schema(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    pg_catalog::role_oid(&facts(call)?, str_at(args, 0))?;
    may_use_schema(call, args, 1)
}

fn on_database(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let facts = facts(call)?;
    let name = str_at(args, 0);
    if name == facts.session.database || facts.catalog.database(name).is_some() {
        return Ok(Datum::Bool(true));
    }
    Err(SqlError::new(
        state::UNDEFINED_DATABASE,
        format!("database \"{name}\" does not exist"),
    ))
}

/// Sizes of single relations are not kept: 0, as for a table never written to.
fn size(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let oid = relation(call, args, 0)?;
    Ok(match facts(call)?.object(oid) {
        Some(_) => Datum::Int8(0),
        None => Datum::Null,
    })
}
