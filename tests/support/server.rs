//! The built `kimberlite` and `kimberlite-cli`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use super::process::Running;

/// The server's command, without arguments and without the variables that this
/// machine may have set.
pub fn kimberlite() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_kimberlite")))
}

/// The tools' command, likewise.
pub fn kimberlite_cli() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_kimberlite-cli")))
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KIMBERLITE_") {
            command.env_remove(name);
        }
    }
    command
}

/// `kimberlite dev` on `dir` with ports of the system's choice.
pub fn dev_command(dir: &Path) -> Command {
    let mut command = kimberlite();
    dev_arguments(&mut command, dir);
    command
}

/// Adds the arguments of [`dev_command`] to another command.
pub fn dev_arguments(command: &mut Command, dir: &Path) {
    command.arg("dev").arg("--data-dir").arg(dir);
    for port in ["--client-address", "--metrics-address", "--health-address"] {
        command.arg(port).arg("127.0.0.1:0");
    }
}

/// What `kimberlite-cli storage verify --full-scan` reports of a log in which it
/// finds no damage.
pub fn verified(dir: &Path) -> serde_json::Value {
    let output = kimberlite_cli()
        .args(["storage", "verify", "--full-scan", "--output", "json"])
        .arg("--data-dir")
        .arg(dir)
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["result"], "clean", "{report:#}");
    assert_eq!(report["with_keys"], true, "{report:#}");
    report
}

/// The log of a stopped directory proves itself, and the projection is what a
/// rebuild makes of it.
pub fn assert_verified(dir: &Path) {
    let report = verified(dir);
    assert_eq!(report["projection_equal"], true, "{report:#}");
}

/// A `kimberlite dev` that accepts.
pub struct Server {
    pub running: Running,
    pub data_dir: PathBuf,
    /// The content of `DIR/dev/url`.
    pub url: String,
    pub client: SocketAddr,
    pub health: SocketAddr,
    pub metrics: SocketAddr,
}

impl Server {
    /// Starts on `dir`, which may hold data of an earlier run.
    pub fn dev(dir: &Path) -> Self {
        Self::from_command(&mut dev_command(dir), dir)
    }

    /// Starts a command that is [`dev_command`] with something added.
    pub fn from_command(command: &mut Command, dir: &Path) -> Self {
        let running = Running::start(command);
        Self::attach(running, dir)
    }

    /// Waits until a started server accepts. `dir` is where this process sees
    /// the data directory.
    pub fn attach(running: Running, dir: &Path) -> Self {
        running.stdout_line(|line| line.contains("psql "));
        let read = |name: &str| {
            let path = dir.join("dev").join(name);
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        let addresses: serde_json::Value = serde_json::from_str(&read("addresses.json")).unwrap();
        let address = |name: &str| addresses[name].as_str().unwrap().parse().unwrap();
        Self {
            data_dir: dir.to_owned(),
            url: read("url").trim().to_owned(),
            client: address("client"),
            health: address("health"),
            metrics: address("metrics"),
            running,
        }
    }

    /// The URL with another database.
    pub fn url_of(&self, database: &str) -> String {
        self.url.replacen("/dev?", &format!("/{database}?"), 1)
    }

    /// SIGTERM; the status and everything that was printed.
    pub fn stop(self) -> (ExitStatus, String) {
        self.running.terminate()
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.running.kill();
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.running.pid());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix("VmRSS:"))
            .unwrap();
        let kib: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        kib * 1024
    }
}

/// Exit status of a finished command, with its output for the failure message.
pub fn code(output: &Output) -> i32 {
    output
        .status
        .code()
        .unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

/// Both outputs as text.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
