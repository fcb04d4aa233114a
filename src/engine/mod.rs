//! Sessions: what stays while transports come and go.
//!
//! A [`Session`] owns its outbound queue, its heartbeat and its upgrade. Transports *drain* the
//! queue through a [`Drain`] and *feed* what the client sent through [`Session::submit`]; the
//! session does not know what a transport is, beyond its [`Facts`]. What comes out on top are
//! messages, handed to a [`Receiver`] one at a time and in order.

mod answer;
mod budget;
mod core;
mod cork;
mod drain;
mod inbox;
#[cfg(all(test, feature = "shuttle"))]
mod interleavings;
mod keeper;
mod queue;
mod reason;
mod registry;
mod session;
mod sid;
mod sink;
mod state;
mod sync;
#[cfg(test)]
mod testing;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::dialect::{Dialect, Message, Opening, Wire};

use self::core::Core;
pub use answer::{Answer, Waited};
pub use cork::Cork;
pub use drain::{Drain, Drained};
pub use queue::{Delivery, PER_PACKET, QueueLimits};
pub use reason::{CloseReason, Refused};
pub use session::Session;
pub use sid::Sid;
pub use sink::{Connection, Sink, Taken};
pub use state::Begun;

/// What a session must know of the transport that carries it.
#[derive(Debug)]
pub struct Facts {
    /// Its name in policy, logs and metrics.
    pub name: &'static str,
    /// Its name on the wire. Two transports of one wire name can serve the same session.
    pub wire: &'static str,
    /// One response (or connection) carries many packets.
    pub streams: bool,
    /// Packets need no POST: the connection goes both ways.
    pub duplex: bool,
}

/// What was known when the session opened.
#[derive(Debug)]
pub struct Handshake {
    /// Nothing if that is not known for sure.
    pub remote: Option<IpAddr>,
    /// What limits of abuse count this client by: its address or network, or one shared by all clients
    /// whose address is not known.
    pub bucket: IpAddr,
    /// The application's part of the query string.
    pub query: Box<str>,
    /// Which clients speak like this, for people who read logs.
    pub generation: &'static str,
    /// What whoever opened the session wants to keep with it, and dropped when it is gone.
    pub companion: Companion,
}

/// See [`Handshake::companion`].
pub type Companion = Box<dyn std::any::Any + Send + Sync>;

/// Bounds and times of all sessions.
#[derive(Debug, Clone)]
pub struct Limits {
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    /// From the first byte of an upgrade to its last packet.
    pub upgrade_timeout: Duration,
    /// Bytes of one HTTP body or WebSocket message.
    pub max_payload: usize,
    /// What may wait for one client.
    pub queue: QueueLimits,
    /// Bytes that may wait for all clients of the process together, 0 for no bound. Over it, the sessions
    /// for which most waits are closed.
    pub queue_total: usize,
    /// Bytes of one streamed response, after which the client has to ask for the next.
    pub stream_bytes: usize,
    /// How long a session that the server ended waits for a poll to say so.
    pub linger: Duration,
}

impl Default for Limits {
    /// The times and bounds of the reference servers; 1 MiB and 4096 packets for a queue and 256 MiB for
    /// all, which these do not bound.
    fn default() -> Self {
        Limits {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            queue: QueueLimits { bytes: 1 << 20, messages: 4096 },
            queue_total: 256 << 20,
            stream_bytes: 1 << 20,
            linger: Duration::from_secs(30),
        }
    }
}

/// What runs on top of sessions.
pub trait Handler: Send + Sync + 'static {
    /// Makes the receiver of a new session.
    fn open(&self, session: &Arc<Session>) -> Box<dyn Receiver>;
}

/// One session's upper half.
///
/// Calls come one at a time and in order: `opened` once, then messages, then `closed` once, unless the
/// session was over before it began. Each runs to its end, whatever becomes of the connection meanwhile;
/// heartbeats do not wait for it. A call that panics ends the session: `closed` is still called.
pub trait Receiver: Send {
    /// Before anything is sent to the client but the open packet.
    fn opened(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Whoever awaits in this waits with the client's next messages: a few are kept, then the client is
    /// slowed down.
    fn message(&mut self, message: Message) -> BoxFuture<'_, ()>;

    /// After [`Session::nudge`]: something changed that the receiver should look at.
    fn nudged(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Once, after the last message.
    fn closed(&mut self, reason: CloseReason) -> BoxFuture<'_, ()> {
        let _ = reason;
        Box::pin(std::future::ready(()))
    }
}

/// What a new session is made of.
#[derive(Debug)]
pub struct Plan<'a> {
    pub dialect: &'static dyn Dialect,
    pub wire: Wire,
    pub transport: &'static Facts,
    /// Wire names that the open packet offers.
    pub upgrades: &'a [&'static str],
    pub handshake: Handshake,
}

