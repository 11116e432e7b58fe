//! Queries.

use super::super::names::Space;
use super::super::tree::{Distinct, Group, Query, RelationKind, SetTree, Sort, SortKey};
use super::super::{Sure, Unsure};
use super::{Part, Printer, STEP};
use crate::query::quote_ident;

impl<'q> Printer<'q> {
    /// Writes a query inside of those that are being written.
    pub(super) fn query(&mut self, part: &Part<'q, '_>) -> Sure<()> {
        let space = Space::new(self.facts, part.query, &self.spaces, part.taken);
        self.spaces.push(space);
        let indent = self.indent;
        let result = self.whole(part);
        self.indent = indent;
        self.spaces.pop();
        result
    }

    fn whole(&mut self, part: &Part<'q, '_>) -> Sure<()> {
        let query = part.query;
        self.with(query)?;
        match &query.set {
            Some(set) => self.set(set, part, part.names_seen)?,
            None => self.select(part)?,
        }
        if !query.order.is_empty() {
            self.line(" ORDER BY ", -STEP, STEP, 1);
            self.order(&query.order)?;
        }
        if let Some(offset) = &query.offset {
            self.line(" OFFSET ", -STEP, STEP, 0);
            self.node(offset, false)?;
        }
        match &query.limit {
            Some(limit) if query.ties => {
                self.line(" FETCH FIRST (", -STEP, STEP, 0);
                self.node(limit, false)?;
                self.put(") ROWS WITH TIES");
            }
            Some(limit) => {
                self.line(" LIMIT ", -STEP, STEP, 0);
                self.node(limit, false)?;
            }
            None => {}
        }
        Ok(())
    }

    fn with(&mut self, query: &'q Query) -> Sure<()> {
        if query.ctes.is_empty() {
            return Ok(());
        }
        self.indent += STEP;
        self.put(if query.recursive {
            " WITH RECURSIVE "
        } else {
            " WITH "
        });
        for (at, cte) in query.ctes.iter().enumerate() {
            if at > 0 {
                self.put(", ");
            }
            self.put(&quote_ident(&cte.name));
            self.column_list(&cte.columns);
            self.put(" AS ");
            match cte.materialized {
                Some(true) => self.put("MATERIALIZED "),
                Some(false) => self.put("NOT MATERIALIZED "),
                None => {}
            }
            self.put("(");
            self.line("", 0, 0, 0);
            self.query(&Part::plain(&cte.query, true))?;
            self.line("", 0, 0, 0);
            self.put(")");
        }
        self.indent -= STEP;
        self.line("", 0, 0, 0);
        Ok(())
    }

    /// Names in parentheses, if there are any.
    pub(super) fn column_list(&mut self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        let names: Vec<String> = names.iter().map(|name| quote_ident(name)).collect();
        self.put(&format!("({})", names.join(", ")));
    }

    fn set(&mut self, set: &'q SetTree, part: &Part<'q, '_>, names_seen: bool) -> Sure<()> {
        let (word, all, left, right) = match set {
            SetTree::Leaf(query) => {
                let closed = !query.ctes.is_empty()
                    || !query.order.is_empty()
                    || query.offset.is_some()
                    || query.limit.is_some();
                self.put(if closed { "(" } else { "" });
                self.query(&Part {
                    query,
                    columns: part.columns,
                    names_seen,
                    taken: &[],
                })?;
                self.put(if closed { ")" } else { "" });
                return Ok(());
            }
            SetTree::Both {
                word,
                all,
                left,
                right,
            } => (*word, *all, left, right),
        };
        let same = |set: &SetTree| match set {
            SetTree::Leaf(_) => true,
            SetTree::Both {
                word: own,
                all: own_all,
                ..
            } => *own == word && *own_all == all,
        };
        if same(left) {
            self.set(left, part, names_seen)?;
            self.line("", 0, 0, 0);
        } else {
            self.put("(");
            self.line("", STEP, 0, 0);
            self.set(left, part, names_seen)?;
            self.line(") ", -STEP, 0, 0);
        }
        self.put(word);
        self.put(if all { " ALL " } else { " " });
        if matches!(right.as_ref(), SetTree::Leaf(_)) {
            self.line("", 0, 0, 0);
            return self.set(right, part, false);
        }
        self.put("(");
        self.line("", STEP, 0, 0);
        self.set(right, part, false)?;
        self.indent -= STEP;
        self.line(")", 0, 0, 0);
        Ok(())
    }

