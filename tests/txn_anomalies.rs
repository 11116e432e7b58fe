//! What transactions that run at the same time may do to each other, level by
//! level: the anomalies of Hermitage, as PostgreSQL 15 answers them.
//!
//! With ANOMALIES_URL set to a libpq URL the same is asked of that server instead,
//! of PostgreSQL for instance.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Server;
use support::sessions::Want::{Done, Fails, Rows, Waits};
use support::sessions::{Sessions, Step};

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

/// 40001, and what every statement after it gets.
const REFUSED: support::sessions::Want = Fails("40001");
const FAILED: support::sessions::Want = Fails("25P02");

/// A server, and three sessions of it.
struct Place {
    _dir: tempfile::TempDir,
    _server: Option<Server>,
    sessions: Sessions,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (server, url) = match std::env::var("ANOMALIES_URL") {
            Ok(url) => (None, url),
            Err(_) => {
                let server = Server::dev(dir.path());
                let url = server.url.clone();
                (Some(server), url)
            }
        };
        Self {
            _dir: dir,
            _server: server,
            sessions: Sessions::open(&url, 3).await,
        }
    }

    /// Gives the table its two rows, and begins a transaction in each session.
    async fn begin(&self, level: &str) {
        let rows = "DROP TABLE IF EXISTS test;
            CREATE TABLE test (id int PRIMARY KEY, value int);
            INSERT INTO test VALUES (1, 10), (2, 20)";
        self.sessions.run(0, rows).await;
        for who in 0..3 {
            let begin = format!("BEGIN ISOLATION LEVEL {level}");
            self.sessions.run(who, &begin).await;
        }
    }

    async fn end(&self) {
        for who in 0..3 {
            self.sessions.run(who, "ROLLBACK").await;
        }
    }
}

/// Plays a script at every level.
async fn play(steps: &[Step]) {
    let mut place = Place::new().await;
    for (number, level) in LEVELS.iter().enumerate() {
        place.begin(level).await;
        place.sessions.play(level, steps, number).await;
        place.end().await;
    }
}

const ALL: &str = "SELECT id, value FROM test ORDER BY id";
const FIRST: &str = "SELECT id, value FROM test WHERE id = 1";
const SECOND: &str = "SELECT id, value FROM test WHERE id = 2";
const COMMIT: &str = "COMMIT";

/// G0: two transactions write the same two rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g0_writes_do_not_mix() {
    play(&[
        Step::done(0, "UPDATE test SET value = 11 WHERE id = 1"),
        Step::always(1, "UPDATE test SET value = 12 WHERE id = 1", Waits),
        Step::done(0, "UPDATE test SET value = 21 WHERE id = 2"),
        Step::done(0, COMMIT),
        Step::ends(1, [Done, REFUSED, REFUSED]),
        Step::always(0, ALL, Rows(&[(1, 11), (2, 21)])),
        Step::by_level(
            1,
            "UPDATE test SET value = 22 WHERE id = 2",
            [Done, FAILED, FAILED],
        ),
        Step::done(1, COMMIT),
        Step::by_level(
            0,
            ALL,
            [
                Rows(&[(1, 12), (2, 22)]),
                Rows(&[(1, 11), (2, 21)]),
                Rows(&[(1, 11), (2, 21)]),
            ],
        ),
    ])
    .await;
}

/// G1a: aborted reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1a_what_is_rolled_back_is_not_read() {
    play(&[
        Step::done(0, "UPDATE test SET value = 101 WHERE id = 1"),
        Step::always(1, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::done(0, "ROLLBACK"),
        Step::always(1, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::done(1, COMMIT),
    ])
    .await;
}

/// G1b: intermediate reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1b_the_middle_of_a_transaction_is_not_read() {
    play(&[
        Step::done(0, "UPDATE test SET value = 101 WHERE id = 1"),
        Step::always(1, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::done(0, "UPDATE test SET value = 11 WHERE id = 1"),
        Step::done(0, COMMIT),
        Step::by_level(
            1,
            ALL,
            [
                Rows(&[(1, 11), (2, 20)]),
                Rows(&[(1, 10), (2, 20)]),
                Rows(&[(1, 10), (2, 20)]),
            ],
        ),
        Step::done(1, COMMIT),
    ])
    .await;
}

/// G1c: circular information flow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1c_two_do_not_read_each_other() {
    play(&[
        Step::done(0, "UPDATE test SET value = 11 WHERE id = 1"),
        Step::done(1, "UPDATE test SET value = 22 WHERE id = 2"),
        Step::always(0, SECOND, Rows(&[(2, 20)])),
        Step::always(1, FIRST, Rows(&[(1, 10)])),
        Step::done(0, COMMIT),
        Step::by_level(1, COMMIT, [Done, Done, REFUSED]),
    ])
    .await;
}

