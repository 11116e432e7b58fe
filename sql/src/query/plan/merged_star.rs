//! `SELECT *` over joins that merge columns.
//!
//! PostgreSQL shows the merged columns of `a JOIN b USING (x)` first, then the others of
//! `a` and of `b`; the planner leaves `x` at its place in `a`. Where the columns of all
//! the tables can be told, `*` is written out.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, Visit,
    Visitor,
};

use super::PlanContext;
use super::names::{column_name, quoted};
use super::using::{called, columns_of};
use crate::catalog::fold_identifier;

/// Deepest nesting of queries whose columns are told from their text.
const DEEPEST: usize = 32;

/// The columns of WITH queries, by name; nothing where two of a name differ.
#[derive(Debug, Default)]
pub(super) struct WithColumns(HashMap<String, Option<Vec<String>>>);

/// What is known while a query is prepared.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) context: &'a PlanContext,
    /// The names that WITH gives.
    pub(super) ctes: &'a [String],
    pub(super) with: &'a WithColumns,
}

/// A column of a join: the value, and what it is called.
struct Shown {
    expr: Expr,
    name: String,
}

impl WithColumns {
    /// Those of a statement.
    pub(super) fn of(query: &Query, context: &PlanContext, ctes: &[String]) -> Self {
        let mut found = Collector {
            context,
            ctes,
            columns: Self::default(),
        };
        let _ = Visit::visit(query, &mut found);
        found.columns
    }
}

struct Collector<'a> {
    context: &'a PlanContext,
    ctes: &'a [String],
    columns: WithColumns,
}

impl Visitor for Collector<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let known = Known {
                context: self.context,
                ctes: self.ctes,
                with: &self.columns,
            };
            let own = known.of_query(&cte.query, 0);
            let named = own.and_then(|own| named_by(Some(&cte.alias), own));
            let name = fold_identifier(&cte.alias.name);
            let entry = self.columns.0.entry(name);
            entry
                .and_modify(|other| {
                    if *other != named {
                        *other = None;
                    }
                })
                .or_insert(named);
        }
        ControlFlow::Continue(())
    }
}

/// Columns by the names that an alias gives the first of them.
fn named_by(alias: Option<&TableAlias>, own: Vec<String>) -> Option<Vec<String>> {
    let given = alias.map_or(&[][..], |alias| &alias.columns);
    if given.len() > own.len() {
        return None;
    }
    let mut names: Vec<String> = given.iter().map(|c| fold_identifier(&c.name)).collect();
    names.extend(own.into_iter().skip(given.len()));
    Some(names)
}

/// Writes out `*` in every SELECT of a query, not in its subqueries.
pub(super) fn expand(body: &mut SetExpr, known: Known<'_>) {
    match body {
        SetExpr::Select(select) => in_select(select, known),
        SetExpr::SetOperation { left, right, .. } => {
            expand(left, known);
            expand(right, known);
        }
        _ => {}
    }
}

fn in_select(select: &mut Select, known: Known<'_>) {
    let is_star = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_));
    let merges = select.from.iter().any(|table| {
        let constraints = table
            .joins
            .iter()
            .map(|join| kept_left(&join.join_operator));
        constraints
            .flatten()
            .any(|c| matches!(c, JoinConstraint::Using(_) | JoinConstraint::Natural))
    });
    if !merges || !select.projection.iter().any(is_star) {
        return;
    }
    let mut columns = Vec::new();
    for table in &select.from {
        match known.of_table(table, 0) {
            Some(own) => columns.extend(own),
            None => return,
        }
    }
    for item in std::mem::take(&mut select.projection) {
        if is_star(&item) {
            let all = columns.iter().map(|column| column.expr.clone());
            select.projection.extend(all.map(SelectItem::UnnamedExpr));
        } else {
            select.projection.push(item);
        }
    }
}

/// What a join that keeps the left side's columns merges by; `None` for other joins.
fn kept_left(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::CrossJoin(c) => Some(c),
        _ => None,
    }
}

