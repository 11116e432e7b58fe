//! Sequences.

use super::{Facts, Row};
use crate::catalog::SequenceDescriptor;
use crate::types::Datum;

/// `pg_sequence`.
pub(super) fn pg_sequence(facts: &Facts<'_>) -> Vec<Row> {
    let row = |sequence: &SequenceDescriptor| {
        let options = &sequence.options;
        vec![
            ("seqrelid", Datum::Oid(sequence.oid)),
            ("seqtypid", Datum::Oid(options.ty.oid())),
            ("seqstart", Datum::Int8(options.start)),
            ("seqincrement", Datum::Int8(options.increment)),
            ("seqmax", Datum::Int8(options.max)),
            ("seqmin", Datum::Int8(options.min)),
            ("seqcache", Datum::Int8(options.cache)),
            ("seqcycle", Datum::Bool(options.cycle)),
        ]
    };
    facts.catalog.sequences().map(|s| row(s)).collect()
}

/// The last value of a sequence; NULL before the first.
fn last_value(facts: &Facts<'_>, sequence: &SequenceDescriptor) -> Datum {
    let access = facts.session.sequences.as_ref();
    match access.map(|access| access.shown(sequence)) {
        Some(Ok(shown)) if shown.called => Datum::Int8(shown.last),
        _ => Datum::Null,
    }
}

/// `pg_sequences`.
pub(super) fn pg_sequences(facts: &Facts<'_>) -> Vec<Row> {
    let row = |sequence: &SequenceDescriptor| {
        let options = &sequence.options;
        let schema = facts.schema_name(sequence.schema);
        vec![
            ("schemaname", Datum::text(schema)),
            ("sequencename", Datum::text(sequence.name.as_str())),
            ("sequenceowner", Datum::text(sequence.owner.as_str())),
            ("data_type", Datum::text(options.ty.base_name())),
            ("start_value", Datum::Int8(options.start)),
            ("min_value", Datum::Int8(options.min)),
            ("max_value", Datum::Int8(options.max)),
            ("increment_by", Datum::Int8(options.increment)),
            ("cycle", Datum::Bool(options.cycle)),
            ("cache_size", Datum::Int8(options.cache)),
            ("last_value", last_value(facts, sequence)),
        ]
    };
    facts.catalog.sequences().map(|s| row(s)).collect()
}

/// `information_schema.sequences`, which leaves out those of identity columns.
pub(super) fn sequences(facts: &Facts<'_>) -> Vec<Row> {
    let row = |sequence: &SequenceDescriptor| {
        let options = &sequence.options;
        let schema = facts.schema_name(sequence.schema);
        let database = facts.session.database.as_str();
        let bits = i32::from(options.ty.typlen()) * 8;
        vec![
            ("sequence_catalog", Datum::text(database)),
            ("sequence_schema", Datum::text(schema)),
            ("sequence_name", Datum::text(sequence.name.as_str())),
            ("data_type", Datum::text(options.ty.base_name())),
            ("numeric_precision", Datum::Int4(bits)),
            ("numeric_precision_radix", Datum::Int4(2)),
            ("numeric_scale", Datum::Int4(0)),
            ("start_value", Datum::text(options.start.to_string())),
            ("minimum_value", Datum::text(options.min.to_string())),
            ("maximum_value", Datum::text(options.max.to_string())),
            ("increment", Datum::text(options.increment.to_string())),
            (
                "cycle_option",
                Datum::text(if options.cycle { "YES" } else { "NO" }),
            ),
        ]
    };
    facts
        .catalog
        .sequences()
        .filter(|s| !s.identity)
        .map(|s| row(s))
        .collect()
}
