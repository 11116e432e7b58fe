//! A whole run: all parts, one table, one list of what was lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use kimberlite_sqllogictest::score::Report;
use serde::Serialize;

use crate::archives::{Archive, unpack};
use crate::differ::Limits;
use crate::error::Result;
use crate::parts::isolation::{self, SpecScore};
use crate::parts::random::{self, RandomScore};
use crate::parts::{logic, regress};
use crate::score::ScriptScore;
use crate::scoreboard::Scoreboard;
use crate::servers::{Node, Postgres};
use crate::table::{Row, first_misses, notes, reasons, section};

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Our own suites of logic tests.
    Suites,
    /// PostgreSQL's isolation specs.
    Isolation,
    /// PostgreSQL's regression topics.
    Regress,
    /// Random statements of our own.
    Random,
    /// SQLite's logic tests.
    Logic,
}

impl Part {
    /// All, the quick ones first.
    pub const ALL: [Self; 5] = [
        Self::Suites,
        Self::Isolation,
        Self::Regress,
        Self::Random,
        Self::Logic,
    ];
}

/// What a run needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which parts.
    pub parts: Vec<Part>,
    /// Where the archives are.
    pub archives: PathBuf,
    /// Our own suites.
    pub suites: PathBuf,
    /// Only these topics, specs and files (by part of the name), if any.
    pub only: Vec<String>,
    /// How long a statement may take.
    pub limits: Limits,
    /// Number of the first random statement.
    pub first: u64,
    /// How many random statements.
    pub count: u64,
    /// Misses to print in full.
    pub show: usize,
    /// Whether progress is shown (on a terminal).
    pub progress: bool,
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub struct Measured {
    /// PostgreSQL's regression topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regress: Option<Vec<ScriptScore>>,
    /// PostgreSQL's isolation specs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Vec<SpecScore>>,
    /// SQLite's logic tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logic: Option<Report>,
    /// Records of these tests on which PostgreSQL itself disagrees with the
    /// corpus, and we with it; they are not counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excused: Vec<String>,
    /// Our own suites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suites: Option<Report>,
    /// Random statements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomScore>,
    /// Where the logic tests lay.
    #[serde(skip)]
    pub logic_folder: PathBuf,
    /// The table.
    #[serde(skip)]
    pub text: String,
}

/// The servers of a run.
pub struct Servers {
    /// The reference.
    pub postgres: Postgres,
    /// A second one, that tells what has no stable answer.
    pub witness: Postgres,
    /// Ours.
    pub node: Node,
}

impl Servers {
    /// Starts all three; `server` is our program.
    pub async fn start(server: PathBuf) -> Result<Self> {
        let (postgres, witness, node) =
            tokio::try_join!(Postgres::start(), Postgres::start(), Node::start(server))?;
        Ok(Self {
            postgres,
            witness,
            node,
        })
    }

    /// Stops them.
    pub async fn stop(self) {
        tokio::join!(self.postgres.stop(), self.witness.stop(), self.node.stop());
    }

    fn for_topics(&mut self) -> regress::Servers<'_> {
        regress::Servers {
            postgres: &self.postgres,
            witness: &self.witness,
            node: &mut self.node,
        }
    }
}

/// Runs the parts of a plan.
pub async fn run(plan: &Plan, servers: &mut Servers) -> Result<Measured> {
    let mut measured = Measured::default();
    for part in &plan.parts {
        servers.node.revive().await?;
        match part {
            Part::Suites => suites(plan, servers, &mut measured).await?,
            Part::Isolation => specs(plan, servers, &mut measured).await?,
            Part::Regress => topics(plan, servers, &mut measured).await?,
            Part::Random => random(plan, servers, &mut measured).await?,
            Part::Logic => corpus(plan, servers, &mut measured).await?,
        }
    }
    Ok(measured)
}

/// Compares with the scoreboard: what passed then and does not now.
pub fn lost(measured: &Measured, board: &Scoreboard) -> Vec<String> {
    let mut lost = Vec::new();
    if let Some(report) = &measured.suites {
        let unclean = report.files.iter().filter(|f| !f.is_clean());
        lost.extend(unclean.map(|f| format!("{}: {} misses", f.file, f.misses.len())));
    }
    if let Some(scores) = &measured.isolation {
        lost.extend(board.isolation_regressions(scores));
    }
    if let Some(scores) = &measured.regress {
        lost.extend(board.regress_regressions(scores));
    }
    if let Some(score) = &measured.random {
        let found = score.failures.iter();
        lost.extend(found.map(|(number, miss)| {
            let what = miss.class.words();
            format!("random statement {number}: {what}: {}", miss.statement)
        }));
    }
    if let Some(report) = &measured.logic {
        lost.extend(board.logic_regressions(report, &measured.logic_folder));
    }
    lost
}

/// Writes what was measured into the scoreboard.
pub fn update(measured: &Measured, board: &mut Scoreboard) {
    if let Some(scores) = &measured.isolation {
        board.update_isolation(scores);
    }
    if let Some(scores) = &measured.regress {
        board.update_regress(scores);
    }
    if let Some(report) = &measured.logic {
        board.update_logic(report, &measured.logic_folder);
    }
}

fn left_out(measured: &mut Measured, what: &str, plan: &Plan) {
    let folder = plan.archives.display();
    measured
        .text
        .push_str(&format!("{what}: left out, not in {folder}\n\n"));
}

