//! Random statements on both servers, made smaller where the answers differ.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::ProgressBar;
use kimberlite_sqllogictest::target::Target;
use serde::Serialize;

use crate::differ::{administer, url_of, why_open};
use crate::error::{Error, Result};
use crate::random::{Node, ROWS_SHARED_BY, setup, statement};
use crate::score::{Miss, digest};
use crate::script::first_words;
use crate::table::Row;
use crate::verdict::{Class, Verdict, judge};
use crate::wire::{Client, Outcome, ResultSet, Settings};

/// Attempts to make a statement smaller.
const SHRINK_MAX: usize = 400;
/// Failures kept in full; after as many the run ends.
const FAILURES_MAX: usize = 200;
/// Time a statement may take.
const LIMIT: Duration = Duration::from_secs(20);
/// The database on both servers.
const DATABASE: &str = "random_statements";

/// What random statements found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RandomScore {
    /// Number of the first statement.
    pub first: u64,
    /// Statements compared.
    pub statements: usize,
    /// Those with PostgreSQL's answer.
    pub same: usize,
    /// Refusals and differences by class.
    pub classes: BTreeMap<Class, usize>,
    /// Errors of class 22 on one side only: which rows an expression is
    /// evaluated for is open.
    pub open: usize,
    /// Reasons of refusals, with how often and the first statement's number.
    pub refusals: BTreeMap<String, (usize, u64)>,
    /// Differences, made small: number of the statement and what differs.
    pub failures: Vec<(u64, Miss)>,
}

struct Pair {
    postgres: Client,
    ours: Client,
}

impl Pair {
    async fn open(urls: (&str, &str)) -> Result<Self> {
        for url in [urls.0, urls.1] {
            let admin = Target::parse(url)?;
            administer(&admin, &format!("DROP DATABASE IF EXISTS {DATABASE}")).await?;
            administer(&admin, &format!("CREATE DATABASE {DATABASE}")).await?;
        }
        let target = |url: &str| Target::parse(&url_of(url, DATABASE));
        let settings = Settings::from([("TimeZone".to_owned(), "Europe/Berlin".to_owned())]);
        Ok(Self {
            postgres: Client::open(&target(urls.0)?, &settings, LIMIT).await?,
            ours: Client::open(&target(urls.1)?, &settings, LIMIT).await?,
        })
    }

    async fn fill(&mut self, seed: u64) -> Result<()> {
        for text in setup(seed) {
            for outcome in [self.postgres.run(&text).await, self.ours.run(&text).await] {
                if outcome.answer().is_none_or(|a| a.error.is_some()) {
                    return Err(Error::Server(format!("{text}: {}", outcome.shown(1))));
                }
            }
        }
        Ok(())
    }

    async fn ask(&mut self, text: &str) -> Result<(Outcome, Outcome)> {
        if !self.ours.is_alive() {
            self.ours.reopen().await?;
        }
        let answers = (self.postgres.run(text).await, self.ours.run(text).await);
        for client in [&mut self.postgres, &mut self.ours] {
            if client.is_alive() && client.status() != 'I' {
                let _ended = client.run("ROLLBACK").await;
            }
        }
        Ok(answers)
    }
}

/// The statements from `first` on as a script for psql, with their tables.
pub fn script(first: u64, count: u64) -> String {
    let mut text = String::from("SET timezone = 'Europe/Berlin';\n");
    let mut rows_of = None;
    for number in first..first.saturating_add(count) {
        let seed = number / ROWS_SHARED_BY;
        if rows_of != Some(seed) {
            rows_of = Some(seed);
            for statement in setup(seed) {
                text.push_str(&format!("{statement};\n"));
            }
        }
        text.push_str(&format!("{};\n", statement(number).sql()));
    }
    text
}

/// Runs the statements from `first` on.
pub async fn run(
    urls: (&str, &str),
    first: u64,
    count: u64,
    bar: &ProgressBar,
) -> Result<RandomScore> {
    let mut pair = Pair::open(urls).await?;
    let mut score = RandomScore {
        first,
        ..RandomScore::default()
    };
    let mut rows_of = None;
    for number in first..first + count {
        let seed = number / ROWS_SHARED_BY;
        if rows_of != Some(seed) {
            pair.fill(seed).await?;
            rows_of = Some(seed);
        }
        let made = statement(number);
        let text = made.sql();
        let (postgres, ours) = pair.ask(&text).await?;
        let class = failing(&text, &postgres, &ours);
        if is_listed(class, &text, number) {
            score.leave_open();
            bar.inc(1);
            continue;
        }
        score.count(number, &text, &postgres, &ours);
        if let Some(class) = class {
            let miss = shrink(&mut pair, made, class).await?;
            bar.println(format!("{number}: {}", miss.statement));
            score.failures.push((number, miss));
            if score.failures.len() >= FAILURES_MAX {
                break;
            }
        }
        bar.inc(1);
    }
    pair.postgres.close().await;
    pair.ours.close().await;
    Ok(score)
}

/// Whether answers differ and somebody read those to this very statement and found that SQL leaves
/// open which is right, or that PostgreSQL's is not.
fn is_listed(class: Option<Class>, text: &str, number: u64) -> bool {
    let Ok(number) = u32::try_from(number) else {
        return false;
    };
    matches!(class, Some(Class::Wrong | Class::Order))
        && why_open("random", &digest(text), number).is_some()
}

