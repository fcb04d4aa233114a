//! One connection's task: PROXY header and TLS, the slot, then HTTP requests until the end.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::Either;
use http::StatusCode;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::debug;

use super::acceptor::{self, AcceptError};
use super::listen::ListenerConfig;
use super::{Server, Shared};
use crate::admission::Peer;
use crate::http::conn::{Http1, NextRequest, ParsedRequest};
use crate::http::{self as web, Receipt, Response, ResponseFuture};
use crate::net::first_bytes::FirstBytes;
use crate::net::slots::{NoSlot, Slot, WAIT};
use crate::net::{ByteStream, ConnWriter};
use crate::policy::{Client, Scheme};

/// After so long without the end of the connection, the client has got an answer: if it had closed
/// before, its system would have said so by a reset. What was answered is kept until then.
const SETTLED: Duration = Duration::from_secs(5);
/// The content type of refusals for people.
const TEXT: &str = "text/plain; charset=utf-8";

impl Server {
    /// One connection's task. The handshake's future is boxed and freed after it, and the rest is
    /// kept small, because most connections are idle most of the time.
    pub(super) fn serve(
        self,
        tcp: TcpStream,
        remote: SocketAddr,
        config: Arc<ListenerConfig>,
        mut slot: Slot,
    ) -> impl Future<Output = ()> + Send {
        let _ = tcp.set_nodelay(true);
        let mut peer = peer(remote);
        let accepted = if config.acceptor.is_plain() {
            Either::Left(Arc::new(ConnWriter::new(ByteStream::plain(tcp), slot)))
        } else {
            let (server, config) = (self.clone(), Arc::clone(&config));
            Either::Right(Box::pin(async move {
                let stream = server.accept(tcp, &mut peer, &config).await?;
                // Only the PROXY header names the client, so its share is taken after it.
                let claimed = match server.bucket(peer.remote, &config) {
                    Some(bucket) if config.acceptor.proxies.is_some() => {
                        slot.claim(&server.shared.slots, bucket)
                    }
                    _ => Ok(()),
                };
                let writer = Arc::new(ConnWriter::new(stream, slot));
                if let Err(why) = claimed {
                    server.refuse(writer, peer, &config, why).await;
                    return None;
                }
                Some((writer, peer))
            }))
        };
        async move {
            let writer = match accepted {
                Either::Left(writer) => Some(writer),
                Either::Right(accepting) => accepting.await.map(|(writer, accepted)| {
                    peer = accepted;
                    writer
                }),
            };
            if let Some(writer) = writer {
                self.serve_http(writer, peer, &config).await;
            }
        }
    }

    /// Waits for a slot, then serves the connection, or refuses it if no slot becomes free.
    /// `permit` bounds how many connections wait.
    pub(super) async fn wait_for_slot(
        self,
        tcp: TcpStream,
        remote: SocketAddr,
        config: Arc<ListenerConfig>,
        permit: OwnedSemaphorePermit,
        why: NoSlot,
    ) {
        let Shared { slots, no_slot, connections, negotiator, .. } = &*self.shared;
        let waited = match why {
            NoSlot::AllTaken => slots.wait(self.bucket(remote.ip(), &config)).await,
            // Waiting is useless: the other connections of the address may stay for hours.
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
            match self.accept(tcp, &mut peer, &config).await {
                Some(stream) => {
                    self.refuse(Arc::new(ConnWriter::new(stream, None)), peer, &config, why).await;
                }
                None => no_slot.count(why, peer.remote, negotiator.gate()),
            }
        };
        let _ = timeout(WAIT, refuse).await;
        drop(permit);
    }

    /// Refuses a connection that gets no slot, within [`WAIT`].
    async fn refuse(
        &self,
        writer: Arc<ConnWriter>,
        peer: Peer,
        config: &ListenerConfig,
        why: NoSlot,
    ) {
        let Shared { no_slot, negotiator, .. } = &*self.shared;
        let response = no_slot.refuse(why, peer.remote, negotiator.gate());
        let mut http = self.http1(writer, peer, config);
        let _ = timeout(WAIT, http.refuse(response)).await;
    }

    /// The rate-limit key that a connection from `remote` counts for. `None` for a trusted proxy:
    /// its connections belong to its clients, whose addresses are not known yet.
    pub(super) fn bucket(&self, remote: IpAddr, config: &ListenerConfig) -> Option<IpAddr> {
        let remote = remote.to_canonical();
        let is_proxy =
            config.acceptor.proxies.as_ref().is_some_and(|proxies| proxies.contains(remote));
        (!is_proxy && !self.shared.negotiator.gate().trusts(remote))
            .then(|| Client::Address(remote).bucket())
    }

    /// Reads the PROXY header and does the TLS handshake, within the header timeout. Returns
    /// `None`, with a line in the log, if the connection must be closed.
    async fn accept(
        &self,
        tcp: TcpStream,
        peer: &mut Peer,
        config: &ListenerConfig,
    ) -> Option<ByteStream> {
        let patience = self.shared.limits.header_timeout;
        let accepted = tokio::select! {
            accepted = timeout(patience, config.acceptor.accept(tcp, peer)) => accepted,
            () = self.shared.stopping.cancelled() => return None,
        };
        let error = match accepted.unwrap_or(Err(AcceptError::Slow)) {
            Ok(stream) => return Some(stream),
            Err(error) => error,
        };
        error.log(peer.remote);
        if let AcceptError::HttpOnTls(tcp) = error {
            acceptor::answer_plain_http(tcp, patience).await;
        }
        None
    }

