//! How `kimberlite-cli` answers: text for people, one JSON object for programs.

use std::io::Write as _;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value;

/// `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object on standard output.
    Json,
}

/// Exit statuses of every `kimberlite-cli` command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Done, and all is well.
    Clean = 0,
    /// Done, and something is wrong with what was looked at.
    Wrong = 1,
    /// Could not be done.
    CouldNotRun = 2,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        Self::from(verdict as u8)
    }
}

/// The answer of a command.
pub(super) struct Answer {
    /// For people; lines without a final newline.
    pub(super) text: String,
    /// For programs.
    pub(super) json: Value,
    /// For shells.
    pub(super) verdict: Verdict,
}

impl Answer {
    /// Prints the answer. A closed pipe is not an error: the reader had enough.
    pub(super) fn print(&self, format: Format) -> Verdict {
        let mut out = std::io::stdout().lock();
        let _ = match format {
            Format::Text => writeln!(out, "{}", self.text),
            Format::Json => writeln!(out, "{:#}", self.json),
        };
        self.verdict
    }
}

/// Why a command could not run; the message names what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CouldNotRun(pub(super) String);

impl CouldNotRun {
    /// Says so in the format asked for.
    pub(super) fn print(&self, format: Format) -> Verdict {
        match format {
            Format::Text => eprintln!("kimberlite-cli: {self}"),
            Format::Json => {
                println!(
                    "{:#}",
                    serde_json::json!({ "result": "could not run", "error": self.0 })
                );
            }
        }
        Verdict::CouldNotRun
    }
}

/// `1234567` bytes as `1.2 MiB`, exact below one KiB.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "bytes" {
        format!("{count} bytes")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Microseconds since 1970 as `2026-11-22 18:05:57 UTC`.
///
/// The calendar is Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>): years begin in
/// March, so that the leap day is the last of its year.
pub(super) fn utc(timestamp_us: i64) -> String {
    let seconds = timestamp_us.div_euclid(1_000_000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_371_383, "2026-11-22 18:16:23 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds * 1_000_000), text);
        }
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(12_345_678), "12,345,678");
        assert_eq!(bytes(1023), "1023 bytes");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
    }
}
