//! TLS between nodes: each has a certificate of the cluster's own authority, and asks the other for one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::files;
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

/// The configurations of both sides. Clones share them.
#[derive(Clone)]
pub struct NodeTls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl NodeTls {
    /// Loads three files in PEM form: this node's certificates, their key, and the authorities whose
    /// certificates the other nodes have.
    ///
    /// # Errors
    /// If a file cannot be read or used. The error is one line and names the file.
    pub fn load(cert: &Path, key: &Path, authorities: &Path) -> Result<Self, NodeTlsError> {
        let cert = certificates("node-tls-cert", cert)?;
        let damaged = |why: String| NodeTlsError::Damaged {
            setting: "node-tls-key",
            path: key.to_owned(),
            why,
        };
        let key = PrivateKeyDer::from_pem_slice(&read("node-tls-key", key)?)
            .map_err(|_| damaged("there is no private key in PEM form".into()))?;
        let mut roots = RootCertStore::empty();
        for authority in certificates("node-tls-ca", authorities)? {
            roots.add(authority)?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifier = verifier.build().map_err(|error| NodeTlsError::Damaged {
            setting: "node-tls-ca",
            path: authorities.to_owned(),
            why: error.to_string(),
        })?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(cert.clone(), key.clone_key())?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(cert, key)?;
        Ok(NodeTls { server: Arc::new(server), client: Arc::new(client) })
    }

    pub(super) async fn accept(&self, tcp: TcpStream) -> io::Result<ByteStream> {
        let stream = TlsAcceptor::from(Arc::clone(&self.server)).accept(tcp).await?;
        let (tcp, tls) = stream.into_inner();
        Ok(ByteStream::encrypted(tcp, tls))
    }

    /// `host` is the name or the address that the other's certificate has to be for.
    pub(super) async fn connect(&self, host: &str, tcp: TcpStream) -> io::Result<ByteStream> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(&self.client)).connect(name, tcp).await?;
        let (tcp, tls) = stream.into_inner();
        Ok(ByteStream::encrypted(tcp, tls))
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, NodeTlsError> {
    let unreadable = |why| NodeTlsError::Unreadable { setting, path: path.to_owned(), why };
    files::read(path, LARGEST_FILE).map_err(unreadable)
}

fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, NodeTlsError> {
    let damaged =
        |why: &str| NodeTlsError::Damaged { setting, path: path.to_owned(), why: why.to_owned() };
    let bytes = read(setting, path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
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
