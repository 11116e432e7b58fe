//! Certificates as a small organisation would make them: one authority that
//! signs servers and clients.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

/// The files of an authority, a server and a client.
pub struct Certificates {
    pub ca: PathBuf,
    pub server: PathBuf,
    pub server_key: PathBuf,
    pub client: PathBuf,
    pub client_key: PathBuf,
}

/// Makes them in `dir`.
pub fn certificates(dir: &Path) -> Certificates {
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "Test authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let ca = dir.join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    let sign = |name: &str, usage: ExtendedKeyUsagePurpose| {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let (certificate_file, key_file) = (
            dir.join(format!("{name}.crt")),
            dir.join(format!("{name}.key")),
        );
        std::fs::write(&certificate_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let owner_only = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&key_file, owner_only).unwrap();
        (certificate_file, key_file)
    };
    let (server, server_key) = sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    let (client, client_key) = sign("client", ExtendedKeyUsagePurpose::ClientAuth);
    Certificates {
        ca,
        server,
        server_key,
        client,
        client_key,
    }
}
