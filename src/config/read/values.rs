//! Values that several sections have.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use crate::config::document::Document;
use crate::config::problem::Problem;

/// An address to listen on; `None`: a problem was recorded.
pub(super) fn address(
    doc: &mut Document<'_>,
    section: &'static str,
    key: &'static str,
    default: &str,
) -> Option<SocketAddr> {
    let text = match doc.string(section, key) {
        Some(text) => text,
        None if doc.line(section, key).is_none() => default.to_owned(),
        None => return None,
    };
    let parsed = text.parse();
    if parsed.is_err() {
        let why = format!("`{text}` is not an address; write an IP and a port: \"0.0.0.0:7001\"");
        doc.refuse(section, key, &why);
    }
    parsed.ok()
}

/// The address that the environment `variable` says instead of the file, if it is
/// set; `None`: a problem was recorded.
pub(super) fn overridden(
    doc: &mut Document<'_>,
    from_file: Option<SocketAddr>,
    variable: &'static str,
    value: Option<&str>,
) -> Option<SocketAddr> {
    let Some(text) = value else {
        return from_file;
    };
    let parsed = text.parse();
    if parsed.is_err() {
        let message = format!(
            "{variable} is `{text}`, which is not an address; set an IP and a port: 0.0.0.0:7001"
        );
        doc.problems.push(Problem::of_file(message));
    }
    parsed.ok()
}

/// A number within limits; `None`: a problem was recorded.
pub(super) fn number(
    doc: &mut Document<'_>,
    section: &'static str,
    key: &'static str,
    default: u64,
    limits: RangeInclusive<u64>,
) -> Option<u64> {
    let Some(value) = doc.number(section, key) else {
        return doc.line(section, key).is_none().then_some(default);
    };
    if limits.contains(&value) {
        return Some(value);
    }
    let why = format!("must be between {} and {}", limits.start(), limits.end());
    doc.refuse(section, key, &why);
    None
}
