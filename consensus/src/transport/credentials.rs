//! Certificate, key and authorities, read again when the files change.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};

use super::chain::{Chain, Expected, public_key};
use super::error::TransportError;
use super::options::TlsFiles;

/// What tells one state of a file from another: when it was written, its length, and which
/// file it is.
type Stamp = Option<(SystemTime, u64, u64)>;

/// The files, and the last of their contents that could be used.
pub(super) struct Credentials {
    files: TlsFiles,
    state: Mutex<([Stamp; 3], Arc<Loaded>)>,
}

impl Credentials {
    /// # Errors
    /// [`TransportError::Files`] when they cannot be read or do not belong together.
    pub(super) fn open(files: TlsFiles) -> Result<Self, TransportError> {
        let stamps = stamps(&files);
        let loaded = Loaded::read(&files).map_err(TransportError::Files)?;
        let state = Mutex::new((stamps, Arc::new(loaded)));
        Ok(Self { files, state })
    }

    /// What the files say now; if that cannot be used, what they said before. A state of the
    /// files that cannot be used is tried, and warned about, once.
    pub(super) fn current(&self) -> Arc<Loaded> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.files);
        if stamps != state.0 {
            state.0 = stamps;
            match Loaded::read(&self.files) {
                Ok(loaded) => {
                    state.1 = Arc::new(loaded);
                    tracing::info!("certificate, key and authority of the cluster read again");
                }
                Err(error) => tracing::warn!(
                    %error,
                    "the changed certificate, key or authority of the cluster cannot be used; \
                     the one before stays in use"
                ),
            }
        }
        Arc::clone(&state.1)
    }
}

fn stamps(files: &TlsFiles) -> [Stamp; 3] {
    [&files.certificate, &files.key, &files.authority].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    })
}

/// One state of the files, ready for handshakes.
pub(super) struct Loaded {
    provider: Arc<CryptoProvider>,
    own: Arc<SingleCertAndKey>,
    chain: Arc<Chain>,
    server: Arc<ServerConfig>,
}

impl Loaded {
    fn read(files: &TlsFiles) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = certificates(&files.authority)?;
        let chain = Chain::new(chain, &provider).map_err(|e| about(&files.authority, e))?;
        let chain = Arc::new(chain);
        let own = Arc::new(SingleCertAndKey::from(certified_key(files, &provider)?));
        let clients = Arc::clone(&chain);
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| e.to_string())?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::clone(&own) as _);
        // A resumed session would not show its certificate again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self {
            provider,
            own,
            chain,
            server: Arc::new(server),
        })
    }

    /// For who is dialled.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// For who dials a replica whose certificate has to name `name`.
    ///
    /// # Errors
    /// [`TransportError::Tls`] when rustls takes none of the settings.
    pub(super) fn client(&self, name: &str) -> Result<Arc<ClientConfig>, TransportError> {
        let expected = Expected {
            chain: Arc::clone(&self.chain),
            name: name.to_owned(),
        };
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| TransportError::Tls(e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(expected))
            .with_client_cert_resolver(Arc::clone(&self.own) as _);
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        Ok(Arc::new(client))
    }
}

fn certified_key(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let chain = certificates(&files.certificate)?;
    let pem = read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| about(&files.key, e))?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|e| about(&files.key, e))?;
    let certified = chain.first().and_then(public_key);
    let Some(certified) = certified else {
        return Err(about(&files.certificate, "not an X.509 certificate"));
    };
    if key
        .public_key()
        .is_some_and(|own| own.as_ref() != certified)
    {
        let why = format!(
            "not the key of the certificate in {}",
            files.certificate.display()
        );
        return Err(about(&files.key, why));
    }
    Ok(CertifiedKey::new(chain, key))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(about(path, "there is no certificate in it")),
        Err(error) => Err(about(path, error)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| about(path, e))
}

fn about(path: &Path, why: impl std::fmt::Display) -> String {
    format!("{}: {why}", path.display())
}
