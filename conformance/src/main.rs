//! Command line of the conformance run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use kimberlite_conformance::archives::{Archive, unpack};
use kimberlite_conformance::differ::{Limits, Sides, run_script};
use kimberlite_conformance::error::{Error, Result};
use kimberlite_conformance::parts::regress;
use kimberlite_conformance::score::ScriptScore;
use kimberlite_conformance::scoreboard::Scoreboard;
use kimberlite_conformance::script::Variables;
use kimberlite_conformance::servers::{Node, Postgres};
use kimberlite_conformance::table::{first_misses, reasons, table};
use kimberlite_conformance::wire::Settings;

const EXAMPLES: &str = "\
Examples:
  All there is, compared with the committed scoreboard:
    kimberlite-conformance

  Two topics, with the first twenty misses in full:
    kimberlite-conformance --topic numeric --topic join --show 20

  A script of your own on both servers:
    kimberlite-conformance my.sql

  Write the scoreboard anew:
    kimberlite-conformance --update

Exit status: 0 when everything that passed before still passes, 1 when it does
not, 2 when nothing could be run.";

/// Runs the same statements on PostgreSQL 15 and on Kimberlite and keeps the score.
///
/// Both servers are started for the run and gone after it.
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

    /// Only this regression topic; may be repeated.
    #[arg(long = "topic", value_name = "NAME")]
    topics: Vec<String>,

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

    /// Print this many misses in full, the worst first.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    show: usize,
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
    let server = match &arguments.server {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("kimberlite"),
    };
    let (postgres, witness) = tokio::try_join!(Postgres::start(), Postgres::start())?;
    let mut node = Node::start(server).await?;
    let mut servers = regress::Servers {
        postgres: &postgres,
        witness: &witness,
        node: &mut node,
    };
    let outcome = if arguments.scripts.is_empty() {
        collections(arguments, &mut servers).await
    } else {
        scripts(arguments, &mut servers).await
    };
    node.stop().await;
    tokio::join!(postgres.stop(), witness.stop());
    outcome
}

fn limits(arguments: &Arguments) -> Limits {
    Limits {
        ours: Duration::from_secs(arguments.timeout.max(1)),
        ..Limits::default()
    }
}

/// Scripts of the caller: every miss is shown.
async fn scripts(arguments: &Arguments, servers: &mut regress::Servers<'_>) -> Result<bool> {
    let mut scores = Vec::new();
    for (number, path) in arguments.scripts.iter().enumerate() {
        let text = std::fs::read_to_string(path).map_err(Error::at(path))?;
        let urls = (
            servers.postgres.url.as_str(),
            Some(servers.witness.url.as_str()),
            servers.node.url.as_str(),
        );
        let database = format!("script_{number}");
        let mut sides = Sides::open(urls, &database, &Settings::new(), limits(arguments)).await?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let score = run_script(&name, &text, Variables::default(), &mut sides, &|_| {}).await;
        sides.close().await?;
        scores.push(score);
    }
    print!(
        "{}{}",
        first_misses(&scores, usize::MAX),
        table("script", &scores)
    );
    Ok(scores.iter().all(|s| s.misses.is_empty()))
}

async fn collections(arguments: &Arguments, servers: &mut regress::Servers<'_>) -> Result<bool> {
    let mut board = Scoreboard::read(&arguments.scoreboard)?;
    let Some(unpacked) = unpack(&arguments.archives, Archive::Regress).await? else {
        println!(
            "conformance: no PostgreSQL regression topics under {}: left out",
            arguments.archives.display()
        );
        return Ok(true);
    };
    let topics = regress::topics(unpacked.path(), &arguments.topics)?;
    let bar = progress(topics.len());
    let scores = regress::run(unpacked.path(), &topics, servers, limits(arguments), &bar).await?;
    bar.finish_and_clear();
    print!(
        "{}{}{}",
        first_misses(&scores, arguments.show),
        table("PostgreSQL's topics", &scores),
        reasons(&scores)
    );
    if let Some(path) = &arguments.json {
        write_json(path, &scores)?;
    }
    if arguments.update {
        board.update_regress(&scores);
        board.write(&arguments.scoreboard)?;
        return Ok(true);
    }
    let lost = board.regress_regressions(&scores);
    for sentence in &lost {
        println!("REGRESSION {sentence}");
    }
    Ok(lost.is_empty())
}

fn write_json(path: &PathBuf, scores: &[ScriptScore]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::at(folder))?;
    }
    let text = serde_json::to_string_pretty(scores).map_err(|e| Error::Content(e.to_string()))?;
    std::fs::write(path, text).map_err(Error::at(path))
}

fn progress(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) =
        ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} {msg}")
    {
        bar.set_style(style);
    }
    bar
}