async fn suites(plan: &Plan, servers: &Servers, measured: &mut Measured) -> Result<()> {
    let paths = [plan.suites.clone()];
    let limit = Duration::from_secs(30);
    let report = logic::run(&servers.node.url, &paths, limit, plan.progress).await?;
    let rows = logic::rows(&report, &plan.suites);
    let mut sum = Row::new("our suites");
    for row in &rows {
        sum.add(row);
    }
    measured.text.push_str(&section("own", &[sum]));
    measured.suites = Some(report);
    Ok(())
}

async fn specs(plan: &Plan, servers: &Servers, measured: &mut Measured) -> Result<()> {
    let title = "PostgreSQL's specs";
    let Some(unpacked) = unpack(&plan.archives, Archive::Isolation).await? else {
        left_out(measured, title, plan);
        return Ok(());
    };
    let Some(tester) = isolation::tester() else {
        measured.text.push_str(
            "PostgreSQL's specs: left out, no isolationtester (scripts/setup installs it)\n\n",
        );
        return Ok(());
    };
    let specs = plan.chosen(isolation::specs(unpacked.path())?);
    let bar = plan.bar(specs.len());
    let urls = (servers.postgres.url.as_str(), servers.node.url.as_str());
    let scores = isolation::run(unpacked.path(), &specs, urls, &tester, &bar).await?;
    bar.finish_and_clear();
    measured
        .text
        .push_str(&section(title, &[isolation::row(&scores)]));
    measured.text.push_str(&isolation::misses(&scores));
    measured.text.push('\n');
    measured.isolation = Some(scores);
    Ok(())
}

async fn topics(plan: &Plan, servers: &mut Servers, measured: &mut Measured) -> Result<()> {
    let title = "PostgreSQL's topics";
    let Some(unpacked) = unpack(&plan.archives, Archive::Regress).await? else {
        left_out(measured, title, plan);
        return Ok(());
    };
    let topics = plan.chosen(regress::topics(unpacked.path())?);
    let bar = plan.bar(topics.len());
    let mut servers = servers.for_topics();
    let scores = regress::run(unpacked.path(), &topics, &mut servers, plan.limits, &bar).await?;
    bar.finish_and_clear();
    let rows: Vec<Row> = scores.iter().map(Row::of).collect();
    for text in [
        first_misses(&scores, plan.show),
        section(title, &rows),
        notes(&scores),
        reasons(&scores),
    ] {
        measured.text.push_str(&text);
    }
    measured.text.push('\n');
    measured.regress = Some(scores);
    Ok(())
}

async fn random(plan: &Plan, servers: &Servers, measured: &mut Measured) -> Result<()> {
    let bar = plan.bar(usize::try_from(plan.count).unwrap_or(usize::MAX));
    let urls = (servers.postgres.url.as_str(), servers.node.url.as_str());
    let score = random::run(urls, plan.first, plan.count, &bar).await?;
    bar.finish_and_clear();
    let text = section("our generator", &[score.row()]);
    measured.text.push_str(&text);
    measured.text.push_str(&score.shown());
    measured.text.push('\n');
    measured.random = Some(score);
    Ok(())
}

async fn corpus(plan: &Plan, servers: &Servers, measured: &mut Measured) -> Result<()> {
    let title = "SQLite's logic tests";
    let Some(unpacked) = unpack(&plan.archives, Archive::Logic).await? else {
        left_out(measured, title, plan);
        return Ok(());
    };
    let folder = unpacked.path().to_owned();
    let files = kimberlite_sqllogictest::run::find_files(std::slice::from_ref(&folder))?;
    let names = files
        .iter()
        .map(|f| logic::short_name(&f.to_string_lossy(), &folder).to_owned());
    let chosen = plan.chosen(names.collect());
    let paths: Vec<PathBuf> = chosen.iter().map(|name| folder.join(name)).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let limit = Duration::from_secs(30);
    let report = logic::run(&servers.node.url, &paths, limit, plan.progress).await?;
    let url = servers.postgres.url.as_str();
    let (report, excused) = logic::excuse(report, url, limit, &folder).await?;
    let rows = logic::rows(&report, &folder);
    measured.text.push_str(&section(title, &rows));
    measured.text.push_str(&format!(
        "not counted, because PostgreSQL answers as we do: {} records\n",
        excused.len()
    ));
    measured.excused = excused;
    for cause in report.causes.iter().take(15) {
        let example = logic::short_name(&cause.example, &folder);
        measured.text.push_str(&format!(
            "{:>7}  {}: {}  (first: {example})\n",
            cause.count,
            cause.reason.words(),
            cause.cause
        ));
    }
    measured.text.push('\n');
    measured.logic_folder = folder;
    measured.logic = Some(report);
    Ok(())
}

impl Plan {
    fn chosen(&self, mut names: Vec<String>) -> Vec<String> {
        if !self.only.is_empty() {
            names.retain(|name| {
                self.only
                    .iter()
                    .any(|o| o == name || matches_folder(name, o))
            });
        }
        names
    }

    fn bar(&self, length: usize) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(length as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} {msg}")
        {
            bar.set_style(style);
        }
        bar
    }
}

/// `index/in` chooses every file below that folder.
fn matches_folder(name: &str, chosen: &str) -> bool {
    Path::new(name).starts_with(chosen)
}
