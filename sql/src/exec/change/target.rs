//! The table that a change is about.

use std::sync::Arc;

use sqlparser::ast::{
    Expr, Ident, Join, ObjectName, Query, SelectItem, SetExpr, TableFactor, TableWithJoins,
};

use crate::catalog::fold_identifier;
use crate::error::SqlError;
use crate::exec::others::empty_select;
use crate::exec::table::TableInfo;
use crate::exec::target::Planning;
use crate::exec::view_target::{Through, ViewTarget};
use crate::query::RowRelation;

/// The target table of a change and the name it goes by.
pub(crate) struct Target {
    pub(crate) table: Arc<TableInfo>,
    /// The view that the statement names, if it is one.
    pub(crate) view: Option<ViewTarget>,
    relation: TableWithJoins,
    alias: Ident,
}

impl Target {
    /// Looks the target up.
    ///
    /// # Errors
    /// 42P01 when it is not there, 0A000 when it is no table.
    pub(crate) fn new(
        relation: &TableWithJoins,
        through: Through,
        planning: &Planning,
    ) -> Result<Self, SqlError> {
        let (name, alias) = target_name(relation)?;
        let (table, view) = planning.written(name, through)?;
        let own = view.as_ref().map_or(&table.desc.name, |view| &view.name);
        let alias = alias.unwrap_or_else(|| Ident::with_quote('"', own.clone()));
        Ok(Self {
            table,
            view,
            relation: relation.clone(),
            alias,
        })
    }

    /// The table with the names that the statement knows its columns by.
    pub(crate) fn names(&self) -> &TableInfo {
        self.view.as_ref().map_or(&self.table, |view| &view.visible)
    }

    /// Its rows, for expressions over them.
    pub(crate) fn rows(&self) -> RowRelation {
        match &self.view {
            Some(view) => view.relation(&self.alias()),
            None => RowRelation::target(&self.table.desc, &self.alias()),
        }
    }

    /// The name it goes by.
    pub(crate) fn alias(&self) -> String {
        fold_identifier(&self.alias)
    }

    /// The target joined as it is to be.
    pub(crate) fn join(&mut self, join: Join) {
        self.relation.joins.push(join);
    }

    fn hidden(&self, name: &str) -> SelectItem {
        let parts = vec![self.alias.clone(), Ident::with_quote('"', name)];
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts))
    }

    /// `SELECT key, version, row, values… FROM target, others WHERE selection`.
    ///
    /// # Errors
    /// XX000, which does not happen.
    pub(crate) fn select(
        &self,
        values: Vec<Expr>,
        others: Vec<TableWithJoins>,
        selection: Option<Expr>,
    ) -> Result<Query, SqlError> {
        let mut query = empty_select()?;
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(SqlError::internal("a SELECT that is none"));
        };
        select.projection = ["__key", "__csn", "__row", "__tab"]
            .iter()
            .map(|name| self.hidden(name))
            .chain(values.into_iter().map(SelectItem::UnnamedExpr))
            .collect();
        select.from = std::iter::once(self.relation.clone())
            .chain(others)
            .collect();
        select.selection = selection;
        Ok(query)
    }
}

fn target_name(relation: &TableWithJoins) -> Result<(&ObjectName, Option<Ident>), SqlError> {
    let TableFactor::Table { name, alias, .. } = &relation.relation else {
        return Err(SqlError::unsupported("changing anything but a table"));
    };
    if !relation.joins.is_empty() {
        return Err(SqlError::unsupported("a join as the target of a change"));
    }
    Ok((name, alias.as_ref().map(|a| a.name.clone())))
}
