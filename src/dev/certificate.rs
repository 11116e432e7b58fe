//! The certificate of the client port.
//!
//! Two certificates, not one: a self-signed certificate that is both authority
//! and server satisfies OpenSSL, but rustls and Java refuse an authority as a
//! server. The authority signs once and its key is dropped, so nobody can sign
//! another certificate that the developer's clients would trust.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::{DevError, io_error, private_file};

/// The names a client may verify. Validity is rcgen's default (to the year
/// 4096): a developer's directory should not stop working on a Monday.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes `ca.crt`, `server.crt` and `server.key` unless all three are there.
pub(super) fn prepare(dir: &Path) -> Result<(), DevError> {
    let files = ["ca.crt", "server.crt", "server.key"].map(|name| dir.join(name));
    if files.iter().all(|file| file.exists()) {
        return Ok(());
    }
    let (ca, server, key) = make()?;
    for (file, text) in files.iter().zip([ca, server, key]) {
        private_file::replace(file, text.as_bytes()).map_err(|e| io_error(file, e))?;
    }
    Ok(())
}

/// The certificates of the replicas of a cluster.
pub(super) struct Replicas {
    /// The authority that signed them; its key is dropped.
    pub(super) authority: String,
    /// Certificate and key of each, in their order.
    pub(super) replicas: Vec<(String, String)>,
}

/// Makes certificates for replicas of these names. They are both clients and servers.
pub(super) fn replicas(names: &[String]) -> Result<Replicas, rcgen::Error> {
    let authority = authority("Kimberlite development cluster")?;
    let replica = |name: &String| {
        let mut params = CertificateParams::new(vec![name.clone()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?;
        Ok((certificate.pem(), key.serialize_pem()))
    };
    Ok(Replicas {
        replicas: names
            .iter()
            .map(replica)
            .collect::<Result<_, rcgen::Error>>()?,
        authority: authority.pem(),
    })
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(authority, KeyPair::generate()?)
}

fn make() -> Result<(String, String, String), rcgen::Error> {
    let authority = authority("Kimberlite development authority")?;

    let mut server = CertificateParams::new(NAMES.map(String::from))?;
    server
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    Ok((authority.pem(), certificate.pem(), key.serialize_pem()))
}
