//! The socket that operators' orders come over: `admin.sock` in the data directory.
//!
//! Whoever may read the data directory may give orders: the socket can be opened by its
//! owner only, and the kernel says who is at the other end. One order a connection, a line
//! of JSON, and one line for an answer.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::super::shared::Shared;
use super::{Order, carry_out};

/// Its name in the data directory.
const FILE_NAME: &str = "admin.sock";

/// Longest order and longest answer, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Orders that may be carried out at once.
const ORDERS_MAX: usize = 16;

/// How long an order may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// Longest path of a socket, in bytes (`sun_path` of unix(7), and its final zero).
const PATH_BYTES_MAX: usize = 107;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Done(Value),
    Failed(String),
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens.
    #[error("no server answers on {}: {source}. Does it run, and with this data directory?", path.display())]
    NoServer {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The answer makes no sense.
    #[error("the server's answer cannot be read: {0}")]
    Answer(String),
    /// The server says why.
    #[error("{0}")]
    Refused(String),
}

/// Listens for orders. A socket that a dead process left behind is taken over: the data
/// directory is locked.
///
/// # Errors
/// What the system says.
pub(in super::super) fn listen(data_dir: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = data_dir.join(FILE_NAME);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = at(&path, UnixListener::bind)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Opens a socket, also one whose path is too long for its address: through the open
/// directory then.
fn at<T>(path: &Path, open: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    use std::os::fd::AsRawFd as _;
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return open(path.to_owned());
    }
    let dir = std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?;
    let short = format!("/proc/self/fd/{}/{FILE_NAME}", dir.as_raw_fd());
    open(PathBuf::from(short))
}

/// Carries orders out until the task is ended.
pub(in super::super) async fn serve(shared: Arc<Shared>, listener: UnixListener) {
    let slots = Arc::new(Semaphore::new(ORDERS_MAX));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    if let Err(error) = answer(&shared, stream).await {
                        tracing::debug!(%error, "an operator's connection failed");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take an operator's connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(shared: &Arc<Shared>, stream: UnixStream) -> io::Result<()> {
    let from = stream.peer_cred()?;
    let operator = format!("uid {} (pid {})", from.uid(), from.pid().unwrap_or(0));
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LINE_BYTES_MAX));
    let arrived = tokio::time::timeout(ARRIVAL_MAX, read.read_line(&mut line));
    arrived.await.map_err(|_| io::ErrorKind::TimedOut)??;
    let outcome = match serde_json::from_str::<Order>(&line) {
        Ok(order) => match carry_out(shared, order, &operator).await {
            Ok(value) => Outcome::Done(value),
            Err(reason) => Outcome::Failed(reason),
        },
        Err(error) => Outcome::Failed(format!(
            "the order is not known: {error}. Is kimberlite-cli of the server's version?"
        )),
    };
    let mut text = serde_json::to_string(&outcome)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

/// Gives the server of a data directory an order, and waits for the answer.
///
/// # Errors
/// [`AdminError`].
pub fn ask(data_dir: &Path, order: &Order) -> Result<Value, AdminError> {
    let path = data_dir.join(FILE_NAME);
    let unreachable = |source| AdminError::NoServer {
        path: path.clone(),
        source,
    };
    let mut stream = at(&path, StdStream::connect).map_err(unreachable)?;
    let limit = Duration::from_secs(order.wait_s() + 10);
    stream.set_read_timeout(Some(limit)).map_err(unreachable)?;
    let mut line = serde_json::to_string(order).map_err(|e| AdminError::Answer(e.to_string()))?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(unreachable)?;
    let mut answer = String::new();
    io::BufReader::new(stream.take(LINE_BYTES_MAX))
        .read_line(&mut answer)
        .map_err(unreachable)?;
    match serde_json::from_str(&answer) {
        Ok(Outcome::Done(value)) => Ok(value),
        Ok(Outcome::Failed(reason)) => Err(AdminError::Refused(reason)),
        Err(error) => Err(AdminError::Answer(error.to_string())),
    }
}