    /// Serves HTTP requests until the connection ends or is taken over.
    async fn serve_http(&self, writer: Arc<ConnWriter>, peer: Peer, config: &ListenerConfig) {
        let mut http = self.http1(writer, peer, config);
        let mut receipt = None;
        loop {
            // Yield to other tasks even if this client sends requests without a pause.
            tokio::task::consume_budget().await;
            let next = match receipt {
                None => http.next().await,
                // Rare, so its state is boxed to keep this future small.
                Some(_) => Box::pin(next_and_settle(&mut http, &mut receipt)).await,
            };
            match next {
                NextRequest::Request(parsed) => {
                    let ParsedRequest { request, mut context } = *parsed;
                    let response = match self.route(request, peer, config) {
                        ResponseFuture::Ready(response) => response,
                        ResponseFuture::Waiting(response) => {
                            http.wait(&mut context, response).await
                        }
                        ResponseFuture::WhileWanted(response) => {
                            match http.wait_while_wanted(&mut context, response).await {
                                Some(response) => response,
                                None => return,
                            }
                        }
                    };
                    receipt = response.body().receipt();
                    let in_flight = http.begin(context, response);
                    if !http.finish(in_flight).await {
                        return Box::pin(end(http.writer, receipt)).await;
                    }
                }
                NextRequest::Unreadable(why) => {
                    debug!(remote = %peer.remote, reason = %why, "request refused");
                    let text = format!("{why}\n");
                    let response = web::response(why.status(), TEXT, text);
                    return Box::pin(http.refuse(response)).await;
                }
                NextRequest::OtherProtocol(first) => {
                    return reject_protocol(&http.writer, &first, peer.remote);
                }
                NextRequest::Late => return Box::pin(http.refuse(request_timeout())).await,
                NextRequest::Over => return Box::pin(end(http.writer, receipt)).await,
            }
        }
    }

    fn http1<'a>(
        &'a self,
        writer: Arc<ConnWriter>,
        peer: Peer,
        config: &'a ListenerConfig,
    ) -> Http1<'a> {
        let Shared { limits, stopping, .. } = &*self.shared;
        // With TLS, the acceptor has already checked the protocol.
        let check_protocol = config.acceptor.tls.is_none();
        let hsts = config.hsts.as_ref().filter(|_| peer.scheme == Scheme::Https);
        Http1::new(writer, peer.remote, check_protocol, limits, stopping, hsts)
    }
}

/// Waits for the next request, and forgets the answer before it when its client has surely got it.
async fn next_and_settle(
    http: &mut Http1<'_>,
    receipt: &mut Option<Arc<dyn Receipt>>,
) -> NextRequest {
    let mut next = pin!(http.next());
    match timeout(SETTLED, &mut next).await {
        Ok(next) => next,
        Err(_) => {
            *receipt = None;
            next.await
        }
    }
}

/// After the end of a connection: takes the answer to its last poll back if the client did not get it.
async fn end(writer: Arc<ConnWriter>, receipt: Option<Arc<dyn Receipt>>) {
    if let Some(receipt) = receipt
        && writer.lost_the_last().await
    {
        receipt.not_delivered();
    }
}

fn peer(remote: SocketAddr) -> Peer {
    // A dual-stack socket gives IPv4 addresses as IPv4-mapped IPv6 addresses.
    Peer { remote: remote.ip().to_canonical(), scheme: Scheme::Http }
}

/// Logs a connection that starts with another protocol, and answers it if that protocol has an
/// alert.
fn reject_protocol(writer: &ConnWriter, first: &FirstBytes, remote: IpAddr) {
    let Some(error) = AcceptError::from_plain(first) else { return };
    error.log(remote);
    if let Some(alert) = error.alert() {
        // Nothing was written before, so the send buffer has space and the write is complete.
        writer.write(|out| out.extend_from_slice(alert));
    }
}

/// The answer to a request whose head is incomplete at its deadline.
fn request_timeout() -> Response {
    let text = "the request did not come whole in time\n";
    web::response(StatusCode::REQUEST_TIMEOUT, TEXT, text)
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::http::HttpLimits;

    struct Kept;

    impl Receipt for Kept {
        fn not_delivered(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_a_moment() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = ByteStream::plain(listener.accept().await.unwrap().0);
        let writer = Arc::new(ConnWriter::new(stream, None));
        let limits = HttpLimits { header_timeout: SETTLED * 3, ..HttpLimits::default() };
        let (stopping, remote) = (CancellationToken::new(), [127, 0, 0, 1].into());
        let mut http = Http1::new(writer, remote, false, &limits, &stopping, None);
        let kept: Arc<dyn Receipt> = Arc::new(Kept);
        let (weak, mut receipt) = (Arc::downgrade(&kept), Some(kept));
        let mut next = Box::pin(next_and_settle(&mut http, &mut receipt));
        let second = Duration::from_secs(1);
        for (time, kept) in [(SETTLED - second, 1), (second * 2, 0)] {
            assert!(timeout(time, &mut next).await.is_err(), "no request");
            assert_eq!(Weak::strong_count(&weak), kept);
        }
        drop(client);
        assert!(matches!(next.await, NextRequest::Over));
    }
}
