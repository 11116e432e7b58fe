//! `x op ANY (subquery)` and `x op ALL (subquery)`.
//!
//! Only the extremes of the subquery matter, and whether it has rows and NULLs:
//! `x > ALL (q)` is true without rows, false where `x > max` is, unknown where
//! `q` has a NULL, and otherwise `x > max`. `= ANY` is IN, `<> ALL` is NOT IN.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor,
    TableWithJoins, UnaryOperator, Value,
};

use super::names::quoted;
use super::rewrite::call;
use super::syntax::{query_of, star_from};
use crate::error::SqlError;

/// The name of the subquery and of its column.
const NAME: &str = "\u{1f}quantified";

/// What takes the place of a quantified comparison with a subquery; `None` for
/// any other expression.
///
/// # Errors
/// 0A000 for operators other than comparisons.
pub(super) fn without_quantifier(expr: &Expr) -> Result<Option<Expr>, SqlError> {
    let (left, op, right, all) = match expr {
        Expr::AnyOp {
            left,
            compare_op,
            right,
            ..
        } => (left, compare_op, right, false),
        Expr::AllOp {
            left,
            compare_op,
            right,
        } => (left, compare_op, right, true),
        _ => return Ok(None),
    };
    let mut right = right.as_ref();
    while let Expr::Nested(inner) = right {
        right = inner;
    }
    let Expr::Subquery(query) = right else {
        return Ok(None);
    };
    if matches!(left.as_ref(), Expr::Tuple(_)) {
        return Err(SqlError::unsupported("ANY and ALL with a row"));
    }
    let member = |negated| Expr::InSubquery {
        expr: left.clone(),
        subquery: query.clone(),
        negated,
    };
    let comparison = Comparison { left, query };
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    Ok(Some(match (op, all) {
        (Eq, false) => member(false),
        (NotEq, true) => member(true),
        (Eq, true) => comparison.all_equal(),
        (NotEq, false) => not(comparison.all_equal()),
        (Lt | LtEq, true) => comparison.all(op, "min"),
        (Gt | GtEq, true) => comparison.all(op, "max"),
        // One row passes unless all rows fail.
        (Lt, false) => not(comparison.all(&GtEq, "max")),
        (LtEq, false) => not(comparison.all(&Gt, "max")),
        (Gt, false) => not(comparison.all(&LtEq, "min")),
        (GtEq, false) => not(comparison.all(&Lt, "min")),
        (other, _) => {
            return Err(SqlError::unsupported(format!(
                "{other} with ANY or ALL of a subquery"
            )));
        }
    }))
}

struct Comparison<'a> {
    left: &'a Expr,
    query: &'a Query,
}

impl Comparison<'_> {
    /// An aggregate over the subquery's column, `*` without a name for it.
    fn aggregate(&self, function: &str, all_rows: bool) -> Expr {
        let plain = plain_column(self.query);
        let column = match &plain {
            Some((_, column)) => column.clone(),
            None => Expr::Identifier(quoted(NAME)),
        };
        let mut aggregate = call(function, vec![column]);
        if all_rows
            && let Expr::Function(Function {
                args: FunctionArguments::List(list),
                ..
            }) = &mut aggregate
        {
            list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
        }
        let derived = || {
            star_from(vec![TableWithJoins {
                relation: TableFactor::Derived {
                    lateral: false,
                    subquery: Box::new(self.query.clone()),
                    alias: Some(TableAlias {
                        explicit: true,
                        name: quoted(NAME),
                        columns: vec![TableAliasColumnDef {
                            name: quoted(NAME),
                            data_type: None,
                        }],
                        at: None,
                    }),
                    sample: None,
                },
                joins: Vec::new(),
            }])
        };
        let mut select = match plain {
            Some((select, _)) => select,
            None => derived(),
        };
        select.projection = vec![SelectItem::UnnamedExpr(aggregate)];
        Expr::Subquery(Box::new(query_of(select)))
    }

    fn with(&self, op: &BinaryOperator, aggregate: &str) -> Expr {
        binary(
            nested(self.left.clone()),
            op.clone(),
            self.aggregate(aggregate, false),
        )
    }

    fn all(&self, op: &BinaryOperator, extreme: &str) -> Expr {
        self.decide(self.with(op, extreme))
    }

    fn all_equal(&self) -> Expr {
        let (eq, and) = (BinaryOperator::Eq, BinaryOperator::And);
        self.decide(binary(self.with(&eq, "min"), and, self.with(&eq, "max")))
    }

    /// ALL of a comparison that holds for every value when `extremes` does.
    fn decide(&self, extremes: Expr) -> Expr {
        let rows = || self.aggregate("count", true);
        let no_rows = binary(rows(), BinaryOperator::Eq, number("0"));
        let nulls = binary(
            rows(),
            BinaryOperator::NotEq,
            self.aggregate("count", false),
        );
        let when = |condition, result| CaseWhen { condition, result };
        let extremes = nested(extremes);
        nested(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![
                when(no_rows, value(Value::Boolean(true))),
                when(not(extremes.clone()), value(Value::Boolean(false))),
                when(nulls, value(Value::Null)),
            ],
            else_result: Some(Box::new(extremes)),
        })
    }
}

/// A SELECT of nothing but one column, whose FROM and WHERE can be aggregated
/// over as they are, and the column.
fn plain_column(query: &Query) -> Option<(Select, Expr)> {
    let bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none();
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(e, _) if e.is_empty());
    if !bare || grouped || select.distinct.is_some() || select.having.is_some() {
        return None;
    }
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(column @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_)))] => {
            Some((select.as_ref().clone(), column.clone()))
        }
        _ => None,
    }
}

fn value(value: Value) -> Expr {
    Expr::Value(value.with_empty_span())
}

fn number(digits: &str) -> Expr {
    value(Value::Number(digits.to_owned(), false))
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(expr),
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}
