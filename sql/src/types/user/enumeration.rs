//! Values of enums.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::{UserKind, UserType};
use crate::error::{SqlError, SqlResult, state};
use crate::types::datum::Datum;
use crate::types::oid::Oid;

/// A label of an enum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnumLabel {
    /// Object identifier of the label.
    pub oid: Oid,
    /// What stands for the label in rows and keys. Labels are ordered by it; it
    /// never changes.
    pub position: i64,
    /// The label.
    pub label: String,
}

/// A value of an enum.
#[derive(Debug, Clone, Copy)]
pub struct EnumValue {
    /// The type.
    pub ty: &'static UserType,
    /// The position of the label.
    pub position: i64,
}

impl EnumValue {
    /// The label.
    pub fn label(&self) -> &'static str {
        self.ty.label_at(self.position)
    }
}

impl PartialEq for EnumValue {
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position
    }
}

impl Eq for EnumValue {}

impl PartialOrd for EnumValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EnumValue {
    fn cmp(&self, other: &Self) -> Ordering {
        self.position.cmp(&other.position)
    }
}

impl Hash for EnumValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.position.hash(state);
    }
}

impl UserType {
    /// The labels of an enum, in order; none for another type.
    pub fn labels(&self) -> &[EnumLabel] {
        match self.kind() {
            UserKind::Enum(labels) => labels,
            _ => &[],
        }
    }

    /// The label at a position. A session whose catalog is older than a value it
    /// meets has none for it, which transactions exclude.
    fn label_at(&self, position: i64) -> &str {
        let labels = self.labels();
        labels
            .binary_search_by_key(&position, |label| label.position)
            .ok()
            .and_then(|at| labels.get(at))
            .map_or("", |label| label.label.as_str())
    }

    /// The value at a position.
    pub fn value_at(&'static self, position: i64) -> Datum {
        Datum::Enum(EnumValue { ty: self, position })
    }

    /// The value that a text stands for.
    ///
    /// # Errors
    /// 22P02.
    pub fn read_label(&'static self, text: &str) -> SqlResult<Datum> {
        let found = self.labels().iter().find(|label| label.label == text);
        match found {
            Some(label) => Ok(self.value_at(label.position)),
            None => Err(SqlError::new(
                state::INVALID_TEXT_REPRESENTATION,
                format!("invalid input value for enum {}: \"{text}\"", self.shown()),
            )),
        }
    }
}
