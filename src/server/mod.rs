//! Sockets: the accept loop, HTTP connections and their bounds, and who answers which path.

pub mod admin;
mod entrance;
pub(crate) mod head;
mod http1;
pub(crate) mod library;
mod listen;
pub mod pages;
pub(crate) mod proxy_protocol;
mod redirect;
mod reports;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::Either;
use http::StatusCode;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::policy::Scheme;
use crate::transport::{self, Answering, Foreign, Incoming, Link, Negotiator, Peer, Pipe, Request};
use entrance::TurnedAway;
use http1::{Http1, Next};
use library::Lent;
use listen::HouseRules;
pub use listen::{Listener, bind, bind_for, raise_file_limit, url};
use pages::Pages;

/// Bounds on connections and on requests.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// For the headers of a request, from the first moment that it can be expected.
    pub header_timeout: Duration,
    /// For the body of a request, from when its head is there.
    pub body_timeout: Duration,
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
            body_timeout: Duration::from_secs(30),
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
                    let served = self.clone().serve(tcp, remote, Arc::clone(&house_rules), slot);
                    connections.spawn(served);
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

    /// One connection's task. What it needs for a moment only is boxed, and what it is made of is kept
    /// small: most of them wait most of the time.
    fn serve(
        self,
        tcp: TcpStream,
        remote: SocketAddr,
        rules: Arc<HouseRules>,
        slot: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send {
        let _ = tcp.set_nodelay(true);
        // Over a dual-stack socket IPv4 peers come in IPv6 clothes.
        let mut peer = Peer { remote: remote.ip().to_canonical(), scheme: Scheme::Http };
        let admission = if rules.entrance.is_open() {
            Either::Left(Arc::new(Link::new(Pipe::plain(tcp))))
        } else {
            let (server, rules) = (self.clone(), Arc::clone(&rules));
            Either::Right(Box::pin(async move {
                let pipe = server.admit(tcp, &mut peer, &rules).await?;
                Some((Arc::new(Link::new(pipe)), peer))
            }))
        };
        async move {
            let link = match admission {
                Either::Left(link) => Some(link),
                Either::Right(admission) => admission.await.map(|(link, admitted)| {
                    peer = admitted;
                    link
                }),
            };
            if let Some(link) = link {
                self.speak_http(link, peer, &rules).await;
            }
            drop(slot);
        }
    }

    /// Does what comes before HTTP. `None` if the connection came no further.
    async fn admit(&self, tcp: TcpStream, peer: &mut Peer, rules: &HouseRules) -> Option<Pipe> {
        let patience = self.shared.limits.header_timeout;
        let admitted = tokio::select! {
            admitted = tokio::time::timeout(patience, rules.entrance.admit(tcp, peer)) => admitted,
            () = self.shared.stopping.cancelled() => return None,
        };
        let turned_away = match admitted.unwrap_or(Err(TurnedAway::Slow)) {
            Ok(pipe) => return Some(pipe),
            Err(turned_away) => turned_away,
        };
        turned_away.log(peer.remote);
        if let TurnedAway::HttpOnTls(tcp) = turned_away {
            entrance::say_https(tcp, patience).await;
        }
        None
    }

    async fn speak_http(&self, link: Arc<Link>, peer: Peer, rules: &HouseRules) {
        let mut http = self.http1(link, peer, rules);
        loop {
            // Who asks without a pause must not have the thread for itself.
            tokio::task::consume_budget().await;
            match http.next().await {
                Next::Request(asked) => {
                    let (request, answered) = asked.split();
                    let sending = match self.answer(request, peer) {
                        Answering::Ready(response) => {
                            http.begin(answered, rules.put_on(response, peer))
                        }
                        Answering::Waiting(response) => {
                            let response = response.await;
                            http.begin(answered, rules.put_on(response, peer))
                        }
                    };
                    if !http.finish(sending).await {
                        return;
                    }
                }
                Next::Foreign { read, whole } => {
                    let lent = Lent::new(read, whole, Arc::clone(&http.link));
                    match Box::pin(library::serve(self, lent, peer, rules)).await {
                        Some(more) => http.keep(&more),
                        None => return,
                    }
                }
                Next::Late => return Box::pin(http.refuse(late())).await,
                Next::Over => return,
            }
        }
    }

    fn http1(&self, link: Arc<Link>, peer: Peer, rules: &HouseRules) -> Http1<'_> {
        let Shared { limits, mount, stopping, .. } = &*self.shared;
        let fresh = rules.entrance.tls.is_none().then_some(peer.remote);
        // Who is only sent on is not for the engine.
        let mount = rules.redirect_to.is_none().then_some(*mount);
        Http1::new(link, fresh, limits, mount, stopping)
    }

    /// Answers a request for the engine.
    fn answer(&self, request: Request, peer: Peer) -> Answering {
        let Shared { mount, negotiator, .. } = &*self.shared;
        let below = request.uri().path().strip_prefix(mount).unwrap_or_default();
        if below.is_empty() {
            return negotiator.serve(request, peer);
        }
        let (below, mount, negotiator) = (below.to_owned(), *mount, negotiator.clone());
        Answering::Waiting(Box::pin(async move {
            let known = negotiator.serve_0_9(request, &below, peer).await;
            known.unwrap_or_else(|| pages::not_found(mount))
        }))
    }

    /// Answers a request that the HTTP library has read, whatever it is for.
    async fn answer_foreign(
        &self,
        request: http::Request<Foreign>,
        peer: Peer,
        rules: &HouseRules,
    ) -> Answer {
        if let Some(port) = rules.redirect_to {
            return redirect::answer(&request, port);
        }
        let Shared { mount, negotiator, pages, .. } = &*self.shared;
        if is_engines(mount, request.uri().path()) {
            let response = match self.answer(request.map(Incoming::Foreign), peer) {
                Answering::Ready(response) => response,
                Answering::Waiting(response) => response.await,
            };
            return library::dressed(rules.put_on(response, peer)).await;
        }
        let Some(pages) = pages else { return library::dressed(pages::not_found(mount)).await };
        let (headers, path) = (request.headers(), request.uri().path());
        let welcome = negotiator.gate().welcome(headers, path, peer);
        rules.put_on(pages.answer(request, welcome).await, peer)
    }
}

/// Whether a path is the engine's. Generation 0.9 has its protocol number behind the mount, as nothing
/// else has.
fn is_engines(mount: &str, path: &str) -> bool {
    path.strip_prefix(mount)
        .is_some_and(|below| below.is_empty() || below.starts_with(|c: char| c.is_ascii_digit()))
}

/// What is said to a request whose head does not come to its end.
fn late() -> transport::Response {
    let text = "the request did not come whole in time\n";
    transport::http::response(StatusCode::REQUEST_TIMEOUT, "text/plain; charset=utf-8", text)
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, remote) = listener.accept().await?;
    Ok((stream, remote, slot))
}
