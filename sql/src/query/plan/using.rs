//! The merged column of `RIGHT JOIN … USING` and `FULL JOIN … USING`.
//!
//! The planner takes a merged column from the left side always. PostgreSQL takes
//! it from the right side of a right join, and from whichever side has a row of
//! a full join.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectNamePart, OrderBy, OrderByKind, Query, Select,
    SelectItem, SetExpr, TableAliasColumnDef, TableFactor, VisitMut, VisitorMut,
};

use super::PlanContext;
use super::names::{column_name, quoted};
use super::rewrite::call;
use crate::catalog::{QualifiedName, fold_identifier};
use crate::error::SqlError;

/// Looks up the columns of a table in FROM.
pub(super) type ColumnsOf<'a> = &'a dyn Fn(&TableFactor) -> Option<Vec<String>>;

/// Names the side of merged columns in every SELECT of `query`, not in its
/// subqueries.
///
/// # Errors
/// 0A000 where that would need more than two tables with names.
pub(super) fn name_sides(query: &mut Query, columns: ColumnsOf<'_>) -> Result<(), SqlError> {
    super::merged::qualify(query, columns)?;
    body(&mut query.body, query.order_by.as_mut(), columns)
}

fn body(
    expr: &mut SetExpr,
    order_by: Option<&mut OrderBy>,
    columns: ColumnsOf<'_>,
) -> Result<(), SqlError> {
    match expr {
        SetExpr::Select(select) => match Merged::of(select)? {
            Some(merged) => merged.rewrite(select, order_by, columns),
            None => super::joined_star::expand(select, columns),
        },
        SetExpr::SetOperation { left, right, .. } => {
            body(left, None, columns)?;
            body(right, None, columns)
        }
        _ => Ok(()),
    }
}

/// The merged columns of one join.
struct Merged {
    columns: Vec<String>,
    left: Ident,
    right: Ident,
    full: bool,
}

fn refused() -> SqlError {
    SqlError::unsupported("this kind of RIGHT or FULL JOIN with USING or NATURAL")
}

impl Merged {
    fn of(select: &Select) -> Result<Option<Self>, SqlError> {
        let outer = |operator: &JoinOperator| match operator {
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => Some((c.clone(), false)),
            JoinOperator::FullOuter(c) => Some((c.clone(), true)),
            _ => None,
        };
        let merging =
            |c: &JoinConstraint| matches!(c, JoinConstraint::Using(_) | JoinConstraint::Natural);
        let mut found = None;
        for table in &select.from {
            for join in &table.joins {
                match outer(&join.join_operator) {
                    Some((constraint, full)) if merging(&constraint) => {
                        found = Some((table, join, constraint, full));
                    }
                    _ => {}
                }
            }
        }
        let Some((table, join, constraint, full)) = found else {
            return Ok(None);
        };
        let JoinConstraint::Using(names) = constraint else {
            return Err(refused());
        };
        if select.from.len() != 1 || table.joins.len() != 1 {
            return Err(refused());
        }
        let mut columns = Vec::with_capacity(names.len());
        for name in &names {
            match name.0.as_slice() {
                [ObjectNamePart::Identifier(ident)] => columns.push(fold_identifier(ident)),
                _ => return Err(refused()),
            }
        }
        Ok(Some(Self {
            columns,
            left: called(&table.relation)?,
            right: called(&join.relation)?,
            full,
        }))
    }

    fn value(&self, column: &str) -> Expr {
        let of = |side: &Ident| Expr::CompoundIdentifier(vec![side.clone(), quoted(column)]);
        if self.full {
            call("coalesce", vec![of(&self.left), of(&self.right)])
        } else {
            of(&self.right)
        }
    }

