//! FROM.

use super::super::Sure;
use super::super::tree::{From, JoinKind, Kind, Query, Relation, RelationKind};
use super::query::NO_RELATION;
use super::{Part, Printer, STEP};
use crate::query::quote_ident;

/// How much further a join stands than FROM.
const JOIN: i32 = 4;

impl<'q> Printer<'q> {
    pub(super) fn from(&mut self, query: &'q Query) -> Sure<()> {
        for (at, item) in query.from.iter().enumerate() {
            if at == 0 {
                self.line(" FROM ", -STEP, STEP, 2);
                self.item(query, item)?;
                continue;
            }
            self.put(", ");
            let text = self.apart(|printer| printer.item(query, item))?;
            if text.starts_with('\n') {
                self.trim();
            } else if self.line_length() + text.len() > self.layout.width {
                self.line("", -STEP, STEP, 4);
            }
            self.put(&text);
        }
        Ok(())
    }

    fn item(&mut self, query: &'q Query, item: &'q From) -> Sure<()> {
        match item {
            From::Relation(index) => self.relation(query, *index),
            From::Join { .. } => self.join(query, item),
        }
    }

    fn join(&mut self, query: &'q Query, item: &'q From) -> Sure<()> {
        let From::Join {
            relation: index,
            kind,
            left,
            right,
            using,
            on,
        } = item
        else {
            return Ok(());
        };
        let relation = query.relations.get(*index).ok_or(NO_RELATION)?;
        let alias = relation.alias.is_some();
        let pretty = self.layout.pretty;
        let closed = !pretty || alias;
        self.put(if closed { "(" } else { "" });
        self.item(query, left)?;
        let words = match kind {
            JoinKind::Inner if using.is_empty() && on.is_none() => " CROSS JOIN ",
            JoinKind::Inner => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
        };
        self.line(words, -STEP, STEP, JOIN);
        let named_join = |item: &From| match item {
            From::Relation(_) => true,
            From::Join { relation, .. } => query
                .relations
                .get(*relation)
                .is_some_and(|r| r.alias.is_some()),
        };
        let right_closed = pretty && !named_join(right);
        self.put(if right_closed { "(" } else { "" });
        self.item(query, right)?;
        self.put(if right_closed { ")" } else { "" });
        let own = self.space(0)?.columns.get(*index).ok_or(NO_RELATION)?;
        let merged = own.merged.clone();
        if !using.is_empty() {
            self.put(" USING ");
            self.column_list(&merged);
        } else if let Some(on) = on {
            self.put(" ON ");
            self.put(if pretty { "" } else { "(" });
            self.node(on, false)?;
            self.put(if pretty { "" } else { ")" });
        } else if *kind != JoinKind::Inner {
            self.put(" ON TRUE");
        }
        self.put(if closed { ")" } else { "" });
        if alias {
            self.alias(*index)?;
        }
        Ok(())
    }

    /// The name of a relation and, where they are needed, those of its columns.
    fn alias(&mut self, index: usize) -> Sure<()> {
        let space = self.space(0)?;
        let name = space.names.get(index).and_then(Option::as_ref);
        let name = quote_ident(name.ok_or(NO_RELATION)?);
        self.put(&format!(" {name}"));
        self.column_aliases(index)
    }

    fn column_aliases(&mut self, index: usize) -> Sure<()> {
        let own = self.space(0)?.columns.get(index).ok_or(NO_RELATION)?;
        if own.shown {
            let names: Vec<String> = own.present.iter().map(|(name, _)| name.clone()).collect();
            self.column_list(&names);
        }
        Ok(())
    }

    fn relation(&mut self, query: &'q Query, index: usize) -> Sure<()> {
        let relation = query.relations.get(index).ok_or(NO_RELATION)?;
        if relation.lateral {
            self.put("LATERAL ");
        }
        match &relation.kind {
            RelationKind::Stored { oid, only } => {
                self.put(if *only { "ONLY " } else { "" });
                let name = self.stored_name(*oid)?;
                self.put(&name);
            }
            RelationKind::Subquery(query) => {
                self.put("(");
                self.query(&Part::plain(query, true))?;
                self.put(")");
            }
            RelationKind::Function { call, ordinality } => {
                // A call looks like one even where its name has a syntax of its own.
                match &call.kind {
                    Kind::Call { .. } => self.node(call, true)?,
                    _ => return Err(super::Unsure("a function in FROM")),
                }
                self.put(if *ordinality { " WITH ORDINALITY" } else { "" });
            }
            RelationKind::Values(rows) => {
                self.put("(");
                self.values(rows)?;
                self.put(")");
            }
            RelationKind::Cte(name) => self.put(&quote_ident(name)),
            RelationKind::Join(_) => return Err(NO_RELATION),
        }
        if self.needs_alias(index, relation)? {
            self.alias(index)?;
        }
        Ok(())
    }

    fn needs_alias(&self, index: usize, relation: &Relation) -> Sure<bool> {
        let space = self.space(0)?;
        let own = space.columns.get(index).ok_or(NO_RELATION)?;
        let name = space.names.get(index).and_then(Option::as_deref);
        Ok(relation.alias.is_some()
            || own.shown
            || match &relation.kind {
                RelationKind::Stored { oid, .. } => {
                    self.facts.object(*oid).map(|object| object.name()) != name
                }
                RelationKind::Cte(own) => Some(own.as_str()) != name,
                _ => true,
            })
    }

    /// The name of a table or view, with its schema where the bare name means another
    /// or that of an item of WITH.
    fn stored_name(&self, oid: u32) -> Sure<String> {
        let object = self.facts.object(oid).ok_or(NO_RELATION)?;
        let hidden = self
            .spaces
            .iter()
            .flat_map(|space| &space.query.ctes)
            .any(|cte| cte.name == object.name());
        let visible = self.facts.is_relation_visible(oid) == Some(true);
        let name = quote_ident(object.name());
        if visible && !hidden {
            return Ok(name);
        }
        let schema = quote_ident(self.facts.schema_name(object.schema()));
        Ok(format!("{schema}.{name}"))
    }
}
