//! The catalog of one tenant: schemas, tables, columns, indexes and roles.
//!
//! Descriptors are stored in the log as catalog changes and read back from the
//! `catalog` projection, so the catalog has the same history and the same
//! guarantees as the rows it describes. [`Catalog`] is an immutable view: DDL
//! builds a new one, statements keep the one they were planned with.

mod bootstrap;
mod comment;
mod constraint;
mod depend;
mod descriptor;
mod family;
mod function;
mod index;
mod lookup;
mod names;
mod newest;
mod sequence;
mod snapshot;
mod user_type;
mod view;

pub use bootstrap::bootstrap_changes;
pub use comment::{
    CommentDescriptor, Commented, PG_AUTHID, PG_CLASS, PG_CONSTRAINT, PG_DATABASE, PG_NAMESPACE,
    PG_PROC, PG_TYPE,
};
pub use constraint::{CheckConstraint, ForeignKey, KeyAction};
pub use depend::{Dependent, ObjectKind};
pub(crate) use depend::{cascade_notice, still_needed};
pub use descriptor::{
    CATALOG_STREAM, CatalogEntry, Column, Counters, Database, FIRST_USER_OID, Identity,
    Materialized, OnCommit, RoleDescriptor, SchemaDescriptor, TableDescriptor,
};
pub use family::{
    Bound, BoundKey, Edge, EdgeKey, Family, Heritage, PartitionBy, PartitionKey, Strategy,
    attribute_map, mapped, value_key,
};
pub use function::{
    FunctionBody, FunctionDescriptor, FunctionVolatility, Parameter, ParameterMode, ReturnType,
};
pub use index::{IndexDescriptor, IndexExpression, KeyOrder};
pub(crate) use names::MARKED_CATALOG;
pub use names::{QualifiedName, fold_identifier};
pub(crate) use newest::{Catalogs, Kept};
pub use sequence::{Exhausted, SequenceDescriptor, SequenceOptions, SequenceState};
pub(crate) use sequence::{mentioned_sequence, sequence_mention};
pub use snapshot::{Catalog, CatalogChange, RelationEntry, SYSTEM_SCHEMAS};
pub use user_type::{
    AttributeDescriptor, DomainCheck, DomainDescriptor, LabelDescriptor, TypeDescriptor, TypeKind,
    TypeNames, is_of,
};
pub use view::{BoundColumn, BoundQuery, BoundRelation, CheckOption, ViewColumn, ViewDescriptor};
