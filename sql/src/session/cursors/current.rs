//! WHERE CURRENT OF: the row that a cursor stands on.

use super::super::execute::Execution;
use super::super::fields::FieldDescription;
use super::super::{Outcome, Session};
use super::portal::{Current, Portal};
use crate::error::{SqlError, state};
use crate::exec::table::TableInfo;
use crate::exec::write_plan::WritePlan;
use crate::query::{RowOverride, StoredRow};

impl Session {
    /// Changes the row that a cursor stands on.
    pub(in super::super) async fn write_current(
        &mut self,
        plan: &WritePlan,
        cursor: &str,
        fields: Vec<FieldDescription>,
        execution: &Execution,
    ) -> Result<Outcome, SqlError> {
        self.may_change(plan.table(), plan.verb())?;
        let mut portal = self.cursors.take_any(cursor)?;
        let found = self.current_row(&mut portal, plan.table()).await;
        self.cursors.put_back(portal);
        let rows = RowOverride::first(found?.into_iter().collect());
        self.write_rows(plan, Some(rows), fields, execution).await
    }

    /// The row of a table that a cursor stands on, as a statement sees it now; none
    /// when it is gone.
    async fn current_row(
        &mut self,
        portal: &mut Portal,
        table: &TableInfo,
    ) -> Result<Current, SqlError> {
        let number = place_of(portal, table)?;
        let (key, oid) = portal.current_key(number).await?;
        let Some(desc) = self.catalog()?.table_by_oid(oid).cloned() else {
            return Ok(None);
        };
        let rows = TableInfo::new(desc)?.rows;
        let snapshot = self.engine.snapshot();
        let view = self.transaction()?.view(snapshot);
        let row = view.get(rows, &key, &mut Vec::new(), |version| {
            (version.csn, version.value.to_vec())
        })?;
        Ok(row.map(|(csn, stored)| StoredRow {
            table: oid,
            key,
            csn,
            stored,
        }))
    }
}

fn invalid(message: String) -> SqlError {
    SqlError::new(state::INVALID_CURSOR_STATE, message)
}

/// Which of the cursor's tables is meant; the cursor must stand on a row.
fn place_of(portal: &Portal, table: &TableInfo) -> Result<usize, SqlError> {
    let (cursor, name) = (&portal.name, &table.desc.name);
    if !portal.of_transaction {
        return Err(invalid(format!(
            "cursor \"{cursor}\" is held from a previous transaction"
        )));
    }
    let fits = |locked: bool| {
        let oid = table.desc.oid;
        let tables = portal.tables.iter().enumerate();
        tables
            .filter(|(_, t)| t.oid == oid && (!locked || t.locked))
            .map(|(number, _)| number)
            .collect::<Vec<_>>()
    };
    let number = match (portal.locks, fits(portal.locks).as_slice()) {
        (_, [number]) => *number,
        (true, []) => {
            return Err(invalid(format!(
                "cursor \"{cursor}\" does not have a FOR UPDATE/SHARE reference to table \"{name}\""
            )));
        }
        (true, _) => {
            return Err(invalid(format!(
                "cursor \"{cursor}\" has multiple FOR UPDATE/SHARE references to table \"{name}\""
            )));
        }
        (false, _) => {
            return Err(invalid(format!(
                "cursor \"{cursor}\" is not a simply updatable scan of table \"{name}\""
            )));
        }
    };
    if !portal.is_on_row() {
        return Err(invalid(format!(
            "cursor \"{cursor}\" is not positioned on a row"
        )));
    }
    Ok(number)
}
