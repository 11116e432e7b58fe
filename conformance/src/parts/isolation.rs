//! PostgreSQL's isolation specs, run by its own `isolationtester` on both
//! servers. A spec counts when what is printed is identical.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::differ::{administer, url_of};
use crate::error::{Error, Result};
use crate::table::Row;
use crate::verdict::{Class, pattern};
use kimberlite_sqllogictest::target::Target;

/// Where Debian keeps the program.
const DEBIAN: &str = "/usr/lib/postgresql/15/lib/pgxs/src/test/isolation/isolationtester";
/// Seconds after which it cancels a step that should not wait; twice that and it
/// gives up. Its own default is six minutes.
const STEP_SECONDS: &str = "20";
/// After this long a spec is ended from outside.
const SPEC_LIMIT: Duration = Duration::from_secs(180);

/// The score of a spec.
#[derive(Debug, Clone, Serialize)]
pub struct SpecScore {
    /// Its name.
    pub name: String,
    /// Whether the outputs are identical.
    pub identical: bool,
    /// How it missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Where the outputs part: the lines around, PostgreSQL's with a minus.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub difference: String,
    /// Wall time on our server.
    pub seconds: f64,
}

/// The program, if it is installed.
pub fn tester() -> Option<PathBuf> {
    let debian = PathBuf::from(DEBIAN);
    if debian.exists() {
        return Some(debian);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("isolationtester"))
        .find(|program| program.exists())
}

/// The specs of an unpacked archive, sorted.
pub fn specs(folder: &Path) -> Result<Vec<String>> {
    let specs = folder.join("specs");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&specs).map_err(Error::at(&specs))? {
        let name = entry.map_err(Error::at(&specs))?.file_name();
        if let Some(spec) = name.to_string_lossy().strip_suffix(".spec") {
            found.push(spec.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// Runs specs one after the other.
pub async fn run(
    folder: &Path,
    specs: &[String],
    urls: (&str, &str),
    tester: &Path,
    bar: &ProgressBar,
) -> Result<Vec<SpecScore>> {
    let mut scores = Vec::new();
    for name in specs {
        bar.set_message(name.clone());
        let path = folder.join("specs").join(format!("{name}.spec"));
        let spec = std::fs::read(&path).map_err(Error::at(&path))?;
        let wanted = one_side(urls.0, name, &spec, tester).await?;
        let started = Instant::now();
        let found = one_side(urls.1, name, &spec, tester).await?;
        scores.push(SpecScore {
            seconds: started.elapsed().as_secs_f64(),
            ..compare(name, &wanted, &found)
        });
        bar.inc(1);
    }
    Ok(scores)
}

/// Runs a spec in a database of its own and gives what was printed.
async fn one_side(url: &str, name: &str, spec: &[u8], tester: &Path) -> Result<String> {
    let database = format!("isolation_{}", name.replace('-', "_"));
    let admin = Target::parse(url)?;
    administer(&admin, &format!("DROP DATABASE IF EXISTS {database}")).await?;
    administer(&admin, &format!("CREATE DATABASE {database}")).await?;
    let mut child = Command::new(tester)
        .arg(url_of(url, &database))
        .env("PGISOLATIONTIMEOUT", STEP_SECONDS)
        .env("PGAPPNAME", format!("isolation/{name}"))
        .env("PGTZ", "America/Los_Angeles")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| Error::Server(format!("{}: {e}", tester.display())))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that ends before it has read all says why on its output.
        let _sent = input.write_all(spec).await;
    }
    let output = match tokio::time::timeout(SPEC_LIMIT, child.wait_with_output()).await {
        Ok(output) => {
            let output = output?;
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.push_str(&String::from_utf8_lossy(&output.stderr));
            text
        }
        Err(_elapsed) => "(ended: it took too long)\n".to_owned(),
    };
    // A session that still ends may hold it; the next run drops it.
    let _dropped = administer(&admin, &format!("DROP DATABASE IF EXISTS {database}")).await;
    Ok(output)
}

fn compare(name: &str, wanted: &str, found: &str) -> SpecScore {
    let identical = wanted == found;
    SpecScore {
        name: name.to_owned(),
        identical,
        class: (!identical).then(|| class(found)),
        difference: difference(wanted, found),
        seconds: 0.0,
    }
}

/// A program that cannot even begin counts as what it was refused.
fn class(found: &str) -> Class {
    let has = |text: &str| found.contains(text);
    if has("is not supported") || has("does not exist") {
        Class::NotSupported
    } else if has("took too long") || has("timed out") {
        Class::Timeout
    } else if has("internal error") || has("panicked") {
        Class::Internal
    } else if has("connection to server") || has("failed:") {
        Class::Error
    } else {
        Class::Wrong
    }
}

/// The first place where two texts part, with a little around it.
fn difference(wanted: &str, found: &str) -> String {
    let (a, b): (Vec<_>, Vec<_>) = (wanted.lines().collect(), found.lines().collect());
    let Some(at) = (0..a.len().max(b.len())).find(|i| a.get(*i) != b.get(*i)) else {
        return String::new();
    };
    let mut out = Vec::new();
    out.extend(
        a[at.saturating_sub(3).min(a.len())..at.min(a.len())]
            .iter()
            .map(|l| format!("  {l}")),
    );
    out.extend(a.iter().skip(at).take(4).map(|l| format!("- {l}")));
    out.extend(b.iter().skip(at).take(4).map(|l| format!("+ {l}")));
    out.join("\n")
}

/// The specs as one row of the table.
pub fn row(scores: &[SpecScore]) -> Row {
    let mut row = Row::new("isolation specs");
    for score in scores {
        row.of += 1;
        row.same += usize::from(score.identical);
        if let Some(class) = score.class {
            *row.classes.entry(class).or_default() += 1;
        }
    }
    row
}

/// One line for each spec that missed.
pub fn misses(scores: &[SpecScore]) -> String {
    let missed = scores.iter().filter(|s| !s.identical);
    missed
        .map(|s| {
            let first = s.difference.lines().find(|l| l.starts_with('+'));
            let ours = first.map_or_else(|| "less output".to_owned(), pattern);
            format!("  {}: {ours}\n", s.name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn only_identical_output_counts() {
        let same = compare("s", "a\nb\n", "a\nb\n");
        assert!(same.identical && same.class.is_none());
        let other = compare("s", "a\nb\nc\n", "a\nx\n");
        assert_eq!(other.class, Some(Class::Wrong));
        assert_eq!(other.difference, "  a\n- b\n- c\n+ x");
        assert_eq!(row(&[same, other]).same, 1);
    }
}
