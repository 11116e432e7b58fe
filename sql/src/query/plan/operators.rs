//! What an operator means for the types of its operands.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::{Column, DFSchema, Result, TableReference};
use datafusion::functions_nested::expr_fn::{array_append, array_concat, array_prepend};
use datafusion::logical_expr::expr::Like;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, ScalarUDF};
use sqlparser::ast::BinaryOperator;

use super::super::error::external;
use super::super::functions::{self, Arithmetic, ArithmeticOp, ResolvedFunction};
use super::analyze::Analyzer;
use super::coerce::{self, bare, is_number};
use crate::error::{SqlError, SqlResult, state};
use crate::types::PgType;

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

/// The error for an operator that does not exist for the types.
pub(super) fn no_operator(symbol: &str, left: PgType, right: PgType) -> SqlError {
    SqlError::new(
        state::UNDEFINED_FUNCTION,
        format!(
            "operator does not exist: {} {symbol} {}",
            left.base_name(),
            right.base_name()
        ),
    )
    .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

/// Refuses comparisons of types that have none.
pub(super) fn check_comparable(symbol: &str, left: PgType, right: PgType) -> SqlResult<()> {
    if left == PgType::Json || right == PgType::Json {
        return Err(no_operator(symbol, left, right));
    }
    if left == PgType::Jsonb
        && !matches!(
            symbol,
            "=" | "<>" | "IS DISTINCT FROM" | "IS NOT DISTINCT FROM"
        )
    {
        return Err(SqlError::unsupported("ordering jsonb values"));
    }
    Ok(())
}

impl Analyzer {
    fn binary(
        &self,
        op: &BinaryOperator,
        left: Expr,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        use BinaryOperator as B;
        let comparison = match op {
            B::Eq => Some(Operator::Eq),
            B::NotEq => Some(Operator::NotEq),
            B::Lt => Some(Operator::Lt),
            B::LtEq => Some(Operator::LtEq),
            B::Gt => Some(Operator::Gt),
            B::GtEq => Some(Operator::GtEq),
            _ => None,
        };
        if let Some(op) = comparison {
            return self.compare(left, op, right, schema);
        }
        let arithmetic = match op {
            B::Plus => Some(ArithmeticOp::Add),
            B::Minus => Some(ArithmeticOp::Subtract),
            B::Multiply => Some(ArithmeticOp::Multiply),
            B::Divide => Some(ArithmeticOp::Divide),
            B::Modulo => Some(ArithmeticOp::Modulo),
            _ => None,
        };
        if let Some(op) = arithmetic {
            return self.arithmetic(left, op, right, schema);
        }
        match op {
            B::And => self.logic(left, Operator::And, right, schema),
            B::Or => self.logic(left, Operator::Or, right, schema),
            B::StringConcat => self.concat(left, right, schema),
            B::PGLikeMatch => self.like_operator(left, right, false, false),
            B::PGILikeMatch => self.like_operator(left, right, false, true),
            B::PGNotLikeMatch => self.like_operator(left, right, true, false),
            B::PGNotILikeMatch => self.like_operator(left, right, true, true),
            B::PGRegexMatch => self.text_operator(left, Operator::RegexMatch, right, "~", schema),
            B::PGRegexIMatch => {
                self.text_operator(left, Operator::RegexIMatch, right, "~*", schema)
            }
            B::PGRegexNotMatch => {
                self.text_operator(left, Operator::RegexNotMatch, right, "!~", schema)
            }
            B::PGRegexNotIMatch => {
                self.text_operator(left, Operator::RegexNotIMatch, right, "!~*", schema)
            }
            B::BitwiseAnd => self.bits(left, Operator::BitwiseAnd, right, "&", schema),
            B::BitwiseOr => self.bits(left, Operator::BitwiseOr, right, "|", schema),
            B::PGBitwiseXor => self.bits(left, Operator::BitwiseXor, right, "#", schema),
            B::PGBitwiseShiftLeft => {
                self.bits(left, Operator::BitwiseShiftLeft, right, "<<", schema)
            }
            B::PGBitwiseShiftRight => {
                self.bits(left, Operator::BitwiseShiftRight, right, ">>", schema)
            }
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

    /// A comparison of two expressions brought to a common type.
    ///
    /// # Errors
    /// 42883 when the types cannot be compared.
    pub(super) fn compare(
        &self,
        left: Expr,
        op: Operator,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        let symbol = match op {
            Operator::NotEq => "<>".to_owned(),
            other => other.to_string(),
        };
        let ty = match coerce::unify(lt, rt) {
            Some(PgType::Unknown) => PgType::Text,
            Some(ty) => ty,
            None => return Err(external(no_operator(&symbol, lt, rt))),
        };
        // Real and integer meet as double precision, as PostgreSQL picks it.
        let ty = if ty == PgType::Float4 && lt != rt {
            PgType::Float8
        } else {
            ty
        };
        check_comparable(&symbol, ty, ty).map_err(external)?;
        let left = self.coerce(left, lt, ty, schema)?;
        let right = self.coerce(right, rt, ty, schema)?;
        let (left, right) = match ty {
            PgType::Interval => (
                functions::interval_span(left).map_err(external)?,
                functions::interval_span(right).map_err(external)?,
            ),
            PgType::Numeric(_) => self.align_decimals(left, right, schema)?,
            _ => (left, right),
        };
        Ok(Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left),
            op,
            Box::new(right),
        )))
    }

    fn logic(&self, left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
        let name = if op == Operator::And { "AND" } else { "OR" };
        let left = self.condition(left, name, schema)?;
        let right = self.condition(right, name, schema)?;
        Ok(Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left),
            op,
            Box::new(right),
        )))
    }

    fn arithmetic(
        &self,
        left: Expr,
        op: ArithmeticOp,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        let Some(ty) = arithmetic_type(lt, rt) else {
            return self.overloaded(op.symbol(), op.symbol(), left, right, schema);
        };
        if op == ArithmeticOp::Modulo && matches!(ty, PgType::Float4 | PgType::Float8) {
            return Err(external(no_operator("%", lt, rt)));
        }
        let left = self.coerce(left, lt, ty, schema)?;
        let right = self.coerce(right, rt, ty, schema)?;
        if let (PgType::Numeric(_), ArithmeticOp::Divide) = (ty, op)
            && let (Some(Ok((a, _))), Some(Ok((b, _)))) =
                (self.constant(&left), self.constant(&right))
            && let Some(quotient) = functions::divide_constants(&a, &b).map_err(external)?
        {
            return coerce::literal(&quotient, PgType::Numeric(None)).map_err(external);
        }
        Ok(ScalarUDF::new_from_impl(Arithmetic::new(op, ty)).call(vec![left, right]))
    }

    /// An operator that is an overloaded function of that name.
    fn overloaded(
        &self,
        name: &str,
        symbol: &str,
        left: Expr,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let types = [self.type_of(&left, schema)?, self.type_of(&right, schema)?];
        let [lt, rt] = types;
        let Some(overload) = functions::operator(name, types) else {
            return Err(external(no_operator(symbol, lt, rt)));
        };
        let (lto, rto) = (overload.argument(0, lt), overload.argument(1, rt));
        let left = self.coerce(left, lt, lto, schema)?;
        let right = self.coerce(right, rt, rto, schema)?;
        Ok(
            ScalarUDF::new_from_impl(ResolvedFunction::new(overload, vec![lto, rto]))
                .call(vec![left, right]),
        )
    }

    fn concat(&self, left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        let special =
            |ty: PgType| matches!(ty, PgType::Bytea | PgType::Jsonb) || ty.element().is_some();
        if special(lt) || special(rt) {
            let bytes_or_json = matches!(lt, PgType::Bytea | PgType::Jsonb)
                || matches!(rt, PgType::Bytea | PgType::Jsonb);
            if bytes_or_json {
                return self.overloaded("||", "||", left, right, schema);
            }
            return self.concat_arrays(left, lt, right, rt, schema);
        }
        let textual = |ty: PgType| ty.is_textual() || ty == PgType::Unknown;
        if !textual(lt) && !textual(rt) {
            return Err(external(no_operator("||", lt, rt)));
        }
        let left = self.coerce(left, lt, PgType::Text, schema)?;
        let right = self.coerce(right, rt, PgType::Text, schema)?;
        Ok(Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left),
            Operator::StringConcat,
            Box::new(right),
        )))
    }

    /// An array and an array, or an array and one more element.
    fn concat_arrays(
        &self,
        left: Expr,
        lt: PgType,
        right: Expr,
        rt: PgType,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let none = || external(no_operator("||", lt, rt));
        let element = |ty: PgType| ty.element();
        let common = match (element(lt), element(rt)) {
            (Some(a), Some(b)) => coerce::unify(a, b),
            (Some(a), None) => coerce::unify(a, rt),
            (None, Some(b)) => coerce::unify(lt, b),
            (None, None) => None,
        }
        .ok_or_else(none)?;
        let array = PgType::array_of(common).ok_or_else(none)?;
        let to = |ty: PgType| {
            if ty.element().is_some() {
                array
            } else {
                common
            }
        };
        let left = self.coerce(left, lt, to(lt), schema)?;
        let right = self.coerce(right, rt, to(rt), schema)?;
        Ok(match (element(lt), element(rt)) {
            (Some(_), Some(_)) => array_concat(vec![left, right]),
            (Some(_), None) => array_append(left, right),
            _ => array_prepend(left, right),
        })
    }

    fn like_operator(
        &self,
        left: Expr,
        right: Expr,
        negated: bool,
        insensitive: bool,
    ) -> Result<Expr> {
        Ok(Expr::Like(Like::new(
            negated,
            Box::new(left),
            Box::new(right),
            None,
            insensitive,
        )))
    }

    fn text_operator(
        &self,
        left: Expr,
        op: Operator,
        right: Expr,
        symbol: &str,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        let textual = |ty: PgType| ty.is_textual() || ty == PgType::Unknown;
        if !textual(lt) || !textual(rt) {
            return Err(external(no_operator(symbol, lt, rt)));
        }
        let left = self.coerce(left, lt, PgType::Text, schema)?;
        let right = self.coerce(right, rt, PgType::Text, schema)?;
        Ok(Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left),
            op,
            Box::new(right),
        )))
    }

    fn bits(
        &self,
        left: Expr,
        op: Operator,
        right: Expr,
        symbol: &str,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        let integer = |ty| {
            matches!(
                ty,
                PgType::Int2 | PgType::Int4 | PgType::Int8 | PgType::Unknown
            )
        };
        let ty = coerce::unify(lt, rt).filter(|_| integer(lt) && integer(rt));
        let Some(ty) = ty.filter(|ty| *ty != PgType::Unknown) else {
            return Err(external(no_operator(symbol, lt, rt)));
        };
        let left = self.coerce(left, lt, ty, schema)?;
        let right = self.coerce(right, rt, ty, schema)?;
        Ok(Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left),
            op,
            Box::new(right),
        )))
    }
}