    fn select(&mut self, part: &Part<'q, '_>) -> Sure<()> {
        let query = part.query;
        self.indent += STEP;
        self.put(" ");
        if let Some(rows) = only_values(part) {
            return self.values(rows);
        }
        self.put("SELECT");
        match &query.distinct {
            Distinct::No => {}
            Distinct::Rows => self.put(" DISTINCT"),
            Distinct::On(nodes) => {
                self.put(" DISTINCT ON (");
                self.list(nodes, |printer, node| printer.key(node))?;
                self.put(")");
            }
        }
        self.targets(part)?;
        self.from(query)?;
        if let Some(filter) = &query.filter {
            self.line(" WHERE ", -STEP, STEP, 1);
            self.node(filter, false)?;
        }
        if !query.group.is_empty() {
            self.line(" GROUP BY ", -STEP, STEP, 1);
            if query.group_distinct {
                self.put("DISTINCT ");
            }
            self.list(&query.group, |printer, group| printer.group(group, true))?;
        }
        if let Some(having) = &query.having {
            self.line(" HAVING ", -STEP, STEP, 0);
            self.node(having, false)?;
        }
        self.named_windows(query)
    }

    fn targets(&mut self, part: &Part<'q, '_>) -> Sure<()> {
        let mut many_lines = false;
        for (at, target) in part.query.targets.iter().enumerate() {
            self.put(if at > 0 { ", " } else { " " });
            let mut shown = None;
            let mut text = self.apart(|printer| {
                if target.node.is_column() {
                    shown = Some(printer.column(&target.node)?);
                    Ok(())
                } else {
                    shown = (!part.names_seen).then(|| "?column?".to_owned());
                    printer.node(&target.node, true)
                }
            })?;
            let name = part.columns.and_then(|names| names.get(at));
            let name = name.unwrap_or(&target.name);
            if shown.as_ref() != Some(name) {
                text.push_str(" AS ");
                text.push_str(&quote_ident(name));
            }
            let rest = match text.strip_prefix('\n') {
                Some(rest) => {
                    self.trim();
                    rest
                }
                None => {
                    let long = self.line_length() + text.len() > self.layout.width;
                    if at > 0 && (long || many_lines) {
                        self.line("", -STEP, STEP, 4);
                    }
                    &text
                }
            };
            many_lines = rest.contains('\n');
            self.put(&text);
        }
        Ok(())
    }

    /// Writes an item of GROUP BY.
    fn group(&mut self, group: &'q Group, bare: bool) -> Sure<()> {
        let (words, groups, bare) = match group {
            Group::Plain(node) => return self.key(node),
            Group::Empty => {
                self.put("()");
                return Ok(());
            }
            Group::Together(nodes) => {
                let closed = !bare || nodes.len() != 1;
                self.put(if closed { "(" } else { "" });
                self.list(nodes, |printer, node| printer.key(node))?;
                self.put(if closed { ")" } else { "" });
                return Ok(());
            }
            Group::Rollup(groups) => ("ROLLUP(", groups, true),
            Group::Cube(groups) => ("CUBE(", groups, true),
            Group::Sets(groups) => ("GROUPING SETS (", groups, false),
        };
        self.put(words);
        self.list(groups, |printer, group| printer.group(group, bare))?;
        self.put(")");
        Ok(())
    }

    pub(super) fn order(&mut self, order: &'q [Sort]) -> Sure<()> {
        self.list(order, |printer, sort| {
            match &sort.key {
                SortKey::Node(node) => printer.key(node)?,
                SortKey::Column(number) => printer.put(&number.to_string()),
            }
            printer.put(match (sort.descending, sort.nulls_first) {
                (false, false) => "",
                (false, true) => " NULLS FIRST",
                (true, true) => " DESC",
                (true, false) => " DESC NULLS LAST",
            });
            Ok(())
        })
    }

    pub(super) fn values(&mut self, rows: &'q [Vec<super::Node>]) -> Sure<()> {
        self.put("VALUES ");
        self.list(rows, |printer, row| {
            printer.put("(");
            for (at, node) in row.iter().enumerate() {
                if at > 0 {
                    printer.put(",");
                }
                printer.node(node, false)?;
            }
            printer.put(")");
            Ok(())
        })
    }

    fn named_windows(&mut self, query: &'q Query) -> Sure<()> {
        let named = query
            .windows
            .iter()
            .filter_map(|w| Some((w.name.as_ref()?, w)));
        for (at, (name, window)) in named.enumerate() {
            if at == 0 {
                self.line(" WINDOW ", -STEP, STEP, 1);
            } else {
                self.put(", ");
            }
            self.put(&format!("{} AS ", quote_ident(name)));
            self.window(window)?;
        }
        Ok(())
    }
}

/// The rows of a query that is VALUES and nothing else.
fn only_values<'q>(part: &Part<'q, '_>) -> Option<&'q [Vec<super::Node>]> {
    let [relation] = part.query.relations.as_slice() else {
        return None;
    };
    let RelationKind::Values(rows) = &relation.kind else {
        return None;
    };
    let targets = &part.query.targets;
    let same = targets.len() == relation.columns.len()
        && targets
            .iter()
            .zip(&relation.columns)
            .enumerate()
            .all(|(at, (target, (own, _)))| {
                let name = part.columns.and_then(|names| names.get(at));
                target.node.is_column() && name.unwrap_or(&target.name) == own
            });
    same.then_some(rows.as_slice())
}

/// A relation that is not among those of the query.
pub(super) const NO_RELATION: Unsure = Unsure("a relation that is not there");
