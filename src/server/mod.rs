//! Sockets: the accept loop, HTTP connections and their bounds, and who answers which path.

mod acceptor;
pub mod admin;
mod folder;
mod listen;
mod no_slot;
pub mod pages;
mod redirect;
mod reports;
pub mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::Either;
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::admission::Peer;
use crate::http::conn::{Http1, Next};
use crate::http::fallback::{self, Answer, Lent};
use crate::http::head::is_engines;
use crate::http::{self as web, Foreign, Incoming, Request, Response, host};
use crate::negotiate::{Answering, Negotiator};
use crate::net::first_bytes::First;
use crate::net::slots::{Admission, NoSlot, Slot, Slots, WAIT};
use crate::net::{Link, Pipe};
use crate::policy::{Client, Scheme};
use crate::transport::Error;
use acceptor::TurnedAway;
use listen::HouseRules;
pub use listen::{Listener, bind, bind_for, url};
use no_slot::Refusals;
pub use no_slot::raise_file_limit;
use pages::Pages;
pub use web::HttpLimits;

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
    no_slot: Refusals,
    connections: TaskTracker,
    stopping: CancellationToken,
}

impl Server {
    /// `mount` is the path of the engine, with a slash at both ends.
    pub fn new(
        mount: &'static str,
        negotiator: Negotiator,
        pages: impl Into<Option<Pages>>,
        limits: HttpLimits,
    ) -> Self {
        let slots = Slots::new(limits.max_connections, limits.max_connections_per_address);
        let (connections, stopping) = (TaskTracker::new(), CancellationToken::new());
        let pages = pages.into();
        let shared = Shared {
            mount,
            negotiator,
            pages,
            limits,
            slots,
            no_slot: Refusals::default(),
            connections,
            stopping,
        };
        Server { shared: Arc::new(shared) }
    }

