//! Where a value lies in PostgreSQL's binary form of `jsonb`: the ids of
//! `keyvalue()` are made of it.

use crate::types::json::Json;

/// The document that offsets count from, and its number.
#[derive(Clone, Copy)]
pub(super) struct Base<'a> {
    pub(super) document: &'a Json,
    pub(super) number: i64,
}

const GROUP: i64 = 10_000_000_000;

impl Base<'_> {
    /// The id of an object in the document.
    pub(super) fn id_of(&self, object: &Json) -> i64 {
        let offset = offset_of(self.document, object, 0).unwrap_or(0);
        offset.saturating_add(self.number.saturating_mul(GROUP))
    }
}

fn aligned(at: i64) -> i64 {
    (at + 3) / 4 * 4
}

/// The offset of `wanted` within a container that begins at `at`.
fn offset_of(container: &Json, wanted: &Json, at: i64) -> Option<i64> {
    if std::ptr::eq(container, wanted) {
        return Some(at);
    }
    let mut found = None;
    walk(container, at, &mut |child, start| {
        if found.is_none() && is_container(child) {
            found = offset_of(child, wanted, start);
        }
    });
    found
}

fn is_container(json: &Json) -> bool {
    matches!(json, Json::Array(_) | Json::Object(_))
}

/// Tells of each value of a container where it begins; answers where the container
/// ends.
fn walk<'a>(container: &'a Json, at: i64, tell: &mut dyn FnMut(&'a Json, i64)) -> i64 {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX / 8);
    match container {
        Json::Array(items) => {
            let mut end = at + 4 + 4 * count(items.len());
            for item in items {
                end = value(item, end, tell);
            }
            end
        }
        Json::Object(fields) => {
            let mut end = at + 4 + 8 * count(fields.len());
            for (key, _) in fields {
                end += count(key.len());
            }
            for (_, member) in fields {
                end = value(member, end, tell);
            }
            end
        }
        // A bare scalar is an array of one.
        scalar => value(scalar, at + 8, tell),
    }
}

/// The end of a value that begins at `at`, or a little later.
fn value<'a>(json: &'a Json, at: i64, tell: &mut dyn FnMut(&'a Json, i64)) -> i64 {
    match json {
        Json::Null | Json::Bool(_) => at,
        Json::String(text) => at + i64::try_from(text.len()).unwrap_or(0),
        Json::Number(number) => aligned(at) + numeric_size(number),
        container => {
            let start = aligned(at);
            tell(container, start);
            walk(container, start, &mut |_, _| {})
        }
    }
}

/// Bytes of a numeric with its length.
fn numeric_size(number: &crate::types::Numeric) -> i64 {
    let text = number.trimmed().to_string();
    let text = text.trim_start_matches('-');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.trim_start_matches('0');
    let groups = |digits: usize| digits.div_ceil(4);
    let mut total = groups(whole.len()) + groups(fraction.len());
    // Groups of zeros at the ends are not kept.
    if whole.is_empty() {
        let zeros = fraction.bytes().take_while(|b| *b == b'0').count();
        total -= (zeros / 4).min(total);
    }
    if fraction.is_empty() {
        let zeros = whole.bytes().rev().take_while(|b| *b == b'0').count();
        total -= (zeros / 4).min(total);
    }
    let weight = i64::try_from(groups(whole.len())).unwrap_or(0);
    let long = number.scale() > 63 || !(-63..=64).contains(&weight);
    let header = if long { 8 } else { 6 };
    header + 2 * i64::try_from(total).unwrap_or(0)
}
