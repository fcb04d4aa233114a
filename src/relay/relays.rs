//! Passes requests on to the nodes that have their sessions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{HeaderMap, Request as HttpRequest};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::answer::{self, Coming, Framing, Head};
use super::counts::{Open, Outcome, RelayCounts};
use super::directory::Directory;
use super::facts::ClientFacts;
use super::forward::{self, BodyBroke};
use super::node::{Node, NodeId};
use super::peers::Peers;
use super::pool::{NoConnection, NodeConnection, Pool};
use super::splice::splice;
use crate::http::{Body, Incoming, Request, Response};

/// How long a node keeps a connection of another one between two requests.
pub(crate) const NODE_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Bytes of a body that is read whole before it is sent. A larger one is sent as it comes.
const WHOLE: u64 = 64 * 1024;
/// Bytes that are sent before anything is read.
const AT_ONCE: usize = 16 * 1024;

/// Bounds and times of a [`Relay`].
#[derive(Debug, Clone, Copy)]
pub struct RelayLimits {
    /// Connections to other nodes. Each parked poll, stream and WebSocket of a client needs one.
    pub connections: usize,
    /// How long the head of an answer may take, and either side of a WebSocket to take something of what waits for
    /// it: longer than a poll is parked.
    pub patience: Duration,
}

impl Default for RelayLimits {
    /// 10 000 connections; a minute and a half, for the heartbeats that the reference servers have.
    fn default() -> Self {
        RelayLimits { connections: 10_000, patience: Duration::from_secs(90) }
    }
}

/// Why a request could not be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayFailed {
    /// There are as many connections to other nodes as may be.
    #[error("all connections to other nodes are taken (node-connections)")]
    AllTaken,
    /// The client's body did not come in time, or not whole.
    #[error("the body did not come whole in time")]
    Incomplete,
    /// The owner cannot be reached, or ended before it answered. Its sessions are lost for their clients.
    #[error("the node that has the session is not there")]
    Gone,
}

/// Passes requests on to the nodes that have their sessions. Clones share their connections.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

struct Shared {
    node: Arc<Node>,
    directory: Arc<dyn Directory>,
    pool: Arc<Pool>,
    limits: RelayLimits,
    counts: Arc<RelayCounts>,
    peers: Arc<Peers>,
}

