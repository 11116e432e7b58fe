//! An authority, and certificates of all kinds.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PublicKeyData as _, SanType, SigningKey as _,
};
use tempfile::TempDir;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::transport::TlsFiles;

/// A folder, and the authority whose certificates are in it.
pub(super) struct Site {
    dir: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Site {
    pub(super) fn new() -> Self {
        Self::of("Authority")
    }

    pub(super) fn of(authority: &str) -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, authority);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        Self { dir, authority }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The authority's file.
    pub(super) fn authority(&self) -> std::path::PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Writes a certificate and its key. Two names of files may be issued again.
    pub(super) fn issue(
        &self,
        file: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> TlsFiles {
        let mut params = CertificateParams::default();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.write(file, &certificate.pem(), &key)
    }

    /// A certificate of X.509 version 1, as older versions of OpenSSL make them.
    pub(super) fn issue_v1(&self, file: &str, name: &str, until: &str) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let der = self.v1(&key, name, until);
        let text = pem("CERTIFICATE", &der);
        self.write(file, &text, &key)
    }

    fn write(&self, file: &str, certificate: &str, key: &KeyPair) -> TlsFiles {
        let files = TlsFiles {
            certificate: self.dir.path().join(format!("{file}-cert.pem")),
            key: self.dir.path().join(format!("{file}-key.pem")),
            authority: self.authority(),
        };
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn v1(&self, key: &KeyPair, name: &str, until: &str) -> Vec<u8> {
        const ECDSA_WITH_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 4, 3];
        let authority = self.authority.der().to_vec();
        let (_, authority) = X509Certificate::from_der(&authority).unwrap();
        let algorithm = der(0x30, &[ECDSA_WITH_SHA256]);
        let dates = der(
            0x30,
            &[
                &der(0x17, &[b"200101000000Z"]),
                &der(0x18, &[until.as_bytes()]),
            ],
        );
        let common = der(0x30, &[COMMON_NAME, &der(0x0c, &[name.as_bytes()])]);
        let subject = der(0x30, &[&der(0x31, &[&common])]);
        let issuer = authority.subject().as_raw();
        let spki = key.subject_public_key_info();
        let body = [
            &der(2, &[&[1]]),
            &algorithm,
            issuer,
            &dates,
            &subject,
            &spki,
        ];
        let body = der(0x30, &body);
        let signature = self.authority.key().sign(&body).unwrap();
        der(0x30, &[&body, &algorithm, &der(3, &[&[0], &signature])])
    }
}

/// One element of DER.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let len = content.len();
    let mut out = match len {
        0..128 => vec![tag, len as u8],
        128..256 => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    out.extend(content);
    out
}

fn pem(label: &str, der: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in der.chunks(3) {
        let word =
            three.iter().fold(0_u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place > three.len() {
                '='
            } else {
                letter.into()
            });
        }
    }
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|l| std::str::from_utf8(l).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

pub(super) fn dns(names: &[&str]) -> Vec<SanType> {
    let name = |name: &&str| SanType::DnsName((*name).try_into().unwrap());
    names.iter().map(name).collect()
}
