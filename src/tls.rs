//! The certificate and key of the client port, from the files that the
//! configuration names.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::Tls;
use crate::wire::TlsSettings;

/// Largest PEM file read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("TLS: {}: {reason}", path.display())]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// Why, and what to do about it.
    pub reason: String,
}

fn refuse(path: &Path, reason: impl ToString) -> TlsError {
    TlsError {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Loads what `tls` names. TLS 1.3 only: every PostgreSQL client library that
/// still gets updates speaks it.
///
/// # Errors
/// [`TlsError`] naming the file.
pub fn load(tls: &Tls) -> Result<TlsSettings, TlsError> {
    let chain = read(&tls.cert_path)?;
    refuse_shared_key(&tls.key_path)?;
    let key = read(&tls.key_path)?;
    match &tls.client_ca_path {
        None => TlsSettings::from_pem(&chain, &key, false),
        Some(path) => TlsSettings::from_pem_verifying_clients(&chain, &key, &read(path)?, false),
    }
    .map_err(|e| refuse(&tls.cert_path, e))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|e| refuse(path, e))?;
    Ok(bytes)
}

/// Refuses a private key that others may read, by PostgreSQL's rule: 0600, or
/// 0640 when root owns it.
fn refuse_shared_key(path: &Path) -> Result<(), TlsError> {
    let metadata = std::fs::metadata(path).map_err(|e| refuse(path, e))?;
    let forbidden = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    if metadata.mode() & forbidden == 0 {
        return Ok(());
    }
    let reason = format!(
        "has mode {:03o}: others can use the private key. Run: chmod 600 {}",
        metadata.mode() & 0o777,
        path.display()
    );
    Err(refuse(path, reason))
}
