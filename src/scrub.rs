//! The scrubber: reads the whole log again from time to time and verifies it, so
//! that a bit that rots in an old segment is known while a good copy still exists.
//!
//! One thread of the lowest priority goes over the log in steps of [`STEP_BLOCKS`]
//! blocks and never reads faster than [`BYTES_PER_SECOND`]. Each step begins with the
//! last block of the step before, so that the chain between them is checked too. It
//! checks what anyone can check without keys; `storage verify` also opens the events.
//! What it finds goes to the text log, and to `/metrics` as long as it is found again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kimberlite_storage::segment::LOG_DIR;
use kimberlite_storage::verify::{VerifyOptions, VerifyReport, verify};
use kimberlite_storage::{FsDisk, StorageError, Store};
use parking_lot::{Condvar, Mutex};

use crate::os::SystemClock;

/// How often the log is read when nobody says otherwise.
pub const SCRUB_INTERVAL_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);

/// Blocks verified before the scrubber looks up.
const STEP_BLOCKS: u64 = 256;
/// The most it reads, on average.
const BYTES_PER_SECOND: u64 = 64 << 20;
/// The lowest priority (setpriority(2)).
const LOWEST_PRIORITY: i32 = 19;

/// What the scrubber has found, for `/metrics`.
#[derive(Debug, Default)]
pub struct ScrubMetrics {
    blocks: AtomicU64,
    damages: AtomicU64,
    passes: AtomicU64,
}

impl ScrubMetrics {
    /// Blocks verified since the start.
    pub fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }

    /// Damaged places found by the last complete pass, or by the present one if
    /// these are more.
    pub fn damages(&self) -> u64 {
        self.damages.load(Ordering::Relaxed)
    }

    /// Complete passes over the log since the start.
    pub fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }
}

/// What to scrub, and how often.
pub struct ScrubOptions {
    /// The data directory.
    pub data_dir: PathBuf,
    /// From the end of a pass to the start of the next; zero for never.
    pub interval: Duration,
    /// Knows how far the log goes.
    pub store: Arc<Store>,
    /// Told what is found.
    pub metrics: Arc<ScrubMetrics>,
}

/// The running scrubber.
pub struct Scrubber {
    ending: Arc<Ending>,
    thread: Option<JoinHandle<()>>,
}

impl Scrubber {
    /// Starts the thread, unless the interval is zero.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(options: ScrubOptions) -> std::io::Result<Self> {
        let ending = Arc::new(Ending::default());
        let thread = if options.interval.is_zero() {
            None
        } else {
            let ending = Arc::clone(&ending);
            let name = "scrubber".to_owned();
            let work = move || run(&options, &ending);
            Some(std::thread::Builder::new().name(name).spawn(work)?)
        };
        Ok(Self { ending, thread })
    }

    /// Ends it, after the step it is in.
    pub fn stop(self) {
        self.ending.end();
        if let Some(thread) = self.thread
            && thread.join().is_err()
        {
            tracing::error!("the scrubber failed");
        }
    }
}

/// Whether the scrubber shall end, and a place to wait for it.
#[derive(Default)]
struct Ending {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    fn end(&self) {
        *self.ended.lock() = true;
        self.changed.notify_all();
    }

    /// Waits for `time`; true when the scrubber shall end.
    fn within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut ended = self.ended.lock();
        while !*ended && !self.changed.wait_until(&mut ended, deadline).timed_out() {}
        *ended
    }
}

fn run(options: &ScrubOptions, ending: &Ending) {
    // Of this thread alone, on Linux. Without it the scrubber is merely less polite.
    let _ = rustix::process::setpriority_process(None, LOWEST_PRIORITY);
    while !ending.within(options.interval) {
        match pass(options, ending) {
            Ok(true) => {
                options.metrics.passes.fetch_add(1, Ordering::Relaxed);
            }
            Ok(false) => return,
            Err(error) => tracing::error!(%error, "the log could not be scrubbed"),
        }
    }
}

/// Verifies the log once; false when it was told to end before.
fn pass(options: &ScrubOptions, ending: &Ending) -> Result<bool, StorageError> {
    let last = options.store.metrics().durable_index.get();
    let (mut from, mut damages) = (1, 0);
    tracing::info!(blocks = last, "scrubbing the log");
    while from <= last {
        let began = Instant::now();
        let to = (from + STEP_BLOCKS).min(last);
        let report = step(options, from, to)?;
        damages += note(&report, (from > 1).then_some(from));
        let metrics = &options.metrics;
        metrics.blocks.fetch_add(report.blocks, Ordering::Relaxed);
        metrics.damages.fetch_max(damages, Ordering::Relaxed);
        // The last block once more, for the chain, unless it was the last of all.
        from = if to == last { last + 1 } else { to };
        let due = Duration::from_secs_f64(report.bytes as f64 / BYTES_PER_SECOND as f64);
        if ending.within(due.saturating_sub(began.elapsed())) {
            return Ok(false);
        }
    }
    options.metrics.damages.store(damages, Ordering::Relaxed);
    tracing::info!(blocks = last, damages, "the log is scrubbed");
    Ok(true)
}

fn step(options: &ScrubOptions, from: u64, to: u64) -> Result<VerifyReport, StorageError> {
    let range = VerifyOptions {
        data_dir: options.data_dir.clone(),
        disk: Arc::new(FsDisk),
        full_scan: true,
        tenant: None,
        from: Some(from),
        to: Some(to),
        keys: None,
        clock: Arc::new(SystemClock),
    };
    verify(&range, &|_| {})
}

/// Logs what is damaged in the log and counts it, but for the block that the step
/// before has looked at. (The superblock is being written; it is checked at opening.)
fn note(report: &VerifyReport, seen: Option<u64>) -> u64 {
    let damages = report
        .damages
        .iter()
        .filter(|damage| damage.file.starts_with(LOG_DIR))
        .filter(|damage| seen.is_none() || damage.block_index != seen);
    let mut count = 0;
    for damage in damages {
        tracing::error!(
            %damage,
            "the log is damaged; `kimberlite-cli storage verify` tells more"
        );
        count += 1;
    }
    count
}
