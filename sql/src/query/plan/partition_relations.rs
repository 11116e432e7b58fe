//! `pg_partition_tree` and `pg_partition_ancestors` as relations.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::logical_expr::Expr;

use super::super::arrow_value::array_of;
use super::super::error::{from_arrow, from_datafusion};
use super::PlanContext;
use super::coerce::constant_of;
use super::types::typed_field;
use crate::catalog::{QualifiedName, RelationEntry};
use crate::error::{SqlError, state};
use crate::types::{Datum, PgType, SessionFormat};

/// The relation that a call in FROM gives; nothing for any other function.
///
/// # Errors
/// 42P01 for a table that is not there, 0A000 for one that is no constant.
pub(super) fn partition_relation(
    name: &str,
    args: &[Expr],
    context: &PlanContext,
    format: &SessionFormat,
) -> Result<Option<Arc<dyn TableProvider>>, SqlError> {
    let columns: &[(&str, PgType)] = match name {
        "pg_partition_ancestors" => &[("relid", PgType::Oid)],
        "pg_partition_tree" => &[
            ("relid", PgType::Oid),
            ("parentrelid", PgType::Oid),
            ("isleaf", PgType::Bool),
            ("level", PgType::Int4),
        ],
        _ => return Ok(None),
    };
    let [arg] = args else {
        return Err(SqlError::new(
            state::UNDEFINED_FUNCTION,
            format!("function {name} takes a table"),
        ));
    };
    let rows = match (table_of(arg, context, format)?, name) {
        (None, _) => Vec::new(),
        (Some(oid), "pg_partition_tree") => tree(oid, context),
        (Some(oid), _) => ancestors(oid, context),
    };
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, ty)| typed_field(name, *ty, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let mut arrays = Vec::with_capacity(columns.len());
    for (at, field) in schema.fields().iter().enumerate() {
        let values: Vec<Datum> = rows
            .iter()
            .map(|row: &Vec<Datum>| row.get(at).cloned().unwrap_or(Datum::Null))
            .collect();
        arrays.push(array_of(&values, field.data_type())?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)
        .map_err(from_arrow)?;
    let table = MemTable::try_new(schema, vec![vec![batch]]).map_err(from_datafusion)?;
    Ok(Some(Arc::new(table)))
}

/// The table that an argument names, by identifier or by name.
fn table_of(
    arg: &Expr,
    context: &PlanContext,
    format: &SessionFormat,
) -> Result<Option<u32>, SqlError> {
    if let Expr::ScalarFunction(call) = arg
        && call.func.name() == "__regclass"
        && let [inner] = call.args.as_slice()
    {
        return table_of(inner, context, format);
    }
    let constant = constant_of(arg, format)?
        .map(|(value, _)| value)
        .ok_or_else(|| SqlError::unsupported("partitions of a table that is no constant"))?;
    match constant {
        Datum::Null => Ok(None),
        Datum::Oid(oid) => Ok(Some(oid)),
        Datum::Text(text) => match text.parse() {
            Ok(oid) => Ok(Some(oid)),
            Err(_) => named(&text, context).map(Some),
        },
        other => Ok(other.as_i64().and_then(|oid| u32::try_from(oid).ok())),
    }
}

fn named(text: &str, context: &PlanContext) -> Result<u32, SqlError> {
    let plain = |part: &str| match part.strip_prefix('"').and_then(|p| p.strip_suffix('"')) {
        Some(quoted) => quoted.to_owned(),
        None => part.to_ascii_lowercase(),
    };
    let name = match text.split_once('.') {
        Some((schema, name)) => QualifiedName {
            schema: Some(plain(schema)),
            name: plain(name),
        },
        None => QualifiedName {
            schema: None,
            name: plain(text),
        },
    };
    match context.catalog.find_relation(&name, &context.search_path) {
        Some(RelationEntry::Table(table)) => Ok(table.oid),
        Some(RelationEntry::View(view)) => Ok(view.oid),
        Some(RelationEntry::Sequence(sequence)) => Ok(sequence.oid),
        Some(RelationEntry::Index(oid)) => Ok(oid),
        None => Err(SqlError::new(
            state::UNDEFINED_TABLE,
            format!("relation \"{name}\" does not exist"),
        )),
    }
}

/// A partition with all that it is a part of, nearest first.
fn ancestors(oid: u32, context: &PlanContext) -> Vec<Vec<Datum>> {
    let Some(table) = context.catalog.table_by_oid(oid) else {
        return Vec::new();
    };
    if !table.is_partition() && !table.is_partitioned() {
        return Vec::new();
    }
    let above = context.catalog.partitioned_above(oid);
    let oids = std::iter::once(oid).chain(above.iter().map(|t| t.oid));
    oids.map(|oid| vec![Datum::Oid(oid)]).collect()
}

/// A table with its partitions and theirs, level by level.
fn tree(oid: u32, context: &PlanContext) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    let catalog = &context.catalog;
    let mut level: Vec<u32> = match catalog.table_by_oid(oid) {
        Some(table) if table.is_partition() || table.is_partitioned() => vec![oid],
        _ => Vec::new(),
    };
    let mut depth = 0;
    while !level.is_empty() {
        let mut below = Vec::new();
        for table in level.iter().filter_map(|oid| catalog.table_by_oid(*oid)) {
            let parent = table
                .family
                .parents
                .first()
                .filter(|_| table.is_partition());
            rows.push(vec![
                Datum::Oid(table.oid),
                parent.map_or(Datum::Null, |oid| Datum::Oid(*oid)),
                Datum::Bool(!table.is_partitioned()),
                Datum::Int4(depth),
            ]);
            if table.is_partitioned() {
                let mut children: Vec<u32> =
                    catalog.children(table.oid).iter().map(|t| t.oid).collect();
                children.sort_unstable();
                below.extend(children);
            }
        }
        depth += 1;
        level = below;
    }
    rows
}
