//! Views: a query that is kept, and what its names mean.
//!
//! A view means what it meant when it was made. Its query is kept as text; which
//! relation each name of it stands for, and which of that relation's columns
//! existed under which names, is kept beside it. So a table may be renamed, or
//! get more columns, and the views over it stay what they were.

use serde::{Deserialize, Serialize};

use super::descriptor::type_code;
use crate::types::PgType;

/// A view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewDescriptor {
    /// Object identifier.
    pub oid: u32,
    /// Schema that the view is in.
    pub schema: u32,
    /// View name.
    pub name: String,
    /// Name of the owning role.
    pub owner: String,
    /// The columns, in order.
    pub columns: Vec<ViewColumn>,
    /// What is asked.
    pub query: BoundQuery,
    /// `WITH CHECK OPTION`.
    #[serde(default)]
    pub check: Option<CheckOption>,
}

/// A column of a view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewColumn {
    /// Column name.
    pub name: String,
    /// Type.
    #[serde(with = "type_code")]
    pub ty: PgType,
    /// What changes through the view give the column when they give it nothing, as
    /// SQL text.
    #[serde(default)]
    pub default: Option<String>,
}

/// What a change through a view must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOption {
    /// The condition of this view.
    Local,
    /// The conditions of this view and of all views below it.
    Cascaded,
}

impl CheckOption {
    /// The word `information_schema` has for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "LOCAL",
            Self::Cascaded => "CASCADED",
        }
    }
}

/// A query as text, with the meaning of the relation names in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundQuery {
    /// The query.
    pub text: String,
    /// The relations it reads.
    pub relations: Vec<BoundRelation>,
}

/// A relation that a kept query reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundRelation {
    /// The schema, where the query names it.
    pub schema: Option<String>,
    /// The relation's name in the query.
    pub name: String,
    /// Its object identifier.
    pub oid: u32,
    /// The columns that the query may name, by their position and the name they
    /// had when the query was kept.
    pub columns: Vec<BoundColumn>,
}

/// A column that a kept query may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundColumn {
    /// Position in the relation, from 1.
    pub attnum: u16,
    /// The name it has in the query.
    pub name: String,
    /// Whether the query needs it.
    pub used: bool,
}

impl ViewDescriptor {
    /// Position of a column, from 1.
    pub fn position(&self, name: &str) -> Option<u16> {
        let at = self.columns.iter().position(|c| c.name == name)?;
        u16::try_from(at + 1).ok()
    }
}

impl BoundQuery {
    /// What a name of the query means; `None` for one that it does not have.
    pub fn relation(&self, schema: Option<&str>, name: &str) -> Option<&BoundRelation> {
        self.relations
            .iter()
            .find(|r| r.schema.as_deref() == schema && r.name == name)
    }

    /// Whether the query reads a relation.
    pub fn reads(&self, oid: u32) -> bool {
        self.relations.iter().any(|r| r.oid == oid)
    }

    /// Whether the query needs a column of a relation.
    pub fn needs_column(&self, oid: u32, attnum: u16) -> bool {
        self.relations
            .iter()
            .filter(|r| r.oid == oid)
            .flat_map(|r| &r.columns)
            .any(|c| c.attnum == attnum && c.used)
    }
}
