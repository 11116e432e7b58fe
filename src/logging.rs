//! The text log.
//!
//! It is a place where secrets leak, so what may appear in it is narrow:
//! libraries that print statements or plans (DataFusion, sqlparser) are silenced
//! at every level, other libraries may only warn, and a panic is logged by its
//! place, not by its message, which can quote a row.

use std::backtrace::Backtrace;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{LogFormat, LogLevel, LogOutput, LogSettings};

/// The text log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the text log {} cannot be opened: {source}", path.display())]
pub struct LoggingError {
    /// The file.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: std::io::Error,
}

/// Starts the text log of this process. Later calls change nothing.
///
/// # Errors
/// [`LoggingError`] when the log file cannot be opened for appending.
pub fn start(settings: &LogSettings) -> Result<(), LoggingError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives(settings.level)))
        .with_writer(writer(&settings.output)?)
        .with_ansi(false);
    // `try_init` fails only when a log was started before; that one stays.
    let _ = match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
    log_panics_by_place();
    Ok(())
}

fn writer(output: &LogOutput) -> Result<BoxMakeWriter, LoggingError> {
    Ok(match output {
        LogOutput::Stderr => BoxMakeWriter::new(std::io::stderr),
        LogOutput::Stdout => BoxMakeWriter::new(std::io::stdout),
        LogOutput::File(path) => BoxMakeWriter::new(open(path)?),
    })
}

/// Opens for appending, so that logrotate's `copytruncate` works, and so that
/// each line is one write and reaches the file without a flush.
fn open(path: &PathBuf) -> Result<File, LoggingError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
        .map_err(|source| LoggingError {
            path: path.clone(),
            source,
        })
}

fn directives(level: LogLevel) -> String {
    let name = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let others = if level == LogLevel::Error {
        "error"
    } else {
        "warn"
    };
    format!(
        "{others},datafusion=off,datafusion_common=off,datafusion_execution=off,\
         datafusion_optimizer=off,datafusion_physical_plan=off,datafusion_sql=off,sqlparser=off,\
         pgwire=off,kimberlite={name},kimberlite_sql={name},kimberlite_storage={name},\
         kimberlite_consensus={name}"
    )
}

fn log_panics_by_place() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(
            place = place.as_deref().unwrap_or("unknown"),
            thread = thread.name().unwrap_or("unnamed"),
            "a task panicked; please report this place"
        );
        // The message stays out: it may hold a client's values. Where a library
        // or the standard one panicked, only the callers tell who asked it to.
        tracing::debug!(callers = %Backtrace::force_capture(), "the task that panicked");
    }));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn libraries_that_print_statements_stay_silent_at_every_level() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(directives(LogLevel::Trace)))
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "datafusion_optimizer::optimizer", "leak-1");
            tracing::error!(target: "datafusion::physical_planner", "leak-2");
            tracing::error!(target: "sqlparser::parser", "leak-3");
            tracing::debug!(target: "rustls::conn", "leak-4");
            tracing::trace!(target: "kimberlite::server", "ours");
            tracing::warn!(target: "rustls::conn", "theirs");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("leak"), "{text}");
        assert!(text.contains("ours") && text.contains("theirs"), "{text}");
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named() {
        let settings = LogSettings {
            level: LogLevel::Info,
            format: LogFormat::Text,
            output: LogOutput::File("/nonexistent/server.log".into()),
        };
        let error = start(&settings).expect_err("the directory does not exist");
        assert!(error.to_string().contains("/nonexistent/server.log"));
    }
}
