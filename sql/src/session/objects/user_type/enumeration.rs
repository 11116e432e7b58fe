//! Enums: CREATE TYPE … AS ENUM, ADD VALUE, RENAME VALUE.
//!
//! The position of a label, which rows and keys have in them, stays what it is; a
//! new label goes half way between its neighbours.

use sqlparser::ast::ObjectName;

use super::super::super::Session;
use crate::catalog::{Catalog, LabelDescriptor, TypeDescriptor, TypeKind};
use crate::error::{SqlError, state};
use crate::types::pg_type::MAX_NAME_BYTES;

/// Between the positions of labels that follow each other.
const STEP: i64 = 1 << 40;

impl Session {
    pub(super) async fn create_enum(
        &mut self,
        name: &ObjectName,
        labels: &[String],
    ) -> Result<String, SqlError> {
        let mut catalog = self.catalog_to_change("CREATE TYPE").await?;
        let mut entry = self.new_type(name, TypeKind::Enum(Vec::new()), &mut catalog)?;
        let mut made: Vec<LabelDescriptor> = Vec::with_capacity(labels.len());
        for (label, position) in labels.iter().zip((1i64..).map(|n| n * STEP)) {
            check_label(label)?;
            if made.iter().any(|l| l.label == *label) {
                return Err(SqlError::new(
                    state::UNIQUE_VIOLATION,
                    "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"",
                )
                .detail(format!(
                    "Key (enumtypid, enumlabel)=({}, {label}) already exists.",
                    entry.oid
                )));
            }
            made.push(LabelDescriptor {
                oid: catalog.allocate_oid(),
                position,
                label: label.clone(),
            });
        }
        entry.kind = TypeKind::Enum(made);
        self.keep_type(catalog, entry)?;
        Ok("CREATE TYPE".to_owned())
    }

    /// ALTER TYPE … ADD VALUE; whether there is anything to keep.
    pub(super) fn add_value(
        &mut self,
        entry: &mut TypeDescriptor,
        label: &str,
        if_not_exists: bool,
        place: Option<&(bool, String)>,
        catalog: &mut Catalog,
    ) -> Result<bool, SqlError> {
        check_label(label)?;
        let labels = labels_of(entry)?;
        if labels.iter().any(|l| l.label == label) {
            let message = format!("enum label \"{label}\" already exists");
            if if_not_exists {
                self.notice(format!("{message}, skipping"));
                return Ok(false);
            }
            return Err(SqlError::new(state::DUPLICATE_OBJECT, message));
        }
        let at = match place {
            None => labels.len(),
            Some((before, neighbour)) => {
                let found = labels.iter().position(|l| l.label == *neighbour);
                let at = found.ok_or_else(|| no_label(neighbour))?;
                if *before { at } else { at + 1 }
            }
        };
        let position = position_at(labels, at)?;
        let oid = catalog.allocate_oid();
        labels.insert(
            at,
            LabelDescriptor {
                oid,
                position,
                label: label.to_owned(),
            },
        );
        Ok(true)
    }
}

/// ALTER TYPE … RENAME VALUE.
pub(super) fn rename_value(
    entry: &mut TypeDescriptor,
    old: &str,
    new: &str,
) -> Result<(), SqlError> {
    check_label(new)?;
    let labels = labels_of(entry)?;
    let taken = labels.iter().any(|l| l.label == new);
    let label = labels.iter_mut().find(|l| l.label == old);
    let label = label.ok_or_else(|| no_label(old))?;
    if taken {
        return Err(SqlError::new(
            state::DUPLICATE_OBJECT,
            format!("enum label \"{new}\" already exists"),
        ));
    }
    label.label = new.to_owned();
    Ok(())
}

fn labels_of(entry: &mut TypeDescriptor) -> Result<&mut Vec<LabelDescriptor>, SqlError> {
    match &mut entry.kind {
        TypeKind::Enum(labels) => Ok(labels),
        _ => Err(SqlError::new(
            state::WRONG_OBJECT_TYPE,
            format!("{} is not an enum", entry.name),
        )),
    }
}

/// A position for a label that goes before the one at `at`.
fn position_at(labels: &[LabelDescriptor], at: usize) -> Result<i64, SqlError> {
    let position = |at: usize| labels.get(at).map(|l| l.position);
    let below = at.checked_sub(1).and_then(position);
    let free = match (below, position(at)) {
        (None, None) => Some(STEP),
        (Some(below), None) => below.checked_add(STEP),
        (None, Some(above)) => above.checked_sub(STEP),
        (Some(below), Some(above)) => {
            let middle = below.midpoint(above);
            (middle != below && middle != above).then_some(middle)
        }
    };
    free.ok_or_else(|| {
        SqlError::new(
            state::PROGRAM_LIMIT_EXCEEDED,
            "too many labels were added between the same two",
        )
    })
}

fn check_label(label: &str) -> Result<(), SqlError> {
    if label.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    Err(SqlError::new(
        state::INVALID_NAME,
        format!("invalid enum label \"{label}\""),
    )
    .detail("Labels must be 63 bytes or less."))
}

fn no_label(label: &str) -> SqlError {
    SqlError::new(
        state::INVALID_PARAMETER_VALUE,
        format!("\"{label}\" is not an existing enum label"),
    )
}
