//! `INSERT INTO t (a[1], b[1:2]) VALUES …`: the values are parts of new arrays.

use std::borrow::Cow;

use sqlparser::ast::{Expr, Ident, Insert, ObjectName, ObjectNamePart, SetExpr, Value};

use super::values::is_default;
use crate::catalog::Catalog;
use crate::error::{SqlError, state};
use crate::exec::table::TableInfo;
use crate::query::element_assignment;
use crate::session::{assigned_element, parse_expression};

/// The statement with whole arrays for the elements that its columns name.
///
/// # Errors
/// 0A000 for DEFAULT, and where the values come from a query.
pub(super) fn whole_arrays<'a>(
    insert: &'a Insert,
    table: &TableInfo,
) -> Result<Cow<'a, Insert>, SqlError> {
    if !insert
        .columns
        .iter()
        .any(|name| assigned_element(name).is_some())
    {
        return Ok(Cow::Borrowed(insert));
    }
    let mut insert = insert.clone();
    let rows = match insert
        .source
        .as_deref_mut()
        .map(|query| query.body.as_mut())
    {
        Some(SetExpr::Values(values)) => &mut values.rows,
        _ => {
            return Err(SqlError::unsupported(
                "INSERT of array elements from a query",
            ));
        }
    };
    for (index, name) in insert.columns.iter_mut().enumerate() {
        let Some((column, subscripts)) = assigned_element(name) else {
            continue;
        };
        let subscripts = subscripts?;
        let ty = Catalog::column(&table.desc, &column)?.ty;
        let nothing = parse_expression(&format!("NULL::{}", ty.sql_name()))?;
        for row in rows.iter_mut() {
            let Some(slot) = row.content.get_mut(index) else {
                continue;
            };
            if is_default(slot) {
                return Err(SqlError::new(
                    state::FEATURE_NOT_SUPPORTED,
                    "cannot set an array element to DEFAULT",
                ));
            }
            let value = std::mem::replace(slot, Expr::Value(Value::Null.with_empty_span()));
            *slot = element_assignment(nothing.clone(), subscripts.clone(), value)?;
        }
        let whole = Ident::with_quote('"', column);
        *name = ObjectName(vec![ObjectNamePart::Identifier(whole)]);
    }
    Ok(Cow::Owned(insert))
}