impl RandomScore {
    fn leave_open(&mut self) {
        self.statements += 1;
        self.open += 1;
        self.same += 1;
    }

    fn count(&mut self, number: u64, text: &str, postgres: &Outcome, ours: &Outcome) {
        self.statements += 1;
        match judge(text, postgres, ours) {
            Verdict::Same | Verdict::Unordered => self.same += 1,
            Verdict::Miss(..) if is_open(text, postgres, ours) => {
                self.open += 1;
                self.same += 1;
            }
            Verdict::Miss(class, reason) => {
                *self.classes.entry(class).or_default() += 1;
                if failing(text, postgres, ours).is_none() {
                    self.refusals.entry(reason).or_insert((0, number)).0 += 1;
                }
            }
        }
    }

    /// The line of the table.
    pub fn row(&self) -> Row {
        Row {
            name: "random statements".to_owned(),
            same: self.same,
            of: self.statements,
            classes: self.classes.clone(),
        }
    }

    /// Refusals and failures in words.
    pub fn shown(&self) -> String {
        let mut refusals: Vec<_> = self.refusals.iter().collect();
        refusals.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let mut out = String::new();
        for (reason, (count, number)) in refusals.into_iter().take(20) {
            out.push_str(&format!("{count:>7}  {reason}  (first: {number})\n"));
        }
        for (number, miss) in &self.failures {
            out.push_str(&format!(
                "\n{}: {}  (replay: --part random --first {number} --count 1)\n{}\n--- PostgreSQL\n{}\n--- Kimberlite\n{}\n",
                miss.class.words(),
                miss.reason,
                miss.statement,
                miss.postgres,
                miss.ours
            ));
        }
        out
    }
}

/// Whether one side alone complains about a value, or the answers differ in what SQL
/// leaves open: which of two equal zeros comes first, is within a limit, or stands for a
/// group of them, and in which order a change returns its rows.
fn is_open(text: &str, postgres: &Outcome, ours: &Outcome) -> bool {
    let about_values = |o: &Outcome| o.error().is_some_and(|e| e.sqlstate.starts_with("22"));
    let (a, b) = (about_values(postgres), about_values(ours));
    if a != b && (postgres.error().is_none() || ours.error().is_none()) {
        return true;
    }
    let (Some(postgres), Some(ours)) = (postgres.answer(), ours.answer()) else {
        return false;
    };
    let chooses = [
        "GROUP BY",
        "DISTINCT",
        "UNION",
        "INTERSECT",
        "EXCEPT",
        "LIMIT",
        "max(",
        "min(",
    ];
    let chooses = chooses.iter().any(|word| text.contains(word));
    postgres.error.is_none()
        && ours.error.is_none()
        && postgres.results.len() == ours.results.len()
        && postgres.results.iter().zip(&ours.results).all(|(a, b)| {
            let one_zero = with_one_zero(a) == with_one_zero(b);
            a.tag == b.tag && one_zero && (chooses || sorted(a) == sorted(b))
        })
}

/// The rows of a result, in which no zero is negative; those that a change returns
/// sorted.
fn with_one_zero(result: &ResultSet) -> Vec<Vec<Option<&str>>> {
    fn value(value: &Option<String>) -> Option<&str> {
        match value.as_deref() {
            Some("-0") => Some("0"),
            other => other,
        }
    }
    let rows = result.rows.iter();
    let mut rows: Vec<Vec<_>> = rows.map(|row| row.iter().map(value).collect()).collect();
    if !result.tag.starts_with("SELECT") {
        rows.sort();
    }
    rows
}

fn sorted(result: &ResultSet) -> Vec<&Vec<Option<String>>> {
    let mut rows: Vec<_> = result.rows.iter().collect();
    rows.sort();
    rows
}

/// Whether the answers differ in a way that must not be, and how.
fn failing(text: &str, postgres: &Outcome, ours: &Outcome) -> Option<Class> {
    match judge(text, postgres, ours) {
        Verdict::Miss(class, _)
            if !is_open(text, postgres, ours)
                && matches!(
                    class,
                    Class::Wrong
                        | Class::Order
                        | Class::Accepted
                        | Class::Internal
                        | Class::Timeout
                        | Class::Disconnect
                ) =>
        {
            Some(class)
        }
        _ => None,
    }
}

/// Takes away what can go while the answers still differ in the same way.
async fn shrink(pair: &mut Pair, mut node: Node, class: Class) -> Result<Miss> {
    let mut attempts = 0;
    'smaller: loop {
        for candidate in node.smaller() {
            attempts += 1;
            if attempts > SHRINK_MAX || class == Class::Timeout {
                break 'smaller;
            }
            let text = candidate.sql();
            let (postgres, ours) = pair.ask(&text).await?;
            if failing(&text, &postgres, &ours) == Some(class) {
                node = candidate;
                continue 'smaller;
            }
        }
        break;
    }
    let text = node.sql();
    let (postgres, ours) = pair.ask(&text).await?;
    let reason = match judge(&text, &postgres, &ours) {
        Verdict::Miss(_, reason) => reason,
        _ => "not every time".to_owned(),
    };
    Ok(Miss {
        number: 0,
        line: 0,
        class,
        reason,
        kind: first_words(&text, 1),
        statement: text,
        postgres: postgres.shown(12),
        ours: ours.shown(12),
    })
}
