//! What the catalog says about each object, and how it is stored.
//!
//! A descriptor is stored as JSON under the key `kind (1 byte) ‖ oid (u32,
//! big-endian)` of the tenant's catalog stream ([`CATALOG_STREAM`]). JSON keeps
//! old logs readable when a later version adds a field with a default.

use serde::{Deserialize, Serialize};

use super::comment::CommentDescriptor;
use super::constraint::{CheckConstraint, ForeignKey};
use super::family::{Family, Heritage};
use super::function::FunctionDescriptor;
use super::index::IndexDescriptor;
use super::sequence::SequenceDescriptor;
use super::user_type::TypeDescriptor;
use super::view::{BoundQuery, ViewDescriptor};
use crate::error::{SqlError, state};
use crate::types::PgType;

/// The stream that catalog entries of a tenant live in.
pub const CATALOG_STREAM: u64 = 0;

/// The first object identifier given to a user's object, as in PostgreSQL.
pub const FIRST_USER_OID: u32 = 16_384;

/// A database as listed in the system tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Object identifier, stable over the life of the database.
    pub oid: u32,
    /// The name that clients connect to.
    pub name: String,
    /// The tenant whose key and rows the database is, 32 hex digits.
    pub tenant: String,
    /// Name of the owning role.
    pub owner: String,
}

/// A role of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleDescriptor {
    /// Object identifier.
    pub oid: u32,
    /// Role name.
    pub name: String,
    /// Whether the role may open a session.
    pub login: bool,
    /// Whether the role passes every permission check.
    pub superuser: bool,
    /// SCRAM-SHA-256 verifier in PostgreSQL's text form.
    pub scram: Option<String>,
}

/// A schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaDescriptor {
    /// Object identifier.
    pub oid: u32,
    /// Schema name.
    pub name: String,
    /// Name of the owning role.
    pub owner: String,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Position in the stored row, from 1; never reused.
    pub attnum: u16,
    /// Column name.
    pub name: String,
    /// Declared type; stored as its PostgreSQL identifier and modifier.
    #[serde(with = "type_code")]
    pub ty: PgType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// `DEFAULT` as SQL text.
    pub default: Option<String>,
    /// Value of the column in rows written before it was added, as
    /// PostgreSQL's text form of the type.
    pub missing: Option<String>,
    /// Whether its values come from a sequence of its own, and who else may give
    /// some.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// `GENERATED ALWAYS AS … STORED`: the expression that its values are computed
    /// by, as SQL text with bare column names.
    #[serde(default)]
    pub generated: Option<String>,
    /// Whether the column was dropped; it stays to keep its place in old rows.
    pub dropped: bool,
    /// Which parents it comes from.
    #[serde(default)]
    pub heritage: Heritage,
}

/// What `GENERATED … AS IDENTITY` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// `ALWAYS`: no statement gives values, unless it overrides this.
    Always,
    /// `BY DEFAULT`: statements may give values.
    ByDefault,
}

/// What COMMIT does to a temporary table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCommit {
    /// It loses its rows.
    DeleteRows,
    /// It goes.
    Drop,
}

/// What makes a table a materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Materialized {
    /// The query whose rows it holds.
    pub query: BoundQuery,
    /// Whether it was filled, and may be read.
    pub populated: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableDescriptor {
    /// Object identifier.
    pub oid: u32,
    /// Schema that the table is in.
    pub schema: u32,
    /// Table name.
    pub name: String,
    /// Name of the owning role.
    pub owner: String,
    /// Stream of the rows. TRUNCATE gives the table a new one, so that the old
    /// rows stay readable at the times at which they were current.
    pub stream: u64,
    /// All columns, dropped ones included, in `attnum` order without gaps.
    pub columns: Vec<Column>,
    /// Columns of the primary key by `attnum`; empty when there is none, in
    /// which case rows are keyed by a hidden 64-bit row number.
    pub primary_key: Vec<u16>,
    /// Name and object identifier of the primary key constraint.
    pub primary_key_name: Option<(String, u32)>,
    /// Secondary indexes.
    pub indexes: Vec<IndexDescriptor>,
    /// Foreign keys.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKey>,
    /// CHECK constraints.
    #[serde(default)]
    pub checks: Vec<CheckConstraint>,
    /// What COMMIT does to it, if it is temporary.
    #[serde(default)]
    pub on_commit: Option<OnCommit>,
    /// Partitions, parents and children.
    #[serde(default)]
    pub family: Family,
    /// `UNLOGGED`, which is kept because clients ask; its rows are in the log like all
    /// others.
    #[serde(default)]
    pub unlogged: bool,
    /// The query whose rows it holds, if it is a materialized view.
    #[serde(default)]
    pub materialized: Option<Materialized>,
}

