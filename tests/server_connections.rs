//! A thousand idle connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Client, Server, connect, http};
use tokio::task::JoinSet;

const CONNECTIONS: usize = 1_000;
const RESIDENT_BYTES_MAX: u64 = 400 * 1024 * 1024;
/// Handshakes at one time; the client's share of the work is here too.
const AT_ONE_TIME: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_connections_take_less_than_400_mib() {
    // This process holds the other ends.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::dev(dir.path());
    let mut clients: Vec<Client> = Vec::with_capacity(CONNECTIONS);
    while clients.len() < CONNECTIONS {
        let mut handshakes = JoinSet::new();
        for _ in 0..AT_ONE_TIME.min(CONNECTIONS - clients.len()) {
            let url = server.url.clone();
            handshakes.spawn(async move { connect(&url).await.unwrap() });
        }
        clients.extend(handshakes.join_all().await);
    }
    // Each one works, and has answered, so that its buffers exist.
    for client in &clients {
        client.query_one("SELECT 1", &[]).await.unwrap();
    }
    let (_, metrics) = http::get(server.metrics, "/metrics").unwrap();
    let active = http::sample(&metrics, "kimberlite_connections_active").unwrap();
    assert!(active >= CONNECTIONS as f64, "{active}");
    let resident = server.resident_bytes();
    println!(
        "{} connections: {} MiB resident",
        clients.len(),
        resident >> 20
    );
    assert!(resident < RESIDENT_BYTES_MAX, "{} MiB", resident >> 20);
}
