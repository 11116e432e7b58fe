//! The files of a cluster for development, below `DIR`.
//!
//! | Path | What it is |
//! |---|---|
//! | `dev/cluster-ca.crt` | signed the certificates of the replicas; its key was never stored |
//! | `replica-N/replica.crt`, `.key` | who replica N is to the others |
//! | `replica-N/kimberlite.toml` | its configuration |
//! | `replica-N/data/` | its data directory |
//! | `replica-N/server.log` | what it says |

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::config::{self, Config, Environment};
use crate::dev::{DevDirectory, certificate, io_error, private_file};
use crate::server::NodeError;

/// A replica.
pub(super) struct ReplicaFiles {
    pub(super) id: u32,
    pub(super) config: PathBuf,
    pub(super) data_dir: PathBuf,
    pub(super) log: PathBuf,
    pub(super) client: SocketAddr,
    pub(super) health: SocketAddr,
}

/// All replicas.
pub(super) struct ClusterFiles {
    pub(super) replicas: Vec<ReplicaFiles>,
}

impl ClusterFiles {
    /// Makes what is not there yet. What is there says how many replicas there are.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) fn prepare(
        data_dir: &Path,
        directory: &DevDirectory,
        replicas: u32,
    ) -> Result<Self, NodeError> {
        let root = data_dir
            .canonicalize()
            .map_err(|e| NodeError::Dev(io_error(data_dir, e)))?;
        let there = (0..).take_while(|id| config_file(&root, *id).exists());
        match there.count() as u32 {
            0 => make(&root, directory, replicas)?,
            there if there == replicas => {}
            there => {
                return Err(NodeError::Usage(format!(
                    "{} holds a cluster of {there} replicas: start it with --replicas {there}, or \
                     choose another --data-dir",
                    data_dir.display()
                )));
            }
        }
        let replicas = (0..replicas).map(|id| read(&root, id));
        Ok(Self {
            replicas: replicas.collect::<Result<_, _>>()?,
        })
    }

    /// Where clients connect, in the order of the replicas.
    pub(super) fn clients(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|replica| replica.client).collect()
    }
}

impl ReplicaFiles {
    /// `[cluster]` of its configuration.
    ///
    /// # Errors
    /// [`NodeError::Usage`] when somebody took it out.
    pub(super) fn cluster(&self) -> Result<config::Cluster, NodeError> {
        load(&self.config)?
            .cluster
            .ok_or_else(|| NodeError::Usage(format!("{} has no [cluster]", self.config.display())))
    }
}

fn config_file(root: &Path, id: u32) -> PathBuf {
    root.join(format!("replica-{id}")).join("kimberlite.toml")
}

/// The environment that the replicas are started with.
fn environment() -> Environment {
    Environment {
        env: Some("development".to_owned()),
        ..Environment::default()
    }
}

fn load(file: &Path) -> Result<Config, NodeError> {
    Config::load(file, &environment()).map_err(|e| NodeError::Usage(e.to_string()))
}

fn read(root: &Path, id: u32) -> Result<ReplicaFiles, NodeError> {
    let file = config_file(root, id);
    let config = load(&file)?;
    Ok(ReplicaFiles {
        id,
        log: file.with_file_name("server.log"),
        data_dir: config.storage.data_dir,
        client: config.security.client_address,
        health: config.monitoring.health_check_address,
        config: file,
    })
}

/// The addresses of one replica.
struct Ports {
    replication: SocketAddr,
    client: SocketAddr,
    health: SocketAddr,
    metrics: SocketAddr,
}

fn make(root: &Path, directory: &DevDirectory, replicas: u32) -> Result<(), NodeError> {
    let names: Vec<String> = (0..replicas).map(|id| format!("replica-{id}")).collect();
    let certificates = certificate::replicas(&names).map_err(crate::dev::DevError::from)?;
    let write = |file: PathBuf, text: &str| {
        private_file::replace(&file, text.as_bytes())
            .map_err(|e| NodeError::Dev(io_error(&file, e)))
    };
    let authority = root.join("dev").join("cluster-ca.crt");
    write(authority.clone(), &certificates.authority)?;
    let ports = free_ports(replicas)?;
    let list: Vec<String> = ports
        .iter()
        .zip(&names)
        .enumerate()
        .map(|(id, (ports, name))| {
            let address = ports.replication;
            format!("    {{ id = {id}, address = \"{address}\", name = \"{name}\" }},\n")
        })
        .collect();
    for (id, (ports, (certificate, key))) in (0..).zip(ports.iter().zip(&certificates.replicas)) {
        let dir = root.join(format!("replica-{id}"));
        private_file::create_directory(&dir).map_err(|e| NodeError::Dev(io_error(&dir, e)))?;
        write(dir.join("replica.crt"), certificate)?;
        write(dir.join("replica.key"), key)?;
        let text = configuration(id, &dir, directory, ports, &list.concat(), &authority);
        // Last: with it the replica's files are complete.
        write(config_file(root, id), &text)?;
    }
    Ok(())
}

fn configuration(
    id: u32,
    dir: &Path,
    directory: &DevDirectory,
    ports: &Ports,
    list: &str,
    authority: &Path,
) -> String {
    let quoted = |path: PathBuf| toml::Value::String(path.display().to_string()).to_string();
    let tls = directory.tls();
    format!(
        "# A replica of a cluster for development, made by `kimberlite dev --replicas`.\n\
         [cluster]\nreplicas = [\n{list}]\nreplica_id = {id}\n\n\
         [storage]\ndata_dir = {data}\n\n\
         [crypto]\nmaster_key_source = \"file\"\nmaster_key_id = {key}\n\n\
         [monitoring]\nmetrics_address = \"{metrics}\"\nhealth_check_address = \"{health}\"\n\
         log_format = \"text\"\nlog_output = {log}\n\n\
         [security]\nbind_address = \"{bind}\"\nclient_address = \"{client}\"\n\
         tls_enabled = true\ntls_cert_path = {cert}\ntls_key_path = {tls_key}\n\
         cluster_tls_cert_path = {replica_cert}\ncluster_tls_key_path = {replica_key}\n\
         cluster_tls_ca_path = {authority}\n",
        data = quoted(dir.join("data")),
        key = quoted(directory.master_key()),
        metrics = ports.metrics,
        health = ports.health,
        log = quoted(dir.join("server.log")),
        bind = ports.replication,
        client = ports.client,
        cert = quoted(tls.cert_path),
        tls_key = quoted(tls.key_path),
        replica_cert = quoted(dir.join("replica.crt")),
        replica_key = quoted(dir.join("replica.key")),
        authority = quoted(authority.to_owned()),
    )
}

/// Ports that nobody listens on now. All are held until all are found, so that no two are
/// the same.
fn free_ports(replicas: u32) -> Result<Vec<Ports>, NodeError> {
    let mut held = Vec::new();
    let mut port = || -> Result<SocketAddr, NodeError> {
        let system = |source| NodeError::System {
            what: "finding free ports",
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(system)?;
        let address = listener.local_addr().map_err(system)?;
        held.push(listener);
        Ok(address)
    };
    (0..replicas)
        .map(|_| {
            Ok(Ports {
                replication: port()?,
                client: port()?,
                health: port()?,
                metrics: port()?,
            })
        })
        .collect()
}
