//! Stored expressions as PostgreSQL shows them.
//!
//! PostgreSQL prints an expression from its analysed form: every operator in
//! parentheses, constants with their types. [`crate::deparse`] gives the same where it is
//! sure; what is here gives nearly the same for what constraints are usually made of;
//! anything else is shown as it was written.

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};

use super::Facts;
use crate::catalog::{TableDescriptor, fold_identifier};
use crate::deparse::{Layout, expression_text};
use crate::query::quote_ident;
use crate::session::parse_expression;
use crate::types::PgType;

/// Prints the expressions of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer<'t> {
    /// What is known of other objects; without it, less is known of functions.
    pub(super) facts: Option<&'t Facts<'t>>,
    pub(super) table: &'t TableDescriptor,
    /// Whether parentheses that nobody needs are left out.
    pub(super) pretty: bool,
}

/// How tightly an expression holds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// What PostgreSQL puts into parentheses within anything.
    Loose,
    Or,
    And,
    Not,
    /// A comparison or another operator.
    Operator,
    Sum,
    Product,
    Whole,
}

impl Printer<'_> {
    /// The expression that `text` is.
    pub(super) fn show(self, text: &str) -> String {
        let layout = Layout {
            pretty: self.pretty,
            width: 0,
        };
        if let Some(facts) = self.facts
            && let Ok(shown) = expression_text(facts, self.table, text, layout)
        {
            return shown;
        }
        match parse_expression(text) {
            Ok(expr) => self.print(&expr).0,
            Err(_) => text.to_owned(),
        }
    }

    /// The type of a column or a cast, where it is plain to see.
    fn type_of(self, expr: &Expr) -> Option<PgType> {
        match expr {
            Expr::Nested(inner) => self.type_of(inner),
            Expr::Identifier(name) => self.table.column(&fold_identifier(name)).map(|c| c.ty),
            Expr::Cast { data_type, .. } => PgType::from_sql_ast(data_type).ok(),
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                match name.as_str() {
                    "lower" | "upper" | "btrim" | "ltrim" | "rtrim" | "substr" | "replace" => {
                        Some(PgType::Text)
                    }
                    "length" | "char_length" => Some(PgType::Int4),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// One side of an operator that needs at least `level`: constants get the type
    /// of the other side.
    fn side(self, expr: &Expr, other: Option<PgType>, level: Level) -> String {
        if let (Some(text), Some(other)) = (string(expr), other) {
            let ty = match other {
                PgType::Varchar(_) => "text".to_owned(),
                PgType::Char(_) => "bpchar".to_owned(),
                other => other.unmodified().sql_name(),
            };
            return format!("'{}'::{ty}", text.replace('\'', "''"));
        }
        let shown = self.operand(expr, level);
        match self.type_of(expr) {
            // varchar has no operators of its own.
            Some(PgType::Varchar(_)) if self.pretty => format!("{shown}::text"),
            Some(PgType::Varchar(_)) => format!("({shown})::text"),
            _ => shown,
        }
    }

    /// An expression inside another one that needs at least `level`.
    fn operand(self, expr: &Expr, level: Level) -> String {
        let (shown, own) = self.print(expr);
        // Everything but a whole brings its parentheses along unless pretty.
        if self.pretty && own < level {
            format!("({shown})")
        } else {
            shown
        }
    }

    fn wrap(self, shown: String, level: Level) -> (String, Level) {
        if self.pretty {
            (shown, level)
        } else {
            (format!("({shown})"), Level::Whole)
        }
    }

    fn print(self, expr: &Expr) -> (String, Level) {
        match expr {
            Expr::Nested(inner) => self.print(inner),
            Expr::Identifier(name) => (quote_ident(&fold_identifier(name)), Level::Whole),
            Expr::Value(value) => (literal(&value.value), Level::Whole),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => {
                let inner = self.operand(expr, Level::Not);
                self.wrap(format!("NOT {inner}"), Level::Not)
            }
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: number,
            } if matches!(number.as_ref(), Expr::Value(v) if matches!(v.value, Value::Number(..))) =>
            {
                let shown = format!("'-{number}'::{}", number_type(number));
                (shown, Level::Whole)
            }
            Expr::IsNull(inner) => self.postfix(inner, "IS NULL"),
            Expr::IsNotNull(inner) => self.postfix(inner, "IS NOT NULL"),
            Expr::IsTrue(inner) => self.postfix(inner, "IS TRUE"),
            Expr::IsNotTrue(inner) => self.postfix(inner, "IS NOT TRUE"),
            Expr::IsFalse(inner) => self.postfix(inner, "IS FALSE"),
            Expr::IsNotFalse(inner) => self.postfix(inner, "IS NOT FALSE"),
            Expr::Between {
                expr,
                negated: false,
                low,
                high,
            } => {
                let low = self.comparison(expr, ">=", low);
                let high = self.comparison(expr, "<=", high);
                self.wrap(format!("{low} AND {high}"), Level::And)
            }
            Expr::InList {
                expr,
                list,
                negated,
            } => {
                let items: Vec<String> = list
                    .iter()
                    .map(|item| self.side(item, self.type_of(expr), Level::Whole))
                    .collect();
                let (op, which) = match negated {
                    false => ("=", "ANY"),
                    true => ("<>", "ALL"),
                };
                let left = self.side(expr, None, Level::Whole);
                let list = items.join(", ");
                let shown = format!("{left} {op} {which} (ARRAY[{list}])");
                self.wrap(shown, Level::Loose)
            }
            Expr::Like {
                negated,
                expr,
                pattern,
                escape_char: None,
                ..
            } => {
                let op = if *negated { "!~~" } else { "~~" };
                let shown = self.comparison_bare(expr, op, pattern);
                self.wrap(shown, Level::Operator)
            }
            Expr::Function(function) => match &function.args {
                FunctionArguments::List(list) if list.clauses.is_empty() => {
                    let args: Option<Vec<String>> = list
                        .args
                        .iter()
                        .map(|arg| match arg {
                            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(self.print(e).0),
                            _ => None,
                        })
                        .collect();
                    let name = function.name.to_string().to_ascii_lowercase();
                    match args {
                        Some(args) => (format!("{name}({})", args.join(", ")), Level::Whole),
                        None => (expr.to_string(), Level::Whole),
                    }
                }
                _ => (expr.to_string(), Level::Whole),
            },
            Expr::Cast {
                expr: inner,
                data_type,
                ..
            } => match PgType::from_sql_ast(data_type) {
                Ok(ty) => {
                    let ty = ty.sql_name();
                    let shown = match string(inner) {
                        Some(text) => format!("'{}'::{ty}", text.replace('\'', "''")),
                        None if self.pretty => {
                            format!("{}::{ty}", self.operand(inner, Level::Whole))
                        }
                        None => format!("({})::{ty}", self.print(inner).0),
                    };
                    (shown, Level::Whole)
                }
                Err(_) => (expr.to_string(), Level::Whole),
            },
            other => (other.to_string(), Level::Operator),
        }
    }

    fn postfix(self, inner: &Expr, words: &str) -> (String, Level) {
        let inner = self.operand(inner, Level::Whole);
        self.wrap(format!("{inner} {words}"), Level::Operator)
    }

    fn comparison_bare(self, left: &Expr, op: &str, right: &Expr) -> String {
        let (l, r) = match op {
            "+" | "-" => (Level::Sum, Level::Product),
            "*" | "/" | "%" => (Level::Product, Level::Whole),
            _ => (Level::Whole, Level::Whole),
        };
        let shown = self.side(left, self.type_of(right), l);
        format!("{shown} {op} {}", self.side(right, self.type_of(left), r))
    }

    fn comparison(self, left: &Expr, op: &str, right: &Expr) -> String {
        let shown = self.comparison_bare(left, op, right);
        self.wrap(shown, Level::Operator).0
    }

    fn binary(self, left: &Expr, op: &BinaryOperator, right: &Expr) -> (String, Level) {
        let (level, word) = match op {
            BinaryOperator::And => (Level::And, " AND "),
            BinaryOperator::Or => (Level::Or, " OR "),
            BinaryOperator::NotEq => {
                let shown = self.comparison_bare(left, "<>", right);
                return self.wrap(shown, Level::Operator);
            }
            other => {
                let shown = self.comparison_bare(left, &other.to_string(), right);
                let level = match other {
                    BinaryOperator::Plus | BinaryOperator::Minus => Level::Sum,
                    BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Modulo => {
                        Level::Product
                    }
                    _ => Level::Operator,
                };
                return self.wrap(shown, level);
            }
        };
        let mut parts = Vec::new();
        flatten(left, op, &mut parts);
        flatten(right, op, &mut parts);
        let parts: Vec<String> = parts.iter().map(|part| self.operand(part, level)).collect();
        self.wrap(parts.join(word), level)
    }
}

/// The parts of a chain of the same operator.
fn flatten<'e>(expr: &'e Expr, op: &BinaryOperator, parts: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Nested(inner) => flatten(inner, op, parts),
        Expr::BinaryOp {
            left,
            op: own,
            right,
        } if own == op => {
            flatten(left, op, parts);
            flatten(right, op, parts);
        }
        other => parts.push(other),
    }
}

fn string(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Nested(inner) => string(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::SingleQuotedString(text) => format!("'{}'::text", text.replace('\'', "''")),
        Value::Boolean(truth) => truth.to_string(),
        other => other.to_string(),
    }
}

fn number_type(number: &Expr) -> &'static str {
    let digits = number.to_string();
    if digits.parse::<i32>().is_ok() {
        "integer"
    } else if digits.parse::<i64>().is_ok() {
        "bigint"
    } else {
        "numeric"
    }
}
