//! `*` over joins that merge columns, and joins that have a name.
//!
//! The merged columns of USING and NATURAL come first in `*`, then the others of the
//! left side, then those of the right; the planner keeps them where they stood. And
//! `(a JOIN b USING (x)) j` has each merged column once: it becomes a subquery.

use sqlparser::ast::{
    Expr, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, WildcardAdditionalOptions, With,
};

use super::super::PlanContext;
use super::super::names::{column_name, marked, quoted};
use super::super::rewrite::call;
use super::super::using;
use super::select::{query_of, star_from};
use crate::catalog::fold_identifier;

/// Columns by name, and what each of them is.
type Columns = Vec<(String, Expr)>;

/// Rewrites the SELECTs of a query, not those of its subqueries. Where a table's columns
/// are not known here, its SELECT stays as it is.
pub(super) fn expand(query: &mut Query, context: &PlanContext, ctes: &[String]) {
    let with = query.with.clone();
    let stars = Stars {
        context,
        ctes,
        with: with.as_ref(),
    };
    stars.body(&mut query.body);
}

struct Stars<'a> {
    context: &'a PlanContext,
    /// Names that WITH gives anywhere.
    ctes: &'a [String],
    /// The WITH of the query.
    with: Option<&'a With>,
}

impl Stars<'_> {
    fn body(&self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            _ => {}
        }
    }

    fn select(&self, select: &mut Select) {
        for table in &mut select.from {
            self.name_joins(table);
        }
        let has_star = select.projection.iter().any(is_star);
        if !has_star || !select.from.iter().any(merges) {
            return;
        }
        let Some(columns) = self.all(&select.from) else {
            return;
        };
        for item in std::mem::take(&mut select.projection) {
            if !is_star(&item) {
                select.projection.push(item);
                continue;
            }
            for (name, expr) in &columns {
                select.projection.push(SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: quoted(name.clone()),
                });
            }
        }
    }

    /// What `*` stands for; nothing where two relations have the same name.
    fn all(&self, from: &[TableWithJoins]) -> Option<Columns> {
        let mut names = Vec::new();
        let mut columns = Vec::new();
        for table in from {
            columns.extend(self.table(table, &mut names)?);
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        (names.len() == all).then_some(columns)
    }

    fn table(&self, table: &TableWithJoins, names: &mut Vec<String>) -> Option<Columns> {
        let mut left = self.factor(&table.relation, names)?;
        for join in &table.joins {
            let right = self.factor(&join.relation, names)?;
            left = joined(left, right, &join.join_operator)?;
        }
        Some(left)
    }

    fn factor(&self, factor: &TableFactor, names: &mut Vec<String>) -> Option<Columns> {
        if let TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } = factor
        {
            return self.table(table_with_joins, names);
        }
        let columns = self.columns_of(factor)?;
        let called = using::called(factor).ok()?;
        names.push(fold_identifier(&called));
        let of = |name: String| {
            let expr = Expr::CompoundIdentifier(vec![called.clone(), quoted(name.clone())]);
            (name, expr)
        };
        Some(columns.into_iter().map(of).collect())
    }

    /// The names of a relation's columns.
    fn columns_of(&self, factor: &TableFactor) -> Option<Vec<String>> {
        let (alias, own) = match factor {
            TableFactor::Table {
                name,
                args: None,
                alias,
                ..
            } => {
                if let Some(columns) = using::columns_of(factor, self.context, self.ctes) {
                    return Some(columns);
                }
                let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else {
                    return None;
                };
                let name = fold_identifier(name);
                let known = &self.with?.cte_tables;
                let cte = known
                    .iter()
                    .find(|c| fold_identifier(&c.alias.name) == name)?;
                let own = self.columns_of_query(&cte.query)?;
                (alias.as_ref(), renamed(own, Some(&cte.alias)))
            }
            TableFactor::Derived {
                subquery, alias, ..
            } => (alias.as_ref(), self.columns_of_query(subquery)?),
            _ => return None,
        };
        Some(renamed(own, alias))
    }

    fn columns_of_query(&self, query: &Query) -> Option<Vec<String>> {
        let inner = Stars {
            context: self.context,
            ctes: self.ctes,
            with: query.with.as_ref().or(self.with),
        };
        inner.columns_of_body(&query.body)
    }

    fn columns_of_body(&self, body: &SetExpr) -> Option<Vec<String>> {
        let select = match body {
            SetExpr::Select(select) => select,
            SetExpr::Query(query) => return self.columns_of_query(query),
            SetExpr::SetOperation { left, .. } => return self.columns_of_body(left),
            SetExpr::Values(values) => {
                let width = values.rows.first()?.content.len();
                return Some((1..=width).map(|n| format!("column{n}")).collect());
            }
            _ => return None,
        };
        let mut names = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => names.push(column_name(expr)),
                SelectItem::ExprWithAlias { alias, .. } => names.push(fold_identifier(alias)),
                item if is_star(item) => {
                    let columns = self.all(&select.from)?;
                    names.extend(columns.into_iter().map(|(name, _)| name));
                }
                _ => return None,
            }
        }
        Some(names)
    }

    /// Makes joins that have a name subqueries.
    fn name_joins(&self, table: &mut TableWithJoins) {
        self.name_join(&mut table.relation);
        for join in &mut table.joins {
            self.name_join(&mut join.relation);
        }
    }

    fn name_join(&self, factor: &mut TableFactor) {
        let TableFactor::NestedJoin {
            table_with_joins,
            alias,
        } = factor
        else {
            return;
        };
        self.name_joins(table_with_joins);
        let Some(alias) = alias.as_ref() else {
            return;
        };
        let from = [table_with_joins.as_ref().clone()];
        let Some(columns) = self.all(&from) else {
            return;
        };
        let own = columns.iter().map(|(name, _)| name.clone()).collect();
        let seen = renamed(own, Some(alias));
        let mut select = star_from(from.to_vec());
        select.projection = columns
            .into_iter()
            .enumerate()
            .map(|(at, (name, expr))| SelectItem::ExprWithAlias {
                expr,
                alias: quoted(marked(&name, at)),
            })
            .collect();
        // A name that several columns have means none of them.
        let twice = |name: &String| seen.iter().filter(|n| *n == name).count() > 1;
        let column = |(at, name): (usize, &String)| TableAliasColumnDef {
            name: quoted(if twice(name) {
                marked(name, at)
            } else {
                name.clone()
            }),
            data_type: None,
        };
        *factor = TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query_of(select)),
            alias: Some(TableAlias {
                explicit: true,
                name: alias.name.clone(),
                columns: seen.iter().enumerate().map(column).collect(),
                at: None,
            }),
            sample: None,
        };
    }
}

