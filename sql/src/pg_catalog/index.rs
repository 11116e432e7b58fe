//! `pg_index` and `pg_indexes`.

use super::class::small;
use super::definition::{definition_of, index_expressions};
use super::types::{collation_of, operator_class};
use super::{Facts, Row};
use crate::types::{ArrayValue, Datum, PgType};

/// A vector or array. Which of them it is, its column says.
pub(super) fn array(element: PgType, values: Vec<Datum>) -> Datum {
    ArrayValue::list(element, values).datum()
}

/// Attribute numbers as an array of smallint.
pub(super) fn numbers(columns: &[u16]) -> Datum {
    let values = columns.iter().map(|n| small(usize::from(*n))).collect();
    array(PgType::Int2, values)
}

/// Indexes.
pub(super) fn pg_index(facts: &Facts<'_>) -> Vec<Row> {
    facts
        .indexes()
        .map(|index| {
            let all = index.all_columns();
            let options = (0..index.columns.len()).map(|i| {
                let order = index.order(i);
                Datum::Int2(i16::from(order.descending) + 2 * i16::from(order.nulls_first))
            });
            let attributes = index.attributes().into_iter();
            let keys = attributes.take(index.columns.len());
            let types: Vec<PgType> = keys.map(|(_, ty)| ty).collect();
            let (expressions, condition) = index_expressions(facts, &index);
            let text = |text: Option<String>| text.map_or(Datum::Null, Datum::Text);
            let each = |value: fn(PgType) -> u32| {
                let values = types.iter().map(|ty| Datum::Oid(value(*ty))).collect();
                array(PgType::Oid, values)
            };
            vec![
                ("indexrelid", Datum::Oid(index.oid)),
                ("indrelid", Datum::Oid(index.table.oid)),
                ("indnatts", small(all.len())),
                ("indnkeyatts", small(index.columns.len())),
                ("indisunique", Datum::Bool(index.unique)),
                ("indisprimary", Datum::Bool(index.primary)),
                ("indimmediate", Datum::Bool(!index.timing().0)),
                ("indisvalid", Datum::Bool(true)),
                ("indisready", Datum::Bool(true)),
                ("indislive", Datum::Bool(true)),
                (
                    "indnullsnotdistinct",
                    Datum::Bool(index.nulls_not_distinct()),
                ),
                ("indkey", numbers(&all)),
                ("indexprs", text(expressions)),
                ("indpred", text(condition)),
                ("indcollation", each(collation_of)),
                ("indclass", each(operator_class)),
                ("indoption", array(PgType::Int2, options.collect())),
            ]
        })
        .collect()
}

/// Indexes with their definitions.
pub(super) fn pg_indexes(facts: &Facts<'_>) -> Vec<Row> {
    facts
        .indexes()
        .map(|index| {
            vec![
                (
                    "schemaname",
                    Datum::text(facts.schema_name(index.table.schema)),
                ),
                ("tablename", Datum::text(index.table.name.as_str())),
                ("indexname", Datum::text(index.name)),
                ("indexdef", Datum::text(definition_of(facts, &index, false))),
            ]
        })
        .collect()
}
