//! Logic tests: SQLite's corpus and our own suites, through the runner of
//! `kimberlite-sqllogictest`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kimberlite_sqllogictest::run::{Options, find_files, run as run_files};
use kimberlite_sqllogictest::score::{FileScore, Reason, Report};
use kimberlite_sqllogictest::target::Target;

use crate::error::Result;
use crate::table::Row;
use crate::verdict::Class;

/// Runs all files under the given paths, each in a database of its own.
pub async fn run(url: &str, paths: &[PathBuf], limit: Duration, progress: bool) -> Result<Report> {
    let options = Options {
        limit,
        progress,
        ..Options::new(Target::parse(url)?)
    };
    Ok(run_files(find_files(paths)?, options).await?)
}

/// A file's name below the folder it was found in, which is another one each
/// time an archive is unpacked.
pub fn short_name<'a>(file: &'a str, folder: &Path) -> &'a str {
    let prefix = folder.to_string_lossy();
    file.strip_prefix(prefix.as_ref())
        .unwrap_or(file)
        .trim_start_matches('/')
}

/// The files' scores added up by the folder they are in.
pub fn rows(report: &Report, folder: &Path) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for file in &report.files {
        let name = short_name(&file.file, folder);
        let group = match name.match_indices('/').nth(1) {
            Some((end, _)) => &name[..end],
            None => name.split_once('/').map_or(name, |(group, _)| group),
        };
        match rows.iter_mut().find(|row| row.name == group) {
            Some(row) => add(row, file),
            None => {
                let mut row = Row::new(group);
                add(&mut row, file);
                rows.push(row);
            }
        }
    }
    rows
}

fn add(row: &mut Row, file: &FileScore) {
    row.same += usize::try_from(file.passed).unwrap_or(usize::MAX);
    row.of += usize::try_from(file.records).unwrap_or(usize::MAX);
    for miss in &file.misses {
        *row.classes.entry(class(miss.reason)).or_default() += 1;
    }
    let not_sent = usize::try_from(file.not_reached).unwrap_or(usize::MAX);
    if not_sent > 0 {
        *row.classes.entry(Class::Disconnect).or_default() += not_sent;
    }
}

fn class(reason: Reason) -> Class {
    match reason {
        Reason::WrongResult => Class::Wrong,
        Reason::NoError => Class::Accepted,
        Reason::WrongError => Class::OtherError,
        Reason::Internal => Class::Internal,
        Reason::LostConnection => Class::Disconnect,
        Reason::Timeout => Class::Timeout,
        Reason::NotSupported => Class::NotSupported,
        Reason::Error | Reason::NotRun => Class::Error,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn files_are_added_up_by_folder() {
        let file = |name: &str| FileScore {
            file: format!("/tmp/x/{name}"),
            records: 3,
            passed: 2,
            not_reached: 1,
            ..FileScore::default()
        };
        let files = [
            "index/in/10/a.test",
            "index/in/100/b.test",
            "top.test",
            "evidence/c.test",
        ];
        let report = Report::new(String::new(), String::new(), 0.0, files.map(file).to_vec());
        let rows = rows(&report, Path::new("/tmp/x"));
        let found: Vec<_> = rows
            .iter()
            .map(|r| (r.name.as_str(), r.same, r.of))
            .collect();
        assert_eq!(
            found,
            [("evidence", 2, 3), ("index/in", 4, 6), ("top.test", 2, 3)]
        );
        assert_eq!(rows[1].classes[&Class::Disconnect], 2);
    }
}
