//! A running node reads its log again and says what has rotted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use support::server::{code, text};
use support::site::{Site, ready_with_metrics};
use support::{PATIENCE, Running, http, psql};

fn figure(metrics: SocketAddr, name: &str) -> f64 {
    let (_, body) = http::get(metrics, "/metrics").unwrap();
    http::sample(&body, name).unwrap_or_else(|| panic!("no {name} in {body}"))
}

/// Asks until the figure is more than `bound`. Each answer takes a round trip; there
/// is nothing to wait on but the figure itself.
fn above(metrics: SocketAddr, name: &str, bound: f64) -> f64 {
    let began = Instant::now();
    loop {
        let value = figure(metrics, name);
        if value > bound {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "{name} stays {value}");
        std::thread::yield_now();
    }
}

/// A site whose node verifies its log every second.
fn busy_site() -> Site {
    let site = Site::initialised();
    let every_second = "[storage]\nscrub_interval_seconds = 1";
    site.write(&site.text().replacen("[storage]", every_second, 1));
    site
}

#[test]
fn a_running_node_finds_what_rots() {
    let site = busy_site();
    let running = Running::start(&mut site.start_command());
    let (client, metrics) = ready_with_metrics(&running);
    for sql in [
        "CREATE TABLE t (id int PRIMARY KEY, word text)",
        "INSERT INTO t SELECT i, repeat('word ' || i, 20) FROM generate_series(1, 5000) AS s(i)",
        "INSERT INTO t VALUES (0, 'after')",
    ] {
        let output = psql(&site.url(client), sql);
        assert_eq!(code(&output), 0, "{}", text(&output));
    }
    let pass = "kimberlite_storage_scrub_passes_total";
    let passes = above(metrics, pass, figure(metrics, pass) + 1.0);
    assert!(figure(metrics, "kimberlite_storage_scrub_blocks_total") >= 3.0);
    assert!(figure(metrics, "kimberlite_storage_scrub_damages") < 0.5);

    flip_a_byte_of_the_large_block(&site);
    above(metrics, "kimberlite_storage_scrub_damages", 0.5);
    let line = running.stderr_line(|line| line.contains("the log is damaged"));
    assert!(line.contains("00000000000000000001.seg"), "{line}");
    above(metrics, pass, passes);
    // It reports; it does not get in the way.
    let output = psql(&site.url(client), "SELECT count(*) FROM t");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5001\n");
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// Flips a byte a little before the end of what is written: in the sealed rows of the
/// large transaction, before the small one.
fn flip_a_byte_of_the_large_block(site: &Site) {
    let path = site.path("data/log/00000000000000000001.seg");
    let bytes = std::fs::read(&path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let at = used - 10_000;
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
}

#[test]
fn zero_means_never() {
    let site = Site::initialised();
    let never = "[storage]\nscrub_interval_seconds = 0";
    site.write(&site.text().replacen("[storage]", never, 1));
    let running = Running::start(&mut site.start_command());
    let (_, metrics) = ready_with_metrics(&running);
    let pid = running.pid();
    let names: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap())
        .collect();
    assert!(
        !names.iter().any(|name| name.trim() == "scrubber"),
        "{names:?}"
    );
    assert!(figure(metrics, "kimberlite_storage_scrub_passes_total") < 0.5);
    let (status, log) = running.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
}
