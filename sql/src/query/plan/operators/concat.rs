//! `||` of texts, arrays, bytes and JSON.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, Operator, binary_expr};

use super::super::super::error::external;
use super::super::analyze::Analyzer;
use super::symbol::no_operator;
use super::text::is_text;
use crate::types::PgType;

impl Analyzer {
    /// `left || right`.
    pub(super) fn concat(&self, left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
        let (lt, rt) = (self.type_of(&left, schema)?, self.type_of(&right, schema)?);
        let special = |ty: PgType| {
            matches!(
                ty,
                PgType::Bytea | PgType::Jsonb | PgType::Bit(_) | PgType::Varbit(_)
            ) || ty.element().is_some()
        };
        if special(lt) || special(rt) {
            return self.overloaded("||", "||", left, right, schema);
        }
        if !is_text(lt) && !is_text(rt) {
            return Err(external(no_operator("||", lt, rt)));
        }
        let left = self.coerce(left, lt, PgType::Text, schema)?;
        let right = self.coerce(right, rt, PgType::Text, schema)?;
        Ok(binary_expr(left, Operator::StringConcat, right))
    }
}
