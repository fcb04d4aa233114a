//! The HTTP server: the accept loop here, one connection's task in [`connection`], and routing of
//! requests in [`routes`].

mod acceptor;
mod connection;
mod echo;
mod health;
mod listen;
mod no_slot;
mod outside;
pub(crate) mod redirect;
mod routes;
mod service;
pub mod tls;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::admission::Gate;
pub use crate::http::HttpLimits;
pub use crate::http::path::Mount;
use crate::negotiate::Negotiator;
use crate::net::slots::{Admission, Slots};
use crate::relay::{NODE_KEEP_ALIVE, Seldom};
use health::Readiness;
pub use listen::{Listener, bind, bind_for};
use no_slot::Refusals;
pub(crate) use no_slot::unavailable;
pub use no_slot::{TOO_FEW_FILES, open_files_for, raise_file_limit, raise_file_limit_beside};
pub use outside::Outside;
pub use service::{EngineBody, EngineService, Nothing, WithEngine};

/// The first pause after a failed accept; it doubles up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long another node may take for its proof, and for a head.
const NODE_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections of other nodes that found no room.
static NODES_WITHOUT_SLOT: Seldom = Seldom::new();

/// Connections of a server without the engine.
const WITHOUT_ENGINE: usize = 64;

/// The server. Clones share their connections, and each can run one listener.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    mount: Mount,
    negotiator: Negotiator,
    outside: Option<Arc<dyn Outside>>,
    /// Nothing but `outside` answers.
    is_without_engine: bool,
    limits: HttpLimits,
    slots: Arc<Slots>,
    no_slot: Arc<Refusals>,
    connections: TaskTracker,
    /// `/readyz` says so.
    ready: AtomicBool,
    /// What has to hold for that as well.
    ready_if: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
    stopping: CancellationToken,
}

/// The connections of a server in numbers.
pub struct Connections {
    slots: Arc<Slots>,
    no_slot: Arc<Refusals>,
}

impl Connections {
    /// How many are open.
    pub fn open(&self) -> usize {
        self.slots.taken()
    }

    /// How many may be open.
    pub fn most(&self) -> usize {
        self.slots.total()
    }

    /// How many were refused since the start, by the setting that is the reason.
    pub fn refused(&self) -> [(&'static str, u64); 2] {
        self.no_slot.totals()
    }
}

impl Server {
    /// `mount` is the path of the engine, or that of everything and that of the engine below it. `outside`
    /// answers requests that are not for the engine. Without it they get 404.
    pub fn new(
        mount: impl Into<Mount>,
        negotiator: Negotiator,
        outside: Option<Arc<dyn Outside>>,
        limits: HttpLimits,
    ) -> Self {
        Server::answering(mount.into(), negotiator, outside, limits, false)
    }

    /// A server where nothing but `outside` answers, for administrators. It has connections of its own,
    /// so it is there when those for others are all taken.
    pub fn without_engine(
        mount: impl Into<Mount>,
        negotiator: Negotiator,
        outside: Arc<dyn Outside>,
        limits: HttpLimits,
    ) -> Self {
        let (max_connections, max_connections_per_address) = (WITHOUT_ENGINE, 0);
        let limits = HttpLimits { max_connections, max_connections_per_address, ..limits };
        Server::answering(mount.into(), negotiator, Some(outside), limits, true)
    }

    /// A server for a listener that is [`for_nodes`](Listener::for_nodes): where other nodes pass on requests of
    /// their clients. It has `connections` of its own.
    pub fn for_nodes(
        mount: impl Into<Mount>,
        negotiator: Negotiator,
        limits: HttpLimits,
        connections: usize,
    ) -> Self {
        let limits = HttpLimits {
            header_timeout: NODE_HEADER_TIMEOUT,
            keep_alive_timeout: NODE_KEEP_ALIVE,
            // The clients' own bounds hold where they come in; a node adds a header.
            max_headers: limits.max_headers + 8,
            max_header_bytes: limits.max_header_bytes + 1024,
            max_connections: connections,
            max_connections_per_address: 0,
            ..limits
        };
        Server::answering(mount.into(), negotiator, None, limits, false)
    }

