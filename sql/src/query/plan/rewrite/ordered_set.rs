//! Aggregates with WITHIN GROUP. Ordered-set aggregates become functions of the
//! gathered and sorted values; hypothetical-set aggregates become counts of the rows
//! that sort before the row that is asked about.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, DataType, DuplicateTreatment, ExactNumberInfo, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, OrderByExpr, Value,
    helpers::attached_token::AttachedToken,
};

use super::array::aggregate;
use super::ast::{binary, call, cast, nested, number};
use super::literal::{INT4_LITERAL, INT8_LITERAL};
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
    let hypothetical = matches!(name, "rank" | "dense_rank" | "percent_rank" | "cume_dist");
    if !ordered && !hypothetical {
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
    let mut args = Vec::with_capacity(list.args.len());
    for arg in &list.args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => args.push(arg.clone()),
            _ => return Err(no_function(name)),
        }
    }
    if hypothetical {
        if args.len() != function.within_group.len() {
            return Err(no_function(name).hint(format!(
                "To use the hypothetical-set aggregate {name}, the number of hypothetical direct \
                 arguments (here {}) must match the number of ordering columns (here {}).",
                args.len(),
                function.within_group.len()
            )));
        }
        return Hypothetical::new(function, args).value(name).map(Some);
    }
    let ([order], true) = (
        function.within_group.as_slice(),
        args.len() == usize::from(name != "mode"),
    ) else {
        return Err(no_function(name));
    };
    Ok(Some(ordered_set(name, function, args, order)))
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

/// A row that is not there, and where it would be among those that are.
struct Hypothetical {
    args: Vec<Expr>,
    order: Vec<OrderByExpr>,
    filter: Option<Expr>,
}

fn or(left: Expr, right: Expr) -> Expr {
    nested(binary(left, BinaryOperator::Or, right))
}

fn and(left: Expr, right: Expr) -> Expr {
    nested(binary(left, BinaryOperator::And, right))
}

fn is_null(expr: &Expr) -> Expr {
    Expr::IsNull(Box::new(expr.clone()))
}

fn is_not_null(expr: &Expr) -> Expr {
    Expr::IsNotNull(Box::new(expr.clone()))
}

fn whole(digits: &str) -> Expr {
    cast(number(digits), INT8_LITERAL)
}

fn float(expr: Expr) -> Expr {
    cast(nested(expr), DataType::Double(ExactNumberInfo::None))
}

fn choose(condition: Expr, result: Expr, otherwise: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: Some(Box::new(otherwise)),
    }
}

impl Hypothetical {
    fn new(function: &Function, args: Vec<Expr>) -> Self {
        Self {
            args,
            order: function.within_group.clone(),
            filter: function.filter.as_ref().map(|filter| *filter.clone()),
        }
    }

    /// Whether a row sorts before, or, with `ties`, beside it.
    fn before(&self, ties: bool) -> Expr {
        let mut condition: Option<Expr> = ties.then(|| Expr::Value(Value::Boolean(true).into()));
        for (arg, order) in self.args.iter().zip(&self.order).rev() {
            let column = nested(order.expr.clone());
            let arg = nested(arg.clone());
            let descending = order.options.asc == Some(false);
            let nulls_first = order.options.nulls_first.unwrap_or(descending);
            let op = if descending {
                BinaryOperator::Gt
            } else {
                BinaryOperator::Lt
            };
            let less = binary(column.clone(), op, arg.clone());
            let by_null = if nulls_first {
                and(is_null(&column), is_not_null(&arg))
            } else {
                and(is_not_null(&column), is_null(&arg))
            };
            let mut here = or(less, by_null);
            if let Some(later) = condition.take() {
                let equal =
                    Expr::IsNotDistinctFrom(Box::new(column.clone()), Box::new(arg.clone()));
                here = or(here, and(nested(equal), later));
            }
            condition = Some(here);
        }
        condition.unwrap_or_else(|| Expr::Value(Value::Boolean(false).into()))
    }

    /// How many rows there are for which a condition holds.
    fn count(&self, condition: Option<Expr>, distinct: Option<Expr>) -> Expr {
        let filter = match (self.filter.clone(), condition) {
            (Some(filter), Some(condition)) => Some(and(nested(filter), condition)),
            (filter, condition) => filter.or(condition),
        };
        let mut count = call("count", Vec::new());
        if let Expr::Function(function) = &mut count {
            function.filter = filter.map(Box::new);
            if let FunctionArguments::List(list) = &mut function.args {
                let counted = match distinct {
                    Some(column) => {
                        list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
                        FunctionArgExpr::Expr(column)
                    }
                    None => FunctionArgExpr::Wildcard,
                };
                list.args = vec![FunctionArg::Unnamed(counted)];
            }
        }
        count
    }

    fn value(&self, name: &str) -> Result<Expr, SqlError> {
        let plus = |left, right| binary(left, BinaryOperator::Plus, right);
        let over = |left, right| binary(float(left), BinaryOperator::Divide, float(right));
        let value = match name {
            "rank" => plus(self.count(Some(self.before(false)), None), whole("1")),
            "dense_rank" => {
                let [order] = self.order.as_slice() else {
                    return Err(SqlError::unsupported("dense_rank of several columns"));
                };
                let before = self.before(false);
                let nulls = and(before.clone(), is_null(&nested(order.expr.clone())));
                let null = binary(
                    self.count(Some(nulls), None),
                    BinaryOperator::Gt,
                    cast(number("0"), INT4_LITERAL),
                );
                let values = self.count(Some(before), Some(order.expr.clone()));
                plus(values, choose(null, whole("2"), whole("1")))
            }
            "percent_rank" => choose(
                binary(self.count(None, None), BinaryOperator::Eq, whole("0")),
                float(whole("0")),
                over(
                    self.count(Some(self.before(false)), None),
                    self.count(None, None),
                ),
            ),
            _ => over(
                plus(self.count(Some(self.before(true)), None), whole("1")),
                plus(self.count(None, None), whole("1")),
            ),
        };
        Ok(nested(value))
    }
}
