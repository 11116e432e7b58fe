//! A cluster of real processes on loopback, each replica with a configuration, a
//! certificate and a data directory of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;

use super::process::Running;
use super::server::{code, kimberlite, kimberlite_cli, text};
use super::{Client, PATIENCE, connect};

/// The password of the operator `kimberlite`.
const PASSWORD: &str = "correct horse battery";

/// The election timeout of the clusters of tests, in milliseconds.
pub const ELECTION_MS: u64 = 500;

/// One replica.
pub struct Replica {
    pub id: u32,
    pub folder: PathBuf,
    pub replication: SocketAddr,
    pub client: SocketAddr,
    pub health: SocketAddr,
    metrics: SocketAddr,
    pub running: Option<Running>,
}

/// The cluster; its processes end when it is dropped.
pub struct TestCluster {
    pub replicas: Vec<Replica>,
    pub folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
    standbys: usize,
}

impl Replica {
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("kimberlite.toml")
    }
}

/// Addresses of loopback that were free a moment ago. All are held until all are found, so
/// that no two are the same.
fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
        .collect();
    listeners.iter().map(|l| l.local_addr().unwrap()).collect()
}

impl TestCluster {
    /// `voters` replicas and `standbys` standbys (ids from 100), all running and ready.
    pub fn start(voters: u32, standbys: u32) -> Self {
        let mut cluster = Self::files(voters, standbys);
        cluster.init(0);
        for at in 0..cluster.replicas.len() {
            cluster.launch(at);
        }
        for at in 0..cluster.replicas.len() {
            cluster.wait_ready(at);
        }
        cluster
    }

    /// The files of a cluster, nothing running.
    pub fn files(voters: u32, standbys: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        let ids: Vec<u32> = (0..voters).chain(100..100 + standbys).collect();
        let addresses = free_addresses(ids.len() * 4);
        let replica = |(id, ports): (&u32, &[SocketAddr])| Replica {
            id: *id,
            folder: folder.path().join(format!("replica-{id}")),
            replication: ports[0],
            client: ports[1],
            health: ports[2],
            metrics: ports[3],
            running: None,
        };
        let replicas: Vec<Replica> = ids.iter().zip(addresses.chunks(4)).map(replica).collect();
        let mut cluster = Self {
            replicas,
            folder,
            authority,
            standbys: standbys as usize,
        };
        for at in 0..cluster.replicas.len() {
            cluster.write_files(at, &format!("replica-{}", cluster.replicas[at].id));
        }
        cluster
    }

