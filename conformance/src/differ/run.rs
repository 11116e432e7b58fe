//! The loop over a script.

use std::time::{Duration, Instant};

use super::commands::{Command, interpret};
use super::consequences::Consequences;
use super::copy_command::Source;
use super::open::left_open;
use super::side::Side;
use crate::error::Result;
use crate::score::{Miss, ScriptScore};
use crate::script::{Branches, Item, Script, Statement, Variables, arguments, first_words};
use crate::verdict::{Class, Verdict, judge};
use crate::wire::{Outcome, Settings};

/// After this many statements in a row without a connection, the rest of the
/// script is not sent.
const LOST_MAX: u32 = 5;
/// Rows of an answer that a miss keeps.
const ROWS_SHOWN: usize = 30;

/// The reason of everything that misses in a transaction which failed on our
/// server alone.
const FAILED_BEFORE: &str = "25P02 the transaction had failed before";

/// What came of one statement.
struct Answers<'a> {
    postgres: &'a Outcome,
    witness: Option<&'a Outcome>,
    ours: &'a Outcome,
    /// Whether our transaction had failed before, and PostgreSQL's had not.
    failed_before: bool,
    /// Whether PostgreSQL is in a transaction block after it.
    in_block: bool,
}

/// How long a statement may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// On PostgreSQL.
    pub postgres: Duration,
    /// On our server.
    pub ours: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            postgres: Duration::from_secs(60),
            ours: Duration::from_secs(10),
        }
    }
}

/// Called with the number of statements done.
pub type Progress<'a> = &'a (dyn Fn(usize) + Sync);

/// The servers that answer a script.
pub struct Sides {
    /// The one that is right.
    pub postgres: Side,
    /// A second PostgreSQL: where the two disagree, the answer depends on the
    /// clock, on chance or on the order of events, and is not compared.
    pub witness: Option<Side>,
    /// The one under test.
    pub ours: Side,
}

impl Sides {
    /// Makes a database of the same name on each server.
    pub async fn open(
        urls: (&str, Option<&str>, &str),
        database: &str,
        settings: &Settings,
        limits: Limits,
    ) -> Result<Self> {
        Ok(Self {
            postgres: Side::open(urls.0, database, settings, limits.postgres).await?,
            witness: match urls.1 {
                Some(url) => Some(Side::open(url, database, settings, limits.postgres).await?),
                None => None,
            },
            ours: Side::open(urls.2, database, settings, limits.ours).await?,
        })
    }

    /// Drops the databases.
    pub async fn close(self) -> Result<()> {
        self.postgres.close().await?;
        if let Some(witness) = self.witness {
            witness.close().await?;
        }
        self.ours.close().await
    }

    async fn each(&mut self, text: &str, data: &[String]) -> (Option<Outcome>, Outcome) {
        // Each side gets the blocks of COPY data in the order PostgreSQL took them.
        let feed = || {
            let mut blocks = data.iter();
            move || blocks.next().cloned().unwrap_or_default()
        };
        let (mut for_witness, mut for_ours) = (feed(), feed());
        let witness = async {
            match &mut self.witness {
                Some(side) => Some(side.query(text, &mut for_witness).await),
                None => None,
            }
        };
        tokio::join!(witness, self.ours.query(text, &mut for_ours))
    }

    /// New sessions everywhere, as psql's `\c` makes one.
    pub async fn reconnect(&mut self) {
        // One that does not come back shows at the next statement.
        let _postgres = self.postgres.client().reopen().await;
        if let Some(witness) = &mut self.witness {
            let _witness = witness.client().reopen().await;
        }
        let _ours = self.ours.client().reopen().await;
    }
}

/// What a run carries along.
struct Running<'a> {
    sides: &'a mut Sides,
    script: Script,
    variables: Variables,
    branches: Branches,
    score: ScriptScore,
    consequences: Consequences,
    lost: u32,
}

/// Runs a script and keeps the score. `variables` are set when it begins.
pub async fn run_script(
    name: &str,
    text: &str,
    variables: Variables,
    sides: &mut Sides,
    progress: Progress<'_>,
) -> ScriptScore {
    let started = Instant::now();
    let mut running = Running {
        sides,
        script: Script::new(text),
        variables,
        branches: Branches::default(),
        score: ScriptScore::new(name, text),
        consequences: Consequences::default(),
        lost: 0,
    };
    while let Some(item) = running.script.next(&running.variables) {
        match item {
            Item::Statement(statement) if running.branches.active() => {
                running.statement(statement).await;
                progress(running.score.statements);
            }
            Item::Statement(_) => {}
            Item::Command(line, name, written) => running.command(line, &name, &written).await,
        }
    }
    running.score.seconds = started.elapsed().as_secs_f64();
    running.score
}

