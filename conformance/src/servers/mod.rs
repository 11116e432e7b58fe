//! The servers that are compared, started for the run and gone after it.

mod node;
mod postgres;

pub use node::Node;
pub use postgres::Postgres;

use std::net::TcpListener;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::error::{Error, Result};

/// How long a server may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long a server may take to stop when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Reads lines until one is wanted, then goes on reading in the background so
/// that the process never waits for its output to be read.
async fn wait_for_line(
    output: impl AsyncRead + Send + Unpin + 'static,
    wanted: impl Fn(&str) -> bool,
) -> Result<String> {
    let mut lines = BufReader::new(output).lines();
    let mut seen = String::new();
    let search = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if wanted(&line) {
                return Ok(line);
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        Err(Error::Server(format!(
            "it ended before it was ready:\n{seen}"
        )))
    };
    let found = tokio::time::timeout(START_LIMIT, search)
        .await
        .map_err(|_elapsed| Error::Server("it was not ready in time".into()))??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(found)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
