//! IN lists, BETWEEN and `= ANY (array)`: one value against several.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::super::super::error::external;
use super::super::super::functions;
use super::super::analyze::Analyzer;
use super::super::coerce;
use super::super::operators::{check_comparable, common_type, no_operator, text_if_unknown};
use crate::error::{SqlError, state};
use crate::types::{Datum, PgType};

impl Analyzer {
    /// `expr IN (…)`.
    pub(super) fn in_list(&self, list: InList, schema: &DFSchema) -> Result<Expr> {
        let InList {
            expr,
            list,
            negated,
        } = list;
        let mut common = self.type_of(&expr, schema)?;
        for item in &list {
            let other = self.type_of(item, schema)?;
            common = common_type("=", common, other)?;
        }
        let common = text_if_unknown(common);
        let prepare = |expr: Expr| self.comparable(expr, common, schema);
        let expr = prepare(*expr)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let item = prepare(item)?;
            let (_, item) = self.align_decimals(expr.clone(), item, schema)?;
            items.push(item);
        }
        Ok(Expr::InList(InList::new(Box::new(expr), items, negated)))
    }

    /// `expr BETWEEN low AND high`.
    pub(super) fn between(&self, between: Between, schema: &DFSchema) -> Result<Expr> {
        let Between {
            expr,
            negated,
            low,
            high,
        } = between;
        let types = [
            self.type_of(&expr, schema)?,
            self.type_of(&low, schema)?,
            self.type_of(&high, schema)?,
        ];
        let [a, b, c] = types;
        let ab = common_type(">=", a, b)?;
        // An error names the value's own type.
        let ty = coerce::unify(ab, c).ok_or_else(|| external(no_operator("<=", a, c)))?;
        let ty = text_if_unknown(ty);
        check_comparable(">=", ty, ty).map_err(external)?;
        let prepare = |expr: Expr| self.comparable(expr, ty, schema);
        let expr = prepare(*expr)?;
        let (_, low) = self.align_decimals(expr.clone(), prepare(*low)?, schema)?;
        let (_, high) = self.align_decimals(expr.clone(), prepare(*high)?, schema)?;
        Ok(Expr::Between(Between::new(
            Box::new(expr),
            negated,
            Box::new(low),
            Box::new(high),
        )))
    }

    /// `needle = ANY (array)`. A constant array becomes an IN list, which can use
    /// a key.
    pub(super) fn element_of(
        &self,
        mut args: Vec<Expr>,
        func: &Arc<ScalarUDF>,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let (Some(needle), Some(array)) = (args.pop(), args.pop()) else {
            return Ok(func.call(args));
        };
        let (needle_type, array_type) = (
            self.type_of(&needle, schema)?,
            self.type_of(&array, schema)?,
        );
        let array_type = match (array_type.element(), PgType::array_of(needle_type)) {
            (Some(_), _) => array_type,
            (None, Some(ty)) if array_type == PgType::Unknown => ty,
            _ => {
                return Err(external(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    "op ANY/ALL (array) requires array on right side",
                )));
            }
        };
        let element = array_type.element().unwrap_or(PgType::Text);
        let common = common_type("=", needle_type, element)?;
        let array = self.coerced(
            array,
            PgType::array_of(common).unwrap_or(array_type),
            schema,
        )?;
        if let Some(Ok((Datum::Array(values), _))) = self.constant(&array) {
            let mut items = Vec::with_capacity(values.values.len());
            for value in &values.values {
                items.push(coerce::literal(value, common).map_err(external)?);
            }
            let list = InList::new(Box::new(needle), items, false);
            return self.in_list(list, schema);
        }
        let needle = self.coerced(needle, common, schema)?;
        Ok(func.call(vec![array, needle]))
    }

    /// `expr` as type `ty`, in the form in which values of the type are compared.
    fn comparable(&self, expr: Expr, ty: PgType, schema: &DFSchema) -> Result<Expr> {
        let expr = self.coerced(expr, ty, schema)?;
        if ty == PgType::Interval {
            return functions::interval_span(expr).map_err(external);
        }
        Ok(expr)
    }
}
