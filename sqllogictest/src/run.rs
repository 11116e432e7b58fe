//! A whole run: find the files, run several at once, add up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};

use crate::dialect::{Dialect, read};
use crate::error::{Error, Result};
use crate::file_run::{FileRun, run_file};
use crate::resume::State;
use crate::score::{FileScore, Report};
use crate::scratch::{Isolation, Scratch};
use crate::target::Target;

/// What a run needs to know.
#[derive(Clone)]
pub struct Options {
    /// Where to connect.
    pub target: Target,
    /// Files at once.
    pub jobs: usize,
    /// Limit for each statement.
    pub limit: Duration,
    /// How files are kept apart.
    pub isolation: Isolation,
    /// Labels for `onlyif` and `skipif`, besides those the server's own
    /// description adds (`kimberlite`).
    pub labels: Vec<String>,
    /// How files are written; by their names when `None`.
    pub dialect: Option<Dialect>,
    /// Where finished files are noted, to go on later.
    pub state: Option<PathBuf>,
    /// Whether to show a progress bar (only on a terminal).
    pub progress: bool,
    /// Whether to leave scratch databases behind for a look.
    pub keep: bool,
}

impl Options {
    /// The defaults of the command line.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            jobs: std::thread::available_parallelism().map_or(2, usize::from),
            limit: Duration::from_secs(30),
            isolation: Isolation::Database,
            labels: vec!["postgresql".to_owned()],
            dialect: None,
            state: None,
            progress: false,
            keep: false,
        }
    }
}

/// The `.slt` and `.test` files under the given files and folders, sorted.
/// A file given by name counts whatever its ending.
pub fn find_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            collect(path, &mut found)?;
        } else if let Err(source) = std::fs::metadata(path) {
            return Err(Error::Io {
                path: path.clone(),
                source,
            });
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(Error::NoFiles(names.join(", ")));
    }
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let io = |source| Error::Io {
        path: folder.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        if entry.file_type().map_err(io)?.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "slt" || e == "test") {
            found.push(path);
        }
    }
    Ok(())
}

/// Runs files and adds up. Fails only when nothing can be run at all; a server
/// that dies half-way shows in the report.
pub async fn run(files: Vec<PathBuf>, mut options: Options) -> Result<Report> {
    let started = Instant::now();
    let scratch = Scratch::open(options.target.clone(), options.isolation).await?;
    let server_version = scratch.server_version().await?;
    if server_version.to_ascii_lowercase().contains("kimberlite") {
        options.labels.push("kimberlite".to_owned());
    }
    let (mut state, mut finished) = match &options.state {
        Some(path) => {
            let (state, finished) = State::open(path)?;
            (Some(state), finished)
        }
        None => (None, Default::default()),
    };
    let mut scores = Vec::new();
    let mut waiting = Vec::new();
    for file in files {
        match finished.remove(&file.display().to_string()) {
            Some(score) => scores.push(score),
            None => waiting.push(file),
        }
    }
    let bar = progress_bar(&options, &waiting);
    let shared = Arc::new((scratch, options));
    let mut results = stream::iter(waiting)
        .map(|file| {
            let shared = Arc::clone(&shared);
            let bar = bar.clone();
            // A task of its own: files run on all cores.
            async move {
                let name = file.display().to_string();
                let task =
                    tokio::spawn(async move { one_file(&shared.0, &shared.1, &file, &bar).await });
                task.await.unwrap_or_else(|e| FileScore {
                    file: name,
                    given_up: Some(format!("this program failed: {e}")),
                    ..FileScore::default()
                })
            }
        })
        .buffer_unordered(shared.1.jobs.max(1));
    while let Some(score) = results.next().await {
        if let Some(state) = &mut state {
            state.add(&score)?;
        }
        if !score.is_clean() {
            bar.println(format!(
                "{}: {} of {} records missed",
                score.file,
                score.records - score.passed,
                score.records
            ));
        }
        scores.push(score);
    }
    bar.finish_and_clear();
    let target = shared.1.target.shown().to_owned();
    Ok(Report::new(
        target,
        server_version,
        started.elapsed().as_secs_f64(),
        scores,
    ))
}

async fn one_file(
    scratch: &Scratch,
    options: &Options,
    path: &Path,
    bar: &ProgressBar,
) -> FileScore {
    let given_up = |message: String| FileScore {
        file: path.display().to_string(),
        given_up: Some(message),
        ..FileScore::default()
    };
    let bytes = file_bytes(path);
    let dialect = options.dialect.unwrap_or_else(|| Dialect::of(path));
    let score = match read(path, dialect, &options.labels) {
        Err(message) => given_up(message),
        Ok(records) => match scratch.make().await {
            Err(error) => FileScore {
                not_reached: records.len() as u64,
                ..given_up(error.to_string())
            },
            Ok(place) => {
                let count = records.len().max(1) as u64;
                let shown = std::sync::atomic::AtomicU64::new(0);
                // The bar counts bytes, because files differ a lot in length.
                let progress = |done: usize| {
                    let now = bytes * done as u64 / count;
                    let before = shown.swap(now, std::sync::atomic::Ordering::Relaxed);
                    bar.inc(now.saturating_sub(before));
                };
                let run = FileRun {
                    path,
                    dialect,
                    labels: &options.labels,
                    limit: options.limit,
                };
                let mut score = run_file(&run, records, &place, &progress).await;
                bar.inc(bytes.saturating_sub(shown.into_inner()));
                if !options.keep
                    && let Err(error) = scratch.drop(place).await
                {
                    // Not the file's fault, but nothing may be left behind silently.
                    score.given_up.get_or_insert_with(|| error.to_string());
                }
                return score;
            }
        },
    };
    bar.inc(bytes);
    score
}

fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

fn progress_bar(options: &Options, files: &[PathBuf]) -> ProgressBar {
    if !options.progress {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(files.iter().map(|f| file_bytes(f)).sum());
    let style = ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {percent}% {bytes}/{total_bytes}, {eta} left",
    );
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
