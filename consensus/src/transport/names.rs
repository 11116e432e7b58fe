//! Whom a certificate names.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Checks that a certificate names `name`, a DNS name or an IP address.
///
/// It does when one of its subject alternative names equals it, case aside; `*` may stand
/// for the first label of a DNS name of at least three (RFC 6125). Only a certificate that
/// has no subject alternative names at all names what the common name of its subject says.
///
/// # Errors
/// Whom it names instead, in words.
pub(super) fn check_name(certificate: &CertificateDer<'_>, name: &str) -> Result<(), String> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|_| "its certificate cannot be read".to_owned())?;
    let alternatives = parsed
        .subject_alternative_name()
        .map_err(|_| "the alternative names of its certificate cannot be read".to_owned())?;
    let found = match alternatives {
        Some(extension) => {
            let names: Vec<Named<'_>> = extension
                .value
                .general_names
                .iter()
                .filter_map(Named::of)
                .collect();
            if names.iter().any(|named| named.is(name)) {
                return Ok(());
            }
            names.iter().map(ToString::to_string).collect::<Vec<_>>()
        }
        None => {
            let names: Vec<&str> = common_names(&parsed);
            if let [common] = names.as_slice()
                && common.eq_ignore_ascii_case(name)
            {
                return Ok(());
            }
            names.into_iter().map(str::to_owned).collect()
        }
    };
    Err(match found.as_slice() {
        [] => format!("its certificate names nobody, and has to name {name}"),
        found => format!(
            "its certificate names {}, and has to name {name}",
            printable(&found.join(", "))
        ),
    })
}

fn common_names<'a>(certificate: &'a X509Certificate<'_>) -> Vec<&'a str> {
    let subject = certificate.subject();
    subject
        .iter_common_name()
        .filter_map(|cn| cn.as_str().ok())
        .collect()
}

/// What goes to a log: bounded, without control characters.
fn printable(text: &str) -> String {
    text.chars()
        .take(200)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

enum Named<'a> {
    Dns(&'a str),
    Ip(IpAddr),
}

impl<'a> Named<'a> {
    fn of(name: &'a GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(dns) => Some(Self::Dns(dns)),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes)
                    .ok()
                    .map(|ip| Self::Ip(ip.into())),
                16 => <[u8; 16]>::try_from(*bytes)
                    .ok()
                    .map(|ip| Self::Ip(ip.into())),
                _ => None,
            },
            _ => None,
        }
    }

    fn is(&self, name: &str) -> bool {
        match (self, name.parse::<IpAddr>()) {
            (Self::Ip(own), Ok(ip)) => *own == ip,
            (Self::Dns(own), Err(_)) => dns_matches(own, name),
            _ => false,
        }
    }
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(dns) => f.write_str(dns),
            Self::Ip(ip) => write!(f, "{ip}"),
        }
    }
}

fn dns_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (without_dot(pattern), without_dot(name));
    if let Some(rest) = pattern.strip_prefix("*.") {
        return rest.contains('.')
            && name
                .split_once('.')
                .is_some_and(|(first, tail)| !first.is_empty() && tail.eq_ignore_ascii_case(rest));
    }
    !pattern.is_empty() && pattern.eq_ignore_ascii_case(name)
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
#[path = "tests/names.rs"]
mod tests;
