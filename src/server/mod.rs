//! The HTTP server: the accept loop here, one connection's task in [`connection`], and routing of
//! requests in [`routes`].

mod acceptor;
pub mod admin;
mod client_script;
mod connection;
mod copies;
mod echo;
mod file_service;
mod file_version;
mod folder;
mod health;
mod large_file;
mod listen;
pub mod metrics;
mod no_slot;
mod page_files;
pub mod pages;
mod places;
mod redirect;
mod reports;
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
pub use listen::{Listener, bind, bind_for};
use metrics::MetricsPage;
use no_slot::Refusals;
pub use no_slot::{TOO_FEW_FILES, open_files_for, raise_file_limit};
use pages::Pages;
pub use service::{EngineBody, EngineService, Nothing, WithEngine};

/// The first pause after a failed accept; it doubles up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connections of administrators at an address of their own.
const ADMINISTRATORS: usize = 64;

/// The server. Clones share their connections, and each can run one listener.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    mount: Mount,
    negotiator: Negotiator,
    pages: Option<Pages>,
    limits: HttpLimits,
    slots: Arc<Slots>,
    no_slot: Arc<Refusals>,
    connections: TaskTracker,
    /// `/readyz` says so.
    ready: AtomicBool,
    metrics: OnceLock<MetricsPage>,
    /// Nobody but administrators is answered.
    is_for_administrators: bool,
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
    /// `mount` is the path of the engine, or that of everything and that of the engine below it.
    pub fn new(
        mount: impl Into<Mount>,
        negotiator: Negotiator,
        pages: impl Into<Option<Pages>>,
        limits: HttpLimits,
    ) -> Self {
        Server::answering(mount.into(), negotiator, pages.into(), limits, false)
    }

    /// A server for nobody but administrators: their page and requests, which `pages` has, and the metrics.
    /// It has connections of its own, so it is there when those for others are all taken.
    pub fn for_administrators(
        mount: impl Into<Mount>,
        negotiator: Negotiator,
        pages: Pages,
        limits: HttpLimits,
    ) -> Self {
        let (max_connections, max_connections_per_address) = (ADMINISTRATORS, 0);
        let limits = HttpLimits { max_connections, max_connections_per_address, ..limits };
        Server::answering(mount.into(), negotiator, Some(pages), limits, true)
    }

    fn answering(
        mount: Mount,
        negotiator: Negotiator,
        pages: Option<Pages>,
        limits: HttpLimits,
        is_for_administrators: bool,
    ) -> Self {
        let slots = Slots::new(limits.max_connections, limits.max_connections_per_address);
        let (connections, stopping) = (TaskTracker::new(), CancellationToken::new());
        let shared = Shared {
            mount,
            negotiator,
            pages,
            limits,
            slots: Arc::new(slots),
            no_slot: Arc::default(),
            connections,
            ready: AtomicBool::new(true),
            metrics: OnceLock::new(),
            is_for_administrators,
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

    /// Answers `/metrics` from now on. The first page stays.
    pub fn serve_metrics(&self, page: MetricsPage) {
        let _ = self.shared.metrics.set(page);
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

    fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Relaxed)
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
