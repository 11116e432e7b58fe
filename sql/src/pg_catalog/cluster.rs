//! Databases, roles and tablespaces.

use super::facts::FIRST_ROLE;
use super::{Facts, Row};
use crate::catalog::RoleDescriptor;
use crate::types::Datum;

/// Object identifier of the session's database where the catalog has none: only
/// the system database's catalog lists databases.
pub(crate) const OWN_DATABASE: u32 = 5;
/// Tablespace `pg_default`.
const DEFAULT_TABLESPACE: u32 = 1_663;
/// Encoding UTF8.
const UTF8: i32 = 6;
/// Text is compared and classified byte by byte, as in this locale.
const LOCALE: &str = "C.UTF-8";

fn database(oid: u32, name: &str, owner: u32) -> Row {
    vec![
        ("oid", Datum::Oid(oid)),
        ("datname", Datum::text(name)),
        ("datdba", Datum::Oid(owner)),
        ("encoding", Datum::Int4(UTF8)),
        ("datlocprovider", Datum::text("c")),
        ("datallowconn", Datum::Bool(true)),
        ("datconnlimit", Datum::Int4(-1)),
        ("dattablespace", Datum::Oid(DEFAULT_TABLESPACE)),
        ("datcollate", Datum::text(LOCALE)),
        ("datctype", Datum::text(LOCALE)),
    ]
}

/// Object identifier of the session's database.
pub(super) fn database_oid(facts: &Facts<'_>) -> u32 {
    let own = facts.session.database.as_str();
    facts.catalog.database(own).map_or(OWN_DATABASE, |d| d.oid)
}

/// The session's database, and those that its catalog lists: a tenant's catalog
/// lists none, so that no tenant learns the names of others.
pub(super) fn pg_database(facts: &Facts<'_>) -> Vec<Row> {
    let own = facts.session.database.as_str();
    let mut rows: Vec<Row> = facts
        .catalog
        .databases()
        .map(|d| database(d.oid, &d.name, facts.owner(&d.owner)))
        .collect();
    if facts.catalog.database(own).is_none() {
        rows.insert(0, database(OWN_DATABASE, own, FIRST_ROLE));
    }
    rows
}

/// The two tablespaces every server has.
pub(super) fn pg_tablespace(_: &Facts<'_>) -> Vec<Row> {
    [(DEFAULT_TABLESPACE, "pg_default"), (1_664, "pg_global")]
        .into_iter()
        .map(|(oid, name)| {
            vec![
                ("oid", Datum::Oid(oid)),
                ("spcname", Datum::text(name)),
                ("spcowner", Datum::Oid(FIRST_ROLE)),
            ]
        })
        .collect()
}

fn role(role: &RoleDescriptor) -> Row {
    let superuser = Datum::Bool(role.superuser);
    vec![
        ("oid", Datum::Oid(role.oid)),
        ("rolname", Datum::text(role.name.as_str())),
        ("rolsuper", superuser.clone()),
        ("rolinherit", Datum::Bool(true)),
        ("rolcreaterole", superuser.clone()),
        ("rolcreatedb", superuser.clone()),
        ("rolcanlogin", Datum::Bool(role.login)),
        ("rolreplication", superuser.clone()),
        ("rolbypassrls", superuser),
        ("rolconnlimit", Datum::Int4(-1)),
    ]
}

/// Roles; the password is never shown.
pub(super) fn pg_roles(facts: &Facts<'_>) -> Vec<Row> {
    let with_stars = |r| {
        let mut row = role(r);
        row.push(("rolpassword", Datum::text("********")));
        row
    };
    facts.catalog.roles().map(|r| with_stars(r)).collect()
}

/// Roles; verifiers are not shown here either.
pub(super) fn pg_authid(facts: &Facts<'_>) -> Vec<Row> {
    facts.catalog.roles().map(|r| role(r)).collect()
}

/// Roles that may log in.
pub(super) fn pg_user(facts: &Facts<'_>) -> Vec<Row> {
    facts
        .catalog
        .roles()
        .filter(|r| r.login)
        .map(|r| {
            let superuser = Datum::Bool(r.superuser);
            vec![
                ("usename", Datum::text(r.name.as_str())),
                ("usesysid", Datum::Oid(r.oid)),
                ("usecreatedb", superuser.clone()),
                ("usesuper", superuser.clone()),
                ("userepl", superuser.clone()),
                ("usebypassrls", superuser),
                ("passwd", Datum::text("********")),
                ("useconfig", Datum::Null),
            ]
        })
        .collect()
}
