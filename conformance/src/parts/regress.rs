//! PostgreSQL's regression topics, statement by statement on both servers.
//!
//! Each topic has a database of its own, in which `test_setup` ran before
//! (without counting). Sessions begin as pg_regress begins them: a time zone,
//! and its styles of dates and intervals where our server takes them.

use std::path::Path;

use indicatif::ProgressBar;

use crate::archives::open_to_all;
use crate::differ::{Limits, Sides, run_script};
use crate::error::{Error, Result};
use crate::score::ScriptScore;
use crate::script::Variables;
use crate::servers::{Node, Postgres};
use crate::wire::{Client, Outcome, Settings};

/// Topics that the score leaves out: the set-up itself, and what belongs to
/// access control, which comes later.
const LEFT_OUT: [&str; 3] = ["test_setup", "privileges", "rowsecurity"];

/// The topics of an unpacked archive, sorted.
pub fn topics(folder: &Path) -> Result<Vec<String>> {
    let sql = folder.join("sql");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&sql).map_err(Error::at(&sql))? {
        let name = entry.map_err(Error::at(&sql))?.file_name();
        let name = name.to_string_lossy();
        if let Some(topic) = name.strip_suffix(".sql")
            && !LEFT_OUT.contains(&topic)
        {
            found.push(topic.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// Who takes part.
pub struct Servers<'a> {
    /// The reference.
    pub postgres: &'a Postgres,
    /// The second one, that tells what has no stable answer.
    pub witness: &'a Postgres,
    /// Ours.
    pub node: &'a mut Node,
}

/// Runs topics one after the other: roles are shared by all databases of a
/// server, and topics make roles.
pub async fn run(
    folder: &Path,
    topics: &[String],
    servers: &mut Servers<'_>,
    limits: Limits,
    bar: &ProgressBar,
) -> Result<Vec<ScriptScore>> {
    let results = folder.join("results");
    std::fs::create_dir_all(&results).map_err(Error::at(&results))?;
    open_to_all(&results, 0o777)?;
    let settings = settings(&servers.node.url).await?;
    let read = |topic: &str| {
        let path = folder.join("sql").join(format!("{topic}.sql"));
        let bytes = std::fs::read(&path).map_err(Error::at(&path))?;
        Ok::<_, Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let setup = read("test_setup")?;
    let mut scores = Vec::new();
    for topic in topics {
        bar.set_message(topic.clone());
        servers.node.revive().await?;
        let urls = (
            servers.postgres.url.as_str(),
            Some(servers.witness.url.as_str()),
            servers.node.url.as_str(),
        );
        let database = format!("regress_{topic}");
        let mut sides = Sides::open(urls, &database, &settings, limits).await?;
        let variables = variables(folder);
        let quiet = |_: usize| {};
        run_script("test_setup", &setup, variables.clone(), &mut sides, &quiet).await;
        sides.reconnect().await;
        let score = run_script(topic, &read(topic)?, variables, &mut sides, &quiet).await;
        // A node that is gone cannot drop its database; the next topic starts it.
        if let Err(error) = sides.close().await {
            bar.println(format!("{topic}: {error}"));
        }
        bar.inc(1);
        scores.push(score);
    }
    Ok(scores)
}

/// What pg_regress tells its scripts: as variables, and, for `\getenv`, under the
/// environment's names with a dollar.
fn variables(folder: &Path) -> Variables {
    let folder = folder.display().to_string();
    let mut variables = Variables::default();
    for (name, environment, value) in [
        ("abs_srcdir", "$PG_ABS_SRCDIR", folder.as_str()),
        ("abs_builddir", "$PG_ABS_BUILDDIR", folder.as_str()),
        ("libdir", "$PG_LIBDIR", "/nonexistent"),
        ("dlsuffix", "$PG_DLSUFFIX", ".so"),
    ] {
        variables.set(name, value);
        variables.set(environment, value);
    }
    variables.set("HIDE_TABLEAM", "on");
    variables.set("HIDE_TOAST_COMPRESSION", "on");
    variables
}

/// The settings sessions begin with: all of pg_regress's that our server takes
/// and reports back; both servers get the same.
async fn settings(url: &str) -> Result<Settings> {
    let mut settings = Settings::new();
    for (name, value) in [
        ("timezone", "America/Los_Angeles"),
        ("datestyle", "Postgres, MDY"),
        ("intervalstyle", "postgres_verbose"),
    ] {
        if is_taken(url, name, value).await? {
            settings.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(settings)
}

async fn is_taken(url: &str, name: &str, value: &str) -> Result<bool> {
    let target = kimberlite_sqllogictest::target::Target::parse(url)?;
    let limit = Limits::default().ours;
    let mut client = Client::open(&target, &Settings::new(), limit).await?;
    let set = client.run(&format!("SET {name} TO '{value}'")).await;
    let shown = client.run(&format!("SHOW {name}")).await;
    // Taking the name is not enough: the values must be written that way.
    let sample = client
        .run("SELECT DATE '2001-02-03', INTERVAL '1 day 2 hours'")
        .await;
    client.close().await;
    let first = |outcome: &Outcome| {
        let rows = outcome.answer().and_then(|a| a.results.first());
        rows.and_then(|r| r.rows.first())
            .cloned()
            .unwrap_or_default()
    };
    let values: Vec<String> = first(&sample).into_iter().flatten().collect();
    let works = match name {
        "datestyle" => values.first().is_some_and(|v| v == "02-03-2001"),
        "intervalstyle" => values.get(1).is_some_and(|v| v == "@ 1 day 2 hours"),
        _ => true,
    };
    let is_back = first(&shown)
        .first()
        .is_some_and(|v| v.as_deref() == Some(value));
    Ok(set.error().is_none() && is_back && works)
}
