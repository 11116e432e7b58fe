//! Where to connect: a libpq connection string, both spellings.
//!
//! The driver knows neither `verify-full` nor `sslrootcert`, and stops at
//! parameters it does not know; so the TLS parameters are taken out here and
//! harmless ones dropped.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode as DriverSslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};
use crate::tls::{SslMode, client_config};

/// Parameters of libpq that change nothing for us.
const IGNORED: [&str; 9] = [
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "passfile",
    "sslcompression",
    "sslsni",
    "ssl_min_protocol_version",
];

/// A server, a user, a database, and how to encrypt.
#[derive(Clone)]
pub struct Target {
    config: Config,
    tls: Option<Arc<ClientConfig>>,
    shown: String,
}

impl Target {
    /// Reads `postgres://…` or `host=… user=…`. A missing password is taken
    /// from `PGPASSWORD`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let (rest, parameters) = if is_url {
            split_url(text)?
        } else {
            split_keywords(text)?
        };
        let mut config: Config = rest.parse().map_err(|e: tokio_postgres::Error| {
            let cause = std::error::Error::source(&e)
                .map(|c| format!(": {c}"))
                .unwrap_or_default();
            Error::Url(format!("{e}{cause}"))
        })?;
        let mut mode = SslMode::Prefer;
        let mut root = None;
        for (name, value) in parameters {
            match name.as_str() {
                "sslmode" => mode = SslMode::parse(&value)?,
                "sslrootcert" => root = Some(PathBuf::from(value)),
                other => {
                    return Err(Error::Url(format!(
                        "{other} is not supported by this program"
                    )));
                }
            }
        }
        config.ssl_mode(match mode {
            SslMode::Disable => DriverSslMode::Disable,
            SslMode::Prefer => DriverSslMode::Prefer,
            _ => DriverSslMode::Require,
        });
        if config.get_password().is_none()
            && let Some(password) = std::env::var_os("PGPASSWORD")
        {
            config.password(password.to_string_lossy().as_bytes());
        }
        config.application_name("kimberlite-sqllogictest");
        let tls = client_config(mode, root.as_ref())?.map(Arc::new);
        let shown = describe(&config);
        Ok(Self { config, tls, shown })
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(name);
        other.shown = describe(&other.config);
        other
    }

    /// Server, user and database; never the password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Host, port, user, password, database, as the driver takes them.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How to encrypt, for a client that speaks the protocol itself; `None`
    /// where the connection string turns it off.
    pub fn tls_client(&self) -> Option<Arc<ClientConfig>> {
        self.tls.clone()
    }

    pub(crate) fn tls(&self) -> Option<MakeRustlsConnect> {
        self.tls
            .as_ref()
            .map(|config| MakeRustlsConnect::new(ClientConfig::clone(config)))
    }
}

fn describe(config: &Config) -> String {
    use tokio_postgres::config::Host;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().unwrap_or("");
    format!(
        "{user}@{host}:{port}/{}",
        config.get_dbname().unwrap_or(user)
    )
}

type Parameters = Vec<(String, String)>;

/// Whether a parameter is ours (`Some(true)`), dropped (`Some(false)`) or the driver's.
fn is_ours(name: &str) -> Option<bool> {
    if matches!(
        name,
        "sslmode" | "sslrootcert" | "sslcert" | "sslkey" | "sslcrl" | "service"
    ) {
        Some(true)
    } else if IGNORED.contains(&name) {
        Some(false)
    } else {
        None
    }
}

fn split_url(text: &str) -> Result<(String, Parameters)> {
    let Some((base, query)) = text.split_once('?') else {
        return Ok((text.to_owned(), Vec::new()));
    };
    let mut ours = Vec::new();
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Error::Url(format!("\"{pair}\" after the ? is not name=value")))?;
        match is_ours(name) {
            Some(true) => ours.push((name.to_owned(), percent_decode(value)?)),
            Some(false) => {}
            None => kept.push(pair),
        }
    }
    let rest = if kept.is_empty() {
        base.to_owned()
    } else {
        format!("{base}?{}", kept.join("&"))
    };
    Ok((rest, ours))
}

fn percent_decode(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut input = text.bytes();
    while let Some(byte) = input.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (digit(input.next()), digit(input.next())) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => return Err(Error::Url(format!("bad % escape in \"{text}\""))),
        }
    }
    String::from_utf8(bytes).map_err(|_| Error::Url(format!("\"{text}\" is not UTF-8")))
}

/// libpq's keyword/value form: `name = value` with '…' quotes and backslashes.
fn split_keywords(text: &str) -> Result<(String, Parameters)> {
    let mut ours = Vec::new();
    let mut kept = String::new();
    let mut input = text.chars().peekable();
    loop {
        while input.next_if(|c| c.is_whitespace()).is_some() {}
        let mut name = String::new();
        while let Some(c) = input.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(c);
        }
        if name.is_empty() && input.peek().is_none() {
            return Ok((kept, ours));
        }
        while input.next_if(|c| c.is_whitespace()).is_some() {}
        if input.next() != Some('=') {
            return Err(Error::Url(format!("no = after \"{name}\"")));
        }
        while input.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = input.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match input.next() {
                Some('\\') => value.extend(input.next()),
                Some('\'') if quoted => break,
                Some(c) if !quoted && c.is_whitespace() => break,
                Some(c) => value.push(c),
                None if quoted => {
                    return Err(Error::Url(format!("no closing quote after {name}=")));
                }
                None => break,
            }
        }
        match is_ours(&name) {
            Some(true) => ours.push((name, value)),
            Some(false) => {}
            None => {
                let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                kept.push_str(&format!("{name}='{value}' "));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn takes_tls_parameters_out_of_a_url() {
        let (rest, ours) = split_url(
            "postgres://u:p%20w@h:1/db?sslmode=verify-full&application_name=x&sslrootcert=%2Fa%20b%2Fca.pem&gssencmode=disable",
        )
        .unwrap();
        assert_eq!(rest, "postgres://u:p%20w@h:1/db?application_name=x");
        assert_eq!(
            ours,
            [
                ("sslmode".into(), "verify-full".into()),
                ("sslrootcert".into(), "/a b/ca.pem".into())
            ]
        );
    }

    #[test]
    fn takes_tls_parameters_out_of_keywords() {
        let (rest, ours) =
            split_keywords(r"host = /run/x  password='it\'s' sslmode=require sslrootcert='/a b'")
                .unwrap();
        assert_eq!(rest, r"host='/run/x' password='it\'s' ");
        assert_eq!(
            ours,
            [
                ("sslmode".into(), "require".into()),
                ("sslrootcert".into(), "/a b".into())
            ]
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("postgres://h/d?sslmode=always", "verify-full"),
            ("postgres://h/d?sslmode=verify-full", "sslrootcert"),
            ("postgres://h/d?sslcert=x", "sslcert"),
            ("postgres://h/d?sslmode", "name=value"),
            ("postgres://h/d?sslrootcert=%zz", "% escape"),
            ("host=x password='open", "closing quote"),
            ("host", "no = after"),
        ] {
            let message = Target::parse(text).err().expect(text).to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn never_shows_the_password() {
        let target = Target::parse("postgres://u:secret@h:7001/d").unwrap();
        assert_eq!(target.shown(), "u@h:7001/d");
        assert_eq!(target.with_database("e").shown(), "u@h:7001/e");
    }
}
