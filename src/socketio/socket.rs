//! One client in one namespace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use serde_json::Value;

use super::acks::{AckError, Acks, Answer};
use super::broadcast::Broadcast;
use crate::dialect::{AckId, AckRequest, Body, SocketIds, SocketPacket};
use crate::engine::{CloseReason, Cork, Delivery, Session, Sid};

/// A handle on one client in one namespace; cheap to clone. Sending to a client that has left does
/// nothing.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Inner>);

/// The sockets of one session. A socket that left stays here until the application's `disconnect` is
/// called for it.
///
/// Lock order: this lock, then the session's. Never take it while the session's lock is held.
#[derive(Debug, Default)]
pub(super) struct Sockets(Mutex<Vec<Socket>>);

#[derive(Debug)]
struct Inner {
    session: Arc<Session>,
    namespace: Arc<str>,
    /// All sockets of the session, with this one once it has joined.
    sockets: Weak<Sockets>,
    /// `None` if the id is made of the session's sid.
    own_id: Option<Sid>,
    acks: Acks,
    left: AtomicBool,
}

impl Socket {
    pub(super) fn new(session: Arc<Session>, namespace: Arc<str>, sockets: &Arc<Sockets>) -> Self {
        let own_id = match session.dialect().rules().socket_ids {
            SocketIds::OfSession => None,
            // Fails only without a source of randomness, and then no session opens in the first place.
            SocketIds::Own => Sid::random().ok(),
        };
        let (sockets, acks, left) =
            (Arc::downgrade(sockets), Acks::default(), AtomicBool::new(false));
        Socket(Arc::new(Inner { session, namespace, sockets, own_id, acks, left }))
    }

    /// The socket id that the client has for itself.
    pub fn id(&self) -> String {
        match (&self.0.own_id, &*self.0.namespace) {
            (Some(id), _) => id.to_string(),
            (None, "/") => self.0.session.sid().to_string(),
            (None, namespace) => format!("{namespace}#{}", self.0.session.sid()),
        }
    }

    /// The namespace that was joined.
    pub fn namespace(&self) -> &Arc<str> {
        &self.0.namespace
    }

    /// The session below.
    pub fn session(&self) -> &Arc<Session> {
        &self.0.session
    }

    /// Whether the client left the namespace, or was disconnected from it.
    pub fn has_left(&self) -> bool {
        self.0.left.load(Ordering::Acquire)
    }

    /// Sends an event to this client.
    pub fn emit(&self, name: &str, args: impl IntoIterator<Item = Value>) {
        self.emit_with(name, args, Vec::new());
    }

    /// Emits an event with binary parts; `args` has their placeholders, as in
    /// [`Event::args`](super::Event::args).
    pub fn emit_with(
        &self,
        name: &str,
        args: impl IntoIterator<Item = Value>,
        attachments: Vec<Bytes>,
    ) {
        self.send(event(name, args, None), attachments);
    }

    /// Emits an event and returns a future of the client's acknowledgement. It has no deadline of its own.
    /// Do not await it in [`App::event`](super::App::event) of the same client: the acknowledgement comes
    /// in a later call, which would never be made.
    ///
    /// # Errors
    /// If the client leaves, or too many acknowledgements are outstanding.
    pub fn emit_with_ack(
        &self,
        name: &str,
        args: impl IntoIterator<Item = Value>,
        attachments: Vec<Bytes>,
    ) -> impl Future<Output = Result<Answer, AckError>> + Send + 'static {
        let registered = self.0.acks.register();
        if let Some((id, _)) = &registered {
            self.send(event(name, args, Some(AckRequest::ByApp((*id).into()))), attachments);
        }
        async move {
            let (_, answer) = registered.ok_or(AckError)?;
            answer.await.map_err(|_| AckError)
        }
    }

    /// Emits an event that other sockets get, too.
    pub fn emit_shared(&self, broadcast: &Broadcast) {
        if !self.has_left() {
            let session = &self.0.session;
            session.push_shared(broadcast.frames(session.dialect()), broadcast.delivery);
        }
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
        let leave = if has_ending { Socket::leave } else { Socket::send_disconnect };
        leave(self);
        if let Some(sockets) = self.0.sockets.upgrade() {
            // Sending takes the session's lock while this one is held, as the lock order allows.
            sockets.lock().iter().for_each(leave);
        }
        session.close(CloseReason::ServerClosed);
    }

    /// Sends a disconnect packet and leaves the namespace.
    fn send_disconnect(&self) {
        self.send(Body::Disconnect, Vec::new());
        self.leave();
    }

    pub(super) fn send(&self, body: Body, attachments: Vec<Bytes>) {
        if self.has_left() {
            return;
        }
        let Inner { session, namespace, .. } = &*self.0;
        let packet = SocketPacket { namespace: Arc::clone(namespace), body, attachments };
        session.push(&session.dialect().encode(&packet, session.wire()), Delivery::Reliable);
    }

    pub(super) fn send_ack(&self, id: AckId, args: Vec<Value>, attachments: Vec<Bytes>) {
        self.send(Body::Ack { id, args }, attachments);
    }

    pub(super) fn resolve(&self, id: &AckId, answer: Answer) {
        if let Some(id) = id.number() {
            self.0.acks.resolve(id, answer);
        }
    }

    /// Marks the socket as left. The session's receiver calls the application's `disconnect` later.
    pub(super) fn leave(&self) {
        self.0.left.store(true, Ordering::Release);
        self.0.acks.cancel_all();
    }
}

impl Sockets {
    pub fn lock(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns a socket that has left, if there is one.
    pub fn take_left(&self) -> Option<Socket> {
        let mut sockets = self.lock();
        let at = sockets.iter().position(Socket::has_left)?;
        Some(sockets.swap_remove(at))
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn event(name: &str, args: impl IntoIterator<Item = Value>, ack: Option<AckRequest>) -> Body {
    Body::Event { name: name.to_owned(), args: args.into_iter().collect(), ack }
}
