//! TLS: certificates and their keys, which of them answers for which name, and how new ones take
//! the place of old ones.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::files::{self, Watch};

/// Bytes of one file at most; a certificate chain has a few thousand.
const LARGEST_FILE: u64 = 1 << 20;

/// A certificate chain and its private key: two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The file of the certificates.
    pub cert: PathBuf,
    /// The file of the private key.
    pub key: PathBuf,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum TlsError {
    #[error("{setting}: {} cannot be read: {why}", .path.display())]
    Unreadable { setting: &'static str, path: PathBuf, why: io::Error },
    #[error("tls-cert: {} holds no certificate in PEM form", .path.display())]
    NoCertificate { path: PathBuf },
    #[error("tls-key: {} holds no private key in PEM form", .path.display())]
    NoKey { path: PathBuf },
    #[error("tls-key: {} is encrypted: a key without a passphrase is needed", .path.display())]
    EncryptedKey { path: PathBuf },
    #[error("{setting}: {} is damaged: {why}", .path.display())]
    Damaged { setting: &'static str, path: PathBuf, why: String },
    #[error("tls-key: {} is not the key of {}", .key.display(), .cert.display())]
    Mismatch { cert: PathBuf, key: PathBuf },
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// What TLS connections are accepted with. Clones share it, and new certificates reach all of them.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    pairs: Vec<Pair>,
    /// The files at the start.
    loaded: u64,
    current: RwLock<Current>,
}

/// What was loaded.
struct Current {
    config: Arc<ServerConfig>,
    names: Vec<String>,
    expiry: Option<u64>,
}

impl Tls {
    /// Loads the files. A connection gets the first pair whose certificate has the requested name
    /// (SNI), or else the first pair.
    ///
    /// # Errors
    /// If a file cannot be read or used. The error is one line and names the file.
    pub fn load(pairs: Vec<Pair>) -> Result<Self, TlsError> {
        let found = Found::at(&pairs);
        let loaded = files::fingerprint(&found);
        let current = RwLock::new(build(&pairs, &found.0?)?);
        Ok(Tls { shared: Arc::new(Shared { pairs, loaded, current }) })
    }

    /// When the first of the certificates expires, in seconds since 1970. `None` if none of them says so.
    pub fn expiry(&self) -> Option<u64> {
        self.shared.current.read().unwrap_or_else(PoisonError::into_inner).expiry
    }

    /// The names that the certificates are for.
    pub fn names(&self) -> Vec<String> {
        self.shared.current.read().unwrap_or_else(PoisonError::into_inner).names.clone()
    }

    /// Does the handshake with the current certificates.
    pub(super) fn accept(&self, tcp: TcpStream) -> tokio_rustls::Accept<TcpStream> {
        let current = self.shared.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current.config)).accept(tcp)
    }

    /// Follows the files from what was loaded at the start.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn watch(&self) -> Watch<Found> {
        let shared = Arc::clone(&self.shared);
        Watch::new(shared.loaded, move || Found::at(&shared.pairs))
    }

    /// Replaces the certificates for new connections. If the new ones are invalid, the old ones
    /// stay.
    pub fn take(&self, Found(files): Found) {
        let Shared { pairs, current, .. } = &*self.shared;
        match files.and_then(|files| build(pairs, &files)) {
            Ok(new) => {
                let list = new.names.join(",");
                *current.write().unwrap_or_else(PoisonError::into_inner) = new;
                // Only now: whoever reads this may connect and expect the new ones.
                info!(names = list, "certificates loaded");
            }
            Err(error) => warn!(%error, "new certificates refused, the old ones stay"),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("pairs", &self.shared.pairs).finish_non_exhaustive()
    }
}

/// What is in all files, or the first of them that cannot be read.
pub struct Found(Result<Vec<Files>, TlsError>);

/// What is in the two files of a pair.
#[derive(Hash)]
struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Found {
    fn at(pairs: &[Pair]) -> Self {
        let read = |setting, path: &Path| {
            let unreadable = |why| TlsError::Unreadable { setting, path: path.to_owned(), why };
            files::read(path, LARGEST_FILE).map_err(unreadable)
        };
        let files = pairs.iter().map(|Pair { cert, key }| {
            Ok(Files { cert: read("tls-cert", cert)?, key: read("tls-key", key)? })
        });
        Found(files.collect())
    }
}

impl Hash for Found {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Ok(files) => files.hash(state),
            Err(error) => error.to_string().hash(state),
        }
    }
}

