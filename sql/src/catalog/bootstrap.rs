//! What a new database contains.

use super::descriptor::{CatalogEntry, Counters, FIRST_USER_OID, RoleDescriptor, SchemaDescriptor};
use super::snapshot::CatalogChange;

/// Object identifier of the schema `public`, as in PostgreSQL.
const PUBLIC_SCHEMA_OID: u32 = 2_200;
/// Object identifier of the first role of a database.
const BOOTSTRAP_ROLE_OID: u32 = 10;

/// The catalog of a new database owned by `owner`, whose login secret, if any,
/// is `scram`.
pub fn bootstrap_changes(owner: &str, scram: Option<String>) -> Vec<CatalogChange> {
    vec![
        CatalogChange::Put(CatalogEntry::Counters(Counters {
            next_oid: FIRST_USER_OID,
            next_stream: 1,
        })),
        CatalogChange::Put(CatalogEntry::Role(RoleDescriptor {
            oid: BOOTSTRAP_ROLE_OID,
            name: owner.to_owned(),
            login: true,
            superuser: true,
            scram,
        })),
        CatalogChange::Put(CatalogEntry::Schema(SchemaDescriptor {
            oid: PUBLIC_SCHEMA_OID,
            name: "public".to_owned(),
            owner: owner.to_owned(),
        })),
    ]
}
