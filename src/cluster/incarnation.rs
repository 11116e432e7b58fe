//! Which data directory this is.
//!
//! A replica that lost its disk has forgotten what it promised: under its old id it could
//! vote twice. So each directory draws a number before anything else, the log keeps the
//! number that a replica was admitted with, and the same id with another number is refused.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kimberlite_storage::Entropy as _;

use super::hex;
use crate::os::SystemEntropy;

/// The file in a data directory.
pub(crate) const FILE_NAME: &str = "incarnation";

/// The number of a data directory, drawn when it has none yet.
///
/// # Errors
/// What the file system says; [`io::ErrorKind::InvalidData`] for a file that is damaged.
pub(super) fn of(data_dir: &Path) -> io::Result<[u8; 16]> {
    let path = data_dir.join(FILE_NAME);
    match std::fs::read_to_string(&path) {
        Ok(text) => hex::decode(text.trim()).ok_or_else(|| {
            let what = format!("{} does not hold 32 hexadecimal digits", path.display());
            io::Error::new(io::ErrorKind::InvalidData, what)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => draw(data_dir, &path),
        Err(error) => Err(error),
    }
}

fn draw(data_dir: &Path, path: &Path) -> io::Result<[u8; 16]> {
    std::fs::create_dir_all(data_dir)?;
    let mut number = [0; 16];
    SystemEntropy.fill(&mut number);
    let new = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    writeln!(file, "{}", hex::encode(&number))?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    std::fs::File::open(data_dir)?.sync_all()?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;

    #[test]
    fn a_directory_keeps_its_number_and_another_has_another() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let number = of(&one.path().join("data")).unwrap();
        assert_eq!(of(&one.path().join("data")).unwrap(), number);
        assert_ne!(of(two.path()).unwrap(), number);
        std::fs::write(two.path().join(FILE_NAME), "damaged").unwrap();
        assert!(of(two.path()).is_err());
    }
}
