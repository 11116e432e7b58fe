//! The table that INSERT, UPDATE, DELETE or COPY changes.

use std::sync::Arc;

use sqlparser::ast::{Expr, ObjectName, With};

use super::planning::QueryPlanning;
use super::table::TableInfo;
use super::view_target::{Through, ViewTarget, resolve};
use crate::catalog::{
    Catalog, Column, QualifiedName, RelationEntry, SYSTEM_SCHEMAS, TableDescriptor, ViewDescriptor,
    fold_identifier,
};
use crate::error::{SqlError, state};
use crate::query::InMemory;
use crate::types::PgType;

/// Where a statement is planned: names and what they mean.
#[derive(Clone)]
pub(crate) struct Planning {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) database: String,
    pub(crate) search_path: Vec<String>,
    /// What planning queries and expressions takes; none while only the fast path is
    /// tried.
    pub(crate) queries: Option<QueryPlanning>,
    /// The WITH clause that is in force, and the relations in memory that it names.
    pub(crate) with: Option<With>,
    pub(crate) bound: Vec<Arc<InMemory>>,
    /// The view whose expressions are planned: its names mean what they meant when it
    /// was made.
    pub(crate) view: Option<Arc<ViewDescriptor>>,
}

impl Planning {
    /// Finds a table.
    ///
    /// # Errors
    /// 42P01, or 42501 for a system table, which nobody writes to.
    pub(crate) fn table(&self, name: &ObjectName) -> Result<Arc<TableInfo>, SqlError> {
        let name = QualifiedName::from_ast(name, &self.database)?;
        if let Some(schema) = &name.schema
            && SYSTEM_SCHEMAS.iter().any(|(s, _)| s == schema)
        {
            return Err(SqlError::new(
                state::INSUFFICIENT_PRIVILEGE,
                format!("permission denied: \"{}\" is a system catalog", name.name),
            ));
        }
        if let Some(RelationEntry::View(_)) = self.catalog.find_relation(&name, &self.search_path) {
            return Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("\"{}\" is a view", name.name),
            ));
        }
        let desc = self.catalog.table(&name, &self.search_path)?;
        TableInfo::new(desc.clone()).map(Arc::new)
    }

    /// Finds the table that a statement writes to, or the view that it writes through.
    ///
    /// # Errors
    /// As [`Self::table`]; 42809 for a materialized view, 55000 for a view that cannot
    /// be changed.
    pub(crate) fn written(
        &self,
        name: &ObjectName,
        through: Through,
    ) -> Result<(Arc<TableInfo>, Option<ViewTarget>), SqlError> {
        let found = QualifiedName::from_ast(name, &self.database)?;
        let found = self.catalog.find_relation(&found, &self.search_path);
        if let Some(RelationEntry::View(view)) = found {
            let view = resolve(view, through, self)?;
            return Ok((Arc::clone(&view.base), Some(view)));
        }
        let table = self.table(name)?;
        refuse_materialized(&table.desc)?;
        Ok((table, None))
    }

    /// The same for expressions of a view.
    pub(crate) fn inside(&self, view: &Arc<ViewDescriptor>) -> Self {
        Self {
            with: None,
            view: Some(Arc::clone(view)),
            ..self.clone()
        }
    }
}

/// Nobody writes to a materialized view but REFRESH.
///
/// # Errors
/// 42809.
pub(crate) fn refuse_materialized(table: &TableDescriptor) -> Result<(), SqlError> {
    match table.materialized {
        None => Ok(()),
        Some(_) => Err(SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!("cannot change materialized view \"{}\"", table.name),
        )),
    }
}

/// The columns that a list names; all live columns when the list is empty.
///
/// # Errors
/// 42703 for an unknown column, 42701 for one named twice.
pub(crate) fn column_list(
    table: &TableInfo,
    names: impl IntoIterator<Item = String>,
) -> Result<Vec<u16>, SqlError> {
    let mut attnums = Vec::new();
    for name in names {
        let column = Catalog::column(&table.desc, &name)?;
        if attnums.contains(&column.attnum) {
            return Err(SqlError::new(
                state::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        attnums.push(column.attnum);
    }
    if attnums.is_empty() {
        attnums = table.desc.live_columns().map(|c| c.attnum).collect();
    }
    Ok(attnums)
}

/// A column of the table by `attnum`.
///
/// # Errors
/// XX000 when there is none, which planning excludes.
pub(crate) fn column(table: &TableInfo, attnum: u16) -> Result<&Column, SqlError> {
    table
        .desc
        .attribute(attnum)
        .ok_or_else(|| SqlError::internal(format!("no attribute {attnum}")))
}

/// The parsed default of a column, if it has one.
///
/// # Errors
/// XX001 when the stored text cannot be parsed.
pub(crate) fn default_expr(column: &Column) -> Result<Option<Expr>, SqlError> {
    let text = match (&column.default, column.ty) {
        (Some(text), _) => text,
        // What the domain says, or the one that it is over.
        (None, ty) => match domain_default(ty) {
            Some(text) => text,
            None => return Ok(None),
        },
    };
    crate::session::parse_expression(text)
        .map(Some)
        .map_err(|e| {
            SqlError::corrupted(format!(
                "default of column \"{}\": {}",
                column.name,
                e.message()
            ))
        })
}

fn domain_default(ty: PgType) -> Option<&'static String> {
    let PgType::Domain(user) = ty else {
        return None;
    };
    let rules = user.rules()?;
    rules
        .default
        .as_ref()
        .or_else(|| domain_default(rules.base))
}

/// A possibly qualified single column name, as in `SET a = …`.
pub(crate) fn simple_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(fold_identifier),
        _ => None,
    }
}
