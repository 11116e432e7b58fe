//! TLS settings of the listener, made from PEM files.

use std::io;
use std::sync::Arc;

use pgwire::api::auth::sasl::scram::ScramServerAuth;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// The protocol name PostgreSQL registered for ALPN.
const ALPN: &[u8] = b"postgresql";

/// A certificate chain and its key, ready for handshakes.
#[derive(Clone)]
pub struct TlsSettings {
    config: Arc<ServerConfig>,
    scram: ScramServerAuth,
}

impl std::fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSettings")
            .field("channel_binding", &self.scram.supports_channel_binding())
            .finish_non_exhaustive()
    }
}

impl TlsSettings {
    /// Reads a PEM certificate chain (the server's own first) and a PEM key.
    ///
    /// TLS 1.3 only, unless `allow_tls12`.
    ///
    /// # Errors
    ///
    /// `InvalidData` when a file holds no certificate or no key, or when the
    /// two do not belong together.
    pub fn from_pem(chain_pem: &[u8], key_pem: &[u8], allow_tls12: bool) -> io::Result<Self> {
        Self::build(chain_pem, key_pem, None, allow_tls12)
    }

    /// As [`Self::from_pem`], and clients must show a certificate that an
    /// authority in `client_ca_pem` has signed. They still log in as a role.
    ///
    /// # Errors
    ///
    /// As [`Self::from_pem`], and when there is no authority in the file.
    pub fn from_pem_verifying_clients(
        chain_pem: &[u8],
        key_pem: &[u8],
        client_ca_pem: &[u8],
        allow_tls12: bool,
    ) -> io::Result<Self> {
        Self::build(chain_pem, key_pem, Some(client_ca_pem), allow_tls12)
    }

    fn build(
        chain_pem: &[u8],
        key_pem: &[u8],
        client_ca_pem: Option<&[u8]>,
        allow_tls12: bool,
    ) -> io::Result<Self> {
        let chain = certificates(chain_pem, "TLS certificate")?;
        let key =
            PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| invalid("TLS key", error))?;
        let versions: &[&rustls::SupportedProtocolVersion] = if allow_tls12 {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        } else {
            &[&rustls::version::TLS13]
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = match client_ca_pem {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(pem) => client_verifier(pem, &provider)?,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| invalid("TLS versions", error))?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .map_err(|error| invalid("TLS certificate and key", error))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(TlsSettings {
            config: Arc::new(config),
            scram: channel_binding(chain_pem),
        })
    }

    /// The acceptor for one handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    /// SCRAM with this certificate's channel binding.
    pub(super) fn scram(&self) -> &ScramServerAuth {
        &self.scram
    }
}

fn certificates(pem: &[u8], what: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(what, error))?;
    if found.is_empty() {
        return Err(invalid(what, "the file holds none"));
    }
    Ok(found)
}

fn client_verifier(
    ca_pem: &[u8],
    provider: &Arc<CryptoProvider>,
) -> io::Result<Arc<dyn ClientCertVerifier>> {
    const WHAT: &str = "certificate authority of clients";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem, WHAT)? {
        roots
            .add(certificate)
            .map_err(|error| invalid(WHAT, error))?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| invalid(WHAT, error))?;
    Ok(verifier)
}

/// Channel binding hashes the certificate with the hash of its own signature.
/// Ed25519 names none (RFC 5929, section 4.1): plain SCRAM is offered then, as
/// clients could not compute the binding either.
fn channel_binding(chain_pem: &[u8]) -> ScramServerAuth {
    let mut scram = ScramServerAuth::new();
    if let Err(error) = scram.configure_certificate(chain_pem) {
        tracing::warn!(%error, "no channel binding with this certificate");
    }
    scram
}

fn invalid(what: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn an_ecdsa_certificate_brings_channel_binding() {
        let (chain, key) = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        let settings = TlsSettings::from_pem(chain.as_bytes(), key.as_bytes(), false).unwrap();
        assert!(settings.scram().supports_channel_binding());
    }

    #[test]
    fn an_ed25519_certificate_works_without_channel_binding() {
        let (chain, key) = certificate(&rcgen::PKCS_ED25519);
        let settings = TlsSettings::from_pem(chain.as_bytes(), key.as_bytes(), false).unwrap();
        assert!(!settings.scram().supports_channel_binding());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (chain, _) = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        let (_, key) = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert!(TlsSettings::from_pem(chain.as_bytes(), key.as_bytes(), false).is_err());
    }

    #[test]
    fn files_without_pem_are_refused() {
        let (chain, key) = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert!(TlsSettings::from_pem(b"", key.as_bytes(), false).is_err());
        assert!(TlsSettings::from_pem(chain.as_bytes(), b"nothing", false).is_err());
    }
}
