//! TLS between nodes: each has a certificate of the cluster's own authority, and asks the other for one. New files take the
//! place of old ones for new connections.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tracing::{info, warn};

use crate::files::{self, Watch};
use crate::net::ByteStream;

/// Bytes of one file at most.
const LARGEST_FILE: u64 = 1 << 20;

/// Why TLS between nodes cannot be set up.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum NodeTlsError {
    #[error("{setting}: {} cannot be read: {why}", .path.display())]
    Unreadable { setting: &'static str, path: PathBuf, why: io::Error },
    #[error("{setting}: {} is not what it should be: {why}", .path.display())]
    Damaged { setting: &'static str, path: PathBuf, why: String },
    #[error("node-tls-cert: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The configurations of both sides. Clones share them, and new certificates reach all of them.
#[derive(Clone)]
pub struct NodeTls(Arc<Shared>);

struct Shared {
    paths: Paths,
    /// The files at the start.
    loaded: u64,
    current: ArcSwap<Both>,
}

struct Paths {
    cert: PathBuf,
    key: PathBuf,
    authorities: PathBuf,
}

struct Both {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// What is in the three files, or the first of them that cannot be read.
pub struct NodeTlsFiles(Result<Contents, NodeTlsError>);

#[derive(Hash)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    authorities: Vec<u8>,
}

impl NodeTlsFiles {
    fn at(Paths { cert, key, authorities }: &Paths) -> Self {
        let contents = || {
            Ok(Contents {
                cert: read("node-tls-cert", cert)?,
                key: read("node-tls-key", key)?,
                authorities: read("node-tls-ca", authorities)?,
            })
        };
        NodeTlsFiles(contents())
    }
}

impl Hash for NodeTlsFiles {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Ok(contents) => contents.hash(state),
            Err(error) => error.to_string().hash(state),
        }
    }
}

impl NodeTls {
    /// Loads three files in PEM form: this node's certificates, their key, and the authorities whose
    /// certificates the other nodes have.
    ///
    /// # Errors
    /// If a file cannot be read or used. The error is one line and names the file.
    pub fn load(cert: &Path, key: &Path, authorities: &Path) -> Result<Self, NodeTlsError> {
        let (cert, key, authorities) = (cert.to_owned(), key.to_owned(), authorities.to_owned());
        let paths = Paths { cert, key, authorities };
        let found = NodeTlsFiles::at(&paths);
        let loaded = files::fingerprint(&found);
        let current = ArcSwap::from_pointee(build(&paths, &found.0?)?);
        Ok(NodeTls(Arc::new(Shared { paths, loaded, current })))
    }

    /// Follows the files from what was loaded at the start.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn watch(&self) -> Watch<NodeTlsFiles> {
        let shared = Arc::clone(&self.0);
        Watch::new(shared.loaded, move || NodeTlsFiles::at(&shared.paths))
    }

    /// Takes what is in the files for new connections. If it cannot be used, what was before stays.
    pub fn take(&self, NodeTlsFiles(found): NodeTlsFiles) {
        match found.and_then(|contents| build(&self.0.paths, &contents)) {
            Ok(new) => {
                self.0.current.store(Arc::new(new));
                info!("certificates of nodes loaded");
            }
            Err(error) => warn!(%error, "new certificates of nodes refused, the old ones stay"),
        }
    }

    pub(super) async fn accept(&self, tcp: TcpStream) -> io::Result<ByteStream> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0.current.load().server));
        let stream = acceptor.accept(tcp).await?;
        let (tcp, tls) = stream.into_inner();
        Ok(ByteStream::encrypted(tcp, tls))
    }

    /// `host` is the name or the address that the other's certificate has to be for.
    pub(super) async fn connect(&self, host: &str, tcp: TcpStream) -> io::Result<ByteStream> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.0.current.load().client));
        let stream = connector.connect(name, tcp).await?;
        let (tcp, tls) = stream.into_inner();
        Ok(ByteStream::encrypted(tcp, tls))
    }
}

fn build(paths: &Paths, contents: &Contents) -> Result<Both, NodeTlsError> {
    let damaged = |setting, path: &Path, why: String| NodeTlsError::Damaged {
        setting,
        path: path.to_owned(),
        why,
    };
    let cert = certificates("node-tls-cert", &paths.cert, &contents.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|_| {
        damaged("node-tls-key", &paths.key, "there is no private key in PEM form".into())
    })?;
    let mut roots = RootCertStore::empty();
    for authority in certificates("node-tls-ca", &paths.authorities, &contents.authorities)? {
        roots.add(authority)?;
    }
    let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let verifier = verifier
        .build()
        .map_err(|error| damaged("node-tls-ca", &paths.authorities, error.to_string()))?;
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(cert.clone(), key.clone_key())?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(cert, key)?;
    Ok(Both { server: Arc::new(server), client: Arc::new(client) })
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, NodeTlsError> {
    let unreadable = |why| NodeTlsError::Unreadable { setting, path: path.to_owned(), why };
    files::read(path, LARGEST_FILE).map_err(unreadable)
}

fn certificates(
    setting: &'static str,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, NodeTlsError> {
    let damaged =
        |why: &str| NodeTlsError::Damaged { setting, path: path.to_owned(), why: why.to_owned() };
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match all {
        Ok(all) if all.is_empty() => Err(damaged("there is no certificate in PEM form")),
        Ok(all) => Ok(all),
        Err(_) => Err(damaged("it is not PEM")),
    }
}

impl fmt::Debug for NodeTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeTls").finish_non_exhaustive()
    }
}
