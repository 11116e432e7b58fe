//! Aggregates with WITHIN GROUP, which become functions of the gathered and sorted
//! values. So their direct arguments are computed after rows have been grouped.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, DataType, DuplicateTreatment, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArguments, OrderByExpr, Query, Visit, Visitor,
};

use super::array::aggregate;
use super::ast::{binary, call, cast, nested, string};
use crate::catalog::fold_identifier;
use crate::error::{SqlError, state};

/// A call with WITHIN GROUP in other words; `None` for other calls.
///
/// # Errors
/// 42883 for other numbers of arguments, 0A000 for what is not there.
pub(super) fn within_group(name: &str, function: &Function) -> Result<Option<Expr>, SqlError> {
    let ordered = matches!(name, "percentile_cont" | "percentile_disc" | "mode");
    if function.within_group.is_empty() {
        return if ordered && function.over.is_none() {
            Err(SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("WITHIN GROUP is required for ordered-set aggregate {name}"),
            ))
        } else {
            Ok(None)
        };
    }
    let supposed = matches!(name, "rank" | "dense_rank" | "percent_rank" | "cume_dist");
    if !ordered && !supposed {
        let known = crate::query::is_aggregate(name);
        return Err(if known {
            SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP"),
            )
        } else {
            SqlError::new(
                state::UNDEFINED_FUNCTION,
                format!("function {name} does not exist"),
            )
        });
    }
    if function.over.is_some() {
        return Err(SqlError::unsupported("OVER for ordered-set aggregates"));
    }
    let FunctionArguments::List(list) = &function.args else {
        return Err(no_function(name));
    };
    if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "cannot use DISTINCT with WITHIN GROUP",
        ));
    }
    let ordered_too =
        |clause: &FunctionArgumentClause| matches!(clause, FunctionArgumentClause::OrderBy(_));
    if list.clauses.iter().any(ordered_too) {
        return Err(SqlError::new(
            state::SYNTAX_ERROR,
            "cannot use multiple ORDER BY clauses with WITHIN GROUP",
        ));
    }
    let mut args = Vec::with_capacity(list.args.len());
    for arg in &list.args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => args.push(arg.clone()),
            _ => return Err(no_function(name)),
        }
    }
    if args.iter().any(aggregates) {
        return Err(SqlError::new(
            state::GROUPING_ERROR,
            "aggregate function calls cannot be nested",
        ));
    }
    if supposed {
        if args.len() != function.within_group.len() {
            return Err(no_function(name).hint(format!(
                "To use the hypothetical-set aggregate {name}, the number of hypothetical direct \
                 arguments (here {}) must match the number of ordering columns (here {}).",
                args.len(),
                function.within_group.len()
            )));
        }
        return Ok(Some(hypothetical(name, function, args)));
    }
    let ([order], true) = (
        function.within_group.as_slice(),
        args.len() == usize::from(name != "mode"),
    ) else {
        return Err(no_function(name));
    };
    Ok(Some(ordered_set(name, function, args, order)))
}

/// Whether an expression without subqueries calls an aggregate.
fn aggregates(expr: &Expr) -> bool {
    struct Calls;
    impl Visitor for Calls {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let Expr::Function(function) = expr else {
                return ControlFlow::Continue(());
            };
            let last = function.name.0.last().and_then(|part| part.as_ident());
            let found = function.over.is_none()
                && last.is_some_and(|name| crate::query::is_aggregate(&fold_identifier(name)));
            match found {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    !has_query(expr) && expr.visit(&mut Calls).is_break()
}

fn has_query(expr: &Expr) -> bool {
    struct Queries;
    impl Visitor for Queries {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Queries).is_break()
}

fn no_function(name: &str) -> SqlError {
    SqlError::new(
        state::UNDEFINED_FUNCTION,
        format!("function {name} does not exist"),
    )
}

/// A function of the sorted values that are not NULL.
fn ordered_set(name: &str, function: &Function, args: Vec<Expr>, order: &OrderByExpr) -> Expr {
    let mut order = order.clone();
    if name == "percentile_cont" {
        // What is between two values is asked of floats and of intervals.
        order.expr = call("__measure", vec![order.expr]);
    }
    let some = Expr::IsNotNull(Box::new(order.expr.clone()));
    let filter = match &function.filter {
        Some(filter) => binary(nested(filter.as_ref().clone()), BinaryOperator::And, some),
        None => some,
    };
    let mut gather = call("array_agg", vec![order.expr.clone()]);
    if let Expr::Function(gather) = &mut gather {
        gather.filter = Some(Box::new(filter));
        if let FunctionArguments::List(list) = &mut gather.args {
            list.clauses
                .push(FunctionArgumentClause::OrderBy(vec![order]));
        }
    }
    let gathered = match gather {
        Expr::Function(gather) => aggregate(gather),
        other => other,
    };
    let mut all: Vec<Expr> = args.into_iter().map(fraction).collect();
    all.push(gathered);
    call(&format!("__{name}"), all)
}

/// A fraction, or an array of them.
fn fraction(expr: Expr) -> Expr {
    let array = matches!(&expr, Expr::Function(f) if f.name.to_string().contains("__array"));
    if !array {
        return expr;
    }
    cast(
        expr,
        DataType::Array(sqlparser::ast::ArrayElemTypeDef::SquareBracket(
            Box::new(DataType::Double(ExactNumberInfo::None)),
            None,
        )),
    )
}

/// An array of the values of one column of the ordered rows.
fn gathered(value: &Expr, function: &Function) -> Expr {
    let mut gather = call("array_agg", vec![value.clone()]);
    if let Expr::Function(gather) = &mut gather {
        gather.filter.clone_from(&function.filter);
        if let FunctionArguments::List(list) = &mut gather.args {
            list.clauses.push(FunctionArgumentClause::OrderBy(
                function.within_group.clone(),
            ));
        }
    }
    match gather {
        Expr::Function(gather) => aggregate(gather),
        other => other,
    }
}

/// Where a row that is not there would be among those that are: a function of how it
/// compares with each of them, column by column, and of where their values change.
fn hypothetical(name: &str, function: &Function, args: Vec<Expr>) -> Expr {
    let mut all = vec![string(name)];
    for (arg, order) in args.into_iter().zip(&function.within_group) {
        let descending = order.options.asc == Some(false);
        let nulls_first = order.options.nulls_first.unwrap_or(descending);
        let mut how = String::new();
        if descending {
            how.push('d');
        }
        if nulls_first {
            how.push('n');
        }
        let values = gathered(&order.expr, function);
        all.push(call("__compared", vec![arg, values.clone(), string(how)]));
        all.push(call("__runs", vec![values]));
    }
    let whole = matches!(name, "rank" | "dense_rank");
    call(
        if whole {
            "__hypothetical_rank"
        } else {
            "__hypothetical_part"
        },
        all,
    )
}
