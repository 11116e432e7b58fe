//! A child process whose output is read line by line.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// A running child; killed when dropped.
pub struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    log: Arc<Mutex<String>>,
}

impl Running {
    /// Starts `command` with both outputs captured.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let log = Arc::new(Mutex::new(String::new()));
        let (out, stdout) = channel();
        let (err, stderr) = channel();
        collect(child.stdout.take().unwrap(), out, "out", Arc::clone(&log));
        collect(child.stderr.take().unwrap(), err, "err", Arc::clone(&log));
        Self {
            child,
            stdout,
            stderr,
            log,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far, on both outputs.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of standard output that satisfies `wanted`.
    pub fn stdout_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.line(&self.stdout, wanted)
    }

    /// Waits for a line of standard output that satisfies `wanted`, or for the
    /// end of the process.
    pub fn stdout_line_or_end(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        loop {
            match self.stdout.recv_timeout(PATIENCE) {
                Ok(line) if wanted(&line) => return Some(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("neither the line nor the end:\n{}", self.log())
                }
            }
        }
    }

    /// Waits for a line of standard error that satisfies `wanted`.
    pub fn stderr_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.line(&self.stderr, wanted)
    }

    fn line(&self, lines: &Receiver<String>, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) if wanted(&line) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the process ended without the line:\n{}", self.log())
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the process did not print the line:\n{}", self.log())
                }
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until the process ends by itself.
    pub fn wait(mut self) -> (ExitStatus, String) {
        // Both outputs end when the process does.
        for lines in [&self.stdout, &self.stderr] {
            loop {
                match lines.recv_timeout(PATIENCE) {
                    Ok(_) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        panic!("the process does not end:\n{}", self.log())
                    }
                }
            }
        }
        let status = self.child.wait().unwrap();
        (status, self.log())
    }

    /// Asks the process to stop and waits for it.
    pub fn terminate(self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Ends the process as a power cut would, as far as it can tell.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only when it is over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(
    pipe: impl Read + Send + 'static,
    lines: Sender<String>,
    name: &'static str,
    log: Arc<Mutex<String>>,
) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            log.lock().unwrap().push_str(&format!("{name}: {line}\n"));
            // Nobody may be listening any more; the log still is.
            let _ = lines.send(line);
        }
    });
}
