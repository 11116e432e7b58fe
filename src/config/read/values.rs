//! Values that several sections have.

use std::net::SocketAddr;

use crate::config::document::Document;

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
