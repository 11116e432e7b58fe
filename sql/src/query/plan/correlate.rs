//! Subqueries that the planner can only join when they refer to the enclosing
//! query by equalities.
//!
//! Two rewrites that change no result: where `inner.x = outer.y` must hold, other
//! conditions may say `inner.x` for `outer.y`; and a condition that is only about
//! the enclosing query is asked there, before the subquery.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, Ident, ObjectNamePart, Query, Select, SelectItem,
    SetExpr, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::names::quoted;
use super::rewrite::{aggregate as array_aggregate, call};
use super::series_item::SERIES;
use crate::catalog::fold_identifier;
use crate::query::is_aggregate;

/// Looks for aggregates, which give a row even where there is none. Those of
/// subqueries are not the query's own.
#[derive(Default)]
struct Aggregates {
    depth: usize,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && self.depth == 0
            && function.over.is_none()
            && let Some(ident) = function.name.0.last().and_then(ObjectNamePart::as_ident)
            && (!function.within_group.is_empty() || is_aggregate(&fold_identifier(ident)))
        {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Whether a SELECT without groups gives exactly one row.
pub(super) fn has_aggregate(select: &Select) -> bool {
    select
        .projection
        .iter()
        .any(|item| item.visit(&mut Aggregates::default()).is_break())
}

/// Whether an expression calls an aggregate.
pub(super) fn mentions_aggregate(expr: &Expr) -> bool {
    expr.visit(&mut Aggregates::default()).is_break()
}

/// What a table of a FROM is referred to by: its schema, when it may be written
/// before the name, and its name.
pub(super) type TableName = (Option<String>, String);

/// Names of the tables of a FROM; `None` when some have none.
pub(super) fn table_names(select: &Select) -> Option<Vec<TableName>> {
    let mut names = Vec::new();
    let factors = select
        .from
        .iter()
        .flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)));
    for factor in factors {
        let (TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. }) = factor else {
            return None;
        };
        names.push(match (alias, factor) {
            (Some(alias), _) => (None, fold_identifier(&alias.name)),
            (None, TableFactor::Table { name, .. }) => match name.0.as_slice() {
                [table] => (None, fold_identifier(table.as_ident()?)),
                [schema, table] => (
                    Some(fold_identifier(schema.as_ident()?)),
                    fold_identifier(table.as_ident()?),
                ),
                _ => return None,
            },
            _ => return None,
        });
    }
    Some(names)
}

/// What a condition refers to.
#[derive(Default)]
struct References<'a> {
    inner_names: &'a [TableName],
    inner: bool,
    outer: bool,
    /// Names without table, or subqueries: they may be anything.
    other: bool,
}

impl Visitor for References<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.other = true;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(_) => self.other = true,
            Expr::CompoundIdentifier(parts) => match is_inner(parts, self.inner_names) {
                Some(true) => self.inner = true,
                Some(false) => self.outer = true,
                None => self.other = true,
            },
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Whether `table.column` is of one of the tables; `None` when that is not sure.
pub(super) fn is_inner(parts: &[Ident], inner_names: &[TableName]) -> Option<bool> {
    let (schema, table) = match parts {
        [table, _] => (None, fold_identifier(table)),
        [schema, table, _] => (Some(fold_identifier(schema)), fold_identifier(table)),
        _ => return None,
    };
    let Some((own, _)) = inner_names.iter().find(|(_, name)| *name == table) else {
        return Some(false);
    };
    (schema.is_none() || schema == *own).then_some(true)
}

fn conjuncts(expr: Expr, out: &mut Vec<Expr>) {
    match expr {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            conjuncts(*left, out);
            conjuncts(*right, out);
        }
        other => out.push(other),
    }
}

fn conjunction(parts: Vec<Expr>) -> Option<Expr> {
    parts.into_iter().reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    })
}

/// Replaces columns of the enclosing query by equal columns of the subquery.
struct Substitute(HashMap<String, Expr>);

impl VisitorMut for Substitute {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::CompoundIdentifier(_))
            && let Some(equal) = self.0.get(&expr.to_string())
        {
            *expr = equal.clone();
        }
        ControlFlow::Continue(())
    }
}

/// The columns of the enclosing query that conditions equate with inner columns.
fn equated(conditions: &[Expr], inner_names: &[TableName]) -> HashMap<String, Expr> {
    let mut equal = HashMap::new();
    for condition in conditions {
        let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = condition
        else {
            continue;
        };
        let (Expr::CompoundIdentifier(l), Expr::CompoundIdentifier(r)) =
            (left.as_ref(), right.as_ref())
        else {
            continue;
        };
        match (is_inner(l, inner_names), is_inner(r, inner_names)) {
            (Some(true), Some(false)) => equal.insert(right.to_string(), left.as_ref().clone()),
            (Some(false), Some(true)) => equal.insert(left.to_string(), right.as_ref().clone()),
            _ => None,
        };
    }
    equal
}

