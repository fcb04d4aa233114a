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
use crate::http::conn::{Http1, NextRequest};
use crate::http::fallback::{self, Answer, SharedIo};
use crate::http::head::is_engines;
use crate::http::{self as web, HyperBody, Incoming, Request, Response, ResponseFuture, host};
use crate::negotiate::Negotiator;
use crate::net::first_bytes::FirstBytes;
use crate::net::slots::{Admission, NoSlot, Slot, Slots, WAIT};
use crate::net::{ByteStream, ConnWriter};
use crate::policy::{Client, Scheme};
use crate::transport::Error;
use acceptor::AcceptError;
use listen::ListenerConfig;
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
        let Listener { socket, config } = listener.into();
        let config = Arc::new(config);
        let Shared { slots, no_slot, connections, stopping, .. } = &*self.shared;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            let (server, config) = (self.clone(), Arc::clone(&config));
            match accepted {
                Ok((tcp, remote)) => {
                    pause = SHORTEST_PAUSE;
                    match slots.admit(self.bucket(remote.ip(), &config)) {
                        Admission::Slot(slot) => {
                            connections.spawn(server.serve(tcp, remote, config, slot));
                        }
                        Admission::Wait(room, why) => {
                            connections.spawn(server.wait(tcp, remote, config, room, why));
                        }
                        Admission::Full(why) => no_slot.turn_away(&tcp, why, &config),
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
        config: Arc<ListenerConfig>,
        mut slot: Slot,
    ) -> impl Future<Output = ()> + Send {
        let _ = tcp.set_nodelay(true);
        let mut peer = peer(remote);
        let admission = if config.acceptor.is_open() {
            Either::Left(Arc::new(ConnWriter::new(ByteStream::plain(tcp), slot)))
        } else {
            let (server, config) = (self.clone(), Arc::clone(&config));
            Either::Right(Box::pin(async move {
                let pipe = server.admit(tcp, &mut peer, &config).await?;
                // Behind a proxy it is known only now for whom the connection is.
                let claimed = match server.bucket(peer.remote, &config) {
                    Some(bucket) if config.acceptor.proxies.is_some() => {
                        slot.claim(&server.shared.slots, bucket)
                    }
                    _ => Ok(()),
                };
                let writer = Arc::new(ConnWriter::new(pipe, slot));
                if let Err(why) = claimed {
                    server.refuse(writer, peer, &config, why).await;
                    return None;
                }
                Some((writer, peer))
            }))
        };
        async move {
            let writer = match admission {
                Either::Left(writer) => Some(writer),
                Either::Right(admission) => admission.await.map(|(writer, admitted)| {
                    peer = admitted;
                    writer
                }),
            };
            if let Some(writer) = writer {
                self.speak_http(writer, peer, &config).await;
            }
        }
    }

    /// Has a connection wait for a slot, and refuses it if there is none.
    async fn wait(
        self,
        tcp: TcpStream,
        remote: SocketAddr,
        config: Arc<ListenerConfig>,
        room: OwnedSemaphorePermit,
        why: NoSlot,
    ) {
        let Shared { slots, no_slot, connections, .. } = &*self.shared;
        let waited = match why {
            NoSlot::AllTaken => slots.wait(self.bucket(remote.ip(), &config)).await,
            // Others of its address may stay for hours.
            NoSlot::Share => Err(why),
        };
        let why = match waited {
            Ok(slot) => {
                connections.spawn(self.clone().serve(tcp, remote, config, slot));
                return;
            }
            Err(why) => why,
        };
        let mut peer = peer(remote);
        let refuse = async {
            match self.admit(tcp, &mut peer, &config).await {
                Some(pipe) => {
                    self.refuse(Arc::new(ConnWriter::new(pipe, None)), peer, &config, why).await;
                }
                None => no_slot.count(why),
            }
        };
        let _ = tokio::time::timeout(WAIT, refuse).await;
        drop(room);
    }

    /// Refuses a connection for which there is no slot, in at most [`WAIT`].
    async fn refuse(
        &self,
        writer: Arc<ConnWriter>,
        peer: Peer,
        config: &ListenerConfig,
        why: NoSlot,
    ) {
        let response = config.put_on(self.shared.no_slot.refuse(why), peer);
        let mut http = self.http1(writer, peer.remote, config);
        let _ = tokio::time::timeout(WAIT, http.refuse(response)).await;
    }

    /// Whose share of the connections one of `remote` is of. That of a trusted proxy is of whoever is
    /// behind it, and so of nobody that is known yet.
    fn bucket(&self, remote: IpAddr, config: &ListenerConfig) -> Option<IpAddr> {
        let remote = remote.to_canonical();
        let speaks_for_others =
            config.acceptor.proxies.as_ref().is_some_and(|proxies| proxies.contains(remote));
        (!speaks_for_others && !self.shared.negotiator.gate().trusts(remote))
            .then(|| Client::Address(remote).bucket())
    }

    /// Does what comes before HTTP. `None` if the connection came no further.
    async fn admit(
        &self,
        tcp: TcpStream,
        peer: &mut Peer,
        config: &ListenerConfig,
    ) -> Option<ByteStream> {
        let patience = self.shared.limits.header_timeout;
        let admitted = tokio::select! {
            admitted = tokio::time::timeout(patience, config.acceptor.admit(tcp, peer)) => admitted,
            () = self.shared.stopping.cancelled() => return None,
        };
        let error = match admitted.unwrap_or(Err(AcceptError::Slow)) {
            Ok(pipe) => return Some(pipe),
            Err(error) => error,
        };
        error.log(peer.remote);
        if let AcceptError::HttpOnTls(tcp) = error {
            acceptor::say_https(tcp, patience).await;
        }
        None
    }

    async fn speak_http(&self, writer: Arc<ConnWriter>, peer: Peer, config: &ListenerConfig) {
        let mut http = self.http1(writer, peer.remote, config);
        loop {
            // Who asks without a pause must not have the thread for itself.
            tokio::task::consume_budget().await;
            match http.next().await {
                NextRequest::Request(asked) => {
                    let (request, answered) = asked.split();
                    let sending = match self.answer(request, peer) {
                        ResponseFuture::Ready(response) => {
                            http.begin(answered, config.put_on(response, peer))
                        }
                        ResponseFuture::Waiting(response) => {
                            let response = response.await;
                            http.begin(answered, config.put_on(response, peer))
                        }
                    };
                    if !http.finish(sending).await {
                        return;
                    }
                }
                NextRequest::Unsupported { read, whole } => {
                    let lent = SharedIo::new(read, whole, Arc::clone(&http.writer));
                    let Shared { limits, stopping, .. } = &*self.shared;
                    let writer = Arc::clone(&http.writer);
                    let answer = |request| self.answer_foreign(request, &writer, peer, config);
                    let served = fallback::serve(lent, peer.remote, limits, stopping, answer);
                    match Box::pin(served).await {
                        Some(more) => http.keep(&more),
                        None => return,
                    }
                }
                NextRequest::OtherProtocol(first) => {
                    return turn_away(&http.writer, &first, peer.remote);
                }
                NextRequest::Late => return Box::pin(http.refuse(late())).await,
                NextRequest::Over => return,
            }
        }
    }

    fn http1(&self, writer: Arc<ConnWriter>, remote: IpAddr, config: &ListenerConfig) -> Http1<'_> {
        let Shared { limits, mount, stopping, .. } = &*self.shared;
        let fresh = config.acceptor.tls.is_none();
        // Who is only sent on is not for the engine.
        let mount = config.redirect_to.is_none().then_some(*mount);
        Http1::new(writer, remote, fresh, limits, mount, stopping)
    }

    /// Answers a request for the engine.
    fn answer(&self, request: Request, peer: Peer) -> ResponseFuture {
        let Shared { mount, negotiator, .. } = &*self.shared;
        let below = request.uri().path().strip_prefix(mount).unwrap_or_default();
        if below.is_empty() {
            return negotiator.serve(request, peer);
        }
        let (below, mount, negotiator) = (below.to_owned(), *mount, negotiator.clone());
        ResponseFuture::Waiting(Box::pin(async move {
            let known = negotiator.serve_0_9(request, &below, peer).await;
            known.unwrap_or_else(|| pages::not_found(mount))
        }))
    }

    /// Answers a request that the HTTP library has read, whatever it is for.
    async fn answer_foreign(
        &self,
        request: http::Request<HyperBody>,
        writer: &Arc<ConnWriter>,
        peer: Peer,
        config: &ListenerConfig,
    ) -> Answer {
        if let Err(reason) = host::check(request.headers(), request.version()) {
            debug!(remote = %peer.remote, reason, "request refused");
            let mut refusal = Error::bad_request(reason).json();
            refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return fallback::dressed(config.put_on(refusal, peer)).await;
        }
        if let Some(port) = config.redirect_to {
            return redirect::answer(&request, port);
        }
        let Shared { mount, negotiator, pages, .. } = &*self.shared;
        if is_engines(mount, request.uri().path()) {
            let response = match self.answer(request.map(Incoming::Hyper), peer) {
                ResponseFuture::Ready(response) => response,
                ResponseFuture::Waiting(response) => response.await,
            };
            let response = fallback::awaited(response, writer).await;
            return fallback::dressed(config.put_on(response, peer)).await;
        }
        let Some(pages) = pages else { return fallback::dressed(pages::not_found(mount)).await };
        let (headers, path) = (request.headers(), request.uri().path());
        let welcome = negotiator.gate().welcome(headers, path, peer);
        config.put_on(pages.answer(request, welcome).await, peer)
    }
}

fn peer(remote: SocketAddr) -> Peer {
    // Over a dual-stack socket IPv4 peers come in IPv6 clothes.
    Peer { remote: remote.ip().to_canonical(), scheme: Scheme::Http }
}

/// Ends a connection that begins with another protocol.
fn turn_away(writer: &ConnWriter, first: &FirstBytes, remote: IpAddr) {
    let Some(error) = AcceptError::from_plain(first) else { return };
    error.log(remote);
    if let Some(alert) = error.alert() {
        // There is room for it: nothing has been written yet.
        writer.write(|out| out.extend_from_slice(alert));
    }
}

/// What is said to a request whose head does not come to its end.
fn late() -> Response {
    let text = "the request did not come whole in time\n";
    web::response(StatusCode::REQUEST_TIMEOUT, "text/plain; charset=utf-8", text)
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
