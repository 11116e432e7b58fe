//! A server under comparison.

use std::time::Duration;

use kimberlite_sqllogictest::target::Target;

use crate::error::{Error, Result};
use crate::wire::{Client, Outcome, Settings};

/// A server, its database for the script, and the connection the script uses.
pub struct Side {
    client: Client,
    admin: Target,
    database: String,
    /// The connection string of the database, as psql takes it.
    pub url: String,
}

impl Side {
    /// Makes a database of that name (one left from before is dropped) and
    /// connects to it.
    pub async fn open(
        url: &str,
        database: &str,
        settings: &Settings,
        limit: Duration,
    ) -> Result<Self> {
        let admin = Target::parse(url)?;
        administer(&admin, &format!("DROP DATABASE IF EXISTS {database}")).await?;
        administer(&admin, &format!("CREATE DATABASE {database}")).await?;
        let client = Client::open(&admin.with_database(database), settings, limit).await?;
        Ok(Self {
            client,
            admin,
            database: database.to_owned(),
            url: url_of(url, database),
        })
    }

    /// Runs a text; connects anew first when the connection is gone.
    pub async fn query(
        &mut self,
        text: &str,
        data: &mut (dyn FnMut() -> String + Send),
    ) -> Outcome {
        if !self.client.is_alive()
            && let Err(error) = self.client.reopen().await
        {
            return Outcome::Lost(error.to_string());
        }
        self.client.query(text, data).await
    }

    /// The connection.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Drops the database.
    pub async fn close(mut self) -> Result<()> {
        self.client.close().await;
        administer(
            &self.admin,
            &format!("DROP DATABASE IF EXISTS {}", self.database),
        )
        .await
    }
}

/// Runs one statement on a connection of its own.
pub(crate) async fn administer(admin: &Target, text: &str) -> Result<()> {
    let limit = Duration::from_secs(60);
    let mut client = Client::open(admin, &Settings::new(), limit).await?;
    let outcome = client.run(text).await;
    client.close().await;
    match outcome {
        Outcome::Answered(answer) if answer.error.is_none() => Ok(()),
        other => Err(Error::Server(format!("{text}: {}", other.shown(1)))),
    }
}

/// The same connection string with another database.
pub(crate) fn url_of(url: &str, database: &str) -> String {
    let (base, query) = match url.split_once('?') {
        Some((base, query)) => (base, format!("?{query}")),
        None => (url, String::new()),
    };
    let after_scheme = base.find("://").map_or(0, |i| i + 3);
    let end = base[after_scheme..]
        .find('/')
        .map_or(base.len(), |i| after_scheme + i);
    format!("{}/{database}{query}", &base[..end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced() {
        for (url, wanted) in [
            (
                "postgresql://u@h:1/a?sslmode=disable",
                "postgresql://u@h:1/b?sslmode=disable",
            ),
            ("postgresql://u@h:1", "postgresql://u@h:1/b"),
        ] {
            assert_eq!(url_of(url, "b"), wanted);
        }
    }
}
