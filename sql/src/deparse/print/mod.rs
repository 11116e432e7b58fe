//! Writing a tree as PostgreSQL lays it out.

mod call;
mod expr;
mod from;
mod query;
mod simple;

use super::names::Space;
use super::tree::{Node, Query};
use super::{Layout, Sure, Unsure};
use crate::pg_catalog::Facts;
use crate::types::PgType;

/// How much further the parts of a query stand than its clauses.
const STEP: i32 = 8;
/// How much further the branches of a CASE stand.
const BRANCH: i32 = 4;
/// From here on, deeper means only a little further to the right.
const LIMIT: i32 = 40;

/// The text of a view.
pub(super) fn view<'q>(
    facts: &'q Facts<'q>,
    query: &'q Query,
    columns: &[String],
    layout: Layout,
) -> Result<String, Unsure> {
    let mut printer = Printer {
        facts,
        layout,
        out: String::new(),
        indent: 0,
        spaces: Vec::new(),
    };
    // A view has these two relations besides those of its query.
    let query = Part {
        query,
        columns: Some(columns),
        names_seen: true,
        taken: &["old", "new"],
    };
    printer.query(&query)?;
    Ok(printer.out)
}

/// The text of an expression over one relation, whose columns go without its name.
pub(super) fn expression<'q>(
    facts: &'q Facts<'q>,
    query: &'q Query,
    node: &'q Node,
    layout: Layout,
) -> Sure<String> {
    let mut printer = Printer {
        facts,
        layout,
        out: String::new(),
        indent: 0,
        spaces: Vec::new(),
    };
    printer.spaces.push(Space::new(facts, query, &[], &[]));
    printer.node(node, false)?;
    Ok(printer.out)
}

/// A query to write, and what its columns are to be called.
struct Part<'q, 'n> {
    query: &'q Query,
    /// The names that its columns must have.
    columns: Option<&'n [String]>,
    /// Whether names of columns matter where PostgreSQL would give none.
    names_seen: bool,
    taken: &'n [&'n str],
}

impl<'q> Part<'q, '_> {
    fn plain(query: &'q Query, names_seen: bool) -> Self {
        Self {
            query,
            columns: None,
            names_seen,
            taken: &[],
        }
    }
}

/// Writes queries and expressions.
struct Printer<'q> {
    facts: &'q Facts<'q>,
    layout: Layout,
    out: String,
    indent: i32,
    /// The names in the query that is written and in those around it.
    spaces: Vec<Space<'q>>,
}

impl<'q> Printer<'q> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Begins a line with `words`, first `before` further to the right and `plus`
    /// more for this line alone; what follows stands `after` further.
    fn line(&mut self, words: &str, before: i32, after: i32, plus: i32) {
        self.indent += before;
        self.trim();
        self.out.push('\n');
        let deep = if self.indent < LIMIT {
            self.indent.max(0)
        } else {
            (LIMIT + (self.indent - LIMIT) / (STEP / 2)) % LIMIT
        };
        let spaces = usize::try_from(deep + plus).unwrap_or(0);
        self.out.extend(std::iter::repeat_n(' ', spaces));
        self.put(words);
        self.indent = (self.indent + after).max(0);
    }

    /// Takes blanks off the end.
    fn trim(&mut self) {
        let end = self.out.trim_end_matches(' ').len();
        self.out.truncate(end);
    }

    /// How long the line is that is being written.
    fn line_length(&self) -> usize {
        let start = self.out.rfind('\n').map_or(0, |at| at + 1);
        self.out.len() - start
    }

    /// What `write` writes, apart from the rest.
    fn apart(&mut self, write: impl FnOnce(&mut Self) -> Sure<()>) -> Sure<String> {
        let before = std::mem::take(&mut self.out);
        let result = write(self);
        let text = std::mem::replace(&mut self.out, before);
        result.map(|()| text)
    }

    /// Writes items with commas between them.
    fn list<T>(
        &mut self,
        items: &'q [T],
        mut write: impl FnMut(&mut Self, &'q T) -> Sure<()>,
    ) -> Sure<()> {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.put(", ");
            }
            write(self, item)?;
        }
        Ok(())
    }

    fn nodes(&mut self, nodes: &'q [Node]) -> Sure<()> {
        self.list(nodes, |printer, node| printer.node(node, true))
    }

    fn space(&self, up: usize) -> Sure<&Space<'q>> {
        let at = self.spaces.len().checked_sub(up + 1);
        at.and_then(|at| self.spaces.get(at))
            .ok_or(Unsure("a column of a query that is not there"))
    }

    /// The name of a type, with its schema where it is needed.
    fn type_name(&self, ty: PgType) -> Sure<String> {
        let Some(user) = ty.user() else {
            return Ok(ty.sql_name());
        };
        let entry = self.facts.catalog.user_type(user.oid());
        let entry = entry.ok_or(Unsure("a type that is gone"))?;
        let path = &self.facts.session.search_path;
        let shown = self
            .facts
            .catalog
            .shown_type_name(entry.schema, &entry.name, path);
        let simple = shown
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.');
        if !simple {
            return Err(Unsure("a type with an unusual name"));
        }
        Ok(match ty {
            PgType::Array(_) => format!("{shown}[]"),
            _ => shown,
        })
    }
}
