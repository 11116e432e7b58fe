//! A database, or a schema, that one file has for itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::session::{Failure, Session};
use crate::target::Target;

/// Making or dropping a database copies or removes files: longer than a
/// statement may take.
const ADMIN_LIMIT: Duration = Duration::from_secs(120);

/// How files are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Each file in a database of its own.
    Database,
    /// Each file in a schema of its own; for servers where we may not make
    /// databases.
    Schema,
}

/// Makes and drops scratch places through one connection.
pub struct Scratch {
    target: Target,
    isolation: Isolation,
    admin: Mutex<Session>,
    next: AtomicU64,
}

/// A place that exists.
pub struct Place {
    name: String,
    target: Target,
    first_statement: Option<String>,
}

impl Place {
    /// A new connection into the place.
    pub async fn connect(&self, limit: Duration) -> Result<Session> {
        let mut session = Session::open(&self.target, limit).await?;
        self.enter(&mut session).await?;
        Ok(session)
    }

    /// Brings a connection that was made anew into the place.
    pub async fn enter(&self, session: &mut Session) -> Result<()> {
        if let Some(sql) = &self.first_statement {
            session
                .run(sql)
                .await
                .map_err(|f| scratch_error("schema", f))?;
        }
        Ok(())
    }
}

impl Scratch {
    /// Connects; the answer is this and the server's `version()`.
    pub async fn open(target: Target, isolation: Isolation) -> Result<Self> {
        let admin = Session::open(&target, ADMIN_LIMIT).await?;
        Ok(Self {
            target,
            isolation,
            admin: Mutex::new(admin),
            next: AtomicU64::new(0),
        })
    }

    /// The server's own description of itself.
    pub async fn server_version(&self) -> Result<String> {
        use crate::session::Answer;
        let answer = self.admin.lock().await.run("SELECT version()").await;
        match answer {
            Ok(Answer::Rows { rows, .. }) => Ok(rows
                .into_iter()
                .flatten()
                .flatten()
                .next()
                .unwrap_or_default()),
            Ok(Answer::Done(_)) => Ok(String::new()),
            Err(Failure::Server { message, .. } | Failure::Lost(message)) => {
                Err(Error::Connect(message))
            }
            Err(Failure::Timeout) => Err(Error::Connect("no answer to SELECT version()".into())),
        }
    }

    /// Makes a place.
    pub async fn make(&self) -> Result<Place> {
        let name = format!(
            "slt_{}_{}",
            std::process::id(),
            self.next.fetch_add(1, Ordering::Relaxed)
        );
        Ok(match self.isolation {
            Isolation::Database => {
                self.admin("database", &format!("CREATE DATABASE {name}"))
                    .await?;
                Place {
                    target: self.target.with_database(&name),
                    name,
                    first_statement: None,
                }
            }
            Isolation::Schema => {
                self.admin("schema", &format!("CREATE SCHEMA {name}"))
                    .await?;
                let first_statement = Some(format!("SET search_path TO {name}"));
                Place {
                    target: self.target.clone(),
                    name,
                    first_statement,
                }
            }
        })
    }

    /// Drops a place. All connections into it must be closed.
    pub async fn drop(&self, place: Place) -> Result<()> {
        match self.isolation {
            Isolation::Database => {
                self.admin("database", &format!("DROP DATABASE {}", place.name))
                    .await
            }
            Isolation::Schema => {
                self.admin("schema", &format!("DROP SCHEMA {} CASCADE", place.name))
                    .await
            }
        }
    }

    async fn admin(&self, what: &'static str, sql: &str) -> Result<()> {
        let mut admin = self.admin.lock().await;
        if !admin.is_alive() {
            admin.reopen().await?;
        }
        admin
            .run(sql)
            .await
            .map(|_| ())
            .map_err(|f| scratch_error(what, f))
    }
}

fn scratch_error(what: &'static str, failure: Failure) -> Error {
    let message = match failure {
        Failure::Server { sqlstate, message } => format!("{message} ({sqlstate})"),
        Failure::Timeout => "no answer in time".to_owned(),
        Failure::Lost(message) => message,
    };
    Error::Scratch { what, message }
}
