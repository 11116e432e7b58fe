//! Which of PostgreSQL's functions, operators and types there are: every form
//! that PostgreSQL 15 describes in its catalogs is tried on our server, and the
//! outcome is written into a section of `COMPAT.md`.

mod forms;
mod section;

pub use forms::{Form, Kind, forms, is_known};
pub use section::{check, render, replace};

use std::time::Duration;

use kimberlite_sqllogictest::target::Target;

use crate::error::Result;
use crate::wire::{Client, Outcome, Settings};

/// A form takes no time; one that does is not known.
const LIMIT: Duration = Duration::from_secs(5);

/// Asks PostgreSQL for all forms and tries each on our server.
pub async fn survey(postgres: &str, ours: &str) -> Result<Vec<(Form, bool)>> {
    let mut reference = Client::open(&Target::parse(postgres)?, &Settings::new(), LIMIT).await?;
    let forms = forms(&mut reference).await?;
    reference.close().await;
    let target = Target::parse(ours)?;
    let mut client = Client::open(&target, &Settings::new(), LIMIT).await?;
    let mut found = Vec::new();
    for form in forms {
        if !client.is_alive() {
            client.reopen().await?;
        }
        let outcome = client.run(&form.probe).await;
        let known = is_known(&outcome);
        if client.status() != 'I' {
            let _ended: Outcome = client.run("ROLLBACK").await;
        }
        found.push((form, known));
    }
    client.close().await;
    Ok(found)
}
