//! One client in one namespace.

mod sending;

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::error;

use super::acks::Acks;
use super::broadcast::Broadcast;
use super::event::{Event, EventFault, EventHandler};
use super::extensions::Extensions;
use super::handlers::{EventMiddleware, OnEvent, boxed_middleware};
use super::namespace::Namespace;
use super::own_handlers::OwnHandlers;
use super::recovery::SessionRecord;
use super::rooms::{Member, NO_SLOT};
use super::selector::RoomNames;
use super::sockets::Sockets;
use super::values::{Args, IntoArgs, ValueError};
use crate::dialect::{AckId, Body, SocketIds, SocketPacket, grammar};
use crate::engine::{CloseReason, Cork, Delivery, Handshake, Session, Sid};

/// A handle on one client in one namespace; cheap to clone. Sending to a client that has left does
/// nothing.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    session: Arc<Session>,
    namespace: Namespace,
    /// All sockets of the session, with this one once it has joined.
    sockets: Weak<Sockets>,
    /// `None` if the id is made of the session's sid.
    own_id: Option<Sid>,
    acks: Acks,
    stage: AtomicU8,
    slot: AtomicUsize,
    extras: OnceLock<Box<Extras>>,
}

/// What most sockets have nothing of.
#[derive(Default)]
struct Extras {
    auth: Option<Value>,
    extensions: Extensions,
    data: Mutex<Value>,
    event_middleware: Mutex<Vec<Arc<EventMiddleware>>>,
    handlers: OwnHandlers,
    recovery: Option<Recovery>,
}

/// What a socket knows of its recovery.
#[derive(Debug)]
pub(super) struct Recovery {
    /// The private id, by which the client asks for its session.
    pub pid: String,
    /// The position at which it joined.
    pub start: OnceLock<String>,
    /// The position of the last event that it was sent.
    sent: Mutex<Option<Arc<str>>>,
    /// The position at which its client was lost.
    pub lost: OnceLock<String>,
    pub recovered: bool,
    /// The position up to which its client got what it had missed, if it came back.
    pub resumed: OnceLock<String>,
}

impl Recovery {
    pub fn new(pid: String, start: OnceLock<String>, recovered: bool) -> Self {
        let (sent, lost, resumed) = (Mutex::default(), OnceLock::new(), OnceLock::new());
        Recovery { pid, start, sent, lost, recovered, resumed }
    }

    fn set_sent(&self, offset: &Arc<str>) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        *sent = Some(Arc::clone(offset));
    }

    pub fn sent(&self) -> Option<Arc<str>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Extras {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Extras").field(&self.data).finish()
    }
}

/// The stages of a socket: the client is not told yet; it has joined; it has left.
const JOINING: u8 = 0;
const CONNECTED: u8 = 1;
const LEFT: u8 = 2;

static NO_AUTH: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

/// What a new socket is made of.
pub(super) struct NewSocket {
    pub session: Arc<Session>,
    pub namespace: Namespace,
    pub auth: Value,
    /// Of a session that was restored.
    pub id: Option<Sid>,
    pub data: Value,
    pub recovery: Option<Recovery>,
}

impl Socket {
    pub(super) fn new(new: NewSocket, sockets: &Arc<Sockets>) -> Self {
        let NewSocket { session, namespace, auth, id, data, recovery } = new;
        let own_id = match session.dialect().rules().socket_ids {
            SocketIds::OfSession => None,
            // Fails only without a source of randomness, and then no session opens in the first place.
            SocketIds::Own => id.or_else(|| Sid::random().ok()),
        };
        let auth = auth.as_object().is_some_and(|auth| !auth.is_empty()).then_some(auth);
        let extras = OnceLock::new();
        if auth.is_some() || recovery.is_some() {
            let data = Mutex::new(data);
            let some = Extras { auth, data, recovery, ..Extras::default() };
            let _ = extras.set(Box::new(some));
        }
        Socket(Arc::new(Inner {
            session,
            namespace,
            sockets: Arc::downgrade(sockets),
            own_id,
            acks: Acks::default(),
            stage: AtomicU8::new(JOINING),
            slot: AtomicUsize::new(NO_SLOT),
            extras,
        }))
    }

    fn extras(&self) -> &Extras {
        self.0.extras.get_or_init(Box::default)
    }

    /// The socket id that the client has for itself.
    pub fn id(&self) -> String {
        match (&self.0.own_id, &**self.0.namespace.name()) {
            (Some(id), _) => id.to_string(),
            (None, "/") => self.0.session.sid().to_string(),
            (None, namespace) => format!("{namespace}#{}", self.0.session.sid()),
        }
    }

    /// What tells it from other sockets of the namespace.
    pub(super) fn sid(&self) -> &Sid {
        self.0.own_id.as_ref().unwrap_or_else(|| self.0.session.sid_ref())
    }

