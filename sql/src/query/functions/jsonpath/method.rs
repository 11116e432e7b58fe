//! Methods of items.

use super::moment::ZonedMoment;
use super::place::Base;
use super::{Fault, Found, Item, Outcome, Scope, Search, Value};
use crate::error::{SqlResult, state};
use crate::types::Numeric;
use crate::types::json::Json;
use crate::types::jsonpath::{Method, Step};
use crate::types::text_in::parse_f64;

fn type_name(item: Item<'_>) -> &'static str {
    match item {
        Item::Moment(moment) => moment.type_name(),
        Item::Json(json) => match json {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        },
    }
}

fn only(method: Method, sqlstate: &'static str, what: &str) -> Fault {
    Fault::soft(
        sqlstate,
        format!(
            "jsonpath item method .{}() can only be applied to {what}",
            method.name()
        ),
    )
}

impl Search<'_> {
    pub(super) fn method<'a>(
        &mut self,
        method: Method,
        rest: &'a [Step],
        item: Item<'a>,
        scope: Scope<'a>,
        found: Found<'_>,
    ) -> Outcome {
        match method {
            Method::Type => {
                let name = type_name(item).to_owned();
                self.constant(Json::String(name), rest, scope, found)
            }
            Method::Size => {
                let size = match item.elements() {
                    Some(items) => items.len(),
                    None if self.path.lax => 1,
                    None => {
                        return self.missing(scope, || {
                            only(method, state::SQL_JSON_ARRAY_NOT_FOUND, "an array")
                        });
                    }
                };
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                self.constant(Json::Number(Numeric::from(size)), rest, scope, found)
            }
            Method::Abs | Method::Floor | Method::Ceiling => {
                let Some(Json::Number(number)) = item.json() else {
                    return Err(only(
                        method,
                        state::NON_NUMERIC_SQL_JSON_ITEM,
                        "a numeric value",
                    ));
                };
                let number = match method {
                    Method::Abs => number.abs(),
                    Method::Floor => number.floor(),
                    _ => number.ceil(),
                };
                self.constant(Json::Number(number), rest, scope, found)
            }
            Method::Double => {
                let number = double(item)?;
                self.constant(Json::Number(number), rest, scope, found)
            }
            Method::KeyValue => self.key_values(rest, item, scope, found),
        }
    }

    fn key_values<'a>(
        &mut self,
        rest: &'a [Step],
        item: Item<'a>,
        scope: Scope<'a>,
        mut found: Found<'_>,
    ) -> Outcome {
        let Some(object @ Json::Object(fields)) = item.json() else {
            return Err(only(
                Method::KeyValue,
                state::SQL_JSON_OBJECT_NOT_FOUND,
                "an object",
            ));
        };
        let id = scope.base.id_of(object);
        let mut any = false;
        for (key, value) in fields {
            if rest.is_empty() && found.is_none() {
                return Ok(true);
            }
            // In the order of jsonb: by length.
            let pair = Json::Object(vec![
                ("id".to_owned(), Json::Number(Numeric::from(id))),
                ("key".to_owned(), Json::String(key.clone())),
                ("value".to_owned(), value.clone()),
            ]);
            let number = self.made;
            self.made += 1;
            let scope = Scope {
                current: scope.current,
                base: Base {
                    document: &pair,
                    number,
                },
                ..scope
            };
            let hit = self.steps(rest, Item::Json(&pair), scope, found.as_deref_mut())?;
            any |= hit;
            if hit && found.is_none() {
                return Ok(true);
            }
        }
        Ok(any)
    }

    pub(super) fn datetime<'a>(
        &mut self,
        template: Option<&str>,
        rest: &'a [Step],
        item: Item<'a>,
        scope: Scope<'a>,
        found: Found<'_>,
    ) -> Outcome {
        let Some(Json::String(text)) = item.json() else {
            return Err(Fault::soft(
                state::INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION,
                "jsonpath item method .datetime() can only be applied to a string",
            ));
        };
        let moment: SqlResult<ZonedMoment> = ZonedMoment::read(text, template);
        let moment = moment.map_err(|error| Fault::Soft(Box::new(error)))?;
        if rest.is_empty() {
            if let Some(found) = found {
                found.push(Value::Moment(moment));
            }
            return Ok(true);
        }
        self.steps(rest, Item::Moment(&moment), scope, found)
    }
}

fn double(item: Item<'_>) -> Result<Numeric, Fault> {
    match item.json() {
        Some(Json::Number(number)) => match parse_f64(&number.to_string()) {
            Ok(_) => Ok(number.clone()),
            Err(_) => Err(Fault::soft(
                state::NON_NUMERIC_SQL_JSON_ITEM,
                "numeric argument of jsonpath item method .double() is out of range for type double precision",
            )),
        },
        Some(Json::String(text)) => parse_f64(text)
            .ok()
            .filter(|value| value.is_finite())
            .and_then(|value| {
                let mut out = Vec::new();
                crate::types::float_text::write_f64(float_digits(value), &mut out);
                Numeric::parse(&String::from_utf8_lossy(&out)).ok()
            })
            .ok_or_else(|| {
                Fault::soft(
                    state::NON_NUMERIC_SQL_JSON_ITEM,
                    "string argument of jsonpath item method .double() is not a valid representation of a double precision number",
                )
            }),
        _ => Err(only(
            Method::Double,
            state::NON_NUMERIC_SQL_JSON_ITEM,
            "a string or numeric value",
        )),
    }
}

/// A double with the fifteen digits that it has as a numeric.
fn float_digits(value: f64) -> f64 {
    format!("{value:.14e}").parse().unwrap_or(value)
}