/// Names with those of an alias in place of the first ones.
fn renamed(mut own: Vec<String>, alias: Option<&TableAlias>) -> Vec<String> {
    let given = alias.iter().flat_map(|alias| &alias.columns);
    for (name, alias) in own.iter_mut().zip(given) {
        *name = fold_identifier(&alias.name);
    }
    own
}

/// Whether an item is `*` and nothing else.
fn is_star(item: &SelectItem) -> bool {
    let plain = |options: &WildcardAdditionalOptions| {
        options.opt_ilike.is_none()
            && options.opt_exclude.is_none()
            && options.opt_except.is_none()
            && options.opt_replace.is_none()
            && options.opt_rename.is_none()
            && options.opt_alias.is_none()
    };
    matches!(item, SelectItem::Wildcard(options) if plain(options))
}

/// Whether any join merges columns.
fn merges(table: &TableWithJoins) -> bool {
    let nested = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } => merges(table_with_joins),
        _ => false,
    };
    nested(&table.relation)
        || table.joins.iter().any(|join| {
            let constraint = constraint(&join.join_operator).map(|(c, _)| c);
            matches!(
                constraint,
                Some(JoinConstraint::Using(_) | JoinConstraint::Natural)
            ) || nested(&join.relation)
        })
}

/// Which side of a join merged columns are taken from.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Either,
}

fn constraint(operator: &JoinOperator) -> Option<(&JoinConstraint, Side)> {
    Some(match operator {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::CrossJoin(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on) => (on, Side::Left),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (on, Side::Right),
        JoinOperator::FullOuter(on) => (on, Side::Either),
        _ => return None,
    })
}

/// The columns of a join.
fn joined(left: Columns, right: Columns, operator: &JoinOperator) -> Option<Columns> {
    let (constraint, side) = constraint(operator)?;
    let merged: Vec<String> = match constraint {
        JoinConstraint::Using(names) => names
            .iter()
            .map(|name| match name.0.as_slice() {
                [ObjectNamePart::Identifier(name)] => Some(fold_identifier(name)),
                _ => None,
            })
            .collect::<Option<_>>()?,
        JoinConstraint::Natural => {
            let shared = |name: &&(String, Expr)| right.iter().any(|(own, _)| *own == name.0);
            left.iter()
                .filter(shared)
                .map(|(name, _)| name.clone())
                .collect()
        }
        JoinConstraint::On(_) | JoinConstraint::None => Vec::new(),
    };
    let one = |columns: &Columns, name: &String| {
        let mut found = columns.iter().filter(|(own, _)| own == name);
        let first = found.next().map(|(_, expr)| expr.clone());
        first.filter(|_| found.next().is_none())
    };
    let mut all = Vec::with_capacity(left.len() + right.len());
    for name in &merged {
        let (a, b) = (one(&left, name)?, one(&right, name)?);
        let expr = match side {
            Side::Left => a,
            Side::Right => b,
            Side::Either => call("coalesce", vec![a, b]),
        };
        all.push((name.clone(), expr));
    }
    let rest = left.into_iter().chain(right);
    all.extend(rest.filter(|(name, _)| !merged.contains(name)));
    Some(all)
}
