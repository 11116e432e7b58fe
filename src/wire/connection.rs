//! The life of one connection, and the parts both query protocols share.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kimberlite_sql::cancel::Cancellation;
use kimberlite_sql::error::{Severity, SqlError, state};
use kimberlite_sql::session::{Fill, RowCursor, Session, TxStatus};
use tokio::sync::watch;

use super::backend;
use super::forward::accept::accept;
use super::frontend::{self, Kind};
use super::handshake::{self, Established, Served};
use super::input::Frame;
use super::io::{Closing, FLUSH_AT, Io, Phase, Stop, reached};
use super::portals::Names;
use super::reader::protocol;
use super::serve::Shared;

/// How long a client may take to hear why it is being disconnected.
const FAREWELL: Duration = Duration::from_secs(2);
/// Least room, in bytes, that rows are asked for.
const LEAST_ROOM: usize = 8 << 10;

/// An authenticated connection.
pub(super) struct Connection {
    pub(super) io: Io,
    /// Answers that have not left yet.
    pub(super) out: BytesMut,
    pub(super) session: Session,
    pub(super) cancel: Cancellation,
    pub(super) names: Names,
    pub(super) phase: watch::Receiver<Phase>,
    /// Longest message body, in bytes.
    pub(super) max_body: usize,
    /// An error happened; messages are dropped until `Sync`.
    skipping: bool,
    /// The client was told that it is its turn.
    resting: bool,
}

/// Who is at the other end of a stream.
#[derive(Debug)]
pub(super) enum Origin {
    /// A client, which has to log in.
    Client,
    /// A replica, described, that has authenticated a client.
    Replica(String),
}

/// Serves one accepted socket, or one stream of a replica, to its end.
pub(super) async fn run(
    mut io: Io,
    origin: Origin,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
) {
    let _counted = shared.config.metrics.connected();
    let mut out = BytesMut::new();
    let mut draining = phase.clone();
    let establish = async {
        match &origin {
            Origin::Client => handshake::establish(&mut io, &mut out, &shared, &mut phase).await,
            Origin::Replica(via) => accept(&mut io, &mut out, &shared, via)
                .await
                .map(|established| Some(Served::Here(Box::new(established)))),
        }
    };
    let established = tokio::select! {
        biased;
        done = tokio::time::timeout(shared.config.startup_timeout, establish) => done.unwrap_or_else(|_| Err(startup_timeout())),
        () = reached(&mut draining, Phase::Draining) => Err(shutting_down()),
    };
    match established {
        Ok(Some(Served::Elsewhere(passage))) => {
            let closing = passage.carry(&mut io, &mut out, &mut phase).await;
            say_goodbye(io, out, closing).await;
        }
        Ok(Some(Served::Here(established))) => serve(*established, io, out, &shared, phase).await,
        Ok(None) => io.shutdown().await,
        Err(closing) => say_goodbye(io, out, closing).await,
    }
}

async fn serve(
    established: Established,
    io: Io,
    out: BytesMut,
    shared: &Shared,
    phase: watch::Receiver<Phase>,
) {
    let Established {
        mut session,
        cancel_key,
        slot,
    } = established;
    session.statements().limit(shared.config.max_statements);
    let mut connection = Connection {
        io,
        out,
        cancel: session.cancel_handle(),
        session,
        names: Names::new(shared.config.max_portals),
        phase,
        max_body: shared.config.max_message_bytes.min((1 << 30) - 5),
        skipping: false,
        resting: false,
    };
    let closing = connection.converse().await;
    let Connection {
        io,
        out,
        session,
        names,
        ..
    } = connection;
    // Cursors and locks go before the client hears of the end: when it comes
    // back, nothing of its old session is in its way.
    drop(names);
    session.close().await;
    drop(cancel_key);
    drop(slot);
    say_goodbye(io, out, closing).await;
}

