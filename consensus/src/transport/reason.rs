//! What went wrong in a TLS handshake, in words that do not change from one try to the next.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why a connection under TLS broke.
pub(super) fn reason(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(Error::InvalidCertificate(why)) => certificate(why),
        Some(Error::AlertReceived(alert)) => received(*alert),
        Some(Error::NoCertificatesPresented) => "it shows no certificate".to_owned(),
        Some(Error::PeerIncompatible(_)) => "it does not speak TLS 1.3 as we do".to_owned(),
        Some(Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        Some(other) => other.to_string(),
        None => plain(error),
    }
}

/// Whether words about TLS fit, or those about a broken connection.
pub(super) fn is_tls(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(|inner| inner.downcast_ref::<Error>().is_some())
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "it reset the connection".to_owned()
        }
        _ => error.to_string(),
    }
}

/// What we find wrong with the other side's certificate. rustls's own words for dates tell
/// the time of the check.
fn certificate(why: &CertificateError) -> String {
    let what = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet"
        }
        CertificateError::UnknownIssuer => {
            "its certificate is not signed by an authority that is believed here"
        }
        CertificateError::BadSignature => "its certificate or its key is forged",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate may not be used for both ends of a connection (extendedKeyUsage)"
        }
        CertificateError::BadEncoding => "its certificate cannot be read",
        CertificateError::Other(other) => return other.0.to_string(),
        other => return format!("its certificate cannot be used: {other}"),
    };
    what.to_owned()
}

/// What the other side finds wrong with ours.
fn received(alert: AlertDescription) -> String {
    let what = match alert {
        AlertDescription::CertificateExpired => "it says that our certificate has expired",
        AlertDescription::UnknownCA => {
            "it says that our certificate is not signed by an authority it believes"
        }
        AlertDescription::CertificateUnknown => {
            "it refuses our certificate, which may not name this replica"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::DecryptError => "it refuses our certificate",
        AlertDescription::CertificateRequired => "it says that we show no certificate",
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3",
        other => return format!("it ended the TLS handshake: {other:?}"),
    };
    what.to_owned()
}
