//! This node's part of one namespace: its sockets and their rooms.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use http::HeaderMap;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use super::Socket;
use super::adapter::Packet;
use super::answers::AnswerSink;
use super::broadcast::Broadcast;
use super::by_id::ById;
use super::details::SocketDetails;
use super::handlers::{Handlers, Taker};
use super::rooms::{Rooms, Selection};
use super::selector::{Flags, Selector};
use super::server_side::ServerSideEvent;
use super::taken::{Part, Taken};
use super::values::Args;
use crate::engine::{Cork, Delivery, Sid};

/// This node's sockets of one namespace, and their rooms: what an [`Adapter`](super::Adapter) works on.
///
/// Its methods concern this node alone, and wait for nobody.
pub struct LocalNode {
    namespace: Arc<str>,
    handlers: Handlers,
    sockets: RwLock<Sockets>,
    /// How many rooms all namespaces have. It changes under the lock, so that it is right at any moment.
    room_count: Arc<AtomicUsize>,
    /// The last id of an acknowledgement.
    ack_ids: AtomicU64,
    /// Notified when a socket is no more.
    pub(super) gone: Notify,
}

/// Lock order: this lock is a leaf. Nothing is sent, and no function of the application called, under it.
struct Sockets {
    rooms: Rooms<Socket>,
    ids: HashSet<ById>,
    /// Those whose sessions are kept if they are lost.
    pids: HashMap<String, Socket>,
}

/// Something that happened to a room on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEvent {
    /// Somebody is in the room, and nobody was.
    Created(Arc<str>),
    /// Nobody is in the room any more.
    Deleted(Arc<str>),
    /// The socket of that id joined.
    Joined(Arc<str>, String),
    /// The socket of that id left.
    Left(Arc<str>, String),
}

/// From so many receivers on, they are written to by tasks of their own, on several cores.
const LARGE: usize = 512;

impl fmt::Debug for LocalNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalNode").field(&self.namespace).finish()
    }
}

impl LocalNode {
    pub(super) fn new(
        namespace: Arc<str>,
        handlers: Handlers,
        room_count: Arc<AtomicUsize>,
    ) -> Self {
        let sockets = Sockets { rooms: Rooms::new(), ids: HashSet::new(), pids: HashMap::new() };
        let (sockets, ack_ids) = (RwLock::new(sockets), AtomicU64::new(0));
        LocalNode { namespace, handlers, sockets, room_count, ack_ids, gone: Notify::new() }
    }

    /// The namespace's name.
    pub fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    /// Adds a function that hears of rooms on this node, as
    /// [`Handlers::on_room`](super::Handlers::on_room) does.
    pub fn on_room(&self, listener: impl Fn(&RoomEvent) + Send + Sync + 'static) {
        self.handlers.on_room(listener);
    }

    pub(super) fn handlers(&self) -> &Handlers {
        &self.handlers
    }

