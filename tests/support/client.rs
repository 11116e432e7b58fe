//! Clients: tokio-postgres over TLS with full verification, and psql.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_postgres::NoTls;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connected client; the connection's task ends with it.
pub type Client = tokio_postgres::Client;

/// Connects by a libpq URL, as `DIR/dev/url` holds it or without TLS settings.
pub async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (config, ca) = parse(url);
    match ca {
        Some(ca) => {
            let (client, connection) = config.connect(tls(&ca)).await?;
            tokio::spawn(connection);
            Ok(client)
        }
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

/// The client's configuration and the certificate authority of a libpq URL.
/// tokio-postgres does not know libpq's TLS parameters; they are taken out.
pub fn parse(url: &str) -> (tokio_postgres::Config, Option<PathBuf>) {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut config: tokio_postgres::Config = base.parse().unwrap();
    let mut ca = None;
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "sslrootcert" => ca = Some(PathBuf::from(percent_decoded(value))),
            "sslmode" => assert_eq!(value, "verify-full"),
            other => panic!("unexpected parameter {other} in {url}"),
        }
    }
    if ca.is_some() {
        config.ssl_mode(SslMode::Require);
        // The proof that nobody sits between: the certificate is part of SCRAM.
        config.channel_binding(ChannelBinding::Require);
    } else {
        config.ssl_mode(SslMode::Disable);
    }
    (config, ca)
}

/// TLS that trusts only the authority in `ca`.
pub fn tls(ca: &std::path::Path) -> MakeRustlsConnect {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let hex = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Runs `sql` with psql against a URL, used exactly as it stands.
pub fn psql(url: &str, sql: &str) -> Output {
    Command::new("psql")
        .arg("--no-psqlrc")
        .args(["--tuples-only", "--no-align", "--quiet"])
        .args(["--set", "ON_ERROR_STOP=1"])
        .args(["--command", sql])
        .arg(url)
        .env_remove("PGPASSWORD")
        .env_remove("PGSSLMODE")
        .output()
        .expect("psql is installed (see scripts/setup)")
}