    /// Writes certificate and configuration of a replica; its certificate says `name`.
    pub fn write_files(&mut self, at: usize, name: &str) {
        let replica = &self.replicas[at];
        std::fs::create_dir_all(&replica.folder).unwrap();
        let names = vec![name.to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(replica.folder.join("replica.crt"), certificate.pem()).unwrap();
        write_private(&replica.folder.join("replica.key"), &key.serialize_pem());
        std::fs::write(replica.config(), self.configuration(at)).unwrap();
    }

    fn configuration(&self, at: usize) -> String {
        let replica = &self.replicas[at];
        let line = |r: &Replica| {
            let (id, address) = (r.id, r.replication);
            format!("{{ id = {id}, address = \"{address}\", name = \"replica-{id}\" }},\n")
        };
        let (voters, standbys) = self.replicas.split_at(self.replicas.len() - self.standbys);
        let voters: String = voters.iter().map(line).collect();
        let standbys: String = standbys.iter().map(line).collect();
        let folder = replica.folder.display();
        let root = self.folder.path().display();
        format!(
            "[cluster]\nreplicas = [{voters}]\nreplica_id = {id}\nheartbeat_interval_ms = 50\n\
             election_timeout_ms = {ELECTION_MS}\n[standby]\nreplicas = [{standbys}]\n\
             [storage]\ndata_dir = \"{folder}/data\"\n[crypto]\nmaster_key_source = \"file\"\n\
             master_key_id = \"{root}/master.key\"\n[monitoring]\nmetrics_address = \"{metrics}\"\n\
             health_check_address = \"{health}\"\nlog_format = \"text\"\n[security]\n\
             bind_address = \"{bind}\"\nclient_address = \"{client}\"\ntls_enabled = true\n\
             tls_cert_path = \"{folder}/replica.crt\"\ntls_key_path = \"{folder}/replica.key\"\n\
             tls_ca_path = \"{root}/ca.crt\"\n",
            id = replica.id,
            metrics = replica.metrics,
            health = replica.health,
            bind = replica.replication,
            client = replica.client,
        )
    }

    /// The files of another replica, which its own configuration calls a standby: what it
    /// becomes the cluster decides. Where it is among the replicas.
    pub fn add(&mut self, id: u32) -> usize {
        let ports = free_addresses(4);
        self.replicas.push(Replica {
            id,
            folder: self.folder.path().join(format!("replica-{id}")),
            replication: ports[0],
            client: ports[1],
            health: ports[2],
            metrics: ports[3],
            running: None,
        });
        self.standbys += 1;
        let at = self.replicas.len() - 1;
        self.write_files(at, &format!("replica-{id}"));
        at
    }

    /// `kimberlite init` on a replica.
    pub fn init(&self, at: usize) {
        let key = self.folder.path().join("master.key");
        let mut command = kimberlite();
        command
            .arg("init")
            .arg("--config")
            .arg(self.replicas[at].config())
            .env("KIMBERLITE_INIT_PASSWORD", PASSWORD);
        if !key.exists() {
            command.arg("--create-master-key");
        }
        let output = command.output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output));
    }

    /// `kimberlite start` on a replica.
    pub fn launch(&mut self, at: usize) {
        let mut command = kimberlite();
        command
            .arg("start")
            .arg("--config")
            .arg(self.replicas[at].config());
        self.replicas[at].running = Some(Running::start(&mut command));
    }

    /// SIGKILL.
    pub fn kill(&mut self, at: usize) {
        self.replicas[at].running.take().unwrap().kill();
    }

    /// What `/ready` says: the status line.
    pub fn readiness(&self, at: usize) -> Option<String> {
        use std::io::{Read as _, Write as _};
        let address = self.replicas[at].health;
        let mut stream =
            std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /ready HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Waits until a replica is ready.
    pub fn wait_ready(&self, at: usize) {
        let ready = |answer: String| {
            answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200")
        };
        self.until(&format!("replica at {at} to be ready"), || {
            self.readiness(at).is_some_and(ready)
        });
    }

    /// Waits for something, looking again and again.
    pub fn until(&self, what: &str, mut wanted: impl FnMut() -> bool) {
        let began = Instant::now();
        while !wanted() {
            if began.elapsed() > PATIENCE {
                panic!("waited too long for {what}:\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What all of them printed.
    pub fn logs(&self) -> String {
        let log = |r: &Replica| {
            let log = r.running.as_ref().map(Running::log).unwrap_or_default();
            format!("--- replica {}\n{log}", r.id)
        };
        self.replicas.iter().map(log).collect()
    }

    /// `kimberlite-cli … --output json` on a replica: exit status and answer.
    pub fn cli(&self, at: usize, arguments: &[&str]) -> (i32, Value) {
        let output = kimberlite_cli()
            .args(arguments)
            .args(["--output", "json", "--data-dir"])
            .arg(self.replicas[at].data_dir())
            .output()
            .unwrap();
        let json = serde_json::from_slice(&output.stdout);
        (
            code(&output),
            json.unwrap_or_else(|e| panic!("{e}: {}", text(&output))),
        )
    }

    /// Where the replica is that leads, as those that run see it.
    pub fn leader(&self) -> usize {
        let mut found = None;
        self.until("a leader", || {
            let running =
                (0..self.replicas.len()).filter(|at| self.replicas[*at].running.is_some());
            let leaders = running.filter(|at| {
                let (status, answer) = self.cli(*at, &["replica", "status"]);
                status == 0 && answer["role"] == "leader" && answer["phase"] == "ready"
            });
            found = leaders.max();
            found.is_some()
        });
        found.unwrap()
    }

    /// The URL of a replica's client port.
    pub fn url(&self, at: usize) -> String {
        let ca = self.folder.path().join("ca.crt");
        let port = self.replicas[at].client.port();
        format!(
            "postgresql://kimberlite:{}@localhost:{port}/kimberlite?sslmode=verify-full&sslrootcert={}",
            PASSWORD.replace(' ', "%20"),
            ca.display()
        )
    }

    /// Connects to a replica.
    pub async fn connect(&self, at: usize) -> Client {
        let url = self.url(at);
        connect(&url)
            .await
            .unwrap_or_else(|e| panic!("{url}: {e:?}\n{}", self.logs()))
    }

    /// Stops all replicas, those that follow first, and compares their logs.
    pub fn stop_and_compare(&mut self) {
        let leader = self.leader();
        let followers = (0..self.replicas.len()).filter(|at| *at != leader);
        for at in followers.chain([leader]).collect::<Vec<_>>() {
            let (status, log) = self.replicas[at].running.take().unwrap().terminate();
            assert!(status.success(), "replica at {at}: {status}\n{log}");
        }
        let first = self.segments(0);
        for at in 1..self.replicas.len() {
            let other = self.segments(at);
            let names = |segments: &[(String, Vec<u8>)]| -> Vec<String> {
                segments.iter().map(|(name, _)| name.clone()).collect()
            };
            assert_eq!(names(&first), names(&other), "replica at {at}");
            for ((name, one), (_, two)) in first.iter().zip(&other) {
                let differs = one.iter().zip(two).position(|(a, b)| a != b);
                assert_eq!(differs, None, "replica at {at}: {name} differs there");
            }
        }
    }

    /// The bytes of all segments of a replica's log, by name.
    pub fn segments(&self, at: usize) -> Vec<(String, Vec<u8>)> {
        let dir = self.replicas[at].data_dir().join("log");
        let files = std::fs::read_dir(dir).unwrap();
        let mut files: Vec<(String, Vec<u8>)> = files
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }
}

fn write_private(path: &Path, content: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(content.as_bytes()).unwrap();
}