/// OTV: an observed transaction vanishes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn otv_what_was_seen_does_not_vanish() {
    play(&[
        Step::done(0, "UPDATE test SET value = 11 WHERE id = 1"),
        Step::done(0, "UPDATE test SET value = 19 WHERE id = 2"),
        Step::always(1, "UPDATE test SET value = 12 WHERE id = 1", Waits),
        Step::done(0, COMMIT),
        Step::ends(1, [Done, REFUSED, REFUSED]),
        Step::always(2, FIRST, Rows(&[(1, 11)])),
        Step::by_level(
            1,
            "UPDATE test SET value = 18 WHERE id = 2",
            [Done, FAILED, FAILED],
        ),
        Step::always(2, SECOND, Rows(&[(2, 19)])),
        Step::done(1, COMMIT),
        Step::by_level(
            2,
            SECOND,
            [Rows(&[(2, 18)]), Rows(&[(2, 19)]), Rows(&[(2, 19)])],
        ),
        Step::by_level(
            2,
            FIRST,
            [Rows(&[(1, 12)]), Rows(&[(1, 11)]), Rows(&[(1, 11)])],
        ),
        Step::done(2, COMMIT),
    ])
    .await;
}

/// PMP: predicate-many-preceders, reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pmp_a_predicate_is_read_twice() {
    play(&[
        Step::always(0, "SELECT id, value FROM test WHERE value = 30", Rows(&[])),
        Step::done(1, "INSERT INTO test VALUES (3, 30)"),
        Step::done(1, COMMIT),
        Step::by_level(
            0,
            "SELECT id, value FROM test WHERE value % 3 = 0",
            [Rows(&[(3, 30)]), Rows(&[]), Rows(&[])],
        ),
        Step::done(0, COMMIT),
    ])
    .await;
}

/// PMP: predicate-many-preceders, writing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pmp_a_predicate_is_written() {
    play(&[
        Step::done(0, "UPDATE test SET value = value + 10"),
        Step::always(1, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::always(1, "DELETE FROM test WHERE value = 20", Waits),
        Step::done(0, COMMIT),
        Step::ends(1, [Done, REFUSED, REFUSED]),
        Step::by_level(
            1,
            "SELECT id, value FROM test WHERE value = 20",
            [Rows(&[(1, 20)]), FAILED, FAILED],
        ),
        Step::done(1, COMMIT),
        Step::always(0, ALL, Rows(&[(1, 20), (2, 30)])),
    ])
    .await;
}

/// P4: lost updates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_updates_are_lost_at_read_committed_alone() {
    play(&[
        Step::always(0, FIRST, Rows(&[(1, 10)])),
        Step::always(1, FIRST, Rows(&[(1, 10)])),
        Step::done(0, "UPDATE test SET value = 11 WHERE id = 1"),
        Step::always(1, "UPDATE test SET value = 11 WHERE id = 1", Waits),
        Step::done(0, COMMIT),
        Step::ends(1, [Done, REFUSED, REFUSED]),
        Step::done(1, COMMIT),
    ])
    .await;
}

/// G-single: read skew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g_single_reads_do_not_skew() {
    play(&[
        Step::always(0, FIRST, Rows(&[(1, 10)])),
        Step::always(1, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::done(1, "UPDATE test SET value = 12 WHERE id = 1"),
        Step::done(1, "UPDATE test SET value = 18 WHERE id = 2"),
        Step::done(1, COMMIT),
        Step::by_level(
            0,
            SECOND,
            [Rows(&[(2, 18)]), Rows(&[(2, 20)]), Rows(&[(2, 20)])],
        ),
        Step::done(0, COMMIT),
    ])
    .await;
}

/// G-single with dependencies between predicates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g_single_predicates_do_not_skew() {
    play(&[
        Step::always(
            0,
            "SELECT id, value FROM test WHERE value % 5 = 0 ORDER BY id",
            Rows(&[(1, 10), (2, 20)]),
        ),
        Step::done(1, "UPDATE test SET value = 12 WHERE value = 10"),
        Step::done(1, COMMIT),
        Step::by_level(
            0,
            "SELECT id, value FROM test WHERE value % 3 = 0",
            [Rows(&[(1, 12)]), Rows(&[]), Rows(&[])],
        ),
        Step::done(0, COMMIT),
    ])
    .await;
}

