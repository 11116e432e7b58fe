//! COPY between client and session.

use bytes::{Buf, Bytes, BytesMut};
use kimberlite_sql::error::{Severity, SqlError};
use kimberlite_sql::session::{CopyIn, CopyOut, Fill};

use super::backend::{self, Bare};
use super::connection::{Connection, shutting_down};
use super::frontend::{self, Kind};
use super::input::Frame;
use super::io::{Closing, FLUSH_AT, Phase, Stop, reached};
use super::reader::protocol;

/// Messages below this size, in bytes, are handed on together: many clients
/// send one for each row.
const SMALL_PIECE: usize = 8 << 10;
/// How much is gathered from them, in bytes.
const PIECES: usize = 64 << 10;

impl Connection {
    /// COPY FROM STDIN: takes data until the client ends it. The tag.
    pub(super) async fn copy_in(&mut self, mut copy: CopyIn) -> Result<String, Stop> {
        self.notices();
        backend::copy_response(&mut self.out, b'G', copy.columns(), copy.binary());
        self.flush().await?;
        let mut pieces = BytesMut::new();
        loop {
            let next = self.io.input.next_frame(self.max_body);
            let next = next.map_err(Closing::Fatal)?;
            if let Some(Frame { kind, body }) = &next
                && *kind == Kind::CopyData
                && body.len() < SMALL_PIECE
                && pieces.len() < PIECES
            {
                pieces.extend_from_slice(body);
                continue;
            }
            if !pieces.is_empty() {
                let data = copy.data(&mut self.session, pieces.split().freeze());
                self.io.watch(&self.cancel, data).await?;
            }
            let Some(Frame { kind, body }) = next else {
                self.wait_for_data().await?;
                continue;
            };
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
                other => return Err(Closing::Fatal(unexpected(other)).into()),
            }
        }
    }

    /// Reads once. Waiting ends with a cancel request, with the statement's
    /// time, and with the server's grace.
    async fn wait_for_data(&mut self) -> Result<(), Stop> {
        tokio::select! {
            biased;
            read = self.io.read() => Ok(read?),
            error = self.cancel.cancelled() => Err(error.into()),
            () = reached(&mut self.phase, Phase::Ending) => Err(shutting_down().into()),
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

fn unexpected(kind: Kind) -> SqlError {
    protocol(format!(
        "unexpected message type 0x{:02X} during COPY from stdin",
        kind.byte()
    ))
    .severity(Severity::Fatal)
}

/// The client's words for why it stops. It is stopping in any case, so words
/// that are no UTF-8 are shown as well as can be.
fn fail_reason(mut body: Bytes) -> String {
    if body.last() == Some(&0) {
        body.truncate(body.len() - 1);
    }
    String::from_utf8_lossy(body.chunk()).into_owned()
}
