//! Sockets: the accept loop, HTTP connections and their bounds, and who answers which path.

pub mod admin;
mod entrance;
mod listen;
pub mod pages;
mod proxy_protocol;
mod redirect;
mod reports;
mod stream;
pub mod tls;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::STRICT_TRANSPORT_SECURITY;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::policy::Scheme;
use crate::transport::{Negotiator, Peer};
use entrance::TurnedAway;
use listen::HouseRules;
pub use listen::{Listener, bind, bind_for, raise_file_limit, url};
use pages::Pages;
use stream::Stream;

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

/// Serves connections, from one listener or several.
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
    pub async fn run(&self, listener: impl Into<Listener>) {
        let Listener { socket, house_rules } = listener.into();
        let house_rules = Arc::new(house_rules);
        let Shared { slots, connections, stopping, .. } = &*self.shared;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = accept(&socket, slots) => accepted,
            };
            match accepted {
                Ok((tcp, remote, slot)) => {
                    pause = SHORTEST_PAUSE;
                    let (server, house_rules) = (self.clone(), Arc::clone(&house_rules));
                    connections.spawn(async move {
                        server.serve(tcp, remote, &house_rules).await;
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

    async fn serve(&self, tcp: TcpStream, remote: SocketAddr, rules: &HouseRules) {
        let _ = tcp.set_nodelay(true);
        // Over a dual-stack socket IPv4 peers come in IPv6 clothes.
        let mut peer = Peer { remote: remote.ip().to_canonical(), scheme: Scheme::Http };
        if rules.entrance.is_open() {
            return self.speak_http(Stream::plain(tcp, peer.remote), peer, rules).await;
        }
        // Boxed, so that its memory goes when it is over.
        let admitted = Box::pin(self.admit(tcp, &mut peer, rules)).await;
        if let Some(stream) = admitted {
            self.speak_http(stream, peer, rules).await;
        }
    }

    /// Does what comes before HTTP. `None` if the connection came no further.
    async fn admit(&self, tcp: TcpStream, peer: &mut Peer, rules: &HouseRules) -> Option<Stream> {
        let patience = self.shared.limits.header_timeout;
        let admitted = tokio::select! {
            admitted = tokio::time::timeout(patience, rules.entrance.admit(tcp, peer)) => admitted,
            () = self.shared.stopping.cancelled() => return None,
        };
        let turned_away = match admitted.unwrap_or(Err(TurnedAway::Slow)) {
            Ok(stream) => return Some(stream),
            Err(turned_away) => turned_away,
        };
        turned_away.log(peer.remote);
        if let TurnedAway::HttpOnTls(tcp) = turned_away {
            entrance::say_https(tcp, patience).await;
        }
        None
    }

    async fn speak_http(&self, stream: Stream, peer: Peer, rules: &HouseRules) {
        let limits = &self.shared.limits;
        let service = service_fn(|request| self.answer(request, peer, rules));
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
        rules: &HouseRules,
    ) -> Result<Answer, Infallible> {
        if let Some(port) = rules.redirect_to {
            return Ok(redirect::answer(&request, port));
        }
        let mut answer = self.serve_path(request, peer).await;
        if let (Some(hsts), Scheme::Https) = (&rules.hsts, peer.scheme) {
            answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        Ok(answer)
    }

    async fn serve_path(&self, request: http::Request<Incoming>, peer: Peer) -> Answer {
        let Shared { mount, negotiator, .. } = &*self.shared;
        let path = request.uri().path();
        let below = path.strip_prefix(mount).map(str::to_owned);
        let response = match below.as_deref() {
            Some("") => Some(negotiator.serve(request, peer).await),
            // Generation 0.9 has its protocol number for the next segment, as nothing else has.
            Some(below) if below.starts_with(|c: char| c.is_ascii_digit()) => {
                negotiator.serve_0_9(request, below, peer).await
            }
            _ => return self.page(request, peer).await,
        };
        let response = response.map(|response| {
            response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
        });
        response.unwrap_or_else(|| pages::not_found(mount))
    }

    async fn page(&self, request: http::Request<Incoming>, peer: Peer) -> Answer {
        let Shared { mount, negotiator, pages, .. } = &*self.shared;
        let Some(pages) = pages else { return pages::not_found(mount) };
        let (headers, path) = (request.headers(), request.uri().path());
        let welcome = negotiator.gate().welcome(headers, path, peer);
        pages.answer(request, welcome).await
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
