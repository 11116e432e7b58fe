//! Arithmetic.

use super::{Fault, Found, Item, Outcome, Scope, Search, Value};
use crate::error::state;
use crate::types::Numeric;
use crate::types::json::Json;
use crate::types::jsonpath::{Arithmetic, Path, Step};

impl Search<'_> {
    pub(super) fn arithmetic(
        &mut self,
        op: Arithmetic,
        left: &Path,
        right: &Path,
        item: Item<'_>,
        scope: Scope<'_>,
    ) -> Result<Numeric, Fault> {
        let left = self.unwrapped(left, item, scope)?;
        let right = self.unwrapped(right, item, scope)?;
        let single = |values: &[Value], side: &str| match values {
            [Value::Json(Json::Number(number))] => Ok(number.clone()),
            _ => Err(Fault::soft(
                state::SINGLETON_SQL_JSON_ITEM_REQUIRED,
                format!(
                    "{side} operand of jsonpath operator {} is not a single numeric value",
                    op.symbol()
                ),
            )),
        };
        let left = single(&left, "left")?;
        let right = single(&right, "right")?;
        let result = match op {
            Arithmetic::Add => left.add(&right),
            Arithmetic::Subtract => left.subtract(&right),
            Arithmetic::Multiply => left.multiply(&right),
            Arithmetic::Divide => left.divide(&right),
            Arithmetic::Modulo => left.remainder(&right),
        };
        result.map_err(|error| Fault::Soft(Box::new(error)))
    }

    /// `+x` and `-x`, for each number that `x` finds.
    pub(super) fn signed(
        &mut self,
        inner: &Path,
        negative: bool,
        steps: &[Step],
        item: Item<'_>,
        scope: Scope<'_>,
        mut found: Found<'_>,
    ) -> Outcome {
        let values = self.unwrapped(inner, item, scope)?;
        let mut any = false;
        for value in values {
            let Value::Json(Json::Number(number)) = value else {
                if found.is_none() && steps.is_empty() {
                    continue;
                }
                let symbol = if negative { "-" } else { "+" };
                return Err(Fault::soft(
                    state::SQL_JSON_NUMBER_NOT_FOUND,
                    format!("operand of unary jsonpath operator {symbol} is not a numeric value"),
                ));
            };
            if found.is_none() && steps.is_empty() {
                return Ok(true);
            }
            let number = if negative { number.negate() } else { number };
            let hit = self.constant(Json::Number(number), steps, scope, found.as_deref_mut())?;
            any |= hit;
            if hit && found.is_none() {
                return Ok(true);
            }
        }
        Ok(any)
    }
}
