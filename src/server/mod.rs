//! Sockets: the accept loop, HTTP connections and their bounds, and who answers which path.

pub mod admin;
pub mod pages;
mod reports;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::policy::Scheme;
use crate::transport::{Negotiator, Peer};
use pages::Pages;

/// Bounds on connections and on what comes before a request's body.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// For the headers of a request, from the first moment that it can be expected.
    pub header_timeout: Duration,
    pub max_headers: usize,
    /// Bytes of the request line and all headers.
    pub max_header_bytes: usize,
    /// Connections at once. More stay in the listen queue of the system.
    pub max_connections: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            header_timeout: Duration::from_secs(10),
            max_headers: 64,
            max_header_bytes: 16 * 1024,
            max_connections: 100_000,
        }
    }
}

/// Serves one listener.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    mount: &'static str,
    negotiator: Negotiator,
    pages: Option<Pages>,
    limits: HttpLimits,
    slots: Arc<Semaphore>,
    connections: TaskTracker,
    stopping: CancellationToken,
}

type Answer = http::Response<UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

impl Server {
    /// `mount` is the path of the engine, with a slash at both ends.
    pub fn new(
        mount: &'static str,
        negotiator: Negotiator,
        pages: impl Into<Option<Pages>>,
        limits: HttpLimits,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
        let (connections, stopping) = (TaskTracker::new(), CancellationToken::new());
        let pages = pages.into();
        let shared = Shared { mount, negotiator, pages, limits, slots, connections, stopping };
        Server { shared: Arc::new(shared) }
    }

    /// Accepts connections until [`Server::stop_accepting`].
    pub async fn run(&self, listener: TcpListener) {
        let Shared { slots, connections, stopping, .. } = &*self.shared;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = accept(&listener, slots) => accepted,
            };
            match accepted {
                Ok((stream, remote, slot)) => {
                    pause = SHORTEST_PAUSE;
                    let server = self.clone();
                    connections.spawn(async move {
                        server.serve(stream, remote).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, mostly: it passes when somebody leaves.
                    warn!(%error, ?pause, "cannot accept");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Ends [`Server::run`], and each connection after the request that it is answering.
    pub fn stop_accepting(&self) {
        self.shared.stopping.cancel();
        self.shared.connections.close();
    }

    /// Waits, at most `patience`, until all connections have ended. Upgraded ones count among the
    /// engine's sessions, not here.
    pub async fn drained(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.shared.connections.wait()).await;
    }

    async fn serve(&self, stream: TcpStream, remote: SocketAddr) {
        let _ = stream.set_nodelay(true);
        // Over a dual-stack socket IPv4 peers come in IPv6 clothes.
        let peer = Peer { remote: remote.ip().to_canonical(), scheme: Scheme::Http };
        let limits = &self.shared.limits;
        let service = service_fn(|request| self.answer(request, peer));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_headers(limits.max_headers)
            .max_header_size(limits.max_header_bytes)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.shared.stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(remote = %peer.remote, %error, "connection ended");
        }
    }

    async fn answer(
        &self,
        request: http::Request<Incoming>,
        peer: Peer,
    ) -> Result<Answer, Infallible> {
        let Shared { mount, negotiator, .. } = &*self.shared;
        let path = request.uri().path();
        let below = path.strip_prefix(mount).map(str::to_owned);
        let response = match below.as_deref() {
            Some("") => Some(negotiator.serve(request, peer).await),
            // Generation 0.9 has its protocol number for the next segment, as nothing else has.
            Some(below) if below.starts_with(|c: char| c.is_ascii_digit()) => {
                negotiator.serve_0_9(request, below, peer).await
            }
            _ => return Ok(self.page(request, peer).await),
        };
        let response = response.map(|response| {
            response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
        });
        Ok(response.unwrap_or_else(|| pages::not_found(mount)))
    }

    async fn page(&self, request: http::Request<Incoming>, peer: Peer) -> Answer {
        let Shared { mount, negotiator, pages, .. } = &*self.shared;
        let Some(pages) = pages else { return pages::not_found(mount) };
        let (headers, path) = (request.headers(), request.uri().path());
        let allowed = negotiator.gate().transports_for(headers, path, peer);
        pages.answer(request, allowed).await
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, remote) = listener.accept().await?;
    Ok((stream, remote, slot))
}

/// Binds to a host and port; without a host to all addresses, IPv6 and IPv4.
///
/// # Errors
/// In one line, with what to do about it.
pub async fn bind(host: Option<&str>, port: u16) -> anyhow::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = match host {
        Some(host) => lookup_host((host, port))
            .await
            .map_err(|error| anyhow::anyhow!("host {host} is not known: {error}"))?
            .collect(),
        None => vec![
            (std::net::Ipv6Addr::UNSPECIFIED, port).into(),
            (std::net::Ipv4Addr::UNSPECIFIED, port).into(),
        ],
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
            "it is in use: stop the other program, or choose another --port"
        }
        io::ErrorKind::PermissionDenied => "it is not allowed: choose a --port of 1024 or above",
        _ => return Err(anyhow::anyhow!("cannot listen on port {port}: {last}")),
    };
    Err(anyhow::anyhow!("cannot listen on port {port}: {advice}"))
}

/// Connections that may wait to be accepted; a crowd comes back at once after a restart.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address.ip() {
        IpAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        IpAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The address to type into a browser.
pub fn url(host: Option<&str>, address: SocketAddr) -> String {
    match host {
        None => format!("http://localhost:{}", address.port()),
        Some(_) => format!("http://{address}"),
    }
}

/// Asks the system for as many open files as there may be connections.
pub fn raise_file_limit(connections: usize) {
    let wanted = connections as u64 + 256;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => {
            info!(limit, wanted, "the system allows fewer open files than max-connections");
        }
        Ok(_) => {}
        Err(error) => warn!(%error, "cannot raise the limit of open files"),
    }
}
