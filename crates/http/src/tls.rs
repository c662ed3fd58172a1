//! Certificates from files, and what they become when the files change.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// What a server offers to speak once a connection is secure, the best first.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
pub(crate) const HTTP2: &[u8] = b"h2";

/// Where the certificate and its key are; all files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those that vouch for it.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// Authorities whose certificates clients have to present; without it, clients need none.
    pub client_authorities: Option<PathBuf>,
}

impl TlsFiles {
    fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_authorities).map(PathBuf::as_path)
    }
}

/// A certificate that cannot be used.
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    why: String,
}

impl TlsError {
    fn new(file: &Path, why: impl fmt::Display) -> Self {
        TlsError { file: file.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}: {}", self.file.display(), self.why)
    }
}

impl std::error::Error for TlsError {}

/// What makes connections secure: TLS 1.2 and 1.3 with the certificate that the files held last.
pub struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
    /// What the files looked like when they were read last, usable or not.
    seen: Mutex<Vec<Stamp>>,
}

/// What tells one content of a file from the next without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Names the file and what is wrong with it: it cannot be read, it holds no certificate or no key, or the key is of
    /// another certificate.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        // Before the files are read, so that a change in between is noticed later.
        let seen = stamps(&files)?;
        let config = read(&files)?;
        Ok(Tls { files, config: RwLock::new(Arc::new(config)), seen: Mutex::new(seen) })
    }

    /// Reads the files again if they have changed, and tells whether connections from now on see something new.
    ///
    /// # Errors
    /// As of [`load`](Tls::load); the old certificate stays in use, and the files are not read again until they change.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.files)?;
        if *seen == now {
            return Ok(false);
        }
        *seen = now;
        let config = Arc::new(read(&self.files)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(true)
    }

    /// Looks at the files for ever, every so often, and says in the log what came of it.
    pub async fn watch(self: Arc<Self>, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let tls = self.clone();
            let reloaded = tokio::task::spawn_blocking(move || tls.reload()).await;
            match reloaded {
                Ok(Ok(true)) => tracing::info!("the certificate has changed"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the old certificate stays in use"),
                Err(panic) => tracing::error!(%panic, "could not look at the certificate"),
            }
        }
    }

    /// Returns what a connection that begins now is made secure with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn stamps(files: &TlsFiles) -> Result<Vec<Stamp>, TlsError> {
    let stamp = |file: &Path| -> io::Result<Stamp> {
        let metadata = fs::metadata(file)?;
        Ok(Stamp { inode: metadata.ino(), length: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) })
    };
    files.all().map(|file| stamp(file).map_err(|error| TlsError::new(file, error))).collect()
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certificate = |error: &dyn fmt::Display| TlsError::new(&files.certificate, error);
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| TlsError::new(&files.key, error))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| certificate(&error))?;
    let builder = match &files.client_authorities {
        Some(file) => builder
            .with_client_cert_verifier(client_verifier(file, provider).map_err(|error| TlsError::new(file, error))?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| certificate(&format_args!("does not go with the key in {}: {error}", files.key.display())))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // Clients come back without a whole handshake, and the server remembers nothing for that.
    config.ticketer = Ticketer::new().map_err(|error| certificate(&error))?;
    Ok(config)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|error| TlsError::new(file, error))?;
    if all.is_empty() {
        return Err(TlsError::new(file, "there is no certificate in it"));
    }
    Ok(all)
}

fn client_verifier(
    file: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, String> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(file).map_err(|error| error.why)? {
        authorities.add(certificate).map_err(|error| error.to_string())?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(authorities.into(), provider);
    verifier.build().map_err(|error| error.to_string())
}
