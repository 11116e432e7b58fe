//! Disks that cannot be written and disks that fill.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use support::namespace::{in_mount_namespace, make_read_only, mount_small, resize};
use support::server::{code, dev_arguments, text};
use support::{Server, connect, dev_command, psql};
use tokio_postgres::error::SqlState;

/// A user without rights, for when the tests run as root.
const NOBODY: u32 = 65_534;

/// `kimberlite dev` as a user to whom permissions apply. The program is started
/// through a descriptor, because that user may not be able to reach its folder.
fn dev_command_unprivileged(dir: &Path, program: &std::fs::File) -> Command {
    if !rustix::process::geteuid().is_root() {
        return dev_command(dir);
    }
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    dev_arguments(&mut command, dir);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let program = std::fs::File::open(env!("CARGO_BIN_EXE_kimberlite")).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o555)).unwrap();
    let output = dev_command_unprivileged(&data, &program).output().unwrap();
    assert_eq!(code(&output), 5, "{}", text(&output));
    assert!(
        text(&output).contains(data.to_str().unwrap()),
        "{}",
        text(&output)
    );
    assert!(text(&output).contains("writable"), "{}", text(&output));
}

#[test]
fn a_read_only_file_system_is_named_and_left_alone() {
    in_mount_namespace("a_read_only_file_system_is_named_and_left_alone", || {
        let dir = tempfile::tempdir().unwrap();
        mount_small(dir.path(), 1 << 30);
        let (status, log) = Server::dev(dir.path()).stop();
        assert_eq!(status.code(), Some(0), "{log}");
        make_read_only(dir.path());
        let output = dev_command(dir.path()).output().unwrap();
        assert_eq!(code(&output), 5, "{}", text(&output));
        assert!(
            text(&output).to_lowercase().contains("read-only"),
            "{}",
            text(&output)
        );
    });
}

#[test]
fn a_disk_that_is_full_at_the_start_is_named() {
    in_mount_namespace("a_disk_that_is_full_at_the_start_is_named", || {
        let dir = tempfile::tempdir().unwrap();
        mount_small(dir.path(), 1 << 20);
        let output = dev_command(dir.path()).output().unwrap();
        assert_eq!(code(&output), 5, "{}", text(&output));
        assert!(text(&output).contains("no space left"), "{}", text(&output));
        // With room it starts: nothing half-made is in the way.
        resize(dir.path(), 1 << 30);
        let server = Server::dev(dir.path());
        let output = psql(&server.url, "SELECT 1");
        assert_eq!(code(&output), 0, "{}", text(&output));
    });
}

#[test]
fn a_disk_that_fills_loses_nothing_acknowledged() {
    in_mount_namespace("a_disk_that_fills_loses_nothing_acknowledged", || {
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(fill_the_disk());
    });
}

async fn fill_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    // Room for a few segments of `kimberlite dev`, 64 MiB each.
    mount_small(dir.path(), 320 << 20);
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY, filler text)")
        .await
        .unwrap();
    // Random enough that compression does not spare the disk.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut acknowledged = 0;
    let error = loop {
        let filler: String = (0..400_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                char::from(b' ' + u8::try_from((state >> 33) % 90).unwrap())
            })
            .collect();
        let inserted = client
            .execute("INSERT INTO t VALUES ($1, $2)", &[&acknowledged, &filler])
            .await;
        match inserted {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 2_000, "800 MB fit on a disk of 320 MiB");
    };
    let stops = [
        SqlState::TRANSACTION_RESOLUTION_UNKNOWN,
        SqlState::ADMIN_SHUTDOWN,
    ];
    // Either the statement is refused for want of space and the server goes on,
    // or the server stops with the status for a log that cannot be written.
    match error.code() {
        Some(code) if *code == SqlState::DISK_FULL => drop(server),
        Some(code) if !stops.contains(code) => panic!("{error:?}"),
        _ => {
            let (status, log) = server.running.wait();
            assert_eq!(status.code(), Some(8), "{log}");
            assert!(log.contains("no space left"), "{log}");
        }
    }
    resize(dir.path(), 1 << 30);
    let server = Server::dev(dir.path());
    let client = connect(&server.url).await.unwrap();
    let row = client
        .query_one(
            "SELECT count(*), count(DISTINCT id) FROM t WHERE length(filler) = 400000",
            &[],
        )
        .await
        .unwrap();
    let rows: i64 = row.get(0);
    // The refused one may have been durable before its answer was lost.
    assert!(
        (i64::from(acknowledged)..=i64::from(acknowledged) + 1).contains(&rows),
        "{acknowledged} acknowledged, {rows} there"
    );
    assert_eq!(rows, row.get::<_, i64>(1));
}
