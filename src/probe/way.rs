//! The way to a server: its addresses, TCP and TLS. Each connection is a new one, because a proxy may
//! treat each in its own way.

use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use super::target::Target;
use super::tls::{Certificate, Tls, Trust};

/// Addresses of a name that are tried.
const ADDRESSES: usize = 8;

/// Bytes both ways, over TLS or not.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}
pub(super) type Link = Box<dyn Io>;

/// A way whose addresses are known.
pub(super) struct Way {
    /// The name that TLS and HTTP ask for: that of the address that people use, if this is a way past
    /// its proxies.
    pub host: String,
    name: Option<ServerName<'static>>,
    addresses: Vec<SocketAddr>,
    tls: Option<Tls>,
    /// A secret goes this way: only a certificate that is right is taken.
    is_secret: bool,
    pub patience: Duration,
}

/// What a TLS handshake showed.
pub(super) struct Seen {
    pub version: String,
    pub alpn: Option<String>,
    pub certificate: Option<Certificate>,
    pub took: Duration,
}

impl Seen {
    /// Fails unless this machine trusts the certificate.
    fn trusted(&self) -> Result<(), Failure> {
        match &self.certificate {
            Some(Certificate { trust: Trust::Good, .. }) => Ok(()),
            Some(Certificate { trust, reason, .. }) => {
                let why = format!("the certificate is not trusted ({}): {reason}", trust.fact());
                Err(Failure::garbled(why))
            }
            None => Err(Failure::garbled("there is no certificate")),
        }
    }
}

/// All addresses of a name.
pub(super) async fn resolve(
    target: &Target,
    patience: Duration,
) -> Result<Vec<SocketAddr>, Failure> {
    let found = timeout(patience, lookup_host((target.host.as_str(), target.port))).await;
    let found = match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(Failure::cut(error.to_string())),
        Err(_) => return Err(Failure::timeout()),
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found.take(ADDRESSES * 4) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses.truncate(ADDRESSES);
    if addresses.is_empty() { Err(Failure::cut("the name has no address")) } else { Ok(addresses) }
}

impl Way {
    /// A way to `target`, for clients that ask for `public`.
    pub fn new(
        target: &Target,
        public: &Target,
        addresses: Vec<SocketAddr>,
        patience: Duration,
    ) -> Self {
        let tls = target.secure.then(Tls::new);
        let name = match public.host.parse::<IpAddr>() {
            Ok(address) => Some(ServerName::IpAddress(address.into())),
            Err(_) => ServerName::try_from(public.host.clone()).ok(),
        };
        Way { host: public.host_header(), name, addresses, tls, is_secret: false, patience }
    }

    /// For what nobody else may read.
    pub fn for_secrets(self) -> Self {
        Way { is_secret: true, ..self }
    }

    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// From now on, only this address is used.
    pub fn settle_on(&mut self, address: SocketAddr) {
        self.addresses = vec![address];
    }

    pub async fn tcp(&self, address: SocketAddr) -> Result<(TcpStream, Duration), Failure> {
        let started = Instant::now();
        match timeout(self.patience, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                let _ = tcp.set_nodelay(true);
                Ok((tcp, started.elapsed()))
            }
            Ok(Err(error)) => Err(Failure::io(&error)),
            Err(_) => Err(Failure::timeout()),
        }
    }

    /// A TLS handshake that offers these protocols.
    pub async fn handshake(&self, tcp: TcpStream, alpn: &[&str]) -> Result<(Link, Seen), Failure> {
        let (Some(tls), Some(name)) = (&self.tls, self.name.clone()) else {
            return Err(Failure::garbled("the name cannot be in a certificate"));
        };
        let (config, seen) = tls.config(alpn).ok_or_else(|| Failure::garbled("no TLS"))?;
        let started = Instant::now();
        let connecting = TlsConnector::from(config).connect(name, tcp);
        let stream = match timeout(self.patience, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Failure::io(&error)),
            Err(_) => return Err(Failure::timeout()),
        };
        let took = started.elapsed();
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        let alpn = connection.alpn_protocol();
        let alpn = alpn.map(|name| String::from_utf8_lossy(name).into_owned());
        let certificate = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        let seen = Seen { version: version.to_owned(), alpn, certificate, took };
        Ok((Box::new(stream), seen))
    }

    /// A new connection for HTTP/1.1.
    pub async fn connect(&self) -> Result<Link, Failure> {
        let mut failure = Failure::timeout();
        for address in &self.addresses {
            match self.tcp(*address).await {
                Ok((tcp, _)) if self.tls.is_some() => {
                    let (link, seen) = self.handshake(tcp, &["http/1.1"]).await?;
                    return if self.is_secret { seen.trusted().map(|()| link) } else { Ok(link) };
                }
                Ok((tcp, _)) => return Ok(Box::new(tcp)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}
