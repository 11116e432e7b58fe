//! Flushes that fail for real: strace answers the system call with an error, and
//! the kernel is never asked. What was written before is in its cache, as it is
//! after a disk reported an error.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::Running;

/// Every call that asks for what was written to be on the medium.
const FLUSHES: &str = "trace=fsync,fdatasync,sync_file_range";

/// Which threads of a process.
#[derive(Debug, Clone, Copy)]
pub enum Threads<'a> {
    /// All, and those that they start.
    All,
    /// The one of this name. The kernel keeps its first 15 bytes.
    Named(&'a str),
}

/// strace on a running process; it ends with it.
pub struct Tracer {
    running: Running,
    folder: TempDir,
}

impl Tracer {
    /// From the return of this function on, every flush by these threads of
    /// `pid` fails with EIO.
    pub fn fail_flushes(pid: u32, threads: Threads<'_>) -> Self {
        let inject = "inject=fsync,fdatasync:error=EIO:when=1+";
        Self::attach(pid, threads, &["-e", FLUSHES, "-e", inject])
    }

    /// As [`Self::fail_flushes`], and the process is killed when it asks for the
    /// first: what was to be flushed is written, and the flush never began.
    pub fn kill_at_flush(pid: u32, threads: Threads<'_>) -> Self {
        let inject = "inject=fsync,fdatasync:error=EIO:signal=SIGKILL:when=1+";
        Self::attach(pid, threads, &["-e", FLUSHES, "-e", inject])
    }

    fn attach(pid: u32, threads: Threads<'_>, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("strace");
        command.args(options).arg("-y");
        command.arg("-o").arg(folder.path().join("trace"));
        let wanted = match threads {
            Threads::All => {
                command.arg("-f");
                pid
            }
            Threads::Named(name) => thread(pid, name),
        };
        command.arg("-p").arg(wanted.to_string());
        let running = Running::start(&mut command);
        // Printed when all threads are held that it found.
        running.stderr_line(|line| line.contains("attached"));
        let tracer = Self { running, folder };
        match threads {
            Threads::All => of_process(pid)
                .iter()
                .for_each(|thread| tracer.assert_holds(pid, *thread)),
            Threads::Named(_) => tracer.assert_holds(pid, wanted),
        }
        tracer
    }

    /// What the kernel says: strace could have been too late for a thread.
    fn assert_holds(&self, pid: u32, thread: u32) {
        let path = format!("/proc/{pid}/task/{thread}/status");
        // The thread may have ended since, and the whole process too.
        let status = std::fs::read_to_string(path).unwrap_or_default();
        if status.is_empty() || status.contains("State:\tZ") {
            return;
        }
        let tracer = format!("TracerPid:\t{}\n", self.running.pid());
        assert!(status.contains(&tracer), "not traced:\n{status}");
    }

    /// From the return of this function on, flushes work again.
    pub fn detach(self) {
        let _ = self.running.terminate();
    }

    /// Waits until the process that is traced has ended, and returns what strace
    /// wrote: one call a line.
    pub fn finish(self) -> String {
        let (_, log) = self.running.wait();
        let trace = std::fs::read_to_string(self.folder.path().join("trace"));
        trace.unwrap_or_else(|e| panic!("{e}: {log}"))
    }
}

/// Lets `command` run under strace, which writes its calls to `trace`. The
/// process that is started is the program and not strace: signals and the exit
/// status are its own.
pub fn traced(command: &Command, trace: &Path, options: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-y", "-o"]).arg(trace);
    strace.args(options).arg("--").arg(command.get_program());
    strace.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}

/// As [`traced`]; every thread's flushes fail with EIO from its `first` on.
pub fn with_failing_flushes(command: &Command, trace: &Path, first: usize) -> Command {
    let inject = format!("inject=fsync,fdatasync:error=EIO:when={first}+");
    traced(command, trace, &["-e", FLUSHES, "-e", &inject])
}

/// Whether a trace shows a flush that was made to fail.
pub fn has_failed_flush(trace: &str) -> bool {
    trace
        .lines()
        .any(|line| line.contains("EIO") && line.ends_with("(INJECTED)"))
}

/// The ids of a process's threads.
fn of_process(pid: u32) -> Vec<u32> {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse())
        .collect::<Result<_, _>>()
        .unwrap()
}

fn thread(pid: u32, name: &str) -> u32 {
    let mut names = String::new();
    for thread in of_process(pid) {
        let path = PathBuf::from(format!("/proc/{pid}/task/{thread}/comm"));
        let found = std::fs::read_to_string(path).unwrap_or_default();
        if found.trim_end() == &name[..name.len().min(15)] {
            return thread;
        }
        write!(names, "{found}").unwrap();
    }
    panic!("no thread {name} among\n{names}");
}