/// The only ALPN protocol: the server does not implement HTTP/2.
const PROTOCOL: &[u8] = b"http/1.1";

fn build(pairs: &[Pair], files: &[Files]) -> Result<Current, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mut certificates = Certificates::default();
    for (pair, files) in pairs.iter().zip(files) {
        certificates.add(pair, files, &provider)?;
    }
    let (names, expiry) = (certificates.names.clone(), certificates.expiry);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    // Session tickets are stored by clients, so resumption needs no memory here.
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Setup)?;
    Ok(Current { config: Arc::new(config), names, expiry })
}

/// When a certificate expires, in seconds since 1970. The parser tells it to who checks the certificate
/// for a later time.
fn expiry(certificate: &webpki::EndEntityCert<'_>) -> Option<u64> {
    const YEAR_9999: Duration = Duration::from_secs(253_000_000_000);
    let then = UnixTime::since_unix_epoch(YEAR_9999);
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let usage = webpki::KeyUsage::server_auth();
    match certificate.verify_for_usage(algorithms, &[], &[], then, usage, None, None) {
        Err(webpki::Error::CertExpired { not_after, .. }) => Some(not_after.as_secs()),
        _ => None,
    }
}

/// Which certificate answers for which name.
#[derive(Debug, Default)]
struct Certificates {
    /// In the order of the settings.
    names: Vec<String>,
    /// The earliest of all, in seconds since 1970.
    expiry: Option<u64>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    fn add(&mut self, pair: &Pair, files: &Files, with: &CryptoProvider) -> Result<(), TlsError> {
        let damaged = |setting, path: &PathBuf, why: String| TlsError::Damaged {
            setting,
            path: path.clone(),
            why,
        };
        let Pair { cert, key } = pair;
        let chain = CertificateDer::pem_slice_iter(&files.cert).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|why| damaged("tls-cert", cert, in_words(&why)))?;
        let Some(end) = chain.first().cloned() else {
            return Err(TlsError::NoCertificate { path: cert.clone() });
        };
        let private = PrivateKeyDer::from_pem_slice(&files.key).map_err(|why| match why {
            pem::Error::NoItemsFound if is_encrypted(&files.key) => {
                TlsError::EncryptedKey { path: key.clone() }
            }
            pem::Error::NoItemsFound => TlsError::NoKey { path: key.clone() },
            why => damaged("tls-key", key, in_words(&why)),
        })?;
        let end = webpki::EndEntityCert::try_from(&end)
            .map_err(|why| damaged("tls-cert", cert, format!("{why:?}")))?;
        let names: Vec<String> = end.valid_dns_names().map(str::to_ascii_lowercase).collect();
        self.expiry = self.expiry.into_iter().chain(expiry(&end)).min();
        let certified = CertifiedKey::from_der(chain.clone(), private, with);
        let certified = Arc::new(certified.map_err(|why| match why {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { cert: cert.clone(), key: key.clone() }
            }
            rustls::Error::InvalidCertificate(why) => damaged("tls-cert", cert, format!("{why:?}")),
            rustls::Error::General(why) => damaged("tls-key", key, why),
            why => damaged("tls-key", key, why.to_string()),
        })?);
        for name in names {
            self.by_name.entry(name.clone()).or_insert_with(|| Arc::clone(&certified));
            self.names.push(name);
        }
        self.first.get_or_insert(certified);
        Ok(())
    }

    /// `asked` by its name, then by its place below a wildcard, which stands for one label.
    fn find(&self, asked: &str) -> Option<&Arc<CertifiedKey>> {
        let asked = asked.to_ascii_lowercase();
        self.by_name.get(&asked).or_else(|| {
            let (_, domain) = asked.split_once('.')?;
            self.by_name.get(&format!("*.{domain}"))
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello.server_name().and_then(|name| self.find(name));
        found.or(self.first.as_ref()).cloned()
    }
}

/// Whether a key is encrypted with a passphrase (PKCS #8 or traditional form).
fn is_encrypted(key: &[u8]) -> bool {
    let text = String::from_utf8_lossy(key);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// Describes an error without bytes of the file, which may be a private key.
fn in_words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end".into(),
        pem::Error::IllegalSectionStart { .. } => "a section begins wrongly".into(),
        pem::Error::Base64Decode(_) => "it is not base64".into(),
        other => other.to_string(),
    }
}
