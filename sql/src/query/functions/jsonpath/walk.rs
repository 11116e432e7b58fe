//! Walking the steps of a path.

use super::{Fault, Found, Item, Outcome, Scope, Search, Value};
use crate::error::{SqlError, state};
use crate::types::Numeric;
use crate::types::json::Json;
use crate::types::jsonpath::{Head, LEAVES, Path, Step};

/// Steps inside each other at most this deep.
const MAX_DEPTH: usize = 700;

impl<'s> Search<'s> {
    /// Everything that `path` finds, starting at `item`.
    pub(super) fn path<'a>(
        &mut self,
        path: &'a Path,
        item: Item<'a>,
        scope: Scope<'a>,
        found: Found<'_>,
    ) -> Outcome
    where
        's: 'a,
    {
        let steps = path.steps.as_slice();
        match &path.head {
            Head::Root => {
                let scope = Scope {
                    base: super::place::Base {
                        document: self.root,
                        number: 0,
                    },
                    ..scope
                };
                self.steps(steps, Item::Json(self.root), scope, found)
            }
            Head::Current => self.steps(steps, scope.current, scope, found),
            Head::Variable(name) => {
                let (vars, value) = self.variable(name)?;
                if steps.is_empty() && found.is_none() {
                    return Ok(true);
                }
                let scope = Scope {
                    base: super::place::Base {
                        document: vars,
                        number: 1,
                    },
                    ..scope
                };
                self.steps(steps, Item::Json(value), scope, found)
            }
            Head::Null => self.constant(Json::Null, steps, scope, found),
            Head::Bool(value) => self.constant(Json::Bool(*value), steps, scope, found),
            Head::String(text) => self.constant(Json::String(text.clone()), steps, scope, found),
            Head::Number(number) => {
                self.constant(Json::Number(number.clone()), steps, scope, found)
            }
            Head::Last => {
                let last = scope
                    .length
                    .and_then(|length| i64::try_from(length).ok())
                    .map_or(-1, |length| length - 1);
                self.constant(Json::Number(Numeric::from(last)), steps, scope, found)
            }
            Head::Arithmetic(op, left, right) => {
                let result = self.arithmetic(*op, left, right, item, scope)?;
                self.constant(Json::Number(result), steps, scope, found)
            }
            Head::Plus(inner) => self.signed(inner, false, steps, item, scope, found),
            Head::Minus(inner) => self.signed(inner, true, steps, item, scope, found),
            Head::Predicate(predicate) => {
                let truth = self.predicate(predicate, item, scope)?;
                let value = truth.map_or(Json::Null, Json::Bool);
                self.constant(value, steps, scope, found)
            }
        }
    }

    fn variable(&self, name: &str) -> Result<(&'s Json, &'s Json), Fault> {
        self.vars
            .and_then(|vars| vars.get(name).map(|value| (vars, value)))
            .ok_or_else(|| {
                Fault::hard(SqlError::new(
                    state::UNDEFINED_OBJECT,
                    format!("could not find jsonpath variable \"{name}\""),
                ))
            })
    }

    /// A value that was computed, and the steps from it.
    pub(super) fn constant(
        &mut self,
        value: Json,
        steps: &[Step],
        scope: Scope<'_>,
        found: Found<'_>,
    ) -> Outcome {
        if steps.is_empty() {
            if let Some(found) = found {
                found.push(Value::Json(value));
            }
            return Ok(true);
        }
        self.steps(steps, Item::Json(&value), scope, found)
    }

    /// The steps from `item`.
    pub(super) fn steps<'a>(
        &mut self,
        steps: &'a [Step],
        item: Item<'a>,
        scope: Scope<'a>,
        found: Found<'_>,
    ) -> Outcome {
        let lax = self.path.lax;
        self.step(steps, item, scope, found, lax)
    }

    /// The first step and those behind it; `unwrap` lets it look into an array.
    pub(super) fn step<'a>(
        &mut self,
        steps: &'a [Step],
        item: Item<'a>,
        scope: Scope<'a>,
        found: Found<'_>,
        unwrap: bool,
    ) -> Outcome {
        let Some((step, rest)) = steps.split_first() else {
            if let Some(found) = found {
                found.push(item.owned());
            }
            return Ok(true);
        };
        if self.depth >= MAX_DEPTH {
            return Err(Fault::hard(SqlError::new(
                state::STATEMENT_TOO_COMPLEX,
                "stack depth limit exceeded",
            )));
        }
        self.depth += 1;
        let outcome = self.one_step(step, steps, rest, item, scope, found, unwrap);
        self.depth -= 1;
        outcome
    }

    #[allow(clippy::too_many_arguments)]
    fn one_step<'a>(
        &mut self,
        step: &'a Step,
        steps: &'a [Step],
        rest: &'a [Step],
        item: Item<'a>,
        scope: Scope<'a>,
        found: Found<'_>,
        unwrap: bool,
    ) -> Outcome {
        if unwrap
            && unwraps(step)
            && let Some(items) = item.elements()
        {
            return self.each(steps, items.iter(), scope, found, false);
        }
        match step {
            Step::Key(key) => self.member(key, rest, item, scope, found),
            Step::AnyKey => match item.json() {
                Some(Json::Object(fields)) => {
                    let lax = self.path.lax;
                    self.each(
                        rest,
                        fields.iter().map(|(_, value)| value),
                        scope,
                        found,
                        lax,
                    )
                }
                _ => self.missing(scope, || {
                    Fault::soft(
                        state::SQL_JSON_OBJECT_NOT_FOUND,
                        "jsonpath wildcard member accessor can only be applied to an object",
                    )
                }),
            },
            Step::AnyElement => match item.elements() {
                Some(items) => {
                    let lax = self.path.lax;
                    self.each(rest, items.iter(), scope, found, lax)
                }
                None if self.path.lax => self.steps(rest, item, scope, found),
                None => self.missing(scope, || {
                    Fault::soft(
                        state::SQL_JSON_ARRAY_NOT_FOUND,
                        "jsonpath wildcard array accessor can only be applied to an array",
                    )
                }),
            },
            Step::Elements(elements) => self.elements(elements, rest, item, scope, found),
            Step::AnyLevel(first, last) => self.levels((*first, *last), rest, item, scope, found),
            Step::Filter(condition) => {
                let inner = Scope {
                    current: item,
                    ..scope
                };
                match self.condition(condition, item, inner)? {
                    Some(true) => self.steps(rest, item, scope, found),
                    _ => Ok(false),
                }
            }
            Step::Method(method) => self.method(*method, rest, item, scope, found),
            Step::Datetime(template) => {
                self.datetime(template.as_deref(), rest, item, scope, found)
            }
        }
    }

    fn member<'a>(
        &mut self,
        key: &str,
        rest: &'a [Step],
        item: Item<'a>,
        scope: Scope<'a>,
        found: Found<'_>,
    ) -> Outcome {
        let Some(object @ Json::Object(_)) = item.json() else {
            return self.missing(scope, || {
                Fault::soft(
                    state::SQL_JSON_MEMBER_NOT_FOUND,
                    "jsonpath member accessor can only be applied to an object",
                )
            });
        };
        match object.get(key) {
            Some(value) => self.steps(rest, Item::Json(value), scope, found),
            None => self.missing(scope, || {
                Fault::soft(
                    state::SQL_JSON_MEMBER_NOT_FOUND,
                    format!("JSON object does not contain key \"{key}\""),
                )
            }),
        }
    }

    /// Nothing, or an error where structure matters.
    pub(super) fn missing(&self, scope: Scope<'_>, fault: impl FnOnce() -> Fault) -> Outcome {
        if scope.forgiving {
            Ok(false)
        } else {
            Err(fault())
        }
    }

    /// The same steps from each of several items.
    fn each<'a>(
        &mut self,
        steps: &'a [Step],
        items: impl Iterator<Item = &'a Json>,
        scope: Scope<'a>,
        mut found: Found<'_>,
        unwrap: bool,
    ) -> Outcome {
        let mut any = false;
        for item in items {
            let hit = self.step(steps, Item::Json(item), scope, found.as_deref_mut(), unwrap)?;
            any |= hit;
            if hit && found.is_none() {
                return Ok(true);
            }
        }
        Ok(any)
    }

    fn levels<'a>(
        &mut self,
        bounds: (u32, u32),
        rest: &'a [Step],
        item: Item<'a>,
        scope: Scope<'a>,
        mut found: Found<'_>,
    ) -> Outcome {
        let scope = Scope {
            forgiving: true,
            ..scope
        };
        let mut any = false;
        if bounds.0 == 0 {
            any = self.steps(rest, item, scope, found.as_deref_mut())?;
            if any && found.is_none() {
                return Ok(true);
            }
        }
        match item.json() {
            Some(json) => Ok(self.below(bounds, 1, rest, json, scope, found)? || any),
            None => Ok(any),
        }
    }

    /// The values inside `json` that are between the levels.
    fn below<'a>(
        &mut self,
        bounds: (u32, u32),
        level: u32,
        rest: &'a [Step],
        json: &'a Json,
        scope: Scope<'a>,
        mut found: Found<'_>,
    ) -> Outcome {
        let (first, last) = bounds;
        if level > last {
            return Ok(false);
        }
        let values: Vec<&'a Json> = match json {
            Json::Array(items) => items.iter().collect(),
            Json::Object(fields) => fields.iter().map(|(_, value)| value).collect(),
            _ => return Ok(false),
        };
        let lax = self.path.lax;
        let mut any = false;
        for value in values {
            let container = matches!(value, Json::Array(_) | Json::Object(_));
            let leaf = first == LEAVES && last == LEAVES && !container;
            if level >= first || leaf {
                let hit = self.step(rest, Item::Json(value), scope, found.as_deref_mut(), lax)?;
                any |= hit;
                if hit && found.is_none() {
                    return Ok(true);
                }
            }
            if level < last && container {
                let hit =
                    self.below(bounds, level + 1, rest, value, scope, found.as_deref_mut())?;
                any |= hit;
                if hit && found.is_none() {
                    return Ok(true);
                }
            }
        }
        Ok(any)
    }

    fn elements<'a>(
        &mut self,
        elements: &'a [(Path, Option<Path>)],
        rest: &'a [Step],
        item: Item<'a>,
        scope: Scope<'a>,
        mut found: Found<'_>,
    ) -> Outcome {
        let items = item.elements();
        if items.is_none() && !self.path.lax {
            return self.missing(scope, || {
                Fault::soft(
                    state::SQL_JSON_ARRAY_NOT_FOUND,
                    "jsonpath array accessor can only be applied to an array",
                )
            });
        }
        let length = items.map_or(1, <[Json]>::len);
        let scope = Scope {
            length: Some(length),
            ..scope
        };
        let size = i64::try_from(length).unwrap_or(i64::MAX);
        let mut any = false;
        for (first, last) in elements {
            let from = self.subscript(first, item, scope)?;
            let to = match last {
                Some(last) => self.subscript(last, item, scope)?,
                None => from,
            };
            if !scope.forgiving && (from < 0 || from > to || to >= size) {
                return Err(Fault::soft(
                    state::INVALID_SQL_JSON_SUBSCRIPT,
                    "jsonpath array subscript is out of bounds",
                ));
            }
            for index in from.max(0)..=to.min(size - 1) {
                let element = match (items, usize::try_from(index)) {
                    (Some(items), Ok(index)) => match items.get(index) {
                        Some(element) => Item::Json(element),
                        None => continue,
                    },
                    _ => item,
                };
                let hit = self.steps(rest, element, scope, found.as_deref_mut())?;
                any |= hit;
                if hit && found.is_none() {
                    return Ok(true);
                }
            }
        }
        Ok(any)
    }

    fn subscript(&mut self, path: &Path, item: Item<'_>, scope: Scope<'_>) -> Result<i64, Fault> {
        let mut found = Vec::new();
        self.path_of(path, item, scope, &mut found)?;
        let [Value::Json(Json::Number(number))] = found.as_slice() else {
            return Err(Fault::soft(
                state::INVALID_SQL_JSON_SUBSCRIPT,
                "jsonpath array subscript is not a single numeric value",
            ));
        };
        number
            .truncate(0)
            .round_to_i64()
            .filter(|index| i32::try_from(*index).is_ok())
            .ok_or_else(|| {
                Fault::soft(
                    state::INVALID_SQL_JSON_SUBSCRIPT,
                    "jsonpath array subscript is out of integer range",
                )
            })
    }

    /// What a path finds, gathered.
    pub(super) fn path_of<'a>(
        &mut self,
        path: &'a Path,
        item: Item<'a>,
        scope: Scope<'a>,
        found: &mut Vec<Value>,
    ) -> Outcome {
        self.path(path, item, scope, Some(found))
    }

    /// What a path finds; in lax mode the elements of the arrays among it.
    pub(super) fn unwrapped(
        &mut self,
        path: &Path,
        item: Item<'_>,
        scope: Scope<'_>,
    ) -> Result<Vec<Value>, Fault> {
        let mut found = Vec::new();
        self.path_of(path, item, scope, &mut found)?;
        if !self.path.lax {
            return Ok(found);
        }
        let mut flat = Vec::with_capacity(found.len());
        for value in found {
            match value {
                Value::Json(Json::Array(items)) => flat.extend(items.into_iter().map(Value::Json)),
                other => flat.push(other),
            }
        }
        Ok(flat)
    }
}

/// Steps that in lax mode are taken from the elements of an array.
fn unwraps(step: &Step) -> bool {
    use crate::types::jsonpath::Method;
    match step {
        Step::Key(_) | Step::AnyKey | Step::Filter(_) | Step::Datetime(_) => true,
        Step::Method(method) => !matches!(method, Method::Size | Method::Type),
        _ => false,
    }
}
