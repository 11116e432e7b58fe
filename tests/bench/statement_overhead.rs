//! What a statement costs inside the server: a session in this process runs prepared
//! statements by key, without the wire, TLS or a commit. Prints microseconds a
//! statement, the median, minimum and maximum of the rounds, as JSON.
//!
//! ```sh
//! cargo run --release --example statement-overhead -- [ROUNDS] [STATEMENTS]
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a tool of the bench: it ends with what went wrong"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use kimberlite::os::{SystemClock, SystemEntropy};
use kimberlite_consensus::node::Alone;
use kimberlite_sql::engine::ClusterLink;
use kimberlite_sql::session::{BoundParameters, ConnectRequest, Fill, Outcome, Prepared, Session};
use kimberlite_sql::{Engine, EngineOptions, SYSTEM_DATABASE, ServerFiles};
use kimberlite_storage::{FileKeyProvider, FsDisk, Store, StoreOptions};

/// Rows of the table.
const ROWS: usize = 10_000;
/// More than a result of one row needs, in bytes.
const ROOM: usize = 64 << 10;

/// A kind of statement that is measured.
struct Case {
    name: &'static str,
    sql: &'static str,
    /// Whether the fast path is on.
    fast: bool,
    /// Whether one transaction holds all statements of a round; it is rolled back.
    block: bool,
}

const CASES: [Case; 5] = [
    Case {
        name: "select by key",
        sql: "SELECT v FROM t WHERE id = $1",
        fast: true,
        block: false,
    },
    Case {
        name: "select by key in a transaction",
        sql: "SELECT v FROM t WHERE id = $1",
        fast: true,
        block: true,
    },
    Case {
        name: "update by key in a transaction",
        sql: "UPDATE t SET v = v + 1 WHERE id = $1",
        fast: true,
        block: true,
    },
    Case {
        name: "select by key, fast path off",
        sql: "SELECT v FROM t WHERE id = $1",
        fast: false,
        block: false,
    },
    Case {
        name: "select without a table, fast path off",
        sql: "SELECT $1::int",
        fast: false,
        block: false,
    },
];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|a| a.parse().expect("a number"));
    let rounds: usize = arguments.next().unwrap_or(7);
    let statements: usize = arguments.next().unwrap_or(ROWS);
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let mut session = connect(&engine);
    run(&mut session, "CREATE TABLE t (id int PRIMARY KEY, v int)").await;
    let fill = format!(
        "INSERT INTO t SELECT i, i FROM generate_series(0, {}) i",
        ROWS - 1
    );
    run(&mut session, &fill).await;
    let mut figures = serde_json::Map::new();
    for case in &CASES {
        let fast = if case.fast { "on" } else { "off" };
        run(&mut session, &format!("SET kimberlite.fast_path = {fast}")).await;
        let mut micros = Vec::new();
        for _ in 0..rounds {
            micros.push(round(&mut session, case, statements).await);
        }
        micros.sort_by(f64::total_cmp);
        figures.insert(
            case.name.to_owned(),
            serde_json::json!({
                "us_median": micros[rounds / 2],
                "us_min": micros[0],
                "us_max": micros[rounds - 1],
            }),
        );
    }
    println!("{}", serde_json::to_string_pretty(&figures).unwrap());
}

/// Microseconds a statement.
async fn round(session: &mut Session, case: &Case, statements: usize) -> f64 {
    if case.block {
        run(session, "BEGIN").await;
    }
    let prepared = session.prepare(case.sql, &[]).await.unwrap();
    let mut out = BytesMut::with_capacity(ROOM);
    let began = Instant::now();
    for i in 0..statements {
        // Keys in an order that is none.
        let key = i * 7919 % ROWS;
        execute(session, &prepared, key, &mut out).await;
        if !case.block {
            session.finish_query().await.unwrap();
        }
    }
    let micros = began.elapsed().as_secs_f64() * 1e6 / statements as f64;
    if case.block {
        run(session, "ROLLBACK").await;
    }
    micros
}

async fn execute(session: &mut Session, prepared: &Arc<Prepared>, key: usize, out: &mut BytesMut) {
    let bound = BoundParameters {
        values: vec![Some(Bytes::from(key.to_string()))],
        formats: Vec::new(),
        result_formats: Vec::new(),
    };
    match session.execute(prepared, bound).await.unwrap() {
        Outcome::Rows(mut cursor) => {
            out.clear();
            let fill = cursor.fill(session, out, 0, ROOM).await.unwrap();
            assert!(matches!(fill, Fill::Done(tag) if tag == "SELECT 1"));
        }
        Outcome::Command(tag) => assert_eq!(tag, "UPDATE 1"),
        other => panic!("{other:?}"),
    }
}

async fn run(session: &mut Session, sql: &str) {
    for statement in session.parse(sql).unwrap() {
        session.run(statement, true).await.unwrap();
    }
    session.finish_query().await.unwrap();
}

fn open(folder: &Path) -> Arc<Engine> {
    let key = FileKeyProvider::generate(folder.join("master.key"), &SystemEntropy).unwrap();
    let data_dir = folder.join("data");
    let store = Store::open(StoreOptions {
        data_dir: data_dir.clone(),
        key_provider: Arc::new(key),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        disk: Arc::new(FsDisk),
        segment_bytes: 64 << 20,
        replica: Box::new(Alone),
        on_fatal: Box::new(|error| panic!("{error}")),
        progress: Box::new(|_| ()),
    })
    .unwrap();
    let options = EngineOptions {
        query_memory_bytes: 512 << 20,
        column_cache_bytes: 256 << 20,
        spill_dir: data_dir.join("tmp/spill"),
        spill_key: [7; 32],
        query_threads: 2,
        server_files: ServerFiles::default(),
        cluster: ClusterLink::default(),
    };
    let engine = Engine::open(Arc::new(store), options).unwrap();
    engine
        .bootstrap_role(SYSTEM_DATABASE, "bench", "none")
        .unwrap();
    engine
}

fn connect(engine: &Arc<Engine>) -> Session {
    let request = ConnectRequest {
        database: SYSTEM_DATABASE.to_owned(),
        user: "bench".to_owned(),
        application_name: String::new(),
        options: Vec::new(),
        backend_pid: 1,
        client_addr: String::new(),
    };
    engine.connect(request).unwrap()
}
