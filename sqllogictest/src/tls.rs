//! libpq's `sslmode` and `sslrootcert`, done with rustls.
//!
//! The meanings are libpq's (documentation of PostgreSQL 15, "SSL Support",
//! table 34.1): `require` encrypts without asking who answers, unless a root
//! certificate is given; `verify-ca` checks the chain; `verify-full` checks the
//! host name too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::error::{Error, Result};

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS when the server offers it, without checks.
    Prefer,
    /// TLS or nothing; the chain is checked when a root certificate is given.
    Require,
    /// TLS, and the chain must end in the root certificate.
    VerifyCa,
    /// As `VerifyCa`, and the certificate must name the host.
    VerifyFull,
}

impl SslMode {
    /// Reads libpq's spelling. `allow` counts as `prefer`: both end unencrypted
    /// or unverified as the server likes.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            other => {
                return Err(Error::Tls(format!(
                    "sslmode \"{other}\" is none of disable, allow, prefer, require, verify-ca, verify-full"
                )));
            }
        })
    }
}

/// The TLS client configuration for a mode, or `None` when TLS is off.
pub fn client_config(mode: SslMode, root: Option<&PathBuf>) -> Result<Option<ClientConfig>> {
    if mode == SslMode::Disable {
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let checks = match (mode, root) {
        (SslMode::VerifyFull, Some(path)) => Checks::Full(roots(path, &provider)?),
        (SslMode::VerifyCa | SslMode::Require, Some(path)) => {
            Checks::Chain(roots(path, &provider)?)
        }
        (SslMode::VerifyFull | SslMode::VerifyCa, None) => {
            return Err(Error::Tls(
                "sslmode verify-ca and verify-full need sslrootcert".into(),
            ));
        }
        _ => Checks::None,
    };
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Tls(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { checks, provider }))
        .with_no_client_auth();
    Ok(Some(config))
}

/// The certificates of a PEM file, as those a chain may end in.
fn roots(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Roots> {
    let unreadable =
        |e: &dyn std::fmt::Display| Error::Tls(format!("sslrootcert {}: {e}", path.display()));
    let mut store = RootCertStore::empty();
    let mut pinned = Vec::new();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))? {
        let certificate = certificate.map_err(|e| unreadable(&e))?;
        store.add(certificate.clone()).map_err(|e| unreadable(&e))?;
        pinned.push(certificate);
    }
    let web = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()
        .map_err(|e| unreadable(&e))?;
    Ok(Roots { web, pinned })
}

#[derive(Debug)]
struct Roots {
    web: Arc<WebPkiServerVerifier>,
    /// As in OpenSSL, a certificate that is itself in the file is trusted,
    /// also when it is marked as an authority (rustls alone refuses that one).
    pinned: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
enum Checks {
    None,
    Chain(Roots),
    Full(Roots),
}

#[derive(Debug)]
struct Verifier {
    checks: Checks,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let (roots, names_matter) = match &self.checks {
            Checks::None => return Ok(ServerCertVerified::assertion()),
            Checks::Chain(roots) => (roots, false),
            Checks::Full(roots) => (roots, true),
        };
        let verdict = roots.web.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !names_matter => Ok(ServerCertVerified::assertion()),
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if roots
                    .pinned
                    .iter()
                    .any(|c| c.as_ref() == end_entity.as_ref()) =>
            {
                if names_matter {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
