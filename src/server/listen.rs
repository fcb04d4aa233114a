//! Listening sockets and their configuration.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::HeaderValue;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tracing::info;

use super::acceptor::Acceptor;
use super::tls::Tls;
use crate::policy::{Networks, Scheme};
use crate::relay::Node;

/// Listening sockets of one port, and their configuration. Made by [`bind`], or from a
/// [`TcpListener`]; it then speaks plain HTTP.
pub struct Listener {
    sockets: Vec<TcpListener>,
    /// The socket to accept from first, so that each has its turn.
    first: usize,
    pub(super) config: Arc<ListenerConfig>,
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
        Listener::on(vec![socket])
    }
}

impl Listener {
    fn on(sockets: Vec<TcpListener>) -> Self {
        Listener { sockets, first: 0, config: Arc::default() }
    }

    /// Requires TLS.
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.config_mut().acceptor.tls = Some(tls);
        self
    }

    /// Requires connections to come from one of `proxies` and to start with a PROXY header.
    pub fn behind_proxies(mut self, proxies: Networks) -> Self {
        self.config_mut().acceptor.proxies = Some(Arc::new(proxies));
        self
    }

    /// Tells browsers on https connections to use only https for `time` (RFC 6797).
    pub fn with_hsts(mut self, time: Duration) -> Self {
        self.config_mut().hsts = HeaderValue::from_str(&format!("max-age={}", time.as_secs())).ok();
        self
    }

    /// Lets only other nodes of the cluster connect, which pass on requests of their clients.
    pub fn for_nodes(mut self, node: Arc<Node>) -> Self {
        self.config_mut().acceptor.nodes = Some(node);
        self
    }

    /// Redirects every request to https on the same host and `port`, and serves nothing else.
    pub fn redirecting_to(mut self, port: u16) -> Self {
        self.config_mut().redirect_to = Some(port);
        self
    }

    fn config_mut(&mut self) -> &mut ListenerConfig {
        Arc::make_mut(&mut self.config)
    }

    /// The addresses that it listens on: one at least, all with the same port.
    ///
    /// # Errors
    /// If the system does not know the address of a socket.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(TcpListener::local_addr).collect()
    }

    /// The first of [`Listener::addresses`].
    ///
    /// # Errors
    /// If the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.addresses()?.first().copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The URL to open in a browser. `host` is the configured host, `None` for all addresses.
    ///
    /// # Errors
    /// If the system does not know the sockets' addresses.
    pub fn url(&self, host: Option<&str>) -> io::Result<String> {
        let scheme = if self.config.acceptor.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let address = self.local_addr()?;
        let place = match host {
            None => format!("localhost:{}", address.port()),
            Some(host) if self.sockets.len() > 1 => format!("{host}:{}", address.port()),
            Some(_) => address.to_string(),
        };
        Ok(format!("{}://{place}", scheme.name()))
    }

    /// Waits for a connection to any of the addresses.
    pub(super) async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            for n in 0..self.sockets.len() {
                let at = (self.first + n) % self.sockets.len();
                if let Poll::Ready(accepted) = self.sockets[at].poll_accept(cx) {
                    self.first = at + 1;
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Binds to a port of `host`, which is an address or a name: to all addresses that the name has, and
/// for `localhost` to those of both families. Without a host, binds to all IPv6 and IPv4 addresses.
/// `setting` is the name of the port's setting, for errors.
///
/// # Errors
/// If the port cannot be used. The error is one line, and names the address and a remedy.
pub async fn bind_for(setting: &str, host: Option<&str>, port: u16) -> io::Result<Listener> {
    let (addresses, all) = match host {
        None => (vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()], false),
        Some(host) => (addresses_of(host).await?, true),
    };
    let mut tries = if port == 0 { TRIES } else { 1 };
    loop {
        tries -= 1;
        match listen_on(&addresses, port, all) {
            Ok(sockets) => return Ok(Listener::on(sockets)),
            // The system chose a port that is free on the first address alone.
            Err((_, error)) if error.kind() == ErrorKind::AddrInUse && tries > 0 => {}
            Err((address, error)) => {
                let place = match host {
                    Some(_) => address.to_string(),
                    None => format!("port {port}"),
                };
                let why = format!("cannot listen on {place}: {}", advice(setting, &error));
                return Err(io::Error::new(error.kind(), why));
            }
        }
    }
}

/// [`bind_for`] with the setting `port`.
///
/// # Errors
/// As [`bind_for`].
pub async fn bind(host: Option<&str>, port: u16) -> io::Result<Listener> {
    bind_for("port", host, port).await
}

/// How often a port that the system chooses may be taken on another address.
const TRIES: usize = 16;

async fn addresses_of(host: &str) -> io::Result<Vec<IpAddr>> {
    // The system's file of hosts often has one of the families only, and browsers try both.
    if host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let found = lookup_host((host, 0)).await;
    let mut addresses = Vec::new();
    let unknown = |error: io::Error| {
        io::Error::new(error.kind(), format!("host {host} is not known: {error}"))
    };
    for found in found.map_err(unknown)? {
        if !addresses.contains(&found.ip()) {
            addresses.push(found.ip());
        }
    }
    Ok(addresses)
}

/// Listens on `all` addresses that this machine has, or else on the first of them.
fn listen_on(
    addresses: &[IpAddr],
    port: u16,
    all: bool,
) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut sockets = Vec::new();
    let mut absent = Vec::new();
    let mut port = port;
    for address in addresses {
        let address = SocketAddr::new(*address, port);
        match listen(address) {
            Ok(socket) if all => {
                port = socket.local_addr().map_or(port, |bound| bound.port());
                sockets.push(socket);
            }
            Ok(socket) => return Ok(vec![socket]),
            Err(error) if is_absent(&error) => absent.push((address, error)),
            Err(error) => return Err((address, error)),
        }
    }
    if sockets.is_empty() {
        let unknown = || ((Ipv4Addr::UNSPECIFIED, port).into(), ErrorKind::NotFound.into());
        return Err(absent.pop().unwrap_or_else(unknown));
    }
    for (address, error) in absent {
        info!(%address, %error, "no connections to this address: the system does not have it");
    }
    Ok(sockets)
}

/// Whether the error may be due to an address, or a family of addresses, that this machine does not have.
fn is_absent(error: &io::Error) -> bool {
    !matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

fn advice(setting: &str, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!("it is in use: stop the other program, or choose another --{setting}")
        }
        ErrorKind::PermissionDenied => {
            format!("it is not allowed: choose a --{setting} of 1024 or above")
        }
        ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    }
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
