//! Sockets to listen on, and how connections that come by one are treated.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderValue, Response};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::acceptor::Acceptor;
use super::tls::Tls;
use crate::admission::Peer;
use crate::policy::{Networks, Scheme};

/// A socket that listens, and how connections that come by it are treated: in the simplest case, and
/// made from a [`TcpListener`], plain HTTP is spoken at once.
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) config: ListenerConfig,
}

/// What a connection meets with.
#[derive(Clone, Default)]
pub(super) struct ListenerConfig {
    pub acceptor: Acceptor,
    /// All requests are sent on to this port, by https.
    pub redirect_to: Option<u16>,
    /// Told with every answer that goes out by https.
    pub hsts: Option<HeaderValue>,
}

impl ListenerConfig {
    /// Adds what answers to `peer` carry by these config.
    pub fn put_on<B>(&self, mut response: Response<B>, peer: Peer) -> Response<B> {
        if let (Some(hsts), Scheme::Https) = (&self.hsts, peer.scheme) {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        response
    }
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Listener { socket, config: ListenerConfig::default() }
    }
}

impl Listener {
    /// Connections have to speak TLS.
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.config.acceptor.tls = Some(tls);
        self
    }

    /// Connections have to come from one of `proxies`, and begin with a PROXY header that tells for
    /// whom.
    pub fn behind_proxies(mut self, proxies: Networks) -> Self {
        self.config.acceptor.proxies = Some(Arc::new(proxies));
        self
    }

    /// Browsers that come by https are told to do so for `time` (RFC 6797).
    pub fn with_hsts(mut self, time: Duration) -> Self {
        self.config.hsts = HeaderValue::from_str(&format!("max-age={}", time.as_secs())).ok();
        self
    }

    /// Nothing is served: every request is sent on to the same host, by https and to `port`.
    pub fn redirecting_to(mut self, port: u16) -> Self {
        self.config.redirect_to = Some(port);
        self
    }

    /// The address to type into a browser. `host` is where it was asked to listen.
    ///
    /// # Errors
    /// If the system does not know the socket's address.
    pub fn url(&self, host: Option<&str>) -> io::Result<String> {
        let scheme = match self.config.acceptor.tls {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        };
        Ok(url_of(scheme, host, self.socket.local_addr()?))
    }
}

/// The address to type into a browser, of a plain listener.
pub fn url(host: Option<&str>, address: SocketAddr) -> String {
    url_of(Scheme::Http, host, address)
}

fn url_of(scheme: Scheme, host: Option<&str>, address: SocketAddr) -> String {
    match host {
        None => format!("{}://localhost:{}", scheme.name(), address.port()),
        Some(_) => format!("{}://{address}", scheme.name()),
    }
}

/// Binds to a host and port; without a host to all addresses, IPv6 and IPv4. `setting` is where the
/// port comes from.
///
/// # Errors
/// In one line, with what to do about it.
pub async fn bind_for(setting: &str, host: Option<&str>, port: u16) -> anyhow::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = match host {
        Some(host) => lookup_host((host, port))
            .await
            .map_err(|error| anyhow::anyhow!("host {host} is not known: {error}"))?
            .collect(),
        None => vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()],
    };
    let mut last = io::Error::other("no address");
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                last = error;
                break;
            }
            Err(error) => last = error,
        }
    }
    let advice = match last.kind() {
        io::ErrorKind::AddrInUse => {
            format!("it is in use: stop the other program, or choose another --{setting}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("it is not allowed: choose a --{setting} of 1024 or above")
        }
        _ => return Err(anyhow::anyhow!("cannot listen on port {port}: {last}")),
    };
    Err(anyhow::anyhow!("cannot listen on port {port}: {advice}"))
}

/// Binds as [`bind_for`] does, to what `port` says.
///
/// # Errors
/// In one line, with what to do about it.
pub async fn bind(host: Option<&str>, port: u16) -> anyhow::Result<TcpListener> {
    bind_for("port", host, port).await
}

/// Connections that may wait to be accepted; a crowd comes back at once after a restart.
const BACKLOG: u32 = 4096;

/// Bytes that the system may keep of each connection. By itself it would keep up to 4 MB, which nobody counts: some
/// hundred slow readers would have all that it has for TCP, and everybody would be slow.
const SEND_BUFFER: u32 = 64 * 1024;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // Before the first connection, for they have it from here.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.listen(BACKLOG)
}
