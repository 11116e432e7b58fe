//! What PostgreSQL says of views that cannot be changed, and of rows that a view's
//! CHECK OPTION refuses.

use super::simple::simple_view;
use super::{Origin, Through};
use crate::catalog::{Catalog, ViewDescriptor};
use crate::error::{SqlError, state};
use crate::exec::table::TableInfo;
use crate::types::Datum;

/// The error for a statement that changes a view that cannot be changed.
pub(super) fn not_updatable(view: &str, through: Through, why: &str) -> SqlError {
    let (what, doing, trigger) = match through {
        Through::Insert => ("insert into view", "inserting into", "INSERT"),
        Through::Update => ("update view", "updating", "UPDATE"),
        Through::Delete => ("delete from view", "deleting from", "DELETE"),
    };
    SqlError::new(
        state::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("cannot {what} \"{view}\""),
    )
    .detail(why)
    .hint(format!(
        "To enable {doing} the view, provide an INSTEAD OF {trigger} trigger or an unconditional ON {trigger} DO INSTEAD rule."
    ))
}

/// The error for a row that a view with CHECK OPTION does not show.
pub(super) fn violated(view: &str, base: &TableInfo, row: &[Datum]) -> SqlError {
    SqlError::new(
        state::WITH_CHECK_OPTION_VIOLATION,
        format!("new row violates check option for view \"{view}\""),
    )
    .detail(format!("Failing row contains ({}).", base.row_text(row)))
}

/// Why a view cannot be changed; nothing when it can. Views below it are looked at
/// too.
///
/// # Errors
/// XX001 when a stored query cannot be read.
pub(crate) fn why_not_updatable(
    view: &ViewDescriptor,
    catalog: &Catalog,
    database: &str,
) -> Result<Option<&'static str>, SqlError> {
    let simple = match simple_view(view, database)? {
        Ok(simple) => simple,
        Err(why) => return Ok(Some(why)),
    };
    let bound = view
        .query
        .relation(simple.source.schema.as_deref(), &simple.source.name);
    let Some(bound) = bound else {
        return Ok(Some(NOT_ONE));
    };
    if let Some(table) = catalog.table_by_oid(bound.oid) {
        return Ok(table.materialized.is_some().then_some(NOT_ONE));
    }
    match catalog.view_by_oid(bound.oid) {
        Some(below) => why_not_updatable(below, catalog, database),
        None => Ok(Some(NOT_ONE)),
    }
}

const NOT_ONE: &str =
    "Views that do not select from a single table or view are not automatically updatable.";

/// The columns of a view that stand for a column of a table: for each of its columns
/// the table and the column, where changes can go through the view.
pub(crate) fn updatable_columns(
    view: &ViewDescriptor,
    catalog: &Catalog,
    database: &str,
) -> Option<Vec<Option<u16>>> {
    let simple = simple_view(view, database).ok()?.ok()?;
    let bound = view
        .query
        .relation(simple.source.schema.as_deref(), &simple.source.name)?;
    let names: Vec<String> = bound.columns.iter().map(|c| c.name.clone()).collect();
    let below: Vec<Option<u16>> = match catalog.view_by_oid(bound.oid) {
        Some(below) => updatable_columns(below, catalog, database)?,
        None => {
            let table = catalog.table_by_oid(bound.oid)?;
            if table.materialized.is_some() {
                return None;
            }
            bound.columns.iter().map(|c| Some(c.attnum)).collect()
        }
    };
    let origins = simple.origins(&names);
    Some(
        origins
            .iter()
            .map(|origin| match origin {
                Origin::Column(name) => {
                    let at = names.iter().position(|n| n == name)?;
                    below.get(at).copied().flatten()
                }
                Origin::Computed => None,
            })
            .collect(),
    )
}
