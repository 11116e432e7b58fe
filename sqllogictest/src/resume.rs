//! The state file: one JSON line for each finished file.
//!
//! A run that was interrupted goes on where it stopped: files with a line are
//! not run again. A half-written last line (the process died while writing) is
//! forgotten.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::score::FileScore;

/// Finished files, on disk.
pub struct State {
    path: PathBuf,
    file: File,
}

impl State {
    /// Opens or makes the state file; also gives what is in it, by file name.
    pub fn open(path: &Path) -> Result<(Self, BTreeMap<String, FileScore>)> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(io(e)),
        };
        let mut finished = BTreeMap::new();
        let mut good_bytes = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            if !line.ends_with('\n') {
                break;
            }
            let score: FileScore = serde_json::from_str(line).map_err(|e| Error::State {
                path: path.to_owned(),
                line: number + 1,
                message: e.to_string(),
            })?;
            finished.insert(score.file.clone(), score);
            good_bytes += line.len() as u64;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(io)?;
        file.set_len(good_bytes).map_err(io)?;
        Ok((
            Self {
                path: path.to_owned(),
                file,
            },
            finished,
        ))
    }

    /// Notes a finished file.
    pub fn add(&mut self, score: &FileScore) -> Result<()> {
        let io = |source| Error::Io {
            path: self.path.clone(),
            source,
        };
        let mut line = serde_json::to_vec(score).map_err(|e| io(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn goes_on_after_a_half_written_line_and_refuses_foreign_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let score = |name: &str| FileScore {
            file: name.to_owned(),
            records: 2,
            ..FileScore::default()
        };

        let (mut state, finished) = State::open(&path).unwrap();
        assert!(finished.is_empty());
        state.add(&score("a")).unwrap();
        drop(state);
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"file\":\"b\"");
        std::fs::write(&path, text).unwrap();

        let (mut state, finished) = State::open(&path).unwrap();
        assert_eq!(finished.keys().collect::<Vec<_>>(), ["a"]);
        state.add(&score("c")).unwrap();
        let (_, finished) = State::open(&path).unwrap();
        assert_eq!(finished.keys().collect::<Vec<_>>(), ["a", "c"]);

        std::fs::write(&path, "hello\n").unwrap();
        let error = State::open(&path).err().unwrap().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