/// How long a session may wait to be started.
const UNUSED: Duration = Duration::from_secs(60);

/// The room where all sessions live.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    handler: Box<dyn Handler>,
    core: Arc<Core>,
    stopping: CancellationToken,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// # Panics
    /// Outside of a tokio runtime: sessions run on the one that is there.
    pub fn new(limits: Limits, handler: impl Handler) -> Self {
        let runtime = tokio::runtime::Handle::current();
        let core = Core::new(limits, runtime.clone());
        let keeper = Mutex::new(Some(runtime.spawn(keeper::keep(&core))));
        let (handler, stopping) = (Box::new(handler), CancellationToken::new());
        Engine { shared: Arc::new(Shared { handler, core, stopping, keeper }) }
    }

    /// The task that watches the clock for all sessions, to be taken once by whoever sees to it that the
    /// process does not go on without. It ends with the engine.
    pub fn keeper(&self) -> Option<JoinHandle<()>> {
        self.shared.keeper.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn limits(&self) -> &Limits {
        &self.shared.core.limits
    }

    /// Opens a session whose first queued packet is the open packet, and starts it.
    ///
    /// # Errors
    /// If the server is stopping, or the system has no randomness for a sid.
    pub fn open(&self, plan: Plan<'_>) -> Result<Arc<Session>, Unavailable> {
        let transport = plan.transport;
        let session = self.reserve(plan)?;
        self.start(&session, transport);
        Ok(session)
    }

    /// Makes a session that no application hears of before it is started. If nobody does that
    /// within a minute, it ends.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn reserve(&self, plan: Plan<'_>) -> Result<Arc<Session>, Unavailable> {
        let Shared { core, stopping, .. } = &*self.shared;
        if stopping.is_cancelled() {
            return Err(Unavailable::Stopping);
        }
        let sid = Sid::random().map_err(|_| Unavailable::NoRandomness)?;
        let open = plan.dialect.opening(&Opening {
            sid: sid.as_str(),
            upgrades: plan.upgrades,
            ping_interval: core.limits.ping_interval,
            ping_timeout: core.limits.ping_timeout,
            max_payload: core.limits.max_payload,
        });
        let session = Arc::new(Session::new(sid, plan, Arc::clone(core), open));
        core.registry.insert(Arc::clone(&session));
        session.expire(Some((Instant::now() + UNUSED, CloseReason::ConnectTimeout)));
        Ok(session)
    }

    /// Starts a reserved session, on the transport that it is about to use; does nothing the second
    /// time.
    pub fn start(&self, session: &Arc<Session>, transport: &'static Facts) {
        if !session.may_start(transport) {
            return;
        }
        session.expire(None);
        session.start(self.shared.handler.open(session));
        if self.shared.stopping.is_cancelled() {
            session.close(CloseReason::ShuttingDown);
        }
    }

    /// The living session of that sid.
    pub fn session(&self, sid: &str) -> Option<Arc<Session>> {
        let session = self.shared.core.registry.get(&Sid::parse(sid)?)?;
        // What is due counts, even if the session's own task has not got round to it.
        session.tick(Instant::now());
        Some(session)
    }

    /// How many sessions there are, those included that only wait to be told of their end.
    pub fn session_count(&self) -> usize {
        self.shared.core.registry.count()
    }

    /// All living sessions.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.shared.core.registry.all()
    }

    /// How many sessions there are, and tasks that run for them.
    pub fn task_count(&self) -> usize {
        self.shared.core.tasks.len()
    }

    /// Keeps track of work that belongs to sessions, for [`Engine::shutdown`] to wait for.
    /// It runs on the runtime of the engine, from whatever thread this is called.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shared.core.spawn(work);
    }

    /// Ends when the server begins to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.shared.stopping
    }

    /// Refuses new sessions, ends all others, and waits until each client was told and each
    /// receiver has heard of it, but at most `patience`. Returns how many were still left.
    pub async fn shutdown(&self, patience: Duration) -> usize {
        self.shared.stopping.cancel();
        for session in self.shared.core.registry.all() {
            session.close(CloseReason::ShuttingDown);
        }
        self.shared.core.tasks.close();
        let _ = tokio::time::timeout(patience, self.shared.core.tasks.wait()).await;
        self.shared.core.registry.count()
    }
}

/// Why no session could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    #[error("the server is shutting down")]
    Stopping,
    #[error("the system gives no randomness")]
    NoRandomness,
}