/// Tells a client why, when there is something to tell, and closes.
async fn say_goodbye(mut io: Io, mut out: BytesMut, closing: Closing) {
    match &closing {
        Closing::Gone => {}
        Closing::Io(error) => tracing::debug!(peer = %io.peer, %error, "connection failed"),
        Closing::Fatal(error) => backend::error_or_notice(&mut out, error),
    }
    let farewell = async {
        if matches!(closing, Closing::Fatal(_)) {
            // The client may be away; then nobody misses the message.
            let _ = io.write(&mut out).await;
        }
        io.shutdown().await;
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

impl Connection {
    /// Answers messages until the connection ends.
    async fn converse(&mut self) -> Closing {
        if let Err(closing) = self.ready().await {
            return closing;
        }
        loop {
            let done = match self.next_frame().await {
                Ok(frame) => self.dispatch(frame).await,
                Err(closing) => Err(closing),
            };
            if let Err(closing) = done {
                return closing;
            }
        }
    }

    /// The next message; waits for the client, or for the server's end.
    async fn next_frame(&mut self) -> Result<Frame, Closing> {
        let limit = self.session.idle_limit().filter(|_| self.resting);
        let mut silence = pin!(silent(limit));
        loop {
            let next = self.io.input.next_frame(self.max_body);
            if let Some(frame) = next.map_err(Closing::Fatal)? {
                self.resting = false;
                return Ok(frame);
            }
            self.io.input.rest();
            let notified = tokio::select! {
                biased;
                read = self.io.read() => {
                    read?;
                    false
                }
                () = reached(&mut self.phase, Phase::Draining) => return Err(shutting_down()),
                () = self.session.notified() => true,
                error = &mut silence => return Err(Closing::Fatal(error)),
            };
            if notified {
                self.notifications();
                self.flush().await?;
            }
        }
    }

    async fn dispatch(&mut self, Frame { kind, body }: Frame) -> Result<(), Closing> {
        // Whatever it asked for, nobody is there to hear the answer.
        if self.io.is_gone() {
            return Err(Closing::Gone);
        }
        if self.skipping && !matches!(kind, Kind::Sync | Kind::Terminate) {
            return Ok(());
        }
        let done = match kind {
            Kind::Parse => self.on_parse(body).await,
            Kind::Bind => self.on_bind(body),
            Kind::Describe => self.on_describe(body),
            Kind::Execute => self.on_execute(body).await,
            Kind::Close => self.on_close(body),
            Kind::Flush => self.on_flush(body).await,
            Kind::Sync => return self.on_sync(body).await,
            Kind::Query => return self.on_query(body).await,
            Kind::FunctionCall => return self.on_function_call().await,
            Kind::Terminate => return Err(Closing::Gone),
            // What is left of a COPY that failed.
            Kind::CopyData | Kind::CopyDone | Kind::CopyFail => return Ok(()),
            Kind::Password => {
                let error = protocol(format!("invalid frontend message type {}", kind.byte()));
                return Err(Closing::Fatal(error.severity(Severity::Fatal)));
            }
        };
        match done {
            Ok(()) => {}
            Err(Stop::Close(closing)) => return Err(closing),
            Err(Stop::Sql(error)) => {
                self.fail(error)?;
                self.skipping = kind.is_extended();
            }
        }
        if self.out.len() >= FLUSH_AT {
            self.flush().await?;
        }
        Ok(())
    }

    async fn on_sync(&mut self, body: Bytes) -> Result<(), Closing> {
        self.skipping = false;
        let ended = match frontend::decode_empty(body) {
            Ok(()) => self.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            self.fail(error)?;
        }
        self.ready().await
    }

    async fn on_function_call(&mut self) -> Result<(), Closing> {
        self.fail(SqlError::unsupported("the function call protocol"))?;
        self.ready().await
    }

    /// Commits an implicit transaction.
    pub(super) async fn finish(&mut self) -> Result<(), SqlError> {
        let future = self.session.finish_query();
        self.io.watch(&self.cancel, future).await
    }

    /// ReadyForQuery, with all that has to go before it.
    pub(super) async fn ready(&mut self) -> Result<(), Closing> {
        if self.session.status() == TxStatus::Idle {
            self.names.close_all_portals();
        }
        self.notices();
        for (name, value) in self.session.take_parameter_changes() {
            backend::parameter_status(&mut self.out, name, &value);
        }
        self.notifications();
        backend::ready_for_query(&mut self.out, self.session.status());
        self.flush().await?;
        self.resting = true;
        if self.out.capacity() > FLUSH_AT {
            // A large answer is behind us; a quiet connection stays small.
            self.out = BytesMut::new();
        }
        if *self.phase.borrow() >= Phase::Draining {
            return Err(shutting_down());
        }
        Ok(())
    }

    /// Notes errors that are ours (class XX) in the server's log. Messages may
    /// quote what the user stored, so the log gets the SQLSTATE alone; what was
    /// found out goes to the debug level.
    fn log_internal(&self, error: &SqlError) {
        if error.sqlstate().starts_with("XX") {
            tracing::error!(peer = %self.io.peer, sqlstate = error.sqlstate(), "internal error");
            tracing::debug!(internal = error.get_internal(), "internal error");
        }
    }

    /// Reports an error and leaves the session in the state after one. The end
    /// when the error is a FATAL one.
    pub(super) fn fail(&mut self, error: SqlError) -> Result<(), Closing> {
        self.log_internal(&error);
        self.notices();
        if matches!(error.get_severity(), Severity::Fatal | Severity::Panic) {
            return Err(Closing::Fatal(error));
        }
        if error.is(state::ADMIN_SHUTDOWN) {
            return Err(shutting_down());
        }
        self.names.close_all_portals();
        self.session.abort();
        backend::error_or_notice(&mut self.out, &error);
        Ok(())
    }

    /// Sends what the session is notified of.
    fn notifications(&mut self) {
        for notification in self.session.take_notifications() {
            backend::notification(&mut self.out, &notification);
        }
    }

    /// Sends the notices that came up.
    pub(super) fn notices(&mut self) {
        for notice in self.session.take_notices() {
            backend::error_or_notice(&mut self.out, &notice);
        }
    }

    /// CommandComplete, and what the command means for names kept here.
    pub(super) fn complete(&mut self, tag: &str) {
        match tag {
            // Also where another transaction follows at once (AND CHAIN).
            "COMMIT" => self.names.close_all_portals(),
            "DISCARD ALL" => {
                self.names.close_all_portals();
                self.names.close_unnamed();
            }
            _ => {}
        }
        self.notices();
        backend::command_complete(&mut self.out, tag);
    }

    /// Writes the output buffer.
    pub(super) async fn flush(&mut self) -> Result<(), Closing> {
        self.io.flush(&mut self.out, &mut self.phase).await
    }

    /// Sends rows, as fast as the client takes them. The tag at the end;
    /// `None` when `max_rows` (0 is no limit) came first.
    pub(super) async fn send_rows(
        &mut self,
        cursor: &mut RowCursor,
        max_rows: usize,
    ) -> Result<Option<String>, Stop> {
        let mut left = max_rows;
        loop {
            let room = FLUSH_AT.saturating_sub(self.out.len()).max(LEAST_ROOM);
            let fill = cursor.fill(&mut self.session, &mut self.out, left, room);
            match self.io.watch(&self.cancel, fill).await? {
                Fill::Done(tag) => return Ok(Some(tag)),
                Fill::Limit => return Ok(None),
                Fill::More { rows } => {
                    self.flush().await?;
                    if max_rows > 0 {
                        left = left.saturating_sub(rows);
                        if left == 0 {
                            return Ok(None);
                        }
                    }
                }
            }
        }
    }
}

/// Waits as long as a client may be silent; for ever without a limit.
async fn silent(limit: Option<(Duration, SqlError)>) -> SqlError {
    match limit {
        Some((limit, error)) => {
            tokio::time::sleep(limit).await;
            error
        }
        None => std::future::pending().await,
    }
}

/// The end, because the server ends.
pub(super) fn shutting_down() -> Closing {
    let error = SqlError::new(
        state::ADMIN_SHUTDOWN,
        "terminating connection due to administrator command",
    );
    Closing::Fatal(error.severity(Severity::Fatal))
}

fn startup_timeout() -> Closing {
    let error = SqlError::new(
        state::QUERY_CANCELED,
        "canceling authentication due to timeout",
    );
    Closing::Fatal(error.severity(Severity::Fatal))
}