/// G-single with a write predicate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g_single_writes_see_what_was_committed() {
    play(&[
        Step::always(0, FIRST, Rows(&[(1, 10)])),
        Step::always(1, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::done(1, "UPDATE test SET value = 12 WHERE id = 1"),
        Step::done(1, "UPDATE test SET value = 18 WHERE id = 2"),
        Step::done(1, COMMIT),
        Step::by_level(
            0,
            "DELETE FROM test WHERE value = 20",
            [Done, REFUSED, REFUSED],
        ),
        Step::done(0, COMMIT),
        Step::always(2, "SELECT id, value FROM test WHERE id > 2", Rows(&[])),
        Step::done(2, "ROLLBACK"),
        Step::always(2, ALL, Rows(&[(1, 12), (2, 18)])),
    ])
    .await;
}

/// G-single with writes that cross.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g_single_writes_that_cross() {
    play(&[
        Step::always(0, FIRST, Rows(&[(1, 10)])),
        Step::always(1, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::done(1, "UPDATE test SET value = 12 WHERE id = 1"),
        Step::done(0, "DELETE FROM test WHERE value = 20"),
        Step::always(1, "UPDATE test SET value = 18 WHERE id = 2", Waits),
        Step::done(0, "ROLLBACK"),
        Step::ends(1, [Done, Done, Done]),
        Step::done(1, COMMIT),
        Step::always(0, ALL, Rows(&[(1, 12), (2, 18)])),
    ])
    .await;
}

/// G2-item: write skew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_item_writes_skew_unless_serializable() {
    play(&[
        Step::always(0, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::always(1, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::done(0, "UPDATE test SET value = 11 WHERE id = 1"),
        Step::done(1, "UPDATE test SET value = 21 WHERE id = 2"),
        Step::done(0, COMMIT),
        Step::by_level(1, COMMIT, [Done, Done, REFUSED]),
    ])
    .await;
}

/// G2: write skew on a predicate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_phantoms_skew_unless_serializable() {
    play(&[
        Step::always(
            0,
            "SELECT id, value FROM test WHERE value % 3 = 0",
            Rows(&[]),
        ),
        Step::always(
            1,
            "SELECT id, value FROM test WHERE value % 3 = 0",
            Rows(&[]),
        ),
        Step::done(0, "INSERT INTO test VALUES (3, 30)"),
        Step::done(1, "INSERT INTO test VALUES (4, 42)"),
        Step::done(0, COMMIT),
        Step::by_level(1, COMMIT, [Done, Done, REFUSED]),
        Step::by_level(
            0,
            "SELECT id, value FROM test WHERE value % 3 = 0 ORDER BY id",
            [
                Rows(&[(3, 30), (4, 42)]),
                Rows(&[(3, 30), (4, 42)]),
                Rows(&[(3, 30)]),
            ],
        ),
    ])
    .await;
}

/// G2 with two edges: a transaction that only reads completes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_two_edges_a_reader_completes_it() {
    play(&[
        Step::always(0, ALL, Rows(&[(1, 10), (2, 20)])),
        Step::done(1, "UPDATE test SET value = value + 5 WHERE id = 2"),
        Step::done(1, COMMIT),
        Step::always(2, ALL, Rows(&[(1, 10), (2, 25)])),
        Step::done(2, COMMIT),
        Step::by_level(
            0,
            "UPDATE test SET value = 0 WHERE id = 1",
            [Done, Done, REFUSED],
        ),
        Step::by_level(0, COMMIT, [Done, Done, Done]),
    ])
    .await;
}

/// Rows that others have locked are left out, refused, or waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_rows_are_skipped_refused_or_waited_for() {
    play(&[
        Step::done(0, "SELECT id FROM test WHERE id = 1 FOR UPDATE"),
        Step::always(
            1,
            "SELECT id, value FROM test ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1",
            Rows(&[(2, 20)]),
        ),
        Step::always(
            2,
            "SELECT id FROM test WHERE id = 1 FOR KEY SHARE NOWAIT",
            Fails("55P03"),
        ),
        Step::done(0, "UPDATE test SET value = 5 WHERE id = 1"),
        Step::always(
            1,
            "SELECT id, value FROM test WHERE id = 1 FOR UPDATE",
            Waits,
        ),
        Step::done(0, COMMIT),
        Step::ends(1, [Rows(&[(1, 5)]), REFUSED, REFUSED]),
    ])
    .await;
}
