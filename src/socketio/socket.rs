//! A client in a namespace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use serde_json::Value;

use super::acks::{AckError, Acks, Answer};
use super::broadcast::Broadcast;
use crate::dialect::{AckId, AckRequest, Body, SocketIds, SocketPacket};
use crate::engine::{CloseReason, Cork, Delivery, Session, Sid};

/// A handle on one client in one namespace; cheap to clone. Sending to a client that is gone does
/// nothing.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Inner>);

/// The sockets of one session. One that left stays until the application has heard of it.
#[derive(Debug, Default)]
pub(super) struct Sockets(Mutex<Vec<Socket>>);

#[derive(Debug)]
struct Inner {
    session: Arc<Session>,
    namespace: Arc<str>,
    /// All sockets of the session, this one too once it has joined.
    sockets: Weak<Sockets>,
    /// `None` where the session's sid says it all.
    own_id: Option<Sid>,
    acks: Acks,
    left: AtomicBool,
}

impl Socket {
    pub(super) fn new(session: Arc<Session>, namespace: Arc<str>, sockets: &Arc<Sockets>) -> Self {
        let own_id = match session.dialect().rules().socket_ids {
            SocketIds::OfSession => None,
            // Without randomness no session would have been opened a moment ago.
            SocketIds::Own => Sid::random().ok(),
        };
        let (sockets, acks, left) =
            (Arc::downgrade(sockets), Acks::default(), AtomicBool::new(false));
        Socket(Arc::new(Inner { session, namespace, sockets, own_id, acks, left }))
    }

    /// The id that the client knows itself by.
    pub fn id(&self) -> String {
        match (&self.0.own_id, &*self.0.namespace) {
            (Some(id), _) => id.to_string(),
            (None, "/") => self.0.session.sid().to_string(),
            (None, namespace) => format!("{namespace}#{}", self.0.session.sid()),
        }
    }

    pub fn namespace(&self) -> &Arc<str> {
        &self.0.namespace
    }

    pub fn session(&self) -> &Arc<Session> {
        &self.0.session
    }

    /// Whether the client left the namespace, or was made to.
    pub fn has_left(&self) -> bool {
        self.0.left.load(Ordering::Acquire)
    }

    pub fn emit(&self, name: &str, args: impl IntoIterator<Item = Value>) {
        self.emit_with(name, args, Vec::new());
    }

    /// Emits an event with binary parts, placeholders for which are in `args`.
    pub fn emit_with(
        &self,
        name: &str,
        args: impl IntoIterator<Item = Value>,
        attachments: Vec<Bytes>,
    ) {
        self.send(event(name, args, None), attachments);
    }

    /// Emits an event and waits for the client's acknowledgement. Not to be awaited inside
    /// [`App::event`](super::App::event): the answer comes in a later turn of the same client.
    ///
    /// # Errors
    /// If the client left, or too many of its answers are outstanding.
    pub fn emit_with_ack(
        &self,
        name: &str,
        args: impl IntoIterator<Item = Value>,
        attachments: Vec<Bytes>,
    ) -> impl Future<Output = Result<Answer, AckError>> + Send + 'static {
        let expected = self.0.acks.expect();
        if let Some((id, _)) = &expected {
            self.send(event(name, args, Some(AckRequest::ByApp((*id).into()))), attachments);
        }
        async move {
            let (_, answer) = expected.ok_or(AckError)?;
            answer.await.map_err(|_| AckError)
        }
    }

    /// Sends a shared event.
    pub fn emit_shared(&self, broadcast: &Broadcast) {
        if !self.has_left() {
            let session = &self.0.session;
            session.push_shared(broadcast.frames(session.dialect()), broadcast.delivered());
        }
    }

    /// Makes the client leave the namespace; with `close`, all of them, and ends its connection.
    pub fn disconnect(&self, close: bool) {
        let session = &self.0.session;
        if !close {
            self.dismiss();
            session.nudge();
            return;
        }
        // One answer takes it all to a client that polls.
        Cork::default().hold(|| self.disconnect_all());
    }

    fn disconnect_all(&self) {
        let session = &self.0.session;
        // Where a packet tells of the session's end, it speaks for all namespaces.
        let told = session.dialect().rules().ending_on_sockets;
        let part = if told { Socket::leave } else { Socket::dismiss };
        part(self);
        if let Some(sockets) = self.0.sockets.upgrade() {
            sockets.lock().iter().for_each(part);
        }
        session.close(CloseReason::ServerClosed);
    }

    fn dismiss(&self) {
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

    pub(super) fn answer(&self, id: AckId, args: Vec<Value>, attachments: Vec<Bytes>) {
        self.send(Body::Ack { id, args }, attachments);
    }

    pub(super) fn resolve(&self, id: &AckId, answer: Answer) {
        if let Some(id) = id.number() {
            self.0.acks.resolve(id, answer);
        }
    }

    pub(super) fn leave(&self) {
        self.0.left.store(true, Ordering::Release);
        self.0.acks.abandon();
    }
}

impl Sockets {
    pub fn lock(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out one that has left.
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
