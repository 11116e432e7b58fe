//! CREATE VIEW.

use super::super::Session;
use super::{CreateView, TEMPORARY};
use crate::catalog::{
    BoundQuery, Catalog, CatalogChange, CatalogEntry, QualifiedName, RelationEntry, ViewColumn,
    ViewDescriptor, fold_identifier,
};
use crate::error::{SqlError, state};
use crate::exec::view_target::why_not_updatable;
use crate::query::PlannedQuery;
use crate::txn::{Layer, LockMode};
use crate::types::PgType;

impl Session {
    pub(super) async fn create_view(&mut self, create: &CreateView) -> Result<String, SqlError> {
        let mut catalog = self.catalog_to_change("CREATE VIEW").await?;
        let (query, columns) = self.bind_view(create)?;
        let over_temporary = self.reads_temporary(&query, &catalog);
        let temporary = create.temporary || over_temporary;
        let place = self
            .place_for(&create.name, temporary, &mut catalog)
            .await?;
        let (schema, name) = (place.schema, place.name);
        if over_temporary && !create.temporary {
            self.notice(format!("view \"{name}\" will be a temporary view"));
        }
        let replaced = replaced_view(create, schema, &name, &catalog)?;
        for relation in &query.relations {
            self.lock_table(relation.oid, LockMode::AccessShare).await?;
        }
        let oid = match &replaced {
            Some(old) => {
                check_replacement(old, &columns)?;
                check_not_recursive(old, &query, &catalog)?;
                self.lock_table(old.oid, LockMode::AccessExclusive).await?;
                old.oid
            }
            None => catalog.allocate_oid(),
        };
        let mut columns = columns;
        for (column, before) in columns
            .iter_mut()
            .zip(replaced.iter().flat_map(|v| &v.columns))
        {
            column.default.clone_from(&before.default);
        }
        let view = ViewDescriptor {
            oid,
            schema,
            name,
            owner: replaced.map_or_else(|| self.user.clone(), |old| old.owner),
            columns,
            query,
            check: create.check,
        };
        if view.check.is_some()
            && let Some(why) = why_not_updatable(&view, &catalog, &self.database)?
        {
            return Err(SqlError::new(
                state::FEATURE_NOT_SUPPORTED,
                "WITH CHECK OPTION is supported only on automatically updatable views",
            )
            .hint(why));
        }
        let change = CatalogChange::Put(CatalogEntry::View(Box::new(view)));
        self.change_catalog(catalog, vec![change], Layer::default())?;
        Ok("CREATE VIEW".to_owned())
    }

    /// Whether a query reads a temporary relation.
    pub(super) fn reads_temporary(&self, query: &BoundQuery, catalog: &Catalog) -> bool {
        let schema = |oid: u32| {
            let table = catalog.table_by_oid(oid).map(|t| t.schema);
            let view = catalog.view_by_oid(oid).map(|v| v.schema);
            table
                .or(view)
                .or(catalog.sequence_by_oid(oid).map(|s| s.schema))
        };
        query
            .relations
            .iter()
            .filter_map(|r| schema(r.oid))
            .filter_map(|oid| catalog.schema_by_oid(oid))
            .any(|schema| schema.name.starts_with(TEMPORARY))
    }

    /// Finds out what the query of a view means, and the view's columns.
    fn bind_view(
        &mut self,
        create: &CreateView,
    ) -> Result<(BoundQuery, Vec<ViewColumn>), SqlError> {
        let planned = self.plan_stored_query(&create.query, "a view")?;
        let columns = view_columns(create, &planned)?;
        let query = BoundQuery {
            text: create.text.clone(),
            relations: planned.relations().to_vec(),
        };
        Ok((query, columns))
    }
}

/// The view that CREATE OR REPLACE replaces, if there is one.
fn replaced_view(
    create: &CreateView,
    schema: u32,
    name: &str,
    catalog: &Catalog,
) -> Result<Option<ViewDescriptor>, SqlError> {
    if !catalog.relation_exists(schema, name) {
        return Ok(None);
    }
    if !create.or_replace {
        return Err(SqlError::new(
            state::DUPLICATE_TABLE,
            format!("relation \"{name}\" already exists"),
        ));
    }
    let here = QualifiedName {
        schema: catalog.schema_by_oid(schema).map(|s| s.name.clone()),
        name: name.to_owned(),
    };
    match catalog.find_relation(&here, &[]) {
        Some(RelationEntry::View(view)) => Ok(Some(view.as_ref().clone())),
        _ => Err(SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!("\"{name}\" is not a view"),
        )),
    }
}

fn view_columns(create: &CreateView, planned: &PlannedQuery) -> Result<Vec<ViewColumn>, SqlError> {
    let outputs = planned.columns();
    if create.columns.len() > outputs.len() {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "CREATE VIEW specifies more column names than columns",
        ));
    }
    let mut columns: Vec<ViewColumn> = Vec::with_capacity(outputs.len());
    for (at, output) in outputs.iter().enumerate() {
        let name = create
            .columns
            .get(at)
            .map_or_else(|| output.name.clone(), fold_identifier);
        if columns.iter().any(|c| c.name == name) {
            return Err(SqlError::new(
                state::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        if output.pg_type == PgType::Void {
            return Err(SqlError::new(
                state::INVALID_TABLE_DEFINITION,
                format!("column \"{name}\" has pseudo-type void"),
            ));
        }
        columns.push(ViewColumn {
            name,
            ty: output.pg_type,
            default: None,
        });
    }
    Ok(columns)
}

/// A new query must keep the columns that the view has, and may add some.
fn check_replacement(old: &ViewDescriptor, new: &[ViewColumn]) -> Result<(), SqlError> {
    let refused = |message: String| SqlError::new(state::INVALID_TABLE_DEFINITION, message);
    if new.len() < old.columns.len() {
        return Err(refused("cannot drop columns from view".to_owned()));
    }
    for (old, new) in old.columns.iter().zip(new) {
        if old.name != new.name {
            return Err(refused(format!(
                "cannot change name of view column \"{}\" to \"{}\"",
                old.name, new.name
            ))
            .hint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."));
        }
        if old.ty != new.ty {
            return Err(refused(format!(
                "cannot change data type of view column \"{}\" from {} to {}",
                old.name,
                old.ty.sql_name(),
                new.ty.sql_name()
            )));
        }
    }
    Ok(())
}

/// A view must not read itself, not even through others.
fn check_not_recursive(
    old: &ViewDescriptor,
    query: &BoundQuery,
    catalog: &Catalog,
) -> Result<(), SqlError> {
    let mut open: Vec<u32> = query.relations.iter().map(|r| r.oid).collect();
    let mut seen = Vec::new();
    while let Some(oid) = open.pop() {
        if oid == old.oid {
            return Err(SqlError::new(
                state::INVALID_OBJECT_DEFINITION,
                format!(
                    "infinite recursion detected in rules for relation \"{}\"",
                    old.name
                ),
            ));
        }
        if !seen.contains(&oid) {
            seen.push(oid);
            let below = catalog.view_by_oid(oid);
            open.extend(below.iter().flat_map(|v| &v.query.relations).map(|r| r.oid));
        }
    }
    Ok(())
}