    /// The namespace that was joined.
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// The session below.
    pub fn session(&self) -> &Arc<Session> {
        &self.0.session
    }

    /// What the request that opened the session told of the client.
    pub fn handshake(&self) -> &Handshake {
        self.0.session.handshake()
    }

    /// The auth payload with which the client joined, always an object; for older clients the query
    /// string of the namespace.
    pub fn auth(&self) -> &Value {
        self.0.extras.get().and_then(|extras| extras.auth.as_ref()).unwrap_or(&NO_AUTH)
    }

    /// Data of any type, for the socket's life.
    pub fn extensions(&self) -> &Extensions {
        &self.extras().extensions
    }

    /// Data that the cluster can see, by [`Namespace::fetch_sockets`]. Null at first.
    pub fn data(&self) -> Value {
        let Some(extras) = self.0.extras.get() else { return Value::Null };
        extras.data.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the data that the cluster can see. What cannot be written as JSON is null.
    pub fn set_data(&self, data: impl Serialize) {
        let data = serde_json::to_value(data).unwrap_or_default();
        *self.extras().data.lock().unwrap_or_else(PoisonError::into_inner) = data;
    }

    pub(super) fn recovery(&self) -> Option<&Recovery> {
        self.0.extras.get()?.recovery.as_ref()
    }

    /// Whether the client was lost, and got this session back with all that it missed.
    pub fn is_recovered(&self) -> bool {
        self.recovery().is_some_and(|recovery| recovery.recovered)
    }

    /// The position up to which a client that came back got what it had missed; `None` for one that joined anew.
    pub fn resumed_at(&self) -> Option<&str> {
        self.recovery()?.resumed.get().map(String::as_str)
    }

    /// What is to be kept of the client so that it can come back: `None` if its namespace does not recover, or
    /// its generation cannot.
    pub fn record(&self) -> Option<SessionRecord> {
        let recovery = self.recovery()?;
        Some(SessionRecord {
            pid: recovery.pid.clone(),
            sid: self.id(),
            rooms: self.rooms(),
            data: self.data(),
            start: recovery.start.get().cloned(),
            sent: recovery.sent().map(|sent| sent.to_string()),
            lost: recovery.lost.get().cloned(),
        })
    }

    /// Whether the client has joined and not left.
    pub fn is_connected(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) == CONNECTED
    }

