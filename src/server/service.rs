//! The engine in another HTTP server: a service, and a layer, that answer requests below the engine's path.
//!
//! The other server accepts connections and reads requests. Bounds of connections and of heads are its
//! matter; all that the policy bounds is bounded here.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::future::BoxFuture;
use http::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE};
use http::{Extensions, Method};
use hyper::body::{Body as HyperBody, Frame, SizeHint};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tower_layer::Layer;
use tower_service::Service;
use tracing::debug;

use super::outside::not_found;
use super::routes::to_engine;
use crate::admission::Peer;
use crate::http::path::Mount;
use crate::http::{
    Body, BodyDeadline, BodyStream, HttpLimits, Incoming, Parked, ParkedOutcome, Response,
};
use crate::negotiate::Negotiator;
use crate::net::{ByteStream, ConnWriter, FarEnd};
use crate::policy::Scheme;

/// A request's client, from what the other server knows of the connection.
type Remote = Arc<dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync>;

/// Answers the engine's requests in another server of HTTP, such as hyper or axum. Clones share everything.
///
/// It is a [`Service`] for what is below the engine's path, and answers 404 to all else; and a [`Layer`]
/// that leaves all else to the service below. WebSockets need a server that allows upgrades, such as
/// `serve_connection(…).with_upgrades()` of hyper.
#[derive(Clone)]
pub struct EngineService {
    mount: Mount,
    negotiator: Negotiator,
    limits: HttpLimits,
    remote: Remote,
    scheme: Scheme,
}

impl EngineService {
    /// `mount` as for [`Server::new`](super::Server::new). Of `limits` only the time for a body matters.
    pub fn new(mount: impl Into<Mount>, negotiator: Negotiator, limits: HttpLimits) -> Self {
        let remote: Remote = Arc::new(|_| None);
        EngineService { mount: mount.into(), negotiator, limits, remote, scheme: Scheme::Http }
    }

    /// How to know a client's address, mostly by an extension that the other server gives to its requests.
    /// Clients without one are all one: they share the rates and bounds of a single address.
    #[must_use]
    pub fn remote(
        self,
        remote: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        EngineService { remote: Arc::new(remote), ..self }
    }

    /// The scheme of the other server's connections, `http` by default.
    #[must_use]
    pub fn scheme(self, scheme: Scheme) -> Self {
        EngineService { scheme, ..self }
    }

    /// Whether a request is for the engine, by its path.
    pub fn is_for_engine<B>(&self, request: &http::Request<B>) -> bool {
        self.mount.is_engine(request.uri().path())
    }

    async fn answer<B>(self, mut request: http::Request<B>) -> http::Response<EngineBody>
    where
        B: HyperBody<Data: Buf, Error: fmt::Display> + Send + 'static,
    {
        let unknown = Ipv4Addr::UNSPECIFIED.into();
        let remote = (self.remote)(request.extensions()).unwrap_or(unknown);
        let peer = Peer { remote: remote.to_canonical(), scheme: self.scheme };
        let upgrade =
            request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let head_only = request.method() == Method::HEAD;
        // The other server cuts off its clients when it stops.
        let deadline = BodyDeadline::new(self.limits.body_timeout, &CancellationToken::new());
        let request = request.map(|body| Incoming::foreign(body, deadline));
        let response = to_engine(&self.mount, &self.negotiator, request, peer).wait().await;
        embed(response, upgrade, head_only).await
    }
}

impl fmt::Debug for EngineService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineService").field("mount", &self.mount).finish_non_exhaustive()
    }
}

impl<B> Service<http::Request<B>> for EngineService
where
    B: HyperBody<Data: Buf, Error: fmt::Display> + Send + 'static,
{
    type Response = http::Response<EngineBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if service.is_for_engine(&request) {
                return Ok(service.answer(request).await);
            }
            let nothing = not_found(&service.mount);
            Ok(embed(nothing, None, request.method() == Method::HEAD).await)
        })
    }
}

impl<S> Layer<S> for EngineService {
    type Service = WithEngine<S>;

    fn layer(&self, inner: S) -> WithEngine<S> {
        WithEngine { engine: self.clone(), inner }
    }
}

/// The engine before another service: what is not for the engine goes to that.
#[derive(Debug, Clone)]
pub struct WithEngine<S> {
    engine: EngineService,
    inner: S,
}

impl<S, B, C> Service<http::Request<B>> for WithEngine<S>
where
    B: HyperBody<Data: Buf, Error: fmt::Display> + Send + 'static,
    S: Service<http::Request<B>, Response = http::Response<C>, Future: Send + 'static>,
{
    type Response = http::Response<EngineBody<C>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if self.engine.is_for_engine(&request) {
            let answer = self.engine.clone().answer(request);
            return Box::pin(async move { Ok(answer.await.map(EngineBody::widen)) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| EngineBody(Kind::Inner(body)))) })
    }
}

