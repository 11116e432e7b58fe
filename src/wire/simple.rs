//! The simple query protocol: one string, several statements.

use bytes::Bytes;
use kimberlite_sql::session::Outcome;

use super::backend::{self, Bare};
use super::connection::Connection;
use super::frontend;
use super::io::{Closing, FLUSH_AT, Stop};

impl Connection {
    /// Query.
    pub(super) async fn on_query(&mut self, body: Bytes) -> Result<(), Closing> {
        self.names.close_unnamed();
        match self.run_string(body).await {
            Ok(()) => {}
            Err(Stop::Close(closing)) => return Err(closing),
            Err(Stop::Sql(error)) => self.fail(error)?,
        }
        self.ready().await
    }

    /// Runs statement after statement, answering each before the next starts,
    /// up to the first error.
    async fn run_string(&mut self, body: Bytes) -> Result<(), Stop> {
        let text = frontend::decode_text(body)?;
        if let Some(known) = self.session.recall(text.as_str()) {
            let run = self.session.run_recalled(known);
            let outcome = self.io.watch(&self.cancel, run).await?;
            return self.answer(outcome, true).await;
        }
        let statements = self.session.parse(text.as_str())?;
        if statements.is_empty() {
            backend::bare(&mut self.out, Bare::EmptyQuery);
            return Ok(self.finish().await?);
        }
        let count = statements.len();
        for (index, statement) in statements.into_iter().enumerate() {
            if self.io.is_gone() {
                return Err(Closing::Gone.into());
            }
            let last = index + 1 == count;
            let run = self.session.run(statement, last);
            let outcome = self.io.watch(&self.cancel, run).await?;
            self.answer(outcome, last).await?;
            if self.out.len() >= FLUSH_AT {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Sends what a statement gave. An implicit transaction commits before the
    /// last statement is called complete: when that fails, the client must not
    /// have been told otherwise.
    async fn answer(&mut self, outcome: Outcome, last: bool) -> Result<(), Stop> {
        let tag = match outcome {
            Outcome::Empty => None,
            Outcome::Command(tag) => Some(tag),
            Outcome::Rows(mut cursor) => {
                backend::row_description(&mut self.out, cursor.fields(), None);
                self.send_rows(&mut cursor, 0).await?
            }
            Outcome::CopyIn(copy) => Some(self.copy_in(copy).await?),
            Outcome::CopyOut(copy) => Some(self.copy_out(copy).await?),
        };
        if last {
            self.finish().await?;
        }
        match tag {
            Some(tag) => self.complete(&tag),
            None => backend::bare(&mut self.out, Bare::EmptyQuery),
        }
        Ok(())
    }
}
