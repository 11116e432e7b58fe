//! Progress on standard error: a bar when a person watches, nothing when not.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over bytes, or nothing when standard error is not a terminal.
pub(super) fn byte_bar(what: &'static str, total: u64) -> ProgressBar {
    bar(
        what,
        total,
        "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
    )
}

/// A bar over countable things, or nothing when standard error is not a terminal.
pub(super) fn count_bar(what: &'static str, total: u64) -> ProgressBar {
    bar(
        what,
        total,
        "{msg} [{bar:30}] {human_pos}/{human_len} {per_sec} {eta} left",
    )
}

fn bar(what: &'static str, total: u64, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total).with_message(what);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
