//! `kimberlite-cli status`: asks a running node's health port.
//!
//! One request of HTTP/1.0 (RFC 1945): the answer ends with the connection, so
//! no client library is needed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::output::{Answer, CouldNotRun, Verdict, bytes, count};

/// How long a node may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are read; a real one has a few hundred.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// Asks the node whose health port is `address`.
pub(super) fn run(address: SocketAddr) -> Result<Answer, CouldNotRun> {
    let report = ask(address).map_err(|reason| {
        CouldNotRun(format!(
            "no node answers on {address}: {reason}. Is it running, and is this its \
             health_check_address?"
        ))
    })?;
    let verdict = if report.get("status").and_then(Value::as_str) == Some("ready") {
        Verdict::Clean
    } else {
        Verdict::Wrong
    };
    Ok(Answer {
        text: text(&report),
        json: report,
        verdict,
    })
}

fn ask(address: SocketAddr) -> Result<Value, String> {
    let io = |e: std::io::Error| e.to_string();
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(io)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(io)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(io)?;
    let request = format!("GET /status HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(io)?;
    let mut answer = String::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_string(&mut answer)
        .map_err(io)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("the answer is not HTTP")?;
    let status = head.split_ascii_whitespace().nth(1);
    if status != Some("200") {
        let line = head.lines().next().unwrap_or_default();
        return Err(format!("it answers `{line}`"));
    }
    serde_json::from_str(body).map_err(|e| format!("the answer is not JSON: {e}"))
}

fn text(report: &Value) -> String {
    let word = |key: &str| report.get(key).and_then(Value::as_str).unwrap_or("unknown");
    let number = |key: &str| report.get(key).and_then(Value::as_u64);
    let mut lines = vec![match report.get("detail").and_then(Value::as_str) {
        Some(detail) => format!("status       {} ({detail})", word("status")),
        None => format!("status       {}", word("status")),
    }];
    lines.push(format!("version      {}", word("version")));
    if let Some(seconds) = number("uptime_seconds") {
        lines.push(format!("uptime       {}", duration(seconds)));
    }
    if let Some(connections) = number("connections") {
        lines.push(format!("connections  {}", count(connections)));
    }
    if let Some(commits) = number("commits") {
        lines.push(format!("commits      {} since start", count(commits)));
    }
    if let Some(index) = number("applied_index") {
        lines.push(format!("applied      block {}", count(index)));
    }
    if let Some(size) = number("log_bytes") {
        lines.push(format!("log          {}", bytes(size)));
    }
    lines.join("\n")
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, m) => format!("{m} min {} s", seconds % 60),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}
