//! Command line of the conformance run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kimberlite_conformance::catalogue::{render, replace, survey};
use kimberlite_conformance::differ::{Limits, Sides, run_script};
use kimberlite_conformance::error::{Error, Result};
use kimberlite_conformance::parts::random::script as random_script;
use kimberlite_conformance::scoreboard::Scoreboard;
use kimberlite_conformance::script::Variables;
use kimberlite_conformance::table::{Row, first_misses, notes, section};
use kimberlite_conformance::whole::{Measured, Part, Plan, Servers, lost, run, update};
use kimberlite_conformance::wire::Settings;

const EXAMPLES: &str = "\
Examples:
  All there is, compared with the committed scoreboard:
    kimberlite-conformance

  Two of PostgreSQL's topics, with the first twenty misses in full:
    kimberlite-conformance --part regress --only numeric --only join --show 20

  One isolation spec; one folder of SQLite's corpus:
    kimberlite-conformance --part isolation --only total-cash
    kimberlite-conformance --part logic --only index/in

  A script of your own on both servers:
    kimberlite-conformance my.sql

  Write the scoreboard anew:
    kimberlite-conformance --update

Exit status: 0 when everything that passed before still passes, 1 when it does
not, 2 when nothing could be run.";

/// Runs the same statements on PostgreSQL 15 and on Kimberlite and keeps the score.
///
/// The servers are started for the run and gone after it.
#[derive(Parser)]
#[command(version, after_long_help = EXAMPLES)]
struct Arguments {
    /// psql scripts to compare, instead of the collections.
    scripts: Vec<PathBuf>,

    /// The folder of the archives; what is not there is left out.
    #[arg(
        long,
        env = "CONFORMANCE_ARCHIVES",
        default_value = "../shared/conformance",
        value_name = "FOLDER"
    )]
    archives: PathBuf,

    /// Our own suites.
    #[arg(long, default_value = "sqllogictest/suites", value_name = "FOLDER")]
    suites: PathBuf,

    /// Only this part; may be repeated.
    #[arg(long = "part", value_enum)]
    parts: Vec<Part>,

    /// Only this topic, spec, or file or folder of the corpus; may be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,

    /// Number of the first random statement: the same number is always the same
    /// statement on the same rows.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    first: u64,

    /// How many random statements.
    #[arg(long, default_value_t = 100_000, value_name = "COUNT")]
    count: u64,

    /// Print the random statements, after what makes their tables, as a script, and
    /// run nothing.
    #[arg(long)]
    write: bool,

    /// The server [default: `kimberlite` beside this program].
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,

    /// Seconds a statement may take on our server; then it is cancelled.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    timeout: u64,

    /// What passed before.
    #[arg(
        long,
        default_value = "conformance/scoreboard.json",
        value_name = "FILE"
    )]
    scoreboard: PathBuf,

    /// Write the scoreboard instead of comparing with it.
    #[arg(long)]
    update: bool,

    /// Write every miss here, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Try what PostgreSQL's catalogs describe, and write what there is into this
    /// file (COMPAT.md), between its marks; nothing else is run.
    #[arg(long, value_name = "FILE")]
    compat: Option<PathBuf>,

    /// Print this many misses of PostgreSQL's topics in full, the worst first.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    show: usize,
}

impl Arguments {
    fn plan(&self) -> Plan {
        Plan {
            parts: if self.parts.is_empty() {
                Part::ALL.to_vec()
            } else {
                self.parts.clone()
            },
            archives: self.archives.clone(),
            suites: self.suites.clone(),
            only: self.only.clone(),
            limits: Limits {
                ours: Duration::from_secs(self.timeout.max(1)),
                ..Limits::default()
            },
            first: self.first,
            count: self.count,
            show: self.show,
            progress: true,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match go(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("kimberlite-conformance: {error}");
            ExitCode::from(2)
        }
    }
}

async fn go(arguments: &Arguments) -> Result<bool> {
    if arguments.write {
        print!("{}", random_script(arguments.first, arguments.count));
        return Ok(true);
    }
    let server = match &arguments.server {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("kimberlite"),
    };
    let mut servers = Servers::start(server).await?;
    let outcome = if let Some(path) = &arguments.compat {
        compat(path, &servers).await
    } else if arguments.scripts.is_empty() {
        let plan = arguments.plan();
        match run(&plan, &mut servers).await {
            Ok(measured) => finish(arguments, &measured),
            Err(error) => Err(error),
        }
    } else {
        scripts(arguments, &servers).await
    };
    servers.stop().await;
    outcome
}

/// Prints, writes, and compares with the scoreboard.
fn finish(arguments: &Arguments, measured: &Measured) -> Result<bool> {
    print!("{}", measured.text);
    if let Some(path) = &arguments.json {
        write_json(path, measured)?;
    }
    let mut board = Scoreboard::read(&arguments.scoreboard)?;
    if arguments.update {
        update(measured, &mut board);
        board.write(&arguments.scoreboard)?;
        return Ok(true);
    }
    let lost = lost(measured, &board);
    for sentence in &lost {
        println!("REGRESSION {sentence}");
    }
    if lost.is_empty() {
        println!("nothing that passed before is lost");
    }
    Ok(lost.is_empty())
}

/// Writes the generated section of COMPAT.md.
async fn compat(path: &Path, servers: &Servers) -> Result<bool> {
    let file = std::fs::read_to_string(path).map_err(Error::at(path))?;
    let survey = survey(&servers.postgres.url, &servers.node.url).await?;
    let text = replace(&file, &render(&survey))?;
    std::fs::write(path, text).map_err(Error::at(path))?;
    Ok(true)
}

/// Scripts of the caller: every miss is shown.
async fn scripts(arguments: &Arguments, servers: &Servers) -> Result<bool> {
    let mut scores = Vec::new();
    let limits = arguments.plan().limits;
    for (number, path) in arguments.scripts.iter().enumerate() {
        let text = std::fs::read_to_string(path).map_err(Error::at(path))?;
        let urls = (
            servers.postgres.url.as_str(),
            Some(servers.witness.url.as_str()),
            servers.node.url.as_str(),
        );
        let database = format!("script_{number}");
        let mut sides = Sides::open(urls, &database, &Settings::new(), limits).await?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let score = run_script(&name, &text, Variables::default(), &mut sides, &|_| {}).await;
        sides.close().await?;
        scores.push(score);
    }
    let rows: Vec<Row> = scores.iter().map(Row::of).collect();
    let misses = first_misses(&scores, usize::MAX);
    print!("{misses}\n{}{}", section("scripts", &rows), notes(&scores));
    Ok(scores.iter().all(|s| s.misses.is_empty()))
}

fn write_json(path: &Path, measured: &Measured) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::at(folder))?;
    }
    let text = serde_json::to_string_pretty(measured).map_err(|e| Error::Content(e.to_string()))?;
    std::fs::write(path, text).map_err(Error::at(path))
}
