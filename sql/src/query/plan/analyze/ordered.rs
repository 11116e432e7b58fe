//! The order of a subquery's rows, for functions whose result depends on it.
//!
//! `SELECT array_agg(x) FROM (SELECT x FROM t ORDER BY y) s` gathers the values in the
//! order of `y`. The planner takes the rows of a subquery for a set, so the keys of its
//! sort are carried up to the aggregate, which is asked to sort by them itself.

use std::sync::Arc;

use datafusion::common::{Column, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::{AggregateFunction, Alias, Sort as Key};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Limit, LogicalPlan, LogicalPlanBuilder, Projection, Sort,
    SubqueryAlias, Window,
};

use super::super::super::functions::BYTES_AGG;
use super::super::super::functions::window::FRAMED;
use super::shared::windows_once;

/// Starts the names of columns that are carried up.
const CARRIED: &str = "\u{1f}carried";

/// Aggregates whose result depends on the order of the rows.
const GATHER: [&str; 5] = [
    "array_agg",
    "string_agg",
    BYTES_AGG,
    "first_value",
    "last_value",
];

/// Window functions that take other rows by their place.
const PLACED: [&str; 8] = [
    // One over a frame that the planner has no operator for.
    FRAMED,
    "row_number",
    "first_value",
    "last_value",
    "nth_value",
    "lag",
    "lead",
    "ntile",
];

/// Window functions that ask which rows are peers, which an order changes.
const PEERS: [&str; 4] = ["rank", "dense_rank", "percent_rank", "cume_dist"];

/// A plan whose rows are in an order, with the keys among its columns.
struct Ordered {
    plan: LogicalPlan,
    keys: Vec<Key>,
}

/// A key by a column.
fn key(column: Column, like: &Key) -> Key {
    Key::new(Expr::Column(column), like.asc, like.nulls_first)
}

fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema()
        .iter()
        .map(|(qualifier, field)| Expr::Column(Column::from((qualifier, field))))
        .collect()
}

/// The order that a plan's rows come in, if its query asks for one.
fn ordered(plan: &LogicalPlan) -> Result<Option<Ordered>> {
    Ok(match plan {
        LogicalPlan::Sort(sort) => Some(sorted(sort)?),
        LogicalPlan::SubqueryAlias(alias) => match ordered(&alias.input)? {
            Some(inner) => Some(renamed(inner, alias)?),
            None => None,
        },
        LogicalPlan::Projection(projection) => match ordered(&projection.input)? {
            Some(inner) => Some(carried(inner, projection)?),
            None => None,
        },
        LogicalPlan::Filter(filter) => match ordered(&filter.input)? {
            Some(inner) => Some(Ordered {
                plan: LogicalPlan::Filter(Filter::try_new(
                    filter.predicate.clone(),
                    Arc::new(inner.plan),
                )?),
                keys: inner.keys,
            }),
            None => None,
        },
        LogicalPlan::Limit(limit) => ordered(&limit.input)?.map(|inner| Ordered {
            plan: LogicalPlan::Limit(Limit {
                skip: limit.skip.clone(),
                fetch: limit.fetch.clone(),
                input: Arc::new(inner.plan),
            }),
            keys: inner.keys,
        }),
        _ => None,
    })
}

/// A sort, by columns only.
fn sorted(sort: &Sort) -> Result<Ordered> {
    let mut columns = columns_of(&sort.input);
    let width = columns.len();
    let mut keys = Vec::with_capacity(sort.expr.len());
    for item in &sort.expr {
        if let Expr::Column(column) = &item.expr {
            keys.push(key(column.clone(), item));
            continue;
        }
        let name = format!("{CARRIED}{}", columns.len());
        columns.push(item.expr.clone().alias(name.as_str()));
        keys.push(key(Column::new_unqualified(name), item));
    }
    let input = if columns.len() > width {
        Arc::new(
            LogicalPlanBuilder::from(sort.input.as_ref().clone())
                .project(columns)?
                .build()?,
        )
    } else {
        Arc::clone(&sort.input)
    };
    let plan = LogicalPlan::Sort(Sort {
        expr: keys.clone(),
        input,
        fetch: sort.fetch,
    });
    Ok(Ordered { plan, keys })
}

fn renamed(inner: Ordered, alias: &SubqueryAlias) -> Result<Ordered> {
    let places = inner
        .keys
        .iter()
        .map(|item| match &item.expr {
            Expr::Column(column) => inner.plan.schema().index_of_column(column),
            _ => Ok(0),
        })
        .collect::<Result<Vec<_>>>()?;
    let plan = SubqueryAlias::try_new(Arc::new(inner.plan), alias.alias.clone())?;
    let keys = inner
        .keys
        .iter()
        .zip(places)
        .map(|(item, place)| key(Column::from(plan.schema.qualified_field(place)), item))
        .collect();
    Ok(Ordered {
        plan: LogicalPlan::SubqueryAlias(plan),
        keys,
    })
}

/// A projection that passes the keys on.
fn carried(inner: Ordered, projection: &Projection) -> Result<Ordered> {
    let mut exprs = projection.expr.clone();
    let mut places = Vec::with_capacity(inner.keys.len());
    for item in &inner.keys {
        let shown = exprs.iter().position(|e| e.clone().unalias() == item.expr);
        places.push(match shown {
            Some(place) => place,
            None => {
                let name = format!("{CARRIED}{}", exprs.len());
                exprs.push(item.expr.clone().alias(name));
                exprs.len() - 1
            }
        });
    }
    let plan = Projection::try_new(exprs, Arc::new(inner.plan))?;
    let keys = inner
        .keys
        .iter()
        .zip(places)
        .map(|(item, place)| key(Column::from(plan.schema.qualified_field(place)), item))
        .collect();
    Ok(Ordered {
        plan: LogicalPlan::Projection(plan),
        keys,
    })
}