    fn rewrite(
        &self,
        select: &mut Select,
        order_by: Option<&mut OrderBy>,
        columns_of: ColumnsOf<'_>,
    ) -> Result<(), SqlError> {
        self.expand_star(select, columns_of)?;
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = column_name(expr);
                    if self.replace(expr)? {
                        let expr = std::mem::replace(expr, Expr::Identifier(quoted("")));
                        *item = SelectItem::ExprWithAlias {
                            expr,
                            alias: quoted(name),
                        };
                    }
                }
                SelectItem::ExprWithAlias { expr, .. } => {
                    self.replace(expr)?;
                }
                _ => {}
            }
        }
        if let Some(OrderBy {
            kind: OrderByKind::Expressions(exprs),
            ..
        }) = order_by
        {
            for item in exprs {
                if !names_a_column(&item.expr, select) {
                    self.replace(&mut item.expr)?;
                }
            }
        }
        for expr in [&mut select.selection, &mut select.having]
            .into_iter()
            .flatten()
        {
            self.replace(expr)?;
        }
        self.replace(&mut select.group_by)?;
        self.replace(&mut select.distinct)?;
        self.replace(&mut select.named_window)?;
        Ok(())
    }

    /// `*` as the merged columns, then the others of the left and right table.
    fn expand_star(&self, select: &mut Select, columns_of: ColumnsOf<'_>) -> Result<(), SqlError> {
        if !select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_)))
        {
            return Ok(());
        }
        let Some(table) = select.from.first() else {
            return Ok(());
        };
        let mut columns: Vec<SelectItem> = self
            .columns
            .iter()
            .map(|column| SelectItem::ExprWithAlias {
                expr: self.value(column),
                alias: quoted(column.clone()),
            })
            .collect();
        let relations =
            std::iter::once(&table.relation).chain(table.joins.iter().map(|j| &j.relation));
        for (relation, side) in relations.zip([&self.left, &self.right]) {
            for name in columns_of(relation).ok_or_else(refused)? {
                if !self.columns.contains(&name) {
                    columns.push(SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![
                        side.clone(),
                        quoted(name),
                    ])));
                }
            }
        }
        let old = std::mem::take(&mut select.projection);
        for item in old {
            match item {
                SelectItem::Wildcard(_) => select.projection.extend(columns.iter().cloned()),
                other => select.projection.push(other),
            }
        }
        Ok(())
    }

    /// Replaces the merged columns; says whether there were any.
    fn replace(&self, part: &mut impl VisitMut) -> Result<bool, SqlError> {
        let mut replacer = Replacer {
            merged: self,
            depth: 0,
            replaced: false,
        };
        match part.visit(&mut replacer) {
            ControlFlow::Continue(()) => Ok(replacer.replaced),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

/// Whether an ORDER BY expression is the name of a result column.
fn names_a_column(expr: &Expr, select: &Select) -> bool {
    let Expr::Identifier(ident) = expr else {
        return false;
    };
    let name = fold_identifier(ident);
    select.projection.iter().any(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => fold_identifier(alias) == name,
        _ => false,
    })
}

/// What the columns of a table are qualified by.
pub(super) fn called(factor: &TableFactor) -> Result<Ident, SqlError> {
    match factor {
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } => Ok(alias.name.clone()),
        TableFactor::Table { name, .. } => match name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => Ok(ident.clone()),
            _ => Err(refused()),
        },
        _ => Err(refused()),
    }
}

/// The columns of a stored table, by the names that its alias gives them.
pub(super) fn columns_of(
    factor: &TableFactor,
    context: &PlanContext,
    ctes: &[String],
) -> Option<Vec<String>> {
    let TableFactor::Table {
        name,
        args: None,
        alias,
        ..
    } = factor
    else {
        return None;
    };
    let named = alias.iter().flat_map(|alias| &alias.columns);
    let mut columns: Vec<String> = named.map(|c| fold_identifier(&c.name)).collect();
    let name = QualifiedName::from_ast(name, &context.database).ok()?;
    if name.schema.is_none() && ctes.contains(&name.name) {
        return None;
    }
    let relation = context.relation(&name).ok()?;
    let given = columns.len();
    columns.extend(relation.column_names().into_iter().skip(given));
    Some(columns)
}

/// `t AS x(a)` names the first columns of a stored table; the others keep theirs.
pub(super) fn complete_alias(factor: &mut TableFactor, context: &PlanContext, ctes: &[String]) {
    let TableFactor::Table {
        alias: Some(alias), ..
    } = factor
    else {
        return;
    };
    let named = std::mem::take(&mut alias.columns);
    let own = match named.is_empty() {
        true => None,
        false => columns_of(factor, context, ctes),
    };
    let TableFactor::Table {
        alias: Some(alias), ..
    } = factor
    else {
        return;
    };
    let more = own.unwrap_or_default().into_iter().skip(named.len());
    alias.columns = named;
    alias.columns.extend(more.map(|name| TableAliasColumnDef {
        name: quoted(name),
        data_type: None,
    }));
}

struct Replacer<'a> {
    merged: &'a Merged,
    depth: usize,
    replaced: bool,
}

impl VisitorMut for Replacer<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let Expr::Identifier(ident) = expr else {
            return ControlFlow::Continue(());
        };
        let name = fold_identifier(ident);
        if !self.merged.columns.contains(&name) {
            return ControlFlow::Continue(());
        }
        // A subquery may have a column of that name itself.
        if self.depth > 0 {
            return ControlFlow::Break(refused());
        }
        self.replaced = true;
        *expr = self.merged.value(&name);
        ControlFlow::Continue(())
    }
}
