//! Whether a certificate comes from our authority.
//!
//! Names are another matter (`names.rs`). webpki decides about certificates of X.509
//! version 3. Of version 1 it knows nothing, and `openssl x509 -req` without extensions
//! makes just those (before OpenSSL 3.2): they are taken when an authority itself has
//! signed them, with an algorithm that is not of yesterday.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

use super::names::check_name;

/// The authorities that are believed.
#[derive(Debug)]
pub(super) struct Chain {
    roots: Arc<RootCertStore>,
    certificates: Vec<CertificateDer<'static>>,
    clients: Arc<dyn ClientCertVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Which side shows the certificate.
#[derive(Clone, Copy)]
enum Side {
    Dialler,
    Listener,
}

impl Chain {
    /// # Errors
    /// What is wrong with an authority, in words.
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|e| e.to_string())?;
        }
        let roots = Arc::new(roots);
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
        Ok(Self {
            roots,
            certificates,
            clients: clients.build().map_err(|e| e.to_string())?,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    fn verify(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
        side: Side,
    ) -> Result<(), Error> {
        let parsed = parse(end)?;
        if parsed.version() == X509Version::V1 {
            return self.verify_v1(&parsed, now);
        }
        let verdict = match side {
            Side::Dialler => self.clients.verify_client_cert(end, between, now).map(drop),
            Side::Listener => verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end)?,
                &self.roots,
                between,
                now,
                self.algorithms.all,
            ),
        };
        match verdict {
            // An authority that was made anew has the name of the old one, and another key.
            Err(Error::InvalidCertificate(CertificateError::BadSignature)) => {
                Err(CertificateError::UnknownIssuer.into())
            }
            verdict => verdict,
        }
    }

    /// A certificate without extensions: dates, and the signature of an authority.
    fn verify_v1(&self, end: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
        let algorithms = [
            oid::OID_PKCS1_SHA256WITHRSA,
            oid::OID_PKCS1_SHA384WITHRSA,
            oid::OID_PKCS1_SHA512WITHRSA,
            oid::OID_SIG_ECDSA_WITH_SHA256,
            oid::OID_SIG_ECDSA_WITH_SHA384,
            oid::OID_SIG_ED25519,
        ];
        let modern = algorithms.contains(&end.signature_algorithm.algorithm);
        let signed = modern && self.certificates.iter().any(|root| has_signed(root, end));
        if !signed {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < end.validity().not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > end.validity().not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        Ok(())
    }

    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let parsed = parse(certificate)?;
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }
}

fn has_signed(root: &CertificateDer<'_>, end: &X509Certificate<'_>) -> bool {
    parse(root).is_ok_and(|root| {
        root.subject().as_raw() == end.issuer().as_raw()
            && end.verify_signature(Some(root.public_key())).is_ok()
    })
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(CertificateError::BadEncoding.into()),
    }
}

/// The key a certificate is for, as DER.
pub(super) fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    parse(certificate)
        .ok()
        .map(|parsed| parsed.public_key().raw.to_vec())
}

/// TLS 1.2 is not spoken.
fn tls12() -> Error {
    Error::General("TLS 1.2 is not spoken".into())
}

/// The listener's side: who dials says in its Hello who it is, so names are checked there.
impl ClientCertVerifier for Chain {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, now, Side::Dialler)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A certificate that names somebody else.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongName(String);

/// The dialler's side: a certificate from our authority that names who is dialled.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) chain: Arc<Chain>,
    pub(super) name: String,
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.chain
            .verify(end_entity, intermediates, now, Side::Listener)?;
        check_name(end_entity, &self.name)
            .map_err(|why| CertificateError::Other(OtherError(Arc::new(WrongName(why)))))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.algorithms.supported_schemes()
    }
}