/// Rewrites a scalar subquery.
pub(super) fn scalar_subquery(expr: &mut Expr) {
    let Expr::Subquery(query) = expr else {
        return;
    };
    if query.with.is_some() {
        return;
    }
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let Some(guard) = simplify(select) else {
        return;
    };
    let subquery = std::mem::replace(expr, Expr::Value(Value::Null.with_empty_span()));
    *expr = case(guard, subquery, None);
}

fn case(condition: Expr, result: Expr, otherwise: Option<Expr>) -> Expr {
    use sqlparser::ast::helpers::attached_token::AttachedToken;
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: otherwise.map(Box::new),
    }
}

/// Rewrites the conditions; what has to be asked in the enclosing query.
fn simplify(select: &mut Select) -> Option<Expr> {
    let inner_names = table_names(select)?;
    let mut parts = Vec::new();
    conjuncts(select.selection.take()?, &mut parts);
    let mut substitute = Substitute(equated(&parts, &inner_names));
    let movable = !has_aggregate(select);
    let mut guards = Vec::new();
    let mut kept = Vec::new();
    for mut part in parts {
        let mut found = References {
            inner_names: &inner_names,
            ..References::default()
        };
        let _ = part.visit(&mut found);
        let equality = matches!(
            part,
            Expr::BinaryOp {
                op: BinaryOperator::Eq,
                ..
            }
        );
        if movable && found.outer && !found.inner && !found.other {
            guards.push(part);
            continue;
        }
        if found.outer && found.inner && !equality {
            let _ = VisitMut::visit(&mut part, &mut substitute);
        }
        kept.push(part);
    }
    select.selection = conjunction(kept);
    conjunction(guards)
}

/// `ARRAY(SELECT x … ORDER BY …)` as an aggregate; `None` when the query is of a
/// form that this is not the same for.
pub(super) fn array_subquery(query: &mut Query) -> Option<Expr> {
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let grouped = match &select.group_by {
        sqlparser::ast::GroupByExpr::Expressions(exprs, _) => !exprs.is_empty(),
        sqlparser::ast::GroupByExpr::All(_) => true,
    };
    if grouped || select.distinct.is_some() || select.having.is_some() || has_aggregate(select) {
        return None;
    }
    let [item] = select.projection.as_mut_slice() else {
        return None;
    };
    let (SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }) = item
    else {
        return None;
    };
    let value = value.clone();
    let mut aggregate = call("array_agg", vec![value.clone()]);
    if let Some(order) = query.order_by.take() {
        let sqlparser::ast::OrderByKind::Expressions(mut order) = order.kind else {
            return None;
        };
        for item in &mut order {
            if matches!(&item.expr, Expr::Value(v) if matches!(v.value, Value::Number(..))) {
                item.expr = value.clone();
            }
        }
        if let Expr::Function(Function {
            args: FunctionArguments::List(list),
            ..
        }) = &mut aggregate
        {
            list.clauses.push(FunctionArgumentClause::OrderBy(order));
        }
    }
    // No rows give an empty array, not NULL.
    let empty = Expr::Value(Value::SingleQuotedString("{}".to_owned()).with_empty_span());
    let some = Expr::IsNotNull(Box::new(aggregate.clone()));
    let array = match aggregate {
        Expr::Function(function) => array_aggregate(function),
        other => other,
    };
    let aggregate = case(some, array, Some(empty));
    *item = SelectItem::ExprWithAlias {
        expr: aggregate,
        alias: quoted("array"),
    };
    let mut whole = Expr::Subquery(Box::new(query.clone()));
    scalar_subquery(&mut whole);
    Some(whole)
}

/// Functions of arrays that give rows, as `unnest` of an array.
pub(super) fn rows_of_array(name: &str, function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(array))) = list.args.first() else {
        return None;
    };
    match name {
        "generate_subscripts" | SERIES => {
            let args = list
                .args
                .iter()
                .filter_map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => Some(arg.clone()),
                    _ => None,
                })
                .collect();
            let array = if name == SERIES {
                "__series"
            } else {
                "__subscripts"
            };
            Some(elements(call(array, args)))
        }
        "_pg_expandarray" => Some(elements(array.clone())),
        _ => None,
    }
}

/// The elements of an array as rows.
fn elements(array: Expr) -> Expr {
    call("unnest", vec![call("__list", vec![array])])
}

/// `(information_schema._pg_expandarray(a)).n`; `.x` of such a pair is the pair itself,
/// which is its first member alone.
pub(super) fn pair_member(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else {
        return;
    };
    let ([AccessExpr::Dot(Expr::Identifier(member))], Expr::Nested(pair)) =
        (access_chain.as_slice(), root.as_ref())
    else {
        return;
    };
    if let ("n", Expr::Function(function)) = (fold_identifier(member).as_str(), pair.as_ref())
        && let Some(positions) = positions(function)
    {
        *expr = positions;
    }
}

fn positions(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))]
            if function.name.to_string().trim_matches('"') == "unnest" =>
        {
            Some(elements(call("__positions", vec![array.clone()])))
        }
        _ => None,
    }
}
