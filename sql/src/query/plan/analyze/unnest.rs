//! Rows out of arrays: the type of the elements.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{LogicalPlan, Unnest};

use super::super::types::{field_type, field_with};

/// The planner gives elements only their Arrow type.
pub(super) fn typed_elements(mut unnest: Unnest) -> Result<LogicalPlan> {
    let input = unnest.input.schema();
    let mut fields: Vec<_> = unnest
        .schema
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
        .collect();
    for (index, column) in &unnest.list_type_columns {
        let element = input
            .fields()
            .get(*index)
            .and_then(|field| field_type(field).element());
        let output = fields
            .iter_mut()
            .find(|(_, field)| *field.name() == column.output_column.name);
        if let (Some(element), Some((_, field))) = (element, output) {
            *field = Arc::new(field_with(field.as_ref().clone(), element));
        }
    }
    let metadata = unnest.schema.metadata().clone();
    unnest.schema = Arc::new(DFSchema::new_with_metadata(fields, metadata)?);
    Ok(LogicalPlan::Unnest(unnest))
}
