//! What names of relations mean: along the search path, or, inside a view, what
//! they meant when it was made.

use std::sync::Arc;

use super::super::sequence_table::SEQUENCE_COLUMNS;
use super::PlanContext;
use crate::catalog::{
    BoundColumn, BoundRelation, QualifiedName, RelationEntry, SequenceDescriptor, TableDescriptor,
    ViewDescriptor,
};
use crate::error::{SqlError, state};
use crate::pg_catalog::{self, Relation};

/// How deep views may be made of views.
const VIEW_DEPTH_MAX: usize = 32;

/// The view whose query is planned.
#[derive(Debug, Clone)]
pub struct ViewScope {
    pub(super) view: Arc<ViewDescriptor>,
    depth: usize,
}

/// A relation that a name means.
pub(super) enum Found {
    /// A stored table.
    Table(Arc<TableDescriptor>),
    /// A view.
    View(Arc<ViewDescriptor>),
    /// A sequence, which shows itself as a row.
    Sequence(Arc<SequenceDescriptor>),
    /// A system table or view.
    System(&'static Relation),
}

impl Found {
    /// Names of the columns, in order.
    pub(super) fn column_names(&self) -> Vec<String> {
        match self {
            Self::Table(table) => table.live_columns().map(|c| c.name.clone()).collect(),
            Self::View(view) => view.columns.iter().map(|c| c.name.clone()).collect(),
            Self::Sequence(_) => SEQUENCE_COLUMNS
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            Self::System(relation) => relation
                .columns
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        }
    }

    /// What a kept query has to remember of it under the name `name`; nothing for
    /// a system relation, which stays what it is.
    pub(super) fn bound_as(&self, name: &QualifiedName) -> Option<BoundRelation> {
        let column = |attnum: u16, name: &str| BoundColumn {
            attnum,
            name: name.to_owned(),
            used: false,
        };
        let (oid, columns) = match self {
            Self::Table(table) => (
                table.oid,
                table
                    .live_columns()
                    .map(|c| column(c.attnum, &c.name))
                    .collect(),
            ),
            Self::View(view) => (
                view.oid,
                (1..)
                    .zip(&view.columns)
                    .map(|(n, c)| column(n, &c.name))
                    .collect(),
            ),
            Self::Sequence(sequence) => (
                sequence.oid,
                (1..)
                    .zip(SEQUENCE_COLUMNS)
                    .map(|(n, (name, _))| column(n, name))
                    .collect(),
            ),
            Self::System(_) => return None,
        };
        Some(BoundRelation {
            schema: name.schema.clone(),
            name: name.name.clone(),
            oid,
            columns,
        })
    }
}

impl PlanContext {
    /// Finds what a name means.
    ///
    /// # Errors
    /// 42P01 when it means nothing, 42809 for an index.
    pub(super) fn relation(&self, name: &QualifiedName) -> Result<Found, SqlError> {
        if let Some(scope) = &self.view
            && let Some(bound) = scope
                .view
                .query
                .relation(name.schema.as_deref(), &name.name)
        {
            return self.bound_relation(bound);
        }
        let system = pg_catalog::find(name.schema.as_deref(), &name.name, &self.search_path);
        match system {
            Some(relation) => Ok(Found::System(relation)),
            // What else a view reads was found when it was made.
            None if self.view.is_some() => Err(missing(name)),
            None => self.stored_relation(name),
        }
    }

    /// Finds a relation that is no system relation.
    pub(super) fn stored_relation(&self, name: &QualifiedName) -> Result<Found, SqlError> {
        match self.catalog.find_relation(name, &self.search_path) {
            Some(RelationEntry::Table(table)) => Ok(Found::Table(Arc::clone(table))),
            Some(RelationEntry::View(view)) => Ok(Found::View(Arc::clone(view))),
            Some(RelationEntry::Sequence(sequence)) => Ok(Found::Sequence(Arc::clone(sequence))),
            Some(RelationEntry::Index(_)) => Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("\"{}\" is an index", name.name),
            )),
            None => Err(missing(name)),
        }
    }

    /// A relation as the kept query knows it: with the columns and the names that
    /// it had then.
    fn bound_relation(&self, bound: &BoundRelation) -> Result<Found, SqlError> {
        let known = |attnum: u16| bound.columns.iter().find(|c| c.attnum == attnum);
        if let Some(table) = self.catalog.table_by_oid(bound.oid) {
            let mut table = table.as_ref().clone();
            for column in &mut table.columns {
                match known(column.attnum) {
                    Some(bound) => column.name.clone_from(&bound.name),
                    None => column.dropped = true,
                }
            }
            return Ok(Found::Table(Arc::new(table)));
        }
        if let Some(view) = self.catalog.view_by_oid(bound.oid) {
            let mut view = view.as_ref().clone();
            view.columns.truncate(bound.columns.len());
            for (column, bound) in view.columns.iter_mut().zip(&bound.columns) {
                column.name.clone_from(&bound.name);
            }
            return Ok(Found::View(Arc::new(view)));
        }
        if let Some(sequence) = self.catalog.sequence_by_oid(bound.oid) {
            return Ok(Found::Sequence(Arc::clone(sequence)));
        }
        Err(SqlError::corrupted(format!(
            "the relation {} of a view is gone",
            bound.oid
        )))
    }

    /// Where the query of `view` is planned.
    ///
    /// # Errors
    /// 54001 when views are nested too deeply.
    pub(crate) fn inside(&self, view: &Arc<ViewDescriptor>) -> Result<Self, SqlError> {
        let depth = self.view.as_ref().map_or(1, |scope| scope.depth + 1);
        if depth > VIEW_DEPTH_MAX {
            return Err(SqlError::new(
                state::STATEMENT_TOO_COMPLEX,
                format!("views are nested more than {VIEW_DEPTH_MAX} deep"),
            ));
        }
        let mut context = self.clone();
        context.param_types.clear();
        context.hidden = super::Hidden::None;
        context.view = Some(ViewScope {
            view: Arc::clone(view),
            depth,
        });
        Ok(context)
    }
}

fn missing(name: &QualifiedName) -> SqlError {
    SqlError::new(
        state::UNDEFINED_TABLE,
        format!("relation \"{name}\" does not exist"),
    )
}