impl Known<'_> {
    /// The names of the columns of a table in FROM.
    pub(super) fn names_of(self, factor: &TableFactor) -> Option<Vec<String>> {
        let columns = self.of_factor(factor, 0)?;
        Some(columns.into_iter().map(|column| column.name).collect())
    }

    /// The columns of a table and what is joined to it.
    fn of_table(self, table: &TableWithJoins, depth: usize) -> Option<Vec<Shown>> {
        let mut columns = self.of_factor(&table.relation, depth)?;
        for join in &table.joins {
            let right = self.of_factor(&join.relation, depth)?;
            let has = |side: &[Shown], name: &str| side.iter().filter(|c| c.name == name).count();
            let merged: Vec<String> = match kept_left(&join.join_operator)? {
                JoinConstraint::Using(names) => names
                    .iter()
                    .map(|name| match name.0.as_slice() {
                        [ObjectNamePart::Identifier(ident)] => Some(fold_identifier(ident)),
                        _ => None,
                    })
                    .collect::<Option<_>>()?,
                JoinConstraint::Natural => columns
                    .iter()
                    .map(|column| column.name.clone())
                    .filter(|name| has(&right, name) > 0)
                    .collect(),
                _ => Vec::new(),
            };
            let single = |name: &String| has(&columns, name) == 1 && has(&right, name) == 1;
            if !merged.iter().all(single) {
                return None;
            }
            let mut all = Vec::with_capacity(columns.len() + right.len());
            for name in &merged {
                let place = columns.iter().position(|column| column.name == *name)?;
                all.push(columns.remove(place));
            }
            all.append(&mut columns);
            all.extend(right.into_iter().filter(|c| !merged.contains(&c.name)));
            columns = all;
        }
        Some(columns)
    }

    fn of_factor(self, factor: &TableFactor, depth: usize) -> Option<Vec<Shown>> {
        if depth > DEEPEST {
            return None;
        }
        let names = match factor {
            TableFactor::Table {
                name,
                args: None,
                alias,
                ..
            } => match columns_of(factor, self.context, self.ctes) {
                Some(columns) => columns,
                None => {
                    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
                        return None;
                    };
                    let own = self.with.0.get(&fold_identifier(ident))?.clone()?;
                    named_by(alias.as_ref(), own)?
                }
            },
            TableFactor::Derived {
                subquery, alias, ..
            } => named_by(alias.as_ref(), self.of_query(subquery, depth + 1)?)?,
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => return self.of_table(table_with_joins, depth + 1),
            _ => return None,
        };
        let table = called(factor).ok()?;
        let shown = names.into_iter().map(|name| Shown {
            expr: Expr::CompoundIdentifier(vec![table.clone(), quoted(name.clone())]),
            name,
        });
        Some(shown.collect())
    }

    /// The names of the columns of a query.
    fn of_query(self, query: &Query, depth: usize) -> Option<Vec<String>> {
        self.of_body(&query.body, depth)
    }

    fn of_body(self, body: &SetExpr, depth: usize) -> Option<Vec<String>> {
        if depth > DEEPEST {
            return None;
        }
        match body {
            SetExpr::Select(select) => self.of_select(select, depth),
            SetExpr::Query(inner) => self.of_query(inner, depth + 1),
            SetExpr::SetOperation { left, .. } => self.of_body(left, depth + 1),
            SetExpr::Values(values) => {
                let width = values.rows.first()?.len();
                Some((1..=width).map(|n| format!("column{n}")).collect())
            }
            _ => None,
        }
    }

    fn of_select(self, select: &Select, depth: usize) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => names.push(column_name(expr)),
                SelectItem::ExprWithAlias { alias, .. } => names.push(fold_identifier(alias)),
                SelectItem::Wildcard(_) => {
                    for table in &select.from {
                        names.extend(self.of_table(table, depth + 1)?.into_iter().map(|c| c.name));
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let wanted = fold_identifier(name.0.last()?.as_ident()?);
                    let factors = select.from.iter().flat_map(|table| {
                        let joined = table.joins.iter().map(|join| &join.relation);
                        std::iter::once(&table.relation).chain(joined)
                    });
                    let mut named = factors.filter(|factor| {
                        called(factor).is_ok_and(|table| fold_identifier(&table) == wanted)
                    });
                    let own = self.of_factor(named.next()?, depth + 1)?;
                    names.extend(own.into_iter().map(|column| column.name));
                }
                _ => return None,
            }
        }
        Some(names)
    }
}
