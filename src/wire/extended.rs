//! The extended query protocol: Parse, Bind, Describe, Execute, Close, Flush.

use std::sync::Arc;

use bytes::Bytes;
use kimberlite_sql::error::{SqlError, SqlResult, state};
use kimberlite_sql::session::{BoundParameters, Outcome, Prepared, RowCursor, TxStatus};

use super::backend::{self, Bare};
use super::connection::Connection;
use super::frontend::{self, Bind, Execute, Parse, Target, check_formats};
use super::io::Stop;
use super::portals::{Portal, Progress};
use super::reader::protocol;

impl Connection {
    /// Parse.
    pub(super) async fn on_parse(&mut self, body: Bytes) -> Result<(), Stop> {
        let parse = Parse::decode(body)?;
        let name = parse.name.as_str();
        if name.is_empty() {
            self.names.close_unnamed_statement();
        } else {
            self.session.statements().make_way(name)?;
        }
        let prepare = self.session.prepare(parse.query.as_str(), &parse.types);
        let prepared = self.io.watch(&self.cancel, prepare).await?;
        if name.is_empty() {
            self.names.put_unnamed(prepared);
        } else {
            self.session.keep_statement(name, prepared, false);
        }
        backend::bare(&mut self.out, Bare::ParseComplete);
        Ok(())
    }

    /// The statement of this name, or the unnamed one.
    fn statement(&mut self, name: &str) -> SqlResult<Arc<Prepared>> {
        let statement = if name.is_empty() {
            self.names.unnamed()?
        } else {
            self.session.statements().get(name)?
        };
        Ok(Arc::clone(statement))
    }

    /// Bind.
    pub(super) fn on_bind(&mut self, body: Bytes) -> Result<(), Stop> {
        let bind = Bind::decode(body)?;
        let prepared = self.statement(bind.statement.as_str())?;
        check_bind(&bind, &prepared)?;
        let name = bind.portal.as_str();
        self.names.make_way_for_portal(name)?;
        let mut bound = BoundParameters {
            values: bind.values,
            formats: bind.formats,
            result_formats: bind.result_formats,
        };
        if !name.is_empty() {
            // A named portal may live long: its values must not keep the read
            // buffer they came in alive.
            for value in bound.values.iter_mut().flatten() {
                *value = Bytes::copy_from_slice(value);
            }
        }
        let portal = Portal {
            prepared,
            result_formats: bound.result_formats.clone(),
            progress: Progress::Bound(bound),
        };
        self.names.put_portal(name, portal);
        backend::bare(&mut self.out, Bare::BindComplete);
        Ok(())
    }

    /// Describe.
    pub(super) fn on_describe(&mut self, body: Bytes) -> Result<(), Stop> {
        let (target, name) = frontend::decode_target(body, "DESCRIBE")?;
        let (prepared, formats) = match target {
            Target::Statement => {
                let prepared = self.statement(name.as_str())?;
                backend::parameter_description(&mut self.out, prepared.parameter_types());
                // The formats are not known before Bind: text, by convention.
                (prepared, &[][..])
            }
            Target::Portal => {
                let portal = self.names.portal(name.as_str())?;
                (Arc::clone(&portal.prepared), &portal.result_formats[..])
            }
        };
        match prepared.fields() {
            Some(fields) => backend::row_description(&mut self.out, fields, Some(formats)),
            None => backend::bare(&mut self.out, Bare::NoData),
        }
        Ok(())
    }

    /// Execute.
    pub(super) async fn on_execute(&mut self, body: Bytes) -> Result<(), Stop> {
        let Execute { portal, max_rows } = Execute::decode(body)?;
        let name = portal.as_str();
        let before = self.session.status();
        // Out of its place while it runs: an error leaves no portal behind.
        let Portal {
            prepared,
            result_formats,
            progress,
        } = self.names.take_portal(name)?;
        let progress = match progress {
            Progress::Bound(bound) => self.run_portal(&prepared, bound, max_rows).await?,
            Progress::Open(cursor) => self.fetch(cursor, max_rows).await?,
            Progress::Done { rows: true } => {
                self.complete("SELECT 0");
                Progress::Done { rows: true }
            }
            Progress::Done { rows: false } => {
                return Err(SqlError::new(
                    state::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("portal \"{name}\" cannot be run"),
                )
                .into());
            }
        };
        if before != TxStatus::Idle && self.session.status() == TxStatus::Idle {
            // The statement ended the transaction, and its portals with it.
            self.names.close_all_portals();
        } else {
            let portal = Portal {
                prepared,
                result_formats,
                progress,
            };
            self.names.put_portal(name, portal);
        }
        Ok(())
    }

    /// The first Execute of a portal.
    async fn run_portal(
        &mut self,
        prepared: &Arc<Prepared>,
        bound: BoundParameters,
        max_rows: usize,
    ) -> Result<Progress, Stop> {
        let execute = self.session.execute(prepared, bound);
        let tag = match self.io.watch(&self.cancel, execute).await? {
            Outcome::Rows(cursor) => return self.fetch(cursor, max_rows).await,
            Outcome::Empty => {
                backend::bare(&mut self.out, Bare::EmptyQuery);
                return Ok(Progress::Done { rows: false });
            }
            Outcome::Command(tag) => tag,
            Outcome::CopyIn(copy) => self.copy_in(copy).await?,
            Outcome::CopyOut(copy) => self.copy_out(copy).await?,
        };
        self.complete(&tag);
        Ok(Progress::Done { rows: false })
    }

    /// Sends rows of an open portal, up to its limit or its end.
    async fn fetch(&mut self, mut cursor: RowCursor, max_rows: usize) -> Result<Progress, Stop> {
        match self.send_rows(&mut cursor, max_rows).await? {
            Some(tag) => {
                self.complete(&tag);
                Ok(Progress::Done { rows: true })
            }
            None => {
                self.notices();
                backend::bare(&mut self.out, Bare::PortalSuspended);
                Ok(Progress::Open(cursor))
            }
        }
    }

    /// Close. Closing what is not there is no error.
    pub(super) fn on_close(&mut self, body: Bytes) -> Result<(), Stop> {
        let (target, name) = frontend::decode_target(body, "CLOSE")?;
        match target {
            Target::Statement if name.as_str().is_empty() => self.names.close_unnamed_statement(),
            Target::Statement => {
                self.session.forget_statement(name.as_str());
            }
            Target::Portal => self.names.close_portal(name.as_str()),
        }
        backend::bare(&mut self.out, Bare::CloseComplete);
        Ok(())
    }

    /// Flush.
    pub(super) async fn on_flush(&mut self, body: Bytes) -> Result<(), Stop> {
        frontend::decode_empty(body)?;
        Ok(self.flush().await?)
    }
}

/// The counts in a Bind must fit its statement.
fn check_bind(bind: &Bind, prepared: &Prepared) -> SqlResult<()> {
    let supplied = bind.values.len();
    check_formats(
        &bind.formats,
        supplied,
        "parameter",
        &format_args!("{supplied} parameters"),
    )?;
    let required = prepared.parameter_types().len();
    if supplied != required {
        return Err(protocol(format!(
            "bind message supplies {supplied} parameters, but prepared statement \"{}\" requires {required}",
            bind.statement.as_str()
        )));
    }
    let columns = prepared.fields().map_or(0, <[_]>::len);
    check_formats(
        &bind.result_formats,
        columns,
        "result",
        &format_args!("query has {columns} columns"),
    )
}