impl TableDescriptor {
    /// The columns that exist for a user, in order.
    pub fn live_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|c| !c.dropped)
    }

    /// Finds a live column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.live_columns().find(|c| c.name == name)
    }

    /// The column at `attnum`, dropped or not.
    pub fn attribute(&self, attnum: u16) -> Option<&Column> {
        self.columns.get(usize::from(attnum).checked_sub(1)?)
    }

    /// Types of all attributes in row order, dropped ones included.
    pub fn attribute_types(&self) -> Vec<PgType> {
        self.columns.iter().map(|c| c.ty).collect()
    }

    /// Makes a column one that was dropped, with what is only there for it. It keeps
    /// its place in rows, but not a type that may go too.
    pub fn drop_column(&mut self, attnum: u16) {
        let own = self.oid;
        self.foreign_keys.retain(|key| {
            let refers = key.referenced == own && key.referenced_columns.contains(&attnum);
            !key.columns.contains(&attnum) && !refers
        });
        self.checks.retain(|check| !check.columns.contains(&attnum));
        self.indexes.retain(|i| !i.mentions(attnum));
        let column = self.columns.iter_mut().find(|c| c.attnum == attnum);
        if let Some(column) = column {
            column.dropped = true;
            column.not_null = false;
            column.default = None;
            column.missing = None;
            column.identity = None;
            column.generated = None;
            column.name = format!("........pg.dropped.{attnum}........");
            column.ty = match column.ty.base() {
                PgType::Enum(_) => PgType::Int8,
                ty if ty.user().is_some() => PgType::Bytea,
                ty => ty,
            };
        }
    }

    /// The foreign key with this object identifier.
    pub fn foreign_key(&self, oid: u32) -> Option<&ForeignKey> {
        self.foreign_keys.iter().find(|key| key.oid == oid)
    }

    /// The name of an index, the one of the primary key included.
    pub fn index_name(&self, oid: u32) -> Option<&str> {
        match &self.primary_key_name {
            Some((name, key)) if *key == oid => Some(name),
            _ => {
                let mut indexes = self.indexes.iter();
                indexes.find(|i| i.oid == oid).map(|i| i.name.as_str())
            }
        }
    }

    /// Whether a constraint of that name is there.
    pub fn has_constraint(&self, name: &str) -> bool {
        self.primary_key_name
            .as_ref()
            .is_some_and(|(n, _)| n == name)
            || self.indexes.iter().any(|i| i.constraint && i.name == name)
            || self.foreign_keys.iter().any(|key| key.name == name)
            || self.checks.iter().any(|check| check.name == name)
    }

    /// The object identifier of the constraint of that name.
    pub fn constraint_oid(&self, name: &str) -> Option<u32> {
        let primary = self.primary_key_name.iter();
        let primary = primary.filter(|(n, _)| n == name).map(|(_, oid)| *oid);
        let unique = self
            .indexes
            .iter()
            .filter(|i| i.constraint && i.name == name);
        let foreign = self.foreign_keys.iter().filter(|key| key.name == name);
        let checks = self.checks.iter().filter(|check| check.name == name);
        primary
            .chain(unique.map(|i| i.oid))
            .chain(foreign.map(|key| key.oid))
            .chain(checks.map(|check| check.oid))
            .next()
    }

    /// Whether rows are keyed by a hidden row number.
    pub fn has_row_number(&self) -> bool {
        self.primary_key.is_empty()
    }
}

/// Next identifiers to hand out; one entry a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Next object identifier.
    pub next_oid: u32,
    /// Next stream identifier.
    pub next_stream: u64,
}

/// Any stored catalog entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CatalogEntry {
    /// Identifier counters (oid 0).
    Counters(Counters),
    /// A schema.
    Schema(SchemaDescriptor),
    /// A table with its columns and indexes.
    Table(Box<TableDescriptor>),
    /// A view.
    View(Box<ViewDescriptor>),
    /// A sequence.
    Sequence(Box<SequenceDescriptor>),
    /// A type.
    Type(Box<TypeDescriptor>),
    /// A function.
    Function(Box<FunctionDescriptor>),
    /// A comment on an object.
    Comment(CommentDescriptor),
    /// A role.
    Role(RoleDescriptor),
    /// A database (system tenant only).
    Database(Database),
}

impl CatalogEntry {
    /// The entry's key within the catalog stream.
    pub fn key(&self) -> [u8; 5] {
        let (kind, oid) = match self {
            Self::Counters(_) => (b'c', 0),
            Self::Schema(s) => (b's', s.oid),
            Self::Table(t) => (b't', t.oid),
            Self::View(v) => (b'v', v.oid),
            Self::Sequence(s) => (b'q', s.oid),
            // Before the tables, which are read after it.
            Self::Type(t) => (b'e', t.oid),
            Self::Function(f) => (b'f', f.oid),
            Self::Comment(c) => (b'm', c.oid),
            Self::Role(r) => (b'r', r.oid),
            Self::Database(d) => (b'd', d.oid),
        };
        let [a, b, c, d] = oid.to_be_bytes();
        [kind, a, b, c, d]
    }

    /// The stored form.
    ///
    /// # Errors
    /// XX000 when the entry cannot be written as JSON, which no entry causes.
    pub fn encode(&self) -> Result<Vec<u8>, SqlError> {
        serde_json::to_vec(self)
            .map_err(|e| SqlError::new(state::INTERNAL_ERROR, format!("catalog entry: {e}")))
    }

    /// Reads a stored entry.
    ///
    /// # Errors
    /// XX001 when the bytes are not a catalog entry.
    pub fn decode(bytes: &[u8]) -> Result<Self, SqlError> {
        serde_json::from_slice(bytes).map_err(|e| {
            SqlError::new(
                state::DATA_CORRUPTED,
                format!("unreadable catalog entry: {e}"),
            )
        })
    }
}

/// A type in the catalog: `[oid, typmod]`, as PostgreSQL numbers them.
pub(super) mod type_code {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::types::PgType;

    pub(in super::super) fn serialize<S: Serializer>(
        ty: &PgType,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        (ty.oid(), ty.typmod()).serialize(out)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<PgType, D::Error> {
        let (oid, typmod) = <(u32, i32)>::deserialize(from)?;
        match PgType::from_oid(oid, typmod) {
            Some(ty) => Ok(ty),
            // The catalog knows which one it is.
            None if oid >= super::FIRST_USER_OID => Ok(PgType::Stored(oid)),
            None => Err(serde::de::Error::custom(format!("unknown type {oid}"))),
        }
    }
}
