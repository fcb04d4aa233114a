//! Sessions: what stays while transports come and go.
//!
//! A [`Session`] owns its outbound queue, its heartbeat and its upgrade. Transports *drain* the
//! queue through a [`Drain`] and *feed* what the client sent through [`Session::submit`]; the
//! session does not know what a transport is, beyond its [`TransportInfo`]. What comes out on top
//! are messages, handed to a [`Receiver`] one at a time and in order.

mod answer;
mod budget;
mod clock;
mod cork;
mod deadlines;
mod direct_writer;
mod event;
mod handshake;
mod inbox;
#[cfg(all(test, feature = "shuttle"))]
mod interleavings;
mod limits;
mod pauses;
mod queue;
mod reason;
mod receiver;
mod registry;
mod session;
mod shared;
mod sid;
mod state;
mod sync;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::dialect::Opening;

use self::shared::Shared;
pub use answer::{Answer, PollOutcome};
pub use cork::Cork;
pub use direct_writer::{Connection, DirectWriter, SendOutcome};
pub use event::{Observer, SessionEvent, UpgradeFailure, WebSocketEnd};
pub(crate) use handshake::now;
pub use handshake::{Extensions, Handshake, KeptRequest, NewSession, TransportInfo};
pub use limits::{Limits, PER_PACKET, QueueLimits};
pub use queue::Delivery;
pub use reason::{CloseReason, SessionError, Unavailable};
pub use receiver::Receiver;
pub use session::Session;
pub use session::drain::{Drain, Drained};
pub use sid::{Sid, name_process, process_name};
pub use state::holdings::Begun;
pub use state::outlet::Via;

/// What runs on top of sessions.
pub trait Handler: Send + Sync + 'static {
    /// Makes the receiver of a new session.
    fn open(&self, session: &Arc<Session>) -> Box<dyn Receiver>;
}

/// How long a session may wait to be started.
const UNUSED: Duration = Duration::from_secs(60);

/// All sessions of a server. Clones share them.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    handler: Box<dyn Handler>,
    shared: Arc<Shared<Session>>,
    stopping: CancellationToken,
    clock: Mutex<Option<JoinHandle<()>>>,
    /// Makes the ids of sessions; [`Sid::random`] if nothing was set.
    sids: OnceLock<Box<SidSource>>,
}

/// Makes ids of sessions.
type SidSource = dyn Fn() -> Result<Sid, getrandom::Error> + Send + Sync;

impl Engine {
    /// # Panics
    /// Outside of a tokio runtime: sessions run on the one that is there.
    pub fn new(limits: Limits, handler: impl Handler) -> Self {
        Self::build(limits, handler, None)
    }

    /// As [`Engine::new`], with an observer of all that happens to sessions.
    ///
    /// # Panics
    /// As [`Engine::new`].
    pub fn observed(
        limits: Limits,
        handler: impl Handler,
        observer: Arc<dyn Observer<Session>>,
    ) -> Self {
        Self::build(limits, handler, Some(observer))
    }

    fn build(
        limits: Limits,
        handler: impl Handler,
        observer: Option<Arc<dyn Observer<Session>>>,
    ) -> Self {
        let runtime = tokio::runtime::Handle::current();
        let shared = Shared::new(limits, runtime.clone(), observer);
        let clock = Mutex::new(Some(runtime.spawn(clock::run(&shared))));
        let (handler, stopping) = (Box::new(handler), CancellationToken::new());
        let sids = OnceLock::new();
        Engine { inner: Arc::new(Inner { handler, shared, stopping, clock, sids }) }
    }

    /// The task that watches the clock for all sessions. Can be taken once, to be watched: the
    /// process must not go on without it. It ends with the engine.
    pub fn clock_task(&self) -> Option<JoinHandle<()>> {
        self.inner.clock.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Has the ids of new sessions made by `source`, which is asked for each; the first one that is set
    /// stays. By default they are [`Sid::random`].
    pub fn name_sessions(
        &self,
        source: impl Fn() -> Result<Sid, getrandom::Error> + Send + Sync + 'static,
    ) {
        let _ = self.inner.sids.set(Box::new(source));
    }

    /// The limits of its sessions.
    pub fn limits(&self) -> &Limits {
        &self.inner.shared.limits
    }

    /// Opens a session whose first queued packet is the open packet, and starts it.
    ///
    /// # Errors
    /// If the server is stopping, or the system has no randomness for a sid.
    pub fn open(&self, new_session: NewSession<'_>) -> Result<Arc<Session>, Unavailable> {
        let transport = new_session.transport;
        let session = self.reserve(new_session)?;
        self.start(&session, transport);
        Ok(session)
    }

    /// Makes a session that no application hears of before it is started. If that does not
    /// happen within a minute, it ends.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn reserve(&self, new_session: NewSession<'_>) -> Result<Arc<Session>, Unavailable> {
        let Inner { shared, stopping, sids, .. } = &*self.inner;
        if stopping.is_cancelled() {
            return Err(Unavailable::Stopping);
        }
        let sid = sids.get().map_or_else(Sid::random, |source| source());
        let sid = sid.map_err(|_| Unavailable::NoRandomness)?;
        let open = new_session.dialect.opening(&Opening {
            sid: sid.as_str(),
            upgrades: new_session.upgrades,
            ping_interval: shared.limits.ping_interval,
            ping_timeout: shared.limits.ping_timeout,
            max_payload: shared.limits.max_payload,
        });
        let session = Arc::new(Session::new(sid, new_session, Arc::clone(shared), open));
        shared.registry.insert(sid, Arc::clone(&session));
        session.expire(Some((Instant::now() + UNUSED, CloseReason::ConnectTimeout)));
        Ok(session)
    }

    /// Starts a reserved session, on the transport that it is about to use; does nothing the second
    /// time.
    pub fn start(&self, session: &Arc<Session>, transport: &'static TransportInfo) {
        if !session.may_start(transport) {
            return;
        }
        session.expire(None);
        session.start(self.inner.handler.open(session));
        // A shutdown that began meanwhile may not have seen this session.
        if self.inner.stopping.is_cancelled() {
            session.close(CloseReason::ShuttingDown);
        }
    }

    /// The living session of that sid.
    pub fn session(&self, sid: &str) -> Option<Arc<Session>> {
        let session = self.inner.shared.registry.get(&Sid::parse(sid)?)?;
        // What is due counts, even if the clock's task has not got round to it.
        session.tick(Instant::now());
        Some(session)
    }

    /// How many sessions there are, those included that only wait to be told of their end.
    pub fn session_count(&self) -> usize {
        self.inner.shared.registry.count()
    }

    /// All living sessions.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.inner.shared.registry.all()
    }

    /// How many sessions there are, and tasks that run for them.
    pub fn task_count(&self) -> usize {
        self.inner.shared.tasks.len()
    }

    /// Keeps track of work that belongs to sessions, for [`Engine::shutdown`] to wait for.
    /// It runs on the runtime of the engine, from whatever thread this is called.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.inner.shared.spawn(work);
    }

    /// Ends when the server begins to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// Refuses new sessions, ends all others, and waits until each client was told and each
    /// receiver has heard of it, but at most `patience`. Returns how many were still left.
    pub async fn shutdown(&self, patience: Duration) -> usize {
        self.inner.stopping.cancel();
        for session in self.inner.shared.registry.all() {
            session.close(CloseReason::ShuttingDown);
        }
        self.inner.shared.tasks.close();
        let _ = tokio::time::timeout(patience, self.inner.shared.tasks.wait()).await;
        self.inner.shared.registry.count()
    }
}
