//! GROUP BY: grouping sets that nest and multiply, written out as one list of sets.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, Ident, ObjectNamePart, Select, SelectItem, SetExpr, Value,
};

use super::super::correlate::{has_aggregate, mentions_aggregate};
use super::super::rewrite::{call, number};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};
use crate::session::{CUBE, DISTINCT_SETS, NO_COLUMNS, ROLLUP, SETS};

/// Most sets of a GROUP BY.
const MOST_SETS: usize = 4096;
/// Most elements of a CUBE.
const MOST_CUBED: usize = 12;

/// Expressions that are grouped by together.
type Set = Vec<Expr>;

/// Writes out the grouping sets of every SELECT of a query, not of its subqueries.
///
/// # Errors
/// 54001 for too many sets, 54011 for too large a CUBE.
pub(super) fn expand(body: &mut SetExpr) -> Result<(), SqlError> {
    match body {
        SetExpr::Select(select) => in_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            expand(left)?;
            expand(right)
        }
        _ => Ok(()),
    }
}

fn in_select(select: &mut Select) -> Result<(), SqlError> {
    let aggregates = has_aggregate(select);
    let GroupByExpr::Expressions(exprs, _) = &mut select.group_by else {
        return Ok(());
    };
    if exprs.is_empty()
        && let Some(having) = &mut select.having
        && !mentions_aggregate(having)
    {
        keep_above_groups(having);
    }
    let constructs = exprs
        .iter()
        .any(|expr| matches!(expr, Expr::Tuple(_)) || is_name(expr) || construct(expr).is_some());
    if !constructs {
        return Ok(());
    }
    let mut distinct = false;
    let mut sets: Vec<Set> = vec![Vec::new()];
    for expr in std::mem::take(exprs) {
        if named(&expr, DISTINCT_SETS) {
            distinct = true;
            continue;
        }
        sets = multiplied(&sets, &sets_of(expr)?)?;
    }
    if distinct {
        let mut kept: Vec<Set> = Vec::with_capacity(sets.len());
        for set in sets {
            if !kept.iter().any(|known| same(known, &set)) {
                kept.push(set);
            }
        }
        sets = kept;
    }
    for expr in sets.iter_mut().flatten() {
        *expr = at_position(expr, &select.projection);
    }
    if sets.len() > 1 {
        refuse_two_names(&sets, &select.projection)?;
    }
    *exprs = match sets.as_mut_slice() {
        [one] if !one.is_empty() || aggregates => std::mem::take(one),
        _ => vec![Expr::GroupingSets(sets)],
    };
    if exprs.is_empty()
        && let Some(having) = &mut select.having
        && !mentions_aggregate(having)
    {
        keep_above_groups(having);
    }
    Ok(())
}

/// Two columns of the result that are computed alike are two things to group by, which
/// the planner takes for one.
fn refuse_two_names(sets: &[Set], projection: &[SelectItem]) -> Result<(), SqlError> {
    let mut grouped: Vec<(&Ident, &Expr)> = Vec::new();
    for expr in sets.iter().flatten() {
        let Expr::Identifier(name) = expr else {
            continue;
        };
        let shown = projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias }
                if fold_identifier(alias) == fold_identifier(name) =>
            {
                Some(expr)
            }
            _ => None,
        });
        let Some(shown) = shown else {
            continue;
        };
        let fold = |ident: &Ident| fold_identifier(ident);
        if grouped
            .iter()
            .any(|(other, expr)| fold(other) != fold(name) && *expr == shown)
        {
            return Err(SqlError::unsupported(
                "grouping sets of two columns that are computed alike",
            ));
        }
        grouped.push((name, shown));
    }
    Ok(())
}

/// A condition that names no aggregate is still asked after the one group has been
/// made, and not of the rows.
fn keep_above_groups(having: &mut Expr) {
    let condition = std::mem::replace(having, Expr::Value(Value::Null.with_empty_span()));
    let mut count = call("count", vec![number("1")]);
    if let Expr::Function(function) = &mut count
        && let FunctionArguments::List(list) = &mut function.args
    {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
    }
    *having = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition: Expr::BinaryOp {
                left: Box::new(count),
                op: BinaryOperator::GtEq,
                right: Box::new(number("0")),
            },
            result: condition,
        }],
        else_result: None,
    };
}

