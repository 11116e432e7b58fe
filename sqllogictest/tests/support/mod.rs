//! A PostgreSQL 15 that a test starts and stops.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]
// Each test program uses a part of this.
#![allow(dead_code)]

use std::path::PathBuf;
use std::process::Command;

use kimberlite_sqllogictest::run::{Options, find_files, run};
use kimberlite_sqllogictest::score::Report;
use kimberlite_sqllogictest::target::Target;
use tempfile::TempDir;

pub struct Postgres {
    folder: TempDir,
    pub url: String,
}

/// The crate's folder, asked for when the test runs: two checkouts that share a
/// target folder may share the test program.
pub fn manifest_dir() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap().into()
}

fn script() -> PathBuf {
    manifest_dir().join("../scripts/postgres")
}

impl Postgres {
    /// Starts a server; `arguments` go to `scripts/postgres start`.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(script())
            .arg("start")
            .arg(folder.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let url = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { folder, url }
    }

    pub fn options(&self) -> Options {
        Options::new(Target::parse(&self.url).unwrap())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stopped = Command::new(script())
            .arg("stop")
            .arg(self.folder.path())
            .status();
        assert!(stopped.is_ok_and(|s| s.success()) || std::thread::panicking());
    }
}

/// Writes files into a new folder and runs them.
pub async fn run_texts(options: Options, texts: &[(&str, &str)]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    run(find_files(&[folder.path().to_owned()]).unwrap(), options)
        .await
        .unwrap()
}
