//! Rows of RETURNING, while a statement changes rows.

use bytes::BytesMut;

use super::returning::Returning;
use super::table::datum_at;
use crate::error::{SqlError, state};
use crate::query::{PlannedExpressions, RowEvaluator, Run};
use crate::session::FieldDescription;
use crate::types::wire_encode::encode_row_from_datums;
use crate::types::{Datum, OutputColumn, SessionFormat};

/// Encoded RETURNING rows that are kept, in bytes.
const BYTES_MAX: usize = 256 << 20;

/// Rows that are evaluated together.
const ROWS_TOGETHER: usize = 1_024;

/// Takes the changed rows and keeps what is returned of them.
pub(crate) struct Returned<'a> {
    how: How<'a>,
    outputs: Vec<OutputColumn>,
    format: &'a SessionFormat,
    rows: BytesMut,
    /// The rows as they are, when they are not for the client.
    kept: Option<Kept>,
}

/// Rows for other parts of the statement.
#[derive(Default)]
pub(crate) struct Kept {
    rows: Vec<Vec<Datum>>,
    bytes: usize,
}

impl Kept {
    /// Keeps a row.
    ///
    /// # Errors
    /// 53200 when there are too many.
    pub(crate) fn add(&mut self, row: Vec<Datum>) -> Result<(), SqlError> {
        check_size(self.bytes)?;
        self.bytes += row.iter().map(weight).sum::<usize>();
        self.rows.push(row);
        Ok(())
    }

    /// All that were kept.
    pub(crate) fn rows(self) -> Vec<Vec<Datum>> {
        self.rows
    }
}

fn check_size(bytes: usize) -> Result<(), SqlError> {
    if bytes > BYTES_MAX {
        return Err(SqlError::new(
            state::OUT_OF_MEMORY,
            "the rows to return take more than 256 MiB",
        )
        .hint("Change fewer rows at a time, or leave RETURNING out."));
    }
    Ok(())
}

/// How a changed row becomes a returned one.
enum How<'a> {
    /// Nothing is returned.
    Not,
    /// Some columns of the table.
    Columns(&'a [(u16, String)]),
    /// Expressions without subqueries.
    Direct {
        evaluator: RowEvaluator,
        /// Each row is evaluated when it is there; otherwise many together.
        at_once: bool,
        waiting: Waiting,
    },
    /// Expressions with subqueries.
    Query {
        planned: &'a PlannedExpressions,
        run: &'a Run,
        waiting: Waiting,
    },
}

/// Changed rows, each with its relations.
type Waiting = Vec<Vec<Vec<Datum>>>;

impl<'a> Returned<'a> {
    /// For one execution; `run` is needed when expressions are returned.
    ///
    /// # Errors
    /// What constant parts of the expressions may fail with.
    pub(crate) fn new(
        returning: Option<&'a Returning>,
        fields: &[FieldDescription],
        format: &'a SessionFormat,
        run: Option<&'a Run>,
    ) -> Result<Self, SqlError> {
        let how = match (returning, run) {
            (None, _) => How::Not,
            (Some(Returning::Columns(columns)), _) => How::Columns(columns),
            (Some(Returning::Expressions(_)), None) => {
                return Err(SqlError::internal("expressions to return without a run"));
            }
            (Some(Returning::Expressions(planned)), Some(run)) if planned.is_scalar() => {
                How::Direct {
                    evaluator: planned.bind(&run.session, &run.params)?,
                    at_once: planned.is_volatile(),
                    waiting: Waiting::new(),
                }
            }
            (Some(Returning::Expressions(planned)), Some(run)) => How::Query {
                planned,
                run,
                waiting: Waiting::new(),
            },
        };
        Ok(Self {
            how,
            outputs: fields.iter().map(FieldDescription::output).collect(),
            format,
            rows: BytesMut::new(),
            kept: None,
        })
    }

    /// For a part of a statement that others read: rows are kept as they are.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn kept(
        returning: Option<&'a Returning>,
        format: &'a SessionFormat,
        run: &'a Run,
    ) -> Result<Self, SqlError> {
        Ok(Self {
            kept: Some(Kept::default()),
            ..Self::new(returning, &[], format, Some(run))?
        })
    }

    /// Takes a changed row: first that of the target, its new state or its last one
    /// for a deletion, then those of the other relations it was changed with.
    ///
    /// # Errors
    /// Whatever the expressions fail with; 53200 when there is too much to return.
    pub(crate) async fn row(&mut self, row: &[&[Datum]]) -> Result<(), SqlError> {
        let waiting = match &mut self.how {
            How::Not => return Ok(()),
            How::Columns(columns) => {
                let target = row.first().copied().unwrap_or_default();
                let values: Vec<Datum> = columns
                    .iter()
                    .map(|(attnum, _)| datum_at(target, *attnum).clone())
                    .collect();
                return self.add(&values);
            }
            How::Direct {
                evaluator,
                at_once: true,
                ..
            } => {
                let values = evaluator.evaluate(&[row])?;
                return values.iter().try_for_each(|values| self.add(values));
            }
            How::Direct { waiting, .. } | How::Query { waiting, .. } => waiting,
        };
        waiting.push(row.iter().map(|part| part.to_vec()).collect());
        if waiting.len() >= ROWS_TOGETHER {
            self.evaluate_waiting().await?;
        }
        Ok(())
    }

    async fn evaluate_waiting(&mut self) -> Result<(), SqlError> {
        let (How::Direct { waiting, .. } | How::Query { waiting, .. }) = &mut self.how else {
            return Ok(());
        };
        let waiting = std::mem::take(waiting);
        let parts: Vec<Vec<&[Datum]>> = waiting
            .iter()
            .map(|row| row.iter().map(Vec::as_slice).collect())
            .collect();
        let rows: Vec<&[&[Datum]]> = parts.iter().map(Vec::as_slice).collect();
        let values = match &self.how {
            How::Direct { evaluator, .. } => evaluator.evaluate(&rows)?,
            How::Query { planned, run, .. } => planned.evaluate(&rows, run).await?,
            How::Not | How::Columns(_) => Vec::new(),
        };
        values.iter().try_for_each(|values| self.add(values))
    }

    fn add(&mut self, values: &[Datum]) -> Result<(), SqlError> {
        match &mut self.kept {
            Some(kept) => kept.add(values.to_vec()),
            None => {
                check_size(self.rows.len())?;
                encode_row_from_datums(values, &self.outputs, self.format, &mut self.rows)
            }
        }
    }

    /// All rows, as DataRow messages.
    ///
    /// # Errors
    /// Whatever the expressions fail with.
    pub(crate) async fn finish(mut self) -> Result<BytesMut, SqlError> {
        self.evaluate_waiting().await?;
        Ok(self.rows)
    }

    /// All rows that were kept.
    ///
    /// # Errors
    /// Whatever the expressions fail with.
    pub(crate) async fn finish_kept(mut self) -> Result<Vec<Vec<Datum>>, SqlError> {
        self.evaluate_waiting().await?;
        Ok(self.kept.map(Kept::rows).unwrap_or_default())
    }
}

/// Bytes that a value takes, roughly.
fn weight(value: &Datum) -> usize {
    let more = match value {
        Datum::Text(text) | Datum::Json(text) | Datum::Jsonb(text) => text.len(),
        Datum::Bytea(bytes) => bytes.len(),
        Datum::Array(array) => array.values.iter().map(weight).sum(),
        _ => 0,
    };
    std::mem::size_of::<Datum>() + more
}