fn is_name(expr: &Expr) -> bool {
    named(expr, NO_COLUMNS) || named(expr, DISTINCT_SETS)
}

fn named(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.value == name)
}

/// The construct that a call is, and its elements.
fn construct(expr: &Expr) -> Option<(&'static str, Vec<Expr>)> {
    let Expr::Function(Function {
        name,
        args: FunctionArguments::List(list),
        ..
    }) = expr
    else {
        return None;
    };
    let called = name.0.last().and_then(ObjectNamePart::as_ident)?;
    let kind = [SETS, ROLLUP, CUBE]
        .into_iter()
        .find(|kind| *kind == called.value)?;
    let args = list.args.iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => Some(arg.clone()),
        _ => None,
    });
    Some((kind, args.collect()))
}

/// The expressions of an element: one, or those in parentheses.
fn columns(expr: Expr) -> Set {
    match expr {
        Expr::Tuple(exprs) => exprs.into_iter().flat_map(columns).collect(),
        Expr::Nested(inner) => columns(*inner),
        other if named(&other, NO_COLUMNS) => Vec::new(),
        other => vec![other],
    }
}

fn sets_of(expr: Expr) -> Result<Vec<Set>, SqlError> {
    let Some((kind, args)) = construct(&expr) else {
        return Ok(vec![columns(expr)]);
    };
    if kind == SETS {
        let mut sets = Vec::new();
        for arg in args {
            sets.extend(sets_of(arg)?);
            check_count(sets.len())?;
        }
        return Ok(sets);
    }
    let elements: Vec<Set> = args.into_iter().map(columns).collect();
    if kind == ROLLUP {
        check_count(elements.len() + 1)?;
        let sets = (0..=elements.len()).rev();
        return Ok(sets
            .map(|count| elements.iter().take(count).flatten().cloned().collect())
            .collect());
    }
    if elements.len() > MOST_CUBED {
        return Err(SqlError::new(
            state::TOO_MANY_COLUMNS,
            format!("CUBE is limited to {MOST_CUBED} elements"),
        ));
    }
    let all = 1_usize << elements.len();
    let chosen = |mask: usize| {
        let has = |index: &usize| mask & (1 << (elements.len() - 1 - index)) != 0;
        (0..elements.len())
            .filter(has)
            .filter_map(|index| elements.get(index))
            .flatten()
            .cloned()
            .collect()
    };
    Ok((0..all).rev().map(chosen).collect())
}

fn check_count(count: usize) -> Result<(), SqlError> {
    if count > MOST_SETS {
        return Err(SqlError::new(
            state::STATEMENT_TOO_COMPLEX,
            format!("too many grouping sets present (maximum {MOST_SETS})"),
        ));
    }
    Ok(())
}

/// Every set of the one list with every set of the other.
fn multiplied(left: &[Set], right: &[Set]) -> Result<Vec<Set>, SqlError> {
    check_count(left.len().saturating_mul(right.len()))?;
    let mut product = Vec::with_capacity(left.len() * right.len());
    for one in left {
        for other in right {
            let mut set = one.clone();
            for expr in other {
                if !set.contains(expr) {
                    set.push(expr.clone());
                }
            }
            product.push(set);
        }
    }
    Ok(product)
}

fn same(left: &Set, right: &Set) -> bool {
    left.len() == right.len() && left.iter().all(|expr| right.contains(expr))
}

/// A number is the position of a column of the SELECT list.
fn at_position(expr: &Expr, projection: &[SelectItem]) -> Expr {
    let position = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<usize>().ok(),
            _ => None,
        },
        _ => None,
    };
    let item = position
        .and_then(|position| position.checked_sub(1))
        .and_then(|index| projection.get(index));
    match item {
        Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => {
            expr.clone()
        }
        _ => expr.clone(),
    }
}
