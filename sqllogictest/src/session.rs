//! One connection: run a text, get rows, a count, or the reason it failed.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::error::{Error, Result, server_message};
use crate::target::Target;

/// How long a server may take to answer a cancel request before the connection
/// is given up.
const CANCEL_GRACE: Duration = Duration::from_secs(5);
/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// What a text gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Rows in the server's text format; `None` is NULL. Columns are counted
    /// apart because no row may have come.
    Rows {
        /// Number of columns.
        columns: usize,
        /// The rows.
        rows: Vec<Vec<Option<String>>>,
    },
    /// No result set; the count of the command tag (0 where it has none).
    Done(u64),
}

/// Why a text gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server answered with an error.
    Server {
        /// Five characters.
        sqlstate: String,
        /// Primary message.
        message: String,
    },
    /// The time limit passed; the statement was cancelled.
    Timeout,
    /// The connection is gone.
    Lost(String),
}

/// A connection with a time limit for each statement.
pub struct Session {
    target: Target,
    limit: Duration,
    client: Client,
    driver: JoinHandle<()>,
}

impl Session {
    /// Connects.
    pub async fn open(target: &Target, limit: Duration) -> Result<Self> {
        let (client, driver) = connect(target).await?;
        Ok(Self {
            target: target.clone(),
            limit,
            client,
            driver,
        })
    }

    /// Runs one text through the simple protocol. After [`Failure::Lost`] call
    /// [`Session::reopen`].
    pub async fn run(&mut self, sql: &str) -> std::result::Result<Answer, Failure> {
        let query = self.client.simple_query(sql);
        tokio::pin!(query);
        match tokio::time::timeout(self.limit, &mut query).await {
            Ok(Ok(messages)) => Ok(answer(messages)),
            Ok(Err(error)) => {
                // FATAL: the server hangs up next. Do not race with it.
                if error
                    .as_db_error()
                    .is_some_and(|db| db.severity() != "ERROR")
                {
                    self.driver.abort();
                    let _aborted = (&mut self.driver).await;
                }
                Err(failure(&error))
            }
            Err(_elapsed) => {
                let token = self.client.cancel_token();
                let cancelled = tokio::time::timeout(CANCEL_GRACE, async {
                    let asked = match self.target.tls() {
                        Some(tls) => token.cancel_query(tls).await,
                        None => token.cancel_query(NoTls).await,
                    };
                    asked.is_ok() && query.await.is_err_and(|e| !e.is_closed())
                })
                .await;
                match cancelled {
                    Ok(true) => Err(Failure::Timeout),
                    // It ended by itself while we were cancelling, too late all the same.
                    Ok(false) if !self.client.is_closed() => Err(Failure::Timeout),
                    _ => {
                        self.driver.abort();
                        Err(Failure::Timeout)
                    }
                }
            }
        }
    }

    /// Whether the connection can still be used.
    pub fn is_alive(&self) -> bool {
        !self.client.is_closed() && !self.driver.is_finished()
    }

    /// Connects anew to the same database.
    pub async fn reopen(&mut self) -> Result<()> {
        let (client, driver) = connect(&self.target).await?;
        self.client = client;
        self.driver = driver;
        Ok(())
    }

    /// Says goodbye and waits until the socket is closed, so that the database
    /// can be dropped.
    pub async fn close(self) {
        drop(self.client);
        let _closed_or_given_up = tokio::time::timeout(CANCEL_GRACE, self.driver).await;
    }
}

async fn connect(target: &Target) -> Result<(Client, JoinHandle<()>)> {
    let config = target.config();
    let attempt = async {
        Ok(match target.tls() {
            Some(tls) => {
                let (client, connection) = config.connect(tls).await?;
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
        })
    };
    match tokio::time::timeout(CONNECT_LIMIT, attempt).await {
        Ok(Ok(pair)) => Ok(pair),
        Ok(Err(error)) => {
            let error: tokio_postgres::Error = error;
            Err(Error::Connect(format!(
                "{}: {}",
                target.shown(),
                server_message(&error)
            )))
        }
        Err(_elapsed) => Err(Error::Connect(format!(
            "{}: no answer within {} s",
            target.shown(),
            CONNECT_LIMIT.as_secs()
        ))),
    }
}

fn failure(error: &tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(db) => Failure::Server {
            sqlstate: db.code().code().to_owned(),
            message: db.message().to_owned(),
        },
        None => Failure::Lost(server_message(error)),
    }
}

/// The last result of a text: with several statements, as psql, the last counts.
fn answer(messages: Vec<SimpleQueryMessage>) -> Answer {
    let mut columns = None;
    let mut rows = Vec::new();
    let mut done = Answer::Done(0);
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(names) => {
                columns = Some(names.len());
                rows.clear();
            }
            SimpleQueryMessage::Row(row) => {
                rows.push(
                    (0..row.len())
                        .map(|i| row.get(i).map(str::to_owned))
                        .collect(),
                );
            }
            SimpleQueryMessage::CommandComplete(count) => {
                done = match columns.take() {
                    Some(columns) => Answer::Rows {
                        columns,
                        rows: std::mem::take(&mut rows),
                    },
                    None => Answer::Done(count),
                };
            }
            _ => {}
        }
    }
    done
}
