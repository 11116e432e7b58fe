//! Sequences as the catalog knows them. Their values are not here: see
//! [`crate::sequence`].

use serde::{Deserialize, Serialize};
use sqlparser::ast::{Expr, Value};

use super::descriptor::type_code;
use crate::types::PgType;

/// Names the values of a sequence in the log. A sequence gets new ones when it is
/// restarted by a statement that may be rolled back.
pub type SequenceState = [u8; 16];

/// A sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceDescriptor {
    /// Object identifier.
    pub oid: u32,
    /// Schema that the sequence is in.
    pub schema: u32,
    /// Sequence name.
    pub name: String,
    /// Name of the owning role.
    pub owner: String,
    /// What it gives, and within which bounds.
    pub options: SequenceOptions,
    /// The column it belongs to: table and attribute number.
    #[serde(default)]
    pub owned_by: Option<(u32, u16)>,
    /// Whether it is part of an identity column.
    #[serde(default)]
    pub identity: bool,
    /// Where its values are kept.
    pub state: SequenceState,
    /// The first value of this state, and whether it counts as given already.
    pub first: (i64, bool),
}

/// What CREATE SEQUENCE may say about the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceOptions {
    /// `smallint`, `integer` or `bigint`.
    #[serde(with = "type_code")]
    pub ty: PgType,
    /// `START WITH`.
    pub start: i64,
    /// `INCREMENT BY`, not 0.
    pub increment: i64,
    /// `MINVALUE`.
    pub min: i64,
    /// `MAXVALUE`.
    pub max: i64,
    /// Values a session takes at a time.
    pub cache: i64,
    /// Whether it starts again at its end.
    pub cycle: bool,
}

/// Why a sequence has no next value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// It is at its greatest value.
    Maximum(i64),
    /// It is at its least value.
    Minimum(i64),
}

impl SequenceOptions {
    /// The value after `last`, or the one at the other end.
    ///
    /// # Errors
    /// When there is none and the sequence does not cycle.
    pub fn after(&self, last: i64) -> Result<i64, Exhausted> {
        let next = i128::from(last) + i128::from(self.increment);
        if self.increment > 0 && next > i128::from(self.max) {
            return match self.cycle {
                true => Ok(self.min),
                false => Err(Exhausted::Maximum(self.max)),
            };
        }
        if self.increment < 0 && next < i128::from(self.min) {
            return match self.cycle {
                true => Ok(self.max),
                false => Err(Exhausted::Minimum(self.min)),
            };
        }
        Ok(i64::try_from(next).unwrap_or(last))
    }
}

/// How stored expressions name a sequence: by its identifier, whatever it is called.
pub(crate) fn sequence_mention(oid: u32) -> String {
    format!("'{oid}'::REGCLASS")
}

/// The sequence that an expression names as [`sequence_mention`] does.
pub(crate) fn mentioned_sequence(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::Cast {
            expr, data_type, ..
        } if data_type.to_string().eq_ignore_ascii_case("regclass") => match expr.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => text.parse().ok(),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
