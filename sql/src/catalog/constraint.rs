//! What the catalog says about foreign keys and CHECK constraints.

use serde::{Deserialize, Serialize};

use super::family::Heritage;

/// What happens to referencing rows when the key that they refer to goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAction {
    /// Refused, when they still refer to it in the end.
    #[default]
    NoAction,
    /// Refused at once.
    Restrict,
    /// They go too, or get the new key.
    Cascade,
    /// Their columns become NULL.
    SetNull,
    /// Their columns become their defaults.
    SetDefault,
}

/// A foreign key of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Object identifier.
    pub oid: u32,
    /// Name of the constraint.
    pub name: String,
    /// Referencing columns, by `attnum`.
    pub columns: Vec<u16>,
    /// Object identifier of the referenced table.
    pub referenced: u32,
    /// Referenced columns, by `attnum`, one for each referencing one.
    pub referenced_columns: Vec<u16>,
    /// Object identifier of the unique index of the referenced columns, or of
    /// the primary key.
    pub index: u32,
    /// `ON UPDATE`.
    #[serde(default)]
    pub on_update: KeyAction,
    /// `ON DELETE`.
    #[serde(default)]
    pub on_delete: KeyAction,
    /// Columns that `ON DELETE SET …` names; empty means all.
    #[serde(default)]
    pub set_columns: Vec<u16>,
    /// `MATCH FULL`.
    #[serde(default)]
    pub match_full: bool,
    /// `DEFERRABLE`.
    #[serde(default)]
    pub deferrable: bool,
    /// `INITIALLY DEFERRED`.
    #[serde(default)]
    pub deferred: bool,
    /// Whether all rows are known to comply (not `NOT VALID`).
    #[serde(default)]
    pub validated: bool,
    /// The foreign key of the partitioned table that it is a part of.
    #[serde(default)]
    pub parent: Option<u32>,
}

/// A CHECK constraint of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckConstraint {
    /// Object identifier.
    pub oid: u32,
    /// Name of the constraint.
    pub name: String,
    /// The condition as SQL text, with bare column names.
    pub expression: String,
    /// Columns that the condition names, by `attnum`.
    pub columns: Vec<u16>,
    /// `NO INHERIT`.
    #[serde(default)]
    pub no_inherit: bool,
    /// Whether all rows are known to comply (not `NOT VALID`).
    #[serde(default)]
    pub validated: bool,
    /// Which parents it comes from.
    #[serde(default)]
    pub heritage: Heritage,
}