    fn read(&self) -> RwLockReadGuard<'_, Sockets> {
        self.sockets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Sockets> {
        self.sockets.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new id of an acknowledgement. The first is 1: old clients take 0 for no id.
    pub(super) fn ack_id(&self) -> u64 {
        self.ack_ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A socket has joined the namespace, and these rooms. Returns what is to be told of that.
    pub(super) fn admit(&self, socket: &Socket, rooms: &[Arc<str>]) -> Vec<RoomEvent> {
        let mut sockets = self.write();
        sockets.rooms.admit(socket);
        sockets.ids.replace(ById(socket.clone()));
        if let Some(recovery) = socket.recovery() {
            sockets.pids.insert(recovery.pid.clone(), socket.clone());
        }
        let mut events = Vec::new();
        for room in rooms {
            let (joined, created) = sockets.rooms.join(socket, room);
            self.room_count.fetch_add(created.into(), Ordering::Relaxed);
            events.extend(created.then(|| RoomEvent::Created(Arc::clone(room))));
            events.extend(joined.then(|| RoomEvent::Joined(Arc::clone(room), socket.id())));
        }
        events
    }

    /// The socket whose session has that private id.
    pub(super) fn by_pid(&self, pid: &str) -> Option<Socket> {
        self.read().pids.get(pid).cloned()
    }

    pub(super) fn tell_all(&self, events: &[RoomEvent]) {
        let table = self.handlers.table();
        events.iter().for_each(|event| table.rooms.iter().for_each(|listener| listener(event)));
    }

    /// A socket is no more.
    pub(super) fn remove(&self, socket: &Socket) {
        let mut sockets = self.write();
        let rooms = sockets.rooms.remove(socket);
        let emptied = rooms.iter().filter(|(_, emptied)| *emptied).count();
        self.room_count.fetch_sub(emptied, Ordering::Relaxed);
        if sockets.ids.get(socket.sid()).is_some_and(|ById(other)| other == socket) {
            sockets.ids.remove(socket.sid());
        }
        if let Some(recovery) = socket.recovery()
            && sockets.pids.get(&recovery.pid) == Some(socket)
        {
            sockets.pids.remove(&recovery.pid);
        }
        drop(sockets);
        self.gone.notify_waiters();
        for (room, emptied) in rooms {
            self.tell(&room, |room| RoomEvent::Left(room, socket.id()));
            if emptied {
                self.tell(&room, RoomEvent::Deleted);
            }
        }
    }

    fn tell(&self, room: &Arc<str>, event: impl FnOnce(Arc<str>) -> RoomEvent) {
        if !self.handlers.peek().rooms.is_empty() {
            let (table, event) = (self.handlers.table(), event(Arc::clone(room)));
            table.rooms.iter().for_each(|listener| listener(&event));
        }
    }

    /// Has one socket join a room, unless it has left.
    pub(super) fn join_one(&self, socket: &Socket, room: &Arc<str>) {
        let (joined, created) = {
            let mut sockets = self.write();
            if socket.has_left() {
                return;
            }
            let (joined, created) = sockets.rooms.join(socket, room);
            self.room_count.fetch_add(created.into(), Ordering::Relaxed);
            (joined, created)
        };
        if joined {
            if created {
                self.tell(room, RoomEvent::Created);
            }
            self.tell(room, |room| RoomEvent::Joined(room, socket.id()));
        }
    }

    /// Has one socket leave a room.
    pub(super) fn leave_one(&self, socket: &Socket, room: &Arc<str>) {
        let (left, emptied) = {
            let mut sockets = self.write();
            let (left, emptied) = sockets.rooms.leave(socket, room);
            self.room_count.fetch_sub(emptied.into(), Ordering::Relaxed);
            (left, emptied)
        };
        if left {
            self.tell(room, |room| RoomEvent::Left(room, socket.id()));
            if emptied {
                self.tell(room, RoomEvent::Deleted);
            }
        }
    }

    pub(super) fn rooms_of(&self, socket: &Socket) -> Vec<Arc<str>> {
        let mut rooms = vec![Arc::from(socket.id())];
        rooms.extend(self.read().rooms.of(socket));
        rooms
    }

    fn select(&self, selector: &Selector) -> Selection<Socket> {
        let sockets = self.read();
        let by_id = |name: &str| {
            let own = name.strip_prefix(&*self.namespace).and_then(|rest| rest.strip_prefix('#'));
            let ById(socket) = sockets.ids.get(&Sid::parse(own.unwrap_or(name))?)?;
            (socket.id() == name).then(|| socket.clone())
        };
        sockets.rooms.select(&selector.rooms, &selector.except, by_id)
    }

    /// The sockets that a selector gives.
    pub fn sockets(&self, selector: &Selector) -> Vec<Socket> {
        self.select(selector).iter().filter(|socket| socket.is_connected()).cloned().collect()
    }

    /// The socket of that id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        let selector = Selector { rooms: vec![id.into()], except: Vec::new() };
        self.sockets(&selector).into_iter().find(|socket| socket.id() == id)
    }

    /// Whether a socket is in the room, or has that id.
    pub fn has(&self, room: &str) -> bool {
        self.select(&Selector { rooms: vec![room.into()], except: Vec::new() }).most() > 0
    }

    /// How many sockets are connected.
    pub fn count(&self) -> usize {
        self.read().rooms.count()
    }

    /// All rooms, and how many members each has. The rooms of socket ids are not among them.
    pub fn rooms(&self) -> Vec<(Arc<str>, usize)> {
        let sockets = self.read();
        sockets.rooms.sizes().map(|(name, size)| (Arc::clone(name), size)).collect()
    }

    /// Sends an event of this node.
    pub fn broadcast(&self, packet: Packet, selector: &Selector, flags: Flags) {
        self.broadcast_in_order(None, packet, selector, flags, |_packet| (None, ()));
    }

    /// Sends an event of another node: `origin` is its name.
    pub fn broadcast_of(
        &self,
        origin: &Arc<str>,
        packet: Packet,
        selector: &Selector,
        flags: Flags,
    ) {
        self.broadcast_in_order(Some(origin), packet, selector, flags, |_packet| (None, ()));
    }

    /// Sends an event with a position, which clients that can recover get as an argument more. `order`
    /// gives the position, and a guard under which the event is sent: so everybody gets events in the
    /// order of their positions. The application's listeners are called before that, so that they may send;
    /// what takes the event instead of the clients ([`Handlers::take_broadcasts`]) under the guard.
    /// `origin` names the node whose event it is, if it is another.
    pub fn broadcast_in_order<Guard>(
        &self,
        origin: Option<&Arc<str>>,
        packet: Packet,
        selector: &Selector,
        flags: Flags,
        order: impl FnOnce(&Packet) -> (Option<Arc<str>>, Guard),
    ) {
        let taken = Taken::new(packet, selector.clone(), flags, origin.cloned());
        self.broadcast_taken(taken, order);
    }

    /// As [`broadcast_in_order`](Self::broadcast_in_order), with all that the application may know of it; the
    /// offset is what `order` gives.
    pub fn broadcast_taken<Guard>(
        &self,
        taken: Taken,
        order: impl FnOnce(&Packet) -> (Option<Arc<str>>, Guard),
    ) {
        if let Some(taker) = self.taker(&taken.packet) {
            let (offset, guard) = order(&taken.packet);
            taker(Taken { offset, ..taken });
            return drop(guard);
        }
        let Taken { packet, selector, flags, part, .. } = taken;
        // Clients were told, or will be.
        if part == Part::Kept {
            return;
        }
        let selector = &selector;
        self.tell_outgoing(&packet, selector, flags);
        let (offset, guard) = order(&packet);
        let Packet { name, args } = packet;
        let broadcast = Broadcast::new(Arc::clone(&self.namespace), &name, args).offset(offset);
        let broadcast = match flags.volatile {
            true => broadcast.delivery(Delivery::Volatile),
            false => broadcast,
        };
        self.deliver(&self.select(selector), |socket| {
            if is_for(socket, flags) {
                socket.push_shared(&broadcast);
            }
        });
        drop(guard);
    }

    /// What takes the event instead of the clients.
    fn taker(&self, packet: &Packet) -> Option<Arc<Taker>> {
        let table = self.handlers.peek();
        let taker = table.takers.iter().find(|(event, _)| **event == *packet.name);
        taker.map(|(_, taker)| Arc::clone(taker))
    }

    /// Calls what listens to events that are sent, for each client that is to get this one. Not to be
    /// called under a lock.
    fn tell_outgoing(&self, packet: &Packet, selector: &Selector, flags: Flags) {
        let table = self.handlers.table();
        if !table.is_overheard() {
            return;
        }
        let selection = self.select(selector);
        let receivers = selection.iter().filter(|it| it.is_connected() && is_for(it, flags));
        receivers.for_each(|it| table.tell_outgoing(it, || Some((&*packet.name, &packet.args))));
    }

    /// Sends to each of a selection. If they are many, the packets are queued first, and then written by
    /// tasks of their own.
    fn deliver(&self, selection: &Selection<Socket>, send: impl Fn(&Socket)) {
        let all = || selection.iter().filter(|socket| socket.is_connected()).for_each(&send);
        match Handle::try_current().ok().filter(|_| selection.most() > LARGE) {
            Some(runtime) => {
                let mut cork = Cork::default();
                cork.hold(all);
                runtime.spawn(async move {
                    while !cork.is_idle() {
                        cork.release().await;
                    }
                });
            }
            None => all(),
        }
    }

    /// Sends an event that wants acknowledgements, and passes them to `answers`. Returns how many sockets
    /// it was sent to.
    pub fn broadcast_with_ack(
        &self,
        packet: Packet,
        selector: &Selector,
        flags: Flags,
        answers: &AnswerSink,
    ) -> usize {
        self.tell_outgoing(&packet, selector, flags);
        let (Packet { name, args }, id) = (packet, self.ack_id());
        let broadcast = Broadcast::with_ack(Arc::clone(&self.namespace), name, args, id);
        let selection = self.select(selector);
        let sockets = selection.iter().filter(|socket| socket.is_connected());
        answers.ask(sockets, |socket, waiter| {
            let asked = is_for(socket, flags) && socket.acks().register(id, waiter);
            if asked {
                socket.push_shared(&broadcast);
            }
            asked
        })
    }

    /// Has sockets join rooms.
    pub fn join(&self, selector: &Selector, rooms: &[Arc<str>]) {
        for socket in self.select(selector).iter() {
            rooms.iter().for_each(|room| self.join_one(socket, room));
        }
    }

    /// Has sockets leave rooms.
    pub fn leave(&self, selector: &Selector, rooms: &[Arc<str>]) {
        for socket in self.select(selector).iter() {
            rooms.iter().for_each(|room| self.leave_one(socket, room));
        }
    }

    /// Disconnects sockets from the namespace, or with `close` their sessions.
    pub fn disconnect(&self, selector: &Selector, close: bool) {
        self.select(selector).iter().for_each(|socket| socket.disconnect(close));
    }

    /// Describes sockets.
    pub fn fetch(&self, selector: &Selector) -> Vec<SocketDetails> {
        self.sockets(selector).iter().map(SocketDetails::of).collect()
    }

    /// Calls the handlers of events of other nodes; what their futures do is in a task of its own. `answer` gets what the first
    /// answers, if one does.
    pub fn server_side(self: &Arc<Self>, packet: Packet, answer: Option<oneshot::Sender<Args>>) {
        let table = self.handlers.table();
        if table.server_side.is_empty() {
            return;
        }
        let event = ServerSideEvent::new(packet.name, packet.args, answer);
        let calls: Vec<_> =
            table.server_side.iter().map(|handler| handler(event.clone())).collect();
        tokio::spawn(async move {
            for call in calls {
                call.await;
            }
        });
    }
}

/// Headers as Node's servers have them: lines of one name are one list.
pub(super) fn headers(headers: &HeaderMap) -> serde_json::Map<String, Value> {
    let list = |name| {
        let lines = headers.get_all(name).iter();
        lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join(", ")
    };
    headers.keys().map(|name| (name.as_str().to_owned(), list(name).into())).collect()
}

/// Whether an event that is sent so is for a socket at this moment.
fn is_for(socket: &Socket, flags: Flags) -> bool {
    !flags.volatile || socket.session().is_idle()
}