impl Relay {
    /// A relay of this node to those in `directory`.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(node: Arc<Node>, directory: Arc<dyn Directory>, limits: RelayLimits) -> Self {
        let pool = Pool::new(Arc::clone(&node), limits.connections);
        let (counts, peers) = Default::default();
        Relay { shared: Arc::new(Shared { node, directory, pool, limits, counts, peers }) }
    }

    /// This node.
    pub fn node(&self) -> &Arc<Node> {
        &self.shared.node
    }

    /// The other node that has a session, with its address. `None` if it would be this one, if the id was made
    /// up, and if that node is gone.
    pub(crate) fn owner(&self, sid: &str) -> Option<Owner> {
        let node = self.shared.node.other(sid)?;
        let address = self.shared.directory.address(node)?;
        Some(Owner { node, address })
    }

    /// What was counted since the start.
    pub fn counts(&self) -> &Arc<RelayCounts> {
        &self.shared.counts
    }

    /// What the other nodes are to this one, as far as [`Relay::watch_peers`] has looked.
    pub fn peers(&self) -> &Arc<Peers> {
        &self.shared.peers
    }

    /// Looks again and again, with so much time between, whether other nodes are of the same cluster. Never ends.
    pub async fn watch_peers(self, pause: Duration) {
        let Shared { node, directory, peers, .. } = &*self.shared;
        peers.watch(node, &**directory, pause).await;
    }

    /// Connections to other nodes that are open.
    pub fn connections(&self) -> usize {
        self.shared.pool.open(self.shared.limits.connections)
    }

    /// Passes a request on, and waits for the head of its answer. Dropping this tells the owner that the client has
    /// gone.
    ///
    /// # Errors
    /// If that cannot be. Part of the request may have been sent.
    pub(crate) async fn pass_on(
        &self,
        request: Request,
        owner: Owner,
        client: ClientFacts,
    ) -> Result<Response, RelayFailed> {
        let Shared { pool, counts, .. } = &*self.shared;
        let answered = match pool.connection(owner.node, &owner.address).await {
            Ok(connection) => self.ask(connection, request, client).await.map_err(|error| {
                debug!(address = &*owner.address, reason = %error, "a relayed request got no answer");
                match error.downcast::<BodyBroke>() {
                    Ok(BodyBroke) => RelayFailed::Incomplete,
                    Err(_) => RelayFailed::Gone,
                }
            }),
            Err(NoConnection::AllTaken) => Err(RelayFailed::AllTaken),
            Err(NoConnection::Unreachable) => Err(RelayFailed::Gone),
        };
        counts.count(match &answered {
            Ok(_) => Outcome::Answered,
            Err(RelayFailed::Gone) => Outcome::Gone,
            Err(RelayFailed::AllTaken) => Outcome::AllTaken,
            Err(RelayFailed::Incomplete) => Outcome::Incomplete,
        });
        answered
    }

    async fn ask(
        &self,
        connection: NodeConnection,
        request: Request,
        client: ClientFacts,
    ) -> io::Result<Response> {
        let Shared { pool, limits, counts, .. } = &*self.shared;
        let (parts, body) = request.into_parts();
        let written = forward::write(&parts, &body, client);
        let is_upgrade = parts.headers.contains_key(UPGRADE);
        // What a parked poll does not need, it does not hold.
        drop(parts);
        let deadline = Instant::now() + limits.patience;
        let mut read = Vec::new();
        let asked = exchange(&connection, written, body, &mut read, counts);
        let (head, is_clear) = timeout_at(deadline, asked).await??;
        let Head { status, mut headers, framing, closes } = head;
        if is_upgrade && framing != Framing::Upgrade {
            // The client may take what it sends next for another protocol.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let pool = (is_clear && !closes).then(|| Arc::clone(pool));
        let body = match framing {
            Framing::Upgrade => {
                let (open, patience) = (Open::new(counts), limits.patience);
                Body::Takeover(Box::new(move |client, first: Bytes| {
                    tokio::spawn(splice(client, first.into(), connection, read, patience, open));
                }))
            }
            Framing::Length(length @ ..=WHOLE) => {
                let length = usize::try_from(length).map_err(io::Error::other)?;
                let whole = answer::read_whole(&connection.stream, &mut read, length);
                let whole = timeout_at(deadline, whole).await??;
                if let Some(pool) = pool.filter(|_| read.is_empty()) {
                    pool.give_back(connection);
                }
                counts.to_client(whole.len());
                Body::Whole(whole)
            }
            framing => {
                let open = Open::new(counts);
                Body::Stream(Box::pin(Coming::new(connection, pool, read, framing, open)))
            }
        };
        Ok(response(status, headers, body))
    }
}

/// The node that has a session.
pub(crate) struct Owner {
    node: NodeId,
    address: Arc<str>,
}

/// Sends a request, and reads the head of the answer. False if the answer came before all was sent: then the
/// connection cannot be used again.
async fn exchange(
    connection: &NodeConnection,
    written: Vec<u8>,
    body: Incoming,
    read: &mut Vec<u8>,
    counts: &RelayCounts,
) -> io::Result<(Head, bool)> {
    let stream = &connection.stream;
    if let Incoming::Whole(bytes) = &body {
        counts.to_owner(bytes.len());
    }
    if matches!(body, Incoming::Whole(_)) && written.len() <= AT_ONCE {
        stream.write_all(&written).await?;
        drop((written, body));
        return Ok((answer::read_head(stream, read).await?, true));
    }
    let sending = std::pin::pin!(async {
        stream.write_all(&written).await?;
        match body {
            Incoming::Whole(_) => Ok(()),
            coming => forward::send_body(stream, coming, counts).await,
        }
    });
    let answering = std::pin::pin!(answer::read_head(stream, read));
    match select(sending, answering).await {
        Either::Left((Ok(()), answering)) => Ok((answering.await?, true)),
        // The client's body broke off: the owner must not take what came for all of it.
        Either::Left((Err(error), _)) if error.get_ref().is_some_and(|it| it.is::<BodyBroke>()) => {
            Err(error)
        }
        // The owner has refused the rest of it, and says why.
        Either::Left((Err(_), answering)) => Ok((answering.await?, false)),
        Either::Right((head, _)) => Ok((head?, false)),
    }
}

fn response(status: http::StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The head of a request, for an answer of this node in place of the owner's.
pub(crate) fn head_of(request: &Request) -> Request {
    let mut head = HttpRequest::new(Incoming::Whole(Bytes::new()));
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    head
}
