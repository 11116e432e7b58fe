//! Looking at all rows of a table, for a foreign key that is new.

use std::collections::HashSet;
use std::sync::Arc;

use super::check::not_present;
use super::link::{Link, Wanted, comparable};
use crate::cancel::Cancellation;
use crate::catalog::{Catalog, ForeignKey};
use crate::error::SqlError;
use crate::exec::table::TableInfo;
use crate::txn::ReadView;

/// Rows between two looks at the cancel flag.
const CHECK_EVERY: usize = 4_096;

/// Keys that are remembered to be there.
const MAX_KNOWN: usize = 1 << 16;

/// Checks that every row of the referencing table complies.
///
/// # Errors
/// 23503 for the first one that does not.
pub(crate) fn validate(
    key: &ForeignKey,
    catalog: &Catalog,
    child: u32,
    view: &ReadView,
    cancel: &Cancellation,
) -> Result<(), SqlError> {
    let info = |oid| {
        let desc = catalog.table_by_oid(oid);
        let desc = desc.ok_or_else(|| SqlError::internal("a foreign key without its table"))?;
        TableInfo::new(desc.clone()).map(Arc::new)
    };
    let (child, parent) = (info(child)?, info(key.referenced)?);
    let link = Link::new(key, child.clone(), parent, catalog)?
        .ok_or_else(|| SqlError::internal("a foreign key without its index"))?;
    let mut known: HashSet<Vec<u8>> = HashSet::new();
    let mut scan = view.scan(child.rows, &[], None, true);
    let mut count = 0_usize;
    while let Some((_, version)) = scan.next()? {
        count += 1;
        if count.is_multiple_of(CHECK_EVERY) {
            cancel.check()?;
        }
        let row = child.decode(version.value)?;
        let there = match link.wanted(&row)? {
            Wanted::Nothing => true,
            Wanted::Mixed | Wanted::Impossible => false,
            Wanted::Key(wanted) => {
                let bytes = comparable(&wanted)?;
                known.contains(&bytes)
                    || (link.find_parent(&wanted, view)?.is_some() && {
                        if known.len() >= MAX_KNOWN {
                            known.clear();
                        }
                        known.insert(bytes)
                    })
            }
        };
        if !there {
            return Err(catalog.concerning(&child.desc, not_present(&link, &row)));
        }
    }
    Ok(())
}
