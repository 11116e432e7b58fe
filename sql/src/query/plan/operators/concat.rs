//! `||` of texts, arrays, bytes and JSON.

use datafusion::common::{DFSchema, Result};
use datafusion::functions_nested::expr_fn::{array_append, array_concat, array_prepend};
use datafusion::logical_expr::{Expr, Operator, binary_expr};

use super::super::super::error::external;
use super::super::analyze::Analyzer;
use super::super::coerce;
use super::symbol::no_operator;
use super::text::is_text;
use crate::types::PgType;

impl Analyzer {
    /// `left || right`.
    pub(super) fn concat(&self, left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
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
        if !is_text(lt) && !is_text(rt) {
            return Err(external(no_operator("||", lt, rt)));
        }
        let left = self.coerce(left, lt, PgType::Text, schema)?;
        let right = self.coerce(right, rt, PgType::Text, schema)?;
        Ok(binary_expr(left, Operator::StringConcat, right))
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
}
