//! Sockets: the accept loop, HTTP connections and their bounds, and who answers which path.

pub mod admin;
mod entrance;
pub(crate) mod head;
mod host;
mod http1;
pub(crate) mod library;
mod listen;
pub mod pages;
pub(crate) mod proxy_protocol;
mod redirect;
mod reports;
mod slots;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::Either;
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::policy::Scheme;
use crate::transport::http::Error;
use crate::transport::{self, Answering, Foreign, Incoming, Link, Negotiator, Peer, Pipe, Request};
use entrance::TurnedAway;
use http1::{Http1, Next};
use library::Lent;
use listen::HouseRules;
pub use listen::{Listener, bind, bind_for, url};
use pages::Pages;
pub use slots::raise_file_limit;
use slots::{Admission, Slots, WAIT};

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
    /// Connections at once, streams and WebSockets among them. More wait for 2 s, a few at a time, and get 503
    /// then. Within the limit of open files: see [`raise_file_limit`].
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
    slots: Slots,
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
        let slots = Slots::new(limits.max_connections);
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
                accepted = socket.accept() => accepted,
            };
            let (server, rules) = (self.clone(), Arc::clone(&house_rules));
            match accepted {
                Ok((tcp, remote)) => {
                    pause = SHORTEST_PAUSE;
                    match slots.admit() {
                        Admission::Slot(slot) => {
                            connections.spawn(server.serve(tcp, remote, rules, slot));
                        }
                        Admission::Wait(room) => {
                            connections.spawn(server.wait(tcp, remote, rules, room));
                        }
                        Admission::Full => slots.turn_away(&tcp, &rules),
                    }
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
        let mut peer = peer(remote);
        let admission = if rules.entrance.is_open() {
            Either::Left(Arc::new(Link::new(Pipe::plain(tcp), slot)))
        } else {
            let (server, rules) = (self.clone(), Arc::clone(&rules));
            Either::Right(Box::pin(async move {
                let pipe = server.admit(tcp, &mut peer, &rules).await?;
                Some((Arc::new(Link::new(pipe, slot)), peer))
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
        }
    }

    /// Has a connection wait for a slot, and refuses it if there is none.
    async fn wait(
        self,
        tcp: TcpStream,
        remote: SocketAddr,
        rules: Arc<HouseRules>,
        room: OwnedSemaphorePermit,
    ) {
        let Shared { slots, connections, .. } = &*self.shared;
        if let Some(slot) = slots.wait().await {
            connections.spawn(self.clone().serve(tcp, remote, rules, slot));
            return;
        }
        let mut peer = peer(remote);
        let refuse = async {
            if let Some(pipe) = self.admit(tcp, &mut peer, &rules).await {
                let link = Arc::new(Link::new(pipe, room));
                self.http1(link, peer, &rules).refuse(slots.refuse()).await;
            } else {
                slots.count();
            }
        };
        let _ = tokio::time::timeout(WAIT, refuse).await;
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
        link: &Arc<Link>,
        peer: Peer,
        rules: &HouseRules,
    ) -> Answer {
        if let Err(reason) = host::check(request.headers(), request.version()) {
            debug!(remote = %peer.remote, reason, "request refused");
            let mut refusal = Error::bad_request(reason).json();
            refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return library::dressed(rules.put_on(refusal, peer)).await;
        }
        if let Some(port) = rules.redirect_to {
            return redirect::answer(&request, port);
        }
        let Shared { mount, negotiator, pages, .. } = &*self.shared;
        if is_engines(mount, request.uri().path()) {
            let response = match self.answer(request.map(Incoming::Foreign), peer) {
                Answering::Ready(response) => response,
                Answering::Waiting(response) => response.await,
            };
            let response = library::awaited(response, link).await;
            return library::dressed(rules.put_on(response, peer)).await;
        }
        let Some(pages) = pages else { return library::dressed(pages::not_found(mount)).await };
        let (headers, path) = (request.headers(), request.uri().path());
        let welcome = negotiator.gate().welcome(headers, path, peer);
        rules.put_on(pages.answer(request, welcome).await, peer)
    }
}

fn peer(remote: SocketAddr) -> Peer {
    // Over a dual-stack socket IPv4 peers come in IPv6 clothes.
    Peer { remote: remote.ip().to_canonical(), scheme: Scheme::Http }
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
