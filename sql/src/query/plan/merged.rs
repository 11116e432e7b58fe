//! Merged columns.
//!
//! `x` in `SELECT x FROM a JOIN b USING (x)` is a column of the join. The planner
//! knows that only where `x` stands alone and no query is around it: in a subquery it
//! finds `x` in both tables, and looks for another one further out; in an operator it
//! takes it for ambiguous. So queries say which table they mean. A name that two tables
//! have without being merged means none.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectNamePart, OrderBy, OrderByKind, Query, Select,
    SelectItem, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::names::quoted;
use super::using::{ColumnsOf, called};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// Names the table of unqualified columns that several tables have, in every SELECT
/// of a query, not in its subqueries.
///
/// # Errors
/// 42702 for a name that is ambiguous.
pub(super) fn qualify(query: &mut Query, columns: ColumnsOf<'_>) -> Result<(), SqlError> {
    body(&mut query.body, query.order_by.as_mut(), columns)
}

fn body(
    expr: &mut SetExpr,
    order_by: Option<&mut OrderBy>,
    columns: ColumnsOf<'_>,
) -> Result<(), SqlError> {
    match expr {
        SetExpr::Select(select) => in_select(select, order_by, columns),
        SetExpr::SetOperation { left, right, .. } => {
            body(left, None, columns)?;
            body(right, None, columns)
        }
        _ => Ok(()),
    }
}

/// What an unqualified name means.
enum Meaning {
    /// The column of this table.
    Of(Ident),
    /// Columns of several tables.
    Ambiguous,
}

fn in_select(
    select: &mut Select,
    order_by: Option<&mut OrderBy>,
    columns: ColumnsOf<'_>,
) -> Result<(), SqlError> {
    let mut meanings = HashMap::new();
    for table in &select.from {
        add_table(table, columns, &mut meanings);
    }
    let mut qualifier = Qualifier { meanings, depth: 0 };
    let aliases: Vec<String> = select
        .projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(fold_identifier(alias)),
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(fold_identifier(ident)),
            _ => None,
        })
        .collect();
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            qualifier.visit(expr)?;
        }
    }
    for expr in [&mut select.selection, &mut select.having]
        .into_iter()
        .flatten()
    {
        qualifier.visit(expr)?;
    }
    qualifier.visit(&mut select.group_by)?;
    if let Some(OrderBy {
        kind: OrderByKind::Expressions(exprs),
        ..
    }) = order_by
    {
        for item in exprs {
            let output =
                matches!(&item.expr, Expr::Identifier(i) if aliases.contains(&fold_identifier(i)));
            if !output {
                qualifier.visit(&mut item.expr)?;
            }
        }
    }
    Ok(())
}

/// Adds the columns of a table and of what is joined to it.
fn add_table(
    table: &TableWithJoins,
    columns_of: ColumnsOf<'_>,
    meanings: &mut HashMap<String, (Ident, Option<Meaning>)>,
) {
    add_columns(&table.relation, columns_of, &[], meanings);
    for join in &table.joins {
        let constraint = match &join.join_operator {
            JoinOperator::Join(c)
            | JoinOperator::Inner(c)
            | JoinOperator::Left(c)
            | JoinOperator::LeftOuter(c) => Some(c),
            _ => None,
        };
        let merged: Vec<String> = match constraint {
            Some(JoinConstraint::Using(names)) => names
                .iter()
                .filter_map(|name| match name.0.as_slice() {
                    [ObjectNamePart::Identifier(ident)] => Some(fold_identifier(ident)),
                    _ => None,
                })
                .collect(),
            Some(JoinConstraint::Natural) => columns_of(&join.relation)
                .unwrap_or_default()
                .into_iter()
                .filter(|name| meanings.contains_key(name))
                .collect(),
            _ => Vec::new(),
        };
        if let (Some(JoinConstraint::Using(_)), [first, ..], Ok(left)) =
            (constraint, table.joins.as_slice(), called(&table.relation))
            && std::ptr::eq(first, join)
        {
            // Whatever else a subquery has, it has what is merged.
            for name in &merged {
                let meaning = || (left.clone(), Some(Meaning::Of(left.clone())));
                meanings.entry(name.clone()).or_insert_with(meaning);
            }
        }
        // The other outer joins have their own rules, or none that are known.
        let known =
            constraint.is_some() || matches!(join.join_operator, JoinOperator::CrossJoin(_));
        if known {
            add_columns(&join.relation, columns_of, &merged, meanings);
        }
    }
}

fn add_columns(
    factor: &TableFactor,
    columns_of: ColumnsOf<'_>,
    merged: &[String],
    meanings: &mut HashMap<String, (Ident, Option<Meaning>)>,
) {
    let (Ok(table), Some(columns)) = (called(factor), columns_of(factor)) else {
        return;
    };
    for column in columns {
        match meanings.get_mut(&column) {
            None => {
                meanings.insert(column, (table.clone(), None));
            }
            Some((first, meaning)) => {
                *meaning = Some(if merged.contains(&column) {
                    Meaning::Of(first.clone())
                } else {
                    Meaning::Ambiguous
                });
            }
        }
    }
}

struct Qualifier {
    /// By name: the first table that has it, and what it means if others have it too.
    meanings: HashMap<String, (Ident, Option<Meaning>)>,
    depth: usize,
}

impl Qualifier {
    fn visit(&mut self, part: &mut impl VisitMut) -> Result<(), SqlError> {
        match part.visit(self) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

impl VisitorMut for Qualifier {
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
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let name = fold_identifier(ident);
        match self.meanings.get(&name) {
            Some((_, Some(Meaning::Of(table)))) => {
                *expr = Expr::CompoundIdentifier(vec![table.clone(), quoted(name)]);
                ControlFlow::Continue(())
            }
            Some((_, Some(Meaning::Ambiguous))) => ControlFlow::Break(SqlError::new(
                state::AMBIGUOUS_COLUMN,
                format!("column reference \"{name}\" is ambiguous"),
            )),
            _ => ControlFlow::Continue(()),
        }
    }
}
