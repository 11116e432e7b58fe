//! The rows of a FETCH on their way to the client.

use bytes::BytesMut;

use super::super::Session;
use super::super::cursor::visible;
use super::super::fields::FieldDescription;
use super::parse::Fetch;
use super::portal::{Portal, Steps};
use crate::error::SqlError;
use crate::types::{BatchEncoder, OutputColumn, SessionFormat};

/// A FETCH being read: the cursor moves as its rows leave.
pub(in super::super) struct FetchRows {
    fetch: Fetch,
    /// The cursor that was meant.
    id: u64,
    /// None before the cursor has gone to where it begins.
    steps: Option<Steps>,
    outputs: Vec<OutputColumn>,
    format: SessionFormat,
    /// Rows being encoded: the number of their first, and how.
    encoder: Option<(u64, BatchEncoder)>,
}

impl FetchRows {
    /// Rows of a cursor.
    pub(super) fn new(
        fetch: Fetch,
        id: u64,
        fields: &[FieldDescription],
        format: SessionFormat,
    ) -> Self {
        Self {
            fetch,
            id,
            steps: None,
            outputs: fields.iter().map(FieldDescription::output).collect(),
            format,
            encoder: None,
        }
    }

    /// Appends rows until a limit; how many, and whether there are no more.
    ///
    /// # Errors
    /// Whatever the cursor's query fails with, 55000.
    pub(in super::super) async fn fill(
        &mut self,
        session: &mut Session,
        out: &mut BytesMut,
        limit: usize,
        max_bytes: usize,
    ) -> Result<(usize, bool), SqlError> {
        let mut portal = session.cursors.take(&self.fetch.name, Some(self.id))?;
        let filled = self
            .fill_from(&mut portal, session, out, limit, max_bytes)
            .await;
        portal.failed |= filled.is_err();
        session.cursors.put_back(portal);
        filled
    }

    async fn fill_from(
        &mut self,
        portal: &mut Portal,
        session: &mut Session,
        out: &mut BytesMut,
        limit: usize,
        max_bytes: usize,
    ) -> Result<(usize, bool), SqlError> {
        let mut steps = match self.steps {
            Some(steps) => steps,
            None => portal.aim(session, self.fetch.direction).await?,
        };
        let start = out.len();
        let mut count = 0;
        while count < limit && out.len() - start < max_bytes {
            if !portal.step(session, &mut steps).await? {
                return Ok((count, true));
            }
            self.encode(portal, out).await?;
            count += 1;
        }
        self.steps = Some(steps);
        Ok((count, false))
    }

    /// Appends the row that the cursor stands on.
    async fn encode(&mut self, portal: &mut Portal, out: &mut BytesMut) -> Result<(), SqlError> {
        let position = portal.position;
        let known = self.encoder.as_ref().is_some_and(|(first, encoder)| {
            (*first..*first + encoder.rows() as u64).contains(&position)
        });
        if !known {
            let (first, batch) = portal.kept.around(position).await?;
            let shown = visible(batch, self.outputs.len())?;
            let encoder = BatchEncoder::new(&shown, &self.outputs, &self.format)?;
            self.encoder = Some((first, encoder));
        }
        match &self.encoder {
            Some((first, encoder)) => {
                let at = usize::try_from(position - first).unwrap_or(usize::MAX);
                encoder.encode_row(at, out)
            }
            None => Err(SqlError::internal("no rows to encode")),
        }
    }
}