impl Running<'_> {
    async fn command(&mut self, line: usize, name: &str, written: &str) {
        let words = arguments(written, &self.variables);
        if self.branches.command(name, &words) || !self.branches.active() {
            return;
        }
        match interpret(name, &words, written, &mut self.variables) {
            Command::Done => {}
            Command::Reconnect => self.sides.reconnect().await,
            Command::Skip(why) => self.score.skip(line, &format!("\\{name}: {why}")),
            Command::Copy(text, source) => {
                let statement = Statement {
                    line,
                    text,
                    sent_by: None,
                };
                let data = match source {
                    Source::File(path) => match std::fs::read_to_string(&path) {
                        Ok(data) => Some(data),
                        Err(error) => return self.score.skip(line, &format!("{path}: {error}")),
                    },
                    Source::Script | Source::None => None,
                };
                self.compare(&statement, data).await;
            }
        }
    }

    async fn statement(&mut self, statement: Statement) {
        let sent_by = statement.sent_by.clone();
        match sent_by
            .as_ref()
            .map(|(name, written)| (name.as_str(), written))
        {
            Some(("gdesc" | "watch", _)) => {
                self.score
                    .skip(statement.line, "a command that psql answers itself");
            }
            Some(("gset", written)) => {
                let prefix = arguments(written, &self.variables);
                let answer = self.compare(&statement, None).await;
                self.set_from(&answer, prefix.first().map_or("", String::as_str));
            }
            Some(("gexec", _)) => {
                let answer = self.compare(&statement, None).await;
                let results = answer.answer().map(|a| a.results.clone());
                for value in results
                    .into_iter()
                    .flatten()
                    .flat_map(|r| r.rows.into_iter().flatten().flatten())
                {
                    let text = value;
                    let line = statement.line;
                    let made = Statement {
                        line,
                        text,
                        sent_by: None,
                    };
                    self.compare(&made, None).await;
                }
            }
            _ => {
                self.compare(&statement, None).await;
            }
        }
    }

    /// `\gset`: one row becomes variables.
    fn set_from(&mut self, outcome: &Outcome, prefix: &str) {
        let Some(result) = outcome.answer().and_then(|a| a.results.last()) else {
            return;
        };
        if let (Some(columns), [row]) = (&result.columns, result.rows.as_slice()) {
            for (column, value) in columns.iter().zip(row) {
                let name = format!("{prefix}{}", column.name);
                match value {
                    Some(value) => self.variables.set(&name, value),
                    None => self.variables.unset(&name),
                }
            }
        }
    }

    /// Sends a statement everywhere, judges, and gives PostgreSQL's answer.
    async fn compare(&mut self, statement: &Statement, file: Option<String>) -> Outcome {
        let text = &statement.text;
        let before = self.sides.postgres.client().status();
        let script = &mut self.script;
        let mut fed = Vec::new();
        let postgres = {
            let mut data = || {
                let block = file.clone().unwrap_or_else(|| script.copy_data());
                fed.push(block.clone());
                block
            };
            self.sides.postgres.query(text, &mut data).await
        };
        self.script
            .set_standard_strings(self.sides.postgres.client().standard_strings());
        if self.lost >= LOST_MAX {
            self.score.miss(Miss::not_sent(statement));
            return postgres;
        }
        let failed_before = self.sides.ours.client().status() == 'E' && before != 'E';
        // A COPY that PostgreSQL refuses has no data; should we take it, it gets none.
        let (witness, ours) = self.sides.each(text, &fed).await;
        self.lost = match &ours {
            Outcome::Lost(_) if !self.sides.ours.client().is_alive() => self.lost + 1,
            _ => 0,
        };
        let answers = Answers {
            postgres: &postgres,
            witness: witness.as_ref(),
            ours: &ours,
            failed_before,
            in_block: self.sides.postgres.client().status() != 'I',
        };
        self.judge(statement, &answers);
        postgres
    }

    fn judge(&mut self, statement: &Statement, answers: &Answers<'_>) {
        let text = statement.text.as_str();
        let Answers { postgres, ours, .. } = *answers;
        let mut verdict = judge(text, postgres, ours);
        if answers.failed_before && !verdict.is_same() {
            verdict = Verdict::Miss(Class::Error, FAILED_BEFORE.to_owned());
        }
        let disagrees = |witness| !judge(text, postgres, witness).is_same();
        let unstable = answers.witness.is_some_and(disagrees);
        let refused = matches!(&verdict, Verdict::Miss(class, _)
            if !matches!(class, Class::Wrong | Class::Order | Class::Plan));
        if unstable && !refused {
            self.score.unstable();
            return;
        }
        self.score.note(postgres, ours);
        let verdict = self.consequences.settle(text, verdict, answers.in_block);
        let verdict = left_open(&self.score, verdict);
        match verdict {
            Verdict::Same => self.score.pass(),
            Verdict::Unordered => {
                self.score.unordered += 1;
                self.score.pass();
            }
            Verdict::Miss(class, reason) => self.score.miss(Miss {
                number: 0,
                line: statement.line,
                class,
                reason,
                kind: first_words(text, 2),
                statement: text.to_owned(),
                postgres: postgres.shown(ROWS_SHOWN),
                ours: ours.shown(ROWS_SHOWN),
            }),
        }
    }
}
