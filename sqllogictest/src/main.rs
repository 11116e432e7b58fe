//! Command line of the runner.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use kimberlite_sqllogictest::dialect::Dialect;
use kimberlite_sqllogictest::error::{Error, Result};
use kimberlite_sqllogictest::run::{Options, find_files, run};
use kimberlite_sqllogictest::score::Report;
use kimberlite_sqllogictest::scoreboard::{first_misses, scoreboard};
use kimberlite_sqllogictest::scratch::Isolation;
use kimberlite_sqllogictest::target::Target;

const EXAMPLES: &str = "\
Examples:
  Our own suites against a node started with `kimberlite dev --data-dir data`:
    kimberlite-sqllogictest --url \"$(cat data/dev/url)\" sqllogictest/suites

  SQLite's corpus, unpacked in a folder, four files at a time; interrupt it and
  run the same command again to go on:
    kimberlite-sqllogictest --url \"$(cat data/dev/url)\" --jobs 4 \\
        --resume score.state --json score.json corpus/

  What does PostgreSQL itself score?
    kimberlite-sqllogictest --url postgres://postgres@localhost/postgres corpus/

Files ending in .test are read as SQLite's dialect (one value a line), others
as the sqllogictest crate's (one row a line). Each file runs in a database
slt_<process>_<number> of its own, which is dropped afterwards.

Exit status: 0 when every record gave the expected answer, 1 when some did not,
2 when nothing could be run.";

/// Runs sqllogictest files against any PostgreSQL URL and keeps the score.
#[derive(Parser)]
#[command(version, after_long_help = EXAMPLES)]
struct Arguments {
    /// Connection string, as psql takes it (URL or keywords); sslmode and
    /// sslrootcert mean what they mean to libpq. PGPASSWORD is used when it has
    /// no password.
    #[arg(long, env = "SLT_URL", hide_env_values = true)]
    url: String,

    /// Files, or folders to search for .slt and .test files.
    #[arg(required = true)]
    paths: Vec<PathBuf>,

    /// Files to run at once [default: number of cores].
    #[arg(long, short)]
    jobs: Option<usize>,

    /// Seconds a statement may take; then it is cancelled and counts as missed.
    #[arg(long, default_value_t = 30)]
    timeout: u64,

    /// How files are kept apart.
    #[arg(long, value_enum, default_value_t = IsolationArgument::Database)]
    isolation: IsolationArgument,

    /// Labels that `onlyif` and `skipif` compare with. `kimberlite` is added by
    /// itself when the server says that it is one.
    #[arg(long = "label", default_values_t = [String::from("postgresql")])]
    labels: Vec<String>,

    /// Read every file in this dialect, whatever its name.
    #[arg(long, value_enum)]
    dialect: Option<DialectArgument>,

    /// Note finished files here, and skip those noted by an earlier run.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,

    /// Write the report with every miss here, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Print this many misses in full.
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    show: usize,

    /// Leave the scratch databases for a look.
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum IsolationArgument {
    /// A database for each file.
    Database,
    /// A schema for each file, in the database of the URL.
    Schema,
}

#[derive(Clone, Copy, ValueEnum)]
enum DialectArgument {
    /// SQLite's corpus.
    Sqlite,
    /// The sqllogictest crate.
    Slt,
}

impl Arguments {
    fn options(&self) -> Result<Options> {
        let defaults = Options::new(Target::parse(&self.url)?);
        Ok(Options {
            jobs: self.jobs.unwrap_or(defaults.jobs),
            limit: Duration::from_secs(self.timeout.max(1)),
            isolation: match self.isolation {
                IsolationArgument::Database => Isolation::Database,
                IsolationArgument::Schema => Isolation::Schema,
            },
            labels: self.labels.clone(),
            dialect: self.dialect.map(|d| match d {
                DialectArgument::Sqlite => Dialect::Sqlite,
                DialectArgument::Slt => Dialect::Slt,
            }),
            state: self.resume.clone(),
            progress: true,
            keep: self.keep,
            ..defaults
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match go(&arguments).await {
        Ok(report) => {
            print!(
                "{}{}",
                scoreboard(&report),
                first_misses(&report, arguments.show)
            );
            if report.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            }
        }
        Err(error) => {
            eprintln!("kimberlite-sqllogictest: {error}");
            ExitCode::from(2)
        }
    }
}

async fn go(arguments: &Arguments) -> Result<Report> {
    let files = find_files(&arguments.paths)?;
    let report = run(files, arguments.options()?).await?;
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    Ok(report)
}

fn write_json(path: &PathBuf, report: &Report) -> Result<()> {
    let io = |source| Error::Io {
        path: path.clone(),
        source,
    };
    let file = std::fs::File::create(path).map_err(io)?;
    let mut out = std::io::BufWriter::new(file);
    serde_json::to_writer_pretty(&mut out, report).map_err(|e| io(e.into()))?;
    std::io::Write::flush(&mut out).map_err(io)
}
