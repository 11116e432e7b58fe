//! Which keys a scan reads: the whole table, ranges of the primary key, or
//! ranges of an index.

use datafusion::logical_expr::Expr;

use super::key_bounds::{Bounds, KeyRange, key_ranges};
use crate::catalog::{IndexDescriptor, TableDescriptor};
use crate::error::SqlError;
use crate::types::PgType;

/// How the rows of a table are found.
#[derive(Debug, Clone)]
pub(super) enum Access {
    /// In row key order, within the ranges.
    Rows {
        /// In key order, disjoint.
        ranges: Vec<KeyRange>,
        /// Leading primary key columns fixed by equality.
        fixed: usize,
        /// Whether the ranges leave keys out.
        bounded: bool,
    },
    /// Through the entries of an index within the ranges.
    Index {
        /// The index.
        index: Box<IndexDescriptor>,
        /// In key order, disjoint.
        ranges: Vec<KeyRange>,
        /// Leading columns fixed by equality.
        fixed: usize,
    },
}

impl Access {
    /// Whether each range holds one row at most.
    pub(super) fn is_point_lookup(&self, table: &TableDescriptor) -> bool {
        match self {
            Self::Rows { fixed, .. } => {
                !table.primary_key.is_empty() && *fixed == table.primary_key.len()
            }
            Self::Index { index, fixed, .. } => {
                index.is_exclusive() && *fixed == index.columns.len()
            }
        }
    }

    /// The ranges.
    pub(super) fn ranges(&self) -> &[KeyRange] {
        match self {
            Self::Rows { ranges, .. } | Self::Index { ranges, .. } => ranges,
        }
    }
}

fn key_columns<'a>(table: &'a TableDescriptor, attnums: &[u16]) -> Vec<(&'a str, PgType)> {
    attnums
        .iter()
        .map_while(|attnum| table.attribute(*attnum))
        .map(|column| (column.name.as_str(), column.ty))
        .collect()
}

/// How good a choice is; greater is better. Whole keys beat partial ones, the
/// primary key beats an index that is no better, because an index costs a
/// second look-up for each row.
fn score(
    bounds: &Bounds,
    columns: usize,
    unique: bool,
    primary: bool,
) -> (bool, usize, bool, bool) {
    let whole = unique && bounds.fixed == columns;
    (whole, bounds.fixed, bounds.ranged, primary)
}

/// Chooses how to find the rows that can satisfy `filters`.
///
/// # Errors
/// XX000 when a value has no key form.
pub(super) fn choose(table: &TableDescriptor, filters: &[Expr]) -> Result<Access, SqlError> {
    let columns = key_columns(table, &table.primary_key);
    let primary = key_ranges(filters, &columns)?;
    let mut best = score(&primary, columns.len().max(1), true, true);
    let mut access = Access::Rows {
        fixed: primary.fixed,
        bounded: primary.fixed > 0 || primary.ranged,
        ranges: primary.ranges,
    };
    // A partial index lacks rows that may satisfy the filters.
    for index in table.indexes.iter().filter(|i| i.predicate.is_none()) {
        let columns = key_columns(table, &index.columns);
        let bounds = key_ranges(filters, &columns)?;
        if bounds.fixed == 0 && !bounds.ranged {
            continue;
        }
        // A range alone is worth an index only when nothing better is known;
        // without statistics a primary key range is preferred.
        let candidate = score(&bounds, index.columns.len(), index.is_exclusive(), false);
        if candidate > best {
            best = candidate;
            access = Access::Index {
                index: Box::new(index.clone()),
                fixed: bounds.fixed,
                ranges: bounds.ranges,
            };
        }
    }
    Ok(access)
}
