//! `kimberlite dev`: a node that needs nothing but a directory.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::BytesMut;
use kimberlite_sql::error::SqlError;
use kimberlite_sql::session::{ConnectRequest, Engine, Fill, Outcome, Session};
use kimberlite_storage::FileKeyProvider;

use super::{DATABASE, DevDirectory, ROLE};
use crate::server::{self, Addresses, Host, NodeError, NodeOptions, Wanted};
use crate::{tls, verifier};

/// Bytes of a log segment: small, so that a first start is quick.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Most client connections at one time.
const MAX_CONNECTIONS: usize = crate::config::MAX_CONNECTIONS_DEFAULT;
/// The database of the operators.
pub(crate) const SYSTEM_DATABASE: &str = "kimberlite";

/// What `kimberlite dev` was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the data lives; made if it is not there.
    pub data_dir: PathBuf,
    /// Where clients connect.
    pub client: Wanted,
    /// Where `/health`, `/ready` and `/status` answer.
    pub health: Wanted,
    /// Where `/metrics` answers.
    pub metrics: Wanted,
}

/// Runs a development node until it is told to stop.
///
/// # Errors
/// [`NodeError`].
pub fn run(options: Options) -> Result<(), NodeError> {
    let directory = DevDirectory::prepare(&options.data_dir)?;
    let key = FileKeyProvider::open(directory.master_key()).map_err(NodeError::Key)?;
    let node = NodeOptions {
        data_dir: options.data_dir.clone(),
        master_key: Arc::new(key),
        client: options.client,
        health: options.health,
        metrics: options.metrics,
        tls: Some(tls::load(&directory.tls())?),
        max_connections: MAX_CONNECTIONS,
        segment_bytes: SEGMENT_BYTES,
    };
    let host = DevHost {
        directory,
        data_dir: options.data_dir,
    };
    server::run(node, host)
}

struct DevHost {
    directory: DevDirectory,
    data_dir: PathBuf,
}

impl Host for DevHost {
    async fn opened(&self, engine: &Arc<Engine>) -> Result<(), NodeError> {
        match engine.scram_secret(SYSTEM_DATABASE, ROLE) {
            Some(secret) if !verifier::fits(&secret, self.directory.password()) => {
                tracing::warn!(
                    "the password of \"{ROLE}\" was changed since; the URL holds the one in \
                     dev/password"
                );
            }
            Some(_) => {}
            None => {
                let secret = verifier::scram_verifier(self.directory.password());
                engine.bootstrap_role(SYSTEM_DATABASE, ROLE, &secret)?;
            }
        }
        if engine.scram_secret(DATABASE, ROLE).is_none() {
            create_database(engine).await?;
        }
        Ok(())
    }

    fn accepting(&self, addresses: &Addresses) -> Result<(), NodeError> {
        self.directory
            .publish_addresses(addresses.client, addresses.health, addresses.metrics)?;
        self.directory.publish_url(addresses.client)?;
        print_welcome(&self.data_dir, &self.directory, addresses);
        Ok(())
    }

    fn closing(&self) {
        self.directory.withdraw();
    }
}

/// The line with `psql` is the last: tools wait for it.
fn print_welcome(data_dir: &std::path::Path, directory: &DevDirectory, addresses: &Addresses) {
    let text = format!(
        "Kimberlite {} is ready. Data: {}  Clients: {}\n\
         Metrics: http://{}/metrics  Health: http://{}/ready  Stop: Ctrl-C\n\
         Connect: psql \"$(cat {})\"\n",
        env!("CARGO_PKG_VERSION"),
        data_dir.display(),
        addresses.client,
        addresses.metrics,
        addresses.health,
        shell_quoted(&directory.url_file()),
    );
    // A closed standard output is no reason not to serve.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// A path as a shell word inside double quotes and `$(…)`.
fn shell_quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,:=".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Makes the database through SQL, as anyone else would.
async fn create_database(engine: &Arc<Engine>) -> Result<(), SqlError> {
    let mut session = engine.connect(ConnectRequest {
        database: SYSTEM_DATABASE.to_owned(),
        user: ROLE.to_owned(),
        application_name: "kimberlite dev".to_owned(),
        options: Vec::new(),
        backend_pid: 0,
        client_addr: None,
    })?;
    let outcome = execute(&mut session, &format!("CREATE DATABASE {DATABASE}")).await;
    session.close().await;
    outcome
}

async fn execute(session: &mut Session, sql: &str) -> Result<(), SqlError> {
    for statement in session.parse(sql)? {
        if let Outcome::Rows(mut rows) = session.run(statement, true).await? {
            let mut discarded = BytesMut::new();
            while !matches!(
                rows.fill(session, &mut discarded, 0, 65_536).await?,
                Fill::Done(_)
            ) {
                discarded.clear();
            }
        }
    }
    session.finish_query().await
}
