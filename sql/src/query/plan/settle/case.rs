//! CASE, whose branches have one type.

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, Operator};

use super::super::super::error::external;
use super::super::analyze::Analyzer;
use super::super::coerce;
use super::super::operators::{common_type, compared_by_key, text_if_unknown};
use crate::types::PgType;

/// Whether Arrow's equality is not that of values of a type.
fn is_compared_by_key(ty: PgType) -> bool {
    let own = PgType::Numeric(None);
    std::mem::discriminant(&ty) == std::mem::discriminant(&own)
        || matches!(ty, PgType::Interval | PgType::Float4 | PgType::Float8)
        || compared_by_key(ty)
}

impl Analyzer {
    /// A CASE whose results have one type.
    pub(super) fn case(&self, case: Case, schema: &DFSchema) -> Result<Expr> {
        let Case {
            mut expr,
            mut when_then_expr,
            mut else_expr,
        } = case;
        let mut results = Vec::new();
        for (_, result) in &when_then_expr {
            results.push(self.type_of(result, schema)?);
        }
        if let Some(result) = &else_expr {
            results.push(self.type_of(result, schema)?);
        }
        let ty = coerce::common("CASE", &results).map_err(external)?;
        let operand = match &expr {
            Some(operand) => {
                let mut common = self.type_of(operand, schema)?;
                for (when, _) in &when_then_expr {
                    let other = self.type_of(when, schema)?;
                    common = common_type("=", common, other)?;
                }
                Some(text_if_unknown(common))
            }
            None => None,
        };
        for (when, then) in &mut when_then_expr {
            let condition = std::mem::take(when.as_mut());
            **when = match operand {
                Some(common) => self.coerced(condition, common, schema)?,
                None => self.condition(condition, "CASE/WHEN", schema)?,
            };
            let result = std::mem::take(then.as_mut());
            **then = self.coerced(result, ty, schema)?;
        }
        if let Some(result) = &mut else_expr {
            let value = std::mem::take(result.as_mut());
            **result = self.coerced(value, ty, schema)?;
        }
        self.alike_branches(&mut when_then_expr, &mut else_expr, ty, schema)?;
        if let (Some(common), Some(operand)) = (operand, &mut expr) {
            let value = std::mem::take(operand.as_mut());
            **operand = self.coerced(value, common, schema)?;
        }
        // The planner compares with the operand as Arrow does.
        let own = operand.is_some_and(|ty| is_compared_by_key(ty.plain()));
        if let (true, Some(value)) = (own, &expr) {
            for (when, _) in &mut when_then_expr {
                let with = std::mem::take(when.as_mut());
                **when = self.compare(value.as_ref().clone(), Operator::Eq, with, schema)?;
            }
            expr = None;
        }
        Ok(Expr::Case(Case::new(expr, when_then_expr, else_expr)))
    }

    /// Brings results of type `ty` to one Arrow type.
    fn alike_branches(
        &self,
        branches: &mut [(Box<Expr>, Box<Expr>)],
        otherwise: &mut Option<Box<Expr>>,
        ty: PgType,
        schema: &DFSchema,
    ) -> Result<()> {
        let mut results = Vec::with_capacity(branches.len() + 1);
        for (_, then) in branches.iter_mut() {
            results.push(std::mem::take(then.as_mut()));
        }
        if let Some(result) = otherwise.as_mut() {
            results.push(std::mem::take(result.as_mut()));
        }
        let mut results = self.alike(results, ty, schema)?.into_iter();
        let places = branches
            .iter_mut()
            .map(|(_, then)| then)
            .chain(otherwise.as_mut());
        for (place, result) in places.zip(&mut results) {
            **place = result;
        }
        Ok(())
    }
}
