//! What users say about objects: COMMENT ON.

use serde::{Deserialize, Serialize};

use super::CatalogEntry;
use super::snapshot::{Catalog, CatalogChange};

/// Object identifier of `pg_class`.
pub const PG_CLASS: u32 = 1_259;
/// Object identifier of `pg_namespace`.
pub const PG_NAMESPACE: u32 = 2_615;
/// Object identifier of `pg_constraint`.
pub const PG_CONSTRAINT: u32 = 2_606;
/// Object identifier of `pg_type`.
pub const PG_TYPE: u32 = 1_247;
/// Object identifier of `pg_proc`.
pub const PG_PROC: u32 = 1_255;
/// Object identifier of `pg_database`.
pub const PG_DATABASE: u32 = 1_262;
/// Object identifier of `pg_authid`.
pub const PG_AUTHID: u32 = 1_260;

/// What a comment is about: the system catalog that lists the object, the object,
/// and the number of a column, or 0.
pub type Commented = (u32, u32, u16);

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentDescriptor {
    /// Identifier of the comment itself.
    pub oid: u32,
    /// The system catalog that lists the object.
    pub class: u32,
    /// The object.
    pub object: u32,
    /// The number of a column of it, or 0.
    #[serde(default)]
    pub column: u16,
    /// What is said.
    pub text: String,
}

impl CommentDescriptor {
    /// What it is about.
    pub fn about(&self) -> Commented {
        (self.class, self.object, self.column)
    }
}

impl Catalog {
    /// The changes that make `text` the comment on an object, or take its comment
    /// away.
    pub fn commented(&mut self, about: Commented, text: Option<&str>) -> Vec<CatalogChange> {
        let before = self.comment(about).cloned();
        match (before, text) {
            (None, None) => Vec::new(),
            (Some(before), None) => {
                vec![CatalogChange::Remove(CatalogEntry::Comment(
                    before.as_ref().clone(),
                ))]
            }
            (before, Some(text)) => {
                let (class, object, column) = about;
                let oid = match before {
                    Some(before) => before.oid,
                    None => self.allocate_oid(),
                };
                vec![CatalogChange::Put(CatalogEntry::Comment(
                    CommentDescriptor {
                        oid,
                        class,
                        object,
                        column,
                        text: text.to_owned(),
                    },
                ))]
            }
        }
    }

    /// The removal of every comment whose object is not there any more.
    pub fn orphaned_comments(&self) -> Vec<CatalogChange> {
        self.comments()
            .filter(|comment| !self.can_be_commented(comment.about()))
            .map(|comment| CatalogChange::Remove(CatalogEntry::Comment(comment.as_ref().clone())))
            .collect()
    }

    /// Whether the object of a comment is there.
    fn can_be_commented(&self, (class, object, column): Commented) -> bool {
        match class {
            PG_CLASS => match self.table_by_oid(object) {
                Some(table) => column == 0 || table.attribute(column).is_some_and(|c| !c.dropped),
                None => {
                    self.view_by_oid(object).is_some()
                        || self.sequence_by_oid(object).is_some()
                        || self.tables().any(|t| t.index_name(object).is_some())
                }
            },
            PG_NAMESPACE => self.schema_by_oid(object).is_some() || object < super::FIRST_USER_OID,
            PG_CONSTRAINT => self.tables().any(|table| {
                table.index_name(object).is_some()
                    || table.foreign_key(object).is_some()
                    || table.checks.iter().any(|check| check.oid == object)
            }),
            // Of other objects nothing is known here.
            _ => true,
        }
    }
}
