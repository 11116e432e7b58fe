//! EXPLAIN.

use std::sync::Arc;

use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::displayable;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

use super::effort::Effort;
use super::error::from_datafusion;
use super::planned::PlannedQuery;
use super::run::Run;
use super::stop::Stop;
use crate::error::SqlError;

/// The lines of EXPLAIN.
pub(super) fn explain(query: &PlannedQuery) -> Result<Vec<String>, SqlError> {
    // Planning waits for nothing: it reads no data.
    let (plan, _) =
        futures::executor::block_on(query.physical(None, Effort::Fast, &Stop::default()))?;
    Ok(lines(&displayable(plan.as_ref()).indent(false).to_string()))
}

/// The lines of EXPLAIN ANALYZE, after running the query.
pub(super) async fn explain_analyze(
    query: &PlannedQuery,
    run: Run,
) -> Result<Vec<String>, SqlError> {
    let (plan, context) = query
        .physical(Some(&run), Effort::Fast, &Stop::default())
        .await?;
    let mut stream = execute_stream(Arc::clone(&plan), context).map_err(from_datafusion)?;
    let mut rows = 0usize;
    loop {
        let next = tokio::select! {
            biased;
            error = run.cancel.cancelled() => return Err(error),
            next = stream.next() => next,
        };
        match next {
            Some(batch) => rows += batch.map_err(from_datafusion)?.num_rows(),
            None => break,
        }
    }
    let mut out = lines(
        &DisplayableExecutionPlan::with_metrics(plan.as_ref())
            .indent(false)
            .to_string(),
    );
    out.push(format!("Rows: {rows}"));
    Ok(out)
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