/// The type numbers are computed in; `None` when they are not both numbers.
fn arithmetic_type(left: PgType, right: PgType) -> Option<PgType> {
    use PgType::{Float4, Float8, Unknown};
    match (left, right) {
        (Unknown, other) | (other, Unknown) if is_number(other) => Some(bare(other)),
        (a, b) if is_number(a) && is_number(b) => Some(match coerce::unify(a, b)? {
            Float4 if a != b => Float8,
            ty => bare(ty),
        }),
        _ => None,
    }
}

/// The operator written `OPERATOR(pg_catalog.symbol)`.
fn operator_named(symbol: &str) -> Option<BinaryOperator> {
    use BinaryOperator as B;
    Some(match symbol {
        "=" => B::Eq,
        "<>" | "!=" => B::NotEq,
        "<" => B::Lt,
        "<=" => B::LtEq,
        ">" => B::Gt,
        ">=" => B::GtEq,
        "+" => B::Plus,
        "-" => B::Minus,
        "*" => B::Multiply,
        "/" => B::Divide,
        "%" => B::Modulo,
        "||" => B::StringConcat,
        "~" => B::PGRegexMatch,
        "~*" => B::PGRegexIMatch,
        "!~" => B::PGRegexNotMatch,
        "!~*" => B::PGRegexNotIMatch,
        "~~" => B::PGLikeMatch,
        "~~*" => B::PGILikeMatch,
        "!~~" => B::PGNotLikeMatch,
        "!~~*" => B::PGNotILikeMatch,
        "->" => B::Arrow,
        "->>" => B::LongArrow,
        "#>" => B::HashArrow,
        "#>>" => B::HashLongArrow,
        "@>" => B::AtArrow,
        "<@" => B::ArrowAt,
        _ => return None,
    })
}