    fn answering(
        mount: Mount,
        negotiator: Negotiator,
        outside: Option<Arc<dyn Outside>>,
        limits: HttpLimits,
        is_without_engine: bool,
    ) -> Self {
        let slots = Slots::new(limits.max_connections, limits.max_connections_per_address);
        let (connections, stopping) = (TaskTracker::new(), CancellationToken::new());
        let shared = Shared {
            mount,
            negotiator,
            outside,
            is_without_engine,
            limits,
            slots: Arc::new(slots),
            no_slot: Arc::default(),
            connections,
            ready: AtomicBool::new(true),
            ready_if: OnceLock::new(),
            stopping,
        };
        Server { shared: Arc::new(shared) }
    }

    /// Accepts connections until [`Server::stop_accepting`].
    pub async fn run(&self, listener: impl Into<Listener>) {
        let mut listener = listener.into();
        let config = Arc::clone(&listener.config);
        let Shared { slots, no_slot, connections, stopping, negotiator, .. } = &*self.shared;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (server, config) = (self.clone(), Arc::clone(&config));
            match accepted {
                Ok((tcp, remote)) => {
                    pause = SHORTEST_PAUSE;
                    match slots.admit(self.bucket(remote.ip(), &config)) {
                        Admission::Slot(slot) => {
                            connections.spawn(server.serve(tcp, remote, config, slot));
                        }
                        Admission::Wait(..) | Admission::Full(_)
                            if config.acceptor.nodes.is_some() =>
                        {
                            if let Some(count) = NODES_WITHOUT_SLOT.count(1) {
                                let remote = remote.ip();
                                warn!(
                                    %remote, count,
                                    "all connections of other nodes are taken: more are refused \
                                     (node-connections)"
                                );
                            }
                        }
                        Admission::Wait(permit, why) => {
                            connections
                                .spawn(server.wait_for_slot(tcp, remote, config, permit, why));
                        }
                        Admission::Full(why) => {
                            let gate = negotiator.gate();
                            no_slot.refuse_at_once(&tcp, remote.ip(), why, &config, gate);
                        }
                    }
                }
                Err(error) => {
                    // Usually, all file descriptors are in use until a connection ends.
                    let named = no_slot::named(&error, negotiator.gate());
                    let (cause, certainty) =
                        (named.map(|it| it.cause), named.map(|it| it.certainty));
                    warn!(%error, ?pause, cause, certainty, "cannot accept");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Its connections in numbers.
    pub fn connections(&self) -> Connections {
        let Shared { slots, no_slot, .. } = &*self.shared;
        Connections { slots: Arc::clone(slots), no_slot: Arc::clone(no_slot) }
    }

    /// Has `/readyz` say no from now on, so that balancers send nobody here any more. All else goes on.
    pub fn set_unready(&self) {
        self.shared.ready.store(false, Ordering::Relaxed);
    }

    /// Has `/readyz` say no whenever the function says that the node cannot reach others which it should
    /// reach. The first function counts.
    pub fn ready_if(&self, reaches_others: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.shared.ready_if.set(Box::new(reaches_others));
    }

    fn readiness(&self) -> Readiness {
        let reaches_others = self.shared.ready_if.get().is_none_or(|reaches| reaches());
        match self.shared.ready.load(Ordering::Relaxed) {
            false => Readiness::Stopping,
            true if !reaches_others => Readiness::Alone,
            true => Readiness::Ready,
        }
    }

    /// The policy in force.
    pub fn gate(&self) -> &Arc<Gate> {
        self.shared.negotiator.gate()
    }

    /// Ends [`Server::run`], and closes each connection after its current request.
    pub fn stop_accepting(&self) {
        self.shared.stopping.cancel();
        self.shared.connections.close();
    }

    /// Waits until all HTTP connections have ended, at most for `patience`. WebSockets belong to
    /// the engine's sessions and do not count.
    pub async fn drained(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.shared.connections.wait()).await;
    }
}
