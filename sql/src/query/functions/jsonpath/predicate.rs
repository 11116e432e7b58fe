//! What is true, false or unknown (`None`).

use super::super::regexp::like_regex;
use super::compare::compare;
use super::{Fault, Item, Scope, Search, Value};
use crate::error::SqlError;
use crate::types::json::Json;
use crate::types::jsonpath::{Head, Path, Predicate, RegexFlags};

/// True, false, or unknown.
pub(super) type Truth = Result<Option<bool>, Fault>;

/// Makes a soft fault unknown.
fn without_fault<T>(result: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Fault::Soft(_)) => Ok(None),
        Err(hard) => Err(hard),
    }
}

impl Search<'_> {
    /// The predicate of a filter, and of the operands of `&&` and the like.
    pub(super) fn condition<'a>(
        &mut self,
        path: &'a Path,
        item: Item<'a>,
        scope: Scope<'a>,
    ) -> Truth {
        match &path.head {
            Head::Predicate(predicate) if path.steps.is_empty() => {
                self.predicate(predicate, item, scope)
            }
            _ => Err(Fault::hard(SqlError::internal(
                "a condition of a path is no predicate",
            ))),
        }
    }

    pub(super) fn predicate<'a>(
        &mut self,
        predicate: &'a Predicate,
        item: Item<'a>,
        scope: Scope<'a>,
    ) -> Truth {
        match predicate {
            Predicate::And(left, right) => {
                let left = self.condition(left, item, scope)?;
                if left == Some(false) {
                    return Ok(left);
                }
                // Unknown only stays so when the other side is not false.
                Ok(match self.condition(right, item, scope)? {
                    Some(true) => left,
                    other => other,
                })
            }
            Predicate::Or(left, right) => {
                let left = self.condition(left, item, scope)?;
                if left == Some(true) {
                    return Ok(left);
                }
                Ok(match self.condition(right, item, scope)? {
                    Some(false) => left,
                    other => other,
                })
            }
            Predicate::Not(inner) => Ok(self.condition(inner, item, scope)?.map(|t| !t)),
            Predicate::IsUnknown(inner) => Ok(Some(self.condition(inner, item, scope)?.is_none())),
            Predicate::Compare(op, left, right) => {
                let (with_zone, zone) = (self.with_zone, self.zone);
                self.pairs(
                    left,
                    Some((right, true)),
                    item,
                    scope,
                    &mut |a, b| match b {
                        Some(b) => compare(*op, a, b, with_zone.then_some(&zone)),
                        None => Ok(None),
                    },
                )
            }
            Predicate::StartsWith(whole, start) => {
                self.pairs(whole, Some((start, false)), item, scope, &mut |a, b| {
                    Ok(match (a, b) {
                        (
                            Value::Json(Json::String(whole)),
                            Some(Value::Json(Json::String(start))),
                        ) => Some(whole.starts_with(start.as_str())),
                        _ => None,
                    })
                })
            }
            Predicate::LikeRegex {
                value,
                pattern,
                flags,
            } => self.like_regex(value, pattern, *flags, item, scope),
            Predicate::Exists(inner) => self.exists(inner, item, scope),
        }
    }

    fn exists(&mut self, path: &Path, item: Item<'_>, scope: Scope<'_>) -> Truth {
        if self.path.lax {
            return without_fault(self.path(path, item, scope, None));
        }
        // All of them must be without error.
        let mut found = Vec::new();
        let outcome = without_fault(self.path_of(path, item, scope, &mut found))?;
        Ok(outcome.map(|_| !found.is_empty()))
    }

    fn like_regex(
        &mut self,
        path: &Path,
        pattern: &str,
        flags: RegexFlags,
        item: Item<'_>,
        scope: Scope<'_>,
    ) -> Truth {
        let matches = like_regex(pattern, flags).map_err(Fault::hard)?;
        self.pairs(path, None, item, scope, &mut |value, _| {
            Ok(match value {
                Value::Json(Json::String(text)) => Some(matches(text)),
                _ => None,
            })
        })
    }

    /// Whether a test holds for a pair of what both sides find. In lax mode one
    /// that holds is enough; in strict mode none may be unknown.
    fn pairs(
        &mut self,
        left: &Path,
        right: Option<(&Path, bool)>,
        item: Item<'_>,
        scope: Scope<'_>,
        test: &mut dyn FnMut(&Value, Option<&Value>) -> Truth,
    ) -> Truth {
        let Some(left) = without_fault(self.unwrapped(left, item, scope))? else {
            return Ok(None);
        };
        let rights = match right {
            None => None,
            Some((path, unwrap)) => {
                let found = if unwrap {
                    self.unwrapped(path, item, scope)
                } else {
                    let mut found = Vec::new();
                    self.path_of(path, item, scope, &mut found).map(|_| found)
                };
                match without_fault(found)? {
                    Some(found) => Some(found),
                    None => return Ok(None),
                }
            }
        };
        let (mut holds, mut unknown) = (false, false);
        for a in &left {
            let others: Vec<Option<&Value>> = match &rights {
                Some(rights) => rights.iter().map(Some).collect(),
                None => vec![None],
            };
            for b in others {
                match test(a, b)? {
                    None if !self.path.lax => return Ok(None),
                    None => unknown = true,
                    Some(true) if self.path.lax => return Ok(Some(true)),
                    Some(true) => holds = true,
                    Some(false) => {}
                }
            }
        }
        Ok(match (holds, unknown) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        })
    }
}
