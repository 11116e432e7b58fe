//! IN lists, BETWEEN and `= ANY (array)`: one value against several.

use datafusion::common::{DFSchema, DataFusionError, Result};
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};

use super::super::super::error::external;
use super::super::super::functions::{self, Overload};
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
        let expr = self.coerced(*expr, common, schema)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            items.push(self.coerced(item, common, schema)?);
        }
        let (mut expr, mut items) = self.compared_list(expr, items, common, schema)?;
        if matches!(common.plain(), PgType::Float4 | PgType::Float8) {
            // A set of literals knows two zeros.
            expr = functions::float_key(expr);
            items = items.into_iter().map(functions::float_key).collect();
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
        let expr = self.coerced(*expr, ty, schema)?;
        let bounds = vec![
            self.coerced(*low, ty, schema)?,
            self.coerced(*high, ty, schema)?,
        ];
        let (expr, mut bounds) = self.compared_list(expr, bounds, ty, schema)?;
        let (Some(high), Some(low)) = (bounds.pop(), bounds.pop()) else {
            return Err(external(SqlError::internal("BETWEEN has two bounds")));
        };
        Ok(Expr::Between(Between::new(
            Box::new(expr),
            negated,
            Box::new(low),
            Box::new(high),
        )))
    }

    /// `needle op ANY (array)` or ALL. Where the array is a constant, `= ANY` and
    /// `<> ALL` become lists, which can use a key.
    pub(super) fn quantified(
        &self,
        overload: &'static Overload,
        args: Vec<Expr>,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let [operator, needle, array] = args.as_slice() else {
            return self.overload(overload, args, schema);
        };
        let symbol = match self.constant(operator) {
            Some(Ok((Datum::Text(symbol), _))) => symbol,
            _ => String::new(),
        };
        let (needle_type, array_type) =
            (self.type_of(needle, schema)?, self.type_of(array, schema)?);
        let element = match array_type {
            PgType::Unknown => needle_type,
            array => array.element().ok_or_else(|| {
                external(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    "op ANY/ALL (array) requires array on right side",
                ))
            })?,
        };
        let common = text_if_unknown(common_type(&symbol, needle_type, element)?);
        check_comparable(&symbol, common, common).map_err(external)?;
        let listed = matches!(
            (overload.name, symbol.as_str()),
            ("__any", "=") | ("__all", "<>")
        );
        if listed {
            let wanted = PgType::array_of(common).unwrap_or(array_type);
            let array = self.coerced(array.clone(), wanted, schema)?;
            if let Some(Ok((Datum::Array(values), _))) = self.constant(&array) {
                let all = overload.name == "__all";
                if values.values.is_empty() {
                    return Ok(lit(all));
                }
                let mut items = Vec::with_capacity(values.values.len());
                for value in &values.values {
                    items.push(coerce::literal(value, common).map_err(external)?);
                }
                let list = InList::new(Box::new(needle.clone()), items, all);
                return self.in_list(list, schema);
            }
        }
        self.overload(overload, args, schema)
    }

    /// An expression of type `ty` and several to compare it with, as what they are
    /// compared by.
    fn compared_list(
        &self,
        expr: Expr,
        items: Vec<Expr>,
        ty: PgType,
        schema: &DFSchema,
    ) -> Result<(Expr, Vec<Expr>)> {
        let decimal = |e: &Expr| Ok::<_, DataFusionError>(e.get_type(schema)?.is_decimal());
        let mut all_decimal = decimal(&expr)?;
        for item in &items {
            all_decimal &= decimal(item)?;
        }
        if !matches!(ty, PgType::Numeric(_)) || all_decimal {
            let mut compared = Vec::with_capacity(items.len());
            for item in items {
                compared.push(
                    self.compared_pair(expr.clone(), item, ty, [schema, schema])?
                        .1,
                );
            }
            return Ok((self.equal_by(expr, schema)?, compared));
        }
        let key = |expr: Expr| {
            let ty = expr.get_type(schema)?;
            self.compared_by(coerce::wide(expr, &ty)?, schema)
        };
        Ok((
            key(expr)?,
            items.into_iter().map(key).collect::<Result<_>>()?,
        ))
    }
}
