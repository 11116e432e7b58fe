//! Joins end when nobody waits for them.

use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::collect;

use super::fixture::clinic;
use crate::error::SqlError;
use crate::query::effort::Effort;
use crate::query::error::from_datafusion;
use crate::query::stop::{Stop, watch};

/// What the join says that a query like this has, when `stop` is set or not.
fn outcome(sql: &str, effort: Effort, set: bool) -> Result<usize, SqlError> {
    let fixture = clinic();
    let plan = fixture.plan(sql)?;
    let run = fixture.run_of(fixture.view(&[]), Vec::new());
    let stop = Stop::default();
    if set {
        stop.set();
    }
    fixture.block_on(async {
        let (plan, context) = plan.physical(Some(&run), effort, &stop).await?;
        let plan = watch(plan, &stop).map_err(from_datafusion)?;
        let batches = collect(plan, context).await.map_err(from_datafusion)?;
        Ok(batches.iter().map(RecordBatch::num_rows).sum())
    })
}

#[test]
fn joins_end_when_nobody_waits() {
    for (sql, effort) in [
        ("SELECT 1 FROM patient a, patient b", Effort::Fast),
        (
            "SELECT 1 FROM patient a, patient b WHERE a.id + b.id = -1",
            Effort::Fast,
        ),
        (
            "SELECT 1 FROM patient a JOIN patient b ON a.id < b.id",
            Effort::Fast,
        ),
        (
            "SELECT 1 FROM patient a JOIN patient b USING (id)",
            Effort::Fast,
        ),
        (
            "SELECT 1 FROM patient a JOIN patient b USING (id)",
            Effort::Frugal,
        ),
        (
            "SELECT b.city FROM patient a LEFT JOIN patient b ON a.id = b.id AND a.name < b.city",
            Effort::Fast,
        ),
    ] {
        outcome(sql, effort, false).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        match outcome(sql, effort, true) {
            Err(error) => assert_eq!(error.sqlstate(), "57014", "{sql}"),
            Ok(rows) => panic!("{sql} went on to {rows} rows"),
        }
    }
}
