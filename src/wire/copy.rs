//! COPY between client and session.

use bytes::{Buf, Bytes};
use kimberlite_sql::error::Severity;
use kimberlite_sql::session::{CopyIn, CopyOut, Fill};

use super::backend::{self, Bare};
use super::connection::Connection;
use super::frontend::{self, Kind};
use super::input::Frame;
use super::io::{Closing, FLUSH_AT, Phase, Stop, reached};
use super::reader::protocol;

impl Connection {
    /// COPY FROM STDIN: takes data until the client ends it. The tag.
    pub(super) async fn copy_in(&mut self, mut copy: CopyIn) -> Result<String, Stop> {
        self.notices();
        backend::copy_response(&mut self.out, b'G', copy.columns(), copy.binary());
        self.flush().await?;
        loop {
            let Frame { kind, body } = self.next_copy_frame().await?;
            match kind {
                Kind::CopyData => {
                    let data = copy.data(&mut self.session, body);
                    self.io.watch(&self.cancel, data).await?;
                }
                Kind::CopyDone => {
                    frontend::decode_empty(body)?;
                    let finish = copy.finish(&mut self.session);
                    return Ok(self.io.watch(&self.cancel, finish).await?);
                }
                Kind::CopyFail => {
                    let reason = fail_reason(body);
                    return Err(copy.fail(&mut self.session, &reason).into());
                }
                // A pipelining client sent them before it knew of the COPY.
                Kind::Flush | Kind::Sync => frontend::decode_empty(body)?,
                Kind::Terminate => return Err(Closing::Gone.into()),
                _ => {
                    let error = protocol("unexpected message during COPY from stdin")
                        .severity(Severity::Fatal);
                    return Err(Closing::Fatal(error).into());
                }
            }
        }
    }

    /// The next message of a client in copy mode. Waiting ends with a cancel
    /// request, with the statement's time, and with the server's grace.
    async fn next_copy_frame(&mut self) -> Result<Frame, Stop> {
        loop {
            let next = self.io.input.next_frame(self.max_body);
            if let Some(frame) = next.map_err(Closing::Fatal)? {
                return Ok(frame);
            }
            tokio::select! {
                biased;
                read = self.io.read() => read?,
                error = self.cancel.cancelled() => return Err(error.into()),
                () = reached(&mut self.phase, Phase::Ending) => {
                    return Err(super::connection::shutting_down().into());
                }
            }
        }
    }

    /// COPY TO STDOUT: sends everything. The tag.
    pub(super) async fn copy_out(&mut self, mut copy: CopyOut) -> Result<String, Stop> {
        self.notices();
        backend::copy_response(&mut self.out, b'H', copy.columns(), copy.binary());
        loop {
            let fill = copy.fill(&mut self.session, &mut self.out, FLUSH_AT);
            match self.io.watch(&self.cancel, fill).await? {
                Fill::Done(tag) => {
                    backend::bare(&mut self.out, Bare::CopyDone);
                    return Ok(tag);
                }
                Fill::More { .. } | Fill::Limit => self.flush().await?,
            }
        }
    }
}

/// The client's words for why it stops. It is stopping in any case, so words
/// that are no UTF-8 are shown as well as can be.
fn fail_reason(mut body: Bytes) -> String {
    if body.last() == Some(&0) {
        body.truncate(body.len() - 1);
    }
    String::from_utf8_lossy(body.chunk()).into_owned()
}
