//! Views of users.

use sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor, VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

use super::facts::Object;
use super::lookup::is_visible;
use super::{Facts, Row, relation};
use crate::catalog::{
    BoundQuery, Materialized, QualifiedName, TableDescriptor, ViewDescriptor, fold_identifier,
};
use crate::deparse::{Layout, view_text};
use crate::exec::view_target::updatable_columns;
use crate::query::quote_ident;
use crate::types::Datum;

/// Views, the system's and those of users.
pub(super) fn pg_views(facts: &Facts<'_>) -> Vec<Row> {
    let system = relation::all().iter().filter(|r| r.kind == "v").map(|r| {
        vec![
            ("schemaname", Datum::text(r.schema)),
            ("viewname", Datum::text(r.name)),
            ("viewowner", Datum::text(facts.first_role())),
        ]
    });
    let stored = facts.catalog.views().map(|view| {
        vec![
            ("schemaname", Datum::text(facts.schema_name(view.schema))),
            ("viewname", Datum::text(view.name.as_str())),
            ("viewowner", Datum::text(view.owner.as_str())),
            (
                "definition",
                Datum::Text(definition_of_view(facts, view, PLAIN)),
            ),
        ]
    });
    system.chain(stored).collect()
}

/// `information_schema.views`.
pub(super) fn views(facts: &Facts<'_>) -> Vec<Row> {
    let no = || Datum::text("NO");
    let yes_or_no = |yes: bool| Datum::text(if yes { "YES" } else { "NO" });
    facts
        .catalog
        .views()
        .map(|view| {
            let updatable = is_updatable(facts, view);
            vec![
                (
                    "table_catalog",
                    Datum::text(facts.session.database.as_str()),
                ),
                ("table_schema", Datum::text(facts.schema_name(view.schema))),
                ("table_name", Datum::text(view.name.as_str())),
                (
                    "view_definition",
                    Datum::Text(definition_of_view(facts, view, PLAIN)),
                ),
                ("check_option", Datum::text(check_word(view))),
                ("is_updatable", yes_or_no(updatable)),
                ("is_insertable_into", yes_or_no(updatable)),
                ("is_trigger_updatable", no()),
                ("is_trigger_deletable", no()),
                ("is_trigger_insertable_into", no()),
            ]
        })
        .collect()
}

/// Materialized views.
pub(super) fn pg_matviews(facts: &Facts<'_>) -> Vec<Row> {
    let tables = facts.catalog.tables();
    let stored = tables.filter_map(|table| Some((table, table.materialized.as_ref()?)));
    stored
        .map(|(table, view)| {
            vec![
                ("schemaname", Datum::text(facts.schema_name(table.schema))),
                ("matviewname", Datum::text(table.name.as_str())),
                ("matviewowner", Datum::text(table.owner.as_str())),
                ("hasindexes", Datum::Bool(!table.indexes.is_empty())),
                ("ispopulated", Datum::Bool(view.populated)),
                (
                    "definition",
                    Datum::Text(definition_of_table(facts, table, view, PLAIN)),
                ),
            ]
        })
        .collect()
}

/// Whether rows can be changed through a view.
pub(super) fn is_updatable(facts: &Facts<'_>, view: &ViewDescriptor) -> bool {
    shown_columns(facts, view).is_some_and(|columns| columns.iter().any(Option::is_some))
}

/// The table's columns that the columns of a view are, where changes go through it.
pub(super) fn shown_columns(facts: &Facts<'_>, view: &ViewDescriptor) -> Option<Vec<Option<u16>>> {
    updatable_columns(view, facts.catalog, &facts.session.database)
}

fn check_word(view: &ViewDescriptor) -> &'static str {
    view.check.map_or("NONE", |check| check.word())
}

/// How definitions are laid out unless something else is asked for.
const PLAIN: Layout = Layout {
    pretty: false,
    width: 0,
};

/// What `pg_get_viewdef` gives; `None` when there is no such view.
pub(crate) fn view_definition(facts: &Facts<'_>, oid: u32, layout: Layout) -> Option<String> {
    match facts.object(oid)? {
        Object::View(view) => Some(definition_of_view(facts, view, layout)),
        Object::Table(table) => {
            let view = table.materialized.as_ref()?;
            Some(definition_of_table(facts, table, view, layout))
        }
        _ => None,
    }
}

fn definition_of_view(facts: &Facts<'_>, view: &ViewDescriptor, layout: Layout) -> String {
    let columns: Vec<String> = view.columns.iter().map(|c| c.name.clone()).collect();
    definition(facts, &view.query, &columns, layout)
}

fn definition_of_table(
    facts: &Facts<'_>,
    table: &TableDescriptor,
    view: &Materialized,
    layout: Layout,
) -> String {
    let columns: Vec<String> = table.live_columns().map(|c| c.name.clone()).collect();
    definition(facts, &view.query, &columns, layout)
}

/// A kept query as PostgreSQL writes it, or as it was written where that is not sure.
fn definition(facts: &Facts<'_>, query: &BoundQuery, columns: &[String], layout: Layout) -> String {
    match view_text(facts, query, columns, layout) {
        Ok(text) => format!("{text};"),
        Err(_) => query_text(facts, query),
    }
}

/// A kept query with the names that its relations have now.
fn query_text(facts: &Facts<'_>, query: &BoundQuery) -> String {
    let as_written = || format!(" {};", query.text);
    let Ok(mut ast) = crate::session::parse_query(&query.text) else {
        return as_written();
    };
    let mut renamer = Renamer {
        facts,
        query,
        ctes: Vec::new(),
    };
    let _ = VisitMut::visit(&mut ast, &mut renamer);
    let shown = ast.to_string();
    // What only the parser needed is nobody's business.
    if shown.contains('\u{1f}') {
        return as_written();
    }
    format!(" {shown};")
}

/// Puts the present names of relations into a query.
struct Renamer<'a> {
    facts: &'a Facts<'a>,
    query: &'a BoundQuery,
    ctes: Vec<String>,
}

impl VisitorMut for Renamer<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.push(fold_identifier(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        let Ok(written) = QualifiedName::from_ast(name, &self.facts.session.database) else {
            return ControlFlow::Continue(());
        };
        let is_cte = written.schema.is_none() && self.ctes.contains(&written.name);
        let bound = self
            .query
            .relation(written.schema.as_deref(), &written.name)
            .filter(|_| !is_cte)
            .and_then(|bound| self.facts.object(bound.oid));
        let Some(object) = bound else {
            return ControlFlow::Continue(());
        };
        if object.name() != written.name && alias.is_none() {
            *alias = Some(TableAlias {
                explicit: false,
                name: shown(&written.name),
                columns: Vec::new(),
                at: None,
            });
        }
        let mut parts = Vec::with_capacity(2);
        if !is_visible(self.facts, object.oid(), object.name()) {
            parts.push(shown(self.facts.schema_name(object.schema())));
        }
        parts.push(shown(object.name()));
        *name = ObjectName(parts.into_iter().map(ObjectNamePart::Identifier).collect());
        ControlFlow::Continue(())
    }
}

/// An identifier, quoted where it must be.
fn shown(name: &str) -> Ident {
    if quote_ident(name) == name {
        Ident::new(name)
    } else {
        Ident::with_quote('"', name)
    }
}