/// Makes a response of ours one of hyper's.
async fn embed(
    response: Response,
    upgrade: Option<OnUpgrade>,
    head_only: bool,
) -> http::Response<EngineBody> {
    let (mut parts, body) = response.into_parts();
    if !parts.headers.contains_key(UPGRADE) {
        // The other server decides what becomes of the connection, which may be one of HTTP/2.
        parts.headers.remove(CONNECTION);
    }
    let kind = match body {
        _ if head_only => Kind::Whole(None),
        Body::Whole(bytes) => Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())),
        Body::Stream(stream) => Kind::Stream(stream),
        Body::Takeover(take) => {
            if let Some(upgrade) = upgrade {
                tokio::spawn(take_over(upgrade, take));
            }
            Kind::Whole(None)
        }
        Body::Parked(parked) => match poll_answer(parked).await {
            Ok((headers, bytes)) => {
                parts.headers.extend(headers);
                Kind::Whole(Some(bytes))
            }
            Err(error) => {
                debug!(%error, "a poll was not answered");
                Kind::Whole(None)
            }
        },
    };
    http::Response::from_parts(parts, EngineBody(kind))
}

/// Gives a connection that has left HTTP to a transport, by a pipe.
async fn take_over(upgrade: OnUpgrade, take: Box<dyn FnOnce(Arc<ConnWriter>, Bytes) + Send>) {
    let (near, mut far) = ByteStream::pipe();
    let upgraded: Result<Upgraded, hyper::Error> = upgrade.await;
    take(Arc::new(ConnWriter::new(near, None)), Bytes::new());
    match upgraded {
        Ok(upgraded) => {
            let _ = copy_bidirectional(&mut TokioIo::new(upgraded), &mut far).await;
        }
        // Dropping the far end ends the WebSocket.
        Err(error) => debug!(%error, "no WebSocket: the other server did not upgrade"),
    }
}

/// Most headers of an answer to a poll.
const HEADERS: usize = 8;

/// Waits for the answer to a parked poll: its headers and body. If this is dropped, so is the poll, and
/// its session hears that the connection is lost.
async fn poll_answer(
    mut parked: Box<dyn Parked>,
) -> io::Result<(Vec<(HeaderName, HeaderValue)>, Bytes)> {
    let (near, mut far) = ByteStream::pipe();
    let writer = Arc::new(ConnWriter::new(near, None));
    parked.begin(&writer, Vec::new());
    // So that this task is woken after the answer, whoever writes it.
    parked.set_pipelined();
    let until = sleep_until(parked.until());
    let outcome = tokio::select! {
        outcome = poll_fn(|cx| parked.poll_outcome(cx, &mut |_| Poll::Pending)) => outcome,
        () = until => ParkedOutcome::Due,
    };
    match outcome {
        ParkedOutcome::Due => parked.give(),
        ParkedOutcome::Answered => drop(parked),
        ParkedOutcome::Lost => return Err(io::ErrorKind::BrokenPipe.into()),
    }
    let written = read_all(&mut far, &writer).await?;
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let parsed = httparse::parse_headers(&written, &mut headers).map_err(|_| invalid())?;
    let httparse::Status::Complete((length, headers)) = parsed else { return Err(invalid()) };
    let headers = headers.iter().map(|header| {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| invalid())?;
        Ok((name, HeaderValue::from_bytes(header.value).map_err(|_| invalid())?))
    });
    let headers = headers.collect::<io::Result<Vec<_>>>()?;
    Ok((headers, Bytes::from(written).slice(length..)))
}

/// Reads all that was written.
async fn read_all(far: &mut FarEnd, writer: &ConnWriter) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let flushed = async {
        if writer.flush().await.is_err() {
            return;
        }
        let _ = writer.stream().shut_down().await;
    };
    let (read, ()) = tokio::join!(far.read_to_end(&mut all), flushed);
    read.map(|_| all)
}

/// The body of an answer: of the engine, or of the service that it is before, whose bodies are `B`.
pub struct EngineBody<B = Nothing>(Kind<B>);

enum Kind<B> {
    Whole(Option<Bytes>),
    Stream(Pin<Box<dyn BodyStream>>),
    Inner(B),
}

/// No body: there is no other service.
#[derive(Debug)]
pub enum Nothing {}

impl EngineBody {
    fn widen<B>(self) -> EngineBody<B> {
        EngineBody(match self.0 {
            Kind::Whole(bytes) => Kind::Whole(bytes),
            Kind::Stream(stream) => Kind::Stream(stream),
            Kind::Inner(nothing) => match nothing {},
        })
    }
}

impl<B> fmt::Debug for EngineBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBody").finish_non_exhaustive()
    }
}

impl HyperBody for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match *self {}
    }
}

impl<B> HyperBody for EngineBody<B>
where
    B: HyperBody<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Stream(stream) => {
                let piece = ready!(stream.as_mut().poll_next(cx));
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
            Kind::Inner(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Stream(_) => false,
            Kind::Inner(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Stream(stream) => {
                stream.length().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Kind::Inner(body) => body.size_hint(),
        }
    }
}
