//! From the text of a query to what it means.

mod call;
mod call_types;
mod coerce;
mod expr;
mod from;
mod join;
mod list;
mod literal;
mod operator;
mod query;
mod select;
mod subquery;
mod window;

use sqlparser::ast;

use super::tree::{Kind, Node, Query, Relation, RelationKind, Window};
use super::{Sure, Unsure};
use crate::catalog::{BoundQuery, TableDescriptor};
use crate::pg_catalog::Facts;
use crate::types::PgType;

/// The name of a relation before that of a column, and perhaps of its schema.
type Qualifier<'a> = (Option<&'a str>, &'a str);

/// Output columns: names and types.
type Columns = Vec<(String, PgType)>;

/// What a view's query means.
pub(super) fn view(facts: &Facts<'_>, bound: &BoundQuery, ast: &ast::Query) -> Sure<Query> {
    let mut resolver = Resolver {
        facts,
        bound,
        levels: Vec::new(),
    };
    let (query, _) = resolver.query(ast)?;
    Ok(query)
}

/// What an expression means: over the columns of a table, or of none. A literal without
/// type becomes one of type `ty`.
pub(super) fn expression(
    facts: &Facts<'_>,
    table: Option<&TableDescriptor>,
    ty: Option<PgType>,
    ast: &ast::Expr,
) -> Sure<(Query, Node)> {
    let bound = BoundQuery::default();
    let mut resolver = Resolver {
        facts,
        bound: &bound,
        levels: Vec::new(),
    };
    resolver.nested(|resolver| {
        if let Some(table) = table {
            resolver.see_columns(table)?;
        }
        let node = resolver.expr(ast)?;
        let node = match (node.ty, ty) {
            (PgType::Unknown, Some(ty)) => resolver.typed(node, ty)?,
            (PgType::Unknown, None) => return Err(Unsure("a literal without type")),
            _ => node,
        };
        let query = Query {
            relations: std::mem::take(&mut resolver.level()?.relations),
            is_expression: true,
            ..Query::default()
        };
        Ok((query, node))
    })
}

/// Finds out what names mean.
struct Resolver<'a> {
    facts: &'a Facts<'a>,
    /// What the names of relations mean.
    bound: &'a BoundQuery,
    /// The queries that are being resolved, from the outermost in.
    levels: Vec<Level>,
}

/// A query that is being resolved.
#[derive(Default)]
struct Level {
    relations: Vec<Relation>,
    /// What names can mean at the moment.
    items: Vec<Item>,
    /// The items of WITH.
    ctes: Vec<(String, Columns)>,
    windows: Vec<Window>,
    /// How often columns of this query have been named.
    uses: usize,
}

/// A relation that names can mean.
#[derive(Debug, Clone)]
struct Item {
    relation: usize,
    /// What it is called; nothing for a join without alias.
    name: Option<String>,
    /// The schema of a stored relation without alias.
    schema: Option<String>,
    /// Whether its columns are found without its name.
    bare: bool,
    /// The columns: what they are called, and their places from 0.
    columns: Vec<(String, usize)>,
}

impl Resolver<'_> {
    fn level(&mut self) -> Sure<&mut Level> {
        self.levels.last_mut().ok_or(Unsure("no query"))
    }

    /// A column of a relation of the present query.
    fn column_of(&self, up: usize, relation: usize, column: usize) -> Sure<Node> {
        let level = self.levels.len().checked_sub(up + 1);
        let level = level.and_then(|at| self.levels.get(at));
        let entry = level.and_then(|level| level.relations.get(relation));
        let (_, ty) = entry
            .and_then(|entry| entry.columns.get(column))
            .ok_or(Unsure("a column"))?;
        let kind = Kind::Column {
            up,
            relation,
            column,
        };
        Ok(Node::new(kind, *ty))
    }

    /// The column that a name means, with that of its relation or without.
    fn column(&mut self, qualifier: Option<Qualifier<'_>>, name: &str) -> Sure<Node> {
        for up in 0..self.levels.len() {
            let at = self.levels.len() - 1 - up;
            let Some(level) = self.levels.get_mut(at) else {
                continue;
            };
            let seen = level.items.iter().filter(|item| match qualifier {
                Some((schema, relation)) => {
                    item.name.as_deref() == Some(relation)
                        && (schema.is_none() || item.schema.as_deref() == schema)
                }
                None => item.bare,
            });
            let mut found = seen.flat_map(|item| {
                let columns = item.columns.iter().filter(|(own, _)| own == name);
                columns.map(|(_, column)| (item.relation, *column))
            });
            let first = found.next();
            if found.next().is_some() {
                return Err(Unsure("an ambiguous column"));
            }
            if let Some((relation, column)) = first {
                level.uses += 1;
                return self.column_of(up, relation, column);
            }
        }
        Err(Unsure("a column that is not there"))
    }

    /// Makes the columns of a table what names can mean.
    fn see_columns(&mut self, table: &TableDescriptor) -> Sure<()> {
        let last = table.columns.iter().map(|c| c.attnum).max().unwrap_or(0);
        let columns: Columns = (1..=last)
            .map(|attnum| {
                let column = table.attribute(attnum).filter(|c| !c.dropped);
                column.map_or((String::new(), PgType::Unknown), |c| (c.name.clone(), c.ty))
            })
            .collect();
        let seen = columns.iter().enumerate();
        let seen = seen.filter(|(_, (name, _))| !name.is_empty());
        let seen = seen.map(|(at, (name, _))| (name.clone(), at)).collect();
        let relation = self.add(Relation {
            kind: RelationKind::Stored {
                oid: table.oid,
                only: false,
            },
            alias: None,
            alias_columns: Vec::new(),
            name: table.name.clone(),
            columns,
            lateral: false,
        })?;
        self.level()?.items.push(Item {
            relation,
            name: Some(table.name.clone()),
            schema: None,
            bare: true,
            columns: seen,
        });
        Ok(())
    }

    /// Runs `work` in a query inside of the present one.
    fn nested<T>(&mut self, work: impl FnOnce(&mut Self) -> Sure<T>) -> Sure<T> {
        self.levels.push(Level::default());
        let result = work(self);
        self.levels.pop();
        result
    }
}
