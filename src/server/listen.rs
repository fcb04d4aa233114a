//! Listening sockets and their configuration.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::acceptor::Acceptor;
use super::tls::Tls;
use crate::policy::{Networks, Scheme};

/// A listening socket and its configuration. One made from a [`TcpListener`] speaks plain HTTP.
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) config: ListenerConfig,
}

/// How a listener treats its connections.
#[derive(Clone, Default)]
pub(super) struct ListenerConfig {
    pub acceptor: Acceptor,
    /// All requests are redirected to https on this port.
    pub redirect_to: Option<u16>,
    /// The `Strict-Transport-Security` header of every response on an https connection.
    pub hsts: Option<HeaderValue>,
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Listener { socket, config: ListenerConfig::default() }
    }
}

impl Listener {
    /// Requires TLS.
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.config.acceptor.tls = Some(tls);
        self
    }

    /// Requires connections to come from one of `proxies` and to start with a PROXY header.
    pub fn behind_proxies(mut self, proxies: Networks) -> Self {
        self.config.acceptor.proxies = Some(Arc::new(proxies));
        self
    }

    /// Tells browsers on https connections to use only https for `time` (RFC 6797).
    pub fn with_hsts(mut self, time: Duration) -> Self {
        self.config.hsts = HeaderValue::from_str(&format!("max-age={}", time.as_secs())).ok();
        self
    }

    /// Redirects every request to https on the same host and `port`, and serves nothing else.
    pub fn redirecting_to(mut self, port: u16) -> Self {
        self.config.redirect_to = Some(port);
        self
    }

    /// The URL to open in a browser. `host` is the configured host, `None` for all addresses.
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

/// The URL to open in a browser, of a plain listener.
pub fn url(host: Option<&str>, address: SocketAddr) -> String {
    url_of(Scheme::Http, host, address)
}

fn url_of(scheme: Scheme, host: Option<&str>, address: SocketAddr) -> String {
    match host {
        None => format!("{}://localhost:{}", scheme.name(), address.port()),
        Some(_) => format!("{}://{address}", scheme.name()),
    }
}

/// Binds to a host and port; without a host, to all IPv6 and IPv4 addresses. `setting` is the name
/// of the port's setting, for errors.
///
/// # Errors
/// If the port cannot be used. The error is one line and names a remedy.
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

/// [`bind_for`] with the setting `port`.
///
/// # Errors
/// As [`bind_for`].
pub async fn bind(host: Option<&str>, port: u16) -> anyhow::Result<TcpListener> {
    bind_for("port", host, port).await
}

/// How many connections may wait to be accepted. After a restart, all clients reconnect at once.
const BACKLOG: u32 = 4096;

/// Send buffer of each connection in the kernel, in bytes. The default grows to 4 MB, which no
/// bound of ours counts: a few hundred slow readers would use up the kernel's TCP memory.
const SEND_BUFFER: u32 = 64 * 1024;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // Accepted connections inherit it, so it is set before the first one.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.listen(BACKLOG)
}
