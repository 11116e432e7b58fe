//! Names that mean something else in a body than a parameter or an argument.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Cte, Expr, Ident, ObjectName, Query, Select, SelectItem, Statement, TableAlias, TableFactor,
    Visit, Visitor,
};

use crate::catalog::{Catalog, QualifiedName, RelationEntry, fold_identifier};
use crate::pg_catalog;
use crate::query::SEQUENCE_COLUMNS;

/// Names of columns and relations that a piece of SQL may mean its own things by.
#[derive(Debug, Default)]
pub(crate) struct Shadows {
    /// Columns of the relations it reads, and what its inner queries call theirs.
    columns: HashSet<String>,
    /// What its relations are called.
    relations: HashSet<String>,
    /// Relations whose columns nobody knows.
    opaque: bool,
}

struct Collector<'a> {
    catalog: &'a Catalog,
    search_path: &'a [String],
    found: Shadows,
    depth: usize,
}

impl Shadows {
    /// What a statement means its own things by.
    pub(crate) fn of(statement: &Statement, catalog: &Catalog, search_path: &[String]) -> Self {
        let mut collector = Collector {
            catalog,
            search_path,
            found: Self::default(),
            depth: 0,
        };
        let _ = statement.visit(&mut collector);
        collector.found
    }

    /// Whether a bare name may be a column.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.columns.contains(name)
    }

    /// Whether a qualifier may be a relation.
    pub(crate) fn has_relation(&self, name: &str) -> bool {
        self.relations.contains(name)
    }

    /// Whether an expression from outside would mean something else inside.
    pub(crate) fn captures(&self, expr: &Expr) -> bool {
        struct Captured<'a>(&'a Shadows, bool);
        impl Visitor for Captured<'_> {
            type Break = ();
            fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
                // Its own names are not told apart from those of others.
                self.1 = true;
                ControlFlow::Break(())
            }
            fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
                self.1 |= match expr {
                    Expr::Identifier(name) => {
                        let name = fold_identifier(name);
                        self.0.opaque || self.0.has_column(&name) || self.0.has_relation(&name)
                    }
                    Expr::CompoundIdentifier(parts) => parts
                        .first()
                        .is_some_and(|part| self.0.has_relation(&fold_identifier(part))),
                    _ => false,
                };
                ControlFlow::Continue(())
            }
        }
        let mut captured = Captured(self, false);
        let _ = expr.visit(&mut captured);
        captured.1
    }
}

impl Collector<'_> {
    fn relation(&mut self, name: &ObjectName) {
        let Ok(name) = QualifiedName::from_ast(name, "") else {
            return;
        };
        self.found.relations.insert(name.name.clone());
        if let Some(system) = pg_catalog::find(name.schema.as_deref(), &name.name, self.search_path)
        {
            let columns = system.columns.iter().map(|(name, _)| (*name).to_owned());
            self.found.columns.extend(columns);
            return;
        }
        let columns: Vec<String> = match self.catalog.find_relation(&name, self.search_path) {
            Some(RelationEntry::Table(table)) => {
                table.live_columns().map(|c| c.name.clone()).collect()
            }
            Some(RelationEntry::View(view)) => {
                view.columns.iter().map(|c| c.name.clone()).collect()
            }
            Some(RelationEntry::Sequence(_)) => SEQUENCE_COLUMNS
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            // A name that WITH gives; its columns are collected there.
            _ => Vec::new(),
        };
        self.found.columns.extend(columns);
    }

    fn alias(&mut self, alias: &TableAlias) {
        self.found.relations.insert(fold_identifier(&alias.name));
        // A function in FROM calls its column like itself.
        self.column(&alias.name);
        for column in &alias.columns {
            self.column(&column.name);
        }
    }

    fn column(&mut self, name: &Ident) {
        self.found.columns.insert(fold_identifier(name));
    }
}

impl Visitor for Collector<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.depth += 1;
        for Cte { alias, .. } in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.alias(alias);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if self.depth > 1 {
            for item in &select.projection {
                match item {
                    SelectItem::ExprWithAlias { alias, .. } => self.column(alias),
                    SelectItem::UnnamedExpr(Expr::Function(function)) => {
                        if let Some(name) = function.name.0.last().and_then(|p| p.as_ident()) {
                            self.column(name);
                        }
                    }
                    _ => {}
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.relation(name);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name, alias, args, ..
            } => {
                if let Some(alias) = alias {
                    self.alias(alias);
                }
                if args.is_some()
                    && let Some(name) = name.0.last().and_then(|p| p.as_ident())
                {
                    self.found.relations.insert(fold_identifier(name));
                    self.column(name);
                }
            }
            TableFactor::Derived { alias, .. } => {
                if let Some(alias) = alias {
                    self.alias(alias);
                }
            }
            TableFactor::Function { name, alias, .. } => {
                if let Some(name) = name.0.last().and_then(|p| p.as_ident()) {
                    self.found.relations.insert(fold_identifier(name));
                    self.column(name);
                }
                if let Some(alias) = alias {
                    self.alias(alias);
                }
            }
            TableFactor::UNNEST { alias, .. } => {
                if let Some(alias) = alias {
                    self.alias(alias);
                }
            }
            TableFactor::NestedJoin { alias, .. } => {
                if let Some(alias) = alias {
                    self.alias(alias);
                }
            }
            _ => self.found.opaque = true,
        }
        ControlFlow::Continue(())
    }
}
