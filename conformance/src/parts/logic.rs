//! Logic tests: SQLite's corpus and our own suites, through the runner of
//! `kimberlite-sqllogictest`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kimberlite_sqllogictest::run::{Options, find_files, run as run_files};
use kimberlite_sqllogictest::score::{FileScore, Miss, Reason, Report};
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

/// Runs the files that have misses on PostgreSQL too, and takes out of the score
/// what misses there in the same way: the corpus says what SQLite does. Gives
/// the score that is left, and what was taken out, by file and line.
pub async fn excuse(
    report: Report,
    postgres: &str,
    limit: Duration,
    folder: &Path,
) -> Result<(Report, Vec<String>)> {
    let missed = report.files.iter().filter(|f| !f.misses.is_empty());
    let paths: Vec<PathBuf> = missed.map(|f| PathBuf::from(&f.file)).collect();
    if paths.is_empty() {
        return Ok((report, Vec::new()));
    }
    let theirs = run(postgres, &paths, limit, false).await?;
    let mut excused = Vec::new();
    let mut files = report.files;
    for file in &mut files {
        let Some(other) = theirs.files.iter().find(|o| o.file == file.file) else {
            continue;
        };
        let before = file.misses.len();
        file.misses.retain(|miss| {
            let same = other.misses.iter().find(|o| is_same(miss, o));
            if let Some(other) = same {
                let name = short_name(&file.file, folder);
                excused.push(format!("{name}:{} {}", miss.line, other.cause()));
            }
            same.is_none()
        });
        file.records -= (before - file.misses.len()) as u64;
    }
    let left = Report::new(report.target, report.server_version, report.seconds, files);
    Ok((left, excused))
}

/// Whether PostgreSQL missed the record as we did: the same rows, or a refusal
/// where we refuse too.
fn is_same(ours: &Miss, theirs: &Miss) -> bool {
    let refused = |miss: &Miss| matches!(miss.reason, Reason::Error | Reason::NotSupported);
    ours.line == theirs.line
        && match (&ours.actual, &theirs.actual) {
            (Some(a), Some(b)) => a == b,
            (None, None) => {
                (refused(ours) && refused(theirs))
                    || (ours.reason == Reason::NoError && theirs.reason == Reason::NoError)
            }
            _ => false,
        }
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
    fn only_what_misses_in_the_same_way_is_excused() {
        let miss = |reason, actual: Option<&str>| Miss {
            line: 7,
            reason,
            sqlstate: None,
            message: None,
            expected: None,
            actual: actual.map(str::to_owned),
            sql: String::new(),
        };
        let wrong = |rows| miss(Reason::WrongResult, Some(rows));
        let refused = miss(Reason::Error, None);
        assert!(is_same(&wrong("1"), &wrong("1")));
        assert!(!is_same(&wrong("1"), &wrong("2")));
        assert!(!is_same(&wrong("1"), &refused));
        assert!(is_same(&miss(Reason::NotSupported, None), &refused));
        assert!(!is_same(&miss(Reason::Internal, None), &refused));
    }

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
