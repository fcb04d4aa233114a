//! How a client joins a namespace, anew or back to a session that was kept; and what is kept of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Socket;
use super::broadcast::Broadcast;
use super::connection::Connection;
use super::namespace::Namespace;
use super::reason::{ConnectError, DisconnectReason};
use super::recovery::{Missed, Restored, SessionRecord, is_recoverable};
use super::socket::{NewSocket, Recovery};
use super::values::Args;
use crate::dialect::Body;
use crate::engine::{CloseReason, Cork, PER_PACKET, Sid};

/// Namespaces that one client may be in at once.
const MAX_NAMESPACES: usize = 32;
/// How long a client waits for its own older connection to end.
const TAKEOVER: Duration = Duration::from_secs(5);

/// What a client of a recovering namespace asks for.
struct Asked {
    pid: String,
    offset: Option<String>,
}

impl Connection {
    pub(super) async fn join(&mut self, name: Arc<str>, auth: Value) {
        let full = self.sockets.lock().len() >= MAX_NAMESPACES;
        let namespace = if full { None } else { self.io.enter(&name, &auth).await };
        let Some(namespace) = namespace else {
            let message = "Invalid namespace".to_owned();
            return self.send(&name, Body::ConnectError { message, data: None });
        };
        let recovers = self.session.dialect().rules().recovers && namespace.adapter().recovers();
        let back = match recovers.then(|| Asked::of(&auth)).flatten() {
            Some(asked) => match restore(&namespace, asked).await {
                Some(restored) => self.come_back(&namespace, &auth, restored).await,
                None => Back::Impossible,
            },
            None => Back::Impossible,
        };
        let socket = match back {
            Back::Here(socket) => Some(socket),
            Back::Refused => None,
            Back::Impossible => self.join_anew(namespace, auth, recovers).await,
        };
        let Some(socket) = socket else { return };
        for handler in &socket.namespace().table().connect {
            handler(socket.clone()).await;
        }
    }

    /// `None` if the client is not let in.
    async fn join_anew(&self, namespace: Namespace, auth: Value, recovers: bool) -> Option<Socket> {
        let recovery = recovers.then(Sid::random).and_then(Result::ok);
        let recovery = recovery.map(|pid| Recovery::new(pid.to_string(), OnceLock::new(), false));
        let session = Arc::clone(&self.session);
        let new = NewSocket { session, namespace, auth, id: None, data: Value::Null, recovery };
        let socket = Socket::new(new, &self.sockets);
        let leaving = Leaving(&socket);
        if let Err(error) = admit(&socket, true).await {
            refuse(&socket, error);
            return None;
        }
        if !self.session.is_open() {
            // It went while it was asked about: nobody heard of it, so nobody hears that it left.
            return None;
        }
        std::mem::forget(leaving);
        self.session.expire(None);
        let (joining, sockets) = (socket.clone(), Arc::clone(&self.sockets));
        // The answer goes out when all is done: a client that has its id is found by it.
        socket.namespace().adapter().between_events(Box::new(move |position| {
            if let (Some(recovery), Some(position)) = (joining.recovery(), position) {
                let _ = recovery.start.set(position);
            }
            Cork::default().hold(|| {
                joining.send(connected(&joining), Args::default());
                sockets.lock().push(joining.clone());
                joining.set_connected();
                joining.namespace().node().admit(&joining, &[]);
            });
        }));
        Some(socket)
    }

    /// Gives a client its session back, if that is possible.
    async fn come_back(&self, namespace: &Namespace, auth: &Value, restored: Restored) -> Back {
        let SessionRecord { pid, sid, mut rooms, data, start, .. } = restored.session.clone();
        rooms.retain(|room| **room != *sid);
        let Some(id) = Sid::parse(&sid) else { return Back::Impossible };
        let start = start.map_or_else(OnceLock::new, OnceLock::from);
        let recovery = Some(Recovery::new(pid, start, true));
        let (session, namespace) = (Arc::clone(&self.session), namespace.clone());
        let (id, auth) = (Some(id), auth.clone());
        let new = NewSocket { session, namespace, auth, id, data, recovery };
        let socket = Socket::new(new, &self.sockets);
        // If it cannot go on from there, the client joins anew: its place is still there.
        socket.namespace().enter();
        let leaving = Leaving(&socket);
        if let Err(error) = admit(&socket, !socket.namespace().adapter().skips_middleware()).await {
            refuse(&socket, error);
            socket.namespace().exit();
            return Back::Refused;
        }
        let (back, sockets) = (socket.clone(), Arc::clone(&self.sockets));
        let (told, events) = oneshot::channel();
        let from = restored.from.clone();
        let resume = Box::new(move |missed: Missed| {
            let last = missed.last().and_then(|event| event.position());
            let resumed = last.map_or(from, |offset| offset.to_string());
            if !has_room_for(&back, &missed) {
                return false;
            }
            if let Some(recovery) = back.recovery() {
                let _ = recovery.resumed.set(resumed);
            }
            Cork::default().hold(|| {
                missed.iter().for_each(|event| back.push_shared(event));
                back.send(connected(&back), Args::default());
                sockets.lock().push(back.clone());
                back.set_connected();
                let _ = told.send((back.namespace().node().admit(&back, &rooms), missed));
            });
            true
        });
        if !socket.namespace().adapter().resume(restored, resume).await {
            return Back::Impossible;
        }
        std::mem::forget(leaving);
        socket.namespace().exit();
        self.session.expire(None);
        self.io.count_recovery();
        let (rooms, missed) = events.await.unwrap_or_default();
        socket.namespace().node().tell_all(&rooms);
        for (name, args) in missed.iter().filter_map(|event| event.event()) {
            socket.tell_outgoing(name, args);
        }
        Back::Here(socket)
    }
}

