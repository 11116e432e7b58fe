//! What the operating system knows about the process and its disk.

use std::path::Path;

/// Resident memory in bytes, from `VmRSS` of `/proc/self/status` (proc(5)).
pub(super) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Open file descriptors.
pub(super) fn open_files() -> Option<u64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    // One of them is the directory being read.
    u64::try_from(entries.count()).ok()?.checked_sub(1)
}

/// How full the file system of `path` is, in percent, as `df` counts it: used
/// blocks over those that an unprivileged user could use.
pub(super) fn disk_usage_percent(path: &Path) -> Option<f64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    let used = stat.f_blocks.checked_sub(stat.f_bfree)?;
    let usable = used.checked_add(stat.f_bavail)?;
    (usable > 0).then(|| used as f64 * 100.0 / usable as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[test]
    fn this_process_uses_memory_files_and_a_disk() {
        assert!(resident_bytes().unwrap() > 1024 * 1024);
        assert!(open_files().unwrap() >= 3);
        let percent = disk_usage_percent(Path::new("/")).unwrap();
        assert!((0.0..=100.0).contains(&percent), "{percent}");
        assert_eq!(disk_usage_percent(Path::new("/nonexistent")), None);
    }
}
