//! Who watches, and what they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tracing::info;

use super::journal::Journal;
use super::login::{Credentials, Logins};
use super::sockets::Sockets;
use super::stats::{Carried, Happened, Identity};
use super::{NAMESPACE, shown, watcher};
use crate::admission::{Gate, network_name};
use crate::engine::{Engine, Observer, Session, SessionEvent};
use crate::policy::Refusal;
use crate::socketio::{Args, Broadcast, ConnectError, DisconnectReason, Event, RoomEvent, Socket};
use crate::token_bucket::{Bucket, Rate};

/// Pages that may watch at once.
pub const WATCHERS: usize = 16;
/// How often a server tells of itself.
const PERIOD: Duration = Duration::from_secs(2);
/// Events of clients that are told, and as many that are sent to them; of more at once only these.
const EVENTS: Rate = Rate::per_second(200, 400);

/// How much the pages are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Numbers alone.
    Production,
    /// Also each socket with its rooms, and each event that clients send or get.
    Development,
}

/// The state that all open pages of the Admin UI share. While none is open, it only counts the sockets of each
/// namespace, and in development mode keeps a list of them.
#[derive(Debug)]
pub struct Hub {
    pub(super) mode: Mode,
    pub(super) sockets: Sockets,
    pub(super) journal: Journal,
    /// The latest, once there was one.
    pub(super) stats: watch::Sender<Option<Arc<Broadcast>>>,
    gate: Arc<Gate>,
    logins: Logins,
    identity: Identity,
    watchers: AtomicUsize,
    places: Arc<Semaphore>,
    /// A page came that has no numbers yet, or one left.
    came: Notify,
    happened: Happened,
    received: Mutex<Bucket>,
    sent: Mutex<Bucket>,
}

impl Hub {
    /// Pages log in with that token.
    pub fn new(token: Arc<str>, mode: Mode, gate: Arc<Gate>, port: u16) -> Arc<Self> {
        Arc::new(Hub {
            mode,
            sockets: Sockets::new(mode == Mode::Development),
            journal: Journal::default(),
            stats: watch::Sender::default(),
            gate,
            logins: Logins::new(token),
            identity: Identity::new(port),
            watchers: AtomicUsize::new(0),
            places: Arc::new(Semaphore::new(WATCHERS)),
            came: Notify::new(),
            happened: Happened::default(),
            received: Mutex::default(),
            sent: Mutex::default(),
        })
    }

