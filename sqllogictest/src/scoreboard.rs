//! The report as text for people.

use std::fmt::Write;

use crate::score::{Reason, Report, percent};

/// Files named in the list of the worst.
const WORST_MAX: usize = 20;
/// Causes named.
const CAUSES_MAX: usize = 15;

/// The scoreboard: totals, misses by reason, the commonest causes, the worst
/// files.
pub fn scoreboard(report: &Report) -> String {
    let mut out = String::new();
    let totals = &report.totals;
    let version: String = report
        .server_version
        .split(',')
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut line = |text: String| {
        let _infallible = writeln!(out, "{text}");
    };
    line(format!("server   {version}"));
    line(format!("target   {}", report.target));
    line(format!(
        "files    {} of {} without a miss, {:.1} s",
        totals.clean_files, totals.files, report.seconds
    ));
    line(format!(
        "records  {} of {} as expected ({:.3} %), {} not for us, {} never sent",
        totals.passed, totals.records, totals.percent, totals.skipped, totals.not_reached
    ));
    if !report.reasons.is_empty() {
        line("\nmisses".to_owned());
        for reason in Reason::ALL {
            if let Some(count) = report.reasons.get(&reason) {
                line(format!("{count:>9}  {}", reason.words()));
            }
        }
        line("\ncommonest causes".to_owned());
        for cause in report.causes.iter().take(CAUSES_MAX) {
            line(format!(
                "{:>9}  {}  (first: {})",
                cause.count, cause.cause, cause.example
            ));
        }
    }
    let mut worst: Vec<_> = report.files.iter().filter(|f| !f.is_clean()).collect();
    worst.sort_by_key(|f| std::cmp::Reverse(f.records - f.passed));
    if !worst.is_empty() {
        line("\nfiles with misses".to_owned());
        for file in worst.iter().take(WORST_MAX) {
            let why = file
                .given_up
                .as_deref()
                .map(|w| format!(" – {w}"))
                .unwrap_or_default();
            line(format!(
                "{:>8.3} %  {} of {}  {}{why}",
                percent(file.passed, file.records),
                file.passed,
                file.records,
                file.file
            ));
        }
        if worst.len() > WORST_MAX {
            line(format!("           … and {} more", worst.len() - WORST_MAX));
        }
    }
    out
}

/// The first misses in full, as a person fixing them wants to see them.
pub fn first_misses(report: &Report, max: usize) -> String {
    let mut out = String::new();
    let misses = report
        .files
        .iter()
        .flat_map(|f| f.misses.iter().map(move |m| (f, m)));
    for (file, miss) in misses.take(max) {
        let _infallible = writeln!(
            out,
            "\n{}:{}  {}",
            file.file,
            miss.line,
            miss.reason.words()
        );
        for (name, text) in [
            ("sql", Some(&miss.sql)),
            ("message", miss.message.as_ref()),
            ("expected", miss.expected.as_ref()),
            ("actual", miss.actual.as_ref()),
        ] {
            if let Some(text) = text {
                let state = match (name, &miss.sqlstate) {
                    ("message", Some(state)) => format!("{state} "),
                    _ => String::new(),
                };
                let indented = text.replace('\n', "\n            ");
                let _infallible = writeln!(out, "  {name:<9} {state}{indented}");
            }
        }
    }
    out
}