/// Whether an aggregate takes the rows in the order they come in.
fn gathers(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => gathers(&alias.expr),
        Expr::AggregateFunction(call) => {
            let params = &call.params;
            GATHER.contains(&call.func.name()) && params.order_by.is_empty() && !params.distinct
        }
        _ => false,
    }
}

/// An aggregate asked to sort by `keys`.
fn by_keys(expr: Expr, keys: &[Key]) -> Expr {
    match expr {
        Expr::Alias(alias) => Expr::Alias(Alias {
            expr: Box::new(by_keys(*alias.expr, keys)),
            ..alias
        }),
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            params.order_by = keys.to_vec();
            Expr::AggregateFunction(AggregateFunction { func, params })
        }
        other => other,
    }
}

/// An expression under the name that the plans above know it by.
fn named_as(expr: Expr, before: &Expr) -> Expr {
    let (qualifier, name) = before.qualified_name();
    if expr.qualified_name() == (qualifier.clone(), name.clone()) {
        return expr;
    }
    expr.alias_qualified(qualifier, name)
}

/// The aggregate that an expression calls.
fn call_of(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::Alias(alias) => call_of(&alias.expr),
        Expr::AggregateFunction(call) => Some(call),
        _ => None,
    }
}

/// Whether arrays are gathered in the order of the rows beside an aggregate that sorts
/// them for itself.
fn beside_sorted(exprs: &[Expr]) -> bool {
    let mut calls = exprs.iter().filter_map(call_of);
    let sorted = calls.any(|call| !call.params.order_by.is_empty());
    let arrays = |expr: &&Expr| call_of(expr).is_some_and(|c| c.func.name() == "array_agg");
    sorted
        && exprs
            .iter()
            .filter(|expr| gathers(expr))
            .all(|expr| arrays(&expr))
}

/// Rows with their numbers, which are their order.
fn numbered(input: &LogicalPlan) -> Result<Ordered> {
    let number = row_number().alias(format!("{CARRIED}number"));
    let keys = vec![Key::new(
        Expr::Column(Column::new_unqualified(format!("{CARRIED}number"))),
        true,
        false,
    )];
    let plan = LogicalPlanBuilder::from(input.clone())
        .window(vec![number])?
        .build()?;
    Ok(Ordered { plan, keys })
}

/// Aggregates over a subquery with ORDER BY, which take its rows in that order.
pub(super) fn aggregated(aggregate: Aggregate) -> Result<Aggregate> {
    if !aggregate.aggr_expr.iter().any(gathers) {
        return Ok(aggregate);
    }
    let found = match ordered(&aggregate.input)? {
        None if beside_sorted(&aggregate.aggr_expr) => Some(numbered(&aggregate.input)?),
        found => found,
    };
    let Some(Ordered { plan, keys }) = found else {
        return Ok(aggregate);
    };
    let exprs = aggregate
        .aggr_expr
        .into_iter()
        .map(|expr| {
            if gathers(&expr) {
                named_as(by_keys(expr.clone(), &keys), &expr)
            } else {
                expr
            }
        })
        .collect();
    Aggregate::try_new(Arc::new(plan), aggregate.group_expr, exprs)
}

/// What a window function is called, when it has no order of its own.
fn unordered(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Alias(alias) => unordered(&alias.expr),
        Expr::WindowFunction(call) if call.params.order_by.is_empty() => Some(call.fun.name()),
        _ => None,
    }
}

fn window_by_keys(expr: Expr, keys: &[Key]) -> Expr {
    match expr {
        Expr::Alias(alias) => Expr::Alias(Alias {
            expr: Box::new(window_by_keys(*alias.expr, keys)),
            ..alias
        }),
        Expr::WindowFunction(mut call) => {
            call.params.order_by = keys.to_vec();
            Expr::WindowFunction(call)
        }
        other => other,
    }
}

/// Window functions without an order over a subquery with ORDER BY, whose order they
/// see. The frame stays what it is: all rows of the partition.
pub(super) fn windowed(window: Window) -> Result<LogicalPlan> {
    let names: Option<Vec<&str>> = window.window_expr.iter().map(unordered).collect();
    let placed = names.is_some_and(|names| {
        let by_place = |name: &&str| PLACED.contains(name) || GATHER.contains(name);
        names.iter().any(by_place) && !names.iter().any(|name| PEERS.contains(name))
    });
    if !placed {
        return Ok(LogicalPlan::Window(window));
    }
    let Some(Ordered { plan, keys }) = ordered(&window.input)? else {
        return Ok(LogicalPlan::Window(window));
    };
    let wanted = columns_of(&LogicalPlan::Window(window.clone()));
    let exprs = window
        .window_expr
        .into_iter()
        .map(|expr| named_as(window_by_keys(expr.clone(), &keys), &expr))
        .collect();
    let plan = windows_once(Window::try_new(exprs, Arc::new(plan))?)?;
    // The carried columns are not for the plans above.
    LogicalPlanBuilder::from(plan).project(wanted)?.build()
}
