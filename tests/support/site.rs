//! A configured node: `kimberlite init` and `start` with a file and certificates.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::certificates::{Certificates, certificates};
use super::server::{code, text};
use super::{Running, kimberlite};

/// The password of the first role.
pub const PASSWORD: &str = "correct horse battery";

/// A folder with certificates and a configuration.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub certificates: Certificates,
}

impl Site {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = certificates(folder.path());
        let site = Self {
            folder,
            certificates,
        };
        site.write(&site.text());
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("kimberlite.toml")
    }

    pub fn text(&self) -> String {
        let Certificates {
            server, server_key, ..
        } = &self.certificates;
        format!(
            r#"[storage]
data_dir = {:?}

[crypto]
master_key_source = "file"
master_key_id = {:?}

[monitoring]
metrics_address = "127.0.0.1:0"
health_check_address = "127.0.0.1:0"

[security]
client_address = "127.0.0.1:0"
tls_enabled = true
tls_cert_path = {server:?}
tls_key_path = {server_key:?}
"#,
            self.path("data"),
            self.path("master.key"),
        )
    }

    pub fn write(&self, text: &str) {
        std::fs::write(self.config(), text).unwrap();
    }

    pub fn init(&self) -> Output {
        kimberlite()
            .arg("init")
            .arg("--config")
            .arg(self.config())
            .arg("--create-master-key")
            .env("KIMBERLITE_INIT_PASSWORD", PASSWORD)
            .output()
            .unwrap()
    }

    pub fn initialised() -> Self {
        let site = Self::new();
        let output = site.init();
        assert_eq!(code(&output), 0, "{}", text(&output));
        site
    }

    pub fn start_command(&self) -> Command {
        let mut command = kimberlite();
        command.arg("start").arg("--config").arg(self.config());
        command
    }

    pub fn refused(&self) -> (i32, String) {
        let output = self.start_command().output().unwrap();
        (code(&output), text(&output))
    }

    pub fn url(&self, client: SocketAddr) -> String {
        format!(
            "postgresql://kimberlite:{}@localhost:{}/kimberlite?sslmode=verify-full&sslrootcert={}",
            PASSWORD.replace(' ', "%20"),
            client.port(),
            self.certificates.ca.display()
        )
    }
}

/// Waits for the log line that says the node is ready; the client's address.
pub fn ready(running: &Running) -> SocketAddr {
    ready_line(running)["client"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// The same, and where `/metrics` answers.
pub fn ready_with_metrics(running: &Running) -> (SocketAddr, SocketAddr) {
    let line = ready_line(running);
    let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
    (address("client"), address("metrics"))
}

fn ready_line(running: &Running) -> serde_json::Value {
    let line = running.stderr_line(|line| line.contains("\"ready\""));
    serde_json::from_str(&line).unwrap()
}
