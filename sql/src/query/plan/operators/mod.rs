//! What an operator means for the types of its operands.

mod arithmetic;
mod comparison;
mod concat;
mod symbol;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::{Column, DFSchema, Result, TableReference};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, Operator};
use sqlparser::ast::BinaryOperator;

use self::symbol::operator_named;
use self::text::like;
use super::super::error::external;
use super::analyze::Analyzer;
use crate::error::SqlError;

pub(super) use self::comparison::check_comparable;
pub(in crate::query) use self::comparison::compared_by_key;
pub(super) use self::symbol::{common_type, no_operator, text_if_unknown};

/// Resolves operators as SqlToRel meets them.
#[derive(Debug)]
pub(super) struct Operators {
    pub(super) analyzer: Arc<Analyzer>,
    /// Columns of the stored tables in any FROM, by what they are called there;
    /// empty where several are called the same.
    pub(super) called: HashMap<String, Vec<FieldRef>>,
}

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        self.analyzer
            .binary(&op, left, right, schema)
            .map(PlannerResult::Planned)
    }

    /// `p.id` is field `id` of a column `p` only where no table is called `p`:
    /// here a table of an enclosing query, as nearer ones have been looked at.
    fn plan_compound_identifier(
        &self,
        field: &Field,
        _qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        if let [name] = nested_names
            && let Some(columns) = self.called.get(field.name())
            && let Some(column) = columns.iter().find(|column| column.name() == name)
        {
            let outer = Column::new(Some(field.name().as_str()), name);
            return Ok(PlannerResult::Planned(Expr::OuterReferenceColumn(
                Arc::clone(column),
                outer,
            )));
        }
        Ok(PlannerResult::Original(Vec::new()))
    }
}

impl Analyzer {
    /// An operator between two expressions.
    fn binary(
        &self,
        op: &BinaryOperator,
        left: Expr,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        use BinaryOperator as B;
        if let Some(op) = comparison::operator(op) {
            return self.compare(left, op, right, schema);
        }
        if let Some(op) = arithmetic::operator(op) {
            return self.arithmetic(left, op, right, schema);
        }
        if let Some((op, symbol)) = arithmetic::bit_operator(op) {
            return self.bits(left, op, right, symbol, schema);
        }
        if let Some((op, symbol)) = text::regex_operator(op) {
            return self.text_operator(left, op, right, symbol, schema);
        }
        match op {
            B::And => self.logic(left, Operator::And, right, schema),
            B::Or => self.logic(left, Operator::Or, right, schema),
            B::StringConcat => self.concat(left, right, schema),
            B::PGLikeMatch => Ok(like(left, right, false, false)),
            B::PGILikeMatch => Ok(like(left, right, false, true)),
            B::PGNotLikeMatch => Ok(like(left, right, true, false)),
            B::PGNotILikeMatch => Ok(like(left, right, true, true)),
            // `^` raises to a power in PostgreSQL.
            B::PGExp | B::BitwiseXor => self.overloaded("power", "^", left, right, schema),
            B::PGCustomBinaryOperator(path) => {
                let symbol = path.last().map(String::as_str).unwrap_or_default();
                match operator_named(symbol) {
                    Some(op) => self.binary(&op, left, right, schema),
                    None => Err(external(SqlError::unsupported(format!(
                        "operator {symbol}"
                    )))),
                }
            }
            other => {
                let symbol = other.to_string();
                self.overloaded(&symbol, &symbol, left, right, schema)
            }
        }
    }
}