    /// Whether the client left the namespace, or was disconnected from it.
    pub fn has_left(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) == LEFT
    }

    pub(super) fn set_connected(&self) {
        let (from, to) = (JOINING, CONNECTED);
        let _ = self.0.stage.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Joins a room, or several. Does nothing if the client has left.
    pub fn join(&self, rooms: impl RoomNames) {
        let mut names = Vec::new();
        rooms.add_to(&mut names);
        names.iter().for_each(|room| self.0.namespace.node().join_one(self, room));
    }

    /// Leaves a room, or several.
    pub fn leave(&self, rooms: impl RoomNames) {
        let mut names = Vec::new();
        rooms.add_to(&mut names);
        names.iter().for_each(|room| self.0.namespace.node().leave_one(self, room));
    }

    /// The rooms that it is in: the first is its id.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.0.namespace.node().rooms_of(self)
    }

    /// Adds a function that each event of this client goes through before its handlers, after those of
    /// the namespace. It may change the event, or refuse it.
    pub fn use_events<Called>(
        &self,
        middleware: impl Fn(Socket, Event) -> Called + Send + Sync + 'static,
    ) where
        Called: Future<Output = Result<Event, EventFault>> + Send + 'static,
    {
        let own = &self.extras().event_middleware;
        own.lock().unwrap_or_else(PoisonError::into_inner).push(boxed_middleware(middleware));
    }

    /// Adds a handler of an event of this client alone, for its life: see [`Handlers::on`]. Those of the
    /// namespace are called first.
    ///
    /// ```
    /// # use parlance::socketio::{Io, Socket};
    /// # let io = Io::new();
    /// io.of("/").on_connect(|socket: Socket| async move {
    ///     socket.once("ready", |socket: Socket| async move {
    ///         socket.on("move", |socket: Socket, to: (i32, i32)| async move {
    ///             socket.broadcast().emit("move", to);
    ///         });
    ///     });
    /// });
    /// ```
    ///
    /// [`Handlers::on`]: super::Handlers::on
    pub fn on<Parameters>(&self, event: &str, handler: impl EventHandler<Parameters>) {
        self.extras().handlers.add(event, handler, false);
    }

    /// [`Socket::on`] for the next event of that name only.
    pub fn once<Parameters>(&self, event: &str, handler: impl EventHandler<Parameters>) {
        self.extras().handlers.add(event, handler, true);
    }

    /// Removes all handlers of an event that this client has of its own.
    pub fn off(&self, event: &str) {
        if let Some(extras) = self.0.extras.get() {
            extras.handlers.remove(event);
        }
    }

    /// The handlers of its own that an event is for.
    pub(super) fn take_handlers(&self, event: &str) -> Vec<Arc<OnEvent>> {
        self.0.extras.get().map_or_else(Vec::new, |extras| extras.handlers.take(event))
    }

    pub(super) fn event_middleware(&self) -> Vec<Arc<EventMiddleware>> {
        let Some(extras) = self.0.extras.get() else { return Vec::new() };
        extras.event_middleware.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends an event that other sockets get, too.
    pub fn emit_shared(&self, broadcast: &Broadcast) {
        if self.has_left() {
            return;
        }
        self.0.namespace.peek().tell_outgoing(self, || broadcast.event());
        self.push_shared(broadcast);
    }

    /// [`Socket::emit_shared`] of which no listener hears.
    pub(super) fn push_shared(&self, broadcast: &Broadcast) {
        if self.has_left() {
            return;
        }
        if let (Some(recovery), Some(offset)) = (self.recovery(), broadcast.position()) {
            recovery.set_sent(offset);
        }
        let session = &self.0.session;
        session.push_shared(broadcast.frames(session.dialect()), broadcast.delivery);
    }

    /// Calls what listens to events that are sent. Not to be called under a lock.
    pub(super) fn tell_outgoing(&self, name: &str, args: &Args) {
        self.0.namespace.table().tell_outgoing(self, || Some((name, args)));
    }

    /// Disconnects the client from the namespace, or with `close` from all namespaces, and closes its
    /// session.
    pub fn disconnect(&self, close: bool) {
        let session = &self.0.session;
        if !close {
            self.send_disconnect();
            session.nudge();
            return;
        }
        // Coalesces the packets, so that a client that polls gets them all in one answer.
        Cork::default().hold(|| self.disconnect_all());
    }

    fn disconnect_all(&self) {
        let session = &self.0.session;
        // If the dialect has a packet for the end of the session, that stands for all namespaces.
        let has_ending = session.dialect().rules().ending_on_sockets;
        let leave = if has_ending { Socket::set_left } else { Socket::send_disconnect };
        leave(self);
        if let Some(sockets) = self.0.sockets.upgrade() {
            // Sending takes the session's lock while this one is held, as the lock order allows.
            sockets.lock().iter().for_each(leave);
        }
        session.close(CloseReason::ServerClosed);
    }

    /// Sends a disconnect packet and leaves the namespace.
    fn send_disconnect(&self) {
        self.send(Body::Disconnect, Args::default());
        self.set_left();
    }

    pub(super) fn send(&self, body: Body, args: Args) {
        self.send_as(body, args, Delivery::Reliable);
    }

    /// Sends a packet; of `args` only the attachments, as the body has the values.
    pub(super) fn send_as(&self, body: Body, args: Args, delivery: Delivery) {
        if self.has_left() {
            return;
        }
        let Inner { session, namespace, .. } = &*self.0;
        if let Body::Event { name, args: values, .. } = &body {
            let attachments = || args.attachments.clone();
            namespace.table().tell_outgoing(self, || {
                Some((name, Args { values: values.clone(), attachments: attachments() }))
            });
        }
        let namespace = Arc::clone(namespace.name());
        let packet = SocketPacket { namespace, body, attachments: args.attachments };
        session.push(&session.dialect().encode(&packet, session.wire()), delivery);
    }

    pub(super) fn send_ack(&self, id: AckId, args: Args) {
        let Args { values, attachments } = args;
        let rest = Args { values: Vec::new(), attachments };
        self.send(Body::Ack { id, args: values }, rest);
    }

    pub(super) fn acks(&self) -> &Acks {
        &self.0.acks
    }

    pub(super) fn resolve(&self, id: &AckId, args: Args) {
        if let Some(id) = id.number() {
            self.0.acks.resolve(id, args);
        }
    }

    /// Marks the socket as left. The session's receiver tells the application later.
    pub(super) fn set_left(&self) {
        self.0.stage.store(LEFT, Ordering::Release);
        self.0.acks.cancel_all();
    }
}

/// Arguments that can be sent; `None` if the event cannot be sent, of which the log has a line.
pub(super) fn writable(name: &str, args: impl IntoArgs) -> Option<Args> {
    checked(name, args)
        .inspect_err(|error| error!(event = name, %error, "an event cannot be written"))
        .ok()
}

/// Arguments that can be sent by an event of that name.
pub(super) fn checked(name: &str, args: impl IntoArgs) -> Result<Args, ValueError> {
    match grammar::is_reserved(name) {
        // Clients end their connection when they get one.
        true => Err(serde::ser::Error::custom("the event's name is reserved")),
        false => args.into_args(),
    }
}

impl Member for Socket {
    fn slot(&self) -> &AtomicUsize {
        &self.0.slot
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}
