//! `nextval` and the other functions of sequences.

use std::sync::Arc;

use super::args::{BOOL, INT8, OID, TEXT, at, str_at};
use super::catalog::{facts, oid_at};
use super::locks::link;
use super::overload::{Call, Overload};
use crate::catalog::{QualifiedName, RelationEntry, SequenceDescriptor};
use crate::error::{SqlError, SqlResult, state};
use crate::pg_catalog::qualified;
use crate::sequence::SequenceAccess;
use crate::session::TEMPORARY;
use crate::types::{Datum, PgType};

/// Overloads of this module.
pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("nextval", &[OID], PgType::Int8, nextval).volatile(),
    Overload::new("nextval", &[TEXT], PgType::Int8, nextval).volatile(),
    Overload::new("currval", &[OID], PgType::Int8, currval).volatile(),
    Overload::new("currval", &[TEXT], PgType::Int8, currval).volatile(),
    Overload::new("lastval", &[], PgType::Int8, lastval).volatile(),
    Overload::new("setval", &[OID, INT8], PgType::Int8, setval).volatile(),
    Overload::new("setval", &[TEXT, INT8], PgType::Int8, setval).volatile(),
    Overload::new("setval", &[OID, INT8, BOOL], PgType::Int8, setval).volatile(),
    Overload::new("setval", &[TEXT, INT8, BOOL], PgType::Int8, setval).volatile(),
    Overload::new("pg_sequence_last_value", &[OID], PgType::Int8, last_value).volatile(),
];

fn access<'a>(call: &'a Call<'_>) -> SqlResult<&'a Arc<SequenceAccess>> {
    call.session
        .and_then(|session| session.sequences.as_ref())
        .ok_or_else(|| SqlError::internal("a sequence without a session"))
}

/// The sequence that the first argument means, by identifier or by name.
fn sequence(call: &Call<'_>, args: &[Datum]) -> SqlResult<Arc<SequenceDescriptor>> {
    let facts = facts(call)?;
    let found = match oid_at(args, 0) {
        Some(oid) => match facts.catalog.sequence_by_oid(oid) {
            Some(sequence) => return Ok(Arc::clone(sequence)),
            None => facts.object(oid).map(|object| object.name().to_owned()),
        },
        None => {
            let mut names = qualified(str_at(args, 0))?;
            let name = QualifiedName {
                name: names.pop().unwrap_or_default(),
                schema: names.pop(),
            };
            if let Some(schema) = &name.schema
                && facts.catalog.schema(schema).is_none()
            {
                return Err(SqlError::new(
                    state::INVALID_SCHEMA_NAME,
                    format!("schema \"{schema}\" does not exist"),
                ));
            }
            match facts
                .catalog
                .find_relation(&name, &facts.session.search_path)
            {
                Some(RelationEntry::Sequence(sequence)) => return Ok(Arc::clone(sequence)),
                Some(_) => Some(name.name),
                None => None,
            }
        }
    };
    Err(match found {
        Some(name) => SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!("\"{name}\" is not a sequence"),
        ),
        None => {
            let named = match oid_at(args, 0) {
                Some(oid) => format!("with OID {oid}"),
                None => format!("\"{}\"", str_at(args, 0)),
            };
            SqlError::new(
                state::UNDEFINED_TABLE,
                format!("relation {named} does not exist"),
            )
        }
    })
}

/// Sequences must not move in a transaction that only reads, unless they are
/// temporary.
fn writable(call: &Call<'_>, sequence: &SequenceDescriptor, function: &str) -> SqlResult<()> {
    let temporary = || {
        let schema = facts(call).ok()?.catalog.schema_by_oid(sequence.schema)?;
        schema.name.starts_with(TEMPORARY).then_some(())
    };
    if call.session.is_some_and(|session| session.read_only) && temporary().is_none() {
        return Err(SqlError::new(
            state::READ_ONLY_SQL_TRANSACTION,
            format!("cannot execute {function}() in a read-only transaction"),
        ));
    }
    Ok(())
}

/// A sequence, to take or set values: locked, and as it is then.
fn locked(call: &Call<'_>, found: &Arc<SequenceDescriptor>) -> SqlResult<Arc<SequenceDescriptor>> {
    access(call)?.locked(found, facts(call)?.catalog, &link(call)?.into())
}

fn nextval(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let sequence = sequence(call, args)?;
    writable(call, &sequence, "nextval")?;
    let sequence = locked(call, &sequence)?;
    access(call)?.next(&sequence).map(Datum::Int8)
}

fn currval(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let sequence = sequence(call, args)?;
    access(call)?.current(&sequence).map(Datum::Int8)
}

fn lastval(call: &Call<'_>, _: &[Datum]) -> SqlResult<Datum> {
    access(call)?.last(facts(call)?.catalog).map(Datum::Int8)
}

fn setval(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let sequence = sequence(call, args)?;
    writable(call, &sequence, "setval")?;
    let sequence = locked(call, &sequence)?;
    let value = at(args, 1).as_i64().ok_or_else(super::args::mismatch)?;
    let called = at(args, 2).as_bool().unwrap_or(true);
    access(call)?.set(&sequence, value, called)?;
    Ok(Datum::Int8(value))
}

fn last_value(call: &Call<'_>, args: &[Datum]) -> SqlResult<Datum> {
    let shown = access(call)?.shown(sequence(call, args)?.as_ref())?;
    Ok(match shown.called {
        true => Datum::Int8(shown.last),
        false => Datum::Null,
    })
}