    /// Tells of the server while somebody watches. Runs for as long as the process.
    pub async fn run(self: Arc<Self>, engine: Engine) {
        let mut carried = Carried::now();
        loop {
            if self.is_watched() {
                let _ = tokio::time::timeout(PERIOD, self.came.notified()).await;
            } else {
                self.came.notified().await;
                // A page has just come. What was counted while no page was open is dropped, so that the first
                // numbers it gets are those of one period.
                (carried, _) = (Carried::now(), self.happened.take());
            }
            let now = Carried::now();
            now.count_since(&carried, &self.happened);
            carried = now;
            let clients = engine.session_count();
            // WebSockets that are still being probed count, too; that is over in a moment.
            let polling = clients.saturating_sub(self.gate.counters().websockets());
            let happened = self.happened.take();
            let stats = self.identity.stats(clients, polling, happened, self.sockets.counts());
            let stats = Broadcast::new(NAMESPACE.into(), "server_stats", vec![stats]);
            self.stats.send_replace(Some(Arc::new(stats)));
        }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Acquire) > 0
    }

    /// Whether somebody sees each socket.
    pub(super) fn is_observed(&self) -> bool {
        self.mode == Mode::Development && self.is_watched()
    }

    /// Whether a client may watch.
    pub(super) fn admit(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectError> {
        let session = socket.session();
        let refused = |refusal: Refusal| ConnectError::new(refusal.to_string());
        self.gate.check_namespace(session, NAMESPACE).map_err(refused)?;
        // These words have the page ask for the password again.
        let invalid = || ConnectError::new("invalid credentials");
        match Credentials::of(auth) {
            Credentials::Password(password) => {
                let checked = self.gate.check_login(session, || self.logins.is_token(password));
                checked.map_err(|refusal| match refusal {
                    Refusal::Login { wait: None } => invalid(),
                    refusal => refused(refusal),
                })?;
            }
            Credentials::Login(id) if self.logins.is_known(id) => {}
            Credentials::Login(_) | Credentials::Nothing => return Err(invalid()),
        }
        // Taken before the client is in, so that of many who come at once no more get in. If others refuse
        // the client, or it goes meanwhile, its place goes with its socket.
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| ConnectError::new(format!("{WATCHERS} others are watching already")))?;
        socket.extensions().insert::<OwnedSemaphorePermit>(place);
        Ok(())
    }

    /// A page has joined.
    pub(super) fn welcome(self: &Arc<Self>, socket: &Socket, auth: &Value) {
        self.watchers.fetch_add(1, Ordering::AcqRel);
        let session = socket.session();
        self.gate.set_joined(session, NAMESPACE, true);
        if matches!(Credentials::of(auth), Credentials::Password(_)) {
            let (sid, network) = (session.sid(), network_name(session.handshake().bucket));
            info!(%sid, network, "an administrator logged in");
            if let Some(id) = self.logins.remember() {
                socket.emit("session", id.as_str());
            }
        }
        let features: &[&str] = match self.mode {
            Mode::Production => &["AGGREGATED_EVENTS"],
            Mode::Development => &[
                "EMIT",
                "JOIN",
                "LEAVE",
                "DISCONNECT",
                "MJOIN",
                "MLEAVE",
                "MDISCONNECT",
                "AGGREGATED_EVENTS",
                "ALL_EVENTS",
            ],
        };
        socket.emit("config", json!({ "supportedFeatures": features }));
        tokio::spawn(watcher::watch(Arc::clone(self), socket.clone()));
        self.came.notify_one();
    }

    /// A page has left.
    pub(super) fn farewell(&self, socket: &Socket) {
        self.gate.set_joined(socket.session(), NAMESPACE, false);
        socket.extensions().remove::<OwnedSemaphorePermit>();
        if self.watchers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.journal.clear();
        }
        // The task of the page waits for numbers, and ends with the next.
        self.came.notify_one();
    }

    /// A client has joined a namespace.
    pub(super) fn joined(&self, socket: &Socket) {
        self.sockets.add(socket);
        if self.is_observed() {
            let (namespace, id) = (&**socket.namespace().name(), socket.id());
            self.in_room("room_joined", namespace, &id, &id);
            let shown = shown::socket(socket, socket.session().transport());
            self.journal.push("socket_connected", vec![shown, shown::now()]);
        }
    }

    /// A client has left a namespace.
    pub(super) fn left(&self, socket: &Socket, reason: DisconnectReason) {
        self.sockets.remove(socket);
        if self.is_observed() {
            let (namespace, id) = (&**socket.namespace().name(), socket.id());
            let reason = reason.to_string();
            let args = vec![namespace.into(), id.clone().into(), reason.into(), shown::now()];
            self.journal.push("socket_disconnected", args);
            self.in_room("room_left", namespace, &id, &id);
        }
    }

    /// Something happened to a room of the application.
    pub(super) fn room(&self, namespace: &str, event: &RoomEvent) {
        if self.is_observed() {
            match event {
                RoomEvent::Joined(room, id) => self.in_room("room_joined", namespace, room, id),
                RoomEvent::Left(room, id) => self.in_room("room_left", namespace, room, id),
                RoomEvent::Created(_) | RoomEvent::Deleted(_) => {}
            }
        }
    }

    fn in_room(&self, what: &str, namespace: &str, room: &str, id: &str) {
        let args = vec![namespace.into(), shown::cut(room).into(), id.into(), shown::now()];
        self.journal.push(what, args);
    }

    /// A client sent an event.
    pub(super) fn received(&self, socket: &Socket, event: &Event) {
        if self.is_observed() && may_tell(&self.received) {
            self.event("event_received", socket, &event.name, &event.args);
        }
    }

    /// An event is sent to a client.
    pub(super) fn sent(&self, socket: &Socket, name: &str, args: &Args) {
        if may_tell(&self.sent) {
            self.event("event_sent", socket, name, args);
        }
    }

    fn event(&self, what: &str, socket: &Socket, name: &str, args: &Args) {
        let namespace = &**socket.namespace().name();
        let shown = shown::event(name, &args.values, &args.attachments);
        self.journal.push(what, vec![namespace.into(), socket.id().into(), shown, shown::now()]);
    }
}

fn may_tell(bucket: &Mutex<Bucket>) -> bool {
    let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
    EVENTS.take(*bucket, 1, Instant::now()).map(|left| *bucket = left).is_ok()
}

impl Observer<Session> for Hub {
    fn observe(&self, session: &Session, event: &SessionEvent<'_>) {
        if !self.is_watched() {
            return;
        }
        match *event {
            SessionEvent::Handshake { .. } => self.happened.count("rawConnection", None, 1),
            SessionEvent::Closed { reason, .. } => {
                self.happened.count("rawDisconnection", Some(reason.to_string()), 1);
            }
            SessionEvent::Moved { to, .. }
            | SessionEvent::Upgraded { to, .. }
            | SessionEvent::TakenBack { to, .. } => {
                for socket in self.sockets.of(session.sid()) {
                    let args = json!({
                        "id": socket.id(),
                        "nsp": **socket.namespace().name(),
                        "transport": shown::transport_name(to),
                    });
                    self.journal.push("socket_updated", vec![args]);
                }
            }
            _ => {}
        }
    }
}