/// What becomes of a client that wants its session back.
enum Back {
    Here(Socket),
    Refused,
    /// It joins anew.
    Impossible,
}

fn refuse(socket: &Socket, ConnectError { message, data }: ConnectError) {
    socket.send(Body::ConnectError { message, data }, Args::default());
}

impl Asked {
    /// Reads the auth payload. What is of a wrong type counts as not there.
    fn of(auth: &Value) -> Option<Self> {
        let pid = auth["pid"].as_str()?.to_owned();
        let offset = match auth.get("offset") {
            None => None,
            Some(offset) => Some(offset.as_str()?.to_owned()),
        };
        Some(Asked { pid, offset })
    }
}

/// Takes out the session that a client asks for.
async fn restore(namespace: &Namespace, Asked { pid, offset }: Asked) -> Option<Restored> {
    // The client knows that its older connection is lost, and the server does not yet.
    let ended = async {
        loop {
            let gone = namespace.node().gone.notified();
            match namespace.node().by_pid(&pid) {
                Some(older) => older.session().close(CloseReason::TransportLost),
                None => return,
            }
            gone.await;
        }
    };
    timeout(TAKEOVER, ended).await.ok()?;
    namespace.adapter().restore(pid, offset).await
}

/// Whether the client's queue takes all that it missed, with as much room left.
fn has_room_for(socket: &Socket, missed: &[Arc<Broadcast>]) -> bool {
    let (limits, dialect) = (socket.session().limits().queue, socket.session().dialect());
    let frames = missed.iter().flat_map(|event| event.frames(dialect));
    let (count, bytes) =
        frames.fold((0, 0), |(count, bytes), it| (count + 1, bytes + it.len() + PER_PACKET));
    count <= limits.messages / 2 && bytes <= limits.bytes / 2
}

/// The packet that says that a client has joined.
fn connected(socket: &Socket) -> Body {
    Body::Connect(match socket.recovery() {
        Some(recovery) => json!({ "sid": socket.id(), "pid": recovery.pid }),
        None => json!({ "sid": socket.id() }),
    })
}

/// Asks whether a client may join.
async fn admit(socket: &Socket, with_middleware: bool) -> Result<(), ConnectError> {
    let table = socket.namespace().table();
    for guard in &table.guards {
        guard(socket.clone()).await?;
    }
    for middleware in table.middleware.iter().filter(|_| with_middleware) {
        middleware(socket.clone()).await?;
    }
    Ok(())
}

/// Keeps the session of a client that was lost.
pub(super) fn keep(socket: &Socket, reason: DisconnectReason) {
    if let Some(record) = socket.record().filter(|_| is_recoverable(reason)) {
        socket.namespace().adapter().persist(record);
    }
}

/// A client is lost: its socket leaves, and what it is not sent any more counts as missed.
pub(super) fn lose(socket: &Socket) {
    if socket.recovery().is_none() {
        return socket.set_left();
    }
    let losing = socket.clone();
    socket.namespace().adapter().between_events(Box::new(move |position| {
        if let (Some(recovery), Some(position)) = (losing.recovery(), position) {
            let _ = recovery.lost.set(position);
        }
        losing.set_left();
    }));
}

/// Removes a socket from its namespace when this is dropped, whatever becomes of the application's functions.
pub(super) struct Leaving<'a>(pub &'a Socket);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.set_left();
        let namespace = self.0.namespace();
        namespace.node().remove(self.0);
        namespace.exit();
    }
}
