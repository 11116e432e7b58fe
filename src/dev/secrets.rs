//! The master key and the password.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kimberlite_storage::{Entropy as _, FileKeyProvider};

use super::{DevError, io_error, private_file};
use crate::os::SystemEntropy;

/// Makes `master.key` and `password` where they are missing; returns the
/// password.
pub(super) fn prepare(dir: &Path) -> Result<String, DevError> {
    let key = dir.join("master.key");
    if key.exists() {
        // The process that made it may have been killed before it was on the disk.
        FileKeyProvider::open(&key)?.make_durable()?;
    } else {
        FileKeyProvider::generate(&key, &SystemEntropy)?;
    }
    let file = dir.join("password");
    if let Some(text) = private_file::read(&file).map_err(|e| io_error(&file, e))? {
        return Ok(text.trim_end().to_owned());
    }
    let password = random_password();
    private_file::replace(&file, format!("{password}\n").as_bytes())
        .map_err(|e| io_error(&file, e))?;
    Ok(password)
}

/// 144 random bits, in characters that need no escaping in a URL or a shell.
fn random_password() -> String {
    let mut bytes = [0u8; 18];
    SystemEntropy.fill(&mut bytes);
    // A leading `-` would look like an option where it is pasted.
    format!("k{}", URL_SAFE_NO_PAD.encode(bytes))
}
