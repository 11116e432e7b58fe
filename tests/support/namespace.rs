//! Tests that mount file systems run in a mount namespace of their own, as a
//! process that starts the same test again inside it. What they mount nobody
//! else sees, and it is gone when they end, however they end.

use std::path::Path;
use std::process::Command;

/// Set in the process inside.
const INSIDE: &str = "KIMBERLITE_TEST_IN_NAMESPACE";

/// Runs `body` inside a mount namespace. `test` is the full name of the calling
/// test.
pub fn in_mount_namespace(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        // Root inside, the same user outside.
        command.arg("--map-root-user");
    }
    let output = command
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare of util-linux");
    let text = super::server::text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{test} is not its name:\n{text}");
}

/// Mounts an empty file system of `bytes` on `dir`.
pub fn mount_small(dir: &Path, bytes: u64) {
    mount(
        &["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"],
        dir,
    );
}

/// Changes the size of a file system that [`mount_small`] mounted.
pub fn resize(dir: &Path, bytes: u64) {
    mount(&["-o", &format!("remount,size={bytes}")], dir);
}

/// Makes a mounted file system read-only.
pub fn make_read_only(dir: &Path) {
    mount(&["-o", "remount,ro"], dir);
}

/// Makes it writable again.
pub fn make_writable(dir: &Path) {
    mount(&["-o", "remount,rw"], dir);
}

fn mount(arguments: &[&str], dir: &Path) {
    let status = Command::new("mount")
        .args(arguments)
        .arg(dir)
        .status()
        .unwrap();
    assert!(status.success(), "mount {arguments:?} {}", dir.display());
}