    /// Accepts connections until [`Server::stop_accepting`].
    pub async fn run(&self, listener: impl Into<Listener>) {
        let Listener { socket, house_rules } = listener.into();
        let house_rules = Arc::new(house_rules);
        let Shared { slots, no_slot, connections, stopping, .. } = &*self.shared;
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
                    match slots.admit(self.bucket(remote.ip(), &house_rules)) {
                        Admission::Slot(slot) => {
                            connections.spawn(server.serve(tcp, remote, rules, slot));
                        }
                        Admission::Wait(room, why) => {
                            connections.spawn(server.wait(tcp, remote, rules, room, why));
                        }
                        Admission::Full(why) => no_slot.turn_away(&tcp, why, &rules),
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
        mut slot: Slot,
    ) -> impl Future<Output = ()> + Send {
        let _ = tcp.set_nodelay(true);
        let mut peer = peer(remote);
        let admission = if rules.entrance.is_open() {
            Either::Left(Arc::new(Link::new(Pipe::plain(tcp), slot)))
        } else {
            let (server, rules) = (self.clone(), Arc::clone(&rules));
            Either::Right(Box::pin(async move {
                let pipe = server.admit(tcp, &mut peer, &rules).await?;
                // Behind a proxy it is known only now for whom the connection is.
                let claimed = match server.bucket(peer.remote, &rules) {
                    Some(bucket) if rules.entrance.proxies.is_some() => {
                        slot.claim(&server.shared.slots, bucket)
                    }
                    _ => Ok(()),
                };
                let link = Arc::new(Link::new(pipe, slot));
                if let Err(why) = claimed {
                    server.refuse(link, peer, &rules, why).await;
                    return None;
                }
                Some((link, peer))
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
        why: NoSlot,
    ) {
        let Shared { slots, no_slot, connections, .. } = &*self.shared;
        let waited = match why {
            NoSlot::AllTaken => slots.wait(self.bucket(remote.ip(), &rules)).await,
            // Others of its address may stay for hours.
            NoSlot::Share => Err(why),
        };
        let why = match waited {
            Ok(slot) => {
                connections.spawn(self.clone().serve(tcp, remote, rules, slot));
                return;
            }
            Err(why) => why,
        };
        let mut peer = peer(remote);
        let refuse = async {
            match self.admit(tcp, &mut peer, &rules).await {
                Some(pipe) => {
                    self.refuse(Arc::new(Link::new(pipe, None)), peer, &rules, why).await;
                }
                None => no_slot.count(why),
            }
        };
        let _ = tokio::time::timeout(WAIT, refuse).await;
        drop(room);
    }

    /// Refuses a connection for which there is no slot, in at most [`WAIT`].
    async fn refuse(&self, link: Arc<Link>, peer: Peer, rules: &HouseRules, why: NoSlot) {
        let response = rules.put_on(self.shared.no_slot.refuse(why), peer);
        let mut http = self.http1(link, peer.remote, rules);
        let _ = tokio::time::timeout(WAIT, http.refuse(response)).await;
    }

    /// Whose share of the connections one of `remote` is of. That of a trusted proxy is of whoever is
    /// behind it, and so of nobody that is known yet.
    fn bucket(&self, remote: IpAddr, rules: &HouseRules) -> Option<IpAddr> {
        let remote = remote.to_canonical();
        let speaks_for_others =
            rules.entrance.proxies.as_ref().is_some_and(|proxies| proxies.contains(remote));
        (!speaks_for_others && !self.shared.negotiator.gate().trusts(remote))
            .then(|| Client::Address(remote).bucket())
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
            acceptor::say_https(tcp, patience).await;
        }
        None
    }

    async fn speak_http(&self, link: Arc<Link>, peer: Peer, rules: &HouseRules) {
        let mut http = self.http1(link, peer.remote, rules);
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
                    let Shared { limits, stopping, .. } = &*self.shared;
                    let link = Arc::clone(&http.link);
                    let answer = |request| self.answer_foreign(request, &link, peer, rules);
                    let served = fallback::serve(lent, peer.remote, limits, stopping, answer);
                    match Box::pin(served).await {
                        Some(more) => http.keep(&more),
                        None => return,
                    }
                }
                Next::OtherProtocol(first) => return turn_away(&http.link, &first, peer.remote),
                Next::Late => return Box::pin(http.refuse(late())).await,
                Next::Over => return,
            }
        }
    }

    fn http1(&self, link: Arc<Link>, remote: IpAddr, rules: &HouseRules) -> Http1<'_> {
        let Shared { limits, mount, stopping, .. } = &*self.shared;
        let fresh = rules.entrance.tls.is_none();
        // Who is only sent on is not for the engine.
        let mount = rules.redirect_to.is_none().then_some(*mount);
        Http1::new(link, remote, fresh, limits, mount, stopping)
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
            return fallback::dressed(rules.put_on(refusal, peer)).await;
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
            let response = fallback::awaited(response, link).await;
            return fallback::dressed(rules.put_on(response, peer)).await;
        }
        let Some(pages) = pages else { return fallback::dressed(pages::not_found(mount)).await };
        let (headers, path) = (request.headers(), request.uri().path());
        let welcome = negotiator.gate().welcome(headers, path, peer);
        rules.put_on(pages.answer(request, welcome).await, peer)
    }
}

fn peer(remote: SocketAddr) -> Peer {
    // Over a dual-stack socket IPv4 peers come in IPv6 clothes.
    Peer { remote: remote.ip().to_canonical(), scheme: Scheme::Http }
}

/// Ends a connection that begins with another protocol.
fn turn_away(link: &Link, first: &First, remote: IpAddr) {
    let Some(turned_away) = TurnedAway::from_plain(first) else { return };
    turned_away.log(remote);
    if let Some(alert) = turned_away.alert() {
        // There is room for it: nothing has been written yet.
        link.put(|out| out.extend_from_slice(alert));
    }
}

/// What is said to a request whose head does not come to its end.
fn late() -> Response {
    let text = "the request did not come whole in time\n";
    web::response(StatusCode::REQUEST_TIMEOUT, "text/plain; charset=utf-8", text)
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
